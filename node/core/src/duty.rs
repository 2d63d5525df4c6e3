//! What a channel owes to the chain, derived from its record alone, so that no crash forgets it.

use crate::adjudicator::{LockOutcome, decide_lock};
use crate::chain::{
    ChainCall, Evidence, Obligation, ObligationKey, ObligationKind, WithdrawEvidence,
};
use crate::change::Change;
use crate::dispute::{Response, respond};
use crate::ids::{ChannelId, Side, Version};
use crate::lock::Lock;
use crate::output::{AfterSigning, Output};
use crate::record::{ClosingStage, CoSigned, Dispute, Phase, RecordParts, Settlement, Withdrawal};
use crate::request::SigningContent;
use crate::state::StateKind;
use crate::time::{BlockTimestamp, Finality};
use alloy_primitives::B256;

/// A call that is owed now, and what of ours must be signed again for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Duty {
    obligation: Obligation,
    needs: Option<SigningContent>,
}

impl Duty {
    /// Names it.
    pub(crate) fn key(&self) -> &ObligationKey {
        self.obligation.key()
    }

    /// Whether it is the same call, and no less urgent.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let (own, wanted) = (self.obligation.deadline(), other.obligation.deadline());
        let is_in_time = wanted.is_none_or(|wanted| own.is_some_and(|own| own <= wanted));
        self.key() == other.key() && is_in_time
    }

    /// As an output: signed first, where our half is not at hand.
    pub(crate) fn into_output(self, change: &Change<'_>) -> Output {
        match self.needs {
            None => Output::Submit(self.obligation),
            Some(content) => Output::Sign {
                request: change.request(content),
                then: AfterSigning::Submit { side: change.side(), obligation: self.obligation },
            },
        }
    }
}

/// Everything that is owed at this time of the newest head.
pub(crate) fn owed(parts: &RecordParts, channel_id: ChannelId, head: BlockTimestamp) -> Vec<Duty> {
    let mut duties = vec![];
    match &parts.phase {
        Phase::Opening(_) | Phase::Funding { .. } => {}
        Phase::Open => duties.extend(withdraw(parts, channel_id)),
        Phase::Closing(stage) => duties.extend(closing(parts, channel_id, *stage)),
        Phase::Disputed(dispute) => {
            duties.extend(disputed(parts, channel_id, dispute, head));
            duties.extend(leave(parts, channel_id, dispute));
        }
        Phase::Settled(settlement) => duties.extend(resolve(parts, channel_id, settlement)),
    }
    duties.extend(secrets(parts, channel_id, head));
    duties
}

fn key(channel_id: ChannelId, kind: ObligationKind, version: Version) -> ObligationKey {
    ObligationKey { channel_id, kind, version, detail: B256::ZERO }
}

/// The newest co-signed state as the contract wants it, and what must be signed for it.
pub(crate) fn evidence(side: Side, base: &CoSigned) -> (Evidence, Option<SigningContent>) {
    let needs = base.own_signature.is_none().then_some(SigningContent::State(base.state));
    let evidence = Evidence {
        state: base.state,
        locks: base.locks.clone(),
        signature1: None,
        signature2: None,
    };
    let evidence = evidence.with_signature(side.other(), base.counterparty_signature);
    let evidence = match base.own_signature {
        Some(own) => evidence.with_signature(side, own),
        None => evidence,
    };
    (evidence, needs)
}

/// A withdrawal that both have signed. Whoever takes money out brings it to the chain and pays for that, or a peer
/// could spend our gas with one withdrawal of 1 wei after the other (P78). Of a common one it is the proposer.
fn withdraw(parts: &RecordParts, channel_id: ChannelId) -> Option<Duty> {
    let Withdrawal { withdraw, counterparty_signature } = parts.withdrawal?;
    let counterparty = counterparty_signature?;
    let bearer = if withdraw.out1.is_zero() { Side::Two } else { Side::One };
    if parts.setup.side != bearer {
        return None;
    }
    let (signature1, signature2) = match bearer {
        Side::One => (None, Some(counterparty)),
        Side::Two => (Some(counterparty), None),
    };
    let evidence = WithdrawEvidence { withdraw, signature1, signature2 };
    let key = key(channel_id, ObligationKind::PartialWithdraw, withdraw.version);
    let call = ChainCall::PartialWithdraw(evidence);
    let obligation = Obligation::new(key, call, Some(withdraw.deadline));
    Some(Duty { obligation, needs: Some(SigningContent::PartialWithdraw(withdraw)) })
}

