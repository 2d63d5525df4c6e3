//! Closes, and what the tower does about them.

use lockstep_core::chain::{ChainCall, CloseMode};
use lockstep_core::ids::Version;
use lockstep_core::receipt::ReceiptVerdict;
use lockstep_p2p::tower::message::ActedStage;
use lockstep_watchtower::news::News;

use crate::anvil::FINALITY;
use crate::kit::{
    Client, acted, domain, is_at, leave, mine_until, mine_until_told, patient_tower, policy, sent,
    settle, tower, tower_with, until_heard,
};
use crate::scene::{PERIOD, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn p70_p72_p81_a_stale_close_is_answered_for_a_client_that_is_away_as_its_receipt_promised() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, heard) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    client.link.subscribe(1).await.unwrap();
    let receipt = leave(&client, &scene, &channel, 7).await;
    drop(client);
    scene.close(&channel, 3).await;
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    mine_until(&scene, "its finality", || async { acted(&heard).contains_key(&ActedStage::Final) })
        .await;
    assert_eq!(sent(&scene).await, 1);
    let tombstone = settle(&scene, &channel).await;
    assert_eq!(tombstone.mode, CloseMode::Unilateral);
    let judged = receipt.judge(domain(&scene), &channel.terms, &tombstone).unwrap();
    assert_eq!(judged, ReceiptVerdict::Kept { settled: Version(7) });
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p70_a_client_that_is_there_hears_each_step_of_the_answer() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, _) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let mut client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    scene.close(&channel, 3).await;
    let seen = client.until_acted(ActedStage::Seen).await;
    assert_eq!((seen.seen_version, seen.posted_version), (Version(3), Version(7)));
    let sent = client.until_acted(ActedStage::Sent).await;
    assert_eq!(sent.channel_id, channel.id);
    scene.anvil.mine(1).await;
    let included = client.until_acted(ActedStage::Included).await;
    scene.anvil.must_succeed(included.tx_hash.unwrap()).await;
    scene.anvil.mine(FINALITY).await;
    client.until_acted(ActedStage::Final).await;
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p74_a_tower_that_stops_between_seeing_a_close_and_its_answer_goes_on_after_a_restart() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (first, address, _) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let mut client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    scene.close(&channel, 3).await;
    client.until_acted(ActedStage::Seen).await;
    first.stop().await;
    // The close becomes final meanwhile: a log that only lies below the cursor would not be read again.
    scene.anvil.mine(FINALITY + 2).await;
    let (second, _, _) = tower(&scene, dir.path()).await;
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    second.stop().await;
    assert_eq!(sent(&scene).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn p74_a_close_that_happened_while_the_tower_was_down_is_answered() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (first, address, _) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    first.stop().await;
    scene.close(&channel, 3).await;
    scene.anvil.mine(FINALITY + 2).await;
    let (second, _, _) = tower(&scene, dir.path()).await;
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p72_p75_a_reorg_that_drops_the_answer_or_the_close_is_followed_by_another_answer() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, heard) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    scene.anvil.mine(FINALITY).await;
    scene.close(&channel, 3).await;
    until_heard(&heard, ActedStage::Sent).await;
    scene.anvil.mine(1).await;
    assert!(is_at(&scene, &channel, 7).await);
    // The block with the answer, and then the one with the close, are replaced by empty ones.
    scene.anvil.reorg(1).await;
    assert!(is_at(&scene, &channel, 3).await);
    mine_until(&scene, "the second answer", || is_at(&scene, &channel, 7)).await;
    mine_until(&scene, "its finality", || async { acted(&heard).contains_key(&ActedStage::Final) })
        .await;
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p71_p82_an_honest_close_and_one_that_another_tower_has_answered_cost_nothing() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let own = patient_tower();
    let (tower, address, heard) = tower_with(&scene, dir.path(), policy(), Some(own)).await;
    let (honest, stale) = (scene.open(1).await, scene.open(2).await);
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &honest, 7).await;
    leave(&client, &scene, &stale, 7).await;
    let (to, data) = {
        let call = ChainCall::Challenge(stale.evidence(7, 20));
        lockstep_chain::call::encode(&scene.contracts, &stale.terms, &call, None).unwrap()
    };
    let close = ChainCall::InitiateClose(Some(honest.evidence(7, 20)));
    let (hub, closing) =
        lockstep_chain::call::encode(&scene.contracts, &honest.terms, &close, None).unwrap();
    scene.anvil.send(scene.owner1, hub, 0, closing).await;
    scene.send_close(&stale, 3).await;
    scene.anvil.mine(1).await;
    scene.anvil.send(scene.owner2, to, 0, data).await;
    scene.anvil.mine(1).await;
    assert!(is_at(&scene, &stale, 7).await);
    mine_until(&scene, "both are seen", || async {
        acted(&heard).get(&ActedStage::Seen) == Some(&2)
    })
    .await;
    scene.anvil.ask("evm_increaseTime", (u64::from(PERIOD) / 5,)).await;
    scene.anvil.mine(FINALITY).await;
    settle(&scene, &honest).await;
    mine_until(&scene, "the tombstones are final", || async {
        scene.stored(&honest).await.mode > 0 && tower.totals().await.unwrap().closes <= 1
    })
    .await;
    assert_eq!(sent(&scene).await, 0);
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_a_promise_that_was_broken_is_said_and_proved_by_the_receipt() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (first, address, _) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    let receipt = leave(&client, &scene, &channel, 7).await;
    // It is away for the whole window.
    first.stop().await;
    scene.close(&channel, 3).await;
    let tombstone = settle(&scene, &channel).await;
    let failed = ReceiptVerdict::Failed { settled: Version(3), promised: Version(7) };
    assert_eq!(receipt.judge(domain(&scene), &channel.terms, &tombstone), Ok(failed));
    let (second, _, heard) = tower(&scene, dir.path()).await;
    mine_until_told(&scene, &heard, "the operator hears", |news| {
        matches!(news, News::Failed { .. })
    })
    .await;
    second.stop().await;
}
