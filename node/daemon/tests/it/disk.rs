//! Disks that are full, or fail: the node goes on watching and answering.

use crate::closing::initiate_close;
use crate::kit::{Node, PERIOD, Pair, World, amount};
use alloy_primitives::U64;
use lockstep_rpc::backend::Backend;
use lockstep_rpc::types::Channel;
use lockstep_store::open::Provenance;
use serde_json::json;

/// No space left on device.
const ENOSPC: i32 = 28;
/// Input/output error.
const EIO: i32 = 5;

async fn calls_of(world: &World, node: &Node) -> u64 {
    let count = world.ask("eth_getTransactionCount", json!([node.account, "latest"])).await;
    serde_json::from_value::<U64>(count).unwrap().to()
}

async fn until_it_has_called(world: &World, node: &Node, before: u64) {
    let waiting = async {
        while calls_of(world, node).await == before {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await;
    waited.unwrap_or_else(|_| panic!("no challenge: {:#?}", node.engine.status()));
}

fn has_alarm(node: &Node, kind: &str) -> bool {
    node.engine.status().alarms.iter().any(|alarm| alarm.kind == kind)
}

/// A fact that can't be written down, then a stale close, with nobody else there to answer it.
async fn a_stale_close_is_answered(break_disk: impl Fn(&Node), alarm: &str) -> (World, Node) {
    let (pair, id) = Pair::open(1_000, 1_000).await;
    pair.one.pay(id, 100).await;
    let old = pair.one.export(id).await;
    pair.two.pay(id, 600).await;
    pair.one.until_channel(id, "the income", |channel| channel.own_balance == amount(1_500)).await;
    break_disk(&pair.one);
    pair.two.deposit(id, 1, "a little").await.unwrap();
    pair.two.until_channel(id, "it counts", |channel| channel.capacity == amount(2_001)).await;
    let Pair { world, one, two } = pair;
    one.until("an alarm", |node| has_alarm(node, alarm)).await;
    two.stop().await;
    let before = calls_of(&world, &one).await;
    initiate_close(&world, &old).await;
    until_it_has_called(&world, &one, before).await;
    (world, one)
}

#[tokio::test(flavor = "multi_thread")]
async fn p51_p70_a_node_with_a_full_disk_still_sees_and_answers_a_stale_close() {
    let fill = |node: &Node| node.faults.fail_reserve(Some(ENOSPC));
    let (_world, one) = a_stale_close_is_answered(fill, "factsNotDurable").await;
    // Room again: what waited is taken up, in order, and the alarm is over.
    one.faults.fail_reserve(None);
    one.until("it is written down", |node| !has_alarm(node, "factsNotDurable")).await;
    let channel = one.channels().await.remove(0);
    assert_eq!(channel.capacity, amount(2_001));
    assert!(channel.close.is_some(), "{channel:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p49_p70_a_node_whose_journal_has_failed_still_sees_and_answers_a_stale_close() {
    let fail = |node: &Node| node.faults.fail_sync(Some(EIO));
    let (world, one) = a_stale_close_is_answered(fail, "signingStopped").await;
    assert!(one.engine.is_signing_stopped());
    // With a disk that works, the next start takes everything up: the close, the answer to it, and the end.
    let parts = one.stop().await;
    parts.faults.fail_sync(None);
    let one = parts.run(&world, Provenance::Untouched).await;
    assert!(!one.engine.is_signing_stopped());
    let id = one.channels().await.remove(0).channel_id.0;
    let is_answered = |channel: &Channel| {
        channel.close.as_ref().is_some_and(|close| close.version == channel.version)
    };
    one.until_channel(id, "its own answer", is_answered).await;
    world.pass(u64::from(PERIOD)).await;
    one.assert_settled(id, 1_500, 501).await;
}
