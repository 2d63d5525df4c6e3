//! A watchtower whose rollup's sequencer stands still, or leaves it out: it answers through L1.

use crate::scene::{OWNER, PERIOD, Scene, address, endpoints, local_network};
use alloy::signers::SignerSync;
use alloy_primitives::{Address, U256};
use lockstep_bridge::optimism::Optimism as Adapter;
use lockstep_chain::call::encode;
use lockstep_chain::follower::Start;
use lockstep_chain::port::{AccountSigner, LocalAccount};
use lockstep_chain::profile::Network;
use lockstep_core::adjudicator::Signatures;
use lockstep_core::appointment::{Appointment, SealedLocks, TowerAccess, TowerAction};
use lockstep_core::chain::ChainCall;
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{NodeId, Side};
use lockstep_core::money::Amount;
use lockstep_core::signature::{SignerKey, StateSignature};
use lockstep_core::terms::Terms;
use lockstep_core::time::EngineTime;
use lockstep_core::transfer::{DepositStage, TransferStage};
use lockstep_devnet::optimism::{L1_CHAIN_ID, ether};
use lockstep_p2p::TransportIdentity;
use lockstep_p2p::handshake::Handshake;
use lockstep_p2p::port::{Clock, NodeKey, OsEntropy, SigningRefused};
use lockstep_p2p::tower::message::Access;
use lockstep_p2p::tower::{PutOutcome, TowerAddress, TowerClient, TowerLimits, TowerOrder};
use lockstep_signer::KeyRing;
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::PinPolicy;
use lockstep_watchtower::intake::Policy;
use lockstep_watchtower::tower::{Tower, TowerSetup};
use lockstep_watchtower::watch::{EscapeSetup, WatchSetup};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Sends the tower's answers on the rollup.
const LANE: u8 = 0x61;
/// Pays for those that go through L1.
const L1_LANE: u8 = 0x62;
const LOOK: Duration = Duration::from_millis(50);
/// Looks after which something that should have happened never will.
const LOOKS: u32 = 600;

struct TestClock(tokio::time::Instant);

