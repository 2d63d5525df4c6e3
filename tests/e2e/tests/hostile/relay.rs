//! Nodes on machines of their own, with nothing between them but the links that a test lays and cuts.

use std::net::Ipv4Addr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use lockstep_e2e::netns::{Denied, Link, Namespace};
use lockstep_e2e::p2p_node::P2pNode;

use crate::scene::PROGRAM;

const EVERYWHERE: &str = "/ip4/0.0.0.0/tcp/9555";

fn at(ip: Ipv4Addr) -> Multiaddr {
    Multiaddr::from(ip).with(Protocol::Tcp(9555))
}

/// Two machines with one link.
fn two() -> Result<([Namespace; 2], Link), Denied> {
    let (left, right) = (Namespace::new()?, Namespace::new()?);
    let link = left.link(Ipv4Addr::new(10, 77, 1, 1), &right, Ipv4Addr::new(10, 77, 1, 2))?;
    Ok(([left, right], link))
}

/// A machine in the middle, and two that reach it and not each other.
fn three() -> Result<([Namespace; 3], [Link; 2]), Denied> {
    let (middle, left, right) = (Namespace::new()?, Namespace::new()?, Namespace::new()?);
    let links = [
        left.link(Ipv4Addr::new(10, 77, 1, 2), &middle, Ipv4Addr::new(10, 77, 1, 1))?,
        right.link(Ipv4Addr::new(10, 77, 2, 2), &middle, Ipv4Addr::new(10, 77, 2, 1))?,
    ];
    Ok(([middle, left, right], links))
}

#[tokio::test]
async fn a_cut_link_ends_a_session_and_a_mended_one_brings_it_back() {
    let (machines, link) = match two() {
        Ok(machines) => machines,
        Err(denied) => return denied.skip("a cut link between two namespaces"),
    };
    let [left, right] = &machines;
    let listens = ["--hurry", "--listen", EVERYWHERE];
    let mut alice = P2pNode::start(PROGRAM, &left.enter(), 11, &["--hurry"]).await;
    let mut bob = P2pNode::start(PROGRAM, &right.enter(), 12, &listens).await;
    bob.register(&alice.identity()).await;
    let met = alice.connect(&bob, &[at(Ipv4Addr::new(10, 77, 1, 2))]).await;
    assert_eq!(met.as_deref(), Ok("direct"));
    alice.talk(&bob).await;
    link.cut().unwrap();
    // Nobody is told; both notice.
    alice.settles(|kept| kept.sessions == 0).await;
    bob.settles(|kept| kept.sessions == 0).await;
    link.mend().unwrap();
    alice.settles(|kept| kept.sessions == 1).await;
    let talked = alice.hush().await;
    assert_eq!(talked.breaks, 1, "{talked:?}");
}

#[tokio::test]
async fn two_nodes_that_cannot_reach_each_other_pair_through_a_relay() {
    let (machines, links) = match three() {
        Ok(machines) => machines,
        Err(denied) => return denied.skip("pairing through a relay between three namespaces"),
    };
    let [middle, left, right] = &machines;
    let [_, right_link] = &links;
    let ends = [Ipv4Addr::new(10, 77, 1, 1), Ipv4Addr::new(10, 77, 2, 1)].map(at);
    let [at_left, at_right] = ends.each_ref().map(ToString::to_string);
    let serves =
        ["--serve-relay", "--listen", EVERYWHERE, "--external", &at_left, "--external", &at_right];
    let mut relay = P2pNode::start(PROGRAM, &middle.enter(), 10, &serves).await;
    let [through_left, through_right] = ends.map(|end| end.with(Protocol::P2p(relay.peer_id())));
    let reached = ["--hurry", "--relay", &through_left.to_string()];
    let mut bob = P2pNode::start(PROGRAM, &left.enter(), 12, &reached).await;
    while !bob.answer("now at ").await.contains("p2p-circuit") {}
    let mut alice = P2pNode::start(PROGRAM, &right.enter(), 11, &["--hurry"]).await;
    bob.register(&alice.identity()).await;
    // There is no way but the relay.
    let direct = alice.connect(&bob, &[at(Ipv4Addr::new(10, 77, 1, 2))]).await;
    assert!(direct.is_err(), "{direct:?}");
    let address = through_right.with(Protocol::P2pCircuit).with(Protocol::P2p(bob.peer_id()));
    let met = alice.connect(&bob, std::slice::from_ref(&address)).await;
    assert_eq!(met.as_deref(), Ok("relayed"));
    alice.talk(&bob).await;
    // A relay carries, and takes part in nothing.
    assert_eq!(relay.kept().await.sessions, 0);
    right_link.cut().unwrap();
    alice.settles(|kept| kept.sessions == 0).await;
    right_link.mend().unwrap();
    alice.settles(|kept| kept.sessions == 1).await;
    let talked = alice.hush().await;
    assert!(talked.breaks >= 1 && talked.answered > 1, "{talked:?}");
}
