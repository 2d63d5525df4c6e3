//! A tower, its clients, and the sides of channels.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::signers::SignerSync;
use alloy_primitives::Address;
use lockstep_chain::follower::Start;
use lockstep_chain::port::{AccountSigner, LocalAccount};
use lockstep_core::adjudicator::Signatures;
use lockstep_core::appointment::{Appointment, SealedLocks, TowerAccess, TowerAction};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{Domain, NodeId, Side};
use lockstep_core::money::Amount;
use lockstep_core::signature::{SignerKey, StateSignature};
use lockstep_core::time::EngineTime;
use lockstep_p2p::TransportIdentity;
use lockstep_p2p::handshake::{Handshake, JournalHead};
use lockstep_p2p::port::{Clock, NodeKey, OsEntropy, SigningRefused};
use lockstep_p2p::tower::message::{Access, Acted, ActedStage, Push};
use lockstep_p2p::tower::{Pushes, TowerAddress, TowerClient, TowerLimits, TowerLink, TowerOrder};
use lockstep_signer::KeyRing;
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::PinPolicy;
use lockstep_watchtower::intake::Policy;
use lockstep_watchtower::news::News;
use lockstep_watchtower::tower::{Tower, TowerSetup};
use lockstep_watchtower::watch::WatchSetup;

use crate::scene::{Channel, Scene, key};

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

pub async fn tower_with(
    scene: &Scene,
    dir: &Path,
    policy: Policy,
    stagger: Option<Address>,
) -> (Tower, TowerAddress, Heard) {
    let mut accounts: Vec<Arc<dyn AccountSigner>> = Vec::new();
    for lane in LANES {
        let account = LocalAccount::from_secret(&[lane; 32]).unwrap();
        scene.anvil.fund(account.address()).await;
        accounts.push(Arc::new(account));
    }
    let watch = WatchSetup {
        endpoints: scene.endpoints(),
        contracts: scene.contracts,
        start: Start::Now,
        accounts,
        max_cost: Amount::from(10_u128.pow(17)),
        stagger,
        escape: None,
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

/// How many transactions an account has sent.
pub async fn sent_by(scene: &Scene, lane: u8) -> u64 {
    let account = LocalAccount::from_secret(&[lane; 32]).unwrap().address();
    let at = lockstep_chain::rpc::At::Latest;
    scene.anvil.rpc.nonce(account, at).await.unwrap()
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
