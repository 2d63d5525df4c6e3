//! Who sends the steps of transfers: on L1 a submitter of its own, on the rollup the node's.

use crate::chain::{ChainHandle, ChainStore, ChainTaskError, EntryOrder};
use alloy_primitives::Address;
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::escape::L1Desk;
use lockstep_bridge::port::{Outpost, Postman};
use lockstep_bridge::step::{Call, Layer};
use lockstep_chain::submitter::Submitter;
use lockstep_core::entry::{BridgeCall, Entry, EntryCall, EntryId};
use lockstep_core::ids::{AccountRef, ChainRef};
use lockstep_core::money::Amount;

/// Both submitters.
#[derive(Clone)]
pub(super) struct Desk {
    l1: L1Desk<ChainStore>,
    l2: ChainHandle,
    l2_chain_id: u64,
    max_cost: Amount,
}

impl Desk {
    pub(super) fn new(
        l1: Submitter<ChainStore>,
        l2: ChainHandle,
        (l1_chain_id, l2_chain_id): (u64, u64),
        max_cost: Amount,
    ) -> Self {
        Self { l1: L1Desk::new(l1, l1_chain_id, max_cost), l2, l2_chain_id, max_cost }
    }

    /// The side on L1 alone, for calls that go past the sequencer.
    pub(super) fn on_l1(&self) -> L1Desk<ChainStore> {
        self.l1.clone()
    }

    /// Sends, replaces or ends what is due on L1. What somebody must look at there the node hears as of its own chain.
    pub(super) async fn step(&self) {
        match self.l1.step().await {
            Ok(alarms) if alarms.is_empty() => {}
            Ok(alarms) => {
                if let Err(error) = self.l2.tell_of_l1(alarms).await {
                    tracing::debug!(error = %error, "nobody hears what L1's side is alarmed of");
                }
            }
            Err(error) => tracing::warn!(error = %error, "nothing can be sent on L1 now"),
        }
    }
}

impl Postman for Desk {
    async fn send(&self, id: EntryId, from: Address, call: &Call) -> Result<Entry, BridgeError> {
        match call.layer {
            Layer::L1 => self.l1.send(id, from, call).await,
            Layer::L2 => {
                let bridge = EntryCall::Bridge(BridgeCall {
                    chain: ChainRef::Evm(self.l2_chain_id),
                    to: AccountRef::Evm(call.to),
                    value: Amount::from_u256(call.value),
                    data: call.data.to_vec(),
                    least_gas: call.least_gas,
                });
                let max_cost = self.max_cost;
                let order = EntryOrder { id, from, call: bridge, max_cost };
                self.l2.enter(order).await.map_err(on_l2)
            }
        }
    }

    async fn entry(&self, id: EntryId) -> Result<Option<Entry>, BridgeError> {
        if let Some(found) = self.l1.entry(id).await? {
            return Ok(Some(found));
        }
        self.l2.entry(id).await.map_err(on_l2)
    }
}

fn on_l2(error: ChainTaskError) -> BridgeError {
    match error {
        ChainTaskError::Chain(source) => BridgeError::on_l2(source),
        ChainTaskError::Store(_)
        | ChainTaskError::JournalGone
        | ChainTaskError::Ended
        | ChainTaskError::BadAddress { .. }
        | ChainTaskError::NotWatched { .. }
        | ChainTaskError::Account(_) => BridgeError::Stopping,
    }
}
