//! Ethereum: slots of 12 s, finality after two epochs.

use super::{DataFee, Network, Profile};
use crate::rpc::BlockTag;

pub(super) const PROFILE: Profile = Profile {
    network: Network::Ethereum,
    safe: BlockTag::Safe,
    finalized: BlockTag::Finalized,
    quorum: 2,
    max_log_range: 500,
    has_bloom: true,
    has_ethereum_hash: true,
    data_fee: DataFee::None,
    replace_after_blocks: 2,
    poll_millis: 4_000,
    max_silence_secs: Some(300),
    // Nothing needs to be forced in: this is L1.
    forced_inclusion_secs: None,
};
