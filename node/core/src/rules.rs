//! Limits on updates that depend on time, policy or what we know; checked before we take one in.

use crate::draft::hash_of;
use crate::ids::Side;
use crate::lock::{Lock, MAX_EXPIRY, MAX_LOCKS};
use crate::message::RejectReason;
use crate::phase::open::secret;
use crate::record::{InvoiceStatus, MAX_SECRETS, RecordParts};
use crate::terms::Features;
use crate::time::BlockTimestamp;
use crate::update::{Action, Payment};
use alloy_primitives::B256;
use std::collections::BTreeSet;

use crate::ids::InvoiceId;

/// The chain's clock as far as it is settled. Nothing expires by any other.
pub(crate) fn now(parts: &RecordParts) -> BlockTimestamp {
    parts.chain.finalized.timestamp
}

/// Checks one update by one side against our limits. `paid` collects invoices paid in this batch.
pub(crate) fn check(
    parts: &RecordParts,
    by: Side,
    action: &Action,
    paid: &mut BTreeSet<InvoiceId>,
) -> Result<(), RejectReason> {
    let is_own = by == parts.setup.side;
    match action {
        Action::Pay(payment) if is_own => check_amount(payment),
        Action::Pay(payment) => check_income(parts, payment, paid),
        Action::AddLock(lock) => {
            if is_own {
                check_offer(parts, lock)?;
            }
            check_new_lock(parts, lock)
        }
        Action::SettleLock { hash, secret } => check_settle(parts, by, *hash, *secret),
        Action::FailLock { hash } => base_lock(parts, *hash).map(drop),
        Action::ExpireLock { hash } => check_expire(parts, *hash),
    }
}

fn check_amount(payment: &Payment) -> Result<(), RejectReason> {
    if payment.amount.is_zero() { Err(RejectReason::Policy) } else { Ok(()) }
}

/// A payment to us: if it names an invoice, it pays exactly that one, in time, once.
fn check_income(
    parts: &RecordParts,
    payment: &Payment,
    paid: &mut BTreeSet<InvoiceId>,
) -> Result<(), RejectReason> {
    check_amount(payment)?;
    let Some(id) = payment.invoice else { return Ok(()) };
    let invoice = parts.invoices.get(&id).ok_or(RejectReason::InvoiceRefused)?;
    let is_payable = invoice.status == InvoiceStatus::Open
        && invoice.amount == payment.amount
        && now(parts) <= invoice.expiry
        && paid.insert(id);
    if is_payable { Ok(()) } else { Err(RejectReason::InvoiceRefused) }
}

/// Whether a lock of our own money may still go into a state that we sign: between the order and the
/// state the other side may have let hours pass, and an order cannot be taken back.
///
/// A lock whose secret is out is a gift, and one that is about to expire leaves its payee only the
/// registry, and us no time to bring what it learns there to wherever we are paid in turn (P44, P45).
pub(crate) fn check_offer(parts: &RecordParts, lock: &Lock) -> Result<(), RejectReason> {
    let soon = now(parts).checked_add_secs(parts.setup.policy.lock_margin_secs);
    let has_time = soon.is_some_and(|soon| lock.expiry > soon);
    if has_time && !parts.secrets.contains_key(&lock.hash) {
        Ok(())
    } else {
        Err(RejectReason::LockRefused)
    }
}

fn check_new_lock(parts: &RecordParts, lock: &Lock) -> Result<(), RejectReason> {
    let policy = &parts.setup.policy;
    let latest = now(parts).checked_add_secs(policy.max_lock_expiry_secs);
    let is_within = parts.setup.features.contains(Features::LOCKS)
        && lock.is_hash_lock()
        && parts.setup.domain.hosts(lock.resolver)
        && lock.amount >= policy.lock_dust
        && lock.amount.checked_locked().is_ok()
        && lock.expiry > now(parts)
        // The secret of every lock that may be decided has its place.
        && secret::awaited(parts).len().saturating_add(MAX_LOCKS) <= MAX_SECRETS
        && lock.expiry.0 <= MAX_EXPIRY
        && latest.is_some_and(|latest| lock.expiry <= latest)
        // A hash comes back only once no state that may be settled holds it.
        && !holds_hash(parts, lock.hash);
    if is_within { Ok(()) } else { Err(RejectReason::LockRefused) }
}

/// A secret counts until the expiry; later only if the registry took it in time.
fn check_settle(
    parts: &RecordParts,
    by: Side,
    hash: B256,
    secret: B256,
) -> Result<(), RejectReason> {
    let lock = base_lock(parts, hash)?;
    if lock.payer() == by || hash_of(secret) != hash {
        return Err(RejectReason::UnknownLock);
    }
    if now(parts) <= lock.expiry || was_revealed_in_time(parts, &lock) {
        Ok(())
    } else {
        Err(RejectReason::LockRefused)
    }
}

/// A lock goes back once a finalized block is past its expiry and the registry did not get the secret.
fn check_expire(parts: &RecordParts, hash: B256) -> Result<(), RejectReason> {
    let lock = base_lock(parts, hash)?;
    if now(parts) > lock.expiry && !was_revealed_in_time(parts, &lock) {
        Ok(())
    } else {
        Err(RejectReason::LockRefused)
    }
}

fn was_revealed_in_time(parts: &RecordParts, lock: &Lock) -> bool {
    parts
        .secrets
        .get(&lock.hash)
        .and_then(|known| known.revealed_at)
        .is_some_and(|at| at <= lock.expiry)
}

/// A lock of the newest co-signed state: one that is only in flight may not be touched yet.
fn base_lock(parts: &RecordParts, hash: B256) -> Result<Lock, RejectReason> {
    let locks = parts.base.as_ref().map_or(&[][..], |base| &base.locks);
    locks.iter().find(|lock| lock.hash == hash).copied().ok_or(RejectReason::UnknownLock)
}

/// Whether any state that may be settled, or any update that waits, holds this hash.
fn holds_hash(parts: &RecordParts, hash: B256) -> bool {
    let in_states = parts
        .base
        .iter()
        .flat_map(|base| &base.locks)
        .chain(parts.in_flight.iter().flat_map(|proposal| &proposal.locks))
        .any(|lock| lock.hash == hash);
    let waits =
        parts.own_pending.iter().chain(&parts.peer_pending).any(
            |entry| matches!(&entry.update.action, Action::AddLock(lock) if lock.hash == hash),
        );
    in_states || waits
}
