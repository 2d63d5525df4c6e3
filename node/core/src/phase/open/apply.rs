//! What follows when a state becomes the newest co-signed one.

use crate::change::Change;
use crate::error::ProtocolError;
use crate::ids::{Sequence, Side, Version};
use crate::message::RejectReason;
use crate::output::{Notice, Output};
use crate::phase::open::{invoice, secret};
use crate::record::{CoSigned, PendingUpdate, Sequences};
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
            Some(left_out) if !is_own && is_open_to_doubt(change, left_out.from) => {
                // The secret of a lock counts wherever it was shown (P45).
                if let Action::SettleLock { hash, secret } = entry.update.action {
                    secret::remember(change, hash, secret)?;
                }
            }
            Some(_) | None => apply(change, by, entry.update, version)?,
        }
    }
    Ok(())
}

/// Whether a newer state of ours, which the acceptor may still sign, leaves out what this one includes.
/// Then it is no income yet: it is paid if this state settles, and never announced.
fn is_open_to_doubt(change: &Change<'_>, from: Version) -> bool {
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
