//! A chain of its own for each test, nodes on it, and short names for what the tests do.

use alloy_primitives::{Address, B256, U64, U256};
use lockstep::chain::deploy::{DeployOrder, deploy};
use lockstep::chain::{accounts, connect};
use lockstep::clock::EngineClock;
use lockstep::config::{AcceptPolicy, Config};
use lockstep::engine::{Engine, EngineSetup};
use lockstep::keys;
use lockstep::metrics::Metrics;
use lockstep_chain::endpoint::{Endpoint, RequestLimits};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::profile::Network;
use lockstep_contracts::artifact::ArtifactName;
use lockstep_contracts::config::LaunchSchedule;
use lockstep_contracts::deployment::Deployment;
use lockstep_contracts::window::ChainKind;
use lockstep_core::ids::ChannelId;
use lockstep_core::money::Amount;
use lockstep_rpc::backend::{Backend, Spender};
use lockstep_rpc::failure::Failure;
use lockstep_rpc::types::{
    BatchItem, Channel, ChannelCall, ChannelPhase, Connect, CreateInvite, Deposit, ForceClose,
    JoinChannel, ListChannels, OpenChannel, Pay, PayBatch, Payment, PaymentState, Text,
};
use lockstep_signer::mark::file::{MarkFile, SyncPolicy};
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::PinPolicy;
use lockstep_signer::{ChannelSigner, KeyRing};
use lockstep_store::faulty::{FaultPlan, FaultyDisk};
use lockstep_store::journal::DiskJournal;
use lockstep_store::open::{Options, Provenance};
use lockstep_store::write_set::WriteSet;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub const CHAIN_ID: u64 = 31_337;
pub const PERIOD: u32 = 600;
/// Far longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How often a block is mined. Each is a second of chain time.
const BLOCK: Duration = Duration::from_millis(100);

/// A local chain, mining, with the contracts on it.
pub struct World {
    child: Child,
    miner: JoinHandle<()>,
    pub rpc: Arc<Endpoint>,
    url: String,
    pub deployment: Deployment,
}

