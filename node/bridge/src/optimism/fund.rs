//! Funding from L1: everything is checked before anything is sent.
//!
//! Coin goes through the portal with the channel contract's own call, so that one L1 transaction opens or tops
//! up the channel. A token goes over the standard bridge into the channel's deposit box, and a call on the
//! rollup, which anybody may make, brings it in from there.

use super::Optimism;
use super::abi::{
    IMintableFactory, IMintableToken, IPortal, IStandardBridge, L2_BRIDGE, L2_TOKEN_FACTORY,
};
use super::contracts::Contracts;
use super::memo::DepositMemo;
use crate::error::BridgeError;
use crate::order::{FundOrder, Plan, Start};
use crate::step::{Call, Layer, Step, StepKind};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolValue};
use lockstep_chain::call::{Payload, encode_entry};
use lockstep_chain::convert;
use lockstep_chain::endpoint::EndpointError;
use lockstep_chain::rpc::CallRequest;
use lockstep_chain::token::IERC20;
use lockstep_contracts::bindings::PaymentChannel as abi;
use lockstep_core::chain::ChannelStatus;
use lockstep_core::entry::EntryCall;
use lockstep_core::ids::{AccountRef, ChainRef, Side};
use lockstep_core::money::Amount;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::transfer::{DepositStage, Transfer, TransferRecord, TransferStage};
use serde_json::{Value, json};

/// Code of an account that acts for itself through a contract (EIP-7702) begins so; the bridge keeps its
/// address.
const DELEGATION: [u8; 3] = [0xef, 0x01, 0x00];
/// Gas of an open with consent where the rollup gives no estimate. Measured: 62,000; the rest is for a contract
/// wallet that gives its consent by code.
const USUAL_L2_GAS: u64 = 250_000;
/// Gas beside half of an estimate, on either chain.
const SPARE_GAS: u64 = 40_000;
/// Gas on the rollup that a token's delivery has, on top of what the bridge adds by itself.
const TOKEN_MIN_GAS: u32 = 200_000;
/// What an approval takes on L1.
const APPROVE_GAS: u64 = 60_000;
/// Where a token's transfer can't be estimated, since it is not approved yet. Measured: 675,000.
const USUAL_TOKEN_GAS: u64 = 1_000_000;

/// A payment into a channel.
struct Payment {
    side: Side,
    amount: Amount,
    terms: lockstep_core::terms::Terms,
}

impl Optimism {
    pub(super) async fn plan_fund(&self, order: &FundOrder) -> Result<Start, BridgeError> {
        let contracts = self.check_open().await?;
        let payment = payment_of(order)?;
        self.check_accounts(order).await?;
        self.check_channel(order, &payment).await?;
        let l2_token = convert::address(payment.terms.token).map_err(BridgeError::on_l2)?;
        match (order.l1_token.is_zero(), l2_token.is_zero()) {
            (true, true) => self.plan_coin(order, &payment, &contracts).await,
            (false, false) => self.plan_token(order, &payment, &contracts, l2_token).await,
            (true, false) | (false, true) => {
                Err(BridgeError::WrongToken { l1_token: order.l1_token, l2_token })
            }
        }
    }

    /// How long money is on its way in, as finality lags on both chains now, and L1's time. Units: seconds.
    async fn arrival(&self) -> Result<(u64, BlockTimestamp), BridgeError> {
        let secs = self.l1.lag_secs().await?.saturating_add(self.l2.lag_secs().await?);
        Ok((secs, self.l1.head().await?.timestamp))
    }

    /// P89: what a failed delivery leaves behind must be at an account that somebody has the key of.
    async fn check_accounts(&self, order: &FundOrder) -> Result<(), BridgeError> {
        let code = self.l1.code(order.payer).await?;
        if !code.is_empty() && !code.starts_with(&DELEGATION) {
            return Err(BridgeError::ContractPayer { payer: order.payer });
        }
        let code = self.l2.code(order.refund_to).await?;
        let is_contract = !code.is_empty() && !code.starts_with(&DELEGATION);
        if is_contract || order.refund_to.is_zero() {
            return Err(BridgeError::ContractRefund { refund_to: order.refund_to });
        }
        Ok(())
    }

