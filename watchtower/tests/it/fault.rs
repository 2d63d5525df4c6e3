//! What goes wrong on the way of an answer: the rows of the fault table that are about the chain.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::Address;
use lockstep_chain::alarm::Alarm;
use lockstep_chain::endpoint::Endpoint;
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::follower::Start;
use lockstep_chain::port::{AccountSigner, LocalAccount};
use lockstep_core::chain::ChainCall;
use lockstep_core::ids::Side;
use lockstep_core::money::Amount;
use lockstep_p2p::tower::message::ActedStage;
use lockstep_p2p::tower::{PutOutcome, TowerAddress, TowerLimits};
use lockstep_watchtower::news::News;
use lockstep_watchtower::tower::{Tower, TowerSetup};
use lockstep_watchtower::watch::WatchSetup;
use serde_json::json;

use crate::anvil::FINALITY;
use crate::kit::{
    Client, Heard, LANES, LOOK, PATIENCE, acted, appointment, clock, keys, mine_until, policy,
    sent_by, tower,
};
use crate::proxy::{Lie, Proxy};
use crate::scene::{Channel, Scene, profile};

async fn leave(client: &Client, scene: &Scene, channel: &Channel, version: u64) {
    let left = appointment(scene, channel, version, 20);
    let outcome = client.link.put(left, client.watch(scene, channel, Side::Two)).await;
    assert!(matches!(outcome, Ok(PutOutcome::Promised(_))), "{outcome:?}");
}

async fn is_at(scene: &Scene, channel: &Channel, version: u64) -> bool {
    scene.stored(channel).await.version == version
}

async fn until_heard(heard: &Heard, stage: ActedStage) {
    let waiting = async {
        while !acted(heard).contains_key(&stage) {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{stage:?} was never heard");
}

/// A tower with endpoints of one's choice, of which any may be dead or lie.
async fn tower_over(
    scene: &Scene,
    dir: &std::path::Path,
    urls: &[&str],
) -> (Tower, TowerAddress, Heard) {
    let limits = lockstep_chain::endpoint::RequestLimits {
        timeout: Duration::from_millis(500),
        retries: 0,
        backoff: Duration::from_millis(10),
    };
    let all = urls.iter().map(|url| Endpoint::new(url, limits).unwrap()).collect();
    let endpoints = Endpoints::new(all, profile(1)).unwrap();
    let mut accounts: Vec<Arc<dyn AccountSigner>> = Vec::new();
    for lane in LANES {
        let account = LocalAccount::from_secret(&[lane; 32]).unwrap();
        scene.anvil.fund(account.address()).await;
        accounts.push(Arc::new(account));
    }
    let watch = WatchSetup {
        endpoints,
        contracts: scene.contracts,
        start: Start::Now,
        accounts,
        max_cost: Amount::from(10_u128.pow(17)),
        stagger: None,
        escape: None,
    };
    let setup = TowerSetup {
        keys: keys(0x70),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        external: vec![],
        policy: policy(),
        limits: TowerLimits::default(),
        watches: vec![watch],
        heartbeat: Duration::from_millis(300),
        clock: clock(),
        cache_bytes: 16 * 1024 * 1024,
    };
    let heard: Heard = Arc::default();
    let told = Arc::clone(&heard);
    let herald = Arc::new(move |news: &News| told.lock().unwrap().push(news.clone()));
    let tower = Tower::start(dir, setup, herald).await.unwrap();
    let address = tower.listening().await.unwrap();
    (tower, address, heard)
}

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
    assert_eq!(sent_by(&scene, LANES[0]).await + sent_by(&scene, LANES[1]).await, 1);
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
    let used = sent_by(&scene, LANES[0]).await + sent_by(&scene, LANES[1]).await;
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
    let (tower, address, heard) = tower_over(&scene, dir.path(), &urls).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    liar.set(Lie::HideAll);
    scene.close(&channel, 3).await;
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    let is_told = |heard: &Heard| {
        heard.lock().unwrap().iter().any(|news| {
            matches!(news, News::Chain(Alarm::EndpointDown { .. } | Alarm::LogsDiffer { .. }))
        })
    };
    mine_until(&scene, "the alarm", || async { is_told(&heard) }).await;
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
    let lanes: Vec<Address> = LANES
        .iter()
        .map(|lane| LocalAccount::from_secret(&[*lane; 32]).unwrap().address())
        .collect();
    for lane in &lanes {
        scene.anvil.ask("anvil_setBalance", json!([lane, "0x0"])).await;
    }
    scene.close(&channel, 3).await;
    let is_told = |heard: &Heard| {
        heard
            .lock()
            .unwrap()
            .iter()
            .any(|news| matches!(news, News::Chain(Alarm::AccountEmpty { .. })))
    };
    mine_until(&scene, "the alarm", || async { is_told(&heard) }).await;
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
