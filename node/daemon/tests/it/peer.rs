//! Other nodes: looked for until they are there, sent away, forgotten.

use crate::kit::{Node, Pair, Parts, World, amount, config, ether};
use lockstep_core::ids::NodeId;
use lockstep_rpc::backend::Backend;
use lockstep_rpc::failure::FailureKind;
use lockstep_rpc::types::{ChannelPhase, Connect, OpenChannel, Peer, PeerCall, Text};
use lockstep_store::open::Provenance;
use std::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_forgotten_only_once_no_channel_with_it_is_open_and_stays_so_over_a_restart() {
    let (pair, id) = Pair::open(1_000, 0).await;
    let other = pair.two.engine.info().node_id;
    let call = || PeerCall { node_id: other };
    let refused = pair.one.engine.forget_peer(call()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::WrongPhase);
    assert!(pair.one.peer(other).await.is_some_and(|peer| peer.channels == 1));

    pair.one.close(id).await;
    pair.one.assert_settled(id, 1_000, 0).await;
    pair.one.until_channel(id, "final", |channel| channel.waiting.is_empty()).await;
    pair.one.engine.forget_peer(call()).await.unwrap();
    pair.one.until("it is gone", |node| node.engine.status().connected_peers == 0).await;
    let unknown = pair.one.engine.forget_peer(call()).await.unwrap_err();
    assert_eq!(unknown.kind, FailureKind::UnknownPeer);
    // Its own side still knows it, and it may come back, as a stranger.
    let Pair { world, one, two } = pair;
    two.stop().await;
    let one = one.stop().await.run(&world, Provenance::Untouched).await;
    assert!(one.peer(other).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_sent_away_is_not_looked_for_until_it_is_connected_to_again() {
    let pair = Pair::start().await;
    pair.one.connect(&pair.two).await;
    pair.one.until("the link", |node| node.engine.status().connected_peers == 1).await;
    let other = pair.two.engine.info().node_id;
    let shown = pair.one.engine.disconnect_peer(PeerCall { node_id: other }).await.unwrap();
    assert!(!shown.is_connected);
    pair.one.until("the link is gone", |node| node.engine.status().connected_peers == 0).await;
    let known = pair.one.peer(other).await.unwrap();
    assert!(!known.is_connected && known.problem.is_some());
    pair.one.connect(&pair.two).await;
    pair.one.until("the link", |node| node.engine.status().connected_peers == 1).await;

    let own = Text(NodeId(pair.one.engine.info().node_id.0.0));
    let itself = pair.one.engine.disconnect_peer(PeerCall { node_id: own }).await.unwrap_err();
    assert_eq!(itself.kind, FailureKind::OwnNode);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_to_a_node_that_is_not_up_yet_goes_through_once_it_is() {
    let world = World::start().await;
    let one = Node::start(&world).await;
    let parts = Parts::new(at_a_free_port());
    world.fund(parts.account(), ether(1)).await;
    let two = parts.run(&world, Provenance::Untouched).await;
    let peer = two.invite().await;
    let parts = two.stop().await;

    let call = OpenChannel {
        peer: peer.clone(),
        deposit: Some(amount(1_000)),
        counterparty_deposit: None,
        token: None,
        challenge_period: None,
    };
    let engine = std::sync::Arc::clone(&one.engine);
    let opening = tokio::spawn(async move { engine.open_channel(call).await });
    // It has tried, in vain, before the other one is there.
    let hasty = Connect { invite: peer, wait_millis: Some(1) };
    let refused = one.engine.connect(hasty).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::PeerUnreachable);
    let two = parts.run(&world, Provenance::Untouched).await;
    let id = opening.await.unwrap().unwrap().channel_id.0;
    two.until_phase(id, ChannelPhase::Open).await;
}

/// A node that comes back finds its address free again.
fn at_a_free_port() -> lockstep::config::Config {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut config = config();
    config.p2p.listen = vec![format!("/ip4/127.0.0.1/tcp/{port}")];
    config
}

impl Node {
    async fn peer(&self, node_id: Text<NodeId>) -> Option<Peer> {
        let peers = self.engine.peers().await.unwrap();
        peers.into_iter().find(|peer| peer.node_id == node_id)
    }
}
