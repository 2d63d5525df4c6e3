//! Two and more honest nodes: pairing, order, reconnecting, crossing dials, limits that honest peers meet.

use lockstep_core::ids::{Sequence, Version};
use lockstep_core::message::PeerMessage;
use lockstep_core::terms::Features;
use lockstep_p2p::handshake::{FeatureOffer, HandshakeError, JournalHead};
use lockstep_p2p::port::NodeKey;
use lockstep_p2p::{
    ConnectError, Contact, ContactError, Event, SendError, Session, SessionEnd, StartError,
};

use crate::fixture::{TestKey, channel, every_message, payment, proposal};
use crate::node::{Node, QUIC, TCP, identity, pair, soon};

async fn exchange_everything(at: &str) {
    let (mut alice, mut bob) = pair(at).await;
    for message in every_message() {
        alice.network.send(&bob.node_id, channel(), &message).unwrap();
        bob.network.send(&alice.node_id, channel(), &message).unwrap();
    }
    for message in every_message() {
        assert_eq!(alice.message().await, (channel(), message.clone()));
        assert_eq!(bob.message().await, (channel(), message));
    }
    alice.stop().await;
    assert!(matches!(
        bob.disconnected().await.1,
        SessionEnd::Frame(_) | SessionEnd::ConnectionLost
    ));
    bob.stop().await;
}

#[tokio::test]
async fn two_nodes_exchange_every_kind_of_message_in_order_over_tcp() {
    exchange_everything(TCP).await;
}

#[tokio::test]
async fn two_nodes_exchange_every_kind_of_message_in_order_over_quic() {
    exchange_everything(QUIC).await;
}

#[tokio::test]
async fn each_side_learns_node_key_features_and_journal_heads() {
    let head = |byte| JournalHead { journal_id: [byte; 16], epoch: 3, incarnation: [byte; 16] };
    let mut alice = Node::start(1, |config| {
        config.head = Some(head(1));
        config.features =
            FeatureOffer { required: Features::NONE, optional: Features::PARTIAL_WITHDRAW };
    })
    .await;
    let mut bob = Node::listening(2, TCP).await;
    let seen = Contact { seen_head: Some(head(9)), ..bob.contact() };
    let session = soon(alice.network.connect(seen)).await.unwrap();
    assert_eq!(session.node_id(), bob.node_id);
    assert_eq!(session.peer_id(), bob.peer_id());
    assert_eq!(alice.connected().await.id(), session.id());
    let session = bob.connected().await;
    assert_eq!(session.node_id(), alice.node_id);
    assert_eq!(session.features(), Features::PARTIAL_WITHDRAW);
    assert_eq!((session.head(), session.seen_head()), (Some(head(1)), Some(head(9))));
    assert!(!session.is_relayed());
}

#[tokio::test]
async fn a_peer_that_comes_back_is_found_again_by_itself() {
    let (mut alice, bob) = pair(TCP).await;
    let at = bob.address().to_string();
    bob.stop().await;
    alice.disconnected().await;
    let mut bob = Node::listening(2, &at).await;
    let session = alice.connected().await;
    bob.connected().await;
    alice.network.send(&bob.node_id, channel(), &every_message()[4]).unwrap();
    assert_eq!(bob.message().await.1, every_message()[4]);
    assert!(!session.is_closed());
}

#[tokio::test]
async fn two_nodes_that_dial_each_other_at_once_end_with_one_session() {
    for round in 0..5 {
        let mut alice = Node::listening(10 + round, TCP).await;
        let mut bob = Node::listening(20 + round, TCP).await;
        let (one, other) = tokio::join!(
            alice.network.connect(bob.contact()),
            bob.network.connect(alice.contact())
        );
        assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
        // Whichever session stands in the end carries a message each way.
        settled_session(&mut alice, &mut bob).await;
        alice.settles(|counts| counts.sessions == 1 && counts.greeting == 0).await;
        bob.settles(|counts| counts.sessions == 1 && counts.greeting == 0).await;
    }
}

