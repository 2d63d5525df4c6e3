//! What becomes of held locks after the close.

use super::exit::payouts;
use super::{Adjudicator, Refusal, Slots, Step};
use crate::chain::{ChainFact, ChannelStatus};
use crate::ids::Side;
use crate::lock::{Lock, MAX_LOCKS, locks_hash};
use crate::money::Amount;
use crate::time::BlockTimestamp;
use alloy_primitives::B256;

/// What has become of one lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockOutcome {
    /// Neither met nor past its expiry.
    Undecided,
    /// Met at or before its expiry: the payee's.
    Paid,
    /// Past its expiry and not met: the payer's again.
    Refunded,
}

/// Decides a lock, given when its condition was met, if it was.
///
/// Source: contract §3, `LockRules`.
pub fn decide_lock(
    lock: &Lock,
    met_at: Option<BlockTimestamp>,
    now: BlockTimestamp,
) -> LockOutcome {
    match met_at {
        Some(met_at) if met_at <= lock.expiry => LockOutcome::Paid,
        Some(_) | None if now > lock.expiry => LockOutcome::Refunded,
        Some(_) | None => LockOutcome::Undecided,
    }
}

/// What is held and owed while locks are gone through.
struct Purse {
    held: [Amount; 2],
    owed: [Amount; 2],
}

impl Adjudicator {
    /// `resolveLocks`: releases each chosen lock that can be decided.
    ///
    /// `met_at` says when a lock's condition was met: the registry's time of the secret, or the
    /// resolver's `decidedAt` if it says yes.
    ///
    /// # Errors
    /// As the contract refuses it.
    pub fn resolve_locks(
        &self,
        now: BlockTimestamp,
        locks: &[Lock],
        mask: u32,
        met_at: impl Fn(&Lock) -> Option<BlockTimestamp>,
    ) -> Result<Step, Refusal> {
        self.require_status(ChannelStatus::Closed)?;
        let expected = self.slots.point.locks_root;
        if expected.is_zero() {
            return Err(Refusal::NothingHeld);
        }
        if locks.len() > MAX_LOCKS {
            return Err(Refusal::TooManyLocks { count: locks.len() });
        }
        let actual = locks_hash(locks);
        if actual != expected {
            return Err(Refusal::LocksMismatch { expected, actual });
        }
        let mut purse = Purse {
            held: [self.slots.held1, self.slots.held2],
            owed: [Amount::ZERO, Amount::ZERO],
        };
        let mut resolved = self.slots.resolved;
        let mut events = vec![];
        for (index, lock) in (0u32..).zip(locks) {
            let bit = 1u32.checked_shl(index).unwrap_or(0);
            if mask & bit == 0 || resolved & bit != 0 {
                continue;
            }
            let outcome = decide_lock(lock, met_at(lock), now);
            if outcome == LockOutcome::Undecided {
                continue;
            }
            resolved |= bit;
            let is_paid = outcome == LockOutcome::Paid;
            purse.release(lock, is_paid)?;
            events.push(ChainFact::LockResolved { index, is_paid });
        }
        self.after_resolving(locks.len(), purse, resolved, events)
    }

    /// Ends the holding once all are decided or nothing is held any more: a remainder belongs to the
    /// side that locked it.
    fn after_resolving(
        &self,
        count: usize,
        mut purse: Purse,
        resolved: u32,
        events: Vec<ChainFact>,
    ) -> Result<Step, Refusal> {
        let mut next = Slots { resolved, ..self.slots };
        let is_decided = usize::try_from(resolved.count_ones()).ok() == Some(count);
        if is_decided || purse.is_empty() {
            purse.return_remainder()?;
            next.point.locks_root = B256::ZERO;
            next.resolved = 0;
        }
        let [held1, held2] = purse.held;
        let [owed1, owed2] = purse.owed;
        (next.held1, next.held2) = (held1, held2);
        let mut step = Step::quiet(next, events);
        step.payouts = payouts(owed1, owed2);
        Ok(step)
    }
}

impl Purse {
    /// Takes a lock out of what its payer's side still holds; never more than that.
    fn release(&mut self, lock: &Lock, is_paid: bool) -> Result<(), Refusal> {
        let [held1, held2] = &mut self.held;
        let held = match lock.payer() {
            Side::One => held1,
            Side::Two => held2,
        };
        let amount = lock.amount.min(*held);
        *held = held.checked_sub(amount).map_err(|_| Refusal::OutOfModel)?;
        let receiver = if is_paid { lock.payer().other() } else { lock.payer() };
        self.owe(receiver, amount)
    }

    fn is_empty(&self) -> bool {
        self.held.iter().all(|held| held.is_zero())
    }

    fn owe(&mut self, side: Side, amount: Amount) -> Result<(), Refusal> {
        let [owed1, owed2] = &mut self.owed;
        let owed = match side {
            Side::One => owed1,
            Side::Two => owed2,
        };
        *owed = owed.checked_add(amount).map_err(|_| Refusal::OutOfModel)?;
        Ok(())
    }

    fn return_remainder(&mut self) -> Result<(), Refusal> {
        let [rest1, rest2] = std::mem::take(&mut self.held);
        self.owe(Side::One, rest1)?;
        self.owe(Side::Two, rest2)
    }
}
