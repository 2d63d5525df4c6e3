//! Settled: the contract has paid; only locks may still be decided.

use crate::chain::{ChannelStatus, CloseMode, EventPosition};
use crate::change::Change;
use crate::duty;
use crate::error::ProtocolError;
use crate::ids::Version;
use crate::lock::Lock;
use crate::message::RejectReason;
use crate::money::Amount;
use crate::output::Notice;
use crate::phase::open::apply;
use crate::record::{CoSigned, Dispute, InFlight, Phase, RecordParts, Settlement};
use crate::rules;
use crate::signature::StateSignature;
use crate::state::StateKind;
use crate::time::{BlockTimestamp, Finality};

/// What `ChannelClosed` says.
pub(crate) struct Closed {
    pub(crate) version: Version,
    pub(crate) paid1: Amount,
    pub(crate) paid2: Amount,
    pub(crate) held1: Amount,
    pub(crate) held2: Amount,
    pub(crate) mode: CloseMode,
}

/// The contract has settled. Before it is final this only stops all binding, as a close does.
pub(crate) fn close(
    change: &mut Change<'_>,
    closed: &Closed,
    position: EventPosition,
    is_final: bool,
) -> Result<(), ProtocolError> {
    let interrupted = match &change.parts.phase {
        Phase::Settled(settlement) if settlement.is_final => return Ok(()),
        Phase::Settled(settlement) => settlement.interrupted,
        // One provider's word must not end a challenge, nor an open that it knows nothing of.
        Phase::Disputed(_) | Phase::Funding { .. } | Phase::Opening(_) if !is_final => {
            return Ok(());
        }
        Phase::Disputed(dispute) => dispute.interrupted,
        Phase::Closing(stage) => Some(*stage),
        Phase::Open | Phase::Funding { .. } | Phase::Opening(_) => None,
    };
    let settlement = Settlement {
        version: closed.version,
        mode: closed.mode,
        paid1: closed.paid1,
        paid2: closed.paid2,
        held1: closed.held1,
        held2: closed.held2,
        locks: settled_locks(&change.parts, closed),
        resolved: 0,
        returned: 0,
        position,
        is_final,
        interrupted,
    };
    change.write().phase = Phase::Settled(settlement);
    if is_final {
        change.write().chain.status = ChannelStatus::Closed;
        end_updates(change, closed.version)?;
        change.notify(Notice::Settled { paid1: closed.paid1, paid2: closed.paid2 });
    }
    Ok(())
}

/// Nothing that waits will ever be signed: an update is in the settled state, or has failed. Where the settled state
/// is not known here (data was lost), nobody can say which, and it is left open. A version of ours that is neither
/// co-signed nor in flight is that of a withdrawal, which holds what the co-signed state holds.
fn end_updates(change: &mut Change<'_>, settled: Version) -> Result<(), ProtocolError> {
    let base = change.parts.base.as_ref().map_or(Version::ZERO, |base| base.state.version);
    let is_settled = |proposal: &&InFlight| proposal.state.version == settled;
    let included = change.parts.in_flight.iter().find(is_settled).map(|it| it.sequences);
    let is_lost = settled > change.parts.guard.highest || change.parts.marks.restored.is_some();
    if settled > base && included.is_none() && is_lost {
        return Ok(());
    }
    let side = change.side();
    if let Some(sequences) = included {
        for by in [side, side.other()] {
            apply::end_pending(change, by, sequences.of(by), settled)?;
        }
    }
    let parts = change.write();
    parts.peer_pending.clear();
    for entry in std::mem::take(&mut parts.own_pending) {
        let reason = entry.left_out.map_or(RejectReason::NotNow, |left_out| left_out.reason);
        let id = change.payment_id(side, entry.update.sequence);
        change.notify(Notice::Failed { id, reason });
    }
    Ok(())
}

