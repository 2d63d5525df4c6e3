//! The network as it is now, beside others.

use super::Arbitrum;
use super::abi::{IInbox, INodeInterface, NODE_INTERFACE};
use super::withdrawing::L1_BLOCK_SECS;
use crate::error::BridgeError;
use crate::rollup::Report;
use alloy_primitives::{Address, Bytes, U256};
use lockstep_chain::rpc::BlockTag;
use lockstep_contracts::window::ChainKind;

/// Calldata of one challenge, as the contract's vectors have it. Units: bytes.
const CHALLENGE_BYTES: usize = 708;
/// Blocks over which the time between two is measured.
const SPAN_BLOCKS: u64 = 1_000;

impl Arbitrum {
    pub(super) async fn look_around(&self) -> Result<Report, BridgeError> {
        let site = self.site().await?;
        let least = ChainKind::Arbitrum.bounds();
        let force_secs = site.delay_blocks.saturating_mul(L1_BLOCK_SECS);
        Ok(Report {
            l1_chain_id: self.network.l1_chain_id,
            l2_chain_id: self.network.l2_chain_id,
            vault: site.bridge,
            locked: self.l1.balance(site.bridge).await?,
            is_paused: self.l1.read(site.inbox, &IInbox::pausedCall {}).await?,
            block_millis: self.block_millis().await?,
            l2_base_fee: self.l2.base_fee().await?,
            l1_base_fee: self.l1.base_fee().await?,
            challenge_data_fee: self.challenge_data_fee().await?,
            withdraw_secs: site.confirm_blocks.saturating_mul(L1_BLOCK_SECS),
            force_secs: Some(force_secs),
            least_challenge_secs: least.map_or(force_secs, |bounds| bounds.minimum_secs.into()),
        })
    }

    async fn block_millis(&self) -> Result<u64, BridgeError> {
        let head = self.l2.head().await?;
        let span = head.number.0.min(SPAN_BLOCKS);
        let before = BlockTag::Number(head.number.0.saturating_sub(span));
        let header =
            self.l2.endpoints().ask_quorum(|endpoint| endpoint.header(before, false)).await;
        let then = header.map_err(BridgeError::on_l2)?.point().timestamp.0;
        let millis = head.timestamp.0.saturating_sub(then).saturating_mul(1_000);
        Ok(millis.checked_div(span).unwrap_or(0))
    }

    /// L1's share of a challenge, which Arbitrum counts as gas of its own.
    async fn challenge_data_fee(&self) -> Result<U256, BridgeError> {
        let call = INodeInterface::gasEstimateL1ComponentCall {
            to: Address::ZERO,
            contractCreation: false,
            data: Bytes::from(vec![0xff; CHALLENGE_BYTES]),
        };
        let answer = self.l2.read(NODE_INTERFACE, &call).await?;
        Ok(U256::from(answer.gasEstimateForL1).saturating_mul(answer.baseFee))
    }
}
