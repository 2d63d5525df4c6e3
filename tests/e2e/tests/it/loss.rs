//! What a node has lost, and an old copy that comes back: no cheat by accident, and the money is there.

use std::path::Path;

use lockstep_e2e::channel::Pair;
use lockstep_e2e::node::PERIOD;
use serde_json::{Value, json};

/// What a channel that only closes answers to whoever wants to pay in it.
const RESTORED: i64 = -32_035;

#[tokio::test(flavor = "multi_thread")]
async fn p46_a_stale_close_from_an_old_backup_is_challenged_by_the_other_node() {
    let mut pair = Pair::open("1000", "1000").await;
    let id = pair.id.clone();
    pair.one.pay(&id, "100").await;
    let backup = pair.world().folder().join("old.backup").display().to_string();
    pair.one.cli(&["backup", "--to", &backup]).await.expect_done();
    pair.one.pay(&id, "300").await;
    pair.until_balances(600, 1_400).await;
    pair.one.kill();
    pair.two.kill();

    // From the words and the old backup, on a new machine; nobody is there to say what is newer.
    let mut restored = pair.one.reborn().await;
    restored.cli(&["recover", "--from-backup", &backup]).await.expect_done();
    restored.start().await;
    let channel = restored.until_channel(&id, "what is back", |it| it["phase"] == "open").await;
    assert_eq!((&channel["version"], &channel["ownBalance"]), (&json!(1), &json!("900")));
    let refused = restored.call("lockstep_pay", json!({"channelId": id, "amount": "1"})).await;
    assert_eq!(refused.expect_err("it only closes")["code"], RESTORED);
    // It would never do this by itself: the operator orders it, and is warned.
    let blocks = pair.world().anvil.head().await;
    restored.until("lockstep_status", json!([]), "some blocks", is_past(blocks + 20)).await;
    assert_eq!(restored.channel(&id).await["close"], Value::Null);
    let plan = restored.ask("lockstep_forceClose", json!([id, true])).await;
    assert!(!plan["warnings"].as_array().expect("warnings").is_empty(), "{plan}");
    restored.force_close(&id).await;
    restored.until_channel(&id, "the stale close", |it| it["close"]["version"] == 1).await;

    pair.one = restored;
    pair.two.start().await;
    for node in [&pair.one, &pair.two] {
        node.until_channel(&id, "the answer", |it| it["close"]["version"] == 2).await;
    }
    pair.world().pass(PERIOD).await;
    pair.assert_settled(600, 1_400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p46_an_old_copy_of_the_data_folder_is_refused_and_then_only_closes() {
    let mut pair = Pair::open("1000", "1000").await;
    let id = pair.id.clone();
    pair.one.pay(&id, "100").await;
    pair.one.stop().await;
    let copy = pair.world().folder().join("copy");
    copy_folder(&pair.one.data_dir(), &copy);
    pair.one.start().await;
    pair.one.pay(&id, "300").await;
    pair.two.pay(&id, "50").await;
    pair.until_balances(650, 1_350).await;
    pair.one.kill();
    std::fs::remove_dir_all(pair.one.data_dir()).expect("it is gone");
    copy_folder(&copy, &pair.one.data_dir());

    pair.one.launch(&[]);
    assert_ne!(pair.one.ends().await, 0, "an old copy starts as if nothing had happened");
    pair.one.start_with(&["--data-is", "restored"]).await;
    let refused = pair.one.call("lockstep_pay", json!({"channelId": id, "amount": "1"})).await;
    assert_eq!(refused.expect_err("it only closes")["code"], RESTORED);
    pair.one.until_channel(&id, "the newest state", |it| it["ownBalance"] == "650").await;
    pair.one.ask("lockstep_closeChannel", json!([id])).await;
    pair.assert_settled(650, 1_350).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p46_a_node_that_has_only_its_words_recovers_from_the_peer_alone() {
    let mut pair = Pair::open("1000", "1000").await;
    let id = pair.id.clone();
    pair.one.pay(&id, "100").await;
    pair.two.pay(&id, "350").await;
    pair.until_balances(1_250, 750).await;
    pair.one.kill();
    let mut reborn = pair.one.reborn().await;
    reborn.start().await;
    let invite = pair.two.invite().await;
    let report = reborn.cli(&["recover", "--from-peer", &invite]).await.expect_done();
    assert_eq!(
        (&report["channels"][0]["channelId"], &report["warnings"]),
        (&json!(id), &json!([]))
    );
    reborn.until_channel(&id, "the newest state", |it| it["ownBalance"] == "1250").await;
    reborn.ask("lockstep_closeChannel", json!([id])).await;
    pair.one = reborn;
    pair.assert_settled(1_250, 750).await;
}

fn is_past(block: u64) -> impl Fn(&Value) -> bool {
    move |status| status["chain"]["processedNumber"].as_u64() > Some(block)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("a copy");
        }
    }
}
