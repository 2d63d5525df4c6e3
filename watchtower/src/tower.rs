//! A tower, running: its store, a watch per contract, its intake, and what it tells.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::Address;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{Digest, Domain, NodeId};
use lockstep_core::signature::{SignerKey, StateSignature};
use lockstep_core::terms::Features;
use lockstep_p2p::config::{Ports, TransportIdentity};
use lockstep_p2p::handshake::{FeatureOffer, Handshake};
use lockstep_p2p::port::{Clock, NodeKey, OsEntropy, SigningRefused};
use lockstep_p2p::tower::message::{ChainHealth, Push};
use lockstep_p2p::tower::{ServerConfig, TowerAddress, TowerLimits, TowerRequests, TowerServer};
use lockstep_p2p::{Multiaddr, StartError};
use lockstep_signer::KeyRing;
use lockstep_signer::derive::DeriveError;
use lockstep_store::error::OpenError;
use lockstep_store::journal::DiskJournal;
use lockstep_store::open::Options;
use lockstep_store::writer::JournalThread;
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};

use crate::beat::Beat;
use crate::holding::Holdings;
use crate::intake::{Intake, Policy, Scene};
use crate::news::News;
use crate::proof::Proofs;
use crate::seal::{RowKey, SealError};
use crate::shared::Shared;
use crate::store::{Totals, TowerStore, TowerStoreError};
use crate::watch::{Board, Recheck, Watch, WatchError, WatchSetup};

/// News that wait to be told.
const NEWS_QUEUE: usize = 1_024;
/// States that were left during a close and that wait for their watch.
const RECHECK_QUEUE: usize = 256;
/// Before what is kept is read again, if it could not be read.
const READ_AGAIN: Duration = Duration::from_secs(30);
/// Requests that are decided at a time; each may ask the chain.
const MAX_DECIDING: usize = 128;

/// Why a tower does not start.
#[derive(Debug, Error)]
pub enum TowerError {
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store's thread does not start.
    #[error("the store's thread does not start")]
    Thread(#[source] std::io::Error),
    /// The store's key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store.
    #[error(transparent)]
    Store(#[from] TowerStoreError),
    /// A watch.
    #[error(transparent)]
    Watch(Box<WatchError>),
    /// The network side.
    #[error(transparent)]
    Network(#[from] StartError),
    /// The keys.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// The node key is none.
    #[error("the tower's key cannot be used")]
    Key,
}

impl From<WatchError> for TowerError {
    fn from(error: WatchError) -> Self {
        Self::Watch(Box::new(error))
    }
}

impl TowerError {
    /// What the operator does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Open(_) | Self::Thread(_) | Self::Seal(_) | Self::Derive(_) | Self::Key => {
                ErrorClass::Fatal
            }
            Self::Store(error) => error.class(),
            Self::Watch(error) => error.class(),
            Self::Network(error) => error.class(),
        }
    }
}

/// What a tower is started with.
pub struct TowerSetup {
    /// Its keys.
    pub keys: Arc<KeyRing>,
    /// Where it listens.
    pub listen: Vec<Multiaddr>,
    /// Addresses that are reachable from outside.
    pub external: Vec<Multiaddr>,
    /// What the operator decides about clients.
    pub policy: Policy,
    /// Limits of connections.
    pub limits: TowerLimits,
    /// The contracts to watch.
    pub watches: Vec<WatchSetup>,
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// The clock of limits and heartbeats.
    pub clock: Arc<dyn Clock>,
    /// Memory for the store's page cache. Units: bytes.
    pub cache_bytes: u64,
}

/// A running tower.
pub struct Tower {
    server: TowerServer,
    store: TowerStore,
    holdings: Arc<Holdings>,
    boards: Vec<Board>,
    key: NodeId,
    tasks: JoinSet<()>,
    requests: JoinHandle<()>,
    thread: JournalThread,
    stop: Vec<mpsc::Sender<Recheck>>,
}

/// Hears what a tower tells, besides its clients.
pub type Herald = Arc<dyn Fn(&News) + Send + Sync>;

