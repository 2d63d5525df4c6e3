//! Who sends the steps of transfers: on L1 a submitter of its own, on the rollup the node's.

use crate::chain::{ChainHandle, ChainStore, ChainTaskError, EntryOrder};
use alloy_primitives::Address;
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::port::Postman;
use lockstep_bridge::step::{Call, Layer};
use lockstep_chain::submitter::Submitter;
use lockstep_core::entry::{BridgeCall, Entry, EntryCall, EntryId};
use lockstep_core::ids::{AccountRef, ChainRef};
use lockstep_core::money::Amount;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Both submitters.
#[derive(Clone)]
pub(super) struct Desk {
    l1: Arc<Mutex<Submitter<ChainStore>>>,
    l2: ChainHandle,
    /// Chain ids, L1 first.
    chains: (u64, u64),
    max_cost: Amount,
}

impl Desk {
    pub(super) fn new(
        l1: Submitter<ChainStore>,
        l2: ChainHandle,
        chains: (u64, u64),
        max_cost: Amount,
    ) -> Self {
        Self { l1: Arc::new(Mutex::new(l1)), l2, chains, max_cost }
    }

    /// Sends, replaces or ends what is due on L1.
    pub(super) async fn step(&self) {
        let mut submitter = self.l1.lock().await;
        if submitter.is_idle() {
            return;
        }
        if let Err(error) = submitter.step().await {
            tracing::warn!(error = %error, "nothing can be sent on L1 now");
        }
    }
}

impl Postman for Desk {
    async fn send(&self, id: EntryId, from: Address, call: &Call) -> Result<Entry, BridgeError> {
        let chain = match call.layer {
            Layer::L1 => self.chains.0,
            Layer::L2 => self.chains.1,
        };
        let bridge = EntryCall::Bridge(BridgeCall {
            chain: ChainRef::Evm(chain),
            to: AccountRef::Evm(call.to),
            value: Amount::from_u256(call.value),
            data: call.data.to_vec(),
            least_gas: call.least_gas,
        });
        match call.layer {
            Layer::L1 => {
                let mut submitter = self.l1.lock().await;
                let entered = submitter.enter(id, from, bridge, self.max_cost).await;
                entered.map(|(entry, _)| entry).map_err(BridgeError::on_l1)
            }
            Layer::L2 => {
                let max_cost = self.max_cost;
                let order = EntryOrder { id, from, call: bridge, max_cost };
                self.l2.enter(order).await.map_err(on_l2)
            }
        }
    }

    async fn entry(&self, id: EntryId) -> Result<Option<Entry>, BridgeError> {
        if let Some(found) = self.l1.lock().await.entry(id) {
            return Ok(Some(found.clone()));
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
