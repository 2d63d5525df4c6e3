//! A deposit on its way: from the L1 transaction over its ticket to the channel.

use super::Arbitrum;
use super::abi::{ARB_RETRYABLE_TX, IArbRetryableTx};
use super::alias::unaliased;
use super::funding::Message;
use super::keeper::{Care, TicketState, care};
use super::message::{SentMessage, messages_in};
use super::notes::{DepositNotes, TokenNotes, on_l2};
use super::submission::padded;
use super::ticket::{Ticket, escrow_of};
use crate::courier::{attempts, stage_of};
use crate::error::BridgeError;
use crate::reading::Landed;
use crate::rollup::{Progress, Sent};
use crate::step::{Call, Layer, Next, Step, StepKind, Waiting};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;
use lockstep_chain::rpc::Receipt;
use lockstep_core::entry::EntryStage;
use lockstep_core::ids::ChainRef;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::transfer::{
    DepositStage, RecoverAction, TransferEvent, TransferKey, TransferRecord, TransferStage,
};

/// Gas that a redeem takes beside the call that it makes.
const REDEEM_OVERHEAD: u64 = 200_000;
/// Head room over the estimate of a call that is run again. Units: percent.
const REDEEM_ROOM_PERCENT: u64 = 30;

/// A deposit whose message is in a final L1 block.
struct Arrival<'a> {
    record: &'a TransferRecord,
    stage: DepositStage,
    notes: DepositNotes,
    sent: &'a Sent,
    id: B256,
    ticket: Ticket,
    sender: Address,
}

/// How one of our steps stands, in what matters for the next one.
enum StepState {
    /// Never ordered.
    None,
    /// Ordered, and not final yet.
    Pending,
    /// In a final block, for better or worse.
    Over,
}

fn newest(sent: &Sent, kind: StepKind) -> StepState {
    let Some(last) = attempts(sent, kind).checked_sub(1) else { return StepState::None };
    match stage_of(sent, kind, last) {
        None => StepState::None,
        Some(EntryStage::Wanted | EntryStage::Signed(_) | EntryStage::Included { .. }) => {
            StepState::Pending
        }
        Some(
            EntryStage::Done { .. } | EntryStage::Reverted { .. } | EntryStage::Displaced { .. },
        ) => StepState::Over,
    }
}

/// Transactions of ours of one kind that a block holds.
pub(super) fn landed_txs(sent: &Sent, kind: StepKind) -> Vec<B256> {
    sent.iter()
        .filter(|(step, _)| step.kind == kind)
        .filter_map(|(_, stage)| match stage {
            EntryStage::Included { tx, .. } | EntryStage::Done { tx, .. } => Some(*tx),
            EntryStage::Wanted
            | EntryStage::Signed(_)
            | EntryStage::Reverted { .. }
            | EntryStage::Displaced { .. } => None,
        })
        .collect()
}

fn next_step(sent: &Sent, kind: StepKind) -> Step {
    Step { kind, attempt: attempts(sent, kind) }
}

impl Arbitrum {
    pub(super) async fn advance_deposit(
        &self,
        record: &TransferRecord,
        stage: DepositStage,
        sent: &Sent,
    ) -> Result<Progress, BridgeError> {
        let notes = DepositNotes::decode(record.transfer.id, &record.memo)?;
        let back = (stage == DepositStage::Sent).then_some(TransferEvent::Reorganised);
        let over = |events| Progress { events, ..Progress::waits(Next::unknown(Waiting::Nothing)) };
        match stage_of(sent, StepKind::Start, 0) {
            None => self.before_start(&notes, sent).await,
            Some(EntryStage::Wanted | EntryStage::Signed(_)) => {
                let events = back.into_iter().collect();
                Ok(Progress { events, ..Progress::waits(Next::unknown(Waiting::ForInclusion)) })
            }
            Some(EntryStage::Reverted { .. } | EntryStage::Displaced { .. }) => {
                Ok(over(back.into_iter().chain([TransferEvent::NeverSent]).collect()))
            }
            Some(EntryStage::Included { tx, .. }) => {
                let events = self.included(*tx).await?.into_iter().collect();
                Ok(Progress { events, ..Progress::waits(Next::unknown(Waiting::ForL1Finality)) })
            }
            Some(EntryStage::Done { tx, .. }) => {
                self.after_start(record, stage, notes, sent, *tx).await
            }
        }
    }

