//! The network as it is now, every number read from the chains.

use super::Optimism;
use super::abi::{GAS_PRICE_ORACLE, IGasPriceOracle};
use crate::error::BridgeError;
use crate::rollup::Report;
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::sol;
use lockstep_chain::rpc::BlockTag;

sol! {
    interface ILockboxPortal {
        function ethLockbox() external view returns (address);
    }
}

/// Bytes of a signed challenge on L1: 548 of calldata and an envelope of 180.
const CHALLENGE_BYTES: usize = 728;
/// Blocks over which the tempo is taken.
const SAMPLE: u64 = 100;
/// A sequencer may hide a stale close for its whole window, and the block's clock may lag by half an hour more.
/// Source: OP Stack derivation, `seq_window_size` and Fjord's `max_sequencer_drift`.
const HIDDEN_SECS: u64 = 43_200 + 1_800;
/// Time to notice, to answer through L1, and for L1 to include it.
const REACTION_SECS: u64 = 41_400;

impl Optimism {
    pub(super) async fn read_report(&self) -> Result<Report, BridgeError> {
        let contracts = self.contracts().await?;
        let portal = contracts.portal;
        let locked = self.vault(portal).await?;
        let data = Bytes::from(vec![0xff; CHALLENGE_BYTES]);
        let fee = IGasPriceOracle::getL1FeeCall { data };
        let challenge_data_fee = self.l2.read(GAS_PRICE_ORACLE, &fee).await?;
        let force_secs = self.l2.endpoints().profile().forced_inclusion_secs;
        Ok(Report {
            l1_chain_id: self.network.l1_chain_id,
            l2_chain_id: self.network.l2_chain_id,
            vault: locked.0,
            locked: locked.1,
            is_paused: self.is_paused(&contracts).await?,
            block_millis: self.tempo().await?,
            l2_base_fee: self.l2.base_fee().await?,
            l1_base_fee: self.l1.base_fee().await?,
            challenge_data_fee,
            withdraw_secs: self.exit_secs().await?,
            force_secs,
            least_challenge_secs: HIDDEN_SECS.saturating_add(REACTION_SECS),
        })
    }

    /// Where L1 keeps the coin of this rollup, and how much: a lockbox where there is one, else the portal.
    async fn vault(&self, portal: Address) -> Result<(Address, U256), BridgeError> {
        let lockbox = self.l1.read(portal, &ILockboxPortal::ethLockboxCall {}).await;
        let vault = match lockbox {
            Ok(lockbox) if !lockbox.is_zero() => lockbox,
            Ok(_) | Err(BridgeError::Unreadable { .. }) => portal,
            Err(error) if error.is_revert() => portal,
            Err(error) => return Err(error),
        };
        Ok((vault, self.l1.balance(vault).await?))
    }

    /// Units: milliseconds per block, over the last blocks.
    async fn tempo(&self) -> Result<u64, BridgeError> {
        let head = self.l2.head().await?;
        let first = head.number.0.saturating_sub(SAMPLE);
        let is_hashed = self.l2.endpoints().profile().has_ethereum_hash;
        let tag = BlockTag::Number(first);
        let asked = self.l2.endpoints().ask_any(|endpoint| endpoint.header(tag, is_hashed));
        let header = asked.await.map_err(BridgeError::on_l2)?;
        let secs = head.timestamp.0.saturating_sub(header.point().timestamp.0);
        let blocks = head.number.0.saturating_sub(first).max(1);
        Ok(secs.saturating_mul(1_000).checked_div(blocks).unwrap_or(secs))
    }
}
