//! What the node key signs when a connection starts: an EIP-712 struct of both ends (P68, P69).

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::{Eip712Domain, SolStruct};
use k256::ecdsa::VerifyingKey;
use lockstep_core::ids::{Digest, NodeId};
use lockstep_core::signature::{SignatureError, SignerKey, StateSignature};

mod typed {
    //! The signed structs as a wallet would show them.
    #![allow(missing_docs)]

    alloy_sol_types::sol! {
        struct HandshakeEnd { bytes nodeKey; bytes peerId; bytes32 nonce; uint64 featuresRequired; uint64 featuresOptional; }
        struct Handshake { uint32 protocolVersion; HandshakeEnd signer; HandshakeEnd verifier; }
    }
}

/// What a handshake opens. A proof made for one is worth nothing for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A session between counterparties, by their node keys.
    Channel,
    /// A session of a node with a watchtower, by a session key and the tower's key.
    Tower,
}

impl Purpose {
    /// The name of the EIP-712 domain.
    fn domain_name(self) -> &'static str {
        match self {
            Self::Channel => "Lockstep",
            Self::Tower => "Lockstep Tower",
        }
    }
}

/// What one end of a connection says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeEnd {
    /// Its node key.
    pub node_id: NodeId,
    /// Its transport identity, as the transport authenticated it. Shape: a peer id's multihash.
    pub peer_id: Vec<u8>,
    /// Fresh per connection.
    pub nonce: B256,
    /// Feature bits that it insists on.
    pub features_required: u64,
    /// Feature bits that it can do without.
    pub features_optional: u64,
}

/// Both ends whole, so that neither can be swapped, replayed or downgraded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// What it opens.
    pub purpose: Purpose,
    /// Version of the transport protocol.
    pub protocol_version: u32,
    /// The end that signs.
    pub signer: HandshakeEnd,
    /// The end that checks.
    pub verifier: HandshakeEnd,
}

impl Handshake {
    /// The digest, in a domain without chain and contract: a node key belongs to none.
    pub fn digest(&self) -> Digest {
        let name = self.purpose.domain_name();
        let domain = Eip712Domain::new(Some(name.into()), Some("1".into()), None, None, None);
        let value = typed::Handshake {
            protocolVersion: self.protocol_version,
            signer: self.signer.typed(),
            verifier: self.verifier.typed(),
        };
        Digest(value.eip712_signing_hash(&domain))
    }

    /// Whether the signature is by the signer's node key.
    ///
    /// # Errors
    /// If it is not, or the node key is no key.
    pub fn verify(&self, signature: StateSignature) -> Result<(), SignatureError> {
        signer_key(self.signer.node_id)?.verify(self.digest(), signature)
    }
}

impl HandshakeEnd {
    fn typed(&self) -> typed::HandshakeEnd {
        typed::HandshakeEnd {
            nodeKey: Bytes::copy_from_slice(&self.node_id.0),
            peerId: Bytes::copy_from_slice(&self.peer_id),
            nonce: self.nonce,
            featuresRequired: self.features_required,
            featuresOptional: self.features_optional,
        }
    }
}

/// A node key, parsed.
///
/// # Errors
/// If the bytes are no point of the curve.
pub(crate) fn signer_key(node_id: NodeId) -> Result<SignerKey, SignatureError> {
    VerifyingKey::from_sec1_bytes(&node_id.0)
        .map(SignerKey::from_verifying_key)
        .map_err(|_| SignatureError::NotAKey)
}