impl Clock for TestClock {
    fn now(&self) -> EngineTime {
        EngineTime(u64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(TestClock(tokio::time::Instant::now()))
}

fn keys(byte: u8) -> Arc<KeyRing> {
    let phrase = Phrase::from_entropy(&zeroize::Zeroizing::new([byte; 32])).unwrap();
    Arc::new(KeyRing::new(&phrase, PinPolicy::BestEffort).unwrap())
}

fn account(byte: u8) -> Arc<dyn AccountSigner> {
    Arc::new(LocalAccount::from_secret(&[byte; 32]).unwrap())
}

async fn start(scene: &Scene, dir: &Path) -> (Tower, TowerAddress) {
    scene.network.l2.set_balance(address(LANE), ether(1)).await;
    scene.network.l1.set_balance(address(L1_LANE), ether(1)).await;
    let l1 = endpoints(scene.network.l1.url(), Network::Ethereum);
    let l2 = endpoints(scene.network.l2.url(), Network::Optimism);
    let rollup = Arc::new(Adapter::new(l1.clone(), l2.clone(), local_network()));
    let max_cost = Amount::from_u256(ether(1) / U256::from(10));
    let escape =
        EscapeSetup { rollup, l1, l1_chain_id: L1_CHAIN_ID, account: account(L1_LANE), max_cost };
    let watch = WatchSetup {
        endpoints: l2,
        contracts: scene.contracts,
        start: Start::Now,
        accounts: vec![account(LANE)],
        max_cost,
        stagger: None,
        escape: Some(escape),
    };
    let setup = TowerSetup {
        keys: keys(0x70),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        external: vec![],
        policy: Policy { min_window_secs: 1_000, ..Policy::default() },
        limits: TowerLimits::default(),
        watches: vec![watch],
        heartbeat: Duration::from_secs(1),
        clock: clock(),
        cache_bytes: 16 * 1024 * 1024,
    };
    let tower = Tower::start(dir, setup, Arc::new(|_| {})).await.unwrap();
    let address = tower.listening().await.unwrap();
    (tower, address)
}

struct SessionKey(Arc<KeyRing>, NodeId);

impl NodeKey for SessionKey {
    fn node_id(&self) -> NodeId {
        NodeId(self.0.tower_session_key(&self.1).unwrap().to_compressed())
    }

    fn sign_handshake(&self, handshake: &Handshake) -> Result<StateSignature, SigningRefused> {
        let digest = handshake.digest();
        self.0.sign_tower_handshake(&self.1, digest).map_err(|_| SigningRefused)
    }
}

/// Side 1 leaves its newest state with the tower, and goes away.
async fn leave(scene: &Scene, tower: &TowerAddress, terms: &Terms, version: u64) {
    let identity = TransportIdentity::from_secret(&mut [7; 32]).unwrap();
    let entropy = Arc::new(OsEntropy);
    let client = TowerClient::start(&identity, TowerLimits::default(), &clock(), entropy).unwrap();
    let ring = keys(0x71);
    let said = TowerAccess {
        channel_id: scene.id_of(terms),
        side: Side::One,
        action: TowerAction::Watch,
        tower: SignerKey::parse(&tower.key.0).unwrap().address(),
        account: ring.tower_session_key(&tower.key).unwrap().address(),
    };
    let session_key: Arc<dyn NodeKey> = Arc::new(SessionKey(ring, tower.key));
    let order = TowerOrder { tower: tower.clone(), session_key, head: None };
    let (link, _pushes) = client.connect(order).await.unwrap();
    let evidence = scene.evidence(terms, version);
    let signatures =
        Signatures { one: evidence.signature1.unwrap(), two: evidence.signature2.unwrap() };
    let appointment = Appointment {
        domain: scene.domain(),
        terms: *terms,
        state: evidence.state,
        signatures,
        sealed_locks: SealedLocks::EMPTY,
    };
    let digest = SigningDomain::new(scene.domain()).tower_access(&said);
    let signature = crate::scene::key(0x11).sign_hash_sync(&digest.0).unwrap();
    let signature = StateSignature(signature.as_erc2098());
    let access = Access { channel_id: said.channel_id, side: said.side, signature };
    let outcome = link.put(appointment, access).await.unwrap();
    assert!(matches!(outcome, PutOutcome::Promised(_)), "{outcome:?}");
}

async fn open(scene: &mut Scene, salt: u8) -> Terms {
    let terms = scene.terms(salt, Address::ZERO);
    let order = scene.order(salt, scene.open(terms, ether(1)), Address::ZERO);
    scene.begin(&order).await.unwrap();
    let credited = TransferStage::Deposit(DepositStage::Credited);
    scene.until(order.id, |view| view.transfer.stage == credited).await;
    terms
}

async fn close_stale(scene: &mut Scene, terms: &Terms) {
    let stale = ChainCall::InitiateClose(Some(scene.evidence(terms, 1)));
    let (to, data) = encode(&scene.contracts, terms, &stale, None).unwrap();
    let receipt = scene.network.send_l2(address(OWNER), Some(to), U256::ZERO, data).await;
    assert!(receipt.is_success());
    assert_eq!(scene.stored(scene.id_of(terms)).await.version, 1);
}

async fn until_answered(scene: &mut Scene, terms: &Terms, version: u64) {
    let id = scene.id_of(terms);
    for _ in 0..LOOKS {
        if scene.stored(id).await.version == version {
            let closes_at = scene.stored(id).await.closesAt.to::<u64>();
            let head = scene.network.l2.header(lockstep_chain::rpc::BlockTag::Latest).await;
            assert!(head.point().timestamp.0 < closes_at, "the window is over");
            return;
        }
        scene.network.tick().await;
        tokio::time::sleep(LOOK).await;
    }
    panic!("the close was never answered");
}

/// Transactions that an account has in blocks.
async fn sent(chain: &lockstep_devnet::chain::LocalChain, byte: u8) -> u64 {
    let count = chain.ask("eth_getTransactionCount", serde_json::json!([address(byte), "latest"]));
    let count: alloy_primitives::U64 = serde_json::from_value(count.await).unwrap();
    count.to::<u64>()
}

#[tokio::test(flavor = "multi_thread")]
async fn p77_sequencer_stopped_a_stale_close_is_answered_by_forced_inclusion_before_the_window_ends()
 {
    let mut scene = Scene::start().await;
    let terms = open(&mut scene, 0x31).await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, at) = start(&scene, dir.path()).await;
    leave(&scene, &at, &terms, 5).await;
    close_stale(&mut scene, &terms).await;
    scene.network.knobs.is_sequencer_stopped = true;
    scene.network.ticks(3).await;
    assert_eq!(sent(&scene.network.l1, L1_LANE).await, 0, "the sequencer has its time");
    scene.network.warp(u64::from(PERIOD) / 4).await;
    until_answered(&mut scene, &terms, 5).await;
    assert_eq!(sent(&scene.network.l2, LANE).await, 0);
    assert_eq!(sent(&scene.network.l1, L1_LANE).await, 1, "one answer, once");
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p77_sequencer_censors_the_tower_its_answer_goes_through_l1_once_and_also_after_a_restart()
{
    let mut scene = Scene::start().await;
    let terms = open(&mut scene, 0x32).await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, at) = start(&scene, dir.path()).await;
    leave(&scene, &at, &terms, 5).await;
    scene.network.knobs.censored.insert(address(LANE));
    close_stale(&mut scene, &terms).await;
    scene.network.ticks(3).await;
    scene.network.warp(u64::from(PERIOD) / 4).await;
    // Killed with the answer on its way, or before it: either way it is sent once.
    tokio::time::sleep(LOOK * 10).await;
    tower.stop().await;
    let (tower, _) = start(&scene, dir.path()).await;
    until_answered(&mut scene, &terms, 5).await;
    assert_eq!(sent(&scene.network.l2, LANE).await, 0);
    assert_eq!(sent(&scene.network.l1, L1_LANE).await, 1, "one answer, once");
    tower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p77_a_rollup_whose_newest_block_is_old_by_l1_s_clock_is_answered_through_l1_at_once() {
    let mut scene = Scene::start().await;
    let terms = open(&mut scene, 0x33).await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, at) = start(&scene, dir.path()).await;
    leave(&scene, &at, &terms, 5).await;
    scene.network.knobs.censored.insert(address(LANE));
    close_stale(&mut scene, &terms).await;
    // Nobody derives blocks of the rollup for an hour.
    let parent = scene.network.l1.header(lockstep_chain::rpc::BlockTag::Latest).await;
    scene.network.l1.mine_at(parent.point().timestamp.0 + 3_600).await;
    for _ in 0..LOOKS {
        if pending(&scene).await > 0 {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(scene.stored(scene.id_of(&terms)).await.version, 1);
    until_answered(&mut scene, &terms, 5).await;
    assert_eq!(sent(&scene.network.l1, L1_LANE).await, 1);
    tower.stop().await;
}

/// Transactions of the tower that wait on L1.
async fn pending(scene: &Scene) -> u64 {
    let asked = serde_json::json!([address(L1_LANE), "pending"]);
    let count = scene.network.l1.ask("eth_getTransactionCount", asked).await;
    let count: alloy_primitives::U64 = serde_json::from_value(count).unwrap();
    count.to::<u64>()
}
