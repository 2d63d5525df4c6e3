//! All keys of one node, from one seed. Nothing is kept but the seed: a key is derived, used and wiped.

use std::fmt;

use k256::PublicKey;
use k256::ecdsa::VerifyingKey;
use lockstep_core::appointment::TowerAccess;
use lockstep_core::digest::{SigningDomain, possession_root};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{Digest, Domain, NodeId};
use lockstep_core::possession::{PossessionRoot, SignedRoot};
use lockstep_core::receipt::{Receipt, SignedReceipt};
use lockstep_core::request::KeyContext;
use lockstep_core::signature::{SignerKey, StateSignature};
use zeroize::Zeroizing;

use crate::account::{Account, AccountError};
use crate::derive::{DeriveError, KEY_BYTES, Role, derive_bytes, derive_scalar};
use crate::ecdsa::{EcdsaError, sign_digest};
use crate::phrase::{Phrase, SEED_BYTES};
use crate::secret::{PinError, PinPolicy, Secret};

/// No signature by a derived key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key could not be derived.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// The key could not sign.
    #[error(transparent)]
    Ecdsa(#[from] EcdsaError),
}

impl KeyError {
    /// That of its cause.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Derive(error) => error.class(),
            Self::Ecdsa(error) => error.class(),
        }
    }
}

/// The keys of one node.
pub struct KeyRing {
    seed: Secret<SEED_BYTES>,
}

impl KeyRing {
    /// The keys that belong to a phrase.
    ///
    /// # Errors
    /// [`PinError`] when the seed's page can't be pinned and `policy` asks for it.
    pub fn new(phrase: &Phrase, policy: PinPolicy) -> Result<Self, PinError> {
        Ok(Self { seed: phrase.seed(policy)? })
    }

