//! A stand-alone tower's life: from its folder and settings to a signal that ends it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::hex;
use lockstep_chain::call::Contracts;
use lockstep_chain::endpoint::{Endpoint, RequestLimits};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::error::ChainError;
use lockstep_chain::follower::Start;
use lockstep_chain::port::{AccountRefused, AccountSigner, LocalAccount};
use lockstep_chain::profile::{Network, ProfileError};
use lockstep_chain::startup::{self, Checked};
use lockstep_contracts::deployment::{Deployment, DeploymentError};
use lockstep_core::error::ErrorClass;
use lockstep_core::signature::SignerKey;
use lockstep_p2p::Multiaddr;
use lockstep_p2p::tower::TowerLimits;
use lockstep_signer::KeyRing;
use lockstep_signer::account::AccountError;
use lockstep_signer::harden::{HardenError, harden_process};
use lockstep_signer::keystore::{KeystoreError, seed_file};
use lockstep_signer::secret::{Password, PinError, PinPolicy};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use crate::admin::{Admin, Counters, stage_name};
use crate::clock::TowerClock;
use crate::config::{ChainConfig, Config};
use crate::news::News;
use crate::tower::{Herald, Tower, TowerError, TowerSetup};
use crate::watch::WatchSetup;
use crate::webhook::{Webhook, WebhookError, WebhookSetup};

mod escape;

/// Accounts of one chain in the phrase; each chain has its own (P98).
const ACCOUNTS_PER_CHAIN: u32 = 64;
/// The account of a rollup that pays on L1: the last of the rollup's own, which are never its lanes. Were it one of
/// L1's, the tower's watch of L1, or of another rollup there, would use the same nonces.
const ESCAPE_ACCOUNT: u32 = 63;
/// Chains that have accounts of their own; chain ids further apart share them.
const CHAINS: u64 = 1 << 24;
/// Most accounts that send on one chain.
const MAX_LANES: u32 = 32;

