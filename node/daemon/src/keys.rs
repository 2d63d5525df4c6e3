//! The node's keys, as its parts may use them.

use lockstep_core::ids::{Digest, NodeId};
use lockstep_core::signature::StateSignature;
use lockstep_p2p::handshake::Handshake;
use lockstep_p2p::port::{NodeKey, SigningRefused};
use lockstep_signer::derive::DeriveError;
use lockstep_signer::harden::{HardenError, SwapGuard, harden_process};
use lockstep_signer::keystore::{KeystoreError, seed_file};
use lockstep_signer::mark::file::{MarkFile, MarkFileError, SyncPolicy};
use lockstep_signer::secret::{Password, PinError, PinPolicy};
use lockstep_signer::{ChannelSigner, KeyRing};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// The signer of this node's channels.
pub type Keys = ChannelSigner<MarkFile>;

/// Why there are no keys.
#[derive(Debug, Error)]
pub enum KeysError {
    /// The process could leak what it reads.
    #[error("keys are not read, since this process could leak them")]
    Harden(#[from] HardenError),
    /// The seed cannot be read.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The seed cannot be kept out of swap.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The signer's own memory cannot be read.
    #[error(transparent)]
    Marks(#[from] MarkFileError),
    /// No key comes out of the seed.
    #[error(transparent)]
    Derive(#[from] DeriveError),
}

impl KeysError {
    /// What the caller does about it.
    pub fn class(&self) -> lockstep_core::error::ErrorClass {
        match self {
            Self::Harden(error) => error.class(),
            Self::Keystore(error) => error.class(),
            Self::Pin(error) => error.class(),
            Self::Marks(error) => error.class(),
            Self::Derive(error) => error.class(),
        }
    }
}

/// Where the seed is.
#[must_use]
pub fn seed_path(data_dir: &Path) -> PathBuf {
    data_dir.join("seed.json")
}

/// Where the signer remembers what it has signed. Never part of a backup.
#[must_use]
pub fn marks_path(data_dir: &Path) -> PathBuf {
    data_dir.join("marks")
}

/// Makes the signer's memory, once in the life of a data folder.
///
/// # Errors
/// If there is one already, or it cannot be written.
pub fn create_marks(data_dir: &Path) -> Result<(), KeysError> {
    MarkFile::create(&marks_path(data_dir), SyncPolicy::EveryAppend)?;
    Ok(())
}

/// Reads the seed, and what was signed with it.
///
/// # Errors
/// [`KeysError`]; a missing memory of what was signed is one, since a node that has lost it must not sign as
/// if it were new.
pub fn open(
    data_dir: &Path,
    password: &Password,
    allow_swap: bool,
) -> Result<Arc<Keys>, KeysError> {
    if harden_process()? == SwapGuard::KeyPagesOnly {
        tracing::debug!("only the pages of keys are kept out of swap");
    }
    let ring = open_ring(data_dir, password, allow_swap)?;
    if !ring.is_pinned() {
        tracing::warn!("keys may be written to the swap device, as the configuration allows");
    }
    // The journal's guard is on disk before a request gets here; the marks are the second lock (ADR 10).
    let (file, book) = MarkFile::open(&marks_path(data_dir), SyncPolicy::OnDemand)?;
    Ok(Arc::new(ChannelSigner::new(ring, book, file)))
}

/// Reads the seed alone.
///
/// # Errors
/// [`KeysError`].
pub fn open_ring(
    data_dir: &Path,
    password: &Password,
    allow_swap: bool,
) -> Result<KeyRing, KeysError> {
    let phrase = seed_file::open(&seed_path(data_dir), password)?;
    let policy = if allow_swap { PinPolicy::BestEffort } else { PinPolicy::Required };
    Ok(KeyRing::new(&phrase, policy)?)
}

/// Accounts of one chain: the owner of our channels, and senders.
const ACCOUNTS_PER_CHAIN: u32 = 64;
/// Chains that have accounts of their own; chain ids further apart share them.
const CHAINS: u64 = 1 << 24;

/// The index of an account in the phrase: each chain has its own (P98). Number 0 owns our side of channels and
/// sends, the others only send.
#[must_use]
pub fn account_index(chain_id: u64, number: u32) -> u32 {
    let chain = u32::try_from(chain_id.checked_rem(CHAINS).unwrap_or_default()).unwrap_or_default();
    let first = chain.saturating_mul(ACCOUNTS_PER_CHAIN);
    first.saturating_add(number.min(ACCOUNTS_PER_CHAIN.saturating_sub(1)))
}

/// The node key, as the network side may use it.
pub struct HandshakeKey {
    keys: Arc<Keys>,
    node_id: NodeId,
}

impl HandshakeKey {
    /// The node key of these keys.
    ///
    /// # Errors
    /// If there is none.
    pub fn new(keys: Arc<Keys>) -> Result<Self, KeysError> {
        let node_id = keys.keys().node_id()?;
        Ok(Self { keys, node_id })
    }
}

impl NodeKey for HandshakeKey {
    fn node_id(&self) -> NodeId {
        self.node_id
    }

    fn sign_handshake(&self, handshake: &Handshake) -> Result<StateSignature, SigningRefused> {
        let digest: Digest = handshake.digest();
        self.keys.keys().sign_handshake(digest).map_err(|_| SigningRefused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn p98_every_chain_and_role_has_an_account_of_its_own() {
        let chains = [1, 10, 137, 300, 324, 8_453, 31_337, 42_161, 80_002, 84_532, 421_614];
        let test_networks = [11_155_111, 11_155_420];
        let numbers = 0..ACCOUNTS_PER_CHAIN;
        let all: Vec<u32> = chains
            .into_iter()
            .chain(test_networks)
            .flat_map(|chain| numbers.clone().map(move |number| account_index(chain, number)))
            .collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        // An index of BIP-32 without hardening has 31 bits.
        assert!(account_index(u64::MAX, u32::MAX) < 1 << 31);
    }
}
