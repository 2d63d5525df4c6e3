//! What can go wrong between this node and a chain, and what to do about it.

use crate::endpoint::{EndpointError, EndpointName};
use crate::submitter::EntryRefusal;
use alloy_primitives::{Address, B256};
use lockstep_contracts::deployment::DeploymentError;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::ChannelId;
use lockstep_core::time::BlockNumber;
use thiserror::Error;

/// Why the chain side could not do what it was asked.
#[derive(Debug, Error)]
pub enum ChainError {
    /// An endpoint failed.
    #[error("an RPC endpoint failed")]
    Endpoint(#[from] EndpointError),
    /// Too few endpoints are configured to believe what they say about money.
    #[error(
        "{found} RPC endpoints are configured, this network needs {needed}: add one of another operator"
    )]
    TooFewEndpoints {
        /// As configured.
        found: usize,
        /// As the network needs.
        needed: usize,
    },
    /// Too few endpoints gave the same answer.
    #[error("only {agreeing} of {needed} RPC endpoints agree; nothing is credited until they do")]
    NoQuorum {
        /// The largest group that agrees.
        agreeing: usize,
        /// How many must.
        needed: usize,
    },
    /// The stored cursor is on another chain than the one that is served now.
    #[error(
        "finalized block {} had hash {expected}, now it has another: wrong chain, or broken finality",
        .number.0
    )]
    CursorGone {
        /// Block of the cursor.
        number: BlockNumber,
        /// Its hash when it was stored.
        expected: B256,
    },
    /// No endpoint, or too few of them, show new blocks.
    #[error(
        "no new block since block {} for longer than {secs} s: the network or the RPC endpoints stand still",
        .number.0
    )]
    StandsStill {
        /// The newest block.
        number: BlockNumber,
        /// How long the network may be silent. Units: seconds.
        secs: u64,
    },
    /// The endpoint serves another chain, or another contract is deployed.
    #[error("endpoint {endpoint} does not serve the deployment that is configured")]
    Deployment {
        /// Which endpoint.
        endpoint: EndpointName,
        /// What differs.
        #[source]
        source: DeploymentError,
    },
    /// A value of ours does not fit the contract.
    #[error("value does not fit the contract's call")]
    Unfit,
    /// The evidence of a call is not complete.
    #[error("call for channel {channel_id} lacks a signature")]
    Unsigned {
        /// Whose.
        channel_id: ChannelId,
    },
    /// An account did not sign a transaction.
    #[error("the account refused to sign a transaction")]
    Account(#[from] crate::port::AccountRefused),
    /// What is owed could not be made durable.
    #[error("an obligation could not be made durable")]
    Store(#[from] crate::port::StoreFailed),
    /// The previous batch has not been acknowledged.
    #[error("the batch up to block {} is not acknowledged yet", .number.0)]
    NotAcknowledged {
        /// Its last block.
        number: BlockNumber,
    },
    /// No account may send this call.
    #[error(
        "no sender account may start this close: sign a close intent, or fund an owner account"
    )]
    NoAuthorizedAccount,
    /// The registry holds a secret that no endpoint shows.
    #[error("secret of {hash} is registered, but no RPC endpoint shows its log: add one that does")]
    SecretNotFound {
        /// Its hash.
        hash: B256,
    },
    /// The address is no ERC-20 token.
    #[error("{address} does not answer as an ERC-20 token: check the address and the network")]
    NoToken {
        /// The address.
        address: Address,
    },
    /// A payment into the contract was not made. Nothing was signed or sent for it.
    #[error("nothing was sent")]
    Entry(#[from] EntryRefusal),
    /// An entry did not take what happened to it.
    #[error("an entry did not take an event")]
    EntryEvent(#[from] lockstep_core::entry::EntryError),
    /// There is no sender account at all.
    #[error("no sender account is configured")]
    NoAccount,
}

impl ChainError {
    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Endpoint(error) => error.class(),
            Self::StandsStill { .. }
            | Self::NoQuorum { .. }
            | Self::NotAcknowledged { .. }
            | Self::SecretNotFound { .. } => ErrorClass::Transient,
            Self::TooFewEndpoints { .. }
            | Self::Deployment { .. }
            | Self::Unfit
            | Self::Unsigned { .. }
            | Self::Account(_)
            | Self::NoToken { .. }
            | Self::Entry(_)
            | Self::EntryEvent(_)
            | Self::NoAuthorizedAccount
            | Self::NoAccount => ErrorClass::Refused,
            Self::CursorGone { .. } | Self::Store(_) => ErrorClass::Fatal,
        }
    }
}