impl Tower {
    /// Opens the store in a folder, takes up what an earlier run left, and listens. Must be called inside a
    /// tokio runtime.
    ///
    /// # Errors
    /// [`TowerError`]; nothing runs then.
    pub async fn start(
        data_dir: &Path,
        setup: TowerSetup,
        herald: Herald,
    ) -> Result<Self, TowerError> {
        let TowerSetup { keys, policy, clock, cache_bytes, .. } = &setup;
        let key = keys.node_id()?;
        let tower = SignerKey::parse(&key.0).map_err(|_| TowerError::Key)?.address();
        let options = Options { cache_bytes: *cache_bytes, ..Options::default() };
        let (journal, _) = DiskJournal::open(&data_dir.join("store"), &options)?;
        let (thread, handle) = JournalThread::start(journal).map_err(TowerError::Thread)?;
        let row_key = RowKey::new(&*keys.tower_secret(&key)?)?;
        let store = TowerStore::new(handle, row_key);
        let shared = Arc::new(Shared::new(store.clone()));
        let proofs = Arc::new(Proofs::new(Arc::clone(keys), tower));
        let (news, told) = mpsc::channel(NEWS_QUEUE);
        let (policy, clock, keys) = (*policy, Arc::clone(clock), Arc::clone(keys));
        let mut tasks = JoinSet::new();
        let (mut scenes, mut boards, mut stop) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut chains = Vec::new();
        let (server, requests) = serve(&setup, &keys, key)?;
        for watch_setup in setup.watches {
            let (endpoints, contracts) = (watch_setup.endpoints.clone(), watch_setup.contracts);
            chains.push((endpoints.clone(), contracts.chain_id));
            let watch = Watch::start(watch_setup, Arc::clone(&shared), news.clone()).await?;
            let (board, domain): (Board, Domain) = (watch.board(), watch.domain());
            let (rechecks, asked) = mpsc::channel(RECHECK_QUEUE);
            stop.push(rechecks.clone());
            boards.push(board.clone());
            scenes.insert(domain, Scene { endpoints, contracts, board, rechecks });
            tasks.spawn(watch.run(asked));
        }
        drop(news);
        let keys_and_name = (keys, tower);
        let intake = Intake::new(
            Arc::clone(&shared),
            scenes,
            policy,
            keys_and_name,
            clock,
            Arc::clone(&proofs),
        );
        tasks.spawn(tell(told, server.clone(), store.clone(), herald));
        let beat = Beat {
            server: server.clone(),
            shared: Arc::clone(&shared),
            proofs,
            boards: boards.clone(),
            chains,
        };
        tasks.spawn(beat.run(setup.heartbeat));
        let requests = tokio::spawn(decide(requests, Arc::new(intake)));
        let holdings = Arc::clone(&shared.holdings);
        tasks.spawn(remember(shared));
        Ok(Self { server, store, holdings, boards, key, tasks, requests, thread, stop })
    }

    /// Where clients find it; none before it listens.
    pub fn address(&self) -> Option<TowerAddress> {
        let addresses = self.server.local_addresses();
        let peer_id = self.server.local_peer();
        (!addresses.is_empty()).then_some(TowerAddress { key: self.key, peer_id, addresses })
    }

    /// Waits until it listens.
    pub async fn listening(&self) -> Option<TowerAddress> {
        let mut watch = self.server.watch_addresses();
        watch.wait_for(|addresses| !addresses.is_empty()).await.ok()?;
        self.address()
    }

    /// How each chain stands; chains that were not looked at yet are left out.
    pub fn health(&self) -> Vec<ChainHealth> {
        self.boards.iter().filter_map(Board::health).collect()
    }

    /// How each chain stands, for whoever asks again and again.
    pub fn boards(&self) -> &[Board] {
        &self.boards
    }

    /// The server, for its numbers.
    pub fn server(&self) -> &TowerServer {
        &self.server
    }

    /// The store, for what the operator asks.
    pub fn store(&self) -> &TowerStore {
        &self.store
    }

