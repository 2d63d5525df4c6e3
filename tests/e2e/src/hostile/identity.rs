//! Who an attacker says it is: a transport identity and a node key, both from a number.

use k256::ecdsa::SigningKey;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use lockstep_core::ids::{Digest, NodeId};
use lockstep_core::signature::{SignerKey, StateSignature};

/// An identity whose secrets are no secrets.
#[derive(Clone)]
pub struct Identity {
    keypair: Keypair,
    key: SigningKey,
}

impl Identity {
    /// The identity of a number. An honest node with a small number has the same.
    pub fn new(number: u32) -> Self {
        let mut keypair = Self::secret(number);
        let keypair = Keypair::ed25519_from_bytes(&mut keypair).expect("any 32 bytes will do");
        let key = SigningKey::from_slice(&Self::secret(number)).expect("far below the order");
        Self { keypair, key }
    }

    /// The transport secret and the node key's secret of a number.
    pub fn secret(number: u32) -> [u8; 32] {
        let mut secret = [0x11; 32];
        secret[..4].copy_from_slice(&number.to_be_bytes());
        secret
    }

    /// The same node key behind another transport identity.
    #[must_use]
    pub fn with_node_key_of(&self, number: u32) -> Self {
        Self { keypair: self.keypair.clone(), key: Self::new(number).key }
    }

    /// The transport identity.
    pub fn keypair(&self) -> &Keypair {
        &self.keypair
    }

    /// The peer id.
    pub fn peer_id(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// The node key's public half.
    pub fn node_id(&self) -> NodeId {
        NodeId(SignerKey::from_verifying_key(*self.key.verifying_key()).to_compressed())
    }

    /// Signs whatever it is told to.
    pub fn sign(&self, digest: Digest) -> StateSignature {
        let signed = self.key.sign_prehash_recoverable(digest.0.as_slice());
        let (signature, recovery) = signed.expect("a digest of 32 bytes can be signed");
        StateSignature::from_parts(&signature, recovery).expect("a signature of our own is low")
    }
}
