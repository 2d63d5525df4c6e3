//! Money on its way to the rollup: where it is, and what to do when the delivery fails.
//!
//! The transaction that the rollup will carry out follows from the block and place of the L1 log, so it is
//! worked out anew until L1 is final. A call that fails on the rollup leaves the coin at the payer's own
//! address there: it is called again if it would work now, else moved to the refund account, both from L1.

use super::Optimism;
use super::deposit::{DepositTx, deposits_of};
use super::fund::{deposit_call, is_of_channel, token_call};
use super::memo::DepositMemo;
use crate::courier::{MAX_ATTEMPTS, attempts, stage_of};
use crate::error::BridgeError;
use crate::reading::Landed;
use crate::rollup::{Progress, Sent};
use crate::step::{Call, Layer, Next, Step, StepKind, Waiting};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolEvent;
use lockstep_chain::call::Payload;
use lockstep_chain::rpc::{At, Receipt};
use lockstep_chain::token::IERC20;
use lockstep_contracts::bindings::PaymentChannel as abi;
use lockstep_core::entry::EntryStage;
use lockstep_core::ids::ChainRef;
use lockstep_core::transfer::{
    DepositStage, RecoverAction, TransferEvent, TransferKey, TransferRecord,
};

use super::abi::IMessenger;

/// Gas of a plain transfer on the rollup, with room.
pub(super) const REFUND_GAS: u64 = 60_000;

/// How a step of ours stands.
enum Own {
    /// Never ordered.
    None,
    /// In no block yet.
    Waits,
    /// It failed or was displaced: no money has moved.
    Failed,
    /// In a block, by this transaction.
    In(B256),
}

fn own(sent: &Sent, kind: StepKind, attempt: u8) -> Own {
    match stage_of(sent, kind, attempt) {
        None => Own::None,
        Some(EntryStage::Wanted | EntryStage::Signed(_)) => Own::Waits,
        Some(EntryStage::Included { tx, .. } | EntryStage::Done { tx, .. }) => Own::In(*tx),
        Some(EntryStage::Reverted { .. } | EntryStage::Displaced { .. }) => Own::Failed,
    }
}

/// What the rollup has made of a deposit.
enum Fate {
    /// L1 is not final, or does not show it.
    Early(Option<TransferKey>),
    /// L1 is final; the rollup has not carried it out finally.
    Underway(TransferKey, Waiting),
    /// Carried out, finally.
    Over(TransferKey, Box<DepositTx>, Box<Receipt>),
}

impl Optimism {
    pub(super) async fn deliver(
        &self,
        record: &TransferRecord,
        stage: DepositStage,
        sent: &Sent,
    ) -> Result<Progress, BridgeError> {
        let memo = DepositMemo::of(record)?;
        let fate = match own(sent, StepKind::Start, 0) {
            Own::None => return self.before_start(&memo, sent).await,
            Own::Waits => {
                let progress = Progress::waits(Next::unknown(Waiting::ForInclusion));
                return Ok(match stage {
                    DepositStage::Sent => progress.after(TransferEvent::Reorganised),
                    DepositStage::Planned
                    | DepositStage::L1Final
                    | DepositStage::Delivered
                    | DepositStage::Credited
                    | DepositStage::FailedRecoverable(_)
                    | DepositStage::Expired(_)
                    | DepositStage::Refunded
                    | DepositStage::Abandoned => progress,
                });
            }
            Own::Failed => return Ok(abandoned(stage)),
            Own::In(tx) => self.fate(&memo, tx).await?,
        };
        let mut events = Vec::new();
        let (deposit, receipt) = match fate {
            Fate::Early(key) => {
                events.extend(key.map(TransferEvent::Included));
                let next = Next::unknown(Waiting::ForL1Finality);
                return Ok(Progress { events, ..Progress::waits(next) });
            }
            Fate::Underway(key, waiting) => {
                events.extend(arrived(stage, key));
                return Ok(Progress { events, ..Progress::waits(Next::unknown(waiting)) });
            }
            Fate::Over(key, deposit, receipt) => {
                events.extend(arrived(stage, key));
                (deposit, receipt)
            }
        };
        let rest = match memo.l1Token.is_zero() {
            true => self.judge_coin(&memo, stage, &receipt, sent).await?,
            false => self.judge_token(&memo, stage, &deposit, &receipt, sent).await?,
        };
        events.extend(rest.events);
        Ok(Progress { events, ..rest })
    }

