//! Withdrawing to L1: everything is checked before anything is sent.

use super::Optimism;
use super::abi::IAnchorStateRegistry;
use super::abi::{IMessagePasser, IMintableToken, IStandardBridge, L2_BRIDGE, MESSAGE_PASSER};
use super::memo::WithdrawMemo;
use crate::error::BridgeError;
use crate::order::{Plan, Start, WithdrawOrder};
use crate::step::{Call, Layer, Step, StepKind};
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolValue};
use lockstep_core::ids::{AccountRef, ChainRef};
use lockstep_core::transfer::{Transfer, TransferRecord, TransferStage, WithdrawStage};

/// Gas that the payout has on L1; an account takes 21,000 of it.
const PAYOUT_GAS: u64 = 100_000;
/// The same for a token, on top of what the bridge adds.
const TOKEN_PAYOUT_GAS: u32 = 200_000;
/// What proving and paying out take on L1 together. Measured: 262,000 and 190,000, over the bridge 328,000.
pub(super) const EXIT_GAS: u64 = 600_000;

impl Optimism {
    pub(super) async fn plan_withdraw(&self, order: &WithdrawOrder) -> Result<Start, BridgeError> {
        let base_fee = U256::from(self.l1.base_fee().await?);
        let fee = base_fee.saturating_mul(U256::from(EXIT_GAS));
        let amount = order.amount.to_u256();
        let call = match order.l2_token.is_zero() {
            true => self.plan_coin_out(order, amount, fee).await?,
            false => self.plan_token_out(order, amount).await?,
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
        let memo = WithdrawMemo::new(order.prover).abi_encode();
        let (least_secs, made_at) = (self.exit_secs().await?, self.l1.head().await?.timestamp);
        let plan = Plan { l1_gas: EXIT_GAS, l1_fee: fee, l2_gas: 0, least_secs, made_at };
        let step = Step { kind: StepKind::Start, attempt: 0 };
        Ok(Start { record: TransferRecord { transfer, channel: None, memo }, step, call, plan })
    }

    async fn plan_coin_out(
        &self,
        order: &WithdrawOrder,
        amount: U256,
        fee: U256,
    ) -> Result<Call, BridgeError> {
        // The portal never pays a second time what its recipient has refused once.
        if !self.l1.code(order.recipient).await?.is_empty() || order.recipient.is_zero() {
            return Err(BridgeError::ContractRecipient { recipient: order.recipient });
        }
        if amount <= fee {
            return Err(BridgeError::BelowFee { amount, fee });
        }
        let balance = self.l2.balance(order.owner).await?;
        if balance <= amount {
            return Err(BridgeError::NoFunds {
                layer: Layer::L2,
                account: order.owner,
                token: Address::ZERO,
                needed: amount,
                balance,
            });
        }
        let call = IMessagePasser::initiateWithdrawalCall {
            target: order.recipient,
            gasLimit: U256::from(PAYOUT_GAS),
            data: Bytes::new(),
        };
        let data = call.abi_encode().into();
        Ok(Call { layer: Layer::L2, to: MESSAGE_PASSER, value: amount, data, least_gas: 0 })
    }

    async fn plan_token_out(
        &self,
        order: &WithdrawOrder,
        amount: U256,
    ) -> Result<Call, BridgeError> {
        let token = order.l2_token;
        let none = || BridgeError::WrongToken { l1_token: Address::ZERO, l2_token: token };
        let l1_token = match self.l2.read(token, &IMintableToken::remoteTokenCall {}).await {
            Ok(l1_token) => l1_token,
            Err(error) if error.is_revert() => return Err(none()),
            Err(BridgeError::Unreadable { .. }) => return Err(none()),
            Err(error) => return Err(error),
        };
        self.check_pair(l1_token, token).await?;
        let balance = self.l2.token_balance(token, order.owner).await?;
        if balance < amount || amount.is_zero() {
            let (layer, account) = (Layer::L2, order.owner);
            return Err(BridgeError::NoFunds { layer, account, token, needed: amount, balance });
        }
        let call = IStandardBridge::bridgeERC20ToCall {
            localToken: token,
            remoteToken: l1_token,
            to: order.recipient,
            amount,
            minGasLimit: TOKEN_PAYOUT_GAS,
            extraData: Bytes::new(),
        };
        let (to, value, data) = (L2_BRIDGE, U256::ZERO, call.abi_encode().into());
        Ok(Call { layer: Layer::L2, to, value, data, least_gas: 0 })
    }

    /// Whether a game can still carry a payout. Asked part by part: the registry's own summary calls every game
    /// improper while the bridge is paused, and a pause ends.
    pub(super) async fn is_sound(&self, game: Address) -> Result<bool, BridgeError> {
        let registry = self.contracts().await?.registry;
        let voided = IAnchorStateRegistry::isGameBlacklistedCall { game };
        let retired = IAnchorStateRegistry::isGameRetiredCall { game };
        let respected = IAnchorStateRegistry::isGameRespectedCall { game };
        Ok(!self.l1.read(registry, &voided).await?
            && !self.l1.read(registry, &retired).await?
            && self.l1.read(registry, &respected).await?)
    }
}
