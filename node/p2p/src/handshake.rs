//! The signed handshake, without IO: what each side says, checks and signs, in which order.
//!
//! The stream's opener is the dialer. Both say hello at once; the dialer proves its node key first, so
//! that a listener checks a stranger's signature before it spends one of its own:
//!
//! ```text
//! dialer                                  listener
//!   Hello{version, features, key, nonce} ->
//!                                        <- Hello
//!   HelloProof{signature}                ->
//!                                        <- HelloProof
//! ```
//! A proof covers both hellos and both peer ids as the transport authenticated them. It is worth nothing
//! on another connection, in the other direction, or under another set of features.

mod binding;

use alloy_primitives::B256;
use libp2p::PeerId;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::NodeId;
use lockstep_core::signature::{SignatureError, StateSignature};
use lockstep_core::terms::Features;
use thiserror::Error;

pub(crate) use binding::signer_key;
pub use binding::{Handshake, HandshakeEnd, Purpose};

/// The version of the handshake and of all frames. Another one is refused: there is no downgrade (P69).
pub const PROTOCOL_VERSION: u32 = 1;

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// The peer speaks another version.
    #[error("peer speaks version {theirs} of the protocol, this node {PROTOCOL_VERSION}")]
    Version {
        /// The peer's.
        theirs: u32,
    },
    /// The peer insists on a feature that we do not have.
    #[error("peer requires features {bits:#x}, which this node does not have")]
    UnknownRequiredFeature {
        /// The bits that we lack.
        bits: u64,
    },
    /// The peer lacks a feature that we insist on.
    #[error("peer lacks features {bits:#x}, which this node requires")]
    MissingFeature {
        /// The bits that the peer lacks.
        bits: u64,
    },
    /// The peer is known under another node key.
    #[error("peer shows another node key than the one it is known by")]
    OtherNodeKey {
        /// What it is known by.
        expected: NodeId,
        /// What it shows.
        found: NodeId,
    },
    /// The node key is known with another peer.
    #[error("node key belongs to another peer")]
    OtherPeer {
        /// The node key.
        node_id: NodeId,
    },
    /// The peer shows our own node key.
    #[error("peer shows this node's own key")]
    OwnKey,
    /// The peer sent our own nonce back.
    #[error("peer reflects this node's nonce")]
    ReflectedNonce,
    /// The proof is not one.
    #[error("proof of the node key does not hold")]
    Proof(#[source] SignatureError),
}

impl HandshakeError {
    /// Versions and features may differ between honest peers; the rest is an attack or a wrong invite.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Version { .. }
            | Self::UnknownRequiredFeature { .. }
            | Self::MissingFeature { .. }
            | Self::OwnKey => ErrorClass::Refused,
            Self::OtherNodeKey { .. }
            | Self::OtherPeer { .. }
            | Self::ReflectedNonce
            | Self::Proof(_) => ErrorClass::PeerFault,
        }
    }
}

/// Which life of a journal speaks: how a peer's restored backup is noticed (P47).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalHead {
    /// Drawn once, when the journal was created.
    pub journal_id: [u8; 16],
    /// Counts the times it was opened.
    pub epoch: u64,
    /// Drawn at each opening.
    pub incarnation: [u8; 16],
}

/// The features of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureOffer {
    /// A peer without them is refused.
    pub required: Features,
    /// Used where both have them.
    pub optional: Features,
}

/// A hello whose widths are checked and whose meaning is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The sender's version of the protocol.
    pub protocol_version: u32,
    /// Feature bits that the sender insists on, unknown ones included.
    pub features_required: u64,
    /// Feature bits that it can do without.
    pub features_optional: u64,
    /// Its node key.
    pub node_id: NodeId,
    /// Fresh per connection.
    pub nonce: B256,
    /// Which life of its journal speaks.
    pub head: Option<JournalHead>,
    /// The latest head of the receiver's journal that the sender has seen.
    pub seen_head: Option<JournalHead>,
}

/// Who has opened the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We did; we prove first.
    Dialer,
    /// The peer did.
    Listener,
}

/// A handshake that waits for the peer's hello.
#[derive(Clone, Debug)]
pub struct Opening {
    purpose: Purpose,
    local_peer: PeerId,
    remote_peer: PeerId,
    ours: Hello,
}

/// A handshake whose hellos fit; proofs are exchanged next.
#[derive(Clone, Debug)]
pub struct Proving {
    purpose: Purpose,
    ours: HandshakeEnd,
    theirs: HandshakeEnd,
    features: Features,
    heads: (Option<JournalHead>, Option<JournalHead>),
}

