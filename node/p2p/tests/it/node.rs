//! A node's network side in a test, on loopback.

use std::sync::Arc;
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use lockstep_core::ids::{ChannelId, NodeId};
use lockstep_core::message::PeerMessage;
use lockstep_core::terms::Features;
use lockstep_p2p::handshake::FeatureOffer;
use lockstep_p2p::port::NodeKey;
use lockstep_p2p::{
    Contact, Event, Events, Multiaddr, Network, NetworkConfig, PeerId, Ports, Session, SessionEnd,
    SessionId, TransportIdentity,
};

use crate::fixture::{SeededEntropy, TestKey, TokioClock};

pub const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// Far longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Node {
    pub network: Network,
    pub events: Events,
    pub node_id: NodeId,
}

pub fn identity(seed: u8) -> TransportIdentity {
    TransportIdentity::from_secret(&mut [seed; 32]).unwrap()
}

pub fn config(seed: u8) -> NetworkConfig {
    let features = FeatureOffer { required: Features::NONE, optional: Features::ALL };
    let mut config = NetworkConfig::new(identity(seed), features);
    config.nat = false;
    config
}

pub fn ports(seed: u8) -> Ports {
    Ports {
        clock: Arc::new(TokioClock::new()),
        entropy: Arc::new(SeededEntropy::new(u64::from(seed))),
        node_key: Arc::new(TestKey::new(seed)),
    }
}

/// Fails the test instead of hanging it.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens soon")
}

impl Node {
    /// Starts a node with a seed's keys and waits until it listens where it is told to.
    pub async fn start(seed: u8, edit: impl FnOnce(&mut NetworkConfig)) -> Self {
        let mut config = config(seed);
        edit(&mut config);
        let listens = config.listen.len();
        let node_id = TestKey::new(seed).node_id();
        let (network, events) = Network::start(config, ports(seed)).unwrap();
        let node = Self { network, events, node_id };
        let mut addresses = node.network.watch_addresses();
        soon(addresses.wait_for(|all| all.len() >= listens)).await.unwrap();
        node
    }

    pub async fn listening(seed: u8, at: &str) -> Self {
        let address = at.parse().unwrap();
        Self::start(seed, |config| config.listen.push(address)).await
    }

    pub fn peer_id(&self) -> PeerId {
        self.network.local_peer()
    }

    pub fn address(&self) -> Multiaddr {
        self.network.local_addresses()[0].clone()
    }

    /// The address as relays and hostile peers want it.
    pub fn full_address(&self) -> Multiaddr {
        self.address().with(Protocol::P2p(self.peer_id()))
    }

    pub fn contact(&self) -> Contact {
        Contact {
            node_id: self.node_id,
            peer_id: self.peer_id(),
            addresses: self.network.local_addresses(),
            seen_head: None,
        }
    }

    /// A contact that only ever comes to us.
    pub fn caller(&self) -> Contact {
        Contact { addresses: Vec::new(), ..self.contact() }
    }

    pub async fn next(&mut self) -> Event {
        soon(self.events.next()).await.expect("the network runs")
    }

    pub async fn connected(&mut self) -> Session {
        match self.next().await {
            Event::Connected(session) => session,
            other => panic!("{other:?} instead of a session"),
        }
    }

    pub async fn disconnected(&mut self) -> (SessionId, SessionEnd) {
        match self.next().await {
            Event::Disconnected { session, end, .. } => (session, end),
            other => panic!("{other:?} instead of an end"),
        }
    }

    pub async fn message(&mut self) -> (ChannelId, PeerMessage) {
        match self.next().await {
            Event::Message(received) => (received.channel_id, received.message),
            other => panic!("{other:?} instead of a message"),
        }
    }

    pub async fn stop(self) {
        self.network.stop().await;
        soon(self.events.stopped()).await;
    }

    /// Waits until what is kept is as it should be.
    pub async fn settles(&self, is_so: impl Fn(&lockstep_p2p::Counts) -> bool) {
        soon(async {
            loop {
                if is_so(&self.network.counts().await.unwrap()) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// Two nodes with a session between them.
pub async fn pair(at: &str) -> (Node, Node) {
    let (mut alice, mut bob) = (Node::listening(1, at).await, Node::listening(2, at).await);
    soon(alice.network.connect(bob.contact())).await.unwrap();
    soon(bob.network.register(alice.caller())).await.unwrap();
    alice.connected().await;
    bob.connected().await;
    (alice, bob)
}