/// Why a tower does not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The process could leak what it reads.
    #[error("keys are not read, since this process could leak them")]
    Harden(#[from] HardenError),
    /// The seed can't be read.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The seed can't be kept out of swap.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// An address to listen at is none.
    #[error("{address} is not a multiaddr")]
    Address {
        /// Which.
        address: Box<str>,
    },
    /// No chain is set.
    #[error("no chain is set: add a [[chain]] to tower.toml")]
    NoChain,
    /// A chain is set twice: two watches would use the same accounts, and each other's nonces.
    #[error("chain {chain_id} is set twice: one [[chain]] for each, with one deployment")]
    ChainTwice {
        /// Which.
        chain_id: u64,
    },
    /// An endpoint's address is none.
    #[error("endpoint {index} of a chain is not an address")]
    Endpoint {
        /// Which, from 0.
        index: usize,
    },
    /// A deployment record can't be read.
    #[error("deployment record {} cannot be read", .path.display())]
    Record {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A deployment record is not to be trusted.
    #[error("deployment record {} is not to be trusted", .path.display())]
    Deployment {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<DeploymentError>,
    },
    /// The file of a rollup's bridge can't be understood.
    #[error("bridge file {} cannot be understood", .path.display())]
    Network {
        /// Which.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The file of a bridge is another rollup's.
    #[error("the bridge file is of chain {found}, the channels are on chain {expected}")]
    OtherRollup {
        /// Where the channels are.
        expected: u64,
        /// What the file names.
        found: u64,
    },
    /// A webhook without a secret proves nothing.
    #[error("a webhook needs a secret: set webhook_secret_file")]
    NoWebhookSecret,
    /// The webhook.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// A chain is not known.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A chain can't be asked, or serves other contracts.
    #[error(transparent)]
    Chain(Box<ChainError>),
    /// No account comes out of the seed.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// An account can't be used.
    #[error(transparent)]
    Refused(#[from] AccountRefused),
    /// The tower itself.
    #[error(transparent)]
    Tower(Box<TowerError>),
    /// The system.
    #[error("the system refuses")]
    System(#[from] std::io::Error),
    /// A part of the tower has ended by itself.
    #[error("a part of the tower has broken down")]
    BrokeDown,
}

impl From<ChainError> for RunError {
    fn from(error: ChainError) -> Self {
        Self::Chain(Box::new(error))
    }
}

impl From<TowerError> for RunError {
    fn from(error: TowerError) -> Self {
        Self::Tower(Box::new(error))
    }
}

impl RunError {
    /// What the operator does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Harden(error) => error.class(),
            Self::Keystore(error) => error.class(),
            Self::Pin(error) => error.class(),
            Self::Address { .. }
            | Self::NoChain
            | Self::ChainTwice { .. }
            | Self::Endpoint { .. }
            | Self::Record { .. }
            | Self::Deployment { .. }
            | Self::Network { .. }
            | Self::NoWebhookSecret
            | Self::OtherRollup { .. }
            | Self::System(_) => ErrorClass::Refused,
            Self::Webhook(error) => error.class(),
            Self::Profile(error) => error.class(),
            Self::Chain(error) => error.class(),
            Self::Account(error) => error.class(),
            Self::Refused(error) => error.class(),
            Self::Tower(error) => error.class(),
            Self::BrokeDown => ErrorClass::Fatal,
        }
    }
}

/// Where the seed is.
#[must_use]
pub fn seed_path(data_dir: &Path) -> PathBuf {
    data_dir.join("seed.json")
}

/// Where the token for the operator's questions is.
#[must_use]
pub fn token_path(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.token")
}

/// Where a running tower says how clients find it.
#[must_use]
pub fn address_path(data_dir: &Path) -> PathBuf {
    data_dir.join("tower.address")
}

/// Opens the keys of a folder.
///
/// # Errors
/// [`RunError`].
pub fn open_keys(
    data_dir: &Path,
    password: &Password,
    allow_swap: bool,
) -> Result<KeyRing, RunError> {
    let phrase = seed_file::open(&seed_path(data_dir), password)?;
    let policy = if allow_swap { PinPolicy::BestEffort } else { PinPolicy::Required };
    Ok(KeyRing::new(&phrase, policy)?)
}

/// The index of an account in the phrase.
#[must_use]
pub fn account_index(chain_id: u64, number: u32) -> u32 {
    let chain = u32::try_from(chain_id.checked_rem(CHAINS).unwrap_or_default()).unwrap_or_default();
    let first = chain.saturating_mul(ACCOUNTS_PER_CHAIN);
    first.saturating_add(number.min(ACCOUNTS_PER_CHAIN.saturating_sub(1)))
}

/// The index of the account that pays on L1 for a rollup's answers.
#[must_use]
pub fn escape_index(l2_chain_id: u64) -> u32 {
    account_index(l2_chain_id, ESCAPE_ACCOUNT)
}

/// Runs until a signal ends it.
///
/// # Errors
/// [`RunError`] if it does not start, or a part of it breaks down.
pub async fn run(data_dir: &Path, config: &Config, password: &Password) -> Result<(), RunError> {
    // Before a key is read: no core dumps, no debugger.
    harden_process()?;
    let keys = Arc::new(open_keys(data_dir, password, config.allow_swap)?);
    if config.chain.is_empty() {
        return Err(RunError::NoChain);
    }
    let (mut watches, mut accounts) = (Vec::new(), Vec::new());
    for chain in &config.chain {
        let (watch, shown): (WatchSetup, Value) = watch_of(chain, &keys, config.stagger).await?;
        let chain_id = watch.contracts.chain_id;
        if watches.iter().any(|other: &WatchSetup| other.contracts.chain_id == chain_id) {
            return Err(RunError::ChainTwice { chain_id });
        }
        watches.push(watch);
        accounts.push(shown);
    }
    let setup = TowerSetup {
        keys: Arc::clone(&keys),
        listen: addresses(&config.listen)?,
        external: addresses(&config.external)?,
        policy: config.policy(),
        limits: TowerLimits::default(),
        watches,
        heartbeat: Duration::from_secs(config.heartbeat_secs.max(1)),
        clock: Arc::new(TowerClock::start()),
        cache_bytes: config.cache_mib.saturating_mul(1024 * 1024),
    };
    let counters = Arc::new(Counters::default());
    let webhook = webhook(config, &keys)?;
    let mut tower = Tower::start(data_dir, setup, herald(&counters, webhook)).await?;
    let outcome = attend(&mut tower, data_dir, config, counters, Value::Array(accounts)).await;
    notify(sd_notify::NotifyState::Stopping);
    tower.stop().await;
    outcome
}

/// From listening to the signal that ends it.
async fn attend(
    tower: &mut Tower,
    data_dir: &Path,
    config: &Config,
    counters: Arc<Counters>,
    accounts: Value,
) -> Result<(), RunError> {
    let (mut stop, mut end) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let address = tower.listening().await.ok_or(RunError::BrokeDown)?;
    let token = std::fs::read_to_string(token_path(data_dir))?.trim().to_owned();
    let admin = Admin {
        store: tower.store().clone(),
        holdings: Arc::clone(tower.holdings()),
        server: tower.server().clone(),
        boards: tower.boards().to_vec(),
        address: address.clone(),
        counters,
        accounts,
        token,
    };
    let admin = admin.serve(config.admin).await?;
    // Last: whoever waits for it finds everything else there.
    std::fs::write(address_path(data_dir), format!("{address}\n"))?;
    tracing::info!(%address, "the tower serves clients");
    notify(sd_notify::NotifyState::Ready);
    let mut look = tokio::time::interval(Duration::from_secs(1));
    let outcome = loop {
        tokio::select! {
            _ = stop.recv() => break Ok(()),
            _ = end.recv() => break Ok(()),
            _ = look.tick() => {
                if !tower.is_whole() {
                    break Err(RunError::BrokeDown);
                }
                notify(sd_notify::NotifyState::Watchdog);
            }
        }
    };
    admin.abort();
    outcome
}

/// The operator's webhook, if one is set.
fn webhook(config: &Config, keys: &KeyRing) -> Result<Option<Webhook>, RunError> {
    let Some(url) = config.webhook.clone() else { return Ok(None) };
    let path = config.webhook_secret_file.clone().ok_or(RunError::NoWebhookSecret)?;
    let text = std::fs::read(&path).map_err(|source| RunError::Record { path, source })?;
    let text = Zeroizing::new(text);
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let secret = Zeroizing::new(line.trim_ascii().to_vec());
    let own = keys.node_id().ok().and_then(|key| SignerKey::parse(&key.0).ok());
    let tower = own.map(|own| own.address()).unwrap_or_default();
    Ok(Some(Webhook::start(WebhookSetup { url, secret, tower })?))
}

/// Writes to the log what an operator must see, and counts it.
fn herald(counters: &Arc<Counters>, webhook: Option<Webhook>) -> Herald {
    let counters = Arc::clone(counters);
    Arc::new(move |news| {
        counters.note(news);
        if let Some(webhook) = &webhook {
            webhook.note(news);
        }
        match news {
            News::Acted(acted) => tracing::info!(
                channel_id = %acted.channel_id,
                version = acted.posted_version.0,
                stage = stage_name(acted.stage),
                tx_hash = ?acted.tx_hash,
                "a close is dealt with"
            ),
            News::Failed { channel_id, settled, held } => tracing::error!(
                %channel_id,
                settled = settled.0,
                version = held.0,
                "a channel was settled below what was promised"
            ),
            News::HalfOfWindow { channel_id, before } => tracing::error!(
                %channel_id,
                before = before.0,
                "half of the window is gone and the answer is not final"
            ),
            News::EscapeFails { chain_id } => {
                tracing::error!(chain_id, "an answer does not get through L1");
            }
            News::EscapeWorks { chain_id } => {
                tracing::info!(chain_id, "nothing is held up on its way through L1 any more");
            }
            News::Chain(alarm) => tracing::warn!(?alarm, "the chain side needs attention"),
        }
    })
}

async fn watch_of(
    chain: &ChainConfig,
    keys: &KeyRing,
    is_staggered: bool,
) -> Result<(WatchSetup, Value), RunError> {
    let path = &chain.deployment;
    let text = std::fs::read_to_string(path)
        .map_err(|source| RunError::Record { path: path.clone(), source })?;
    let deployment = Deployment::from_json(&text)
        .map_err(|source| RunError::Deployment { path: path.clone(), source: Box::new(source) })?;
    let kind = chain.kind.map_or_else(|| Network::of_chain_id(deployment.chain_id), Ok)?;
    let profile = kind.profile()?;
    let mut all = Vec::new();
    for (index, url) in chain.endpoints.iter().enumerate() {
        let endpoint = Endpoint::new(url, RequestLimits::default());
        all.push(endpoint.map_err(|_| RunError::Endpoint { index })?);
    }
    let endpoints = Endpoints::new(all, profile)?;
    let Checked { endpoints, left_out } = startup::usable(&endpoints, &deployment).await?;
    for endpoint in left_out {
        tracing::error!(%endpoint, "an endpoint serves something else and is left out until the next start");
    }
    let mut accounts: Vec<Arc<dyn AccountSigner>> = Vec::new();
    let mut shown = Vec::new();
    for number in 0..chain.lanes.clamp(1, MAX_LANES) {
        let account = keys.account(account_index(deployment.chain_id, number))?;
        shown.push(account.address().to_string());
        accounts.push(Arc::new(LocalAccount::from_secret(&account.expose_secret())?));
    }
    let mut on_l1 = None;
    let escape = match &chain.l1 {
        Some(l1) => {
            let (setup, payer) = escape::setup(l1, deployment.chain_id, &endpoints, keys)?;
            on_l1 = Some(payer);
            Some(setup)
        }
        None => None,
    };
    let own = keys.node_id().ok().and_then(|key| SignerKey::parse(&key.0).ok());
    let watch = WatchSetup {
        endpoints,
        contracts: Contracts::from(&deployment),
        start: Start::Now,
        accounts,
        max_cost: chain.max_cost(),
        stagger: own.filter(|_| is_staggered).map(|own| own.address()),
        escape,
    };
    Ok((watch, json!({ "chainId": deployment.chain_id, "lanes": shown, "l1": on_l1 })))
}

fn addresses(texts: &[String]) -> Result<Vec<Multiaddr>, RunError> {
    let parse = |text: &String| {
        text.parse().map_err(|_| RunError::Address { address: text.as_str().into() })
    };
    texts.iter().map(parse).collect()
}

fn notify(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager is not told");
    }
}

/// A token that nobody guesses.
///
/// # Errors
/// If the system gives no randomness.
pub fn draw_token() -> Result<String, RunError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| std::io::Error::from(std::io::ErrorKind::Other))?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p98_no_two_submitters_of_a_tower_use_one_account() {
        let mut seen = std::collections::BTreeSet::new();
        for chain_id in [1, 10, 8_453, 42_161, 421_614, 11_155_111] {
            for number in 0..MAX_LANES {
                assert!(seen.insert(account_index(chain_id, number)), "{chain_id} {number}");
            }
            assert!(seen.insert(escape_index(chain_id)), "{chain_id}");
        }
    }
}
