//! An order to fund a channel: checked against both chains, and made into the L1 transaction that does it.

use super::Arbitrum;
use super::abi::{IArbToken, IGateway, IInbox, IL1GatewayRouter, INodeInterface, NODE_INTERFACE};
use super::decimals::Decimals;
use super::notes::{DepositNotes, TokenNotes};
use super::site::{Routers, Site, would_fail};
use super::submission::TicketFees;
use crate::error::BridgeError;
use crate::order::{FundOrder, Plan, Start};
use crate::step::{Call, Layer, Step, StepKind};
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolValue};
use lockstep_chain::call::{Payload, encode_entry};
use lockstep_chain::convert;
use lockstep_chain::rpc::CallRequest;
use lockstep_chain::token::IERC20;
use lockstep_contracts::bindings::PaymentChannel;
use lockstep_core::entry::EntryCall;
use lockstep_core::ids::{AccountRef, ChainRef, Side};
use lockstep_core::money::Amount;
use lockstep_core::terms::Terms;
use lockstep_core::transfer::{DepositStage, Transfer, TransferRecord, TransferStage};

/// Coin that an estimate pretends to have, so that an empty account does not spoil it. Units: wei.
const PRETENDED_COIN: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
/// Gas of a whole deposit on L1 where it can't be estimated yet, since an approval comes first.
const USUAL_L1_GAS: u64 = 400_000;

/// A payment into a channel.
struct Payment<'a> {
    terms: &'a Terms,
    amount: Amount,
    side: Side,
}

fn payment(call: &EntryCall) -> Result<Payment<'_>, BridgeError> {
    match call {
        EntryCall::Open { terms, amount, .. } => {
            Ok(Payment { terms, amount: *amount, side: Side::One })
        }
        EntryCall::Join { terms, amount } => {
            Ok(Payment { terms, amount: *amount, side: Side::Two })
        }
        EntryCall::Deposit { terms, side, amount } => {
            Ok(Payment { terms, amount: *amount, side: *side })
        }
        EntryCall::CancelOpen { .. }
        | EntryCall::TakeCredit { .. }
        | EntryCall::Approve { .. }
        | EntryCall::Bridge(_) => Err(BridgeError::NoPayment),
    }
}

/// The only account that may make a call, where that is not everybody: a message from L1 comes from an alias.
fn sole_caller(call: &EntryCall) -> Option<AccountRef> {
    match call {
        EntryCall::Open { consent: Some(_), .. } | EntryCall::Deposit { .. } => None,
        EntryCall::Open { terms, consent: None, .. } => Some(terms.participant(Side::One)),
        EntryCall::Join { terms, .. } => Some(terms.participant(Side::Two)),
        EntryCall::CancelOpen { .. }
        | EntryCall::TakeCredit { .. }
        | EntryCall::Approve { .. }
        | EntryCall::Bridge(_) => None,
    }
}

/// A message to the rollup, before anybody has paid for it.
pub(super) struct Message {
    /// Who sends it on L1.
    pub(super) sender: Address,
    /// Whom it calls.
    pub(super) to: Address,
    /// What it brings. Units: wei.
    pub(super) value: U256,
    /// Calldata.
    pub(super) data: Bytes,
    /// Who gets what is left over.
    pub(super) refund_to: Address,
}

impl Arbitrum {
    pub(super) async fn order_fund(&self, order: &FundOrder) -> Result<Start, BridgeError> {
        let site = self.site().await?;
        if self.l1.read(site.inbox, &IInbox::pausedCall {}).await? {
            return Err(BridgeError::Paused);
        }
        // The inbox would alias it, and nobody has a key for an alias (P89).
        if !self.l1.code(order.refund_to).await?.is_empty() {
            return Err(BridgeError::ContractRefund { refund_to: order.refund_to });
        }
        let payment = payment(&order.call)?;
        let payload = encode_entry(&order.contracts, &order.call).map_err(BridgeError::on_l2)?;
        match payment.terms.token.is_zero() {
            true => self.fund_coin(&site, order, &payment, payload).await,
            false => self.fund_token(order, &payment, &payload).await,
        }
    }