    async fn check_channel(&self, order: &FundOrder, payment: &Payment) -> Result<(), BridgeError> {
        let call = abi::channelOfCall { channelId: order.channel_id.0 };
        let stored = self.l2.read(order.contracts.channel, &call).await?;
        let address = order.contracts.channel;
        let status = convert::status(stored.status).ok_or(BridgeError::Unreadable { address })?;
        let fits = match (&order.call, payment.side) {
            (EntryCall::Open { .. }, _) => {
                matches!(status, ChannelStatus::None | ChannelStatus::Pending)
            }
            (EntryCall::Deposit { .. }, Side::One) => {
                matches!(status, ChannelStatus::Pending | ChannelStatus::Active)
            }
            (EntryCall::Join { .. }, _) => status == ChannelStatus::Pending,
            (
                EntryCall::Deposit { .. }
                | EntryCall::CancelOpen { .. }
                | EntryCall::TakeCredit { .. }
                | EntryCall::Approve { .. }
                | EntryCall::Bridge(_),
                _,
            ) => status == ChannelStatus::Active,
        };
        if fits { Ok(()) } else { Err(BridgeError::ChannelNotOpen) }
    }

    async fn plan_coin(
        &self,
        order: &FundOrder,
        payment: &Payment,
        contracts: &Contracts,
    ) -> Result<Start, BridgeError> {
        let payload = encode_entry(&order.contracts, &order.call).map_err(BridgeError::on_l2)?;
        let gas = self.delivery_gas(order.payer, &payload).await?;
        let memo = DepositMemo {
            version: DepositMemo::VERSION,
            channelId: order.channel_id.0,
            payer: order.payer,
            refundTo: order.refund_to,
            target: payload.to,
            channelContract: order.contracts.channel,
            value: payload.value,
            gas,
            data: payload.data.clone(),
            l1Token: Address::ZERO,
            l2Token: Address::ZERO,
        };
        let (to, data) = (contracts.portal, deposit_call(&payload, gas));
        self.check_coin(order.payer, payload.value).await?;
        let (least_gas, fee) = self.l1_cost(order.payer, to, payload.value, &data).await?;
        if payload.value <= fee {
            return Err(BridgeError::BelowFee { amount: payload.value, fee });
        }
        self.check_coin(order.payer, payload.value.saturating_add(fee)).await?;
        let (least_secs, made_at) = self.arrival().await?;
        let plan = Plan { l1_gas: least_gas, l1_fee: fee, l2_gas: gas, least_secs, made_at };
        let call = Call { layer: Layer::L1, to, value: payload.value, data, least_gas };
        Ok(Start { record: self.deposit_record(order, payment, &memo), step: START, call, plan })
    }

    async fn plan_token(
        &self,
        order: &FundOrder,
        payment: &Payment,
        contracts: &Contracts,
        l2_token: Address,
    ) -> Result<Start, BridgeError> {
        self.check_pair(order.l1_token, l2_token).await?;
        let amount = payment.amount.to_u256();
        let balance = self.l1.token_balance(order.l1_token, order.payer).await?;
        if balance < amount {
            return Err(BridgeError::NoFunds {
                layer: Layer::L1,
                account: order.payer,
                token: order.l1_token,
                needed: amount,
                balance,
            });
        }
        let side = payment.side.number();
        let channel = order.contracts.channel;
        let place = abi::boxAddressCall { channelId: order.channel_id.0, side };
        let target = self.l2.read(channel, &place).await?;
        let memo = DepositMemo {
            version: DepositMemo::VERSION,
            channelId: order.channel_id.0,
            payer: order.payer,
            refundTo: order.refund_to,
            target,
            channelContract: channel,
            value: amount,
            gas: u64::from(TOKEN_MIN_GAS),
            data: collect_call(order, payment)?,
            l1Token: order.l1_token,
            l2Token: l2_token,
        };
        let record = self.deposit_record(order, payment, &memo);
        let start = token_call(contracts, &memo);
        let allowed = self.allowance(&memo, contracts).await?;
        let base_fee = self.l1.base_fee().await?;
        let gas = USUAL_TOKEN_GAS.saturating_add(APPROVE_GAS);
        let fee =
            U256::from(gas).saturating_mul(U256::from(base_fee)).saturating_mul(U256::from(2));
        self.check_coin(order.payer, fee).await?;
        let l2_gas = u64::from(TOKEN_MIN_GAS);
        let (least_secs, made_at) = self.arrival().await?;
        let plan = Plan { l1_gas: gas, l1_fee: fee, l2_gas, least_secs, made_at };
        if allowed >= amount {
            let (least_gas, _) =
                self.l1_cost(order.payer, start.to, U256::ZERO, &start.data).await?;
            let call = Call { least_gas, ..start };
            return Ok(Start { record, step: START, call, plan });
        }
        let data = IERC20::approveCall { spender: contracts.bridge, amount }.abi_encode().into();
        let (to, value, least_gas) = (order.l1_token, U256::ZERO, 0);
        let call = Call { layer: Layer::L1, to, value, data, least_gas };
        let step = Step { kind: StepKind::Approve, attempt: 0 };
        Ok(Start { record, step, call, plan })
    }