    /// Whether the seed is kept out of swap.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.seed.is_pinned()
    }

    /// The account at `m/44'/60'/0'/0/index`.
    ///
    /// # Errors
    /// [`AccountError`] for an index of 2^31 or more.
    pub fn account(&self, index: u32) -> Result<Account, AccountError> {
        Account::derive(&self.seed, index)
    }

    /// The name of this node among its peers.
    ///
    /// # Errors
    /// [`DeriveError`], which does not happen.
    pub fn node_id(&self) -> Result<NodeId, DeriveError> {
        let key = self.public_key(Role::Node, &[])?;
        Ok(NodeId(key.to_compressed()))
    }

    /// The 32 bytes that the libp2p identity is made of.
    ///
    /// # Errors
    /// [`DeriveError`], which does not happen.
    pub fn transport_secret(&self) -> Result<Zeroizing<[u8; KEY_BYTES]>, DeriveError> {
        derive_bytes(&self.seed, Role::Transport, &[], 0)
    }

    /// The 32 bytes of the session with one tower.
    ///
    /// # Errors
    /// [`DeriveError`], which does not happen.
    pub fn tower_secret(&self, tower: &NodeId) -> Result<Zeroizing<[u8; KEY_BYTES]>, DeriveError> {
        derive_bytes(&self.seed, Role::Tower, &[&tower.0], 0)
    }

    /// The 32 bytes that backups are sealed with.
    ///
    /// # Errors
    /// [`DeriveError`], which does not happen.
    pub fn backup_secret(&self) -> Result<Zeroizing<[u8; KEY_BYTES]>, DeriveError> {
        derive_bytes(&self.seed, Role::Backup, &[], 0)
    }

    /// Signs the digest of a handshake with the node key. That key names this node on connections; it is in
    /// no channel's terms and owns nothing, so a digest that it was tricked into moves no money.
    ///
    /// # Errors
    /// [`KeyError`], which does not happen.
    pub fn sign_handshake(&self, digest: Digest) -> Result<StateSignature, KeyError> {
        let secret = derive_scalar(&self.seed, Role::Node, &[&[]])?;
        let public = self.public_key(Role::Node, &[])?;
        Ok(sign_digest(&secret, &public, digest)?)
    }

    /// Signs one side's word that an account at a tower acts for it, with the channel's key.
    ///
    /// It is no evidence and takes no version, so it needs neither the journal nor a mark: a node that has
    /// lost its journal asks its towers with it.
    ///
    /// # Errors
    /// [`KeyError`], which does not happen.
    pub fn sign_tower_access(
        &self,
        context: &KeyContext,
        access: &TowerAccess,
    ) -> Result<StateSignature, KeyError> {
        let public = self.channel_key(context)?;
        let digest = SigningDomain::new(context.domain).tower_access(access);
        self.sign_for_channel(context, &public, digest)
    }

    /// The key of this node's session with one tower; it names the account there and nothing elsewhere.
    ///
    /// # Errors
    /// [`DeriveError`], which does not happen.
    pub fn tower_session_key(&self, tower: &NodeId) -> Result<SignerKey, DeriveError> {
        self.public_key(Role::Tower, &tower.0)
    }

    /// Signs the digest of a handshake with one tower, with the key of that session.
    ///
    /// # Errors
    /// [`KeyError`], which does not happen.
    pub fn sign_tower_handshake(
        &self,
        tower: &NodeId,
        digest: Digest,
    ) -> Result<StateSignature, KeyError> {
        let secret = derive_scalar(&self.seed, Role::Tower, &[&tower.0])?;
        let public = self.tower_session_key(tower)?;
        Ok(sign_digest(&secret, &public, digest)?)
    }

    /// Signs a receipt with the node key: what a tower promises under its own name.
    ///
    /// # Errors
    /// [`KeyError`], which does not happen.
    pub fn sign_receipt(
        &self,
        domain: Domain,
        receipt: &Receipt,
    ) -> Result<SignedReceipt, KeyError> {
        let signature = self.sign_handshake(SigningDomain::new(domain).receipt(receipt))?;
        Ok(SignedReceipt { receipt: *receipt, signature })
    }

    /// Signs a root of what a tower holds with the node key.
    ///
    /// # Errors
    /// [`KeyError`], which does not happen.
    pub fn sign_possession_root(&self, root: &PossessionRoot) -> Result<SignedRoot, KeyError> {
        let signature = self.sign_handshake(possession_root(root))?;
        Ok(SignedRoot { root: *root, signature })
    }

    /// The public half of a channel's signing key; its address goes into the terms.
    ///
    /// # Errors
    /// [`DeriveError`], which does not happen.
    pub fn channel_key(&self, context: &KeyContext) -> Result<SignerKey, DeriveError> {
        self.public_key(Role::Channel, &channel_context(context))
    }

    /// Signs for a channel. Crate-private: only [`crate::signer::ChannelSigner`] decides what may be signed.
    pub(crate) fn sign_for_channel(
        &self,
        context: &KeyContext,
        public: &SignerKey,
        digest: Digest,
    ) -> Result<StateSignature, KeyError> {
        let secret = derive_scalar(&self.seed, Role::Channel, &[&channel_context(context)])?;
        Ok(sign_digest(&secret, public, digest)?)
    }

    fn public_key(&self, role: Role, context: &[u8]) -> Result<SignerKey, DeriveError> {
        let secret = derive_scalar(&self.seed, role, &[context])?;
        let key = VerifyingKey::from(PublicKey::from_secret_scalar(&secret));
        Ok(SignerKey::from_verifying_key(key))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(redacted)")
    }
}

/// Units: bytes of an encoded key context.
pub(crate) const CONTEXT_BYTES: usize = 130;

/// Shape: kind of chain 1 | chain id 32 | contract 32 | peer's node key 33 | salt 32. Fixed widths, so no two contexts
/// share an encoding; the kind keeps an EVM chain apart from a StarkNet chain of the same number.
pub(crate) fn channel_context(context: &KeyContext) -> [u8; CONTEXT_BYTES] {
    let kind: u8 = match context.domain {
        Domain::Evm { .. } => 1,
        Domain::Starknet { .. } => 2,
    };
    let chain = context.domain.chain_word();
    let contract = context.domain.contract().to_word();
    let parts = std::iter::once(&kind)
        .chain(chain.iter())
        .chain(contract.iter())
        .chain(&context.peer.0)
        .chain(context.salt.iter());
    let mut bytes = [0; CONTEXT_BYTES];
    for (to, from) in bytes.iter_mut().zip(parts) {
        *to = *from;
    }
    bytes
}
