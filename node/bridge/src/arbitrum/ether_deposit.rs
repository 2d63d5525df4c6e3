//! Ether from L1 without a call: the inbox's `depositEth`.

use super::ticket::Origin;
use super::typed::{DEPOSIT, Fields};
use alloy_primitives::{Address, B256, U256};

/// Ether that the rollup creates for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtherDeposit {
    /// Who gets it: the caller, or its alias if the caller has code on L1.
    pub to: Address,
    /// How much. Units: wei.
    pub value: U256,
}

impl EtherDeposit {
    /// Reads the message of kind 12; none if it is not 52 bytes long.
    ///
    /// Source: nitro-contracts `Inbox.depositEth`.
    pub fn from_message(message: &[u8]) -> Option<Self> {
        let (to, value) = message.split_at_checked(20)?;
        let value: [u8; 32] = value.try_into().ok()?;
        Some(Self { to: Address::from_slice(to), value: U256::from_be_bytes(value) })
    }

    /// The hash of its transaction on the rollup.
    ///
    /// Source: nitro go-ethereum `ArbitrumDepositTx`.
    pub fn hash(&self, origin: &Origin) -> B256 {
        Fields::default()
            .number(U256::from(origin.chain_id))
            .word(B256::from(origin.message_number))
            .address(origin.sender)
            .address(self.to)
            .number(self.value)
            .hash(DEPOSIT)
    }
}
