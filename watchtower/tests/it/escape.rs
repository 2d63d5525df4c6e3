//! The way through L1, with an inbox of our own: what a rollup makes of it is in the tests of the networks.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{B256, U256};
use futures::future::BoxFuture;
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::order::{ForceOrder, FundOrder, Start, WithdrawOrder};
use lockstep_bridge::rollup::{Progress, Report, Rollup, Sent};
use lockstep_bridge::step::{Call, Layer};
use lockstep_chain::endpoint::{Endpoint, RequestLimits};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::port::{AccountSigner, LocalAccount};
use lockstep_core::money::Amount;
use lockstep_core::transfer::TransferRecord;
use lockstep_p2p::tower::message::ActedStage;
use lockstep_watchtower::news::News;
use lockstep_watchtower::watch::EscapeSetup;
use serde_json::json;

use crate::anvil::Anvil;
use crate::kit::{
    Client, LOOK, PATIENCE, acted, is_at, lane_address, leave, mine_until, tower_beside_l1,
    tower_over_beside_l1, wait_until,
};
use crate::proxy::{Lie, Proxy};
use crate::scene::{Scene, profile};

const L1_CHAIN_ID: u64 = 900;
/// Pays on L1.
const PAYER: u8 = 0x53;

/// An inbox on L1 that takes every call.
struct Inbox {
    is_genuine: bool,
}

impl Rollup for Inbox {
    fn chains(&self) -> (u64, u64) {
        (L1_CHAIN_ID, 31_337)
    }

    fn check(&self) -> BoxFuture<'_, Result<(), BridgeError>> {
        let wrong = BridgeError::WrongChain { layer: Layer::L1, expected: L1_CHAIN_ID, found: 1 };
        let checked = if self.is_genuine { Ok(()) } else { Err(wrong) };
        Box::pin(async move { checked })
    }

    fn fund<'a>(&'a self, _: &'a FundOrder) -> BoxFuture<'a, Result<Start, BridgeError>> {
        panic!("a tower sends no money")
    }

    fn withdraw<'a>(&'a self, _: &'a WithdrawOrder) -> BoxFuture<'a, Result<Start, BridgeError>> {
        panic!("a tower sends no money")
    }

    fn advance<'a>(
        &'a self,
        _: &'a TransferRecord,
        _: &'a Sent,
    ) -> BoxFuture<'a, Result<Progress, BridgeError>> {
        panic!("a tower sends no money")
    }

    fn force<'a>(&'a self, order: &'a ForceOrder) -> BoxFuture<'a, Result<Call, BridgeError>> {
        let ForceOrder { payer, data, .. } = order.clone();
        let call = Call { layer: Layer::L1, to: payer, value: U256::ZERO, data, least_gas: 0 };
        Box::pin(async move { Ok(call) })
    }

    fn hurry(&self, _: B256) -> BoxFuture<'_, Result<Option<Call>, BridgeError>> {
        Box::pin(async { Ok(None) })
    }

    fn caused_by(&self, _: B256) -> BoxFuture<'_, Result<Vec<B256>, BridgeError>> {
        Box::pin(async { Ok(vec![]) })
    }

    fn report(&self) -> BoxFuture<'_, Result<Report, BridgeError>> {
        panic!("a tower asks for no report")
    }
}

fn l1() -> Anvil {
    Anvil::start_with(&["--chain-id", "900"])
}

fn escape(url: &str, patience: Duration, is_genuine: bool) -> EscapeSetup {
    let limits = RequestLimits { timeout: patience, retries: 0, backoff: patience };
    let l1 = Endpoints::new(vec![Endpoint::new(url, limits).unwrap()], profile(1)).unwrap();
    let account: Arc<dyn AccountSigner> =
        Arc::new(LocalAccount::from_secret(&[PAYER; 32]).unwrap());
    let max_cost = Amount::from(10_u128.pow(17));
    EscapeSetup {
        rollup: Arc::new(Inbox { is_genuine }),
        l1,
        l1_chain_id: L1_CHAIN_ID,
        account,
        max_cost,
    }
}

const PATIENT: Duration = Duration::from_secs(10);

/// Both clocks go on.
async fn later(scene: &Scene, l1: &Anvil, secs: u64) {
    for chain in [&scene.anvil, l1] {
        chain.ask("evm_increaseTime", (secs,)).await;
        chain.mine(1).await;
    }
}

/// Transactions of the payer, in blocks or on their way there.
async fn forced(l1: &Anvil) -> bool {
    let count = l1.ask("eth_getTransactionCount", json!([lane_address(PAYER), "pending"])).await;
    count != json!("0x0")
}

