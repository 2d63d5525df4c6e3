//! A tower, its clients, and the sides of channels.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::signers::SignerSync;
use alloy_primitives::{Address, B256};
use lockstep_chain::convert;
use lockstep_chain::endpoint::{Endpoint, RequestLimits};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::follower::Start;
use lockstep_chain::port::{AccountSigner, LocalAccount};
use lockstep_chain::rpc::At;
use lockstep_core::adjudicator::Signatures;
use lockstep_core::appointment::{Appointment, SealedLocks, TowerAccess, TowerAction};
use lockstep_core::chain::ChainCall;
use lockstep_core::digest::SigningDomain;
use lockstep_core::dispute::stagger;
use lockstep_core::ids::{Domain, NodeId, Side, Version};
use lockstep_core::money::Amount;
use lockstep_core::receipt::{SignedReceipt, Tombstone};
use lockstep_core::signature::{SignerKey, StateSignature};
use lockstep_core::time::{BlockTimestamp, EngineTime};
use lockstep_p2p::TransportIdentity;
use lockstep_p2p::handshake::{Handshake, JournalHead};
use lockstep_p2p::port::{Clock, NodeKey, OsEntropy, SigningRefused};
use lockstep_p2p::tower::message::{Access, Acted, ActedStage, Push};
use lockstep_p2p::tower::{
    Pushes, PutOutcome, TowerAddress, TowerClient, TowerLimits, TowerLink, TowerOrder,
};
use lockstep_signer::KeyRing;
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::PinPolicy;
use lockstep_watchtower::intake::Policy;
use lockstep_watchtower::news::News;
use lockstep_watchtower::tower::{Tower, TowerSetup};
use lockstep_watchtower::watch::{EscapeSetup, WatchSetup};

use crate::scene::{Channel, PERIOD, Scene, key, profile};

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
pub const LOOK: Duration = Duration::from_millis(50);

/// Accounts of the tower, funded on the chain.
pub const LANES: [u8; 2] = [0x51, 0x52];

pub struct TestClock(tokio::time::Instant);