impl Drop for World {
    fn drop(&mut self) {
        self.miner.abort();
        // It outlives a crashed parent otherwise.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn limits() -> RequestLimits {
    let (timeout, backoff) = (Duration::from_secs(10), Duration::from_millis(10));
    RequestLimits { timeout, retries: 1, backoff }
}

impl World {
    pub async fn start() -> Self {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/script/tool.sh");
        let mut child = Command::new(tool)
            .args(["anvil", "--port", "0", "--no-mining", "--slots-in-an-epoch", "1"])
            .args(["--order", "fifo", "--base-fee", "1000000000"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil starts: run 'make setup' first");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let address = loop {
            let line = lines.next().expect("anvil says where it listens").expect("text");
            if let Some(address) = line.strip_prefix("Listening on ") {
                break address.trim().to_owned();
            }
        };
        // Its log must be read, or it blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://{address}");
        let rpc = Arc::new(Endpoint::new(&url, limits()).expect("address"));
        let mining = Arc::clone(&rpc);
        let miner = tokio::spawn(async move {
            loop {
                tokio::time::sleep(BLOCK).await;
                mine(&mining, 1).await;
            }
        });
        let deployment = deployed(&rpc, &url).await;
        Self { child, miner, rpc, url, deployment }
    }

    pub fn endpoints(&self) -> Endpoints {
        through(&self.url)
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// No more blocks. One may be under way.
    pub fn halt(&self) {
        self.miner.abort();
    }

    pub async fn ask(&self, method: &'static str, params: Value) -> Value {
        ask(&self.rpc, method, params).await
    }

    pub async fn fund(&self, account: Address, wei: u128) {
        self.ask("anvil_setBalance", json!([account, U256::from(wei)])).await;
    }

    pub async fn balance(&self, account: Address) -> U256 {
        self.rpc.balance(account).await.unwrap()
    }

    /// Lets time pass on the chain, as far as blocks show it.
    pub async fn pass(&self, secs: u64) {
        self.ask("evm_increaseTime", json!([secs])).await;
        mine(&self.rpc, 1).await;
    }
}

/// One endpoint.
pub fn through(url: &str) -> Endpoints {
    connect([url], Network::Development.profile().unwrap(), limits()).unwrap()
}

async fn ask(rpc: &Endpoint, method: &'static str, params: Value) -> Value {
    rpc.request::<Value, Value>(method, params)
        .await
        .unwrap_or_else(|error| panic!("{method}: {error}: {:?}", error.cause))
}

async fn mine(rpc: &Endpoint, blocks: u64) {
    // At the end of a test the chain may be gone already.
    rpc.request::<_, Value>("anvil_mine", (U64::from(blocks),)).await.ok();
}

async fn deployed(rpc: &Arc<Endpoint>, url: &str) -> Deployment {
    let ring = KeyRing::new(&Phrase::generate().unwrap(), PinPolicy::BestEffort).unwrap();
    let account = accounts(&ring, [0]).unwrap().remove(0);
    let purse = U256::from(10).pow(U256::from(20));
    ask(rpc, "anvil_setBalance", json!([account.address(), purse])).await;
    let folder = tempfile::tempdir().unwrap();
    let order = DeployOrder {
        endpoints: connect([url], Network::Development.profile().unwrap(), limits()).unwrap(),
        network: "test".to_owned(),
        kind: ChainKind::Development { minimum_secs: 1 },
        artifact: ArtifactName::PaymentChannel,
        permit2: Address::ZERO,
        launch: LaunchSchedule::default(),
        salt: B256::ZERO,
        account,
        folder: folder.path().to_owned(),
        known_block: None,
    };
    deploy(&order, &|_| {}).await.unwrap().deployment
}

fn ring_of(words: &str) -> KeyRing {
    KeyRing::new(&Phrase::parse(words).unwrap(), PinPolicy::BestEffort).unwrap()
}

/// A node: its folder, its seed, and the engine while it runs.
pub struct Node {
    pub engine: Arc<Engine>,
    pub metrics: Arc<Metrics>,
    pub dir: TempDir,
    words: String,
    pub account: Address,
    config: Config,
    /// What its journal's disk does.
    pub faults: FaultPlan,
}

/// What a node is made of, without the engine.
pub struct Parts {
    pub dir: TempDir,
    pub words: String,
    pub config: Config,
    pub faults: FaultPlan,
}

pub fn config() -> Config {
    let mut config = Config::default();
    config.p2p.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    config.p2p.nat = false;
    config.channel.challenge_period = Some(PERIOD);
    config.channel.accept = AcceptPolicy::Always;
    config
}

impl Parts {
    pub fn new(config: Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let words = Phrase::generate().unwrap().expose_words().to_string();
        let file = dir.path().join("marks");
        MarkFile::create(&file, SyncPolicy::OnDemand).unwrap();
        Self { dir, words, config, faults: FaultPlan::default() }
    }

    pub fn ring(&self) -> KeyRing {
        ring_of(&self.words)
    }

    pub fn account(&self) -> Address {
        self.ring().account(keys::account_index(CHAIN_ID, 0)).unwrap().address()
    }

    fn journal_dir(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    /// Puts something into its journal, past everybody.
    pub fn write(&self, set: &WriteSet) {
        let (mut journal, _) = DiskJournal::open(&self.journal_dir(), &Options::default()).unwrap();
        journal.engine_mut().write(set).unwrap();
    }

    pub async fn run(self, world: &World, provenance: Provenance) -> Node {
        self.run_on(world, world.endpoints(), provenance).await
    }

    /// The same, with the chain as other endpoints show it.
    pub async fn run_on(self, world: &World, endpoints: Endpoints, provenance: Provenance) -> Node {
        let (file, book) =
            MarkFile::open(&self.dir.path().join("marks"), SyncPolicy::OnDemand).unwrap();
        let signer = Arc::new(ChannelSigner::new(self.ring(), book, file));
        let options = Options { provenance, cache_bytes: 16 * 1024 * 1024, ..Options::default() };
        let (mut journal, evidence) = DiskJournal::open(&self.journal_dir(), &options).unwrap();
        let plan = self.faults.clone();
        journal.engine_mut().wrap_disk(|disk| Box::new(FaultyDisk::new(disk, plan)));
        let account = self.account();
        let metrics = Arc::new(Metrics::new());
        let engine = Engine::start(EngineSetup {
            config: self.config.clone(),
            network: "test".to_owned(),
            data_dir: self.dir.path().to_owned(),
            keys: signer,
            journal,
            is_restored: evidence.is_some(),
            endpoints,
            deployment: world.deployment.clone(),
            clock: EngineClock::start(),
            metrics: Arc::clone(&metrics),
        })
        .await
        .unwrap();
        let Self { dir, words, config, faults } = self;
        let node = Node { engine, metrics, dir, words, account, config, faults };
        node.until("it has read the chain", |node| {
            node.engine.status().chain.processed_number.is_some()
        })
        .await;
        node
    }
}

impl Node {
    pub async fn start(world: &World) -> Self {
        Self::start_with(world, config()).await
    }

    pub async fn start_with(world: &World, config: Config) -> Self {
        let parts = Parts::new(config);
        world.fund(parts.account(), ether(100)).await;
        parts.run(world, Provenance::Untouched).await
    }

    pub fn ring(&self) -> KeyRing {
        ring_of(&self.words)
    }

    /// Stops it in order.
    pub async fn stop(self) -> Parts {
        self.engine.stop().await;
        let Self { dir, words, config, faults, .. } = self;
        Parts { dir, words, config, faults }
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !is_so(self) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let channels = self.channels().await;
            panic!("{what} never came to be: {channels:#?} {:#?}", self.engine.status());
        }
    }

    /// Waits until a channel is as it should be.
    pub async fn until_channel(&self, id: ChannelId, what: &str, is_so: impl Fn(&Channel) -> bool) {
        let waiting = async {
            while !self.try_channel(id).await.is_ok_and(|channel| is_so(&channel)) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            let channel = self.try_channel(id).await;
            panic!("{what} never came to be: {channel:#?} {:#?}", self.engine.status());
        }
    }

    pub async fn until_phase(&self, id: ChannelId, phase: ChannelPhase) {
        self.until_channel(id, &format!("{phase:?}"), |channel| channel.phase == phase).await;
    }

    pub async fn invite(&self) -> String {
        self.until("it listens", |node| !node.engine.info().addresses.is_empty()).await;
        self.engine.create_invite(CreateInvite::default()).await.unwrap().invite
    }

    pub async fn connect(&self, other: &Self) {
        let invite = other.invite().await;
        self.engine.connect(Connect { invite, wait_millis: Some(10_000) }).await.unwrap();
    }

    pub async fn try_channel(&self, id: ChannelId) -> Result<Channel, Failure> {
        self.engine.channel(ChannelCall { channel_id: Text(id) }).await
    }

    pub async fn channel(&self, id: ChannelId) -> Channel {
        self.try_channel(id).await.unwrap()
    }

    pub async fn channels(&self) -> Vec<Channel> {
        let call = ListChannels { include_settled: Some(true), ..ListChannels::default() };
        self.engine.channels(call).await.unwrap().channels
    }

    pub async fn open(&self, other: &Self, deposit: u64, asked: u64) -> ChannelId {
        let call = OpenChannel {
            peer: other.invite().await,
            deposit: Some(amount(deposit)),
            counterparty_deposit: Some(amount(asked)),
            token: None,
            challenge_period: None,
        };
        self.engine.open_channel(call).await.unwrap().channel_id.0
    }

    pub async fn join(&self, id: ChannelId) -> Result<Channel, Failure> {
        self.until("an offer", |node| node.engine.status().pending_opens > 0).await;
        self.engine.join_channel(JoinChannel { channel_id: Text(id), deposit: None }).await
    }

    pub async fn deposit(&self, id: ChannelId, value: u64, key: &str) -> Result<Channel, Failure> {
        let idempotency_key = Some(key.to_owned());
        let call = Deposit { channel_id: Text(id), amount: amount(value), idempotency_key };
        self.engine.deposit(call).await
    }

    pub fn pay_call(id: ChannelId, value: u64) -> Pay {
        Pay { channel_id: Some(Text(id)), amount: Some(amount(value)), ..Pay::default() }
    }

    pub async fn pay(&self, id: ChannelId, value: u64) -> Payment {
        let payment = self.engine.pay(Self::pay_call(id, value), Spender::Operator).await.unwrap();
        assert_eq!(payment.state, PaymentState::Final, "{payment:?}");
        payment
    }

    pub async fn pay_batch(&self, id: ChannelId, count: u64, value: u64) -> u32 {
        let item = BatchItem { amount: amount(value), memo: None };
        let payments = (0..count).map(|_| item.clone()).collect();
        let call = PayBatch {
            channel_id: Text(id),
            payments,
            idempotency_key: None,
            wait_millis: Some(60_000),
        };
        let receipt = self.engine.pay_batch(call, Spender::Operator).await.unwrap();
        assert_eq!(u64::from(receipt.count), count);
        receipt.final_count
    }

    pub async fn close(&self, id: ChannelId) {
        self.engine.close_channel(ChannelCall { channel_id: Text(id) }).await.unwrap();
    }

    pub async fn force_close(&self, id: ChannelId) {
        let call = ForceClose { channel_id: Text(id), dry_run: None };
        assert!(self.engine.force_close(call).await.unwrap().is_ordered);
    }

    pub fn own(channel: &Channel) -> u64 {
        channel.own_balance.to_string().parse().unwrap()
    }

    pub async fn assert_settled(&self, id: ChannelId, own: u64, theirs: u64) {
        self.until_channel(id, "settled", |channel| channel.settled.is_some()).await;
        let settled = self.channel(id).await.settled.unwrap();
        assert_eq!(settled, (amount(own), amount(theirs)));
    }
}

pub fn amount(value: u64) -> Text<Amount> {
    Text(Amount::from(value))
}

pub const fn ether(count: u128) -> u128 {
    count * 1_000_000_000_000_000_000
}

/// Two nodes on a chain.
pub struct Pair {
    pub world: World,
    pub one: Node,
    pub two: Node,
}

impl Pair {
    pub async fn start() -> Self {
        let world = World::start().await;
        let (one, two) = tokio::join!(Node::start(&world), Node::start(&world));
        Self { world, one, two }
    }

    /// With an open channel of a deposit on each side.
    pub async fn open(deposit1: u64, deposit2: u64) -> (Self, ChannelId) {
        let pair = Self::start().await;
        let id = pair.open_channel(deposit1, deposit2).await;
        (pair, id)
    }

    pub async fn open_channel(&self, deposit1: u64, deposit2: u64) -> ChannelId {
        let id = self.one.open(&self.two, deposit1, deposit2).await;
        if deposit2 > 0 {
            self.two.join(id).await.unwrap();
        }
        let capacity = amount(deposit1 + deposit2);
        let is_open = |channel: &Channel| {
            channel.phase == ChannelPhase::Open
                && channel.capacity == capacity
                && channel.is_connected
        };
        self.one.until_channel(id, "an open channel", is_open).await;
        self.two.until_channel(id, "an open channel", is_open).await;
        id
    }
}
