//! A state in the making: net and locks, changed by one update at a time.

use crate::ids::{ChannelId, Side, Version};
use crate::lock::{Lock, MAX_LOCKS, locked_sums, locks_root};
use crate::message::RejectReason;
use crate::money::{Amount, AmountError, Net};
use crate::record::CoSigned;
use crate::state::{State, StateKind};
use crate::update::Action;
use alloy_primitives::B256;
use k256::sha2::{Digest as _, Sha256};

/// What a state holds, before it has a version.
///
/// # Invariants
/// Locks rise strictly by hash, so that one set of locks has one root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    net: Net,
    locks: Vec<Lock>,
}

impl Draft {
    /// What the newest co-signed state holds.
    pub(crate) fn from_base(base: Option<&CoSigned>) -> Self {
        base.map_or_else(Self::default, |base| Self {
            net: base.state.net,
            locks: base.locks.clone(),
        })
    }

    pub(crate) fn locks(&self) -> &[Lock] {
        &self.locks
    }

    pub(crate) fn into_locks(self) -> Vec<Lock> {
        self.locks
    }

    /// Carries out one update by one side.
    ///
    /// This checks what every node sees alike; limits that depend on time or policy are in `rules`.
    pub(crate) fn apply(&mut self, by: Side, action: &Action) -> Result<(), RejectReason> {
        match action {
            Action::Pay(payment) => self.pay(by, payment.amount),
            Action::AddLock(lock) => self.add(by, lock),
            Action::SettleLock { hash, secret } => {
                if hash_of(*secret) != *hash {
                    return Err(RejectReason::UnknownLock);
                }
                let lock = self.remove(*hash, by.other())?;
                self.pay(lock.payer(), lock.amount)
            }
            Action::FailLock { hash } => self.remove(*hash, by.other()).map(drop),
            Action::ExpireLock { hash } => self.remove(*hash, by).map(drop),
        }
    }

    /// The state of this content.
    pub(crate) fn state(
        &self,
        channel_id: ChannelId,
        version: Version,
        kind: StateKind,
    ) -> Result<State, AmountError> {
        let (locked1, locked2) = locked_sums(&self.locks)?;
        Ok(State {
            channel_id,
            version,
            kind,
            net: self.net,
            locked1,
            locked2,
            locks_root: locks_root(&self.locks),
        })
    }

    fn pay(&mut self, by: Side, amount: Amount) -> Result<(), RejectReason> {
        if amount.is_zero() {
            return Err(RejectReason::Policy);
        }
        self.net = self.net.paid_by(by, amount).map_err(|_| RejectReason::InsufficientBalance)?;
        Ok(())
    }

    fn add(&mut self, by: Side, lock: &Lock) -> Result<(), RejectReason> {
        if lock.payer() != by || lock.amount.is_zero() || self.locks.len() >= MAX_LOCKS {
            return Err(RejectReason::LockRefused);
        }
        match self.locks.binary_search_by_key(&lock.hash, |other| other.hash) {
            Ok(_) => Err(RejectReason::LockRefused),
            Err(place) => {
                self.locks.insert(place, *lock);
                Ok(())
            }
        }
    }

    fn remove(&mut self, hash: B256, payer: Side) -> Result<Lock, RejectReason> {
        let found = self.locks.iter().position(|lock| lock.hash == hash && lock.payer() == payer);
        match found {
            Some(place) => Ok(self.locks.remove(place)),
            None => Err(RejectReason::UnknownLock),
        }
    }
}

/// The hash that a hash lock of this secret has.
pub fn hash_of(secret: B256) -> B256 {
    B256::from(<[u8; 32]>::from(Sha256::digest(secret.0)))
}

/// Whether locks rise strictly by hash, as every state of ours has them.
pub(crate) fn are_sorted(locks: &[Lock]) -> bool {
    locks.is_sorted_by(|one, next| one.hash < next.hash)
}

/// What an update takes from its maker's balance.
pub(crate) fn outflow(action: &Action) -> Amount {
    match action {
        Action::Pay(payment) => payment.amount,
        Action::AddLock(lock) => lock.amount,
        Action::SettleLock { .. } | Action::FailLock { .. } | Action::ExpireLock { .. } => {
            Amount::ZERO
        }
    }
}
