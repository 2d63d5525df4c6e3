//! An order to withdraw: checked against both chains, and made into the rollup's transaction that does it.

use super::Arbitrum;
use super::abi::{ARB_SYS, IArbSys, IArbToken, IL1GatewayRouter, IL2GatewayRouter};
use super::notes::WithdrawNotes;
use super::site::{Routers, would_fail};
use crate::error::BridgeError;
use crate::order::{Plan, Start, WithdrawOrder};
use crate::step::{Call, Layer, Step, StepKind};
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;
use lockstep_chain::rpc::CallRequest;
use lockstep_core::ids::{AccountRef, ChainRef};
use lockstep_core::transfer::{Transfer, TransferRecord, TransferStage, WithdrawStage};

/// Gas of `Outbox.executeTransaction`, as measured on the production contracts with room for a deeper tree.
const EXECUTE_GAS: u64 = 160_000;
/// Time between two blocks of L1. Units: seconds.
pub(super) const L1_BLOCK_SECS: u64 = 12;

impl Arbitrum {
    pub(super) async fn order_withdraw(&self, order: &WithdrawOrder) -> Result<Start, BridgeError> {
        let site = self.site().await?;
        let amount = order.amount.to_u256();
        let call = match order.l2_token.is_zero() {
            true => self.coin_out(order, amount).await?,
            false => self.token_out(order, amount).await?,
        };
        let request = CallRequest {
            from: Some(order.owner),
            to: call.to,
            data: call.data.clone(),
            value: Some(call.value),
        };
        let l2_gas = self.l2.estimate(&request).await.map_err(would_fail)?;
        let base_fee = U256::from(self.l1.base_fee().await?);
        let plan = Plan {
            l1_gas: EXECUTE_GAS,
            l1_fee: base_fee.saturating_mul(U256::from(EXECUTE_GAS)),
            l2_gas,
            least_secs: site.confirm_blocks.saturating_mul(L1_BLOCK_SECS),
            made_at: self.l1.head().await?.timestamp,
        };
        let transfer = Transfer {
            id: order.id,
            key: None,
            from: ChainRef::Evm(self.network.l2_chain_id),
            to: ChainRef::Evm(self.network.l1_chain_id),
            token: AccountRef::Evm(order.l2_token),
            amount: order.amount,
            stage: TransferStage::Withdraw(WithdrawStage::Planned),
        };
        let memo = WithdrawNotes::default().encode();
        let record = TransferRecord { transfer, channel: None, memo };
        Ok(Start { record, step: Step { kind: StepKind::Start, attempt: 0 }, call, plan })
    }

    async fn coin_out(&self, order: &WithdrawOrder, amount: U256) -> Result<Call, BridgeError> {
        // A contract that refuses coin could never be paid out.
        if !self.l1.code(order.recipient).await?.is_empty() {
            return Err(BridgeError::ContractRecipient { recipient: order.recipient });
        }
        let balance = self.l2.balance(order.owner).await?;
        if balance < amount {
            return Err(lacking(order, amount, balance));
        }
        let data = IArbSys::withdrawEthCall { destination: order.recipient }.abi_encode().into();
        Ok(Call { layer: Layer::L2, to: ARB_SYS, value: amount, data, least_gas: 0 })
    }

    async fn token_out(&self, order: &WithdrawOrder, amount: U256) -> Result<Call, BridgeError> {
        let routers = Routers::read(&self.l1, &self.network).await?;
        let l2_token = order.l2_token;
        let l1_token = self.l2.read(l2_token, &IArbToken::l1AddressCall {}).await?;
        let call = IL1GatewayRouter::calculateL2TokenAddressCall { token: l1_token };
        // A look-alike names a token of L1 too; only the bridge's own form is redeemed (P95).
        if self.l1.read(routers.l1, &call).await? != l2_token {
            return Err(BridgeError::WrongToken { l1_token, l2_token });
        }
        let balance = self.l2.token_balance(l2_token, order.owner).await?;
        if balance < amount {
            return Err(lacking(order, amount, balance));
        }
        let call = IL2GatewayRouter::outboundTransferCall {
            token: l1_token,
            to: order.recipient,
            amount,
            data: Bytes::new(),
        };
        let data = call.abi_encode().into();
        Ok(Call { layer: Layer::L2, to: routers.l2, value: U256::ZERO, data, least_gas: 0 })
    }
}

fn lacking(order: &WithdrawOrder, needed: U256, balance: U256) -> BridgeError {
    let (layer, account): (Layer, Address) = (Layer::L2, order.owner);
    BridgeError::NoFunds { layer, account, token: order.l2_token, needed, balance }
}