    /// What is kept, by its hashes.
    pub fn holdings(&self) -> &Arc<Holdings> {
        &self.holdings
    }

    /// How much is kept.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn totals(&self) -> Result<Totals, TowerStoreError> {
        self.store.totals(self.holdings.count()).await
    }

    /// Whether every part still runs; one that has ended never ends by itself.
    pub fn is_whole(&mut self) -> bool {
        !self.requests.is_finished() && self.tasks.try_join_next().is_none()
    }

    /// Ends everything, and waits until what was written is on disk.
    pub async fn stop(mut self) {
        self.server.stop().await;
        self.stop.clear();
        if self.requests.await.is_err() {
            tracing::error!("the task that takes requests has broken down");
        }
        self.tasks.shutdown().await;
        drop(self.store);
        let thread = self.thread;
        let stopped = tokio::task::spawn_blocking(move || thread.stop()).await;
        if !matches!(stopped, Ok(Some(_))) {
            tracing::error!("the store's thread has broken down");
        }
    }
}

fn serve(
    setup: &TowerSetup,
    keys: &Arc<KeyRing>,
    key: NodeId,
) -> Result<(TowerServer, TowerRequests), TowerError> {
    let mut secret = keys.transport_secret()?;
    let identity = TransportIdentity::from_secret(&mut secret).map_err(|_| TowerError::Key)?;
    let config = ServerConfig {
        identity,
        features: FeatureOffer { required: Features::NONE, optional: Features::NONE },
        listen: setup.listen.clone(),
        external: setup.external.clone(),
        limits: setup.limits,
    };
    let node_key: Arc<dyn NodeKey> = Arc::new(TowerKey { keys: Arc::clone(keys), key });
    let ports = Ports { clock: Arc::clone(&setup.clock), entropy: Arc::new(OsEntropy), node_key };
    Ok(TowerServer::start(config, ports)?)
}

/// The tower's key, as the network side may use it.
struct TowerKey {
    keys: Arc<KeyRing>,
    key: NodeId,
}

impl NodeKey for TowerKey {
    fn node_id(&self) -> NodeId {
        self.key
    }

    fn sign_handshake(&self, handshake: &Handshake) -> Result<StateSignature, SigningRefused> {
        let digest: Digest = handshake.digest();
        self.keys.sign_handshake(digest).map_err(|_| SigningRefused)
    }
}

/// Decides requests beside each other: one that waits for the chain keeps no other one waiting.
async fn decide(mut requests: TowerRequests, intake: Arc<Intake>) {
    let places = Arc::new(Semaphore::new(MAX_DECIDING));
    while let Some(request) = requests.next().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let (intake, head) = (Arc::clone(&intake), request.head);
        let (account, asked, answer) = request.into_parts();
        tokio::spawn(async move {
            answer.give(intake.handle(account, head, asked).await);
            drop(place);
        });
    }
    requests.stopped().await;
}

/// Reads what an earlier run left, beside everything else; then lasts as long as the tower.
async fn remember(shared: Arc<Shared>) {
    while let Err(error) = shared.holdings.load(&shared.store).await {
        tracing::error!(%error, "what is kept cannot be read, so that nothing can be proved");
        tokio::time::sleep(READ_AGAIN).await;
    }
    drop(shared);
    std::future::pending::<()>().await;
}

/// Tells clients and operator what happened.
async fn tell(
    mut told: mpsc::Receiver<News>,
    server: TowerServer,
    store: TowerStore,
    herald: Herald,
) {
    while let Some(news) = told.recv().await {
        herald(&news);
        let News::Acted(acted) = news else { continue };
        match store.watchers(acted.channel_id).await {
            Ok(accounts) => {
                for account in accounts {
                    server.push(&account, &Push::Acted(acted));
                }
            }
            Err(error) => tracing::error!(%error, "clients are not told of a close"),
        }
    }
}

/// The name under which a tower signs, for people.
pub fn name_of(key: NodeId) -> Option<Address> {
    SignerKey::parse(&key.0).ok().map(|key| key.address())
}
