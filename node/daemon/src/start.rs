//! The whole life of `lockstep node`, from the first file to the last.

use crate::chain::deployment::{self, LookupError};
use crate::chain::{self, ChainTaskError};
use crate::clock::EngineClock;
use crate::config::{self, ChainKind, Config, LogFormat};
use crate::dev::{DEV_CHAIN_ID, DevChain, DevError};
use crate::engine::restore::{anchor_path, journal_dir};
use crate::engine::{Engine, EngineError, EngineSetup};
use crate::health::{Health, HealthServer};
use crate::keys::{self, Keys, KeysError};
use crate::metrics::Metrics;
use lockstep_chain::endpoint::RequestLimits;
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::profile::{Network, ProfileError};
use lockstep_contracts::deployment::Deployment;
use lockstep_contracts::window::WindowError;
use lockstep_core::error::ErrorClass;
use lockstep_rpc::access::{TokenError, Tokens};
use lockstep_rpc::backend::Backend;
use lockstep_rpc::server::{Server, ServerError};
use lockstep_rpc::types::NodeState;
use lockstep_signer::secret::Password;
use lockstep_store::error::OpenError;
use lockstep_store::journal::DiskJournal;
use lockstep_store::open::{Options, Provenance};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// Libraries that log what peers make them do.
const QUIET: &str = "libp2p=error,libp2p_identify=error,libp2p_relay=error,libp2p_swarm=error,libp2p_tcp=error,\
                     libp2p_quic=error,libp2p_dcutr=error,libp2p_autonat=error,yamux=off,quinn=off,quinn_proto=off,\
                     hickory_resolver=error,jsonrpsee-server=warn,hyper=warn";

/// What to run.
pub struct RunOrder {
    /// The configuration.
    pub config: Config,
    /// Name of the network.
    pub network: String,
    /// The data folder.
    pub data_dir: PathBuf,
    /// Opens the seed.
    pub password: Password,
    /// Whether to start a local chain.
    pub is_dev: bool,
    /// What the operator says about the journal.
    pub provenance: Provenance,
}

/// Why the node does not run, or did not go on.
#[derive(Debug, Error)]
pub enum StartError {
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The journal.
    #[error("the journal in {} cannot be opened", .path.display())]
    Journal {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<OpenError>,
    },
    /// No chain.
    #[error("chain.id is not set: name the network with --network, or set its id and endpoints")]
    NoChain,
    /// An unknown kind of chain.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// No safe challenge period.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// No deployment.
    #[error(transparent)]
    Deployment(#[from] LookupError),
    /// The chain side.
    #[error(transparent)]
    Chain(Box<ChainTaskError>),
    /// The local chain.
    #[error("the local chain does not start")]
    Dev(#[source] Box<DevError>),
    /// The engine.
    #[error(transparent)]
    Engine(Box<EngineError>),
    /// A part of the node ended before the node.
    #[error("{part} has broken down; start the node again, and report this with its log")]
    Broken {
        /// Which.
        part: &'static str,
    },
    /// Access tokens.
    #[error("the access tokens cannot be read")]
    Tokens(#[from] TokenError),
    /// The JSON-RPC interface.
    #[error("the JSON-RPC interface does not start")]
    Rpc(#[from] ServerError),
    /// A file or an address of ours.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl From<ChainTaskError> for StartError {
    fn from(error: ChainTaskError) -> Self {
        Self::Chain(Box::new(error))
    }
}

impl From<DevError> for StartError {
    fn from(error: DevError) -> Self {
        Self::Dev(Box::new(error))
    }
}

impl From<EngineError> for StartError {
    fn from(error: EngineError) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl StartError {
    /// What the caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Keys(error) => error.class(),
            Self::Journal { source, .. } => source.class(),
            Self::NoChain => ErrorClass::Refused,
            Self::Profile(error) => error.class(),
            Self::Window(_) => ErrorClass::Refused,
            Self::Deployment(error) => error.class(),
            Self::Chain(error) => error.class(),
            Self::Dev(error) => error.class(),
            Self::Engine(error) => error.class(),
            Self::Tokens(error) => error.class(),
            Self::Rpc(error) => error.class(),
            Self::Broken { .. } => ErrorClass::Fatal,
            Self::Io { .. } => ErrorClass::Transient,
        }
    }
}

/// Begins to write logs to standard error, as the configuration says. Once per process; a second call changes
/// nothing.
pub fn begin_logging(config: &Config) {
    // What strangers do on the wire must not fill the disk; what the configuration names comes last and wins.
    let directives = format!("{QUIET},{}", config.log.level);
    let filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let begun = match config.log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if begun.is_err() {
        tracing::debug!("logs are being written already");
    }
}

/// Runs the node until it is told to stop, by a signal or by the API.
///
/// # Errors
/// [`StartError`] if it does not start; nothing is half done then.
pub async fn run(order: RunOrder) -> Result<(), StartError> {
    let RunOrder { mut config, network, data_dir, password, is_dev, provenance } = order;
    // Before a key is read: no core dumps, no debugger.
    let keys = keys::open(&data_dir, &password, config.keys.allow_swap)?;
    drop(password);
    let (journal, is_restored) = open_journal(&config, &data_dir, provenance)?;
    let dev_chain = match is_dev {
        true => Some(start_dev_chain(&mut config, &keys, &network, &data_dir).await?),
        false => None,
    };
    let (endpoints, deployment) = find_chain(&config, &network, &data_dir)?;
    let metrics = Arc::new(Metrics::new());
    let engine = Engine::start(EngineSetup {
        config: config.clone(),
        network,
        data_dir: data_dir.clone(),
        keys,
        journal,
        is_restored,
        endpoints,
        deployment,
        clock: EngineClock::start(),
        metrics: Arc::clone(&metrics),
    })
    .await?;
    let served = serve(&config, &data_dir, &engine, &metrics).await;
    engine.stop().await;
    drop(dev_chain);
    match engine.broken_part() {
        Some(part) => Err(StartError::Broken { part }),
        None => served,
    }
}

/// Serves until the end is ordered. The API comes last: whoever reaches it reaches a node that works.
async fn serve(
    config: &Config,
    data_dir: &Path,
    engine: &Arc<Engine>,
    metrics: &Arc<Metrics>,
) -> Result<(), StartError> {
    let io = |what| move |source| StartError::Io { what, source };
    let health = match config.metrics.listen {
        None => None,
        Some(at) => {
            let probed = Arc::clone(engine);
            let probe = Arc::new(move || health_of(&probed));
            let server = HealthServer::start(at, Arc::clone(metrics), probe).await;
            Some(server.map_err(io("the address for metrics cannot be listened at"))?)
        }
    };
    let tokens = Arc::new(Tokens::load(&data_dir.join("tokens"))?);
    let server = Server::start(config.rpc.to_server(), tokens, Arc::clone(engine)).await?;
    config::write_address(data_dir, server.address())
        .map_err(io("the address of the JSON-RPC interface cannot be written down"))?;
    tracing::info!(address = %server.address(), "the node serves");
    notify(&[sd_notify::NotifyState::Ready]);
    let signal = wait_for_end(engine).await;
    notify(&[sd_notify::NotifyState::Stopping]);
    tracing::info!("the node stops");
    if let Err(error) = config::remove_address(data_dir) {
        tracing::debug!(error = %error, "the file with the address stays");
    }
    server.stop().await;
    drop(health);
    signal.map_err(io("signals cannot be waited for"))
}

async fn wait_for_end(engine: &Engine) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = engine.stop_ordered() => {}
    }
    Ok(())
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(error = %error, "the service manager was not told");
    }
}