    async fn fund_coin(
        &self,
        site: &Site,
        order: &FundOrder,
        payment: &Payment<'_>,
        payload: Payload,
    ) -> Result<Start, BridgeError> {
        if !order.l1_token.is_zero() {
            let (l1_token, l2_token) = (order.l1_token, Address::ZERO);
            return Err(BridgeError::WrongToken { l1_token, l2_token });
        }
        if let Some(owner) = sole_caller(&order.call) {
            let owner = convert::address(owner).map_err(BridgeError::on_l2)?;
            return Err(BridgeError::NotOwner { payer: order.payer, owner });
        }
        let Payload { to, value, data } = payload;
        let (sender, refund_to) = (order.payer, order.refund_to);
        let message = Message { sender, to, value, data, refund_to };
        let fees = self.ticket_fees(&message).await?;
        let call = ticket_call(site, &message, &fees)?;
        self.afford(order.payer, call.value).await?;
        let plan = self.plan(order.payer, &call, &fees).await?;
        let record = self.deposit_record(order, payment.amount, &DepositNotes { token: None });
        let step = Step { kind: StepKind::Start, attempt: 0 };
        Ok(Start { record, step, call, plan })
    }

    async fn fund_token(
        &self,
        order: &FundOrder,
        payment: &Payment<'_>,
        payload: &Payload,
    ) -> Result<Start, BridgeError> {
        let amount = payment.amount.to_u256();
        let notes = self.token_notes(order, payment, payload).await?;
        self.afford_token(order.payer, notes.token, amount).await?;
        let record = self.deposit_record(
            order,
            payment.amount,
            &DepositNotes { token: Some(notes.clone()) },
        );
        let (call, fees) = self.token_call(order.payer, &notes).await?;
        self.afford(order.payer, call.value).await?;
        let allowance = IERC20::allowanceCall { owner: order.payer, spender: notes.gateway };
        if self.l1.read(notes.token, &allowance).await? >= amount {
            let plan = self.plan(order.payer, &call, &fees).await?;
            let step = Step { kind: StepKind::Start, attempt: 0 };
            return Ok(Start { record, step, call, plan });
        }
        let data = IERC20::approveCall { spender: notes.gateway, amount }.abi_encode().into();
        let approve =
            Call { layer: Layer::L1, to: notes.token, value: U256::ZERO, data, least_gas: 0 };
        let mut plan = self.plan(order.payer, &approve, &fees).await?;
        let base_fee = U256::from(self.l1.base_fee().await?);
        plan.l1_gas = plan.l1_gas.saturating_add(USUAL_L1_GAS);
        plan.l1_fee = base_fee.saturating_mul(U256::from(plan.l1_gas));
        let step = Step { kind: StepKind::Approve, attempt: 0 };
        Ok(Start { record, step, call: approve, plan })
    }

    /// Where a token goes, and that it is the bridge's own on both sides (P95), counted alike (P92).
    async fn token_notes(
        &self,
        order: &FundOrder,
        payment: &Payment<'_>,
        payload: &Payload,
    ) -> Result<TokenNotes, BridgeError> {
        let routers = Routers::read(&self.l1, &self.network).await?;
        let token = order.l1_token;
        let l2_token = convert::address(payment.terms.token).map_err(BridgeError::on_l2)?;
        let call = IL1GatewayRouter::calculateL2TokenAddressCall { token };
        if self.l1.read(routers.l1, &call).await? != l2_token {
            return Err(BridgeError::WrongToken { l1_token: token, l2_token });
        }
        self.check_decimals(token, l2_token, payment.amount).await?;
        let gateway = self.l1.read(routers.l1, &IL1GatewayRouter::getGatewayCall { token }).await?;
        let call = PaymentChannel::boxAddressCall {
            channelId: order.channel_id.0,
            side: payment.side.number(),
        };
        let channel_contract = order.contracts.channel;
        Ok(TokenNotes {
            token,
            router: routers.l1,
            gateway,
            box_address: self.l2.read(channel_contract, &call).await?,
            l2_token,
            amount: payment.amount.to_u256(),
            refund_to: order.refund_to,
            channel_contract,
            collect: collect_data(order, payment, payload)?,
        })
    }