    pub(super) async fn allowance(
        &self,
        memo: &DepositMemo,
        contracts: &Contracts,
    ) -> Result<U256, BridgeError> {
        let (owner, spender) = (memo.payer, contracts.bridge);
        self.l1.read(memo.l1Token, &IERC20::allowanceCall { owner, spender }).await
    }

    /// P95: the token on the rollup is the bridge's own form of the one on L1; in any other the money would
    /// stay with the bridge.
    pub(super) async fn check_pair(
        &self,
        l1_token: Address,
        l2_token: Address,
    ) -> Result<(), BridgeError> {
        let wrong = || BridgeError::WrongToken { l1_token, l2_token };
        let remote = self.l2.read(l2_token, &IMintableToken::remoteTokenCall {}).await;
        let bridge = self.l2.read(l2_token, &IMintableToken::bridgeCall {}).await;
        let origin = IMintableFactory::deploymentsCall { localToken: l2_token };
        let made_for = self.l2.read(L2_TOKEN_FACTORY, &origin).await;
        for answer in [remote.as_ref().err(), bridge.as_ref().err(), made_for.as_ref().err()] {
            match answer {
                Some(error) if is_no_answer(error) => return Err(wrong()),
                Some(_) | None => {}
            }
        }
        let is_pair = remote? == l1_token && bridge? == L2_BRIDGE && made_for? == l1_token;
        if is_pair { Ok(()) } else { Err(wrong()) }
    }

    /// Gas for the call on the rollup, where the payer has the money only once it is delivered.
    async fn delivery_gas(&self, from: Address, payload: &Payload) -> Result<u64, BridgeError> {
        let request = CallRequest {
            from: Some(from),
            to: payload.to,
            data: payload.data.clone(),
            value: Some(payload.value),
        };
        let overrides = with_money(from);
        let params = (&request, "latest", &overrides);
        let answers = self.l2.endpoints().ask_all(|endpoint| {
            endpoint.request::<_, alloy_primitives::U64>("eth_estimateGas", params)
        });
        let answers = answers.await;
        let best = answers.iter().flatten().max().copied();
        if let Some(gas) = best {
            let gas = gas.to::<u64>();
            return Ok(gas.saturating_add(gas.div_ceil(2)).saturating_add(SPARE_GAS));
        }
        match answers.into_iter().filter_map(Result::err).find(|error| error.revert().is_some()) {
            Some(error) => Err(BridgeError::WouldFail(error.into())),
            // The endpoint does not estimate on another state than its own.
            None => Ok(USUAL_L2_GAS),
        }
    }

    /// Gas on L1 with room for a portal that burns more when the transaction lands, and what it costs at twice
    /// today's price.
    pub(super) async fn l1_cost(
        &self,
        from: Address,
        to: Address,
        value: U256,
        data: &Bytes,
    ) -> Result<(u64, U256), BridgeError> {
        let request = CallRequest { from: Some(from), to, data: data.clone(), value: Some(value) };
        let estimate = self.l1.estimate(&request).await?;
        let gas = estimate.saturating_mul(2).saturating_add(SPARE_GAS);
        let base_fee = self.l1.base_fee().await?;
        let price = U256::from(base_fee).saturating_mul(U256::from(2));
        Ok((gas, price.saturating_mul(U256::from(gas))))
    }

    async fn check_coin(&self, account: Address, needed: U256) -> Result<(), BridgeError> {
        let balance = self.l1.balance(account).await?;
        if balance >= needed {
            return Ok(());
        }
        let (layer, token) = (Layer::L1, Address::ZERO);
        Err(BridgeError::NoFunds { layer, account, token, needed, balance })
    }

    fn deposit_record(
        &self,
        order: &FundOrder,
        payment: &Payment,
        memo: &DepositMemo,
    ) -> TransferRecord {
        let transfer = Transfer {
            id: order.id,
            key: None,
            from: ChainRef::Evm(self.network.l1_chain_id),
            to: ChainRef::Evm(self.network.l2_chain_id),
            token: AccountRef::Evm(order.l1_token),
            amount: payment.amount,
            stage: TransferStage::Deposit(DepositStage::Planned),
        };
        let (channel, memo) = (Some(order.channel_id), memo.abi_encode());
        TransferRecord { transfer, channel, memo }
    }

