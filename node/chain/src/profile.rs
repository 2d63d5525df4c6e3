//! What differs from network to network, as data.

use crate::rpc::BlockTag;
use lockstep_core::error::ErrorClass;
use serde::Deserialize;
use thiserror::Error;

mod arbitrum;
mod development;
mod ethereum;
mod optimism;
mod polygon;
mod starknet;
mod zksync;

/// A kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Ethereum itself.
    Ethereum,
    /// An OP Stack chain.
    Optimism,
    /// An Arbitrum chain.
    Arbitrum,
    /// A ZKsync chain.
    Zksync,
    /// Polygon PoS.
    Polygon,
    /// StarkNet.
    Starknet,
    /// A local chain for development.
    Development,
}

/// Why a network cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// It is no EVM chain.
    #[error("StarkNet does not speak Ethereum's RPC; this version follows EVM chains only")]
    StarknetUnsupported,
    /// No network has this id.
    #[error("chain {chain_id} is unknown: name its kind in the configuration")]
    UnknownChain {
        /// The id.
        chain_id: u64,
    },
}

impl ProfileError {
    /// Another network must be chosen.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::StarknetUnsupported | Self::UnknownChain { .. } => ErrorClass::Refused,
        }
    }
}

/// What a transaction pays beside gas times price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataFee {
    /// Nothing, or it is inside the gas estimate.
    None,
    /// The OP Stack's `GasPriceOracle` says; taken from the balance on top.
    OptimismOracle,
    /// Arbitrum's `NodeInterface` says; it is part of the gas.
    ArbitrumNode,
}

/// One kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Which.
    pub network: Network,
    /// The tag behind which a fact is `Safe`.
    pub safe: BlockTag,
    /// The tag behind which a fact is `Final`.
    pub finalized: BlockTag,
    /// Endpoints that must agree before money counts.
    pub quorum: usize,
    /// Blocks that one `eth_getLogs` may span.
    pub max_log_range: u64,
    /// Whether headers carry a real bloom of their logs.
    pub has_bloom: bool,
    /// Whether a block's hash is that of its header as Ethereum encodes it.
    pub has_ethereum_hash: bool,
    /// What is paid beside gas.
    pub data_fee: DataFee,
    /// Blocks that a transaction may wait before it is replaced.
    pub replace_after_blocks: u64,
    /// How often to look for a new head. Units: milliseconds.
    pub poll_millis: u64,
    /// Without a new block for this long the chain stands still, or the endpoints do; none where blocks come only
    /// when there is something for them. Units: seconds.
    pub max_silence_secs: Option<u64>,
    /// Delay until L1 can force a transaction in; none where it cannot. Units: seconds.
    pub forced_inclusion_secs: Option<u64>,
}

/// Before this much of the window is left beside forced inclusion, a transaction goes through L1.
/// Units: seconds. Drift of the chain's clock and time to notice.
const FORCED_MARGIN_SECS: u64 = 2 * 3_600;

impl Network {
    /// The kind of a chain that is known by its id.
    ///
    /// # Errors
    /// If it is not known.
    pub fn of_chain_id(chain_id: u64) -> Result<Self, ProfileError> {
        match chain_id {
            1 | 11_155_111 => Ok(Self::Ethereum),
            10 | 8_453 | 11_155_420 | 84_532 => Ok(Self::Optimism),
            42_161 | 42_170 | 421_614 => Ok(Self::Arbitrum),
            324 | 300 => Ok(Self::Zksync),
            137 | 80_002 => Ok(Self::Polygon),
            31_337 | 1_337 => Ok(Self::Development),
            _ => Err(ProfileError::UnknownChain { chain_id }),
        }
    }

    /// What is special about it.
    ///
    /// # Errors
    /// If this version cannot follow it.
    pub fn profile(self) -> Result<Profile, ProfileError> {
        match self {
            Self::Ethereum => Ok(ethereum::PROFILE),
            Self::Optimism => Ok(optimism::PROFILE),
            Self::Arbitrum => Ok(arbitrum::PROFILE),
            Self::Zksync => Ok(zksync::PROFILE),
            Self::Polygon => Ok(polygon::PROFILE),
            Self::Starknet => starknet::profile(),
            Self::Development => Ok(development::PROFILE),
        }
    }
}

impl Profile {
    /// How long before a deadline L1 must be used, if the chain has not included a transaction by then.
    pub fn force_before_secs(&self) -> Option<u64> {
        self.forced_inclusion_secs.map(|secs| secs.saturating_add(FORCED_MARGIN_SECS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starknet_is_refused_in_plain_words() {
        let refused = Network::Starknet.profile().unwrap_err();
        assert!(refused.to_string().contains("EVM chains only"));
        assert_eq!(refused.class(), ErrorClass::Refused);
    }

    #[test]
    fn p85_every_real_network_credits_at_its_finalized_tag_only() {
        for network in [
            Network::Ethereum,
            Network::Optimism,
            Network::Arbitrum,
            Network::Zksync,
            Network::Polygon,
            Network::Development,
        ] {
            let profile = network.profile().unwrap();
            assert_eq!(profile.network, network);
            assert_eq!(profile.finalized, BlockTag::Finalized, "{network:?}");
            assert_ne!(profile.safe, BlockTag::Latest, "{network:?}");
            let is_local = network == Network::Development;
            assert_eq!(profile.quorum, if is_local { 1 } else { 2 }, "{network:?}");
        }
    }

    #[test]
    fn an_unknown_chain_is_not_guessed() {
        assert_eq!(Network::of_chain_id(999), Err(ProfileError::UnknownChain { chain_id: 999 }));
    }
}