    async fn check_decimals(
        &self,
        l1_token: Address,
        l2_token: Address,
        amount: Amount,
    ) -> Result<(), BridgeError> {
        // The first deposit of a token creates it on the rollup.
        if self.l2.code(l2_token).await?.is_empty() {
            return Ok(());
        }
        let l1 = self.l1.read(l1_token, &IERC20::decimalsCall {}).await?;
        let l2 = self.l2.read(l2_token, &IArbToken::decimalsCall {}).await?;
        // Gateways move base units one to one, so only equal decimals keep an amount what it is.
        let there = Decimals { l1, l2 }.to_l2(amount.to_u256())?;
        match there == amount.to_u256() {
            true => Ok(()),
            false => Err(BridgeError::WrongToken { l1_token, l2_token }),
        }
    }

    /// The gateway's call that moves a token, at today's fees.
    pub(super) async fn token_call(
        &self,
        payer: Address,
        notes: &TokenNotes,
    ) -> Result<(Call, TicketFees), BridgeError> {
        let (token, to, amount) = (notes.token, notes.box_address, notes.amount);
        let call = IGateway::getOutboundCalldataCall {
            token,
            from: payer,
            to,
            amount,
            data: Bytes::new(),
        };
        let data = self.l1.read(notes.gateway, &call).await?;
        let there = self.l1.read(notes.gateway, &IGateway::counterpartGatewayCall {}).await?;
        let message = Message {
            sender: notes.gateway,
            to: there,
            value: U256::ZERO,
            data,
            refund_to: notes.refund_to,
        };
        let fees = self.ticket_fees(&message).await?;
        let extra = (fees.max_submission_cost, Bytes::new()).abi_encode_params();
        let data = IL1GatewayRouter::outboundTransferCustomRefundCall {
            token,
            refundTo: notes.refund_to,
            to,
            amount,
            maxGas: fees.gas_limit,
            gasPriceBid: fees.max_fee_per_gas,
            data: extra.into(),
        };
        let value = fees.total(U256::ZERO).ok_or(BridgeError::AbsurdFee)?;
        let data = data.abi_encode().into();
        Ok((Call { layer: Layer::L1, to: notes.router, value, data, least_gas: 0 }, fees))
    }

    /// What a ticket needs now, with head room; refused if it would fail on the rollup.
    pub(super) async fn ticket_fees(&self, message: &Message) -> Result<TicketFees, BridgeError> {
        let gas = self.try_message(message).await.map_err(would_fail)?;
        let l1_base_fee = U256::from(self.l1.base_fee().await?);
        let price = U256::from(self.l2.base_fee().await?);
        TicketFees::estimated(message.data.len(), l1_base_fee, gas, price, self.room)
            .ok_or(BridgeError::AbsurdFee)
    }

    /// Gas that a message would take on the rollup now.
    pub(super) async fn try_message(&self, message: &Message) -> Result<u64, BridgeError> {
        let call = INodeInterface::estimateRetryableTicketCall {
            sender: message.sender,
            deposit: message.value.saturating_add(PRETENDED_COIN),
            to: message.to,
            l2CallValue: message.value,
            excessFeeRefundAddress: message.refund_to,
            callValueRefundAddress: message.refund_to,
            data: message.data.clone(),
        };
        let request = CallRequest::view(NODE_INTERFACE, call.abi_encode().into());
        self.l2.estimate(&request).await
    }

    async fn afford(&self, account: Address, needed: U256) -> Result<(), BridgeError> {
        let balance = self.l1.balance(account).await?;
        match balance >= needed {
            true => Ok(()),
            false => {
                let (layer, token) = (Layer::L1, Address::ZERO);
                Err(BridgeError::NoFunds { layer, account, token, needed, balance })
            }
        }
    }