impl Clock for TestClock {
    fn now(&self) -> EngineTime {
        EngineTime(u64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(TestClock(tokio::time::Instant::now()))
}

pub fn keys(byte: u8) -> Arc<KeyRing> {
    let phrase = Phrase::from_entropy(&zeroize::Zeroizing::new([byte; 32])).unwrap();
    Arc::new(KeyRing::new(&phrase, PinPolicy::BestEffort).unwrap())
}

/// What a tower told its operator.
pub type Heard = Arc<Mutex<Vec<News>>>;

pub fn policy() -> Policy {
    Policy { min_window_secs: 1_000, ..Policy::default() }
}

/// A tower over the endpoints of a scene.
pub async fn tower_with(
    scene: &Scene,
    dir: &Path,
    policy: Policy,
    stagger: Option<Address>,
) -> (Tower, TowerAddress, Heard) {
    tower_at(scene, dir, scene.endpoints(), policy, stagger, None).await
}

/// A tower with endpoints of one's choice, of which any may be dead or lie.
pub async fn tower_over(
    scene: &Scene,
    dir: &Path,
    urls: &[&str],
    stagger: Option<Address>,
) -> (Tower, TowerAddress, Heard) {
    tower_at(scene, dir, over(urls), policy(), stagger, None).await
}

fn over(urls: &[&str]) -> Endpoints {
    let (timeout, backoff) = (Duration::from_millis(500), Duration::from_millis(10));
    let limits = RequestLimits { timeout, retries: 0, backoff };
    let all = urls.iter().map(|url| Endpoint::new(url, limits).unwrap()).collect();
    Endpoints::new(all, profile(1)).unwrap()
}

/// The same that can also answer through L1.
pub async fn tower_over_beside_l1(
    scene: &Scene,
    dir: &Path,
    urls: &[&str],
    escape: EscapeSetup,
) -> (Tower, TowerAddress, Heard) {
    tower_at(scene, dir, over(urls), policy(), None, Some(escape)).await
}

/// A tower that can also answer through L1.
pub async fn tower_beside_l1(
    scene: &Scene,
    dir: &Path,
    escape: EscapeSetup,
) -> (Tower, TowerAddress, Heard) {
    tower_at(scene, dir, scene.endpoints(), policy(), None, Some(escape)).await
}

async fn tower_at(
    scene: &Scene,
    dir: &Path,
    endpoints: Endpoints,
    policy: Policy,
    stagger: Option<Address>,
    escape: Option<EscapeSetup>,
) -> (Tower, TowerAddress, Heard) {
    let mut accounts: Vec<Arc<dyn AccountSigner>> = Vec::new();
    for lane in LANES {
        scene.anvil.fund(lane_address(lane)).await;
        accounts.push(Arc::new(LocalAccount::from_secret(&[lane; 32]).unwrap()));
    }
    let watch = WatchSetup {
        endpoints,
        contracts: scene.contracts,
        start: Start::Now,
        accounts,
        max_cost: Amount::from(10_u128.pow(17)),
        stagger,
        escape,
    };
    let setup = TowerSetup {
        keys: keys(0x70),
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        external: vec![],
        policy,
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

pub async fn tower(scene: &Scene, dir: &Path) -> (Tower, TowerAddress, Heard) {
    tower_with(scene, dir, policy(), None).await
}

/// A tower whose turn comes some time after a close, as the chain counts.
pub fn patient_tower() -> Address {
    let closes_at = BlockTimestamp(u64::from(PERIOD));
    let tx = B256::repeat_byte(1);
    let turn = |own| stagger(closes_at, PERIOD, BlockTimestamp(0), tx, own);
    let mut towers = (1..=u8::MAX).map(Address::repeat_byte);
    towers.find(|own| turn(*own) > BlockTimestamp(0)).unwrap()
}

struct SessionKey {
    keys: Arc<KeyRing>,
    tower: NodeId,
}

impl NodeKey for SessionKey {
    fn node_id(&self) -> NodeId {
        NodeId(self.keys.tower_session_key(&self.tower).unwrap().to_compressed())
    }

    fn sign_handshake(&self, handshake: &Handshake) -> Result<StateSignature, SigningRefused> {
        let digest = handshake.digest();
        self.keys.sign_tower_handshake(&self.tower, digest).map_err(|_| SigningRefused)
    }
}

/// A node, as a tower sees it.
pub struct Client {
    pub link: TowerLink,
    pub pushes: Pushes,
    tower: Address,
    account: Address,
    _client: TowerClient,
}

impl Client {
    pub async fn connect(address: &TowerAddress, byte: u8) -> Self {
        Self::connect_with(address, byte, None).await
    }

    pub async fn connect_with(address: &TowerAddress, byte: u8, head: Option<JournalHead>) -> Self {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).unwrap();
        let identity = TransportIdentity::from_secret(&mut secret).unwrap();
        let clock = clock();
        let entropy = Arc::new(OsEntropy);
        let client =
            TowerClient::start(&identity, TowerLimits::default(), &clock, entropy).unwrap();
        let keys = keys(byte);
        let account = keys.tower_session_key(&address.key).unwrap().address();
        let session_key: Arc<dyn NodeKey> = Arc::new(SessionKey { keys, tower: address.key });
        let order = TowerOrder { tower: address.clone(), session_key, head };
        let (link, pushes) = client.connect(order).await.unwrap();
        let tower = SignerKey::parse(&address.key.0).unwrap().address();
        Self { link, pushes, tower, account, _client: client }
    }

    /// The word of one side of a channel; side 1 signs with key 0x11, side 2 with 0x22.
    pub fn access(
        &self,
        scene: &Scene,
        channel: &Channel,
        side: Side,
        action: TowerAction,
    ) -> Access {
        let said = TowerAccess {
            channel_id: channel.id,
            side,
            action,
            tower: self.tower,
            account: self.account,
        };
        let digest = SigningDomain::new(domain(scene)).tower_access(&said);
        let byte = match side {
            Side::One => 0x11,
            Side::Two => 0x22,
        };
        let signature = StateSignature(key(byte).sign_hash_sync(&digest.0).unwrap().as_erc2098());
        Access { channel_id: channel.id, side, signature }
    }

    pub fn watch(&self, scene: &Scene, channel: &Channel, side: Side) -> Access {
        self.access(scene, channel, side, TowerAction::Watch)
    }

    /// Waits until the tower says that it has come so far with a close.
    pub async fn until_acted(&mut self, stage: ActedStage) -> Acted {
        let waiting = async {
            loop {
                match self.pushes.next().await {
                    Some(Push::Acted(acted)) if acted.stage == stage => return acted,
                    Some(_) => {}
                    None => panic!("the link is gone"),
                }
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("the tower never said {stage:?}"))
    }
}

pub fn domain(scene: &Scene) -> Domain {
    Domain::Evm { chain_id: scene.contracts.chain_id, contract: scene.contracts.channel }
}

/// The newest state of a channel as its side leaves it with a tower.
pub fn appointment(scene: &Scene, channel: &Channel, version: u64, net: i128) -> Appointment {
    let evidence = channel.evidence(version, net);
    Appointment {
        domain: domain(scene),
        terms: channel.terms,
        state: evidence.state,
        signatures: Signatures {
            one: evidence.signature1.unwrap(),
            two: evidence.signature2.unwrap(),
        },
        sealed_locks: SealedLocks::EMPTY,
    }
}

/// Closes after the window, and gives what the contract keeps for ever.
pub async fn settle(scene: &Scene, channel: &Channel) -> Tombstone {
    scene.anvil.ask("evm_increaseTime", (u64::from(PERIOD),)).await;
    scene.anvil.mine(1).await;
    let (to, data) =
        lockstep_chain::call::encode(&scene.contracts, &channel.terms, &ChainCall::Close, None)
            .unwrap();
    let tx = scene.anvil.send(scene.owner1, to, 0, data).await;
    scene.anvil.mine(1).await;
    scene.anvil.must_succeed(tx).await;
    let stored = scene.stored(channel).await;
    Tombstone {
        mode: convert::close_mode(stored.mode).unwrap(),
        version: Version(stored.version),
        closes_at: Some(BlockTimestamp(stored.closesAt.to::<u64>())),
        withdraw_version: Version(stored.withdrawVersion),
    }
}

/// Mines a block at each look until something is so.
pub async fn mine_until<F: Future<Output = bool>>(
    scene: &Scene,
    what: &str,
    is_so: impl Fn() -> F,
) {
    let waiting = async {
        while !is_so().await {
            scene.anvil.mine(1).await;
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what} never came to be");
}

/// The address of one of the tower's accounts.
pub fn lane_address(lane: u8) -> Address {
    LocalAccount::from_secret(&[lane; 32]).unwrap().address()
}

/// How many transactions the tower has sent.
pub async fn sent(scene: &Scene) -> u64 {
    let mut sum = 0;
    for lane in LANES {
        sum += scene.anvil.rpc.nonce(lane_address(lane), At::Latest).await.unwrap();
    }
    sum
}

/// Side 2 leaves a state and gets its promise.
pub async fn leave(
    client: &Client,
    scene: &Scene,
    channel: &Channel,
    version: u64,
) -> SignedReceipt {
    let left = appointment(scene, channel, version, 20);
    match client.link.put(left, client.watch(scene, channel, Side::Two)).await.unwrap() {
        PutOutcome::Promised(receipt) => *receipt,
        held @ PutOutcome::Held(_) => panic!("{held:?}"),
    }
}

/// Whether the chain stores this version.
pub async fn is_at(scene: &Scene, channel: &Channel, version: u64) -> bool {
    scene.stored(channel).await.version == version
}

/// Waits until something is so; no block comes meanwhile.
pub async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what} never came to be");
}

/// Waits until the operator has heard of a stage; no block comes meanwhile.
pub async fn until_heard(heard: &Heard, stage: ActedStage) {
    wait_until(&format!("{stage:?}"), || acted(heard).contains_key(&stage)).await;
}

/// Mines until the operator has heard of something of this kind.
pub async fn mine_until_told(scene: &Scene, heard: &Heard, what: &str, is_it: fn(&News) -> bool) {
    mine_until(scene, what, || async { heard.lock().unwrap().iter().any(is_it) }).await;
}

pub fn head(epoch: u64) -> JournalHead {
    JournalHead { journal_id: [1; 16], epoch, incarnation: [u8::try_from(epoch).unwrap(); 16] }
}

/// What is heard, without what the chain side says of itself.
pub fn acted(heard: &Heard) -> BTreeMap<ActedStage, usize> {
    let mut stages = BTreeMap::new();
    for news in heard.lock().unwrap().iter() {
        if let News::Acted(acted) = news {
            *stages.entry(acted.stage).or_default() += 1;
        }
    }
    stages
}
