//! Secrets of locks: durable before they are used.

use crate::change::Change;
use crate::draft::hash_of;
use crate::duty::open_locks;
use crate::error::{ErrorClass, ProtocolError};
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
    settle(change, hash, secret)
}

/// Takes a lock if a state can be made now; else the registry takes the secret in time: see `duty`.
fn settle(change: &mut Change<'_>, hash: B256, secret: B256) -> Result<(), ProtocolError> {
    let order = vec![Action::SettleLock { hash, secret }];
    match change.attempt(|change| intent::handle_own_updates(change, order)) {
        Err(error) if error.class() == ErrorClass::Fatal => Err(error),
        Ok(()) | Err(_) => Ok(()),
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
    let secrets: Vec<(B256, B256)> = parts
        .base
        .iter()
        .flat_map(|base| &base.locks)
        .filter(|lock| lock.payer() != side && !is_ordered(lock.hash))
        .filter_map(|lock| Some((lock.hash, parts.secrets.get(&lock.hash)?.secret)))
        .collect();
    secrets.into_iter().try_for_each(|(hash, secret)| settle(change, hash, secret))
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

/// P45: after a start. Whoever passes secrets on to another channel may have died before it did.
pub(crate) fn tell_again(change: &mut Change<'_>) {
    let known: Vec<(B256, B256)> =
        change.parts.secrets.iter().map(|(hash, known)| (*hash, known.secret)).collect();
    for (hash, secret) in known {
        change.notify(Notice::SecretLearned { hash, secret });
    }
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
    let is_news = change.parts.secrets.get(&hash).is_some_and(|known| known.revealed_at.is_none());
    if let (Some(at), true) = (final_at, is_news)
        && let Some(known) = change.write().secrets.get_mut(&hash)
    {
        known.revealed_at = Some(at);
    }
    Ok(())
}

/// What the registry must be asked about: it may have taken the secret of a lock before there was a
/// lock, and then no event will ever tell.
pub(crate) fn unanswered(parts: &RecordParts) -> BTreeSet<B256> {
    let mut hashes = awaited(parts);
    hashes.retain(|hash| parts.secrets.get(hash).is_none_or(|known| known.revealed_at.is_none()));
    hashes
}

/// The hashes of all locks that may still be decided, also of those that no state holds yet: whoever
/// offers a lock may have given its secret to the registry before.
pub(crate) fn awaited(parts: &RecordParts) -> BTreeSet<B256> {
    let waiting = parts.own_pending.iter().chain(&parts.peer_pending);
    // What is left out may still be in a version in flight, and is found there.
    let waiting = waiting.filter(|entry| entry.left_out.is_none());
    let waiting = waiting.filter_map(|entry| match &entry.update.action {
        Action::AddLock(lock) => Some(lock.hash),
        Action::Pay(_)
        | Action::SettleLock { .. }
        | Action::FailLock { .. }
        | Action::ExpireLock { .. } => None,
    });
    open_locks(parts).map(|lock| lock.hash).chain(waiting).collect()
}

/// Whether a lock of this hash is in any state that may be settled, or may still get into one.
pub(crate) fn awaits(parts: &RecordParts, hash: B256) -> bool {
    let waiting = parts.own_pending.iter().chain(&parts.peer_pending);
    let mut waiting = waiting.map(|entry| &entry.update.action);
    waiting.any(|action| matches!(action, Action::AddLock(lock) if lock.hash == hash))
        || open_locks(parts).any(|lock| lock.hash == hash)
}

/// Drops secrets whose locks are gone from every state that may be settled, and wait for none.
fn make_room(change: &mut Change<'_>) {
    if change.parts.secrets.len() < MAX_SECRETS {
        return;
    }
    let needed = awaited(&change.parts);
    change.write().secrets.retain(|hash, _| needed.contains(hash));
}