    /// A token is approved first; the fees of its ticket are those of the moment.
    async fn before_start(
        &self,
        notes: &DepositNotes,
        sent: &Sent,
    ) -> Result<Progress, BridgeError> {
        let wait = |waiting| Ok(Progress::waits(Next::unknown(waiting)));
        let Some(token) = &notes.token else { return wait(Waiting::ForOrder) };
        match stage_of(sent, StepKind::Approve, 0) {
            None => wait(Waiting::ForOrder),
            Some(EntryStage::Wanted | EntryStage::Signed(_) | EntryStage::Included { .. }) => {
                wait(Waiting::ForInclusion)
            }
            Some(EntryStage::Reverted { .. } | EntryStage::Displaced { .. }) => {
                let next = Next::unknown(Waiting::Nothing);
                Ok(Progress::waits(next).after(TransferEvent::NeverSent))
            }
            Some(EntryStage::Done { tx, .. }) => {
                let Some(payer) = self.sender_of(*tx).await? else {
                    return wait(Waiting::ForL1Finality);
                };
                let (call, _) = self.token_call(payer, token).await?;
                let step = Step { kind: StepKind::Start, attempt: 0 };
                let next = Next::unknown(Waiting::ForInclusion);
                Ok(Progress { call: Some((step, call)), ..Progress::waits(next) })
            }
        }
    }

    async fn sender_of(&self, tx: B256) -> Result<Option<Address>, BridgeError> {
        let found = self.l1.endpoints().transaction(tx).await.map_err(BridgeError::on_l1)?;
        Ok(found.map(|found| found.from))
    }

    async fn message_of(&self, tx: B256) -> Result<Option<(SentMessage, bool)>, BridgeError> {
        let site = self.site().await?;
        let landed = self.l1.landed(tx).await?;
        let is_final = matches!(landed, Landed::Final(_));
        let message = landed
            .receipt()
            .and_then(|receipt| messages_in(receipt, site.bridge, site.inbox).into_iter().next());
        Ok(message.map(|message| (message, is_final)))
    }

    fn key(&self, tx: B256, message: &SentMessage) -> TransferKey {
        let chain = ChainRef::Evm(self.network.l1_chain_id);
        TransferKey { chain, tx, log_index: message.log_index }
    }

    async fn included(&self, tx: B256) -> Result<Option<TransferEvent>, BridgeError> {
        let message = self.message_of(tx).await?;
        Ok(message.map(|(message, _)| TransferEvent::Included(self.key(tx, &message))))
    }

    async fn after_start(
        &self,
        record: &TransferRecord,
        stage: DepositStage,
        notes: DepositNotes,
        sent: &Sent,
        tx: B256,
    ) -> Result<Progress, BridgeError> {
        let wait = Progress::waits(Next::unknown(Waiting::ForL1Finality));
        let Some((message, is_final)) = self.message_of(tx).await? else { return Ok(wait) };
        let Some((id, ticket)) = message.ticket(self.network.l2_chain_id) else { return Ok(wait) };
        let mut events = Vec::new();
        if matches!(stage, DepositStage::Planned | DepositStage::Sent) {
            events.push(TransferEvent::Included(self.key(tx, &message)));
            if !is_final {
                return Ok(Progress { events, ..wait });
            }
            events.push(TransferEvent::L1Finalized);
        }
        let sender = unaliased(message.delayed.sender);
        let arrival = Arrival { record, stage, notes, sent, id, ticket, sender };
        let mut progress = match self.follow(&arrival).await {
            Ok(progress) => progress,
            // What L1 has shown is worth keeping though the rollup does not answer.
            Err(error) if !events.is_empty() => {
                tracing::warn!(transfer = %record.transfer.id, error = %error, "the rollup can't be read");
                Progress::waits(Next::unknown(Waiting::ForDelivery))
            }
            Err(error) => return Err(error),
        };
        events.append(&mut progress.events);
        progress.events = events;
        Ok(progress)
    }

