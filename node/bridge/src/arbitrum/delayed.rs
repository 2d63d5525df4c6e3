//! The bridge's chain of messages from L1, and which of them the sequencer has taken.

use alloy_primitives::{Address, B256, U256, keccak256};

/// A signed or unsigned transaction. Source: nitro-contracts `MessageTypes`.
pub const L2_MESSAGE: u8 = 3;
/// A retryable ticket.
pub const RETRYABLE: u8 = 9;
/// Plain ether.
pub const ETHER_DEPOSIT: u8 = 12;
/// In an [`L2_MESSAGE`]: what follows is a signed transaction. Its sender stays who signed it.
pub const SIGNED_TRANSACTION: u8 = 4;

/// One message as the bridge counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayedMessage {
    /// What it is.
    pub kind: u8,
    /// Who sent it, aliased.
    pub sender: Address,
    /// L1 block.
    pub block_number: u64,
    /// Time of the L1 block. Units: seconds.
    pub timestamp: u64,
    /// Its place in the bridge.
    pub number: U256,
    /// Base fee of the L1 block. Units: wei per gas.
    pub base_fee: U256,
    /// Hash of what it says.
    pub data_hash: B256,
}

impl DelayedMessage {
    /// What the bridge hashes of it. Source: nitro-contracts `Messages.messageHash`.
    pub fn hash(&self) -> B256 {
        let mut packed = Vec::with_capacity(133);
        packed.push(self.kind);
        packed.extend_from_slice(self.sender.as_slice());
        packed.extend_from_slice(&self.block_number.to_be_bytes());
        packed.extend_from_slice(&self.timestamp.to_be_bytes());
        packed.extend_from_slice(&self.number.to_be_bytes::<32>());
        packed.extend_from_slice(&self.base_fee.to_be_bytes::<32>());
        packed.extend_from_slice(self.data_hash.as_slice());
        keccak256(packed)
    }

    /// The bridge's accumulator after it. Source: nitro-contracts `Messages.accumulateInboxMessage`.
    pub fn accumulate(&self, before: B256) -> B256 {
        keccak256([before, self.hash()].concat())
    }
}
