//! Money between L1 and the rollup, as the API asks for it.

use crate::bridge::BridgeHandle;
use crate::engine::shared::Shared;
use crate::engine::view::View;
use crate::engine::wording;
use alloy_primitives::{Address, B256, U256, keccak256};
use lockstep_bridge::courier::TransferView;
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::order::{FundOrder, WithdrawOrder};
use lockstep_bridge::step::Waiting;
use lockstep_core::chain::ChannelStatus;
use lockstep_core::entry::EntryCall;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::AccountRef;
use lockstep_core::money::Amount;
use lockstep_core::record::{Consent, Phase};
use lockstep_core::transfer::{DepositStage, TransferStage, WithdrawStage};
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{
    Asset, Fund, NetworkReport, Text, Transfer, TransferDirection, TransferState, WithdrawToL1,
};
use std::error::Error as _;
use std::sync::Arc;

/// Gas of an open with consent, of a challenge and of a close, as whole transactions. Source:
/// `contracts/snapshots`.
const OPEN_GAS: u64 = 65_000;
const CHALLENGE_GAS: u64 = 90_000;
const CLOSE_GAS: u64 = 100_000;

/// Scope of the names of transfers to L1.
const TO_L1: &[u8] = b"to-l1";

fn refused(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure::new(kind, message).safe("nothing was sent; no money has moved")
}

fn failure(error: &BridgeError) -> Failure {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    let kind = match (error, error.class()) {
        (BridgeError::NoFunds { .. }, _) => FailureKind::InsufficientFunds,
        (BridgeError::BelowFee { .. }, _) => FailureKind::BadAmount,
        (BridgeError::WrongChain { .. } | BridgeError::WrongPair { .. }, _) => {
            FailureKind::WrongNetwork
        }
        (BridgeError::OtherTransfer, _) => FailureKind::IdempotencyConflict,
        (_, ErrorClass::Transient) => FailureKind::ChainUnavailable,
        (_, ErrorClass::Fatal) => FailureKind::SigningStopped,
        (_, ErrorClass::Refused | ErrorClass::PeerFault) => FailureKind::Refused,
    };
    refused(kind, message)
}

fn bridge(shared: &Shared) -> Result<&BridgeHandle, Failure> {
    shared.bridge.as_ref().ok_or_else(|| {
        refused(FailureKind::NotSupported, "this node has no endpoints of L1")
            .advice("name two with bridge.endpoints, and start the node again")
    })
}

/// The bridge, once its contracts were checked (P93).
fn ready(shared: &Shared) -> Result<&BridgeHandle, Failure> {
    shared.check_can_sign()?;
    let bridge = bridge(shared)?;
    match bridge.trouble() {
        None => Ok(bridge),
        Some(trouble) => Err(failure(&trouble)),
    }
}

/// The name of a transfer: the caller's within its scope, or one that nobody else has.
fn name(scope: &[u8], key: Option<&String>) -> Result<B256, Failure> {
    let own = match key {
        Some(key) if key.is_empty() || key.chars().count() > 64 => {
            let message = "an idempotency key has 1 to 64 characters";
            return Err(refused(FailureKind::Refused, message));
        }
        Some(key) => key.as_bytes().to_vec(),
        None => super::chain_order::random_name()?.to_vec(),
    };
    Ok(keccak256([b"lockstep/transfer/v1".as_slice(), scope, &own].concat()))
}

/// What is paid into a channel from L1: the open that waits for our money, or more for our side.
fn payment(view: &View, amount: Option<Amount>) -> Result<EntryCall, Failure> {
    let terms = view.setup.terms;
    if view.marks.restored.is_some() || view.marks.frozen.is_some() {
        let message = "the channel signs no payments any more, so no money is added";
        return Err(refused(FailureKind::WrongPhase, message));
    }
    match &view.phase {
        Phase::Funding { consent: Some(Consent { open, signature: Some(signature) }) }
            if view.chain.status == ChannelStatus::None =>
        {
            let promised = view.setup.deposit1;
            if amount.is_some_and(|amount| amount != promised) {
                let message = "a channel is opened with exactly what was agreed";
                return Err(refused(FailureKind::BadAmount, message)
                    .advice("leave the amount out, and add more once the channel is open"));
            }
            Ok(EntryCall::Open { terms, amount: promised, consent: Some((*open, *signature)) })
        }
        Phase::Open => match amount {
            Some(amount) if !amount.is_zero() => {
                Ok(EntryCall::Deposit { terms, side: view.side(), amount })
            }
            Some(_) | None => Err(refused(FailureKind::BadAmount, "say how much is to be added")),
        },
        Phase::Opening(_)
        | Phase::Funding { .. }
        | Phase::Closing(_)
        | Phase::Disputed(_)
        | Phase::Settled(_) => {
            let message =
                "money can be added only while the channel is open, or waits for our part";
            Err(refused(FailureKind::WrongPhase, message)
                .advice("`lockstep channels` shows what it waits for"))
        }
    }
}