    /// Where nothing has moved money yet.
    async fn before_start(&self, memo: &DepositMemo, sent: &Sent) -> Result<Progress, BridgeError> {
        match own(sent, StepKind::Approve, 0) {
            Own::None => Ok(Progress::waits(Next::unknown(Waiting::ForOrder))),
            Own::Waits => Ok(Progress::waits(Next::unknown(Waiting::ForInclusion))),
            Own::Failed => {
                let nothing = Progress::waits(Next::unknown(Waiting::Nothing));
                Ok(nothing.after(TransferEvent::NeverSent))
            }
            Own::In(_) => {
                let contracts = self.contracts().await?;
                let start = token_call(&contracts, memo);
                let waits = Progress::waits(Next::unknown(Waiting::ForInclusion));
                if self.allowance(memo, &contracts).await? < memo.value {
                    return Ok(waits);
                }
                let step = Step { kind: StepKind::Start, attempt: 0 };
                Ok(Progress { call: Some((step, start)), ..waits })
            }
        }
    }

    /// Follows an L1 transaction of ours to what the rollup made of it.
    async fn fate(&self, memo: &DepositMemo, tx: B256) -> Result<Fate, BridgeError> {
        let landed = self.l1.landed(tx).await?;
        let Some(receipt) = landed.receipt() else { return Ok(Fate::Early(None)) };
        let contracts = self.contracts().await?;
        let unreadable = BridgeError::Unreadable { address: contracts.portal };
        let deposits = deposits_of(&receipt.logs, contracts.portal).map_err(|_| unreadable)?;
        let is_ours = |deposit: &DepositTx| !memo.l1Token.is_zero() || deposit.from == memo.payer;
        let Some(deposit) = deposits.into_iter().find(is_ours) else {
            return Ok(Fate::Early(None));
        };
        let is_portal = |log: &&alloy::rpc::types::Log| log.address() == contracts.portal;
        let index = receipt.logs.iter().find(is_portal).and_then(|log| log.log_index);
        let chain = ChainRef::Evm(self.network.l1_chain_id);
        let log_index = u32::try_from(index.unwrap_or_default()).unwrap_or(u32::MAX);
        let key = TransferKey { chain, tx, log_index };
        let Landed::Final(_) = landed else { return Ok(Fate::Early(Some(key))) };
        Ok(match self.l2.landed(deposit.hash()).await? {
            Landed::Nowhere => Fate::Underway(key, Waiting::ForDelivery),
            Landed::Seen(_) => Fate::Underway(key, Waiting::ForL2Finality),
            Landed::Final(receipt) => Fate::Over(key, Box::new(deposit), Box::new(receipt)),
        })
    }

    async fn judge_coin(
        &self,
        memo: &DepositMemo,
        stage: DepositStage,
        receipt: &Receipt,
        sent: &Sent,
    ) -> Result<Progress, BridgeError> {
        if receipt.is_success() {
            return Ok(credited(memo, receipt));
        }
        let payload = Payload { to: memo.target, value: memo.value, data: memo.data.clone() };
        let replays = attempts(sent, StepKind::Replay);
        let refunds = attempts(sent, StepKind::Refund);
        if refunds > 0 {
            return self.judge_refund(memo, sent, refunds).await;
        }
        if replays > 0 {
            return self.judge_replay(memo, sent, replays).await;
        }
        let (step, action, call) = match self.would_work(memo.payer, &payload).await? {
            true => {
                let gas = memo.gas.saturating_mul(2);
                (
                    StepKind::Replay,
                    RecoverAction::Replay,
                    self.call_from_l1(memo, &payload, gas).await?,
                )
            }
            false => (StepKind::Refund, RecoverAction::ClaimFailed, self.refund(memo).await?),
        };
        let failed = TransferEvent::DeliveryFailed(action);
        let waits = Progress::waits(Next::unknown(Waiting::ForInclusion));
        let call = Some((Step { kind: step, attempt: 0 }, call));
        let progress = Progress { call, ..waits };
        Ok(match stage {
            DepositStage::Credited | DepositStage::Refunded => progress,
            DepositStage::Planned
            | DepositStage::Sent
            | DepositStage::L1Final
            | DepositStage::Delivered
            | DepositStage::FailedRecoverable(_)
            | DepositStage::Expired(_)
            | DepositStage::Abandoned => progress.after(failed),
        })
    }

