//! Secrets of locks: durable before they are used.

use crate::change::Change;
use crate::draft::hash_of;
use crate::duty::open_locks;
use crate::error::ProtocolError;
use crate::output::Notice;
use crate::phase::open::intent;
use crate::record::{KnownSecret, MAX_SECRETS, RecordParts};
use crate::time::BlockTimestamp;
use crate::update::Action;
use alloy_primitives::B256;
use std::collections::BTreeSet;

/// Our own side knows a secret: remember it, and take every lock of ours that it opens.
pub(crate) fn learn(change: &mut Change<'_>, secret: B256) -> Result<(), ProtocolError> {
    let hash = hash_of(secret);
    let side = change.side();
    let opens = open_locks(&change.parts).any(|lock| lock.hash == hash && lock.payer() != side);
    if !opens {
        return Err(ProtocolError::UnknownLock);
    }
    remember(change, hash, secret)?;
    // Where no state can be made now, the registry takes the secret in time: see `duty`.
    match intent::handle_own_updates(change, vec![Action::SettleLock { hash, secret }]) {
        Ok(()) => Ok(()),
        Err(error) if error.class() == crate::error::ErrorClass::Fatal => Err(error),
        Err(_) => Ok(()),
    }
}

/// Takes each lock of the newest state whose secret we know, where no order of ours to do so waits: one
/// that was left out is tried again on every connection.
pub(crate) fn settle_again(change: &mut Change<'_>) -> Result<(), ProtocolError> {
    let side = change.side();
    let parts = &change.parts;
    let is_ordered = |hash: B256| {
        parts.own_pending.iter().any(
            |entry| matches!(&entry.update.action, Action::SettleLock { hash: of, .. } if *of == hash),
        )
    };
    let actions: Vec<Action> = parts
        .base
        .iter()
        .flat_map(|base| &base.locks)
        .filter(|lock| lock.payer() != side && !is_ordered(lock.hash))
        .filter_map(|lock| {
            let secret = parts.secrets.get(&lock.hash)?.secret;
            Some(Action::SettleLock { hash: lock.hash, secret })
        })
        .collect();
    for action in actions {
        // Where no state can be made now, the registry takes the secret in time: see `duty`.
        match intent::handle_own_updates(change, vec![action]) {
            Err(error) if error.class() == crate::error::ErrorClass::Fatal => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// P45: keeps a secret with the record, and tells, since another channel may wait for it.
pub(crate) fn remember(
    change: &mut Change<'_>,
    hash: B256,
    secret: B256,
) -> Result<(), ProtocolError> {
    if change.parts.secrets.contains_key(&hash) {
        return Ok(());
    }
    make_room(change);
    let parts = change.write();
    if parts.secrets.len() >= MAX_SECRETS {
        return Err(ProtocolError::Busy);
    }
    parts.secrets.insert(hash, KnownSecret { secret, revealed_at: None });
    change.notify(Notice::SecretLearned { hash, secret });
    Ok(())
}

/// The registry took a secret: by a final block that counts for expiries too.
pub(crate) fn revealed(
    change: &mut Change<'_>,
    hash: B256,
    secret: B256,
    final_at: Option<BlockTimestamp>,
) -> Result<(), ProtocolError> {
    let is_ours = awaited(&change.parts).contains(&hash);
    // Whoever reports it: only the secret itself proves anything.
    if !is_ours || hash_of(secret) != hash {
        return Ok(());
    }
    remember(change, hash, secret)?;
    if let (Some(at), Some(known)) = (final_at, change.write().secrets.get_mut(&hash)) {
        known.revealed_at = known.revealed_at.or(Some(at));
    }
    Ok(())
}

/// The hashes of all locks that may still be decided, also of those that no state holds yet: whoever
/// offers a lock may have given its secret to the registry before.
fn awaited(parts: &RecordParts) -> BTreeSet<B256> {
    let waiting = parts.own_pending.iter().chain(&parts.peer_pending);
    let waiting = waiting.filter_map(|entry| match &entry.update.action {
        Action::AddLock(lock) => Some(lock.hash),
        Action::Pay(_)
        | Action::SettleLock { .. }
        | Action::FailLock { .. }
        | Action::ExpireLock { .. } => None,
    });
    open_locks(parts).map(|lock| lock.hash).chain(waiting).collect()
}

/// Drops secrets whose locks are gone from every state that may be settled, and wait for none.
fn make_room(change: &mut Change<'_>) {
    if change.parts.secrets.len() < MAX_SECRETS {
        return;
    }
    let needed = awaited(&change.parts);
    change.write().secrets.retain(|hash, _| needed.contains(hash));
}