/// What funding a channel takes; none if the transfer of this name is under way already.
pub(super) fn plan_fund(shared: &Shared, call: &Fund) -> Result<Option<FundOrder>, Failure> {
    let bridge = ready(shared)?;
    let view = shared.registry.find(call.channel_id.0)?.view();
    let id = name(call.channel_id.0.0.as_slice(), call.idempotency_key.as_ref())?;
    if bridge.transfers().iter().any(|known| known.transfer.id == id) {
        return Ok(None);
    }
    let entry = payment(&view, call.amount.map(|amount| amount.0))?;
    if matches!(entry, EntryCall::Open { .. }) && bridge.carries(call.channel_id.0) {
        let message = "money for this open is on its way already";
        return Err(
            refused(FailureKind::WrongPhase, message).advice("`lockstep transfers` shows it")
        );
    }
    let l1_token = match call.l1_token.map(|token| token.0) {
        None => Address::ZERO,
        Some(AccountRef::Evm(token)) => token,
        Some(AccountRef::Starknet(_)) => {
            return Err(refused(FailureKind::UnknownToken, "L1 has no such token"));
        }
    };
    Ok(Some(FundOrder {
        id,
        payer: bridge.l1_account(),
        refund_to: shared.settings.account,
        contracts: *shared.chain.contracts(),
        channel_id: call.channel_id.0,
        call: entry,
        l1_token,
    }))
}

/// The transfer that a caller has named before.
fn known(shared: &Shared, id: B256) -> Result<Transfer, Failure> {
    let transfers = bridge(shared)?.transfers();
    let known = transfers.iter().find(|known| known.transfer.id == id);
    known.map(|known| describe(shared, known)).ok_or_else(wording::stopping)
}

pub(super) async fn fund(shared: &Arc<Shared>, call: &Fund) -> Result<Transfer, Failure> {
    let Some(order) = plan_fund(shared, call)? else {
        let id = name(call.channel_id.0.0.as_slice(), call.idempotency_key.as_ref())?;
        return known(shared, id);
    };
    let view = bridge(shared)?.fund(&order).await.map_err(|error| failure(&error))?;
    Ok(describe(shared, &view))
}

/// What taking money to L1 takes; none if the transfer of this name is under way already.
pub(super) fn plan_withdraw(
    shared: &Shared,
    call: &WithdrawToL1,
) -> Result<Option<WithdrawOrder>, Failure> {
    let bridge = ready(shared)?;
    let id = name(TO_L1, call.idempotency_key.as_ref())?;
    if bridge.transfers().iter().any(|known| known.transfer.id == id) {
        return Ok(None);
    }
    let evm = |account: AccountRef| match account {
        AccountRef::Evm(address) => Ok(address),
        AccountRef::Starknet(_) => {
            Err(refused(FailureKind::WrongNetwork, "L1 has no such account or token"))
        }
    };
    let own = bridge.payers();
    Ok(Some(WithdrawOrder {
        id,
        owner: own.l2,
        prover: own.l1,
        recipient: call.recipient.map_or(Ok(own.l1), |to| evm(to.0))?,
        l2_token: call.token.map_or(Ok(Address::ZERO), |token| evm(token.0))?,
        amount: call.amount.0,
    }))
}

pub(super) async fn withdraw(
    shared: &Arc<Shared>,
    call: &WithdrawToL1,
) -> Result<Transfer, Failure> {
    let Some(order) = plan_withdraw(shared, call)? else {
        return known(shared, name(TO_L1, call.idempotency_key.as_ref())?);
    };
    let view = bridge(shared)?.withdraw(&order).await.map_err(|error| failure(&error))?;
    Ok(describe(shared, &view))
}

pub(super) fn transfers(shared: &Shared) -> Vec<Transfer> {
    let Some(bridge) = &shared.bridge else { return Vec::new() };
    bridge.transfers().iter().map(|view| describe(shared, view)).collect()
}

