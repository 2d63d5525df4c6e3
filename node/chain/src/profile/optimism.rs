//! OP Stack: blocks of 2 s; `safe` once L1 holds their data, `finalized` once that L1 block is.

use super::{DataFee, Network, Profile};
use crate::rpc::BlockTag;

pub(super) const PROFILE: Profile = Profile {
    network: Network::Optimism,
    safe: BlockTag::Safe,
    finalized: BlockTag::Finalized,
    quorum: 2,
    max_log_range: 2_000,
    has_bloom: true,
    has_ethereum_hash: true,
    data_fee: DataFee::OptimismOracle,
    replace_after_blocks: 5,
    poll_millis: 2_000,
    max_silence_secs: Some(120),
    // The sequencing window: 3,600 L1 blocks of 12 s.
    forced_inclusion_secs: Some(43_200),
};
