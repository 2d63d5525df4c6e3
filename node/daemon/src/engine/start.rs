//! From a journal on disk to a running engine, and back.

use crate::bridge::{self, BridgeSetup, BridgeStartError};
use crate::chain::{self, ChainNews, ChainSetup, ChainTask, ChainTaskError, WatchedChannel};
use crate::clock::EngineClock;
use crate::config::Config;
use crate::engine::alarms::AlarmKind;
use crate::engine::alarms::Alarms;
use crate::engine::births::Births;
use crate::engine::cuts::Cuts;
use crate::engine::driver::{Beginning, Driver};
use crate::engine::event::{Barrier, Event};
use crate::engine::feeds::Feeds;
use crate::engine::journal::Journal;
use crate::engine::ledger::Ledger;
use crate::engine::offers::Offers;
use crate::engine::peers::Peers;
use crate::engine::queries::Queries;
use crate::engine::recovery::Strays;
use crate::engine::registry::Registry;
use crate::engine::resets::Resets;
use crate::engine::seldom::Seldom;
use crate::engine::settings::{Settings, SettingsError};
use crate::engine::shared::Shared;
use crate::engine::tower::Towers;
use crate::engine::watch_over::watch_over;
use crate::engine::{housekeeping, link, lock, news, opening, recovery, retire, revive, tower};
use crate::keys::{self, HandshakeKey, Keys, KeysError};
use crate::metrics::Metrics;
use lockstep_chain::clock::ChainClock;
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::follower::Start;
use lockstep_contracts::deployment::Deployment;
use lockstep_core::channel::is_over;
use lockstep_core::commit::{Durable, recover};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::ChannelId;
use lockstep_core::money::Amount;
use lockstep_core::record::{ChannelRecord, Phase};
use lockstep_core::terms::Features;
use lockstep_core::time::BlockNumber;
use lockstep_p2p::config::RelayLimits;
use lockstep_p2p::handshake::{FeatureOffer, JournalHead};
use lockstep_p2p::port::OsEntropy;
use lockstep_p2p::tower::{TowerClient, TowerLimits};
use lockstep_p2p::{
    Multiaddr, Network, NetworkConfig, Ports, StartError as NetworkError, TransportIdentity,
};
use lockstep_signer::derive::DeriveError;
use lockstep_store::error::StoreError;
use lockstep_store::journal::DiskJournal;
use lockstep_store::tower::{self as stored_towers, Towers as StoredTowers};
use lockstep_store::writer::JournalThread;
use lockstep_store::{contact, request};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Why the engine does not start.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// An address of the configuration.
    #[error("{address:?} is no multiaddress")]
    Address {
        /// What it says.
        address: Box<str>,
    },
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Store(#[from] StoreError),
    /// The journal's thread.
    #[error("the journal's thread does not start")]
    Thread(#[source] std::io::Error),
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A key.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// No random numbers.
    #[error("the system gives no random numbers")]
    Entropy,
    /// The chain side.
    #[error("the chain side does not start")]
    Chain(#[source] Box<ChainTaskError>),
    /// The bridge.
    #[error("the bridge to L1 does not start")]
    Bridge(#[source] Box<BridgeStartError>),
    /// The network side.
    #[error("the network side does not start")]
    Network(#[source] Box<NetworkError>),
}

impl From<ChainTaskError> for EngineError {
    fn from(error: ChainTaskError) -> Self {
        Self::Chain(Box::new(error))
    }
}

impl From<NetworkError> for EngineError {
    fn from(error: NetworkError) -> Self {
        Self::Network(Box::new(error))
    }
}

impl EngineError {
    /// What the caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Settings(error) => error.class(),
            Self::Address { .. } => ErrorClass::Refused,
            Self::Store(error) => error.class(),
            Self::Thread(_) | Self::Entropy => ErrorClass::Transient,
            Self::Keys(error) => error.class(),
            Self::Derive(error) => error.class(),
            Self::Chain(error) => error.class(),
            Self::Bridge(error) => error.class(),
            Self::Network(error) => error.class(),
        }
    }
}

/// All that an engine is started with.
pub struct EngineSetup {
    /// The configuration.
    pub config: Config,
    /// Name of the network.
    pub network: String,
    /// The data folder.
    pub data_dir: PathBuf,
    /// The keys.
    pub keys: Arc<Keys>,
    /// The journal, open.
    pub journal: DiskJournal,
    /// Whether the journal came from a backup: then the chain is read from the contract's first block on.
    pub is_restored: bool,
    /// The chain's endpoints.
    pub endpoints: Endpoints,
    /// Where the contracts are.
    pub deployment: Deployment,
    /// The clock.
    pub clock: EngineClock,
    /// Figures.
    pub metrics: Arc<Metrics>,
}

/// A running engine.
pub struct Engine {
    pub(super) shared: Arc<Shared>,
    journal: Mutex<Option<JournalThread>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// What the journal holds, before its thread has it.
struct Loaded {
    records: Vec<Durable<ChannelRecord>>,
    damaged: Vec<(ChannelId, StoreError)>,
    peers: Peers,
    ledger: Arc<Ledger>,
    towers: StoredTowers,
}

fn load(journal: &mut DiskJournal) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded {
        records: vec![],
        damaged: vec![],
        peers: Peers::load(contact::all(journal.engine())?),
        ledger: Arc::new(Ledger::load(request::all(journal.engine())?)),
        towers: stored_towers::all(journal.engine())?,
    };
    for channel_id in journal.channel_ids()? {
        match recover(journal, channel_id) {
            Ok(Some(record)) => loaded.records.push(record),
            Ok(None) => {}
            // One bad channel never stops the others.
            Err(error) => loaded.damaged.push((channel_id, error)),
        }
    }
    Ok(loaded)
}

/// Starts a driver for every channel, and what hands events to them.
fn run_all(
    shared: &Arc<Shared>,
    records: Vec<Durable<ChannelRecord>>,
    events: lockstep_p2p::Events,
    chain_news: mpsc::Receiver<ChainNews>,
) -> Vec<JoinHandle<()>> {
    // What was never opened and can't be any more needs no driver.
    let is_wanted = |record: &Durable<ChannelRecord>| {
        let parts = record.get().parts();
        !is_over(parts) || matches!(parts.phase, Phase::Settled(_))
    };
    let (wanted, over): (Vec<_>, Vec<_>) = records.into_iter().partition(is_wanted);
    remove_all(shared, over);
    let wanted = wanted.into_iter();
    let mut tasks: Vec<_> = wanted.filter_map(|record| take_up(shared, record)).collect();
    let links = tokio::spawn(link::follow(Arc::clone(shared), events));
    tasks.push(part(shared, "the network side", links));
    let news = tokio::spawn(news::follow(Arc::clone(shared), chain_news));
    tasks.push(part(shared, "the task that hands on what the chain shows", news));
    let feeds = Arc::clone(&shared.feeds).follow(shared.journal.clone());
    tasks.push(part(shared, "the task that counts events", tokio::spawn(feeds)));
    let keeping = tokio::spawn(housekeeping::run(Arc::clone(shared)));
    tasks.push(part(shared, "housekeeping", keeping));
    recovery::go_on_importing(shared);
    tower::start_all(shared);
    tasks
}

/// What the chain side follows from the start: every channel that is not over.
fn watched(records: &[Durable<ChannelRecord>], max_call_cost: Amount) -> Vec<WatchedChannel> {
    let live = records.iter().map(|record| record.get().parts()).filter(|parts| !is_over(parts));
    live.map(|parts| opening::watched_with(parts, max_call_cost)).collect()
}

impl Engine {
    /// Starts everything: the journal's thread, the chain side, the network side, every channel's driver.
    ///
    /// # Errors
    /// [`EngineError`]; nothing runs then.
    pub async fn start(setup: EngineSetup) -> Result<Arc<Self>, EngineError> {
        let EngineSetup { config, network, data_dir, keys, mut journal, .. } = setup;
        let chain_id = setup.deployment.chain_id;
        let senders = config.chain.senders.max(1);
        let indexes = (0..senders).map(|number| keys::account_index(chain_id, number));
        let signers = chain::accounts(keys.keys(), indexes)?;
        let accounts: Vec<_> = signers.iter().map(|signer| signer.address()).collect();
        let account = accounts.first().copied().unwrap_or_default();
        let profile = setup.endpoints.profile();
        let settings =
            Settings::new(&config, &network, data_dir, &setup.deployment, account, profile)?;
        let loaded = load(&mut journal)?;
        let network_config = network_config(&config, &keys, &journal)?;
        let head = network_config.head;
        let (thread, handle) = JournalThread::start(journal).map_err(EngineError::Thread)?;
        let journal = Journal::new(handle.clone());
        let first_block = BlockNumber(setup.deployment.channel.block);
        let start = if setup.is_restored { Start::Block(first_block) } else { Start::Now };
        let channels = watched(&loaded.records, settings.max_call_cost);
        let l2_endpoints = setup.endpoints.clone();
        let (chain, chain_news, chain_task) = ChainTask::start(ChainSetup {
            endpoints: setup.endpoints,
            deployment: setup.deployment,
            start,
            journal: handle.clone(),
            accounts: signers,
            channels,
            secrets: vec![],
        })
        .await?;
        let carried = bridge::start(BridgeSetup {
            options: &config.bridge,
            l2_endpoints,
            keys: keys.keys(),
            chain: chain.clone(),
            journal: handle,
            owner: account,
            max_cost: settings.max_call_cost,
        });
        let carried = carried.await.map_err(|error| EngineError::Bridge(Box::new(error)))?;
        let (bridge, bridge_task) = carried.unzip();
        let ports = Ports {
            clock: Arc::new(setup.clock),
            entropy: Arc::new(OsEntropy),
            node_key: Arc::new(HandshakeKey::new(Arc::clone(&keys))?),
        };
        let (network, events) = Network::start(network_config, ports)?;
        let shared = Arc::new(Shared {
            settings,
            clock: setup.clock,
            started_secs: setup.clock.unix_secs(),
            node_id: keys.keys().node_id()?,
            keys,
            network,
            chain,
            bridge,
            journal,
            registry: Registry::default(),
            peers: loaded.peers,
            cuts: Cuts::default(),
            offers: Offers::default(),
            births: Births::default(),
            resets: Resets::default(),
            offer_lines: Seldom::default(),
            queries: Queries::default(),
            strays: Strays::default(),
            towers: Towers::load(loaded.towers, tower_client(setup.clock)?, head),
            ledger: loaded.ledger,
            alarms: Alarms::default(),
            feeds: Arc::new(Feeds::default()),
            metrics: setup.metrics,
            times: Mutex::new(ChainClock::default()),
            processed: Mutex::new(None),
            holdings: Mutex::new(vec![]),
            accounts,
            entries: Mutex::new(BTreeMap::new()),
            damaged: Mutex::new(loaded.damaged.iter().map(|(id, _)| *id).collect()),
            parted: Mutex::new(BTreeSet::new()),
            is_signing_stopped: AtomicBool::new(false),
            stopping: watch::channel(false).0,
            #[cfg(feature = "testing")]
            failpoint: crate::engine::failpoint::Failpoint::default(),
            broken_part: OnceLock::new(),
        });
        watch_damaged(&shared, &loaded.damaged).await;
        let mut tasks = vec![part(&shared, "the chain side", chain_task)];
        tasks.extend(bridge_task.map(|task| part(&shared, "the bridge side", task)));
        tasks.extend(run_all(&shared, loaded.records, events, chain_news));
        Ok(Arc::new(Self { shared, journal: Mutex::new(Some(thread)), tasks: Mutex::new(tasks) }))
    }

    /// Waits until somebody orders a stop.
    pub async fn stop_ordered(&self) {
        let mut stopping = self.shared.stopping.subscribe();
        if stopping.wait_for(|stopping| *stopping).await.is_err() {
            tracing::debug!("the engine is gone already");
        }
    }

    /// Stops in order: no new work, drivers end after what they are writing, peers are told, the journal is
    /// closed.
    pub async fn stop(&self) {
        self.shared.stopping.send_replace(true);
        let (barrier, wait) = Barrier::new();
        for handle in self.shared.registry.all() {
            handle.urge(Event::Stop(barrier.clone())).await;
        }
        barrier.meet();
        wait.wait().await;
        tower::stop(&self.shared).await;
        self.shared.network.stop().await;
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        for task in tasks {
            // Most of them end by themselves; what waits for the chain needs not to be waited for.
            task.abort();
        }
        let thread = lock(&self.journal).take();
        let closed = tokio::task::spawn_blocking(move || thread.and_then(JournalThread::stop));
        if !matches!(closed.await, Ok(Some(_))) {
            tracing::error!("the journal was not closed in order; nothing acknowledged is lost");
        }
        // A task that was sent away may hold the keys for a moment yet; the folder is the next life's from here.
        self.shared.keys.close();
    }

    /// What has broken down, if the engine ended by itself for that.
    #[must_use]
    pub fn broken_part(&self) -> Option<&'static str> {
        self.shared.broken_part.get().copied()
    }

    /// Whether nothing more is signed.
    #[must_use]
    pub fn is_signing_stopped(&self) -> bool {
        self.shared.is_signing_stopped()
    }

    /// The network side, for tests.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.shared.network
    }
}

