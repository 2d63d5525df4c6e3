//! Whole nodes on machines of their own: nothing is between them but links that a test lays and cuts, and a way to
//! the chain. All that is known of them is what their command line says there.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use lockstep_e2e::netns::{Denied, Link, Namespace};
use lockstep_e2e::node::{Node, Options, PERIOD};
use lockstep_e2e::patiently;
use lockstep_e2e::world::World;
use lockstep_p2p::invite::Invite;
use serde_json::{Value, json};

const FORWARD: &str = env!("CARGO_BIN_EXE_port-forward");

/// A machine in the middle, and two that reach it and not each other.
struct Machines {
    middle: Namespace,
    left: Namespace,
    right: Namespace,
    right_link: Link,
}

impl Machines {
    fn new() -> Result<Self, Denied> {
        let (middle, left, right) = (Namespace::new()?, Namespace::new()?, Namespace::new()?);
        left.link(Ipv4Addr::new(10, 77, 1, 2), &middle, Ipv4Addr::new(10, 77, 1, 1))?;
        let (own, other) = (Ipv4Addr::new(10, 77, 2, 2), Ipv4Addr::new(10, 77, 2, 1));
        let right_link = right.link(own, &middle, other)?;
        Ok(Self { middle, left, right, right_link })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_cannot_reach_each_other_open_pay_and_close_through_a_relay_that_comes_and_goes()
 {
    let machines = match Machines::new() {
        Ok(machines) => machines,
        Err(denied) => return denied.skip("two nodes between three namespaces"),
    };
    let (world, _deployer) = World::start().await;
    let socket = world.folder().join("chain").display().to_string();
    let chain = world.anvil.url.trim_start_matches("http://").to_owned();
    let (_out, _) = forward(&[], &["out", &socket, &chain]);

    let ends = "/ip4/10.77.1.1/tcp/9555,/ip4/10.77.2.1/tcp/9555".to_owned();
    let more = vec![
        ("LOCKSTEP_P2P_RELAY_SERVER", "true".to_owned()),
        ("LOCKSTEP_P2P_EXTERNAL", ends),
        ("LOCKSTEP_P2P_LISTEN", "/ip4/0.0.0.0/tcp/9555".to_owned()),
    ];
    let (relay, _relays_way) = start(&world, &machines.middle, &socket, more).await;
    let relay_id = Invite::from_text(&invite(&relay).await).expect("an invite").contact().peer_id;
    let more = vec![
        ("LOCKSTEP_P2P_RELAYS", format!("/ip4/10.77.1.1/tcp/9555/p2p/{relay_id}")),
        ("LOCKSTEP_P2P_LISTEN", "/ip4/10.77.1.2/tcp/9555".to_owned()),
    ];
    let (one, _ones_way) = start(&world, &machines.left, &socket, more).await;
    let listens = vec![("LOCKSTEP_P2P_LISTEN", "/ip4/10.77.2.2/tcp/9555".to_owned())];
    let (two, _twos_way) = start(&world, &machines.right, &socket, listens).await;

    let reached = patiently("a place at the relay", async || {
        let invite = invite(&one).await;
        let contact = Invite::from_text(&invite).expect("an invite").contact();
        let mut at = contact.addresses.iter().map(ToString::to_string);
        at.any(|address| address.contains("p2p-circuit")).then_some(invite)
    })
    .await;
    // The relay may not have heard of the place that the invite names: the node tries again.
    let opened = two.cli(&["open", &reached, "1000wei", "--no-wait"]).await.expect_done();
    let id = opened["channelId"].as_str().expect("an id");
    let is_there = |offers: &Value| offers.as_array().is_some_and(|it| !it.is_empty());
    until(&one, &["join"], "the offer", is_there).await;
    one.cli(&["join", id, "--no-wait"]).await.expect_done();
    for node in [&one, &two] {
        until(node, &["channels", id], "an open channel", |it| it["phase"] == "open").await;
    }
    two.cli(&["pay", id, "300wei"]).await.expect_done();
    one.cli(&["pay", id, "100wei"]).await.expect_done();

    // A payment is under way when the cable is pulled, and arrives when it is back.
    machines.right_link.cut().expect("cut");
    let order = ["pay", id, "50wei", "--key", "in-between"];
    let (paid, ()) = tokio::join!(two.cli(&order), async {
        until(&two, &["channels", id], "what waits", |it| it["pendingPayments"] != 0).await;
        machines.right_link.mend().expect("mended");
    });
    println!("{paid:?}");
    // Whether that answer was in time or not: the same key pays at most once.
    two.cli(&order).await.expect_done();
    for (node, own) in [(&one, "250"), (&two, "750")] {
        until(node, &["channels", id], "its balance", |it| {
            it["ownBalance"] == own && it["pendingPayments"] == 0
        })
        .await;
    }
    one.cli(&["close", id, "--no-wait"]).await.expect_done();
    for (node, own, other) in [(&one, "250", "750"), (&two, "750", "250")] {
        let end = json!([own, other]);
        until(node, &["channels", id], "the end", |it| it["settled"] == end).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_cut_link_one_side_closes_alone_and_the_other_learns_it_from_the_chain() {
    let laid = || -> Result<_, Denied> {
        let (left, right) = (Namespace::new()?, Namespace::new()?);
        let (own, other) = (Ipv4Addr::new(10, 77, 1, 1), Ipv4Addr::new(10, 77, 1, 2));
        let link = left.link(own, &right, other)?;
        Ok((left, right, link))
    };
    let (left, right, link) = match laid() {
        Ok(machines) => machines,
        Err(denied) => return denied.skip("a cut link between two whole nodes"),
    };
    let (world, _deployer) = World::start().await;
    let socket = world.folder().join("chain").display().to_string();
    let chain = world.anvil.url.trim_start_matches("http://").to_owned();
    let (_out, _) = forward(&[], &["out", &socket, &chain]);
    let listens = |at: &str| vec![("LOCKSTEP_P2P_LISTEN", format!("/ip4/{at}/tcp/9555"))];
    let (one, _ones_way) = start(&world, &left, &socket, listens("10.77.1.1")).await;
    let (two, _twos_way) = start(&world, &right, &socket, listens("10.77.1.2")).await;

    let opened = one.cli(&["open", &invite(&two).await, "1000wei", "--no-wait"]).await;
    let opened = opened.expect_done();
    let id = opened["channelId"].as_str().expect("an id");
    let is_there = |offers: &Value| offers.as_array().is_some_and(|it| !it.is_empty());
    until(&two, &["join"], "the offer", is_there).await;
    two.cli(&["join", id, "--no-wait"]).await.expect_done();
    for node in [&one, &two] {
        until(node, &["channels", id], "an open channel", |it| it["phase"] == "open").await;
    }
    one.cli(&["pay", id, "300wei"]).await.expect_done();
    link.cut().expect("cut");
    one.cli(&["pay", id, "50wei", "--no-wait"]).await;
    until(&one, &["channels", id], "what waits", |it| it["pendingPayments"] == 1).await;
    two.cli(&["force-close", id, "--yes"]).await.expect_done();
    for node in [&one, &two] {
        until(node, &["channels", id], "the close", |it| it["phase"] == "disputed").await;
    }
    world.pass(PERIOD).await;
    for (node, own, other) in [(&one, "700", "300"), (&two, "300", "700")] {
        let end = json!([own, other]);
        until(node, &["channels", id], "the end", |it| it["settled"] == end).await;
    }
    // Neither has to hear of the other for that, nor afterwards.
    link.mend().expect("mended");
    until(&one, &["channels", id], "nothing under way", |it| it["pendingPayments"] == 0).await;
}

/// A process that ends with the test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A bridge to the socket file that every machine sees; with what it says of itself.
fn forward(before: &[String], words: &[&str]) -> (Guard, String) {
    let mut all = before.iter().map(String::as_str).chain([FORWARD]).chain(words.iter().copied());
    let mut command = Command::new(all.next().expect("a program"));
    command.args(all).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut guard = Guard(command.spawn().expect("it starts"));
    let mut said = String::new();
    let stdout = guard.0.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut said).expect("a line");
    (guard, said.trim().to_owned())
}

/// A running node on a machine, and its way to the chain.
async fn start(
    world: &Arc<World>,
    machine: &Namespace,
    socket: &str,
    more: Vec<(&'static str, String)>,
) -> (Node, Guard) {
    let (way, at) = forward(&machine.enter(), &["in", socket]);
    let endpoint = Some(format!("http://{at}"));
    let options = Options { endpoint, more, within: machine.enter(), ..Options::default() };
    let mut node = world.node(&options).await;
    node.launch(&[]);
    let serves = |status: &Value| status["chain"]["processedNumber"].is_number();
    until(&node, &["status"], "a node that serves", serves).await;
    (node, way)
}

async fn invite(node: &Node) -> String {
    let made = until(node, &["invite"], "an invite", |it| it["invite"].is_string()).await;
    made["invite"].as_str().expect("text").to_owned()
}

/// Asks on the machine itself until the answer is as it should be.
async fn until(node: &Node, words: &[&str], what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    patiently(what, async || {
        let ended = node.cli(words).await;
        let line = ended.stdout.trim().lines().last()?;
        let answer: Value = serde_json::from_str(line).ok()?;
        is_so(&answer).then_some(answer)
    })
    .await
}
