//! What the chain says about a channel at intake, so that a receipt is only given for a state that can be
//! posted.

use alloy_primitives::Bytes;
use alloy_sol_types::SolCall;
use lockstep_chain::call::Contracts;
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::error::ChainError;
use lockstep_chain::rpc::{At, CallRequest};
use lockstep_chain::{convert, decode};
use lockstep_contracts::bindings::PaymentChannel as abi;
use lockstep_core::appointment::Appointment;
use lockstep_core::chain::ChannelStatus;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::Version;
use lockstep_core::time::BlockTimestamp;
use thiserror::Error;

/// Why the chain would not take a state.
#[derive(Debug, Error)]
pub enum NotActionable {
    /// The chain has no such channel yet, or side 2 has not joined.
    #[error("the chain does not know the channel as active")]
    NotOpen,
    /// It is closed, or its challenge period is over.
    #[error("the channel is closed")]
    Closed,
    /// The chain holds this version or a newer one.
    #[error("the chain is at version {at}")]
    Stale {
        /// What it holds.
        at: Version,
    },
    /// The contract refuses it.
    #[error("the contract refuses the state")]
    Refused,
    /// The chain can't be asked.
    #[error("the chain cannot be asked")]
    Chain(#[from] ChainError),
}

impl NotActionable {
    /// What the client may do about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotOpen | Self::Chain(_) => ErrorClass::Transient,
            Self::Closed | Self::Stale { .. } | Self::Refused => ErrorClass::Refused,
        }
    }
}

/// What the chain shows of a channel whose state can be posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The last partial withdrawal.
    pub withdraw_version: Version,
    /// A close that runs: the version that it would settle, and when.
    pub closing: Option<(Version, BlockTimestamp)>,
    /// The newest block's time, from which a promise holds.
    pub now: BlockTimestamp,
}

/// Asks what is stored, then plays `challengeClose` with the very state and signatures: on a channel that
/// is active, after a close by participant 1 in the same call, which nobody sends.
///
/// # Errors
/// [`NotActionable`].
pub async fn look(
    endpoints: &Endpoints,
    contracts: &Contracts,
    appointment: &Appointment,
) -> Result<Look, NotActionable> {
    let channel_id = appointment.state.channel_id;
    let data = abi::channelOfCall { channelId: channel_id.0 }.abi_encode().into();
    let request = CallRequest::view(contracts.channel, data);
    let stored = endpoints.call_agreed(&request, At::Latest).await?;
    let stored = decode::channel(&stored).ok_or(NotActionable::Chain(ChainError::Unfit))?;
    let now = endpoints.time().await?;
    let at = Version(stored.version);
    let closing = match convert::status(stored.status) {
        Some(ChannelStatus::Active) => None,
        Some(ChannelStatus::Closing) => {
            let closes_at = BlockTimestamp(stored.closesAt.to::<u64>());
            if now >= closes_at {
                return Err(NotActionable::Closed);
            }
            Some((at, closes_at))
        }
        Some(ChannelStatus::Closed) => return Err(NotActionable::Closed),
        Some(ChannelStatus::None | ChannelStatus::Pending) | None => {
            return Err(NotActionable::NotOpen);
        }
    };
    let version = appointment.state.version;
    if version < at {
        return Err(NotActionable::Stale { at });
    }
    if version > at {
        simulate(endpoints, contracts, appointment, closing.is_some()).await?;
    }
    Ok(Look { withdraw_version: Version(stored.withdrawVersion), closing, now })
}

async fn simulate(
    endpoints: &Endpoints,
    contracts: &Contracts,
    appointment: &Appointment,
    is_closing: bool,
) -> Result<(), NotActionable> {
    let terms = convert::terms(&appointment.terms)?;
    let state = convert::state(&appointment.state);
    let signature1 = convert::signature(appointment.signatures.one);
    let signature2 = convert::signature(appointment.signatures.two);
    let closer = terms.participant1;
    let challenge: Bytes =
        abi::challengeCloseCall { terms: terms.clone(), state, signature1, signature2 }
            .abi_encode()
            .into();
    let data = if is_closing {
        challenge
    } else {
        let close = abi::initiateCloseCall {
            terms,
            state: convert::no_state(),
            signature1: convert::no_signature(),
            signature2: convert::no_signature(),
            intent: convert::close_intent(None),
        };
        let calls = vec![close.abi_encode().into(), challenge];
        abi::multicallCall { calls }.abi_encode().into()
    };
    let request = CallRequest { from: Some(closer), to: contracts.channel, data, value: None };
    match endpoints.ask_any(|endpoint| endpoint.call(&request, At::Latest)).await {
        Ok(_) => Ok(()),
        Err(ChainError::Endpoint(error)) if error.revert().is_some() => Err(NotActionable::Refused),
        Err(error) => Err(error.into()),
    }
}
