//! What changes a state: payments and the life of locks, numbered per side.

use crate::ids::{InvoiceId, Sequence};
use crate::lock::Lock;
use crate::money::Amount;
use alloy_primitives::B256;
use thiserror::Error;

/// The longest memo of a payment. Units: bytes.
pub const MAX_MEMO_BYTES: usize = 64;
/// Updates of one side that wait for a co-signed state; beyond it the channel is busy.
///
/// One proposal covers all of them, so this also bounds a proposal.
pub const MAX_PENDING_UPDATES: usize = 1_000;
/// The encoded updates of one message stay below this, so that a frame stays below 64 KiB
/// with its state, its 32 locks and its signature.
pub const MAX_UPDATES_BYTES: usize = 56 * 1024;

/// A memo that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("memo of {len} bytes exceeds {MAX_MEMO_BYTES}")]
pub struct MemoTooLong {
    /// Its length in bytes.
    pub len: usize,
}

/// A note from payer to payee. Shape: at most 64 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memo(Vec<u8>);

impl Memo {
    /// From bytes.
    ///
    /// # Errors
    /// If there are more than 64.
    pub fn new(bytes: Vec<u8>) -> Result<Self, MemoTooLong> {
        if bytes.len() > MAX_MEMO_BYTES {
            return Err(MemoTooLong { len: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A payment to the other side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Payment {
    /// Never zero.
    pub amount: Amount,
    /// A note for the payee.
    pub memo: Memo,
    /// The invoice that it pays.
    pub invoice: Option<InvoiceId>,
}

/// One step from a state to the next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The maker pays the other side.
    Pay(Payment),
    /// The maker locks its own money.
    AddLock(Lock),
    /// The payee of a lock shows the secret and takes the money.
    SettleLock {
        /// Which lock.
        hash: B256,
        /// What hashes to it.
        secret: B256,
    },
    /// The payee of a lock gives the money back.
    FailLock {
        /// Which lock.
        hash: B256,
    },
    /// The payer of a lock takes the money back after a finalized block is past its expiry.
    ExpireLock {
        /// Which lock.
        hash: B256,
    },
}

/// A numbered step by one side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Update {
    /// Place in the maker's line; rises strictly, may leave gaps where one was dropped.
    pub sequence: Sequence,
    /// The step.
    pub action: Action,
}

impl Update {
    /// An upper bound of the update's size in a message. Units: bytes.
    pub fn size_bound(&self) -> usize {
        match &self.action {
            Action::Pay(payment) => {
                let invoice = if payment.invoice.is_some() { 36 } else { 0 };
                let memo = payment.memo.as_bytes().len().saturating_add(2);
                40usize.saturating_add(invoice).saturating_add(memo)
            }
            Action::AddLock(_) => 144,
            Action::SettleLock { .. } => 96,
            Action::FailLock { .. } | Action::ExpireLock { .. } => 60,
        }
    }
}