/// Channels whose records can't be read are not answered for, but their closes are at least told of.
async fn watch_damaged(shared: &Shared, damaged: &[(ChannelId, StoreError)]) {
    for (channel_id, error) in damaged {
        if let Err(error) = shared.chain.look_out(*channel_id).await {
            tracing::error!(%channel_id, error = %error, "a damaged channel is not watched");
        }
        let message = format!(
            "the journal's record of a channel is damaged: {error}. Nothing is signed for it, and a stale close \
             can't be answered from it; a close is told of at once. Bring it back now with `lockstep recover`: from \
             its counterparty, from towers, or from its proof file"
        );
        shared.alarm(AlarmKind::RecordDamaged, Some(*channel_id), message);
    }
}

/// A task without which the node is not safe.
fn part(shared: &Arc<Shared>, name: &'static str, running: JoinHandle<()>) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    watch_over(running, move |_| shared.part_ended(name))
}

/// Removes channels that were never opened and can't be any more (P63).
fn remove_all(shared: &Arc<Shared>, over: Vec<Durable<ChannelRecord>>) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        for record in over {
            let channel_id = record.get().channel_id();
            if let Err(failure) = retire::remove(&shared, channel_id).await {
                tracing::debug!(%channel_id, error = %failure, "a channel that never was is kept");
            }
        }
    });
}