/// Spec §5: a final state that both have signed, or the operator's order to leave.
fn closing(parts: &RecordParts, channel_id: ChannelId, stage: ClosingStage) -> Option<Duty> {
    match stage {
        ClosingStage::Requested
        | ClosingStage::Draining { .. }
        | ClosingStage::FinalBound { .. } => None,
        ClosingStage::FinalSigned { submit_after, .. } => {
            let is_due = parts.chain.finalized.timestamp > submit_after;
            if is_due { cooperative(parts, channel_id) } else { None }
        }
        ClosingStage::Unilateral => Some(unilateral(parts, channel_id)),
    }
}

fn unilateral(parts: &RecordParts, channel_id: ChannelId) -> Duty {
    let newest = parts.base.as_ref();
    let version = newest.map_or(Version::ZERO, |base| base.state.version);
    let (evidence, needs) = newest.map(|base| evidence(parts.setup.side, base)).unzip();
    let key = key(channel_id, ObligationKind::InitiateClose, version);
    let obligation = Obligation::new(key, ChainCall::InitiateClose(evidence), None);
    Duty { obligation, needs: needs.flatten() }
}

/// P12, P46: a close that was seen and is not final may be one endpoint's word alone, and never come. It must not
/// hold back our operator's order to leave; if it is real, the call finds the channel closing and is done.
fn leave(parts: &RecordParts, channel_id: ChannelId, dispute: &Dispute) -> Option<Duty> {
    let is_ordered = dispute.interrupted == Some(ClosingStage::Unilateral);
    let is_certain = dispute.sighting.finality == Finality::Final;
    (is_ordered && !is_certain).then(|| unilateral(parts, channel_id))
}

fn cooperative(parts: &RecordParts, channel_id: ChannelId) -> Option<Duty> {
    let base = parts.base.as_ref().filter(|base| base.state.kind == StateKind::Final)?;
    Some(cooperative_at(parts.setup.side, channel_id, base, None))
}

/// The close at a final state that both have signed.
///
/// While a close runs, it is the answer to it, and has the challenge's deadline (P70, P76).
pub(crate) fn cooperative_at(
    side: Side,
    channel_id: ChannelId,
    signed: &CoSigned,
    before: Option<BlockTimestamp>,
) -> Duty {
    let (evidence, needs) = evidence(side, signed);
    let key = key(channel_id, ObligationKind::CooperativeClose, signed.state.version);
    let obligation = Obligation::new(key, ChainCall::CooperativeClose(evidence), before);
    Duty { obligation, needs }
}

/// Spec §5: the one dispute decision, turned into a call.
fn disputed(
    parts: &RecordParts,
    channel_id: ChannelId,
    dispute: &Dispute,
    head: BlockTimestamp,
) -> Option<Duty> {
    let newest = parts.base.as_ref();
    // A final state ends it at once, whatever is disputed.
    if let Some(signed) = newest.filter(|base| base.state.kind == StateKind::Final) {
        let before = Some(dispute.sighting.closes_at);
        return Some(cooperative_at(parts.setup.side, channel_id, signed, before));
    }
    let best = newest.map_or(Version::ZERO, |base| base.state.version);
    match respond(&dispute.sighting, best, head) {
        Response::Wait { .. } => None,
        // A final state that is co-signed only now goes out beside this (`settled::offer_late_final`), and either may
        // land first: the contract then refuses the other. That is no harm, and costs nothing: the submitter sends the
        // final state first if both are owed, never both at once, and ends what has become needless.
        Response::Settle => {
            let key = key(channel_id, ObligationKind::Close, Version::ZERO);
            Some(Duty { obligation: Obligation::new(key, ChainCall::Close, None), needs: None })
        }
        Response::Challenge { version, before } => {
            let (evidence, needs) = evidence(parts.setup.side, newest?);
            let key = key(channel_id, ObligationKind::Challenge, version);
            let obligation = Obligation::new(key, ChainCall::Challenge(evidence), Some(before));
            Some(Duty { obligation, needs })
        }
    }
}

