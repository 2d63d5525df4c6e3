//! How a ticket stands on the rollup, from receipts, logs and the precompile.

use super::Arbitrum;
use super::abi::{ARB_RETRYABLE_TX, IArbRetryableTx};
use super::delivery::attempts_in;
use super::keeper::TicketState;
use super::ticket::LIFETIME_SECS;
use crate::error::BridgeError;
use crate::reading::Landed;
use alloy::rpc::types::{Filter, Log};
use alloy_primitives::B256;
use alloy_sol_types::SolEvent;
use lockstep_chain::rpc::Receipt;

impl Arbitrum {
    /// Looks a ticket up. `redeems` are transactions of ours that asked for attempts.
    pub(super) async fn ticket_state(
        &self,
        id: B256,
        redeems: &[B256],
    ) -> Result<TicketState, BridgeError> {
        let creation = self.l2.landed(id).await?;
        let Some(receipt) = creation.receipt() else { return Ok(TicketState::Unread) };
        let is_final = matches!(creation, Landed::Final(_));
        if !receipt.is_success() {
            return Ok(if is_final { TicketState::Refused } else { TicketState::Unread });
        }
        let mut tried = attempts_in(receipt, id);
        for tx in redeems {
            if let Some(redeem) = self.l2.landed(*tx).await?.receipt() {
                tried.extend(attempts_in(redeem, id));
            }
        }
        if let Some(state) = self.first_success(&tried).await? {
            return Ok(state);
        }
        let call = IArbRetryableTx::getTimeoutCall { ticketId: id };
        match self.l2.read(ARB_RETRYABLE_TX, &call).await {
            Ok(timeout) => {
                let timeout = u64::try_from(timeout).unwrap_or(u64::MAX);
                Ok(TicketState::Kept { timeout, is_final })
            }
            Err(error) if error.is_revert() => self.vanished(id, receipt).await,
            Err(error) => Err(error),
        }
    }

    async fn first_success(&self, tried: &[B256]) -> Result<Option<TicketState>, BridgeError> {
        for attempt in tried {
            let landed = self.l2.landed(*attempt).await?;
            let is_final = matches!(landed, Landed::Final(_));
            if landed.receipt().is_some_and(Receipt::is_success) {
                return Ok(Some(TicketState::Redeemed { is_final }));
            }
        }
        Ok(None)
    }

    /// A ticket that is no more, and not by us: somebody else ran it, the beneficiary canceled it, or it expired.
    async fn vanished(&self, id: B256, creation: &Receipt) -> Result<TicketState, BridgeError> {
        let logs = self.logs_of(id, creation.block_number().0).await?;
        let mut tried = Vec::new();
        for log in &logs {
            if let Ok(event) = IArbRetryableTx::RedeemScheduled::decode_log(&log.inner) {
                tried.push(event.retryTxHash);
            }
            let is_canceled = IArbRetryableTx::Canceled::decode_log(&log.inner).is_ok();
            if let (true, Some(tx)) = (is_canceled, log.transaction_hash) {
                let is_final = matches!(self.l2.landed(tx).await?, Landed::Final(_));
                return Ok(TicketState::Canceled { is_final });
            }
        }
        if let Some(state) = self.first_success(&tried).await? {
            return Ok(state);
        }
        // Only a final clock tells that nothing can have happened in time.
        let now = self.l2.finalized().await?.point.timestamp.0;
        let extended = logs
            .iter()
            .filter_map(|log| IArbRetryableTx::LifetimeExtended::decode_log(&log.inner).ok())
            .filter_map(|event| u64::try_from(event.newTimeout).ok())
            .max();
        let born = self.l2_time(creation.block_number().0).await?;
        let timeout = extended.unwrap_or_else(|| born.saturating_add(LIFETIME_SECS));
        Ok(match now > timeout {
            true => TicketState::Expired,
            false => TicketState::Kept { timeout, is_final: false },
        })
    }

    /// Everything that the precompile logged of a ticket.
    async fn logs_of(&self, id: B256, from: u64) -> Result<Vec<Log>, BridgeError> {
        let head = self.l2.head().await?.number.0;
        let range = self.l2.endpoints().profile().max_log_range.max(1);
        let mut logs = Vec::new();
        let mut start = from;
        while start <= head {
            let end = start.saturating_add(range).saturating_sub(1).min(head);
            let filter = Filter::new().from_block(start).to_block(end);
            let filter = filter.address(ARB_RETRYABLE_TX).topic1(id);
            let found = self.l2.endpoints().ask_quorum(|endpoint| endpoint.logs(&filter)).await;
            logs.extend(found.map_err(BridgeError::on_l2)?);
            start = end.saturating_add(1);
        }
        Ok(logs)
    }

    async fn l2_time(&self, number: u64) -> Result<u64, BridgeError> {
        use lockstep_chain::rpc::BlockTag;
        let tag = BlockTag::Number(number);
        let header = self.l2.endpoints().ask_quorum(|endpoint| endpoint.header(tag, false)).await;
        Ok(header.map_err(BridgeError::on_l2)?.point().timestamp.0)
    }
}
