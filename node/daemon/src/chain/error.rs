//! What can go wrong at the seam between the chain's tasks and the rest of the node.

use lockstep_chain::error::ChainError;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::ChannelId;
use lockstep_signer::account::AccountError;
use lockstep_store::error::StoreError;
use thiserror::Error;

/// Why the chain's tasks could not do what they were asked.
#[derive(Debug, Error)]
pub enum ChainTaskError {
    /// The chain side failed or refused.
    #[error("the chain side could not do it")]
    Chain(#[from] ChainError),
    /// What is kept about the chain could not be read.
    #[error("what the journal keeps about the chain cannot be read")]
    Store(#[from] StoreError),
    /// The journal did not answer.
    #[error("the journal does not answer")]
    JournalGone,
    /// The chain's tasks have ended.
    #[error("the chain's tasks have ended: the node is stopping")]
    Ended,
    /// A configured endpoint has no usable address.
    #[error("RPC address number {} is no http or https URL", .index.saturating_add(1))]
    BadAddress {
        /// Its place in the configuration, from 0.
        index: usize,
    },
    /// A call was ordered for a channel that is not watched.
    #[error("channel {channel_id} is not watched")]
    NotWatched {
        /// Which.
        channel_id: ChannelId,
    },
    /// The account has no key.
    #[error("an account cannot be derived")]
    Account(#[from] AccountError),
}

impl ChainTaskError {
    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Chain(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Account(error) => error.class(),
            Self::JournalGone | Self::Ended => ErrorClass::Fatal,
            Self::BadAddress { .. } | Self::NotWatched { .. } => ErrorClass::Refused,
        }
    }
}