    async fn afford_token(
        &self,
        account: Address,
        token: Address,
        needed: U256,
    ) -> Result<(), BridgeError> {
        let balance = self.l1.token_balance(token, account).await?;
        match balance >= needed {
            true => Ok(()),
            false => {
                let layer = Layer::L1;
                Err(BridgeError::NoFunds { layer, account, token, needed, balance })
            }
        }
    }

    async fn plan(
        &self,
        payer: Address,
        call: &Call,
        fees: &TicketFees,
    ) -> Result<Plan, BridgeError> {
        let request = CallRequest {
            from: Some(payer),
            to: call.to,
            data: call.data.clone(),
            value: Some(call.value),
        };
        let l1_gas = self.l1.estimate(&request).await.map_err(would_fail)?;
        let base_fee = U256::from(self.l1.base_fee().await?);
        Ok(Plan {
            l1_gas,
            l1_fee: base_fee.saturating_mul(U256::from(l1_gas)),
            l2_gas: u64::try_from(fees.gas_limit).map_err(|_| BridgeError::AbsurdFee)?,
            least_secs: self.l1.lag_secs().await?.saturating_add(self.l2.lag_secs().await?),
            made_at: self.l1.head().await?.timestamp,
        })
    }

    fn deposit_record(
        &self,
        order: &FundOrder,
        amount: Amount,
        notes: &DepositNotes,
    ) -> TransferRecord {
        let transfer = Transfer {
            id: order.id,
            key: None,
            from: ChainRef::Evm(self.network.l1_chain_id),
            to: ChainRef::Evm(self.network.l2_chain_id),
            token: AccountRef::Evm(order.l1_token),
            amount,
            stage: TransferStage::Deposit(DepositStage::Planned),
        };
        TransferRecord { transfer, channel: Some(order.channel_id), memo: notes.encode() }
    }
}

/// The inbox's call that makes a ticket of a message.
pub(super) fn ticket_call(
    site: &Site,
    message: &Message,
    fees: &TicketFees,
) -> Result<Call, BridgeError> {
    let data = IInbox::createRetryableTicketCall {
        to: message.to,
        l2CallValue: message.value,
        maxSubmissionCost: fees.max_submission_cost,
        excessFeeRefundAddress: message.refund_to,
        callValueRefundAddress: message.refund_to,
        gasLimit: fees.gas_limit,
        maxFeePerGas: fees.max_fee_per_gas,
        data: message.data.clone(),
    };
    let value = fees.total(message.value).ok_or(BridgeError::AbsurdFee)?;
    let data = data.abi_encode().into();
    Ok(Call { layer: Layer::L1, to: site.inbox, value, data, least_gas: 0 })
}

/// The call that brings a box's token to its channel, whoever makes it.
fn collect_data(
    order: &FundOrder,
    payment: &Payment<'_>,
    payload: &Payload,
) -> Result<Bytes, BridgeError> {
    let unreadable = BridgeError::Unreadable { address: payload.to };
    let terms = convert::terms(payment.terms).map_err(BridgeError::on_l2)?;
    Ok(match &order.call {
        EntryCall::Open { .. } => {
            let opened = PaymentChannel::openChannelCall::abi_decode(&payload.data);
            let Ok(PaymentChannel::openChannelCall { accept, .. }) = opened else {
                return Err(unreadable);
            };
            PaymentChannel::openFromBoxCall { terms, accept }.abi_encode().into()
        }
        EntryCall::Join { .. } => {
            PaymentChannel::joinFromBoxCall { terms, accept: Bytes::new() }.abi_encode().into()
        }
        EntryCall::Deposit { side, .. } => {
            let token = terms.token;
            PaymentChannel::sweepCall { terms, side: side.number(), token }.abi_encode().into()
        }
        EntryCall::CancelOpen { .. }
        | EntryCall::TakeCredit { .. }
        | EntryCall::Approve { .. }
        | EntryCall::Bridge(_) => return Err(BridgeError::NoPayment),
    })
}
