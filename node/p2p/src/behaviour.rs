//! Everything that runs on a connection, composed.

use std::io;

use libp2p::multiaddr::Protocol;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{Multiaddr, PeerId, autonat, dcutr, identify, mdns, relay};

use crate::config::{NetworkConfig, Ports};
use crate::{admission, observed, stream};

/// What identification says of us; the exact version is nobody's business.
const AGENT: &str = "lockstep";

/// See the module. The first field decides first: what is not admitted reaches no other.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) admission: admission::Behaviour,
    pub(crate) stream: stream::Behaviour,
    identify: observed::Behaviour,
    relay_client: relay::client::Behaviour,
    relay_server: Toggle<relay::Behaviour>,
    dcutr: Toggle<dcutr::Behaviour>,
    autonat_client: Toggle<autonat::v2::client::Behaviour>,
    autonat_server: Toggle<autonat::v2::server::Behaviour>,
    mdns: Toggle<mdns::tokio::Behaviour>,
}

impl Behaviour {
    /// What the settings ask for.
    ///
    /// # Errors
    /// If the local network can't be listened to, where that is asked for.
    pub(crate) fn new(
        config: &NetworkConfig,
        ports: &Ports,
        relay_client: relay::client::Behaviour,
    ) -> io::Result<Self> {
        let local = config.identity.peer_id();
        let limits = config.limits;
        let relays = config.relays.iter().filter_map(relay_of).collect();
        let now = ports.clock.now();
        let admission = admission::Admission::new(limits.connections, limits.times, relays, now);
        let identify =
            identify::Config::new(stream::PROTOCOL.to_string(), config.identity.keypair().public())
                .with_agent_version(AGENT.to_owned())
                // Addresses of peers are learnt from invites, not from strangers.
                .with_cache_size(0);
        let mdns = if config.mdns {
            Some(mdns::tokio::Behaviour::new(mdns::Config::default(), local)?)
        } else {
            None
        };
        let serves = config.relay_server.is_some();
        Ok(Self {
            admission: admission::Behaviour::new(admission, ports.clock.clone()),
            stream: stream::Behaviour::new(stream::PROTOCOL),
            identify: observed::Behaviour::new(identify::Behaviour::new(identify)),
            relay_client,
            relay_server: config
                .relay_server
                .map(|limits| relay::Behaviour::new(local, limits.to_relay()))
                .into(),
            dcutr: config.nat.then(|| dcutr::Behaviour::new(local)).into(),
            autonat_client: config.nat.then(autonat::v2::client::Behaviour::default).into(),
            autonat_server: serves.then(autonat::v2::server::Behaviour::default).into(),
            mdns: mdns.into(),
        })
    }
}

/// The peer at the end of a relay's address.
fn relay_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        Some(_) | None => None,
    }
}