/// Sends until both sides have heard of each other on sessions that stand.
async fn settled_session(alice: &mut Node, bob: &mut Node) {
    let message = &every_message()[4];
    let (mut heard_alice, mut heard_bob) = (false, false);
    soon(async {
        while !(heard_alice && heard_bob) {
            tokio::select! {
                event = alice.events.next() => match event.unwrap() {
                    Event::Connected(session) => { session.send(channel(), message).await.ok(); }
                    Event::Message(_) => heard_alice = true,
                    Event::Disconnected { .. } => heard_alice = false,
                },
                event = bob.events.next() => match event.unwrap() {
                    Event::Connected(session) => { session.send(channel(), message).await.ok(); }
                    Event::Message(_) => heard_bob = true,
                    Event::Disconnected { .. } => heard_bob = false,
                },
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_is_told_off_is_not_dialed_again() {
    let (mut alice, mut bob) = pair(TCP).await;
    alice.network.disconnect(bob.node_id).await.unwrap();
    assert_eq!(alice.disconnected().await.1, SessionEnd::Requested);
    bob.disconnected().await;
    alice.settles(|counts| counts.connections.open == 0).await;
    assert!(alice.network.session(&bob.node_id).is_none());
    let sent = alice.network.send(&bob.node_id, channel(), &every_message()[4]);
    assert_eq!(sent, Err(SendError::NoSession));
    // It may still come by itself, and be called again.
    soon(bob.network.connect(alice.contact())).await.unwrap();
    assert_eq!(alice.connected().await.node_id(), bob.node_id);
}

#[tokio::test]
async fn a_peer_that_is_told_off_and_called_again_at_once_is_not_asked_on_a_connection_that_ends() {
    let (mut alice, mut bob) = pair(TCP).await;
    for _ in 0..20 {
        let last = alice.network.session(&bob.node_id).map(|session| session.id());
        alice.network.disconnect(bob.node_id).await.unwrap();
        // It may be the old one, if that has not ended yet; then the next call brings another.
        let is_new = |session: Session| Some(session.id()) != last;
        while !soon(alice.network.connect(bob.contact())).await.is_ok_and(is_new) {
            tokio::task::yield_now().await;
        }
        settled_session(&mut alice, &mut bob).await;
    }
}

#[tokio::test]
async fn p68_a_peer_with_another_node_key_than_the_invite_says_is_refused() {
    let (alice, bob) = (Node::listening(1, TCP).await, Node::listening(2, TCP).await);
    let expected = TestKey::new(7).node_id();
    let wrong = Contact { node_id: expected, ..bob.contact() };
    let error = soon(alice.network.connect(wrong)).await.unwrap_err();
    let found = bob.node_id;
    let reason = HandshakeError::OtherNodeKey { expected, found };
    assert_eq!(error, ConnectError::Session(SessionEnd::Handshake(reason)));
    assert!(alice.network.session(&expected).is_none() && alice.network.session(&found).is_none());
}

#[tokio::test]
async fn p68_somebody_else_at_the_address_is_refused() {
    let (alice, bob) = (Node::listening(1, TCP).await, Node::listening(2, TCP).await);
    let expected = identity(9).peer_id();
    let wrong = Contact { peer_id: expected, ..bob.contact() };
    let error = soon(alice.network.connect(wrong)).await.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::OtherPeer { .. } | ConnectError::Unreachable { addresses: 1 }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn p69_a_peer_without_a_required_feature_is_refused_by_both() {
    let alice = Node::start(1, |config| {
        config.features = FeatureOffer { required: Features::LOCKS, optional: Features::NONE };
    })
    .await;
    let bob = Node::start(2, |config| {
        config.listen.push(TCP.parse().unwrap());
        config.features = FeatureOffer { required: Features::NONE, optional: Features::NONE };
    })
    .await;
    let error = soon(alice.network.connect(bob.contact())).await.unwrap_err();
    let reason = HandshakeError::MissingFeature { bits: Features::LOCKS.bits() };
    assert_eq!(error, ConnectError::Session(SessionEnd::Handshake(reason)));
    bob.settles(|counts| counts.sessions == 0 && counts.greeting == 0).await;
}

#[tokio::test]
async fn what_can_not_be_reached_says_why() {
    let alice = Node::listening(1, TCP).await;
    let nobody = Contact {
        node_id: TestKey::new(5).node_id(),
        peer_id: identity(5).peer_id(),
        addresses: vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()],
        seen_head: None,
    };
    let error = soon(alice.network.connect(nobody.clone())).await.unwrap_err();
    assert_eq!(error, ConnectError::Unreachable { addresses: 1 });
    let nowhere = Contact {
        node_id: TestKey::new(6).node_id(),
        peer_id: identity(6).peer_id(),
        addresses: Vec::new(),
        ..nobody
    };
    let error = soon(alice.network.connect(nowhere)).await.unwrap_err();
    assert_eq!(error, ConnectError::NoAddress);
    let error = soon(alice.network.connect(alice.contact())).await.unwrap_err();
    assert_eq!(error, ConnectError::Contact(ContactError::Ourselves));
}

#[tokio::test]
async fn an_address_that_is_of_no_use_is_named() {
    let websocket: lockstep_p2p::Multiaddr = "/ip4/127.0.0.1/tcp/0/ws".parse().unwrap();
    let mut config = crate::node::config(2);
    config.listen.push(websocket.clone());
    let ports = crate::node::ports(2);
    let error = lockstep_p2p::Network::start(config, ports).unwrap_err();
    let StartError::Listen { address, .. } = error else { panic!("{error:?}") };
    assert_eq!(address, websocket);
}

#[tokio::test]
async fn p66_an_engine_that_does_not_read_makes_the_sender_busy_and_loses_nothing() {
    let small = |config: &mut lockstep_p2p::NetworkConfig| {
        config.listen.push(TCP.parse().unwrap());
        config.limits.inbound_room_bytes = 256 * 1024;
        config.limits.outbound_room_bytes = 256 * 1024;
        config.limits.event_queue = 4;
    };
    let (mut alice, mut bob) = (Node::start(1, small).await, Node::start(2, small).await);
    soon(bob.network.register(alice.caller())).await.unwrap();
    let session = soon(alice.network.connect(bob.contact())).await.unwrap();
    alice.connected().await;
    bob.connected().await;
    let updates: Vec<_> = (1..=1_000).map(|sequence| payment(sequence, 16)).collect();
    let message = |version| proposal(version, updates.clone());
    // Bob's engine sleeps: in the end alice is told that there is no room, and holds no more.
    let mut sent = 0;
    soon(async {
        loop {
            match session.try_send(channel(), &message(sent + 1)) {
                Ok(()) => sent += 1,
                Err(SendError::Busy) if sent > 20 => {
                    // What is on its way gets there or not; full means full for a while.
                    tokio::task::yield_now().await;
                    if is_full_for_a_while(&session, &message(sent + 1), &mut sent).await {
                        break;
                    }
                }
                Err(SendError::Busy) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
    for version in 1..=sent {
        let (_, received) = bob.message().await;
        let PeerMessage::Propose { proposal, .. } = received else { panic!("{received:?}") };
        assert_eq!(proposal.state.version, Version(version));
        assert_eq!(proposal.updates[999].sequence, Sequence(1_000));
    }
}

/// Whether nothing more is taken, however often others run first.
async fn is_full_for_a_while(
    session: &lockstep_p2p::Session,
    message: &PeerMessage,
    sent: &mut u64,
) -> bool {
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
        if session.try_send(channel(), message).is_ok() {
            *sent += 1;
            return false;
        }
    }
    true
}

#[tokio::test]
async fn p63_nothing_of_a_stranger_is_left_when_it_has_gone() {
    let bob = Node::listening(2, TCP).await;
    let before = bob.network.counts().await.unwrap();
    for seed in 30..36 {
        let alice = Node::start(seed, |_| {}).await;
        soon(alice.network.connect(bob.contact())).await.unwrap();
        alice.stop().await;
    }
    bob.settles(|counts| *counts == before).await;
}

#[tokio::test]
async fn a_stranger_becomes_a_contact_without_coming_again() {
    let slow = |config: &mut lockstep_p2p::NetworkConfig| {
        config.listen.push(TCP.parse().unwrap());
        // A thousand messages of a stranger would take a quarter of an hour.
        config.limits.stranger.messages = 1;
        config.limits.stranger.burst_secs = 5;
    };
    let (mut alice, mut bob) = (Node::listening(1, TCP).await, Node::start(2, slow).await);
    soon(alice.network.connect(bob.contact())).await.unwrap();
    let session = alice.connected().await;
    bob.connected().await;
    soon(bob.network.register(alice.caller())).await.unwrap();
    for _ in 0..1_000 {
        soon(session.send(channel(), &every_message()[4])).await.unwrap();
    }
    for _ in 0..1_000 {
        bob.message().await;
    }
}