    /// Whether a call that has failed on the rollup would work now. Where no endpoint can tell it is tried.
    pub(super) async fn would_work(
        &self,
        from: Address,
        payload: &Payload,
    ) -> Result<bool, BridgeError> {
        let request = CallRequest {
            from: Some(from),
            to: payload.to,
            data: payload.data.clone(),
            value: Some(payload.value),
        };
        let overrides = with_money(from);
        let params = (&request, "latest", &overrides);
        let answers = self
            .l2
            .endpoints()
            .ask_all(|endpoint| endpoint.request::<_, Bytes>("eth_call", params))
            .await;
        let is_refused = |error: &EndpointError| error.revert().is_some();
        let works = answers.iter().any(Result::is_ok);
        Ok(works || !answers.iter().filter_map(|answer| answer.as_ref().err()).any(is_refused))
    }
}

/// The rollup as if an account had all the money that it needs: a call is simulated before its money is there,
/// and beside it the data fee counts.
fn with_money(account: Address) -> Value {
    json!({ account.to_string(): { "balance": U256::from(u128::MAX) } })
}

const START: Step = Step { kind: StepKind::Start, attempt: 0 };

/// A token that is none answers nothing, or refuses.
fn is_no_answer(error: &BridgeError) -> bool {
    matches!(error, BridgeError::Unreadable { .. }) || error.is_revert()
}

/// The portal's call that makes the rollup carry out a payload.
pub(super) fn deposit_call(payload: &Payload, gas: u64) -> Bytes {
    let Payload { to, value, data } = payload.clone();
    let call =
        IPortal::depositTransactionCall { to, value, gasLimit: gas, isCreation: false, data };
    call.abi_encode().into()
}

/// The bridge's call that puts a token into the box.
pub(super) fn token_call(contracts: &Contracts, memo: &DepositMemo) -> Call {
    let call = IStandardBridge::bridgeERC20ToCall {
        localToken: memo.l1Token,
        remoteToken: memo.l2Token,
        to: memo.target,
        amount: memo.value,
        minGasLimit: TOKEN_MIN_GAS,
        extraData: Bytes::new(),
    };
    Call {
        layer: Layer::L1,
        to: contracts.bridge,
        value: U256::ZERO,
        data: call.abi_encode().into(),
        least_gas: USUAL_TOKEN_GAS,
    }
}

/// The call on the rollup that empties the box into the channel.
fn collect_call(order: &FundOrder, payment: &Payment) -> Result<Bytes, BridgeError> {
    let terms = convert::terms(&payment.terms).map_err(BridgeError::on_l2)?;
    let data = match &order.call {
        EntryCall::Open { consent, .. } => {
            let accept = consent.as_ref().map(acceptance).unwrap_or_default();
            abi::openFromBoxCall { terms, accept }.abi_encode()
        }
        EntryCall::Join { .. } => abi::joinFromBoxCall { terms, accept: Bytes::new() }.abi_encode(),
        EntryCall::Deposit { side, .. } => {
            let (side, token) = (side.number(), terms.token);
            abi::sweepCall { terms, side, token }.abi_encode()
        }
        EntryCall::CancelOpen { .. }
        | EntryCall::TakeCredit { .. }
        | EntryCall::Approve { .. }
        | EntryCall::Bridge(_) => return Err(BridgeError::NoPayment),
    };
    Ok(data.into())
}

use lockstep_chain::call::acceptance;

/// What is paid in, and that the payer may: a stranger's open or join without consent would become a credit.
fn payment_of(order: &FundOrder) -> Result<Payment, BridgeError> {
    let address = |account| convert::address(account).map_err(BridgeError::on_l2);
    let may = |owner: Address| match owner == order.payer || !order.l1_token.is_zero() {
        true => Ok(()),
        false => Err(BridgeError::NotOwner { payer: order.payer, owner }),
    };
    let (terms, amount, side) = match &order.call {
        EntryCall::Open { terms, amount, consent } => {
            if consent.is_none() {
                may(address(terms.participant1)?)?;
            }
            (*terms, *amount, Side::One)
        }
        EntryCall::Join { terms, amount } => {
            may(address(terms.participant2)?)?;
            (*terms, *amount, Side::Two)
        }
        EntryCall::Deposit { terms, side, amount } => (*terms, *amount, *side),
        EntryCall::CancelOpen { .. }
        | EntryCall::TakeCredit { .. }
        | EntryCall::Approve { .. }
        | EntryCall::Bridge(_) => return Err(BridgeError::NoPayment),
    };
    if amount == Amount::ZERO {
        return Err(BridgeError::NoPayment);
    }
    Ok(Payment { side, amount, terms })
}

/// The name of a channel as a topic of the contract's events.
pub(super) fn is_of_channel(topic: Option<&B256>, channel: B256) -> bool {
    topic == Some(&channel)
}
