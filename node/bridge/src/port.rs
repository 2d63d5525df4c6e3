//! What the bridge side needs from outside: a place that keeps transfers, and somebody who sends.

use crate::error::BridgeError;
use crate::step::Call;
use alloy_primitives::Address;
use lockstep_chain::alarm::Alarm;
use lockstep_chain::port::StoreFailed;
use lockstep_core::entry::{Entry, EntryId};
use lockstep_core::transfer::TransferRecord;

/// Where transfers are kept.
pub trait TransferStore: Send + Sync {
    /// Keeps a transfer under its name; returns once it survives a power cut.
    ///
    /// # Errors
    /// [`StoreFailed`].
    fn put(&self, record: &TransferRecord) -> impl Future<Output = Result<(), StoreFailed>> + Send;
}

/// Who sends: each name once, durably before it leaves, from one nonce of one account (P86).
pub trait Postman: Send + Sync {
    /// Sends a call under a name; a name that is known changes nothing.
    ///
    /// # Errors
    /// Why it can't be sent. Any error means that nothing was signed.
    fn send(
        &self,
        id: EntryId,
        from: Address,
        call: &Call,
    ) -> impl Future<Output = Result<Entry, BridgeError>> + Send;

    /// What became of a call, on whichever chain.
    ///
    /// # Errors
    /// If that can't be asked now.
    fn entry(&self, id: EntryId)
    -> impl Future<Output = Result<Option<Entry>, BridgeError>> + Send;
}

/// Whoever sends on L1, as the way through L1 drives it.
pub trait Outpost: Postman {
    /// Sends, replaces or ends what is due on L1, and gives what a person must look at.
    ///
    /// # Errors
    /// If no endpoint of L1 answers.
    fn step(&self) -> impl Future<Output = Result<Vec<Alarm>, BridgeError>> + Send;
}