#[tokio::test(flavor = "multi_thread")]
async fn p77_a_close_that_is_shown_hours_after_its_own_time_goes_through_l1_at_once() {
    let (scene, l1) = (Scene::start().await, l1());
    l1.fund(lane_address(PAYER)).await;
    let dir = tempfile::tempdir().unwrap();
    let escape = || escape(&l1.url, PATIENT, true);
    let (first, address, _) = tower_beside_l1(&scene, dir.path(), escape()).await;
    let (held_back, fresh) = (scene.open(1).await, scene.open(2).await);
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &held_back, 7).await;
    leave(&client, &scene, &fresh, 7).await;
    l1.mine(1).await;
    // A close that comes at its time is the sequencer's.
    scene.close(&fresh, 3).await;
    mine_until(&scene, "the answer", || is_at(&scene, &fresh, 7)).await;
    assert!(!forced(&l1).await);
    first.stop().await;
    scene.close(&held_back, 3).await;
    later(&scene, &l1, 2 * 3_600).await;
    let (second, _, _) = tower_beside_l1(&scene, dir.path(), escape()).await;
    // No block of the rollup comes: the sequencer's way gets nowhere.
    let waiting = async {
        while !forced(&l1).await {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the answer on L1");
    mine_until(&scene, "the answer", || is_at(&scene, &held_back, 7)).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p77_an_l1_that_never_answers_keeps_no_answer_on_the_rollup_waiting() {
    let (scene, l1) = (Scene::start().await, l1());
    let silent = Proxy::start(&l1.url, Lie::Silent).await;
    let dir = tempfile::tempdir().unwrap();
    let escape = escape(&silent.url, Duration::from_secs(3_600), true);
    let (tower, address, _) = tower_beside_l1(&scene, dir.path(), escape).await;
    let (one, other) = (scene.open(1).await, scene.open(2).await);
    let client = Client::connect(&address, 1).await;
    for channel in [&one, &other] {
        leave(&client, &scene, channel, 7).await;
    }
    scene.close(&one, 3).await;
    wait_until("L1 is asked", || silent.asked() > 0).await;
    scene.close(&other, 3).await;
    for channel in [&one, &other] {
        mine_until(&scene, "the answer", || is_at(&scene, channel, 7)).await;
    }
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p77_whoever_runs_the_tower_hears_that_nothing_gets_through_l1() {
    let (scene, l1) = (Scene::start().await, l1());
    // The contracts are not the rollup's; they are, and the payer has nothing.
    for (salt, is_genuine) in [(1, false), (2, true)] {
        let dir = tempfile::tempdir().unwrap();
        let escape = escape(&l1.url, PATIENT, is_genuine);
        let (tower, address, heard) = tower_beside_l1(&scene, dir.path(), escape).await;
        let channel = scene.open(salt).await;
        let client = Client::connect(&address, 1).await;
        leave(&client, &scene, &channel, 7).await;
        scene.close(&channel, 3).await;
        // The rollup stands still, by L1's clock.
        l1.ask("evm_increaseTime", (3_600,)).await;
        l1.mine(1).await;
        wait_until("the alarm", || {
            let heard = heard.lock().unwrap();
            heard.iter().any(|news| matches!(news, News::EscapeFails { chain_id: 31_337 }))
        })
        .await;
        assert!(tower.boards()[0].is_escape_failing());
        // It stands until the answer is there, and then it is told that it is over.
        let is_over = |news: &News| matches!(news, News::EscapeWorks { chain_id: 31_337 });
        assert!(!heard.lock().unwrap().iter().any(is_over));
        mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
        mine_until(&scene, "the end of the alarm", || async {
            heard.lock().unwrap().iter().any(is_over)
        })
        .await;
        assert!(!tower.boards()[0].is_escape_failing());
        let fails = |news: &&News| matches!(news, News::EscapeFails { .. });
        assert_eq!(heard.lock().unwrap().iter().filter(fails).count(), 1, "told once");
        tower.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p77_a_restart_hours_after_a_close_was_seen_does_not_take_it_for_one_that_was_held_back() {
    let (scene, l1) = (Scene::start().await, l1());
    l1.fund(lane_address(PAYER)).await;
    l1.mine(1).await;
    let dir = tempfile::tempdir().unwrap();
    let escape = || escape(&l1.url, PATIENT, true);
    let (first, address, _) = tower_beside_l1(&scene, dir.path(), escape()).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    scene.close(&channel, 3).await;
    let kept = async || first.store().closes().await.unwrap();
    let waiting = async {
        while kept().await.first().is_none_or(|(_, close)| close.first_seen_on_l1.is_none()) {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("L1's time is kept with the close");
    let before = kept().await;
    first.stop().await;
    // Its answer is lost, and hours go by, less than a quarter of the window.
    scene.anvil.ask("anvil_dropAllTransactions", json!([])).await;
    later(&scene, &l1, 2 * 3_600).await;
    assert!(is_at(&scene, &channel, 3).await);
    let (second, _, _) = tower_beside_l1(&scene, dir.path(), escape()).await;
    mine_until(&scene, "the answer", || is_at(&scene, &channel, 7)).await;
    assert_eq!(second.store().closes().await.unwrap(), before);
    assert!(!forced(&l1).await);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p77_a_close_that_one_of_three_endpoints_invents_spends_nothing_on_l1() {
    let (scene, l1) = (Scene::start().await, l1());
    l1.fund(lane_address(PAYER)).await;
    let liar = Proxy::start(&scene.anvil.url, Lie::None).await;
    let honest = Proxy::start(&scene.anvil.url, Lie::None).await;
    let urls = [liar.url.as_str(), honest.url.as_str(), scene.anvil.url.as_str()];
    let dir = tempfile::tempdir().unwrap();
    let escape = escape(&l1.url, PATIENT, true);
    let (tower, address, heard) = tower_over_beside_l1(&scene, dir.path(), &urls, escape).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    leave(&client, &scene, &channel, 7).await;
    liar.set(Lie::Closing(3));
    wait_until("the close that never was", || acted(&heard).contains_key(&ActedStage::Seen)).await;
    // By L1's clock the sequencer stands still: an answer goes through L1 at once, if there is anything to answer.
    l1.ask("evm_increaseTime", (3_600,)).await;
    l1.mine(1).await;
    let asked = honest.asked();
    wait_until("many looks", || honest.asked() > asked + 300).await;
    assert!(!forced(&l1).await);
    tower.stop().await;
}
