//! What goes wrong on the way of an answer: the rows of the fault table that are about the chain.

use lockstep_chain::alarm::Alarm;
use lockstep_core::chain::ChainCall;
use lockstep_p2p::tower::message::ActedStage;
use lockstep_watchtower::news::News;
use serde_json::json;

use crate::anvil::FINALITY;
use crate::kit::{
    Client, LANES, LOOK, PATIENCE, acted, is_at, lane_address, leave, mine_until, mine_until_told,
    patient_tower, sent, tower, tower_over, until_heard, wait_until,
};
use crate::proxy::{Lie, Proxy};
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn p76_a_base_fee_a_hundred_times_higher_does_not_stop_an_answer() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, heard) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    scene.close(&channel, 3).await;
    until_heard(&heard, ActedStage::Sent).await;
    // The block is too dear for what was offered, and so are those after it.
    let waiting = async {
        while !is_at(&scene, &channel, 7).await {
            scene.anvil.spike(100_000_000_000).await;
            scene.anvil.mine(1).await;
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the answer");
    assert_eq!(sent(&scene).await, 1);
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p72_an_answer_that_falls_out_of_the_pool_is_sent_again() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, heard) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    scene.close(&channel, 3).await;
    until_heard(&heard, ActedStage::Sent).await;
    scene.anvil.ask("anvil_dropAllTransactions", json!([])).await;
    scene.anvil.mine(1).await;
    assert!(is_at(&scene, &channel, 3).await);
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p71_both_sides_close_in_one_block_and_the_newest_state_wins() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, heard) = tower(&scene, dir.path()).await;
    let (stale, honest) = (scene.open(1).await, scene.open(2).await);
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &stale, 7).await;
    leave(&client, &scene, &honest, 7).await;
    for (channel, other) in [(&stale, 5), (&honest, 7)] {
        scene.send_close(channel, 3).await;
        let call = ChainCall::InitiateClose(Some(channel.evidence(other, 20)));
        let (to, data) =
            lockstep_chain::call::encode(&scene.contracts, &channel.terms, &call, None).unwrap();
        scene.anvil.send(scene.owner2, to, 0, data).await;
    }
    scene.anvil.mine(1).await;
    assert!(is_at(&scene, &stale, 5).await && is_at(&scene, &honest, 7).await);
    mine_until(&scene, "the answer", || is_at(&scene, &stale, 7)).await;
    until_heard(&heard, ActedStage::Included).await;
    scene.anvil.mine(FINALITY + 1).await;
    until_heard(&heard, ActedStage::Final).await;
    let used = sent(&scene).await;
    assert_eq!(used, 1, "what the other side has answered costs nothing");
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p73_an_endpoint_that_is_dead_and_one_that_hides_the_close_delay_no_answer() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let liar = Proxy::start(&scene.anvil.url, Lie::None).await;
    // Nobody listens there.
    let dead = "http://127.0.0.1:9";
    let urls = [dead, liar.url.as_str(), scene.anvil.url.as_str()];
    let (tower, address, heard) = tower_over(&scene, dir.path(), &urls, None).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    liar.set(Lie::HideAll);
    scene.close(&channel, 3).await;
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    mine_until_told(&scene, &heard, "the alarm", |news| {
        matches!(news, News::Chain(Alarm::EndpointDown { .. } | Alarm::LogsDiffer { .. }))
    })
    .await;
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p78_a_tower_whose_accounts_are_empty_says_so_and_answers_once_it_has_coin() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, heard) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    let lanes = LANES.map(lane_address);
    for lane in &lanes {
        scene.anvil.ask("anvil_setBalance", json!([lane, "0x0"])).await;
    }
    scene.close(&channel, 3).await;
    mine_until_told(&scene, &heard, "the alarm", |news| {
        matches!(news, News::Chain(Alarm::AccountEmpty { .. }))
    })
    .await;
    assert!(is_at(&scene, &channel, 3).await);
    scene.anvil.fund(lanes[1]).await;
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p70_half_of_a_window_without_a_final_answer_is_told_to_operator_and_client_once() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, heard) = tower(&scene, dir.path()).await;
    let channel = scene.open(1).await;
    let mut client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    scene.close(&channel, 3).await;
    until_heard(&heard, ActedStage::Sent).await;
    // Blocks come and leave the answer out.
    scene.anvil.ask("anvil_dropAllTransactions", json!([])).await;
    scene.anvil.ask("evm_increaseTime", (u64::from(crate::scene::PERIOD) / 2,)).await;
    scene.anvil.mine(1).await;
    let alarm = client.until_acted(ActedStage::Alarm).await;
    assert_eq!((alarm.channel_id, alarm.posted_version.0), (channel.id, 7));
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    let halves =
        heard.lock().unwrap().iter().filter(|n| matches!(n, News::HalfOfWindow { .. })).count();
    assert_eq!(halves, 1);
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p73_an_endpoint_that_shows_a_newer_close_talks_the_tower_out_of_no_answer() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let liar = Proxy::start(&scene.anvil.url, Lie::None).await;
    let urls = [scene.anvil.url.as_str(), liar.url.as_str()];
    // Its turn comes later, so that the lie has time.
    let own = Some(patient_tower());
    let (tower, address, heard) = tower_over(&scene, dir.path(), &urls, own).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    scene.close(&channel, 3).await;
    until_heard(&heard, ActedStage::Seen).await;
    // No block will show the close again.
    scene.anvil.mine(FINALITY + 1).await;
    liar.set(Lie::Closing(9));
    wait_until("a sweep", || liar.false_closes() > 0).await;
    assert_eq!(sent(&scene).await, 0, "it is not its turn");
    scene.anvil.ask("evm_increaseTime", (u64::from(crate::scene::PERIOD) / 5,)).await;
    scene.anvil.mine(1).await;
    until_heard(&heard, ActedStage::Sent).await;
    assert_eq!(liar.false_closes(), 1, "not only once an honest endpoint is swept again");
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p73_an_endpoint_that_takes_every_request_and_answers_none_delays_no_answer() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let stalled = Proxy::start(&scene.anvil.url, Lie::None).await;
    let urls = [stalled.url.as_str(), scene.anvil.url.as_str()];
    let (tower, address, heard) = tower_over(&scene, dir.path(), &urls, None).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    stalled.set(Lie::Silent);
    scene.close(&channel, 3).await;
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    mine_until_told(&scene, &heard, "the alarm", |news| {
        matches!(news, News::Chain(Alarm::EndpointDown { .. }))
    })
    .await;
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p74_a_close_while_every_endpoint_is_down_is_answered_once_one_is_back() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let only = Proxy::start(&scene.anvil.url, Lie::None).await;
    let (tower, address, heard) = tower_over(&scene, dir.path(), &[only.url.as_str()], None).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    only.set(Lie::Down);
    scene.close(&channel, 3).await;
    scene.anvil.mine(FINALITY + 1).await;
    wait_until("the tower says so", || tower.health().iter().any(|chain| !chain.is_following))
        .await;
    assert!(acted(&heard).is_empty());
    only.set(Lie::None);
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p72_p75_a_reorg_that_brings_the_close_back_with_another_version_is_answered() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, heard) = tower(&scene, dir.path()).await;
    let (below, above) = (scene.open(1).await, scene.open(2).await);
    let client = Client::connect(&address, 1).await;
    for channel in [&below, &above] {
        leave(&client, &scene, channel, 7).await;
    }
    scene.anvil.mine(FINALITY).await;
    // One close asks for nothing at first, the other for an answer.
    scene.send_close(&below, 7).await;
    scene.send_close(&above, 3).await;
    scene.anvil.mine(1).await;
    until_heard(&heard, ActedStage::Sent).await;
    scene.anvil.reorg(1).await;
    scene.anvil.ask("anvil_dropAllTransactions", json!([])).await;
    scene.anvil.ask("evm_increaseTime", (60,)).await;
    // Both come back with another deadline: one lower, one higher.
    scene.send_close(&below, 3).await;
    scene.send_close(&above, 5).await;
    scene.anvil.mine(1).await;
    assert!(is_at(&scene, &below, 3).await && is_at(&scene, &above, 5).await);
    for channel in [&below, &above] {
        mine_until(&scene, "the answer", || is_at(&scene, channel, 7)).await;
    }
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p81_an_endpoint_whose_head_is_in_the_far_future_dates_no_promise() {
    let scene = Scene::start().await;
    let dir = tempfile::tempdir().unwrap();
    let liar = Proxy::start(&scene.anvil.url, Lie::Early).await;
    let honest = Proxy::start(&scene.anvil.url, Lie::None).await;
    let urls = [liar.url.as_str(), honest.url.as_str(), scene.anvil.url.as_str()];
    let (tower, address, _) = tower_over(&scene, dir.path(), &urls, None).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    let promise = leave(&client, &scene, &channel, 7).await.receipt;
    let now = scene.endpoints().time().await.unwrap();
    assert!(promise.valid_from <= now && promise.valid_until > now, "{promise:?} at {now}");
    tower.stop().await;
}
