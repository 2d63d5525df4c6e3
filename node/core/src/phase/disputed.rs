//! The chain speaks: money that became final, a close that was seen, a close that vanished.
//!
//! Act on a threat when it is seen; give credit only when it is final.

use crate::chain::{ChainEvent, ChainFact, ChannelStatus, CloseSighting, StoredPoint};
use crate::change::Change;
use crate::error::{ErrorClass, ProtocolError};
use crate::ids::{Side, Version};
use crate::message::SignedState;
use crate::money::Amount;
use crate::output::Notice;
use crate::phase::open::{propose, secret, withdraw};
use crate::phase::{opening, settled};
use crate::record::{ClosingStage, Dispute, FreezeReason, Phase, RestoreReason};
use crate::recovery;
use crate::time::{BlockPoint, Finality};

/// A fact of the chain about this channel.
pub(crate) fn handle_chain(
    change: &mut Change<'_>,
    event: ChainEvent,
) -> Result<(), ProtocolError> {
    let ChainEvent { position, timestamp, finality, fact } = event;
    let is_final = finality == Finality::Final;
    // The registry's answer about an old block comes out of turn, and counts at any time.
    let is_in_turn = !matches!(fact, ChainFact::SecretRevealed { .. });
    if is_final && is_in_turn {
        // P86: final facts come in order, each at least once, and count once.
        if position <= change.parts.chain.applied {
            return Ok(());
        }
        change.write().chain.applied = position;
    }
    match fact {
        ChainFact::Opened { deposit1, is_active } if is_final => {
            let status = if is_active { ChannelStatus::Active } else { ChannelStatus::Pending };
            credit(change, Side::One, deposit1)?;
            become_active(change, status)
        }
        ChainFact::Joined { deposit2 } if is_final => {
            credit(change, Side::Two, deposit2)?;
            become_active(change, ChannelStatus::Active)
        }
        ChainFact::Funded { side, amount } if is_final => credit(change, side, amount),
        ChainFact::PartialWithdrawn { version, deposits } if is_final => {
            change.write().chain.deposits = deposits;
            withdrawn(change, version)
        }
        // Money that may vanish again is no money yet.
        ChainFact::Opened { .. }
        | ChainFact::Joined { .. }
        | ChainFact::Funded { .. }
        | ChainFact::PartialWithdrawn { .. } => Ok(()),
        ChainFact::Checkpoint { point, evidence } => {
            stored(change, &point, evidence.as_deref(), is_final);
            Ok(())
        }
        ChainFact::Closing { point, closes_at, initiator, evidence } => {
            let first_seen = BlockPoint { number: position.block, timestamp };
            let sighting =
                CloseSighting { point, closes_at, initiator, position, first_seen, finality };
            see_close(change, sighting);
            stored(change, &point, evidence.as_deref(), is_final);
            Ok(())
        }
        ChainFact::Closed { version, paid1, paid2, held1, held2, mode } => {
            let closed = settled::Closed { version, paid1, paid2, held1, held2, mode };
            settled::close(change, &closed, position, is_final)
        }
        ChainFact::LockResolved { index, is_paid } if is_final => {
            settled::lock_resolved(change, index, is_paid);
            Ok(())
        }
        ChainFact::LockResolved { .. } => Ok(()),
        ChainFact::SecretRevealed { hash, secret, at } => {
            secret::revealed(change, hash, secret, is_final.then_some(at))
        }
        ChainFact::CloseVanished if is_final => {
            close_vanished(change);
            propose::propose_more(change)
        }
        ChainFact::CloseVanished => Ok(()),
    }
}

/// Spec §1.2: a deposit counts once it is final, never before.
fn credit(change: &mut Change<'_>, side: Side, amount: Amount) -> Result<(), ProtocolError> {
    if amount.is_zero() {
        return Ok(());
    }
    let deposits = change.parts.chain.deposits.deposited(side, amount)?;
    change.write().chain.deposits = deposits;
    change.notify(Notice::Funded { side, amount });
    Ok(())
}

fn become_active(change: &mut Change<'_>, status: ChannelStatus) -> Result<(), ProtocolError> {
    change.write().chain.status = status;
    opening::become_open(change);
    Ok(())
}

/// A withdrawal has landed: the deposits are what they are, and it is no longer outstanding.
fn withdrawn(change: &mut Change<'_>, version: Version) -> Result<(), ProtocolError> {
    let outstanding = change.parts.withdrawal.map(|known| known.withdraw.version);
    if outstanding == Some(version) {
        change.write().withdrawal = None;
        change.prune_guard();
    } else if version > change.parts.guard.highest {
        // Nothing lands without our signature: one that we do not know is one that we lost.
        recovery::mark_restored(change, RestoreReason::OwnSignature);
    }
    change.notify(Notice::Withdrawn { version });
    propose::propose_more(change)
}

