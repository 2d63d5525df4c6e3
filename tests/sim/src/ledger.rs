//! A second set of books for each honest node, kept from what it tells its user.
//!
//! The node's history says which updates are final. These books add them up without looking at any
//! state; the state that the node holds must come to the same.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use lockstep_core::ids::{PaymentId, Sequence, Side};
use lockstep_core::lock::Lock;
use lockstep_core::output::Notice;
use lockstep_core::record::{Phase, RecordParts};
use lockstep_core::state::State;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::update::Action;

use crate::violation::{Checked, ensure};

/// What a lock is about, as the books keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who locked it.
    pub payer: Side,
    /// How much.
    pub amount: i128,
    /// The last second at which its secret counts.
    pub expiry: BlockTimestamp,
}

/// The durable step that a notice belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The record before it.
    pub before: Option<&'a RecordParts>,
    /// The record after it.
    pub next: &'a RecordParts,
    /// Nobody cheats. A cheat as acceptor may bring back a lock of its own that a newer state in flight had
    /// left out: the proposer does not tell of such a lock, so its end comes as the first news of it.
    pub is_peer_honest: bool,
}

/// One node's books.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Our own updates, as the operator ordered them.
    pub ordered: BTreeMap<Sequence, Action>,
    /// Updates that are final.
    pub applied: BTreeMap<PaymentId, Action>,
    /// Our own updates that were left out for ever.
    pub failed: BTreeMap<Sequence, Action>,
    /// Locks in the newest state.
    pub locks: BTreeMap<B256, Held>,
    /// What side one has paid side two.
    pub net: i128,
}

fn value(amount: lockstep_core::money::Amount) -> i128 {
    amount.to_u128().and_then(|value| i128::try_from(value).ok()).unwrap_or(i128::MAX)
}

