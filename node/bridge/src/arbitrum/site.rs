//! Where an Arbitrum chain's contracts are: all of it read from the one inbox that is configured.
//!
//! The rollup's address has moved once already (with BoLD), so nothing but the inbox is written down, and the
//! contracts must point at each other (P93).

use super::abi::{IBridge, IInbox, IL1GatewayRouter, IOutbox, IRollup, ISequencerInbox};
use crate::error::BridgeError;
use crate::network::BridgeNetwork;
use crate::reading::Reader;
use crate::step::Layer;
use alloy_primitives::{Address, U256};
use lockstep_core::error::ErrorClass;

alloy_sol_types::sol! {
    /// Only a chain whose coin is a token of its own answers it.
    interface INativeToken {
        function nativeToken() external view returns (address);
    }
}

/// Contracts on L1, and what they say of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Where messages enter.
    pub inbox: Address,
    /// Holds the money and counts messages.
    pub bridge: Address,
    /// Where batches are posted and messages are forced in.
    pub sequencer_inbox: Address,
    /// Where the chain's state is asserted.
    pub rollup: Address,
    /// Where money leaves.
    pub outbox: Address,
    /// L1 blocks in which an assertion can be challenged.
    pub confirm_blocks: u64,
    /// L1 blocks after which a message can be forced in.
    pub delay_blocks: u64,
}

impl Site {
    /// Reads it and checks that everything belongs together.
    ///
    /// # Errors
    /// What does not.
    pub async fn read(l1: &Reader, network: &BridgeNetwork) -> Result<Self, BridgeError> {
        let entry = network.entry;
        if l1.code(entry).await?.is_empty() {
            return Err(BridgeError::NoCode { layer: Layer::L1, address: entry });
        }
        let bridge = l1.read(entry, &IInbox::bridgeCall {}).await?;
        let sequencer_inbox = l1.read(bridge, &IBridge::sequencerInboxCall {}).await?;
        let rollup = l1.read(bridge, &IBridge::rollupCall {}).await?;
        let outbox = l1.read(rollup, &IRollup::outboxCall {}).await?;
        let inbox = entry;
        let stranger = |address| BridgeError::Stranger { entry, address };
        if !l1.read(bridge, &IBridge::allowedDelayedInboxesCall { inbox }).await? {
            return Err(stranger(bridge));
        }
        if l1.read(rollup, &IRollup::bridgeCall {}).await? != bridge {
            return Err(stranger(rollup));
        }
        let is_allowed = IBridge::allowedOutboxesCall { outbox };
        if l1.read(outbox, &IOutbox::bridgeCall {}).await? != bridge
            || !l1.read(bridge, &is_allowed).await?
        {
            return Err(stranger(outbox));
        }
        if l1.read(sequencer_inbox, &ISequencerInbox::bridgeCall {}).await? != bridge {
            return Err(stranger(sequencer_inbox));
        }
        let found = l1.read(rollup, &IRollup::chainIdCall {}).await?;
        if found != U256::from(network.l2_chain_id) {
            return Err(BridgeError::WrongPair { entry, expected: network.l2_chain_id, found });
        }
        refuse_custom_coin(l1, bridge).await?;
        let variation = l1.read(sequencer_inbox, &ISequencerInbox::maxTimeVariationCall {}).await?;
        let unreadable = |_| BridgeError::Unreadable { address: sequencer_inbox };
        Ok(Self {
            inbox,
            bridge,
            sequencer_inbox,
            rollup,
            outbox,
            confirm_blocks: l1.read(rollup, &IRollup::confirmPeriodBlocksCall {}).await?,
            delay_blocks: u64::try_from(variation.delayBlocks).map_err(unreadable)?,
        })
    }
}

/// A chain with a coin of its own takes tokens where ether is expected.
async fn refuse_custom_coin(l1: &Reader, bridge: Address) -> Result<(), BridgeError> {
    match l1.read(bridge, &INativeToken::nativeTokenCall {}).await {
        Ok(token) if !token.is_zero() => Err(BridgeError::CustomGasToken),
        Ok(_) => Ok(()),
        Err(error) if error.is_revert() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether a node has tried a call and it did not work, for whatever reason: a revert, a bad instruction, gas.
pub(super) fn is_refusal(error: &BridgeError) -> bool {
    use lockstep_chain::error::ChainError;
    let BridgeError::Chain { source: ChainError::Endpoint(cause), .. } = error else {
        return false;
    };
    cause.revert().is_some() || cause.class() == ErrorClass::Refused
}

/// A refusal of the contract in plain words, anything else as it is.
pub(super) fn would_fail(error: BridgeError) -> BridgeError {
    if !is_refusal(&error) {
        return error;
    }
    if let BridgeError::Chain { source, .. } = error {
        return BridgeError::WouldFail(source);
    }
    error
}

/// The gateways of tokens on both chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routers {
    /// On L1.
    pub l1: Address,
    /// On the rollup.
    pub l2: Address,
}

impl Routers {
    /// Reads the other side's from the configured one, and that it serves this inbox.
    ///
    /// # Errors
    /// If none is configured, or it belongs to another chain.
    pub async fn read(l1: &Reader, network: &BridgeNetwork) -> Result<Self, BridgeError> {
        let router = network.token_router.ok_or(BridgeError::NoTokenRouter)?;
        if l1.read(router, &IL1GatewayRouter::inboxCall {}).await? != network.entry {
            return Err(BridgeError::Stranger { entry: network.entry, address: router });
        }
        let l2 = l1.read(router, &IL1GatewayRouter::counterpartGatewayCall {}).await?;
        Ok(Self { l1: router, l2 })
    }
}
