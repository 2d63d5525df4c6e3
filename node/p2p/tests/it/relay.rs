//! Two nodes that can't reach each other meet at a third, and go on without it where they can.

use std::time::Duration;

use libp2p::multiaddr::Protocol;
use lockstep_p2p::config::RelayLimits;
use lockstep_p2p::{Contact, Event, Multiaddr, NetworkConfig, Session};

use crate::fixture::{channel, every_message};
use crate::mallory::{connect, until_closed};
use crate::node::{Node, TCP, soon};

/// A node that relays for others.
async fn relay(edit: impl FnOnce(&mut NetworkConfig)) -> Node {
    // A relay says where it can be reached; on loopback nobody else finds out for it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let address: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
    Node::start(40, |config| {
        config.listen.push(address.clone());
        config.external.push(address);
        config.relay_server = Some(RelayLimits::default());
        edit(config);
    })
    .await
}

/// A node that can only be reached through a relay, and how.
async fn behind(relay: &Node, edit: impl FnOnce(&mut NetworkConfig)) -> (Node, Contact) {
    let at = relay.full_address();
    let node = Node::start(41, |config| {
        config.relays.push(at.clone());
        edit(config);
    })
    .await;
    let is_relayed = |address: &Multiaddr| address.iter().any(|part| part == Protocol::P2pCircuit);
    let mut addresses = node.network.watch_addresses();
    soon(addresses.wait_for(|all| all.iter().any(is_relayed))).await.unwrap();
    let through = at.with(Protocol::P2pCircuit).with(Protocol::P2p(node.peer_id()));
    let contact = Contact { addresses: vec![through], ..node.contact() };
    (node, contact)
}

#[tokio::test]
async fn two_nodes_pair_through_a_relay() {
    let relay = relay(|_| {}).await;
    let (mut bob, contact) = behind(&relay, |_| {}).await;
    let mut alice = Node::start(42, |_| {}).await;
    let session = soon(alice.network.connect(contact)).await.unwrap();
    assert!(session.is_relayed());
    assert!(bob.connected().await.is_relayed());
    alice.connected().await;
    for message in every_message() {
        alice.network.send(&bob.node_id, channel(), &message).unwrap();
        assert_eq!(bob.message().await.1, message);
    }
    // The relay itself has no session with anybody, and no messages.
    assert_eq!(relay.network.counts().await.unwrap().sessions, 0);
}

/// The first session of a node that no relay carries. Until then, relayed ones come and are replaced.
async fn until_direct(node: &mut Node) -> Session {
    loop {
        match node.next().await {
            Event::Connected(session) if !session.is_relayed() => {
                // The one before may have been direct, too, and be over.
                if node.network.session(&session.node_id()).is_some() && !session.is_closed() {
                    return session;
                }
            }
            Event::Connected(_) | Event::Disconnected { .. } => {}
            Event::Message(received) => panic!("{received:?}"),
        }
    }
}

#[tokio::test]
async fn a_relayed_pair_that_can_reach_each_other_goes_on_without_the_relay() {
    let relay = relay(|_| {}).await;
    let punches = |config: &mut NetworkConfig| {
        config.nat = true;
        config.listen.push(TCP.parse().unwrap());
    };
    let (mut bob, contact) = behind(&relay, punches).await;
    let mut alice = Node::start(42, punches).await;
    // Once before, so that the relay has had the time to tell alice where it sees her: on loopback a
    // pair may meet faster than that.
    soon(alice.network.connect(contact.clone())).await.unwrap();
    alice.network.disconnect(bob.node_id).await.unwrap();
    alice.settles(|counts| counts.sessions == 0 && counts.connections.open == 1).await;
    bob.settles(|counts| counts.sessions == 0 && counts.connections.open == 1).await;
    soon(alice.network.connect(contact)).await.unwrap();
    let direct = until_direct(&mut alice).await;
    assert_eq!(until_direct(&mut bob).await.node_id(), alice.node_id);
    assert_eq!(direct.node_id(), bob.node_id);
    // It goes on without the relay.
    relay.stop().await;
    alice.network.send(&bob.node_id, channel(), &every_message()[4]).unwrap();
    assert_eq!(bob.message().await.1, every_message()[4]);
}

#[tokio::test]
async fn p61_a_relay_that_is_full_takes_no_more() {
    let relay = relay(|config| {
        config.relay_server = Some(RelayLimits { circuits: 0, ..RelayLimits::default() });
    })
    .await;
    let (bob, contact) = behind(&relay, |_| {}).await;
    let alice = Node::start(42, |_| {}).await;
    assert!(soon(alice.network.connect(contact)).await.is_err());
    assert_eq!(bob.network.counts().await.unwrap().sessions, 0);
}

#[tokio::test]
async fn a_relay_ends_strangers_that_only_sit_there_and_not_those_that_it_carries() {
    let relay = relay(|config| {
        config.limits.times.idle = Duration::from_secs(600);
        config.limits.times.stranger = Duration::from_millis(200);
    })
    .await;
    let (mut bob, contact) = behind(&relay, |_| {}).await;
    let mut alice = Node::start(42, |_| {}).await;
    soon(alice.network.connect(contact)).await.unwrap();
    alice.connected().await;
    bob.connected().await;
    // Came last and is ended: whoever came before has been looked at, too.
    let mut idle = connect(700, relay.address()).await.unwrap();
    until_closed(&mut idle).await;
    relay.settles(|counts| counts.connections.open == 2).await;
    alice.network.send(&bob.node_id, channel(), &every_message()[4]).unwrap();
    assert_eq!(bob.message().await.1, every_message()[4]);
}
