//! ZKsync: `finalized` once the batch is executed on L1. Headers carry no bloom and another hash.

use super::{DataFee, Network, Profile};
use crate::rpc::BlockTag;

pub(super) const PROFILE: Profile = Profile {
    network: Network::Zksync,
    // There is no tag between sequenced and executed that all its nodes serve.
    safe: BlockTag::Finalized,
    finalized: BlockTag::Finalized,
    quorum: 2,
    max_log_range: 2_000,
    has_bloom: false,
    has_ethereum_hash: false,
    data_fee: DataFee::None,
    replace_after_blocks: 5,
    poll_millis: 1_000,
    max_silence_secs: Some(600),
    // Inclusion is not enforced before v31.
    forced_inclusion_secs: None,
};