fn health_of(engine: &Engine) -> Health {
    let status = engine.status();
    let is_well = match status.state {
        NodeState::Ready | NodeState::Degraded => true,
        NodeState::Starting | NodeState::SigningStopped | NodeState::Stopping => false,
    };
    let troubles = status.alarms.into_iter().map(|alarm| alarm.message).collect();
    Health { is_well, troubles }
}

fn open_journal(
    config: &Config,
    data_dir: &Path,
    provenance: Provenance,
) -> Result<(DiskJournal, bool), StartError> {
    let path = journal_dir(data_dir);
    let anchor = Some(anchor_path(config, data_dir));
    let options = Options { provenance, anchor, ..Options::default() };
    match DiskJournal::open(&path, &options) {
        Ok((journal, evidence)) => Ok((journal, evidence.is_some())),
        Err(source) => Err(StartError::Journal { path, source: Box::new(source) }),
    }
}

async fn start_dev_chain(
    config: &mut Config,
    keys: &Keys,
    network: &str,
    data_dir: &Path,
) -> Result<DevChain, StartError> {
    let wanted = config.chain.endpoints.first().and_then(|url| url.rsplit(':').next());
    let port = wanted.and_then(|port| port.trim_end_matches('/').parse().ok()).unwrap_or(0);
    let chain = DevChain::start(data_dir, port).await?;
    let index = keys::account_index(DEV_CHAIN_ID, 0);
    let account = chain::accounts(keys.keys(), [index])?.into_iter().next();
    let account = account.ok_or(StartError::NoChain)?;
    let folder = data_dir.join("deployments");
    chain.prepare(network, account, folder).await?;
    if chain.keeper_id().is_some() {
        tracing::info!(url = chain.url(), "a local chain runs, and ends with this node");
    }
    config.chain.endpoints = vec![chain.url().to_owned()];
    config.chain.id = Some(DEV_CHAIN_ID);
    config.chain.kind = Some(ChainKind::Development);
    Ok(chain)
}

/// The chain's endpoints, and where the contracts are. Nobody is asked for it yet.
pub(crate) fn find_chain(
    config: &Config,
    network: &str,
    data_dir: &Path,
) -> Result<(Endpoints, Deployment), StartError> {
    let chain_id = config.chain.id.ok_or(StartError::NoChain)?;
    let kind = match config.chain.kind {
        Some(kind) => network_of(kind),
        None => Network::of_chain_id(chain_id)?,
    };
    let profile = kind.profile()?;
    let limits = RequestLimits::default();
    let endpoints =
        chain::connect(config.chain.endpoints.iter().map(String::as_str), profile, limits)?;
    let own = data_dir.join("deployments");
    let folders: Vec<&Path> =
        config.chain.deployments.iter().map(PathBuf::as_path).chain([own.as_path()]).collect();
    let window = deployment::kind_of(chain_id, kind)?;
    let deployment = deployment::find(network, chain_id, window, &folders)?;
    Ok((endpoints, deployment))
}

/// The kind of network that the configuration names.
#[must_use]
pub fn network_of(kind: ChainKind) -> Network {
    match kind {
        ChainKind::Ethereum => Network::Ethereum,
        ChainKind::Optimism => Network::Optimism,
        ChainKind::Arbitrum => Network::Arbitrum,
        ChainKind::Zksync => Network::Zksync,
        ChainKind::Polygon => Network::Polygon,
        ChainKind::Development => Network::Development,
    }
}
