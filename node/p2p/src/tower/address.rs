//! Where a tower is and what its key is, as text to paste.
//!
//! `lockstep-tower:<key in hex>@<multiaddr>/p2p/<peer>[,<multiaddr>/p2p/<peer>...]`

use core::fmt;
use core::str::FromStr;

use alloy_primitives::hex;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::NodeId;
use lockstep_core::signature::SignerKey;
use thiserror::Error;

use crate::handshake::signer_key;
use crate::limits::MAX_ADDRESSES;

/// What a tower's address begins with.
pub const SCHEME: &str = "lockstep-tower:";
/// Units: bytes of text. Eight long addresses take about 1,500.
pub const MAX_TEXT_BYTES: usize = 4_000;

/// A tower: who it is and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TowerAddress {
    /// Its key, with which it signs receipts.
    pub key: NodeId,
    /// Its transport identity.
    pub peer_id: PeerId,
    /// Where it may be found, without the peer id. Shape: 1 to [`MAX_ADDRESSES`].
    pub addresses: Vec<Multiaddr>,
}

/// Why a text is no tower's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// It does not begin as one.
    #[error("it does not begin with `{SCHEME}`")]
    Scheme,
    /// More text than an address can have.
    #[error("{len} bytes of text are more than {MAX_TEXT_BYTES}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// No `@` between key and addresses.
    #[error("there is no @ after the key")]
    NoKey,
    /// The key is none.
    #[error("the key is not a compressed public key in hex")]
    Key,
    /// None, or too many.
    #[error("{count} addresses are not between 1 and {MAX_ADDRESSES}")]
    Count {
        /// How many.
        count: usize,
    },
    /// One is no multiaddr that ends in a peer id.
    #[error("address {position} is not a multiaddr that ends in /p2p/<peer>")]
    Address {
        /// Which, from 1.
        position: usize,
    },
    /// Two name different peers.
    #[error("address {position} names another peer")]
    OtherPeer {
        /// Which, from 1.
        position: usize,
    },
}

impl AddressError {
    /// Whoever typed it is told.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Scheme
            | Self::TooLong { .. }
            | Self::NoKey
            | Self::Key
            | Self::Count { .. }
            | Self::Address { .. }
            | Self::OtherPeer { .. } => ErrorClass::Refused,
        }
    }
}

impl TowerAddress {
    /// The tower's key, parsed; its address is what receipts name.
    ///
    /// # Errors
    /// [`AddressError::Key`].
    pub fn signer_key(&self) -> Result<SignerKey, AddressError> {
        signer_key(self.key).map_err(|_| AddressError::Key)
    }
}

impl fmt::Display for TowerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}@", hex::encode(self.key.0))?;
        for (index, address) in self.addresses.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{address}/p2p/{}", self.peer_id)?;
        }
        Ok(())
    }
}

impl FromStr for TowerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let len = text.len();
        if len > MAX_TEXT_BYTES {
            return Err(AddressError::TooLong { len });
        }
        let rest = text.strip_prefix(SCHEME).ok_or(AddressError::Scheme)?;
        let (key, list) = rest.split_once('@').ok_or(AddressError::NoKey)?;
        let mut bytes = [0; 33];
        hex::decode_to_slice(key, &mut bytes).map_err(|_| AddressError::Key)?;
        let key = NodeId(bytes);
        signer_key(key).map_err(|_| AddressError::Key)?;
        let parts: Vec<_> = list.split(',').filter(|part| !part.is_empty()).collect();
        let count = parts.len();
        if count == 0 || count > MAX_ADDRESSES {
            return Err(AddressError::Count { count });
        }
        let (mut peer, mut addresses) = (None, Vec::with_capacity(count));
        for (index, part) in parts.into_iter().enumerate() {
            let position = index.saturating_add(1);
            let (address, found) = split(part).ok_or(AddressError::Address { position })?;
            if *peer.get_or_insert(found) != found {
                return Err(AddressError::OtherPeer { position });
            }
            addresses.push(address);
        }
        let peer_id = peer.ok_or(AddressError::Count { count: 0 })?;
        Ok(Self { key, peer_id, addresses })
    }
}

/// An address without the peer id at its end, and the peer id.
fn split(text: &str) -> Option<(Multiaddr, PeerId)> {
    let mut address: Multiaddr = text.parse().ok()?;
    let Some(Protocol::P2p(peer)) = address.pop() else { return None };
    (!address.is_empty()).then_some((address, peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    const PEER: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    #[test]
    fn an_address_survives_being_pasted() {
        let text = format!(
            "lockstep-tower:{KEY}@/ip4/192.0.2.1/tcp/9735/p2p/{PEER},/dns4/t.example/udp/9/quic-v1/p2p/{PEER}"
        );
        let address: TowerAddress = format!("  {text}\n").parse().unwrap();
        assert_eq!(address.addresses.len(), 2);
        assert_eq!(address.to_string(), text);
    }

    #[test]
    fn each_damage_is_named() {
        let check = |text: &str, expected| {
            assert_eq!(text.parse::<TowerAddress>(), Err(expected), "{text}");
        };
        let at = format!("/ip4/192.0.2.1/tcp/9/p2p/{PEER}");
        check("lockstep:abc", AddressError::Scheme);
        check(&format!("lockstep-tower:{KEY}"), AddressError::NoKey);
        check(&format!("lockstep-tower:00@{at}"), AddressError::Key);
        check(&format!("lockstep-tower:{}@{at}", "0".repeat(66)), AddressError::Key);
        check(&format!("lockstep-tower:{KEY}@"), AddressError::Count { count: 0 });
        check(
            &format!("lockstep-tower:{KEY}@/ip4/1.2.3.4/tcp/9"),
            AddressError::Address { position: 1 },
        );
        check(&format!("lockstep-tower:{KEY}@/p2p/{PEER}"), AddressError::Address { position: 1 });
        let other = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
        let two = format!("lockstep-tower:{KEY}@{at},/ip4/192.0.2.1/tcp/9/p2p/{other}");
        check(&two, AddressError::OtherPeer { position: 2 });
        let many = [at.as_str(); 9].join(",");
        check(&format!("lockstep-tower:{KEY}@{many}"), AddressError::Count { count: 9 });
        check(&"x".repeat(5_000), AddressError::TooLong { len: 5_000 });
    }
}
