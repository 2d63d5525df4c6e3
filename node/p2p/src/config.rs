//! What a network side is started with.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId, relay};
use thiserror::Error;

use crate::handshake::{FeatureOffer, JournalHead};
use crate::limits::Limits;
use crate::port::{Clock, Entropy, NodeKey};

/// Not a secret that makes an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("bytes do not make a transport identity")]
pub struct BadIdentity;

/// The secret that a peer id stands for. It authenticates links; it signs nothing else.
#[derive(Clone)]
pub struct TransportIdentity(Keypair);

impl TransportIdentity {
    /// From 32 secret bytes, which are wiped.
    ///
    /// # Errors
    /// [`BadIdentity`].
    pub fn from_secret(secret: &mut [u8; 32]) -> Result<Self, BadIdentity> {
        Keypair::ed25519_from_bytes(secret.as_mut_slice()).map(Self).map_err(|_| BadIdentity)
    }

    /// The peer id that it makes.
    pub fn peer_id(&self) -> PeerId {
        self.0.public().to_peer_id()
    }

    pub(crate) fn keypair(&self) -> &Keypair {
        &self.0
    }
}

impl core::fmt::Debug for TransportIdentity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "TransportIdentity({})", self.peer_id())
    }
}

/// What a node gives to others as a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLimits {
    /// Nodes that can be reached through us.
    pub reservations: usize,
    /// Connections that go through us.
    pub circuits: usize,
    /// Connections of one node that go through us.
    pub circuits_per_peer: usize,
    /// How long one may last; the ends come again after that.
    pub circuit_duration: Duration,
    /// Units: bytes that one may carry, both ways.
    pub circuit_bytes: u64,
    /// Circuits that one node or one address may ask for in a minute.
    pub circuits_per_minute: NonZeroU32,
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            reservations: 64,
            circuits: 32,
            circuits_per_peer: 4,
            circuit_duration: Duration::from_secs(3_600),
            // About a million payments in batches.
            circuit_bytes: 64 * 1024 * 1024,
            circuits_per_minute: NonZeroU32::MIN.saturating_add(19),
        }
    }
}

impl RelayLimits {
    pub(crate) fn to_relay(self) -> relay::Config {
        let minute = Duration::from_secs(60);
        let config = relay::Config {
            max_reservations: self.reservations,
            max_reservations_per_peer: 1,
            reservation_duration: Duration::from_secs(3_600),
            reservation_rate_limiters: Vec::new(),
            max_circuits: self.circuits,
            max_circuits_per_peer: self.circuits_per_peer,
            max_circuit_duration: self.circuit_duration,
            max_circuit_bytes: self.circuit_bytes,
            circuit_src_rate_limiters: Vec::new(),
        };
        config
            .reservation_rate_per_peer(self.circuits_per_minute, minute)
            .reservation_rate_per_ip(self.circuits_per_minute, minute)
            .circuit_src_per_peer(self.circuits_per_minute, minute)
            .circuit_src_per_ip(self.circuits_per_minute, minute)
    }
}

/// What comes from outside: time, randomness, the node key.
#[derive(Clone)]
pub struct Ports {
    /// The engine's clock.
    pub clock: Arc<dyn Clock>,
    /// Nonces and jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Signs handshakes.
    pub node_key: Arc<dyn NodeKey>,
}

/// The settings of a network side.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// The transport identity.
    pub identity: TransportIdentity,
    /// What this node can do and insists on.
    pub features: FeatureOffer,
    /// Which life of our journal speaks.
    pub head: Option<JournalHead>,
    /// Where to listen; empty for a node that only dials.
    pub listen: Vec<Multiaddr>,
    /// Addresses that the operator knows to be reachable from outside.
    pub external: Vec<Multiaddr>,
    /// Relays to be reachable through. Shape: each ends in `/p2p/<peer id>`; at most
    /// [`crate::limits::MAX_RELAYS`].
    pub relays: Vec<Multiaddr>,
    /// Whether this node is a relay for others, and tells them whether they can be reached.
    pub relay_server: Option<RelayLimits>,
    /// Whether to find out if we can be reached, and to punch through what is in the way.
    pub nat: bool,
    /// Whether to find contacts on the local network. It tells everybody there that we are here.
    pub mdns: bool,
    /// The limits.
    pub limits: Limits,
}

impl NetworkConfig {
    /// A node that listens nowhere yet, with every limit at its default.
    pub fn new(identity: TransportIdentity, features: FeatureOffer) -> Self {
        Self {
            identity,
            features,
            head: None,
            listen: Vec::new(),
            external: Vec::new(),
            relays: Vec::new(),
            relay_server: None,
            nat: true,
            mdns: false,
            limits: Limits::default(),
        }
    }
}