/// Locks of a settled channel that a finalized block decides.
fn resolve(parts: &RecordParts, channel_id: ChannelId, settlement: &Settlement) -> Option<Duty> {
    let now = parts.chain.finalized.timestamp;
    let mut mask = 0u32;
    for (index, lock) in (0u32..).zip(&settlement.locks) {
        let bit = 1u32.checked_shl(index).unwrap_or(0);
        let met_at = parts.secrets.get(&lock.hash).and_then(|known| known.revealed_at);
        let is_decided = decide_lock(lock, met_at, now) != LockOutcome::Undecided;
        if settlement.resolved & bit == 0 && is_decided {
            mask |= bit;
        }
    }
    if mask == 0 || !settlement.is_final {
        return None;
    }
    let key = ObligationKey {
        channel_id,
        kind: ObligationKind::ResolveLocks,
        version: settlement.version,
        detail: B256::left_padding_from(&mask.to_be_bytes()),
    };
    let call = ChainCall::ResolveLocks { locks: settlement.locks.clone(), mask };
    Some(Duty { obligation: Obligation::new(key, call, None), needs: None })
}

/// P45: a secret that opens a lock of ours goes to the registry in time, if the counterparty has not
/// settled the lock by then.
fn secrets(parts: &RecordParts, channel_id: ChannelId, head: BlockTimestamp) -> Vec<Duty> {
    if parts.secrets.is_empty() {
        return vec![];
    }
    let margin = parts.setup.policy.lock_margin_secs;
    let is_leaving = match &parts.phase {
        Phase::Disputed(_) | Phase::Settled(_) | Phase::Closing(ClosingStage::Unilateral) => true,
        Phase::Opening(_) | Phase::Funding { .. } | Phase::Open | Phase::Closing(_) => false,
    };
    let mut duties = vec![];
    for lock in open_locks(parts).filter(|lock| lock.payer() != parts.setup.side) {
        let Some(known) = parts.secrets.get(&lock.hash) else { continue };
        let is_due = is_leaving || head >= lock.expiry.saturating_sub_secs(margin);
        if known.revealed_at.is_some() || !is_due || head > lock.expiry {
            continue;
        }
        let key = ObligationKey {
            channel_id,
            kind: ObligationKind::RegisterSecret,
            version: Version::ZERO,
            detail: lock.hash,
        };
        let call = ChainCall::RegisterSecret { secret: known.secret };
        let obligation = Obligation::new(key, call, Some(lock.expiry));
        duties.push(Duty { obligation, needs: None });
    }
    duties
}

/// Every lock that may still be decided: of the newest state and of what is in flight; once settled,
/// of the settlement alone.
pub(crate) fn open_locks(parts: &RecordParts) -> impl Iterator<Item = &Lock> {
    let settled = match &parts.phase {
        Phase::Settled(settlement) if settlement.is_final => Some(settlement.locks.as_slice()),
        Phase::Settled(_)
        | Phase::Opening(_)
        | Phase::Funding { .. }
        | Phase::Open
        | Phase::Closing(_)
        | Phase::Disputed(_) => None,
    };
    let unsettled = parts
        .base
        .iter()
        .flat_map(|base| &base.locks)
        .chain(parts.in_flight.iter().flat_map(|proposal| &proposal.locks));
    let is_settled = settled.is_some();
    unsettled.filter(move |_| !is_settled).chain(settled.unwrap_or_default())
}