    async fn follow(&self, arrival: &Arrival<'_>) -> Result<Progress, BridgeError> {
        let redeems = landed_txs(arrival.sent, StepKind::Replay);
        let wait = |waiting| Progress::waits(Next::unknown(waiting));
        Ok(match self.ticket_state(arrival.id, &redeems).await? {
            TicketState::Unread => wait(Waiting::ForDelivery),
            TicketState::Redeemed { is_final: false }
            | TicketState::Canceled { is_final: false } => wait(Waiting::ForL2Finality),
            TicketState::Redeemed { is_final: true } => self.delivered(arrival).await?,
            TicketState::Refused => wait(Waiting::ForOperator),
            TicketState::Canceled { is_final: true } => {
                let refunded = wait(Waiting::Nothing).after(TransferEvent::RefundFinal);
                match arrival.stage {
                    DepositStage::Expired(_) => refunded,
                    DepositStage::Planned
                    | DepositStage::Sent
                    | DepositStage::L1Final
                    | DepositStage::Delivered
                    | DepositStage::Credited
                    | DepositStage::FailedRecoverable(_)
                    | DepositStage::Refunded
                    | DepositStage::Abandoned => {
                        refunded.after(TransferEvent::DeliveryFailed(RecoverAction::Cancel))
                    }
                }
            }
            TicketState::Expired => self.expired(arrival).await?,
            TicketState::Kept { timeout, is_final } => {
                self.keep(arrival, timeout, is_final).await?
            }
        })
    }

    /// A coin's ticket has made the channel's call; a token lies in its box and is collected.
    async fn delivered(&self, arrival: &Arrival<'_>) -> Result<Progress, BridgeError> {
        let done = Progress::waits(Next::unknown(Waiting::Nothing))
            .after(TransferEvent::Credited)
            .after(TransferEvent::Delivered);
        let Some(token) = &arrival.notes.token else { return Ok(done) };
        let arrived =
            |waiting| Progress::waits(Next::unknown(waiting)).after(TransferEvent::Delivered);
        // Anybody may collect. An empty box in a final block has been, whatever became of our own call.
        if self.box_is_empty(token).await? {
            return Ok(done);
        }
        match newest(arrival.sent, StepKind::Collect) {
            StepState::Pending => return Ok(arrived(Waiting::ForL2Finality)),
            StepState::None | StepState::Over => {}
        }
        let call = on_l2(token.channel_contract, token.collect.to_vec(), 0);
        let step = next_step(arrival.sent, StepKind::Collect);
        Ok(Progress { call: Some((step, call)), ..arrived(Waiting::ForInclusion) })
    }

    async fn box_is_empty(&self, token: &TokenNotes) -> Result<bool, BridgeError> {
        use lockstep_chain::rpc::At;
        use lockstep_chain::token::IERC20;
        let at = At::Block(self.l2.finalized().await?.hash);
        let call = IERC20::balanceOfCall { account: token.box_address };
        Ok(self.l2.read_at(token.l2_token, &call, at).await?.is_zero())
    }

    /// The rollup gives a coin back to its beneficiary when it sweeps the ticket; a token has no way back.
    async fn expired(&self, arrival: &Arrival<'_>) -> Result<Progress, BridgeError> {
        let event = TransferEvent::TimedOut(RecoverAction::Cancel);
        let wait = |waiting| Progress::waits(Next::unknown(waiting)).after(event);
        if arrival.ticket.call_value.is_zero() {
            return Ok(wait(Waiting::ForOperator));
        }
        let held = self.l2.balance(escrow_of(arrival.id)).await?;
        Ok(match held.is_zero() {
            true => Progress::waits(Next::unknown(Waiting::Nothing))
                .after(TransferEvent::RefundFinal)
                .after(event),
            false => wait(Waiting::ForOperator),
        })
    }

