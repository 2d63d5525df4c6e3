//! How a tower proves that it still has what it gave receipts for: a Merkle tree that also sums what is
//! insured, over leaves that nobody could have made before a fresh block was final.
//!
//! Source: watchtower §5.

use crate::ids::ChainRef;
use crate::money::{Amount, AmountError};
use crate::signature::{SignatureError, SignerKey, StateSignature};
use crate::time::BlockNumber;
use alloy_primitives::{Address, B256, keccak256};
use thiserror::Error;

/// Steps of a path: a tree of `2^40` channels is more than a tower can hold.
pub const MAX_PATH_STEPS: usize = 40;

/// Marks a leaf, so that no inner node can be passed off as one.
const LEAF_TAG: u8 = 0;
/// Marks an inner node.
const NODE_TAG: u8 = 1;

/// A node of the tree: its hash, and what is insured below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SumNode {
    /// Hash of what is below.
    pub hash: B256,
    /// Sum of what is insured below.
    pub insured: Amount,
}

impl SumNode {
    /// The leaf of a record at a block that nobody could foresee.
    pub fn leaf(record: B256, block_hash: B256, insured: Amount) -> Self {
        let bytes = [LEAF_TAG]
            .into_iter()
            .chain(record)
            .chain(block_hash)
            .chain(insured.to_be_bytes())
            .collect::<Vec<u8>>();
        Self { hash: keccak256(bytes), insured }
    }

    /// The node above two: its hash covers both sums, so that neither can be left out of the total.
    ///
    /// # Errors
    /// If the sum does not fit.
    pub fn above(left: Self, right: Self) -> Result<Self, AmountError> {
        let bytes = [NODE_TAG]
            .into_iter()
            .chain(left.hash)
            .chain(left.insured.to_be_bytes())
            .chain(right.hash)
            .chain(right.insured.to_be_bytes())
            .collect::<Vec<u8>>();
        Ok(Self { hash: keccak256(bytes), insured: left.insured.checked_add(right.insured)? })
    }
}

/// One step up: the node beside the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathStep {
    /// The other child.
    pub sibling: SumNode,
    /// Whether it is the left one.
    pub is_left: bool,
}

/// What a tower signs once an epoch: how much it holds, as of a block that was final then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PossessionRoot {
    /// Address of the tower's key.
    pub tower: Address,
    /// Counts the roots.
    pub epoch: u64,
    /// The chain of the block.
    pub chain_id: u64,
    /// The block.
    pub block_number: BlockNumber,
    /// Its hash.
    pub block_hash: B256,
    /// The tree's root.
    pub root: SumNode,
    /// How many channels the tree has.
    pub channels: u64,
}

/// A root with the tower's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignedRoot {
    /// What is claimed.
    pub root: PossessionRoot,
    /// By the tower's key.
    pub signature: StateSignature,
}

/// The way from one channel's leaf to a signed root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PossessionProof {
    /// The root.
    pub signed: SignedRoot,
    /// What is insured for the channel.
    pub insured: Amount,
    /// From the leaf up. Shape: at most [`MAX_PATH_STEPS`].
    pub path: Vec<PathStep>,
}

