//! The entry contract of each rollup, as data with its source and date. Everything else is read from chain.

use alloy_primitives::{Address, B256};
use serde::Deserialize;

/// How a rollup is bridged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stack {
    /// An OP Stack chain; its entry contract is the `SystemConfig` on L1.
    Optimism,
    /// An Arbitrum chain; its entry contract is the `Inbox` on L1.
    Arbitrum,
}

/// One pair of L1 and rollup.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BridgeNetwork {
    /// How it is bridged.
    pub stack: Stack,
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// Chain id of the rollup.
    pub l2_chain_id: u64,
    /// The one address that is believed.
    pub entry: Address,
    /// Hash of the code there; none where it is not pinned.
    #[serde(default)]
    pub entry_code_hash: Option<B256>,
    /// Router of token gateways on L1, where the entry contract does not lead to it (Arbitrum).
    #[serde(default)]
    pub token_router: Option<Address>,
    /// Where the address comes from.
    pub source: String,
    /// When it was looked up. Shape: YYYY-MM-DD.
    pub date: String,
}