/// The contract stores this state, so both have signed it: learn what it proves. Whatever comes of that,
/// it must not hide the fact that it came with: whoever does not see a close does not answer it.
fn stored(
    change: &mut Change<'_>,
    point: &StoredPoint,
    evidence: Option<&SignedState>,
    is_final: bool,
) {
    if let Some(evidence) = evidence {
        match change.attempt(|change| recovery::show(change, evidence)) {
            Err(error) if error.class() == ErrorClass::Fatal => {
                crate::channel::freeze(change, FreezeReason::InvariantBroken);
            }
            Ok(()) | Err(_) => {}
        }
    }
    // An unconfirmed log is one provider's word; only a final one proves what it does not show.
    if is_final && point.version > change.parts.guard.highest {
        recovery::mark_restored(change, RestoreReason::OwnSignature);
    }
}

/// P42: from the first sight of a close on, no new digest is bound. The challenge, if one is due, follows
/// from the record.
fn see_close(change: &mut Change<'_>, sighting: CloseSighting) {
    let (known, interrupted) = match &change.parts.phase {
        Phase::Disputed(dispute) => (Some(dispute.sighting), dispute.interrupted),
        Phase::Closing(stage) => (None, Some(*stage)),
        Phase::Open | Phase::Funding { .. } | Phase::Opening(_) => (None, None),
        Phase::Settled(settlement) if settlement.is_final => return,
        Phase::Settled(settlement) => (None, settlement.interrupted),
    };
    let next = match known {
        None => sighting,
        Some(known) => merge(known, sighting),
    };
    change.write().phase = Phase::Disputed(Dispute { sighting: next, interrupted });
    if sighting.finality == Finality::Final {
        change.session.certain_point = Some(sighting.point.version);
    }
    if known.is_none_or(|known| known.point != next.point) {
        let CloseSighting { point, closes_at, initiator, .. } = next;
        let version = point.version;
        change.notify(Notice::CloseSeen { version, closes_at, initiator });
    }
}

/// A new log about a known close. A final log that the newest sighting has overtaken only settles that
/// there is a close; anything else is the chain as it is now, also after a reorganisation.
fn merge(known: CloseSighting, new: CloseSighting) -> CloseSighting {
    // P8: a deadline is set once, so no later log moves one that is final.
    let closes_at = match known.finality {
        Finality::Final => known.closes_at,
        Finality::Seen | Finality::Safe => new.closes_at,
    };
    if new.finality == Finality::Final && new.position < known.position {
        return CloseSighting { finality: Finality::Final, closes_at, ..known };
    }
    let finality = known.finality.max(new.finality);
    CloseSighting { first_seen: known.first_seen, finality, closes_at, ..new }
}

/// Spec §5: signing resumes when the close is gone for good.
fn close_vanished(change: &mut Change<'_>) {
    let interrupted = match &change.parts.phase {
        Phase::Disputed(dispute) => dispute.interrupted,
        Phase::Settled(settlement) if !settlement.is_final => settlement.interrupted,
        Phase::Opening(_)
        | Phase::Funding { .. }
        | Phase::Open
        | Phase::Closing(_)
        | Phase::Settled(_) => return,
    };
    change.write().phase = resume(change.parts.chain.status, interrupted);
    change.notify(Notice::CloseVanished);
}

fn resume(status: ChannelStatus, interrupted: Option<ClosingStage>) -> Phase {
    match (interrupted, status) {
        (Some(stage), _) => Phase::Closing(stage),
        (None, ChannelStatus::Active) => Phase::Open,
        (
            None,
            ChannelStatus::None
            | ChannelStatus::Pending
            | ChannelStatus::Closing
            | ChannelStatus::Closed,
        ) => Phase::Funding { consent: None },
    }
}

/// P57: a finalized block is the only clock that lets anything expire. Its time is not written by itself:
/// after a restart the next block brings a later one.
pub(crate) fn handle_finalized(
    change: &mut Change<'_>,
    block: BlockPoint,
) -> Result<(), ProtocolError> {
    if block.number < change.parts.chain.finalized.number {
        return Ok(());
    }
    change.parts.chain.finalized = block;
    if block.timestamp > change.session.head.timestamp {
        change.session.head = block;
    }
    withdraw::expire(change);
    Ok(())
}
