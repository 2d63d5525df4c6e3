//! Closes that a reorganisation has removed, until it is sure that they cannot come back.
//!
//! P42: signing resumes only when a finalized block later than the sighting shows ACTIVE, and the transaction
//! that closed can no longer land, because a finalized block counts another one with its nonce.

use crate::call::Contracts;
use crate::convert;
use crate::decode;
use crate::endpoints::Endpoints;
use crate::error::ChainError;
use crate::rpc::{At, CallRequest, Transaction};
use alloy_primitives::{Address, B256};
use alloy_sol_types::SolCall;
use lockstep_contracts::bindings::PaymentChannel::{Channel, channelOfCall};
use lockstep_core::chain::ChannelStatus;
use lockstep_core::ids::ChannelId;
use lockstep_core::time::BlockNumber;

/// Who sent a transaction, and what rules it out for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its hash.
    pub transaction: B256,
    /// Its sender.
    pub sender: Address,
    /// Its nonce; none for a rollup's own kinds of transaction, which no nonce rules out.
    pub nonce: Option<u64>,
}

impl Origin {
    pub(crate) fn of(transaction: &Transaction) -> Self {
        let is_ordered = transaction.is_ordered_by_nonce();
        Self {
            transaction: transaction.hash,
            sender: transaction.from,
            nonce: is_ordered.then(|| transaction.nonce()),
        }
    }
}

/// A close that was seen and is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VanishedClose {
    /// Of which channel.
    pub channel_id: ChannelId,
    /// Where it had been seen.
    pub seen_at: BlockNumber,
    /// By whom it was sent; none if that was never learned, so that it is never ruled out.
    pub origin: Option<Origin>,
}

impl VanishedClose {
    /// Whether a finalized block rules it out.
    ///
    /// # Errors
    /// If no quorum of endpoints says so or so.
    pub(crate) async fn is_ruled_out(
        &self,
        endpoints: &Endpoints,
        contracts: &Contracts,
        number: BlockNumber,
        hash: B256,
    ) -> Result<bool, ChainError> {
        let Some(Origin { sender, nonce: Some(nonce), .. }) = self.origin else {
            return Ok(false);
        };
        if number <= self.seen_at {
            return Ok(false);
        }
        let at = At::Block(hash);
        let used = endpoints.ask_quorum(|endpoint| endpoint.nonce(sender, at)).await?;
        if used <= nonce {
            return Ok(false);
        }
        let channel = channel_agreed(endpoints, contracts, self.channel_id, at).await?;
        Ok(convert::status(channel.status) == Some(ChannelStatus::Active))
    }
}

/// The call that asks for a channel.
pub(crate) fn channel_request(contracts: &Contracts, channel_id: ChannelId) -> CallRequest {
    let data = channelOfCall { channelId: channel_id.0 }.abi_encode().into();
    CallRequest::view(contracts.channel, data)
}

/// What a quorum says is stored about a channel.
pub(crate) async fn channel_agreed(
    endpoints: &Endpoints,
    contracts: &Contracts,
    channel_id: ChannelId,
    at: At,
) -> Result<Channel, ChainError> {
    let data = endpoints.call_agreed(&channel_request(contracts, channel_id), at).await?;
    decode::channel(&data).ok_or(ChainError::Unfit)
}