    /// Runs a kept ticket again as soon as that would help, and never lets it expire (P90).
    async fn keep(
        &self,
        arrival: &Arrival<'_>,
        timeout: u64,
        is_final: bool,
    ) -> Result<Progress, BridgeError> {
        let deadline = BlockTimestamp(timeout);
        let failed = TransferEvent::DeliveryFailed(RecoverAction::Redeem);
        let wait = |waiting| {
            let progress = Progress::waits(Next::at(waiting, deadline));
            if is_final { progress.after(failed) } else { progress }
        };
        let pending = |kind| matches!(newest(arrival.sent, kind), StepState::Pending);
        let ours = [StepKind::Replay, StepKind::KeepAlive, StepKind::Cancel];
        if ours.into_iter().any(pending) {
            return Ok(wait(Waiting::ForInclusion));
        }
        let ticket = &arrival.ticket;
        let message = Message {
            sender: arrival.sender,
            to: ticket.to,
            value: ticket.call_value,
            data: ticket.data.clone(),
            refund_to: ticket.excess_refund,
        };
        let estimate = match self.try_message(&message).await {
            Ok(gas) => Some(gas),
            Err(error) if super::site::is_refusal(&error) => None,
            Err(error) => return Err(error),
        };
        let now = self.l2.head().await?.timestamp.0;
        let id = arrival.id;
        let (kind, call) = match care(now, timeout, estimate.is_some()) {
            Care::Wait => return Ok(wait(Waiting::ForOperator)),
            Care::Redeem => (StepKind::Replay, redeem_call(id, estimate.unwrap_or_default())?),
            Care::KeepAlive => {
                let data = IArbRetryableTx::keepaliveCall { ticketId: id }.abi_encode();
                (StepKind::KeepAlive, on_l2(ARB_RETRYABLE_TX, data, 0))
            }
        };
        tracing::info!(transfer = %arrival.record.transfer.id, ticket = %id, step = ?kind, stage = ?arrival.stage,
            "a ticket is looked after");
        let step = next_step(arrival.sent, kind);
        Ok(Progress { call: Some((step, call)), ..wait(Waiting::ForInclusion) })
    }

    /// The call by which the beneficiary gives up a ticket and takes its coin back. Nobody else may make it, and
    /// nothing here makes it unasked. A token's ticket is never given up: its coin is nothing, and the token would
    /// stay with the gateway on L1 for ever.
    pub(super) async fn order_cancel(
        &self,
        record: &TransferRecord,
        beneficiary: Address,
    ) -> Result<Call, BridgeError> {
        if matches!(record.transfer.stage, TransferStage::Withdraw(_)) {
            return Err(BridgeError::NotKept);
        }
        let Some(key) = record.transfer.key else { return Err(BridgeError::NotKept) };
        let found = self.message_of(key.tx).await?;
        let ticket = found.and_then(|(message, _)| message.ticket(self.network.l2_chain_id));
        let Some((ticket_id, ticket)) = ticket else { return Err(BridgeError::NotKept) };
        if ticket.call_value.is_zero() {
            return Err(BridgeError::CancelLoses);
        }
        if ticket.call_value_refund != beneficiary {
            let (payer, owner) = (beneficiary, ticket.call_value_refund);
            return Err(BridgeError::NotOwner { payer, owner });
        }
        match self.ticket_state(ticket_id, &[]).await? {
            TicketState::Kept { .. } => {}
            TicketState::Unread
            | TicketState::Redeemed { .. }
            | TicketState::Canceled { .. }
            | TicketState::Refused
            | TicketState::Expired => return Err(BridgeError::NotKept),
        }
        let data = IArbRetryableTx::cancelCall { ticketId: ticket_id }.abi_encode();
        Ok(on_l2(ARB_RETRYABLE_TX, data, 0))
    }
}

fn redeem_call(id: B256, gas: u64) -> Result<Call, BridgeError> {
    let gas = padded(U256::from(gas), REDEEM_ROOM_PERCENT).ok_or(BridgeError::AbsurdFee)?;
    let gas = u64::try_from(gas).map_err(|_| BridgeError::AbsurdFee)?;
    let least_gas = gas.saturating_add(REDEEM_OVERHEAD);
    let data = IArbRetryableTx::redeemCall { ticketId: id }.abi_encode().into();
    Ok(Call { layer: Layer::L2, to: ARB_RETRYABLE_TX, value: U256::ZERO, data, least_gas })
}

/// The tickets that a receipt of the rollup announces attempts of, with the attempts' hashes.
pub(super) fn attempts_in(receipt: &Receipt, ticket: B256) -> Vec<B256> {
    use alloy_sol_types::SolEvent;
    receipt
        .logs
        .iter()
        .filter(|log| log.address() == ARB_RETRYABLE_TX)
        .filter_map(|log| IArbRetryableTx::RedeemScheduled::decode_log(&log.inner).ok())
        .filter(|scheduled| scheduled.ticketId == ticket)
        .map(|scheduled| scheduled.retryTxHash)
        .collect()
}
