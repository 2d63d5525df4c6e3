//! Once an epoch: a signed root over everything that is held, bound to a block that has just become final.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use alloy_primitives::{Address, B256};
use lockstep_core::appointment::record_hash;
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{ChannelId, Version};
use lockstep_core::money::{Amount, AmountError};
use lockstep_core::possession::{
    PossessionProof, PossessionRoot, SignedRoot, SumNode, levels, path,
};
use lockstep_core::time::BlockNumber;
use lockstep_signer::KeyRing;
use lockstep_signer::key_ring::KeyError;
use thiserror::Error;

use crate::record::{Record, channel_of};
use crate::store::{TowerStore, TowerStoreError};

/// Records that are read at a time.
const PAGE: usize = 1_024;

/// Why there is no new root.
#[derive(Debug, Error)]
pub enum ProofError {
    /// The store.
    #[error(transparent)]
    Store(#[from] TowerStoreError),
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
            Self::Store(error) => error.class(),
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
    /// Place, version and insured sum of each channel.
    places: BTreeMap<ChannelId, (usize, Version, Amount)>,
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
        let (place, _, insured) = *tree.places.get(&channel_id)?;
        let path = path(&tree.levels, place)?;
        Some(PossessionProof { signed: tree.signed, insured, path })
    }

    /// Reads every record, and signs a root over them. Without records there is nothing to prove.
    ///
    /// # Errors
    /// [`ProofError`]; the root before stays.
    pub async fn renew(&self, store: &TowerStore, block: FreshBlock) -> Result<(), ProofError> {
        let (mut leaves, mut places, mut after) = (Vec::new(), BTreeMap::new(), None);
        loop {
            let page = store.records(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(channel_of(last));
            for record in &page {
                let version = record.appointment.state.version;
                places.insert(channel_of(record), (leaves.len(), version, record.insured));
                leaves.push(leaf(record, block.hash));
            }
        }
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
            channels: u64::try_from(places.len()).unwrap_or(u64::MAX),
        };
        let signed = self.keys.sign_possession_root(&root)?;
        let tree = Tree { signed, levels, places };
        *self.tree.write().unwrap_or_else(PoisonError::into_inner) = Some(tree);
        Ok(())
    }
}

fn leaf(record: &Record, block_hash: B256) -> SumNode {
    let appointment = &record.appointment;
    let digest = SigningDomain::new(appointment.domain).state(&appointment.state);
    let hash = record_hash(appointment.state.channel_id, digest, &appointment.signatures);
    SumNode::leaf(hash, block_hash, record.insured)
}