    /// The second call of a delivery that failed.
    async fn judge_replay(
        &self,
        memo: &DepositMemo,
        sent: &Sent,
        replays: u8,
    ) -> Result<Progress, BridgeError> {
        let waits = Progress::waits(Next::unknown(Waiting::ForDelivery));
        let refund = |call| {
            let step = Step { kind: StepKind::Refund, attempt: 0 };
            Progress { call: Some((step, call)), ..waits.clone() }
        };
        match own(sent, StepKind::Replay, replays.saturating_sub(1)) {
            Own::None | Own::Waits => Ok(waits),
            Own::Failed => Ok(refund(self.refund(memo).await?)),
            Own::In(tx) => match self.fate(memo, tx).await? {
                Fate::Early(_) | Fate::Underway(..) => Ok(waits),
                Fate::Over(_, _, receipt) if receipt.is_success() => {
                    Ok(credited(memo, &receipt).after(TransferEvent::Delivered))
                }
                Fate::Over(..) => Ok(refund(self.refund(memo).await?)),
            },
        }
    }

    async fn judge_refund(
        &self,
        memo: &DepositMemo,
        sent: &Sent,
        refunds: u8,
    ) -> Result<Progress, BridgeError> {
        let waits = Progress::waits(Next::unknown(Waiting::ForDelivery));
        let again = |call| {
            let step = Step { kind: StepKind::Refund, attempt: refunds };
            Progress { call: Some((step, call)), ..waits.clone() }
        };
        let operator = Progress::waits(Next::unknown(Waiting::ForOperator));
        match own(sent, StepKind::Refund, refunds.saturating_sub(1)) {
            Own::None | Own::Waits => Ok(waits),
            Own::Failed if refunds >= MAX_ATTEMPTS => Ok(operator),
            Own::Failed => Ok(again(self.refund(memo).await?)),
            Own::In(tx) => match self.fate(memo, tx).await? {
                Fate::Early(_) | Fate::Underway(..) => Ok(waits),
                Fate::Over(_, _, receipt) if receipt.is_success() => {
                    let over = Progress::waits(Next::unknown(Waiting::Nothing));
                    Ok(over.after(TransferEvent::RefundFinal))
                }
                Fate::Over(..) if refunds >= MAX_ATTEMPTS => Ok(operator),
                Fate::Over(..) => Ok(again(self.refund(memo).await?)),
            },
        }
    }

    /// Moves what a failed call has left at the payer's address on the rollup to the refund account.
    async fn refund(&self, memo: &DepositMemo) -> Result<Call, BridgeError> {
        let payload = Payload { to: memo.refundTo, value: memo.value, data: Bytes::new() };
        self.call_from_l1(memo, &payload, REFUND_GAS).await
    }

    /// A call on the rollup in the payer's name with the money that is there already.
    async fn call_from_l1(
        &self,
        memo: &DepositMemo,
        payload: &Payload,
        gas: u64,
    ) -> Result<Call, BridgeError> {
        let contracts = self.contracts().await?;
        let data = deposit_call(payload, gas);
        let (to, value) = (contracts.portal, U256::ZERO);
        let (least_gas, _) = self.l1_cost(memo.payer, to, value, &data).await?;
        Ok(Call { layer: Layer::L1, to, value, data, least_gas })
    }

    async fn judge_token(
        &self,
        memo: &DepositMemo,
        stage: DepositStage,
        deposit: &DepositTx,
        receipt: &Receipt,
        sent: &Sent,
    ) -> Result<Progress, BridgeError> {
        let is_relayed = |receipt: &Receipt| {
            let topics = receipt.logs.iter().filter_map(|log| log.topics().first());
            topics.into_iter().any(|topic| *topic == IMessenger::RelayedMessage::SIGNATURE_HASH)
        };
        let held = self.box_balance(memo).await?;
        let delivered = matches!(stage, DepositStage::Delivered);
        if !is_relayed(receipt) && held < memo.value && !delivered {
            let failed = TransferEvent::DeliveryFailed(RecoverAction::Replay);
            return Ok(self.relay_again(deposit, sent).after(failed));
        }
        if delivered && held.is_zero() {
            // From the box it can go nowhere but to the channel's contract.
            let over = Progress::waits(Next::unknown(Waiting::Nothing));
            return Ok(over.after(TransferEvent::Credited));
        }
        let waits = Progress::waits(Next::unknown(Waiting::ForL2Finality));
        let tries = attempts(sent, StepKind::Collect);
        let is_free = match own(sent, StepKind::Collect, tries.saturating_sub(1)) {
            Own::None | Own::Failed => true,
            Own::Waits | Own::In(_) => false,
        };
        let call = (is_free && tries < MAX_ATTEMPTS).then(|| {
            let step = Step { kind: StepKind::Collect, attempt: tries };
            let (to, data) = (memo.channelContract, memo.data.clone());
            (step, Call { layer: Layer::L2, to, value: U256::ZERO, data, least_gas: 0 })
        });
        Ok(Progress { call, ..waits }.after(TransferEvent::Delivered))
    }

