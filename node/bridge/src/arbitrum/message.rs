//! The messages that an L1 transaction has put into the bridge.

use super::abi::{IBridge, IInbox};
use super::delayed::DelayedMessage;
use super::ticket::{Origin, Ticket};
use alloy::rpc::types::Log;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::SolEvent;
use lockstep_chain::rpc::Receipt;

/// One message with what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// As the bridge counts it.
    pub delayed: DelayedMessage,
    /// What it says.
    pub data: Bytes,
    /// Which log of the transaction's block announces it.
    pub log_index: u32,
}

impl SentMessage {
    /// Where it comes from, as the rollup hashes it.
    pub fn origin(&self, chain_id: u64) -> Origin {
        Origin {
            chain_id,
            message_number: self.delayed.number,
            sender: self.delayed.sender,
            l1_base_fee: self.delayed.base_fee,
        }
    }

    /// The ticket that it makes, and its id; none if it makes none.
    pub fn ticket(&self, chain_id: u64) -> Option<(B256, Ticket)> {
        if self.delayed.kind != super::delayed::RETRYABLE {
            return None;
        }
        let ticket = Ticket::from_message(&self.data).ok()?;
        Some((ticket.id(&self.origin(chain_id)), ticket))
    }
}

/// All messages of a transaction that this bridge and inbox announce, in order. One whose data does not have the
/// hash that the bridge noted is left out: an endpoint has made it up.
pub fn messages_in(receipt: &Receipt, bridge: Address, inbox: Address) -> Vec<SentMessage> {
    let contents: Vec<IInbox::InboxMessageDelivered> = receipt
        .logs
        .iter()
        .filter(|log| log.address() == inbox)
        .filter_map(|log| IInbox::InboxMessageDelivered::decode_log(&log.inner).ok())
        .map(|log| log.data)
        .collect();
    let content = |delivered: &IBridge::MessageDelivered| {
        contents
            .iter()
            .find(|content| content.messageNum == delivered.messageIndex)
            .map(|content| content.data.clone())
            .filter(|data| keccak256(data) == delivered.messageDataHash)
    };
    receipt
        .logs
        .iter()
        .filter(|log| log.address() == bridge)
        .filter_map(|log| {
            let delivered = IBridge::MessageDelivered::decode_log(&log.inner).ok()?.data;
            let data = content(&delivered)?;
            Some(SentMessage {
                delayed: delayed(receipt, &delivered),
                data,
                log_index: index_of(log),
            })
        })
        .collect()
}

fn delayed(receipt: &Receipt, delivered: &IBridge::MessageDelivered) -> DelayedMessage {
    DelayedMessage {
        kind: delivered.kind,
        sender: delivered.sender,
        block_number: receipt.block_number().0,
        timestamp: delivered.timestamp,
        number: delivered.messageIndex,
        base_fee: delivered.baseFeeL1,
        data_hash: delivered.messageDataHash,
    }
}

/// Place of a log in its block.
pub(super) fn index_of(log: &Log) -> u32 {
    log.log_index.and_then(|index| u32::try_from(index).ok()).unwrap_or(u32::MAX)
}
