//! Closing: the two sides sign a final state, or our operator leaves with what we hold.

use crate::chain::ChannelStatus;
use crate::change::{Change, Permit};
use crate::error::ProtocolError;
use crate::gap;
use crate::ids::{Side, Version};
use crate::message::{PeerMessage, RejectReason};
use crate::phase::open::propose;
use crate::record::{ClosingStage, Dispute, InFlight, LeftOut, Phase, RecordParts};
use crate::state::StateKind;
use crate::terms::MAX_IN_FLIGHT;
use crate::time::{BlockTimestamp, Finality};

/// The acceptor brings a final state to the chain itself if the proposer has not by then.
/// Units: seconds of the chain's clock.
pub const FINAL_GRACE_SECS: u64 = 600;

/// Spec §5: our operator wants to close together.
pub(crate) fn order(change: &mut Change<'_>) -> Result<(), ProtocolError> {
    change.permit()?;
    match change.side() {
        Side::One => {
            // A counterparty that lost data signs nothing at or below what it may have signed.
            let claimed = change.session.claimed_by_peer.next().unwrap_or_default();
            let current = change.parts.guard.highest;
            // A claim beyond every bound is no reason not to close.
            let is_usable = gap::may_be_asked(claimed, current);
            drain(change, if is_usable { claimed } else { Version::ZERO })
        }
        Side::Two => {
            change.write().phase = Phase::Closing(ClosingStage::Requested);
            send_request(change);
            Ok(())
        }
    }
}

/// Asks the proposer for a final state above anything that we may have signed and lost.
pub(crate) fn send_request(change: &mut Change<'_>) {
    let min_version = change.parts.guard.highest.next().unwrap_or_default();
    change.send(PeerMessage::CloseRequest { min_version });
    change.session.asked();
}

/// Spec §5: the acceptor asks; the proposer drains what is in flight.
pub(crate) fn handle_request(
    change: &mut Change<'_>,
    min_version: Version,
) -> Result<(), ProtocolError> {
    if change.side() != Side::One {
        return Err(ProtocolError::WrongRole { side: Side::One });
    }
    match change.permit() {
        Ok(Permit::Any | Permit::Draining) => drain(change, min_version),
        // P46: whoever asks may hide a newer state than the one that we know. A final state on what may
        // be old is for our operator to order.
        Ok(Permit::FinalOnly) => Err(ProtocolError::Restored),
        Err(ProtocolError::FinalBound) => {
            show_final_again(change, min_version);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// A final state is bound already: it goes out again, since it may have been refused for not being
/// ordered on the other side. One that is too low for a side that lost data can be signed by nobody.
fn show_final_again(change: &mut Change<'_>, min_version: Version) {
    let Some(bound) = bound_final(&change.parts).cloned() else { return };
    if bound.state.version >= min_version {
        propose::send_proposal(change, &bound);
        change.session.asked();
    } else if !bound.is_rejected {
        propose::mark_rejected(change, bound.state.version, RejectReason::NotNow);
    }
}

/// The final state that we have bound and the other side has not signed yet.
pub(crate) fn bound_final(parts: &RecordParts) -> Option<&InFlight> {
    parts.in_flight.last().filter(|proposal| proposal.state.kind == StateKind::Final)
}

fn drain(change: &mut Change<'_>, min_version: Version) -> Result<(), ProtocolError> {
    let current = change.parts.guard.highest;
    if !gap::may_be_asked(min_version, current) {
        return Err(ProtocolError::VersionGap { version: min_version, current });
    }
    let before = match &change.parts.phase {
        Phase::Closing(ClosingStage::Draining { min_version }) => *min_version,
        Phase::Opening(_)
        | Phase::Funding { .. }
        | Phase::Open
        | Phase::Closing(_)
        | Phase::Disputed(_)
        | Phase::Settled(_) => Version::ZERO,
    };
    let stage = ClosingStage::Draining { min_version: min_version.max(before) };
    if change.parts.phase != Phase::Closing(stage) {
        change.write().phase = Phase::Closing(stage);
    }
    match change.permit()? {
        Permit::Any | Permit::Draining => propose::propose_more(change),
        Permit::FinalOnly => propose_final_if_drained(change),
    }
}

/// Spec §5: proposes the final state once nothing waits for an answer and no lock is left.
pub(crate) fn propose_final_if_drained(change: &mut Change<'_>) -> Result<(), ProtocolError> {
    let Phase::Closing(ClosingStage::Draining { min_version }) = change.parts.phase else {
        return Ok(());
    };
    if !is_drained(&change.parts) {
        return Ok(());
    }
    let reason = RejectReason::NotNow;
    let left_out = LeftOut { from: propose::next_version(&change.parts)?, reason };
    // What only refused proposals hold is not forced on the other side by a final state: nothing could
    // be proposed after it.
    propose::leave_out_all(change, left_out);
    let version = propose::propose_final(change, min_version)?;
    change.write().phase = Phase::Closing(ClosingStage::FinalBound { version });
    Ok(())
}

fn is_drained(parts: &RecordParts) -> bool {
    let is_answered = parts.in_flight.iter().all(|proposal| proposal.is_rejected);
    let has_room = u32::try_from(parts.in_flight.len()).is_ok_and(|count| count < MAX_IN_FLIGHT);
    let has_locks = parts.base.as_ref().is_some_and(|base| !base.locks.is_empty());
    is_answered && has_room && !has_locks && !propose::has_news(parts)
}

/// P41: both have signed the final state. What is left is to bring it to the chain.
pub(crate) fn final_signed(change: &mut Change<'_>, version: Version) {
    let submit_after = match change.side() {
        Side::One => BlockTimestamp::default(),
        Side::Two => change
            .parts
            .chain
            .finalized
            .timestamp
            .checked_add_secs(FINAL_GRACE_SECS)
            .unwrap_or_default(),
    };
    let stage = ClosingStage::FinalSigned { version, submit_after };
    let phase = match &change.parts.phase {
        Phase::Open | Phase::Closing(_) => Phase::Closing(stage),
        Phase::Disputed(dispute) => {
            let mut dispute = *dispute;
            dispute.interrupted = Some(stage);
            Phase::Disputed(dispute)
        }
        phase @ (Phase::Opening(_) | Phase::Funding { .. } | Phase::Settled(_)) => phase.clone(),
    };
    change.write().phase = phase;
}

/// Spec §5, P46: closing with what we hold is always possible, under every mark.
pub(crate) fn force(change: &mut Change<'_>) -> Result<(), ProtocolError> {
    let is_active = change.parts.chain.status == ChannelStatus::Active;
    match &change.parts.phase {
        Phase::Open | Phase::Closing(_) => {}
        // What was seen may not be so: our own close is due all the same, now and if that one vanishes.
        Phase::Disputed(dispute) if dispute.sighting.finality != Finality::Final => {
            let interrupted = Some(ClosingStage::Unilateral);
            let dispute = Dispute { interrupted, ..*dispute };
            change.write().phase = Phase::Disputed(dispute);
            return Ok(());
        }
        // It is being closed, or closed, already.
        Phase::Disputed(_) | Phase::Settled(_) => return Ok(()),
        // An old record of a channel that the chain has opened since: with no state at all to show, a
        // close leaves it to the other side to show the newest.
        Phase::Opening(_) | Phase::Funding { .. } if is_active => {}
        Phase::Opening(_) | Phase::Funding { .. } => return Err(ProtocolError::WrongPhase),
    }
    change.write().phase = Phase::Closing(ClosingStage::Unilateral);
    Ok(())
}