    /// Anybody may relay a message again that failed; its call is the deposit's own.
    fn relay_again(&self, deposit: &DepositTx, sent: &Sent) -> Progress {
        let waits = Progress::waits(Next::unknown(Waiting::ForDelivery));
        let tries = attempts(sent, StepKind::Replay);
        let is_free = match own(sent, StepKind::Replay, tries.saturating_sub(1)) {
            Own::None | Own::Failed => true,
            Own::Waits | Own::In(_) => false,
        };
        let Some(to) = deposit.to.filter(|_| is_free && tries < MAX_ATTEMPTS) else {
            return waits;
        };
        let least_gas = deposit.gas_limit.saturating_mul(2);
        let data = deposit.input.clone();
        let call = Call { layer: Layer::L2, to, value: U256::ZERO, data, least_gas };
        let step = Step { kind: StepKind::Replay, attempt: tries };
        Progress { call: Some((step, call)), ..waits }
    }

    async fn box_balance(&self, memo: &DepositMemo) -> Result<U256, BridgeError> {
        let at = At::Block(self.l2.finalized().await?.hash);
        let call = IERC20::balanceOfCall { account: memo.target };
        self.l2.read_at(memo.l2Token, &call, at).await
    }

    /// The rollup's transactions that an L1 transaction causes.
    pub(super) async fn deposits_of_tx(&self, tx: B256) -> Result<Vec<B256>, BridgeError> {
        let contracts = self.contracts().await?;
        let landed = self.l1.landed(tx).await?;
        let Some(receipt) = landed.receipt() else { return Ok(Vec::new()) };
        let unreadable = BridgeError::Unreadable { address: contracts.portal };
        let deposits = deposits_of(&receipt.logs, contracts.portal).map_err(|_| unreadable)?;
        Ok(deposits.iter().map(DepositTx::hash).collect())
    }
}

fn abandoned(stage: DepositStage) -> Progress {
    let nothing = Progress::waits(Next::unknown(Waiting::Nothing));
    let never = nothing.after(TransferEvent::NeverSent);
    match stage {
        DepositStage::Sent => never.after(TransferEvent::Reorganised),
        DepositStage::Planned
        | DepositStage::L1Final
        | DepositStage::Delivered
        | DepositStage::Credited
        | DepositStage::FailedRecoverable(_)
        | DepositStage::Expired(_)
        | DepositStage::Refunded
        | DepositStage::Abandoned => never,
    }
}

/// L1 is final: told once.
fn arrived(stage: DepositStage, key: TransferKey) -> Vec<TransferEvent> {
    match stage {
        DepositStage::Planned | DepositStage::Sent => {
            vec![TransferEvent::Included(key), TransferEvent::L1Finalized]
        }
        DepositStage::L1Final
        | DepositStage::Delivered
        | DepositStage::Credited
        | DepositStage::FailedRecoverable(_)
        | DepositStage::Expired(_)
        | DepositStage::Refunded
        | DepositStage::Abandoned => Vec::new(),
    }
}

/// What a delivery that worked has done. What the channel could not take any more is the participant's credit.
fn credited(memo: &DepositMemo, receipt: &Receipt) -> Progress {
    let topics = [
        abi::ChannelOpened::SIGNATURE_HASH,
        abi::ChannelFunded::SIGNATURE_HASH,
        abi::ChannelJoined::SIGNATURE_HASH,
    ];
    let is_in_channel = receipt.logs.iter().any(|log| {
        let of: Address = log.address();
        of == memo.channelContract
            && log.topics().first().is_some_and(|topic| topics.contains(topic))
            && is_of_channel(log.topics().get(1), memo.channelId)
    });
    match is_in_channel {
        true => Progress::waits(Next::unknown(Waiting::Nothing)).after(TransferEvent::Credited),
        false => {
            Progress::waits(Next::unknown(Waiting::ForOperator)).after(TransferEvent::Delivered)
        }
    }
}