impl Ledger {
    /// Takes in what a durable step tells.
    ///
    /// # Errors
    /// If an update is final twice, after it failed, or with other content than was ordered.
    pub fn take(&mut self, own: Side, notice: &Notice, step: Step<'_>) -> Checked<()> {
        match notice {
            Notice::Queued { id } => {
                let entry = step.next.own_pending.iter().find(|e| e.update.sequence == id.sequence);
                if let Some(entry) = entry {
                    self.ordered.insert(id.sequence, entry.update.action.clone());
                }
                Ok(())
            }
            Notice::Applied { id, action, .. } => {
                let base = step.before.and_then(|parts| parts.base.as_ref());
                let silent = base.filter(|_| own == Side::One && !step.is_peer_honest);
                self.apply(own, *id, action, silent.map_or(&[], |base| &base.locks))
            }
            Notice::Failed { id, .. } => {
                let ordered = self.ordered.get(&id.sequence).cloned();
                let is_new =
                    !self.applied.contains_key(id) && !self.failed.contains_key(&id.sequence);
                ensure(is_new, "P37", || format!("{id:?} failed after it had ended"))?;
                if let Some(action) = ordered {
                    self.failed.insert(id.sequence, action);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// `silent` holds locks that may be there though nobody told of them.
    fn apply(&mut self, own: Side, id: PaymentId, action: &Action, silent: &[Lock]) -> Checked<()> {
        // Taken by a settlement that the cheat then took back: by a version without it that it signs later.
        let is_back = |hash: B256| {
            let mut ended = self.applied.values();
            ended.any(|action| matches!(action, Action::SettleLock { hash: of, .. } if *of == hash))
        };
        let silent: BTreeSet<B256> = silent
            .iter()
            .filter(|lock| lock.payer() == own.other() || is_back(lock.hash))
            .map(|lock| lock.hash)
            .collect();
        let is_silent = |hash: B256| silent.contains(&hash);
        let before = self.applied.insert(id, action.clone());
        ensure(before.is_none(), "P37", || format!("{id:?} is final twice"))?;
        if id.payer == own {
            let ordered = self.ordered.get(&id.sequence);
            ensure(ordered == Some(action), "P37", || format!("{id:?} is not what was ordered"))?;
            let has_failed = self.failed.contains_key(&id.sequence);
            ensure(!has_failed, "P37", || format!("{id:?} is final after it failed"))?;
        }
        match action {
            Action::Pay(payment) => self.pay(id.payer, value(payment.amount)),
            Action::AddLock(lock) => {
                let held = held(lock);
                let before = self.locks.insert(lock.hash, held);
                ensure(before.is_none(), "P25", || format!("lock {} is there twice", lock.hash))?;
            }
            Action::SettleLock { hash, .. } => {
                if let Some(held) = self.end_lock(*hash, is_silent(*hash))? {
                    self.pay(held.payer, held.amount);
                }
            }
            Action::FailLock { hash } | Action::ExpireLock { hash } => {
                self.end_lock(*hash, is_silent(*hash))?;
            }
        }
        Ok(())
    }

    fn end_lock(&mut self, hash: B256, is_silent: bool) -> Checked<Option<Held>> {
        let held = self.locks.remove(&hash);
        ensure(held.is_some() || is_silent, "P25", || {
            format!("lock {hash} ends and was never there")
        })?;
        Ok(held)
    }

    fn pay(&mut self, payer: Side, amount: i128) {
        match payer {
            Side::One => self.net += amount,
            Side::Two => self.net -= amount,
        }
    }

    /// The node's newest state says what its history adds up to.
    ///
    /// A cheat may co-sign one of several versions in flight, and then a later one that was made before and
    /// leaves out an update of the first. What the proposer paid in the first it has back in the second;
    /// so with a cheat it may have more than its history says, and never less.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self, parts: &RecordParts, is_peer_honest: bool) -> Checked<()> {
        let (net, locks) = match settled(parts).or_else(|| newest(parts)) {
            None => (0, 0),
            Some((state, locks)) => (state.net.get(), locks.len()),
        };
        let is_proposer = parts.setup.side == Side::One;
        if is_proposer && !is_peer_honest {
            return ensure(net <= self.net, "P36", || {
                format!("the state says {net} was paid, the history says only {}", self.net)
            });
        }
        ensure(net == self.net, "P36", || {
            format!("the state says {net} was paid, the history says {}", self.net)
        })?;
        let count = self.locks.len();
        ensure(locks == count, "P25", || format!("the state has {locks} locks, not {count}"))
    }

    /// What one side has paid the other for good, less the reverse, and what it may still have to pay: its
    /// updates that have not failed, and its locks whose secret is out.
    #[must_use]
    pub fn most_spent(&self, own: Side, is_out: impl Fn(B256, BlockTimestamp) -> bool) -> i128 {
        let spent = match own {
            Side::One => self.net,
            Side::Two => -self.net,
        };
        let lost = |hash: B256, held: &Held| {
            if held.payer == own && is_out(hash, held.expiry) { held.amount } else { 0 }
        };
        let locked: i128 = self.locks.iter().map(|(hash, held)| lost(*hash, held)).sum();
        let waiting = self.ordered.iter().filter(|(sequence, _)| {
            !self.failed.contains_key(sequence) && !self.is_applied(own, **sequence)
        });
        let waiting: i128 = waiting
            .map(|(_, action)| match action {
                Action::Pay(payment) => value(payment.amount),
                Action::AddLock(lock) => lost(lock.hash, &held(lock)),
                Action::SettleLock { .. } | Action::FailLock { .. } | Action::ExpireLock { .. } => {
                    0
                }
            })
            .sum();
        spent + locked + waiting
    }

    fn is_applied(&self, own: Side, sequence: Sequence) -> bool {
        self.applied.keys().any(|id| id.payer == own && id.sequence == sequence)
    }
}

fn newest(parts: &RecordParts) -> Option<(&State, &[Lock])> {
    parts.base.as_ref().map(|base| (&base.state, &base.locks[..]))
}

/// The state that the contract has settled at for good, where its countersignature has not come to this node: the
/// history tells of it, and the co-signed state is older.
fn settled(parts: &RecordParts) -> Option<(&State, &[Lock])> {
    let Phase::Settled(settlement) = &parts.phase else { return None };
    let mut in_flight = parts.in_flight.iter().filter(|_| settlement.is_final);
    let found = in_flight.find(|proposal| proposal.state.version == settlement.version)?;
    Some((&found.state, &found.locks))
}

fn held(lock: &Lock) -> Held {
    Held { payer: lock.payer(), amount: value(lock.amount), expiry: lock.expiry }
}
