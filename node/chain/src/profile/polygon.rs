//! Polygon PoS: `finalized` at a milestone of its validators.

use super::{DataFee, Network, Profile};
use crate::rpc::BlockTag;

pub(super) const PROFILE: Profile = Profile {
    network: Network::Polygon,
    safe: BlockTag::Finalized,
    finalized: BlockTag::Finalized,
    quorum: 2,
    max_log_range: 1_000,
    // State-sync logs are in receipts but not always in the bloom; ours always are.
    has_bloom: true,
    has_ethereum_hash: false,
    data_fee: DataFee::None,
    replace_after_blocks: 5,
    poll_millis: 2_000,
    max_silence_secs: Some(180),
    // It has validators of its own; nothing can be forced in from L1.
    forced_inclusion_secs: None,
};
