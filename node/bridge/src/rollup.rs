//! What the adapter of a rollup can do.

use crate::error::BridgeError;
use crate::order::{ForceOrder, FundOrder, Start, WithdrawOrder};
use crate::step::{Call, Next, Step};
use alloy_primitives::{Address, B256, U256};
use futures::future::BoxFuture;
use lockstep_core::entry::EntryStage;
use lockstep_core::transfer::{TransferEvent, TransferRecord};
use std::collections::BTreeMap;

/// What became of each transaction that was ordered for a transfer.
pub type Sent = BTreeMap<Step, EntryStage>;

/// What an adapter makes of a transfer and the chains as they are now.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What has happened, in order. Each is reported at the finality class that it needs (P85).
    pub events: Vec<TransferEvent>,
    /// New notes of the adapter, if they differ. Durable before `call` is sent.
    pub memo: Option<Vec<u8>>,
    /// The transaction that is due, if one is.
    pub call: Option<(Step, Call)>,
    /// What comes next.
    pub next: Next,
}

impl Progress {
    /// Nothing has happened.
    pub fn waits(next: Next) -> Self {
        Self { events: Vec::new(), memo: None, call: None, next }
    }

    /// The same with an event in front.
    #[must_use]
    pub fn after(mut self, event: TransferEvent) -> Self {
        self.events.insert(0, event);
        self
    }
}

/// Money at the address that a contract of L1 has on the rollup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasPurse {
    /// That address; nobody has a key of it.
    pub alias: Address,
    /// Coin that is there. Units: wei.
    pub balance: U256,
    /// The contract's own call on L1 that moves all of it; none where there is nothing.
    pub call: Option<Call>,
}

/// A network side by side with others: what it costs and how long it takes, as read now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// Chain id of the rollup.
    pub l2_chain_id: u64,
    /// The contract that holds the bridged money on L1.
    pub vault: Address,
    /// Native coin in it. Units: wei.
    pub locked: U256,
    /// Whether the bridge says that it is paused.
    pub is_paused: bool,
    /// Units: milliseconds between the rollup's blocks, lately.
    pub block_millis: u64,
    /// Base fee of the rollup. Units: wei per gas.
    pub l2_base_fee: u128,
    /// Base fee of L1. Units: wei per gas.
    pub l1_base_fee: u128,
    /// What a transaction of one challenge pays for its data. Units: wei.
    pub challenge_data_fee: U256,
    /// Units: seconds from a withdrawal that is proven to its payout, at least.
    pub withdraw_secs: u64,
    /// Units: seconds within which L1 can force a call in; none if it can't.
    pub force_secs: Option<u64>,
    /// The smallest challenge period with which a victim is safe. Units: seconds.
    pub least_challenge_secs: u64,
}

/// One rollup and the L1 that it settles on.
///
/// # Invariants
/// Methods read the chains and send nothing. Only [`Start::call`], [`Progress::call`] and what [`Rollup::force`]
/// returns are ever sent, each once per step.
pub trait Rollup: Send + Sync {
    /// Chain ids, L1 first.
    fn chains(&self) -> (u64, u64);

    /// Chain ids and code of the entry contract, and that all contracts point at each other (P93).
    ///
    /// # Errors
    /// What differs.
    fn check(&self) -> BoxFuture<'_, Result<(), BridgeError>>;

    /// Checks an order to fund; nothing is sent.
    ///
    /// # Errors
    /// Why it can't be done.
    fn fund<'a>(&'a self, order: &'a FundOrder) -> BoxFuture<'a, Result<Start, BridgeError>>;

    /// Checks an order to withdraw; nothing is sent.
    ///
    /// # Errors
    /// Why it can't be done.
    fn withdraw<'a>(
        &'a self,
        order: &'a WithdrawOrder,
    ) -> BoxFuture<'a, Result<Start, BridgeError>>;

    /// Looks where a transfer is.
    ///
    /// # Errors
    /// If the chains can't be read; the transfer stays as it is (P88).
    fn advance<'a>(
        &'a self,
        record: &'a TransferRecord,
        sent: &'a Sent,
    ) -> BoxFuture<'a, Result<Progress, BridgeError>>;

    /// The call by which the owner of a delivery that waits for another attempt gives it up, and has its money
    /// back on the rollup. It is never made unasked.
    ///
    /// # Errors
    /// If nothing waits, the money is somebody else's or would be lost, or this rollup can't.
    fn cancel<'a>(
        &'a self,
        record: &'a TransferRecord,
        owner: Address,
    ) -> BoxFuture<'a, Result<Call, BridgeError>> {
        let _unused = (record, owner);
        Box::pin(async { Err(BridgeError::NoCancel) })
    }

    /// What a contract's failed deposit has left on the rollup, and the call by which that contract alone can have
    /// it moved to `to`. Nothing is sent.
    ///
    /// # Errors
    /// If it is no contract, `to` could not move it on, or this rollup has no such way.
    fn alias_purse(
        &self,
        contract: Address,
        to: Address,
    ) -> BoxFuture<'_, Result<AliasPurse, BridgeError>> {
        let _unused = (contract, to);
        Box::pin(async { Err(BridgeError::NoAliasMoney) })
    }

    /// The L1 call that puts a call into the rollup, whatever its sequencer does.
    ///
    /// # Errors
    /// If this rollup can't, or L1 can't be read.
    fn force<'a>(&'a self, order: &'a ForceOrder) -> BoxFuture<'a, Result<Call, BridgeError>>;

    /// The L1 call that makes the rollup read what an L1 transaction has left for it, whoever sends it; none where
    /// it reads by itself, has read, or can't be made to yet.
    ///
    /// # Errors
    /// If L1 can't be read.
    fn hurry(&self, l1_tx: B256) -> BoxFuture<'_, Result<Option<Call>, BridgeError>>;

    /// The transactions of the rollup that an L1 transaction will cause, once a block holds it.
    ///
    /// # Errors
    /// If L1 can't be read.
    fn caused_by(&self, l1_tx: B256) -> BoxFuture<'_, Result<Vec<B256>, BridgeError>>;

    /// The network as it is now.
    ///
    /// # Errors
    /// If the chains can't be read.
    fn report(&self) -> BoxFuture<'_, Result<Report, BridgeError>>;
}
