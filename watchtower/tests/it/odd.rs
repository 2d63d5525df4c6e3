//! Rows of the fault table about clients and clocks: keys that change, a client that runs twice, a state that both
//! signed twice, a clock that is off.

use lockstep_core::appointment::TowerAction;
use lockstep_core::ids::{Side, Version};
use lockstep_core::receipt::ReceiptVerdict;
use lockstep_p2p::tower::PutOutcome;
use lockstep_p2p::tower::message::ActedStage;

use crate::anvil::FINALITY;
use crate::kit::{
    Client, appointment, domain, is_at, leave, mine_until, sent, settle, tower, until_heard,
};
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn p80_a_client_with_a_new_session_key_is_served_and_its_old_key_takes_nothing_away() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, _) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let old = Client::connect(&address, 1).await;
    leave(&old, &scene, &channel, 7).await;
    // The word of the channel's signer names the account, so that no other one can use it.
    let new = Client::connect(&address, 2).await;
    let stolen = old.access(&scene, &channel, Side::Two, TowerAction::Get);
    assert!(new.link.get(stolen).await.is_err());
    let promise = leave(&new, &scene, &channel, 8).await;
    assert_eq!(promise.receipt.version, Version(8));
    let dropping = old.access(&scene, &channel, Side::Two, TowerAction::Drop);
    old.link.drop_channel(dropping).await.unwrap();
    scene.close(&channel, 3).await;
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 8)).await;
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p80_a_client_that_runs_twice_learns_what_its_twin_has_left() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, _) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let original = Client::connect(&address, 1).await;
    leave(&original, &scene, &channel, 7).await;
    let twin = Client::connect(&address, 1).await;
    leave(&twin, &scene, &channel, 9).await;
    // Whichever of them has the link now: it is told of the newer state, with the promise for it.
    let again = Client::connect(&address, 1).await;
    let older = appointment(&scene, &channel, 8, 20);
    let access = again.watch(&scene, &channel, Side::Two);
    match again.link.put(older, access).await.unwrap() {
        PutOutcome::Held(held) => {
            assert_eq!(held.appointment.state.version, Version(9));
            assert_eq!(held.receipt.unwrap().receipt.version, Version(9));
        }
        promised @ PutOutcome::Promised(_) => panic!("{promised:?}"),
    }
    scene.close(&channel, 7).await;
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 9)).await;
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p05_p71_another_state_of_the_same_version_is_neither_taken_nor_answered() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, heard) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    let promise = leave(&client, &scene, &channel, 7).await;
    let other = appointment(&scene, &channel, 7, 30);
    let access = client.watch(&scene, &channel, Side::Two);
    match client.link.put(other, access).await.unwrap() {
        PutOutcome::Held(held) => {
            assert_eq!(held.appointment.state, appointment(&scene, &channel, 7, 20).state);
            assert_eq!(held.receipt, Some(promise));
        }
        promised @ PutOutcome::Promised(_) => panic!("{promised:?}"),
    }
    // Both signed this one as well. The contract takes no second state of one version.
    scene.close(&channel, 7).await;
    until_heard(&heard, ActedStage::Seen).await;
    scene.anvil.mine(FINALITY + 2).await;
    let other = scene.open(2).await;
    leave(&client, &scene, &other, 7).await;
    scene.close(&other, 3).await;
    mine_until(&scene, "the answer to another close", || is_at(&scene, &other, 7)).await;
    assert_eq!(sent(&scene).await, 1, "the first one costs nothing");
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p57_a_chain_that_is_an_hour_ahead_of_the_machine_is_answered_and_promised_by_its_own_time()
{
    let scene = Scene::start().await;
    scene.anvil.ask("evm_increaseTime", (3_600,)).await;
    scene.anvil.mine(1).await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, heard) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let opened = scene.endpoints().time().await.unwrap();
    let client = Client::connect(&address, 1).await;
    let promise = leave(&client, &scene, &channel, 7).await;
    assert!(opened.secs_since(promise.receipt.valid_from) < 60, "by the chain's clock");
    // It jumps again while the answer waits.
    scene.close(&channel, 3).await;
    until_heard(&heard, ActedStage::Sent).await;
    scene.anvil.ask("evm_increaseTime", (3_600,)).await;
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    let tombstone = settle(&scene, &channel).await;
    let judged = promise.judge(domain(&scene), &channel.terms, &tombstone).unwrap();
    assert_eq!(judged, ReceiptVerdict::Kept { settled: Version(7) });
    tower.stop().await;
}
