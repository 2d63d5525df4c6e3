//! One attempt to run a ticket.

use super::typed::{Fields, RETRY};
use alloy_primitives::{Address, B256, Bytes, U256};

/// What an attempt is made of; the rollup announces it in `RedeemScheduled`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeem {
    /// The rollup.
    pub chain_id: u64,
    /// How many attempts there were before.
    pub attempt: u64,
    /// Who calls: the ticket's aliased sender.
    pub from: Address,
    /// Price of gas, which is the base fee of the block. Units: wei per gas.
    pub gas_fee_cap: U256,
    /// Gas that it may use.
    pub gas: u64,
    /// Whom it calls.
    pub to: Address,
    /// What the call brings. Units: wei.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
    /// Of which ticket.
    pub ticket_id: B256,
    /// Who gets back gas that was not used.
    pub refund_to: Address,
    /// The most that is given back. Units: wei.
    pub max_refund: U256,
    /// What of it was paid for keeping the ticket. Units: wei.
    pub submission_fee_refund: U256,
}

impl Redeem {
    /// The attempt's transaction hash.
    ///
    /// Source: nitro go-ethereum `ArbitrumRetryTx`.
    pub fn hash(&self) -> B256 {
        Fields::default()
            .number(U256::from(self.chain_id))
            .number(U256::from(self.attempt))
            .address(self.from)
            .number(self.gas_fee_cap)
            .number(U256::from(self.gas))
            .receiver(self.to)
            .number(self.value)
            .bytes(&self.data)
            .word(self.ticket_id)
            .address(self.refund_to)
            .number(self.max_refund)
            .number(self.submission_fee_refund)
            .hash(RETRY)
    }
}
