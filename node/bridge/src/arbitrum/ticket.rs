//! A retryable ticket: money and a call from L1, kept by the rollup until it ran or a week went by.

use super::typed::{Fields, SUBMIT_RETRYABLE};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use lockstep_core::error::ErrorClass;
use thiserror::Error;

/// How long the rollup keeps a ticket that nobody ran; `keepalive` adds as much again. Units: seconds.
/// Source: nitro `retryables.RetryableLifetimeSeconds`.
pub const LIFETIME_SECS: u64 = 7 * 24 * 60 * 60;

/// Words before the calldata in the bridge's message.
const HEAD_WORDS: usize = 9;
const WORD: usize = 32;

/// What the L1 inbox writes into the bridge for a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Whom it calls on the rollup.
    pub to: Address,
    /// What the call brings. Units: wei.
    pub call_value: U256,
    /// What arrived on L1 for all of it. Units: wei.
    pub deposit_value: U256,
    /// The most that keeping it may cost; the rest goes to `excess_refund`. Units: wei.
    pub max_submission_cost: U256,
    /// Who gets back fees that were not needed.
    pub excess_refund: Address,
    /// The beneficiary: who may cancel it at any time, and has the money of a ticket that expired.
    pub call_value_refund: Address,
    /// Gas of the automatic attempt.
    pub gas_limit: U256,
    /// The most that a unit of it may cost. Units: wei.
    pub max_fee_per_gas: U256,
    /// Calldata.
    pub data: Bytes,
}

/// Where in the bridge a message is, and who is said to have sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The rollup.
    pub chain_id: u64,
    /// The message's number in the bridge.
    pub message_number: U256,
    /// The sender as the bridge writes it, aliased.
    pub sender: Address,
    /// Base fee of the L1 block. Units: wei per gas.
    pub l1_base_fee: U256,
}

/// The bytes are no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a message of {length} bytes is no ticket")]
pub struct NoTicket {
    /// How long the message is.
    pub length: usize,
}

impl NoTicket {
    /// An endpoint handed out something else than the inbox wrote.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Transient
    }
}

impl Ticket {
    /// Reads the message of kind 9.
    ///
    /// # Errors
    /// If it is too short, or its calldata is not as long as it says.
    ///
    /// Source: nitro-contracts `AbsInbox._unsafeCreateRetryableTicket`.
    pub fn from_message(message: &[u8]) -> Result<Self, NoTicket> {
        let no_ticket = NoTicket { length: message.len() };
        let (head, data) = message.split_at_checked(HEAD_WORDS * WORD).ok_or(no_ticket)?;
        let (words, _) = head.as_chunks::<WORD>();
        let [to, call_value, deposit, submission, excess, refund, gas, fee, length] = words else {
            return Err(no_ticket);
        };
        let number = |word: &[u8; WORD]| U256::from_be_bytes(*word);
        let account = |word: &[u8; WORD]| Address::from_word(B256::from(*word));
        if number(length) != U256::from(data.len()) {
            return Err(no_ticket);
        }
        Ok(Self {
            to: account(to),
            call_value: number(call_value),
            deposit_value: number(deposit),
            max_submission_cost: number(submission),
            excess_refund: account(excess),
            call_value_refund: account(refund),
            gas_limit: number(gas),
            max_fee_per_gas: number(fee),
            data: Bytes::copy_from_slice(data),
        })
    }

    /// The ticket's id, which is also the hash of its creation on the rollup.
    ///
    /// Source: nitro go-ethereum `ArbitrumSubmitRetryableTx`.
    pub fn id(&self, origin: &Origin) -> B256 {
        Fields::default()
            .number(U256::from(origin.chain_id))
            .word(B256::from(origin.message_number))
            .address(origin.sender)
            .number(origin.l1_base_fee)
            .number(self.deposit_value)
            .number(self.max_fee_per_gas)
            .number(self.gas_limit)
            .receiver(self.to)
            .number(self.call_value)
            .address(self.call_value_refund)
            .number(self.max_submission_cost)
            .address(self.excess_refund)
            .bytes(&self.data)
            .hash(SUBMIT_RETRYABLE)
    }
}

/// Who holds the money of a ticket that has not run. Source: nitro `retryables.RetryableEscrowAddress`.
pub fn escrow_of(ticket_id: B256) -> Address {
    let hash = keccak256([b"retryable escrow".as_slice(), ticket_id.as_slice()].concat());
    Address::from_word(hash)
}
