//! What follows when a state becomes the newest co-signed one.

use crate::balance::check_acceptable;
use crate::change::Change;
use crate::draft::Draft;
use crate::error::ProtocolError;
use crate::ids::{Sequence, Side, Version};
use crate::message::RejectReason;
use crate::output::{Notice, Output};
use crate::phase::open::{invoice, propose, secret};
use crate::record::{CoSigned, LeftOut, PendingUpdate, Phase, RecordParts, Sequences};
use crate::state::StateKind;
use crate::update::{Action, Update};

/// Makes a state the base and forgets what it replaces.
pub(crate) fn replace_base(change: &mut Change<'_>, base: CoSigned, sequences: Sequences) {
    let version = base.state.version;
    let parts = change.write();
    parts.in_flight.retain(|proposal| proposal.state.version > version);
    parts.base = Some(base);
    parts.base_sequences = sequences;
    change.prune_guard();
    change.push(Output::Protect { version });
}

/// Ends the wait of every update through a sequence: it is in the state, or left out for ever.
pub(crate) fn end_pending(
    change: &mut Change<'_>,
    by: Side,
    through: Sequence,
    version: Version,
) -> Result<(), ProtocolError> {
    let is_own = by == change.side();
    let parts = change.write();
    let pending = if is_own { &mut parts.own_pending } else { &mut parts.peer_pending };
    let ended = pending.partition_point(|entry| entry.update.sequence <= through);
    let ended: Vec<PendingUpdate> = pending.drain(..ended).collect();
    for entry in ended {
        match entry.left_out {
            Some(left_out) if left_out.from <= version => {
                fail(change, by, entry.update.sequence, left_out.reason);
            }
            Some(left_out)
                if !is_own
                    && !costs_us(&entry.update.action)
                    && is_open_to_doubt(change, left_out.from) => {}
            Some(_) | None => apply(change, by, entry.update, version)?,
        }
    }
    Ok(())
}

/// Whether a state brings back what a newer one of ours leaves out: what waits was then checked on top
/// of another content than this state's.
pub(crate) fn revives(parts: &RecordParts, sequences: Sequences, version: Version) -> bool {
    let side = parts.setup.side;
    let lines = [(side, &parts.own_pending), (side.other(), &parts.peer_pending)];
    lines.into_iter().any(|(by, pending)| {
        let included = pending.iter().take_while(|entry| entry.update.sequence <= sequences.of(by));
        included.filter_map(|entry| entry.left_out).any(|left_out| left_out.from > version)
    })
}

/// Leaves out, from the next version on, what waits and no longer fits on top of the base: the peer
/// chooses which of our versions it signs, so this is nobody's broken promise.
pub(crate) fn leave_out_unfit(change: &mut Change<'_>) -> Result<(), ProtocolError> {
    let from = propose::next_version(&change.parts)?;
    let side = change.side();
    let mut draft = Draft::from_base(change.parts.base.as_ref());
    let mut own = std::mem::take(&mut change.write().own_pending);
    let mut theirs = std::mem::take(&mut change.write().peer_pending);
    for (by, pending) in [(side, &mut own), (side.other(), &mut theirs)] {
        for entry in pending.iter_mut().filter(|entry| entry.left_out.is_none()) {
            match add_if_fit(&change.parts, &draft, by, &entry.update.action, from) {
                Ok(next) => draft = next,
                Err(reason) => entry.left_out = Some(LeftOut { from, reason }),
            }
        }
    }
    let parts = change.write();
    parts.own_pending = own;
    parts.peer_pending = theirs;
    Ok(())
}

/// The content with one more update, if the contract would take it.
fn add_if_fit(
    parts: &RecordParts,
    draft: &Draft,
    by: Side,
    action: &Action,
    version: Version,
) -> Result<Draft, RejectReason> {
    let mut next = draft.clone();
    next.apply(by, action)?;
    let poor = RejectReason::InsufficientBalance;
    let state =
        next.state(parts.setup.channel_id(), version, StateKind::Ordinary).map_err(|_| poor)?;
    check_acceptable(parts, &state).map_err(|_| poor)?;
    Ok(next)
}

/// Whether an update by the other side takes from us: that is told as soon as it may be so.
fn costs_us(action: &Action) -> bool {
    match action {
        Action::SettleLock { .. } => true,
        Action::Pay(_)
        | Action::AddLock(_)
        | Action::FailLock { .. }
        | Action::ExpireLock { .. } => false,
    }
}

/// Whether a newer state of ours, which the acceptor may still sign, leaves out what this one includes.
/// Then it is no income yet: it is paid if this state settles, and is announced when it has for good, if it still
/// waits by then.
fn is_open_to_doubt(change: &Change<'_>, from: Version) -> bool {
    if matches!(&change.parts.phase, Phase::Settled(settlement) if settlement.is_final) {
        return false;
    }
    change.parts.in_flight.iter().any(|proposal| proposal.state.version >= from)
}

/// One side's update is final: tell, and remember what matters later.
pub(crate) fn apply(
    change: &mut Change<'_>,
    by: Side,
    update: Update,
    version: Version,
) -> Result<(), ProtocolError> {
    if by != change.side() {
        match &update.action {
            Action::Pay(payment) => invoice::mark_paid(change, payment, version),
            Action::SettleLock { hash, secret } => secret::remember(change, *hash, *secret)?,
            Action::AddLock(_) | Action::FailLock { .. } | Action::ExpireLock { .. } => {}
        }
    }
    let id = change.payment_id(by, update.sequence);
    change.notify(Notice::Applied { id, action: update.action, version });
    Ok(())
}

/// An update of ours is left out for ever; the counterparty's own failures are its to tell.
fn fail(change: &mut Change<'_>, by: Side, sequence: Sequence, reason: RejectReason) {
    if by == change.side() {
        let id = change.payment_id(by, sequence);
        change.notify(Notice::Failed { id, reason });
    }
}