/// Starts the driver of a channel that the journal holds.
fn take_up(shared: &Arc<Shared>, record: Durable<ChannelRecord>) -> Option<JoinHandle<()>> {
    let channel_id = record.get().channel_id();
    match Driver::resume(shared, record) {
        Ok((driver, handle)) => {
            shared.registry.insert(handle);
            Some(revive::drive(shared, channel_id, driver.run(Beginning::Resumed)))
        }
        Err(error) => {
            lock(&shared.damaged).insert(channel_id);
            let message = format!(
                "a channel cannot be taken up: {error}. Nothing is signed for it; a close of it is told of. Bring it \
                 back with `lockstep recover`"
            );
            shared.alarm(AlarmKind::RecordDamaged, Some(channel_id), message);
            None
        }
    }
}

fn network_config(
    config: &Config,
    keys: &Keys,
    journal: &DiskJournal,
) -> Result<NetworkConfig, EngineError> {
    let options = &config.p2p;
    let mut secret = keys.keys().transport_secret()?;
    let identity = TransportIdentity::from_secret(&mut secret).map_err(|_| {
        KeysError::Derive(DeriveError { role: lockstep_signer::derive::Role::Transport })
    })?;
    let offer = FeatureOffer { required: Features::NONE, optional: Features::PARTIAL_WITHDRAW };
    let head = journal.head();
    let mut network = NetworkConfig::new(identity, offer);
    network.head = Some(JournalHead {
        journal_id: head.journal_id,
        epoch: head.epoch,
        incarnation: head.incarnation,
    });
    network.listen = addresses(&options.listen)?;
    network.external = addresses(&options.external)?;
    network.relays = addresses(&options.relays)?;
    network.relay_server = options.relay_server.then(RelayLimits::default);
    network.nat = options.nat;
    network.mdns = options.mdns;
    Ok(network)
}

/// The links with towers are under a transport identity that names nobody.
fn tower_client(clock: EngineClock) -> Result<TowerClient, EngineError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|_| EngineError::Entropy)?;
    let identity = TransportIdentity::from_secret(&mut secret).map_err(|_| EngineError::Entropy)?;
    let clock: Arc<dyn lockstep_p2p::port::Clock> = Arc::new(clock);
    Ok(TowerClient::start(&identity, TowerLimits::default(), &clock, Arc::new(OsEntropy))?)
}

fn addresses(texts: &[String]) -> Result<Vec<Multiaddr>, EngineError> {
    let parse = |text: &String| {
        text.parse().map_err(|_| EngineError::Address { address: text.as_str().into() })
    };
    texts.iter().map(parse).collect()
}
