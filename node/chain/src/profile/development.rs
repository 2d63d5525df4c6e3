//! A local chain that mines every second, with two blocks to finality.

use super::{DataFee, Network, Profile};
use crate::rpc::BlockTag;

pub(super) const PROFILE: Profile = Profile {
    network: Network::Development,
    safe: BlockTag::Safe,
    finalized: BlockTag::Finalized,
    // One's own node is believed.
    quorum: 1,
    max_log_range: 1_000,
    has_bloom: true,
    has_ethereum_hash: true,
    data_fee: DataFee::None,
    replace_after_blocks: 2,
    poll_millis: 250,
    max_silence_secs: None,
    forced_inclusion_secs: None,
};