/// The list of the settled point, among all that we hold: by its version, or by its root where the
/// version is that of a partial withdrawal, which takes over the locks of the state before it.
fn settled_locks(parts: &RecordParts, closed: &Closed) -> Vec<Lock> {
    if closed.held1.is_zero() && closed.held2.is_zero() {
        return vec![];
    }
    let root = match &parts.phase {
        Phase::Settled(earlier) if earlier.version == closed.version => {
            return earlier.locks.clone();
        }
        Phase::Disputed(dispute) if dispute.sighting.point.version == closed.version => {
            Some(dispute.sighting.point.locks_root)
        }
        Phase::Settled(_)
        | Phase::Disputed(_)
        | Phase::Opening(_)
        | Phase::Funding { .. }
        | Phase::Open
        | Phase::Closing(_) => None,
    };
    let base = parts.base.iter().map(|base| (&base.state, &base.locks));
    let in_flight = parts.in_flight.iter().map(|proposal| (&proposal.state, &proposal.locks));
    base.chain(in_flight)
        .find(|(state, _)| state.version == closed.version || Some(state.locks_root) == root)
        .map(|(_, locks)| locks.clone())
        .unwrap_or_default()
}

/// The last part of a window in which a challenge may not land any more: a peer that signs then may be sure that it
/// does not. A quarter of the window, as all urgency counts.
const LAST_PART: u64 = 4;

/// P40: whether a countersignature for this version comes too late to count: the contract has settled at another one
/// for good, or may take nothing more before the window ends. A countersignature that comes then may be good for
/// nothing, and was held back on purpose.
///
/// P85: that the contract stands at this very version counts for it only where a final log says so. That a close is
/// certain does not make its newest point certain, which may be one endpoint's word; with a peer that lies with it, it
/// would make income of what nobody can collect. It then waits in flight, and [`close`] tells what became of it.
pub(crate) fn is_too_late_for(change: &Change<'_>, version: Version) -> bool {
    match &change.parts.phase {
        Phase::Settled(settlement) => settlement.is_final && settlement.version != version,
        Phase::Disputed(Dispute { sighting, .. }) => {
            let head = change.session.head.timestamp;
            let period = u64::from(change.parts.setup.terms.challenge_period);
            let margin = period.div_euclid(LAST_PART);
            let last = sighting.closes_at.saturating_sub_secs(margin);
            // Since the start no block was heard of: nobody knows what is left of the window.
            let is_unknown = head == BlockTimestamp::default();
            let is_over = is_unknown || rules::now(&change.parts).max(head) >= last;
            let is_final = sighting.finality == Finality::Final;
            let certain = change.session.certain_point.filter(|at| *at == sighting.point.version);
            is_final && is_over && certain != Some(version)
        }
        Phase::Opening(_) | Phase::Funding { .. } | Phase::Open | Phase::Closing(_) => false,
    }
}

/// Spec §5: the contract takes a final state until it has settled, also when the challenge period is over. One that is
/// co-signed as late as that goes to the contract and changes nothing here: anybody may settle at what is stored
/// there instead. What it brings is income once the contract has settled at it. Said again by each answer to the
/// proposal, which goes out with every connection.
pub(crate) fn offer_late_final(
    change: &mut Change<'_>,
    in_flight: InFlight,
    signature: StateSignature,
) {
    let is_open = matches!(change.parts.phase, Phase::Disputed(_));
    if !is_open || in_flight.state.kind != StateKind::Final {
        return;
    }
    let InFlight { state, locks, .. } = in_flight;
    if change.session.late_final.replace(state.version) == Some(state.version) {
        return;
    }
    let signed = CoSigned { state, locks, counterparty_signature: signature, own_signature: None };
    let duty = duty::cooperative_at(change.side(), change.channel_id, &signed, None);
    change.push(duty.into_output(change));
}

/// One lock of the settled list is decided.
pub(crate) fn lock_resolved(change: &mut Change<'_>, index: u32, is_paid: bool) {
    let bit = 1u32.checked_shl(index).unwrap_or(0);
    let Phase::Settled(settlement) = &mut change.write().phase else { return };
    settlement.resolved |= bit;
    if !is_paid {
        settlement.returned |= bit;
    }
    let place = usize::try_from(index).unwrap_or(usize::MAX);
    if let Some(hash) = settlement.locks.get(place).map(|lock| lock.hash) {
        change.notify(Notice::LockResolved { hash, is_paid });
    }
}

/// Whether nothing can happen any more.
pub(crate) fn is_over(settlement: &Settlement) -> bool {
    let decided = usize::try_from(settlement.resolved.count_ones()).unwrap_or(0);
    // A list that we lost can't be resolved by us; others may still have done it.
    let is_known = !settlement.locks.is_empty() || decided > 0;
    let holds_nothing = settlement.held1.is_zero() && settlement.held2.is_zero();
    settlement.is_final && decided >= settlement.locks.len() && (is_known || holds_nothing)
}
