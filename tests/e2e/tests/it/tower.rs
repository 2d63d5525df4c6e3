//! Nodes and stand-alone towers, each in a process of its own.

use std::fs;

use lockstep_e2e::channel::{Pair, initiate_close_by_hand};
use lockstep_e2e::node::{Node, PERIOD};
use lockstep_e2e::patiently;
use lockstep_e2e::tower::Tower;
use serde_json::{Value, json};

async fn add(node: &Node, tower: &Tower) {
    node.cli(&["tower", "add", &tower.address]).await.expect_done();
}

/// Waits for a tower's promise of a version.
async fn promised(node: &Node, id: &str, version: u64) -> Value {
    patiently("the receipt", async || {
        let receipts = node.cli(&["tower", "receipts", id]).await.expect_done();
        let receipts = receipts.as_array().expect("receipts").clone();
        receipts.into_iter().find(|receipt| receipt["version"] == version)
    })
    .await
}

fn has_alarm(status: &Value, kind: &str) -> bool {
    status["alarms"].as_array().is_some_and(|all| all.iter().any(|alarm| alarm["kind"] == kind))
}

#[tokio::test(flavor = "multi_thread")]
async fn p70_p81_a_tower_answers_while_both_nodes_are_down_and_its_receipt_says_so_offline() {
    let mut pair = Pair::start().await;
    let tower = Tower::start(pair.one.world(), "tower").await;
    add(&pair.two, &tower).await;
    pair.add_channel("1000", "1000", None).await;
    let id = pair.id.clone();
    pair.one.pay(&id, "100").await;
    let stale = pair.one.proof(&id).await;
    pair.one.pay(&id, "250").await;
    let receipt = promised(&pair.two, &id, 2).await;
    let (cheat, world) = (pair.one.account(), pair.one.world().clone());
    pair.one.kill();
    pair.two.kill();
    initiate_close_by_hand(&world, &stale, cheat).await;
    patiently("the answer", async || (tower.sent().await == 1).then_some(())).await;
    pair.run().await;
    let answered = |channel: &Value| channel["close"]["version"] == 2;
    let channel = pair.two.until_channel(&id, "the answer", answered).await;
    let closes_at = channel["close"]["closesAt"].as_u64().expect("a time").to_string();
    world.pass(PERIOD).await;
    pair.assert_settled(650, 1_350).await;
    assert_eq!(tower.sent().await, 1);
    pair.two.stop().await;
    let file = world.folder().join("receipt.json");
    fs::write(&file, receipt.to_string()).expect("written");
    let file = file.display().to_string();
    for (settled, verdict) in [("2", "kept"), ("1", "failed")] {
        let words = [
            "tower",
            "verify-receipt",
            &file,
            "--settled-version",
            settled,
            "--closes-at",
            &closes_at,
        ];
        assert_eq!(pair.two.cli(&words).await.expect_done()["verdict"], verdict);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_with_a_tower_that_is_down_and_one_that_stands_still_async_pays_on_and_bounded_stops_and_says_so()
 {
    let mut pair = Pair::stopped().await;
    pair.one.set("LOCKSTEP_TOWERS_POLICY", "async");
    pair.two.set("LOCKSTEP_TOWERS_POLICY", "bounded");
    pair.two.set("LOCKSTEP_TOWERS_MAX_UNPROTECTED", "100");
    pair.two.set("LOCKSTEP_TOWERS_HOLD_MILLIS", "1500");
    pair.run().await;
    let mut down = Tower::start(pair.one.world(), "down").await;
    let slow = Tower::start(pair.one.world(), "slow").await;
    for node in [&pair.one, &pair.two] {
        add(node, &down).await;
        add(node, &slow).await;
    }
    pair.add_channel("10000", "10000", None).await;
    let id = pair.id.clone();
    pair.one.pay(&id, "50").await;
    promised(&pair.two, &id, 1).await;
    let protected = |channel: &Value| channel["unprotected"] == "0";
    pair.two.until_channel(&id, "its protection", protected).await;
    down.kill();
    slow.freeze();
    pair.one.pay(&id, "60").await;
    pair.one.pay(&id, "40").await;
    let exposed = |channel: &Value| channel["unprotected"] == "100";
    pair.two.until_channel(&id, "what it may lose", exposed).await;
    // The payer is told no; nothing hangs.
    let call = json!({"channelId": id, "amount": "1", "waitMillis": 60_000});
    let declined = pair.one.ask("lockstep_pay", call).await;
    assert_eq!(declined["state"], "failed", "{declined}");
    pair.two.until("lockstep_status", json!([]), "word", |it| has_alarm(it, "incomeWaits")).await;
    // What it pays itself never waits, and the other side takes whatever comes.
    for _ in 0..5 {
        pair.two.pay(&id, "500").await;
    }
    let exposed =
        |channel: &Value| channel["ownBalance"] == "12350" && channel["unprotected"] != "0";
    pair.one.until_channel(&id, "all of it, and what it may lose", exposed).await;
    slow.thaw();
    down.run().await;
    for node in [&pair.one, &pair.two] {
        node.until_channel(&id, "its protection", protected).await;
    }
    pair.one.pay(&id, "90").await;
    pair.until_balances(12_260, 7_740).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p71_p82_node_and_tower_both_answer_and_nothing_is_answered_twice() {
    let mut pair = Pair::start().await;
    let tower = Tower::start(pair.one.world(), "tower").await;
    add(&pair.two, &tower).await;
    pair.add_channel("1000", "1000", None).await;
    let id = pair.id.clone();
    pair.one.pay(&id, "100").await;
    let stale = pair.one.proof(&id).await;
    pair.one.pay(&id, "250").await;
    promised(&pair.two, &id, 2).await;
    let (cheat, world) = (pair.one.account(), pair.one.world().clone());
    pair.one.kill();
    initiate_close_by_hand(&world, &stale, cheat).await;
    let answered = |channel: &Value| channel["close"]["version"] == 2;
    pair.two.until_channel(&id, "the answer", answered).await;
    pair.one.start().await;
    world.pass(PERIOD).await;
    pair.assert_settled(650, 1_350).await;
    assert!(tower.sent().await <= 1, "a second answer changes nothing and is not repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn p46_a_node_that_has_only_its_words_recovers_from_its_tower_while_its_peer_is_away() {
    let mut pair = Pair::start().await;
    let tower = Tower::start(pair.one.world(), "tower").await;
    add(&pair.two, &tower).await;
    pair.add_channel("1000", "1000", None).await;
    let id = pair.id.clone();
    pair.one.pay(&id, "100").await;
    pair.one.pay(&id, "250").await;
    promised(&pair.two, &id, 2).await;
    let invite = pair.one.invite().await;
    pair.two.kill();
    pair.one.kill();
    let mut reborn = pair.two.reborn().await;
    reborn.start().await;
    add(&reborn, &tower).await;
    let words = ["recover", "--from-peer", &invite, "--from-towers"];
    let report = reborn.cli(&words).await.expect_done();
    assert_eq!(report["channels"][0]["channelId"], json!(id), "{report}");
    reborn.until_channel(&id, "the newest state", |it| it["ownBalance"] == "1350").await;
    reborn.force_close(&id).await;
    reborn.until_channel(&id, "the close", |it| it["close"]["version"] == 2).await;
    reborn.world().pass(PERIOD).await;
    pair.two = reborn;
    pair.one.start().await;
    pair.assert_settled(650, 1_350).await;
}