pub(super) async fn networks(shared: &Shared) -> Result<Vec<NetworkReport>, Failure> {
    let Some(bridge) = &shared.bridge else { return Ok(Vec::new()) };
    if let Some(trouble) = bridge.trouble() {
        return Err(failure(&trouble));
    }
    let report = bridge.report().await.map_err(|error| failure(&error))?;
    let balance = bridge.l1_balance().await.map_err(|error| failure(&error))?;
    let text = |wei: U256| Text(Amount::from_u256(wei));
    let price = U256::from(report.l2_base_fee);
    let fee =
        |gas: u64| price.saturating_mul(U256::from(gas)).saturating_add(report.challenge_data_fee);
    Ok(vec![NetworkReport {
        network: shared.settings.network.clone(),
        l1_chain_id: report.l1_chain_id,
        chain_id: report.l2_chain_id,
        block_millis: report.block_millis,
        gas_price: text(price),
        l1_gas_price: text(U256::from(report.l1_base_fee)),
        challenge_data_fee: text(report.challenge_data_fee),
        open_fee: text(fee(OPEN_GAS)),
        challenge_fee: text(fee(CHALLENGE_GAS)),
        close_fee: text(fee(CLOSE_GAS)),
        locked: text(report.locked),
        is_paused: report.is_paused,
        withdraw_secs: report.withdraw_secs,
        force_secs: report.force_secs,
        least_challenge_secs: report.least_challenge_secs,
        l1_account: Text(AccountRef::Evm(bridge.l1_account())),
        l1_balance: text(balance),
    }])
}

fn describe(shared: &Shared, view: &TransferView) -> Transfer {
    let TransferView { transfer, channel, next } = view;
    let (direction, state) = state_of(transfer.stage);
    // A transfer names the token of the chain that it comes from; a channel's is the rollup's form of it.
    let handle = channel.and_then(|channel| shared.registry.get(channel));
    let token = handle.map_or(transfer.token, |handle| handle.view().setup.terms.token);
    let asset: Asset = shared.settings.describe(token);
    Transfer {
        transfer_id: Text(transfer.id),
        direction,
        channel_id: channel.map(Text),
        amount: Text(transfer.amount),
        asset,
        state,
        waits_for: words(next.waiting).to_owned(),
        expected_at: next.expected_at.map(|time| time.0),
        arrives_at: next.arrives_at.map(|time| time.0),
        is_over: transfer.is_over(),
        transaction: transfer.key.map(|key| Text(key.tx)),
    }
}

fn state_of(stage: TransferStage) -> (TransferDirection, TransferState) {
    use TransferState as S;
    match stage {
        TransferStage::Deposit(stage) => {
            let state = match stage {
                DepositStage::Planned => S::Planned,
                DepositStage::Sent => S::Sent,
                DepositStage::L1Final => S::SourceFinal,
                DepositStage::Delivered => S::Delivered,
                DepositStage::Credited => S::Credited,
                DepositStage::FailedRecoverable(_) | DepositStage::Expired(_) => S::Failed,
                DepositStage::Refunded => S::Refunded,
                DepositStage::Abandoned => S::Abandoned,
            };
            (TransferDirection::In, state)
        }
        TransferStage::Withdraw(stage) => {
            let state = match stage {
                WithdrawStage::Planned => S::Planned,
                WithdrawStage::Initiated => S::Sent,
                WithdrawStage::Proposed => S::Proposed,
                WithdrawStage::Provable => S::Provable,
                WithdrawStage::Proven { .. } => S::Proven,
                WithdrawStage::Finalizable => S::Finalizable,
                WithdrawStage::Done => S::Done,
                WithdrawStage::Abandoned => S::Abandoned,
            };
            (TransferDirection::Out, state)
        }
    }
}

fn words(waiting: Waiting) -> &'static str {
    match waiting {
        Waiting::ForOrder => "being ordered anew: it was kept, and nothing was sent",
        Waiting::ForInclusion => "a block to hold our transaction",
        Waiting::ForL1Finality => "L1 to be final",
        Waiting::ForDelivery => "the rollup to deliver",
        Waiting::ForL2Finality => "the rollup to be final",
        Waiting::ForRoot => "a root on L1 that holds the withdrawal",
        Waiting::ForProof => "our proof on L1",
        Waiting::ForMaturity => "the bridge's waiting time",
        Waiting::ForJudgement => "the root to be judged",
        Waiting::ForPayout => "the payout on L1 to be final",
        Waiting::ForUnpause => "the bridge to go on after its pause",
        Waiting::ForOperator => "somebody to look: it can't go on by itself",
        Waiting::Nothing => "nothing",
    }
}
