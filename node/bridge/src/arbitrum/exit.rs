//! A message from the rollup to L1, as the rollup's log has it and as L1 is asked to carry it out.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};

/// One message on its way to L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its number, which is also its place in the tree and the outbox's index.
    pub position: u64,
    /// Who sent it on the rollup.
    pub l2_sender: Address,
    /// Whom it calls on L1.
    pub to: Address,
    /// Block of the rollup.
    pub l2_block: U256,
    /// L1 block that the rollup knew then.
    pub l1_block: U256,
    /// Time of the rollup's block. Units: seconds.
    pub l2_timestamp: U256,
    /// What goes along. Units: wei.
    pub value: U256,
    /// Calldata on L1.
    pub data: Bytes,
}

impl Exit {
    /// What the rollup's log calls its hash. Source: nitro-contracts `Outbox.calculateItemHash`.
    pub fn item_hash(&self) -> B256 {
        let mut packed = Vec::with_capacity(168_usize.saturating_add(self.data.len()));
        packed.extend_from_slice(self.l2_sender.as_slice());
        packed.extend_from_slice(self.to.as_slice());
        for number in [self.l2_block, self.l1_block, self.l2_timestamp, self.value] {
            packed.extend_from_slice(&number.to_be_bytes::<32>());
        }
        packed.extend_from_slice(&self.data);
        keccak256(packed)
    }

    /// Its leaf in the tree of all messages to L1.
    pub fn leaf(&self) -> B256 {
        leaf_of(self.item_hash())
    }
}

/// The leaf of a message that only its hash is known of.
pub fn leaf_of(item_hash: B256) -> B256 {
    keccak256(item_hash)
}
