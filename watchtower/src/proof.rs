//! Once an epoch: a signed root over everything that is held, bound to a block that has just become final.

use std::sync::{Arc, PoisonError, RwLock};

use alloy_primitives::{Address, B256};
use lockstep_core::ids::ChannelId;
use lockstep_core::money::AmountError;
use lockstep_core::possession::{
    PossessionProof, PossessionRoot, SignedRoot, SumNode, levels, path,
};
use lockstep_core::time::BlockNumber;
use lockstep_signer::KeyRing;
use lockstep_signer::key_ring::KeyError;
use thiserror::Error;

use crate::holding::{Holding, Holdings};

/// Why there is no new root.
#[derive(Debug, Error)]
pub enum ProofError {
    /// What is insured does not fit.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The key does not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl ProofError {
    /// It is tried again with the next epoch.
    pub fn class(&self) -> lockstep_core::error::ErrorClass {
        match self {
            Self::Amount(error) => error.class(),
            Self::Key(error) => error.class(),
        }
    }
}

/// A block that nobody could foresee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshBlock {
    /// Its chain.
    pub chain_id: u64,
    /// Its number.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: B256,
}

/// The newest tree.
struct Tree {
    signed: SignedRoot,
    levels: Vec<Vec<SumNode>>,
    /// Which channel each leaf is of, in order.
    channels: Vec<ChannelId>,
}

/// The proofs that a tower can give.
pub struct Proofs {
    keys: Arc<KeyRing>,
    tower: Address,
    tree: RwLock<Option<Tree>>,
}

impl Proofs {
    /// None yet.
    pub fn new(keys: Arc<KeyRing>, tower: Address) -> Self {
        Self { keys, tower, tree: RwLock::new(None) }
    }

    /// The newest root.
    pub fn root(&self) -> Option<SignedRoot> {
        let tree = self.tree.read().unwrap_or_else(PoisonError::into_inner);
        tree.as_ref().map(|tree| tree.signed)
    }

    /// The path of a channel under the newest root; none if it came later.
    pub fn prove(&self, channel_id: ChannelId) -> Option<PossessionProof> {
        let tree = self.tree.read().unwrap_or_else(PoisonError::into_inner);
        let tree = tree.as_ref()?;
        let place = tree.channels.binary_search(&channel_id).ok()?;
        let insured = tree.levels.first()?.get(place)?.insured;
        let path = path(&tree.levels, place)?;
        Some(PossessionProof { signed: tree.signed, insured, path })
    }

    /// Signs a root over everything that is kept. Without records there is nothing to prove. A million of them
    /// take seconds of computing: not for a task that others wait for.
    ///
    /// # Errors
    /// [`ProofError`]; the root before stays.
    pub fn renew(&self, holdings: &Holdings, block: FreshBlock) -> Result<(), ProofError> {
        let Some(held) = holdings.all() else { return Ok(()) };
        let leaf = |held: &Holding| SumNode::leaf(held.record, block.hash, held.insured);
        let leaves = held.iter().map(leaf).collect();
        let channels: Vec<_> = held.iter().map(|held| held.channel_id).collect();
        drop(held);
        let levels = levels(leaves)?;
        let top = levels.last().and_then(|level| level.first()).copied();
        let Some(root) = top else {
            *self.tree.write().unwrap_or_else(PoisonError::into_inner) = None;
            return Ok(());
        };
        let root = PossessionRoot {
            tower: self.tower,
            epoch: self.root().map_or(1, |before| before.root.epoch.saturating_add(1)),
            chain_id: block.chain_id,
            block_number: block.number,
            block_hash: block.hash,
            root,
            channels: u64::try_from(channels.len()).unwrap_or(u64::MAX),
        };
        let signed = self.keys.sign_possession_root(&root)?;
        let tree = Tree { signed, levels, channels };
        *self.tree.write().unwrap_or_else(PoisonError::into_inner) = Some(tree);
        Ok(())
    }
}