/// What a finished handshake has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The peer's node key, proven.
    pub node_id: NodeId,
    /// What both have.
    pub features: Features,
    /// Which life of the peer's journal speaks.
    pub head: Option<JournalHead>,
    /// The latest head of our journal that the peer has seen.
    pub seen_head: Option<JournalHead>,
}

impl Hello {
    /// Our own hello.
    pub fn new(
        node_id: NodeId,
        features: FeatureOffer,
        nonce: B256,
        head: Option<JournalHead>,
        seen_head: Option<JournalHead>,
    ) -> Self {
        Self {
            protocol_version: PROTOCOL_VERSION,
            features_required: features.required.bits(),
            features_optional: features.optional.bits(),
            node_id,
            nonce,
            head,
            seen_head,
        }
    }

    fn end(&self, peer: PeerId) -> HandshakeEnd {
        HandshakeEnd {
            node_id: self.node_id,
            peer_id: peer.to_bytes(),
            nonce: self.nonce,
            features_required: self.features_required,
            features_optional: self.features_optional,
        }
    }

    fn offered(&self) -> u64 {
        self.features_required | self.features_optional
    }
}

impl Opening {
    /// A handshake between two peers whom the transport has authenticated.
    pub fn new(local_peer: PeerId, remote_peer: PeerId, ours: Hello) -> Self {
        Self { purpose: Purpose::Channel, local_peer, remote_peer, ours }
    }

    /// The same, for a session with a watchtower.
    pub fn with_tower(local_peer: PeerId, remote_peer: PeerId, ours: Hello) -> Self {
        Self { purpose: Purpose::Tower, local_peer, remote_peer, ours }
    }

    /// Our hello.
    pub fn hello(&self) -> &Hello {
        &self.ours
    }

    /// Checks the peer's hello; no curve arithmetic happens here. `expected` is the node key that the
    /// peer is known by, if it is known.
    ///
    /// # Errors
    /// On the first thing that does not fit.
    pub fn receive_hello(
        self,
        theirs: &Hello,
        expected: Option<NodeId>,
    ) -> Result<Proving, HandshakeError> {
        if theirs.protocol_version != PROTOCOL_VERSION {
            return Err(HandshakeError::Version { theirs: theirs.protocol_version });
        }
        let lacking = theirs.features_required & !self.ours.offered();
        if lacking != 0 {
            return Err(HandshakeError::UnknownRequiredFeature { bits: lacking });
        }
        let missing = self.ours.features_required & !theirs.offered();
        if missing != 0 {
            return Err(HandshakeError::MissingFeature { bits: missing });
        }
        if theirs.node_id == self.ours.node_id {
            return Err(HandshakeError::OwnKey);
        }
        if theirs.nonce == self.ours.nonce {
            return Err(HandshakeError::ReflectedNonce);
        }
        if let Some(expected) = expected
            && expected != theirs.node_id
        {
            return Err(HandshakeError::OtherNodeKey { expected, found: theirs.node_id });
        }
        // Both factors hold known bits only, since ours do.
        let common = self.ours.offered() & theirs.offered();
        Ok(Proving {
            purpose: self.purpose,
            ours: self.ours.end(self.local_peer),
            theirs: theirs.end(self.remote_peer),
            features: Features::from_bits(common).unwrap_or(Features::NONE),
            heads: (theirs.head, theirs.seen_head),
        })
    }
}

impl Proving {
    /// What we sign.
    pub fn to_sign(&self) -> Handshake {
        Handshake {
            purpose: self.purpose,
            protocol_version: PROTOCOL_VERSION,
            signer: self.ours.clone(),
            verifier: self.theirs.clone(),
        }
    }

    /// Checks the peer's proof.
    ///
    /// # Errors
    /// If it is not by the node key that the peer shows, over exactly this handshake.
    pub fn verify(&self, proof: StateSignature) -> Result<Authenticated, HandshakeError> {
        let signed = Handshake {
            purpose: self.purpose,
            protocol_version: PROTOCOL_VERSION,
            signer: self.theirs.clone(),
            verifier: self.ours.clone(),
        };
        signed.verify(proof).map_err(HandshakeError::Proof)?;
        Ok(Authenticated {
            node_id: self.theirs.node_id,
            features: self.features,
            head: self.heads.0,
            seen_head: self.heads.1,
        })
    }
}
