//! Single strangers against a whole node, each breaking one rule: it ends them, and is paid all the while.

use std::io;

use lockstep_e2e::hostile::attack::greeting::FRIEND;
use lockstep_e2e::hostile::attack::{
    Attacker, greeting, name_lengths, session, transport, went_on,
};
use lockstep_e2e::hostile::greeting::{Lie, every_lie, greet};
use lockstep_e2e::hostile::message::every_absurdity;
use lockstep_e2e::{PATIENCE, patiently};
use lockstep_p2p::limits::Limits;
use tokio::task::JoinSet;

use crate::scene::HOLD;
use crate::siege::Siege;

const MIB: u64 = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p60_p67_p68_p69_a_node_ends_whoever_breaks_a_rule_and_believes_no_lie() {
    let siege = Siege::begin().await;
    // Before it pays, which takes memory of its own.
    name_lengths(attackers(0), &siege.aim).await;
    assert!(siege.taken() < 16 * MIB, "{} MiB", siege.taken() / MIB);
    let paid = siege.while_paying(break_rules(&siege)).await;
    siege.ends(paid).await;
}

/// Each from a place of its own: one that has broken a rule is not let in again for a while.
fn attackers(first: u32) -> impl FnMut() -> Attacker {
    let mut numbers = first..;
    move || Attacker::new(numbers.next().unwrap(), HOLD)
}

async fn break_rules(siege: &Siege) {
    let (aim, mut next) = (&siege.aim, attackers(1_000));
    for _ in every_absurdity() {
        session::absurdities(&next(), aim).await.unwrap();
        session::noise(&next(), aim).await.unwrap();
    }
    for lie in every_lie(FRIEND) {
        let by = next();
        let link = by.link(aim).await.unwrap();
        assert!(greet(&link, &by.identity, aim, lie).await.is_err(), "{lie:?} is believed");
    }
    greeting::replay(&next(), aim).await.unwrap();
    let by = next();
    let link = by.link(aim).await.unwrap();
    assert!(link.open_as("/lockstep/channel/0").await.is_err(), "an older protocol is spoken");
    assert!(greet(&link, &by.identity, aim, Lie::None).await.is_ok(), "an honest stranger is not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p61_p65_strangers_fill_their_own_places_only_and_whoever_is_slow_is_given_up() {
    let mut siege = Siege::begin().await;
    let limits = Limits::default().connections;
    let mut held = Vec::new();
    // Ten each from twelve places: more than one place and more than all strangers may have.
    for number in 0..120 {
        let place = Attacker::new(number / 10, PATIENCE);
        let by = Attacker { from: place.from, ..Attacker::new(number, PATIENCE) };
        held.extend(by.link(&siege.aim).await);
        // One that has just been accepted is open before it is refused.
        let most = limits.strangers + limits.pending_inbound;
        assert!(siege.opened() <= most, "{} files", siege.opened());
    }
    // The victim has not noticed by then that they do nothing: its counterparty comes in all the same.
    siege.pair.one.kill();
    siege.pair.one.start().await;
    let is_there = |it: &serde_json::Value| it["isConnected"] == true;
    let id = siege.pair.id.clone();
    for node in [&siege.pair.one, &siege.pair.two] {
        node.until_channel(&id, "a link", is_there).await;
    }
    drop(held);
    let paid = siege.while_paying(be_slow(&siege)).await;
    siege.ends(paid).await;
}

async fn be_slow(siege: &Siege) {
    // Those that were there have left.
    patiently("room for strangers", async || {
        Attacker::new(200, PATIENCE).link(&siege.aim).await.ok()
    })
    .await;
    let mut slow = JoinSet::new();
    for number in 0..7 {
        let (by, aim) = (Attacker::new(300 + number, PATIENCE), siege.aim.clone());
        slow.spawn(async move {
            let ended: io::Result<()> = match number {
                0 => transport::silence(&by, &aim).await,
                1 => transport::trickle(&by, &aim).await,
                2 => transport::idleness(&by, &aim).await,
                3 => greeting::half(&by, &aim).await,
                4 => session::endless_frame(&by, &aim).await,
                5 => transport::full_windows(&by, &aim).await,
                _ => session::silence(&by, &aim).await,
            };
            (number, ended)
        });
    }
    while let Some(ended) = slow.join_next().await {
        let (number, ended) = ended.unwrap();
        println!("{number} ended with {ended:?}");
        assert!(!went_on(&ended), "{number} could go on");
    }
}
