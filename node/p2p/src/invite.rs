//! Invites: all that a counterparty needs to find us, know us, and offer a channel, in one line of text.
//!
//! `lockstep:` and base32 of the bytes with a checksum. It is a claim, not a credential: whoever dials by
//! it checks the peer id in the transport's handshake and the node key in ours.
//!
//! Version 1, in bytes: version 1 | flags 1 (bit 0: terms) | chain | node key 33 | peer id | count 1 and so
//! many addresses | terms. A chain is its kind 1 and chain id 8, contract 20 (EVM) or chain id 32, hub 32
//! (StarkNet). Peer ids, addresses and amounts have their length before them, in one byte. Terms are token
//! 20 or 32, challenge period 4, deposit, deposit.

mod bytes;
mod qr;
mod text;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{AccountRef, Domain, NodeId};
use lockstep_core::money::Amount;
use thiserror::Error;

use crate::contact::Contact;
use crate::handshake::signer_key;
use crate::limits::MAX_ADDRESSES;

pub use text::{MAX_TEXT_BYTES, SCHEME};

/// What the inviter would agree to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InviteTerms {
    /// The token; zero is the chain's own coin.
    pub token: AccountRef,
    /// Units: seconds between the start of a close and its settlement.
    pub challenge_period: u32,
    /// What the opener, who takes the invite, is asked to bring.
    pub opener_deposit: Amount,
    /// What the inviter would bring.
    pub inviter_deposit: Amount,
}

/// Who we are and where, for one counterparty to be.
///
/// # Invariants
/// The node key is a key, there are 1 to [`MAX_ADDRESSES`] addresses, none names another peer as its end,
/// and the token belongs to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    domain: Domain,
    node_id: NodeId,
    peer_id: PeerId,
    addresses: Vec<Multiaddr>,
    terms: Option<InviteTerms>,
}

/// Why there is no invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InviteError {
    /// Another kind of link, or none.
    #[error("invite does not begin with {SCHEME}")]
    NotAnInvite,
    /// Longer than any invite.
    #[error("invite of {len} characters is longer than {MAX_TEXT_BYTES}")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// A character that no invite has.
    #[error("character {position} does not belong in an invite")]
    Character {
        /// Its place, counted from 0.
        position: usize,
    },
    /// Characters are missing, added or changed.
    #[error("invite is damaged: its checksum does not match")]
    Checksum,
    /// A version that this node does not know.
    #[error("invite has version {version}, this node knows 1")]
    Version {
        /// The version.
        version: u8,
    },
    /// It ends too early.
    #[error("invite ends too early")]
    Truncated,
    /// Something follows its end, or is not in its one form.
    #[error("invite is not in its one form")]
    NotCanonical,
    /// A part means nothing.
    #[error("{part} is not valid")]
    Part {
        /// Which.
        part: &'static str,
    },
    /// None or too many addresses.
    #[error("{count} addresses are not between 1 and {MAX_ADDRESSES}")]
    Addresses {
        /// How many there are.
        count: usize,
    },
    /// It does not fit a QR code.
    #[error("invite does not fit a QR code")]
    NoQr,
}

impl InviteError {
    /// Whoever gave it to us has to look at it.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }
}

impl Invite {
    /// An invite, checked.
    ///
    /// # Errors
    /// [`InviteError`] if an invariant does not hold.
    pub fn new(
        domain: Domain,
        node_id: NodeId,
        peer_id: PeerId,
        addresses: Vec<Multiaddr>,
        terms: Option<InviteTerms>,
    ) -> Result<Self, InviteError> {
        let count = addresses.len();
        if count == 0 || count > MAX_ADDRESSES {
            return Err(InviteError::Addresses { count });
        }
        signer_key(node_id).map_err(|_| InviteError::Part { part: "node key" })?;
        if addresses.iter().any(|address| !leads_to(address, peer_id)) {
            return Err(InviteError::Part { part: "address" });
        }
        if terms.is_some_and(|terms| !domain.hosts(terms.token)) {
            return Err(InviteError::Part { part: "token" });
        }
        Ok(Self { domain, node_id, peer_id, addresses, terms })
    }

    /// The chain and contract that a channel would live in.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// What the inviter would agree to.
    pub fn terms(&self) -> Option<InviteTerms> {
        self.terms
    }

    /// The inviter, to connect to.
    pub fn contact(&self) -> Contact {
        Contact {
            node_id: self.node_id,
            peer_id: self.peer_id,
            addresses: self.addresses.clone(),
            seen_head: None,
        }
    }

    /// As one line of text.
    pub fn to_text(&self) -> String {
        text::encode(&bytes::encode(self))
    }

    /// From one line of text, in either case.
    ///
    /// # Errors
    /// [`InviteError`], whatever the text is.
    pub fn from_text(text: &str) -> Result<Self, InviteError> {
        bytes::decode(&text::decode(text)?)
    }

    /// As a QR code for a terminal: light modules are drawn, two rows in one line, with a quiet zone.
    ///
    /// # Errors
    /// [`InviteError::NoQr`].
    pub fn to_qr(&self) -> Result<String, InviteError> {
        qr::render(&self.to_text())
    }
}

/// An address that names a peer as its end must name this one. A relay's name in its middle is another's.
fn leads_to(address: &Multiaddr, peer_id: PeerId) -> bool {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => peer == peer_id,
        Some(_) => true,
        None => false,
    }
}
