//! Arbitrum: blocks of 250 ms; `safe` and `finalized` follow the L1 blocks of their batches.

use super::{DataFee, Network, Profile};
use crate::rpc::BlockTag;

pub(super) const PROFILE: Profile = Profile {
    network: Network::Arbitrum,
    safe: BlockTag::Safe,
    finalized: BlockTag::Finalized,
    quorum: 2,
    max_log_range: 10_000,
    has_bloom: true,
    // Its headers use fields of Ethereum's for other things; quorum stands in for the hash.
    has_ethereum_hash: false,
    data_fee: DataFee::ArbitrumNode,
    replace_after_blocks: 40,
    poll_millis: 1_000,
    max_silence_secs: Some(600),
    // The delayed inbox: 5,760 L1 blocks, about 24 h with its buffer full.
    forced_inclusion_secs: Some(86_400),
};