/// Why a proof of possession is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PossessionError {
    /// The root is not signed by the tower.
    #[error("root is not signed by the tower")]
    Signature(#[source] SignatureError),
    /// It is another tower's.
    #[error("root is of tower {found}")]
    OtherTower {
        /// Whose it is.
        found: Address,
    },
    /// The block is not the one that was asked for.
    #[error("block {found} is not the final one that is known under its number")]
    OtherBlock {
        /// What the root names.
        found: B256,
    },
    /// More steps than a tree can have.
    #[error("path has {steps} steps")]
    TooLong {
        /// How many.
        steps: usize,
    },
    /// The sums do not fit.
    #[error("insured sums do not fit")]
    Amount(#[from] AmountError),
    /// The path does not lead to the root: the record is not what we left, or not there.
    #[error("path leads to {found}, the root is {expected}")]
    NotUnderRoot {
        /// The signed root.
        expected: B256,
        /// Where the path leads.
        found: B256,
    },
    /// Less is insured than the receipt says.
    #[error("{found} is insured, the receipt says {promised}")]
    Underinsured {
        /// In the leaf.
        found: Amount,
        /// In the receipt.
        promised: Amount,
    },
}

impl PossessionError {
    /// A proof that does not hold is evidence against the tower.
    pub fn class(&self) -> crate::error::ErrorClass {
        match self {
            Self::Signature(_)
            | Self::OtherTower { .. }
            | Self::OtherBlock { .. }
            | Self::TooLong { .. }
            | Self::Amount(_)
            | Self::NotUnderRoot { .. }
            | Self::Underinsured { .. } => crate::error::ErrorClass::PeerFault,
        }
    }
}

impl PossessionRoot {
    /// The chain of the block.
    pub fn chain(&self) -> ChainRef {
        ChainRef::Evm(self.chain_id)
    }
}

impl SignedRoot {
    /// Whether this tower has signed it.
    ///
    /// # Errors
    /// [`PossessionError`].
    pub fn verify(&self, tower: &SignerKey) -> Result<(), PossessionError> {
        if self.root.tower != tower.address() {
            return Err(PossessionError::OtherTower { found: self.root.tower });
        }
        tower
            .verify(crate::digest::possession_root(&self.root), self.signature)
            .map_err(PossessionError::Signature)
    }
}

impl PossessionProof {
    /// Whether the tower has this record. `block_hash` is what our own endpoints give for the root's
    /// block number: without it the tower could have made the leaf long ago.
    ///
    /// # Errors
    /// [`PossessionError`].
    pub fn verify(
        &self,
        tower: &SignerKey,
        record: B256,
        block_hash: B256,
        promised: Amount,
    ) -> Result<(), PossessionError> {
        self.signed.verify(tower)?;
        let root = &self.signed.root;
        if root.block_hash != block_hash {
            return Err(PossessionError::OtherBlock { found: root.block_hash });
        }
        let steps = self.path.len();
        if steps > MAX_PATH_STEPS {
            return Err(PossessionError::TooLong { steps });
        }
        if self.insured < promised {
            return Err(PossessionError::Underinsured { found: self.insured, promised });
        }
        let mut node = SumNode::leaf(record, block_hash, self.insured);
        for step in &self.path {
            node = if step.is_left {
                SumNode::above(step.sibling, node)?
            } else {
                SumNode::above(node, step.sibling)?
            };
        }
        if node == root.root {
            Ok(())
        } else {
            Err(PossessionError::NotUnderRoot { expected: root.root.hash, found: node.hash })
        }
    }
}

/// All levels of a tree over its leaves, the leaves first and the root last; none without leaves.
///
/// A node without a sibling rises unchanged, so no leaf is counted twice.
///
/// # Errors
/// If the sum does not fit.
pub fn levels(leaves: Vec<SumNode>) -> Result<Vec<Vec<SumNode>>, AmountError> {
    if leaves.is_empty() {
        return Ok(Vec::new());
    }
    let mut levels = vec![leaves];
    while let Some(below) = levels.last().filter(|level| level.len() > 1) {
        let above = below
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => SumNode::above(*left, *right),
                [single] => Ok(*single),
                // Chunks of two have one or two.
                _ => Ok(SumNode::default()),
            })
            .collect::<Result<Vec<_>, _>>()?;
        levels.push(above);
    }
    Ok(levels)
}

/// The path of one leaf; none if there is no such leaf.
pub fn path(levels: &[Vec<SumNode>], leaf: usize) -> Option<Vec<PathStep>> {
    levels.first()?.get(leaf)?;
    let mut steps = Vec::new();
    let mut index = leaf;
    for level in levels {
        let is_left = index % 2 == 1;
        let beside = if is_left { index.checked_sub(1)? } else { index.checked_add(1)? };
        if let Some(sibling) = level.get(beside) {
            steps.push(PathStep { sibling: *sibling, is_left });
        }
        index /= 2;
    }
    Some(steps)
}

#[cfg(test)]
mod tests;
