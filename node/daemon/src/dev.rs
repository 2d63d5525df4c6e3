//! A local chain of its own for `node --dev`: anvil, mining every second, with the contracts on it.
//!
//! It must die with the node, however the node dies. The kernel's signal on a parent's death needs `unsafe` to
//! ask for, so a shell stands between: it waits for the end of a pipe that only the node holds, and then
//! kills the chain.

use crate::chain::deploy::{DeployError, DeployOrder, deploy};
use crate::chain::{self, ChainTaskError};
use alloy_primitives::{Address, B256, U256};
use lockstep_chain::endpoint::RequestLimits;
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::profile::Network;
use lockstep_contracts::artifact::ArtifactName;
use lockstep_contracts::config::LaunchSchedule;
use lockstep_contracts::window::ChainKind;
use lockstep_core::error::ErrorClass;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// The chain's id.
pub const DEV_CHAIN_ID: u64 = 31_337;
/// What our account gets: 10,000 coins. Units: wei.
const PURSE: u128 = 10_000_000_000_000_000_000_000;
/// How long anvil may take to say where it listens.
const PATIENCE: Duration = Duration::from_secs(20);
/// Runs the chain, and kills it once the pipe on standard input ends. `$1` is the program, the rest its
/// arguments.
const KEEPER: &str = r#""$@" </dev/null & chain=$!
trap 'kill "$chain" 2>/dev/null' EXIT
cat >/dev/null
"#;

/// Why there is no local chain.
#[derive(Debug, Error)]
pub enum DevError {
    /// The program is not there.
    #[error("anvil was not found: install foundry, or run 'make setup' in the source tree")]
    NoAnvil,
    /// It does not run.
    #[error("anvil does not run")]
    Spawn(#[from] std::io::Error),
    /// It says nothing.
    #[error("anvil does not say where it listens")]
    Silent,
    /// It does not do what it is told.
    #[error("the local chain refuses {method}")]
    Refused {
        /// Which call.
        method: &'static str,
    },
    /// The chain side.
    #[error(transparent)]
    Chain(Box<ChainTaskError>),
    /// The contracts.
    #[error("the contracts were not deployed")]
    Deploy(#[source] Box<DeployError>),
}

impl From<ChainTaskError> for DevError {
    fn from(error: ChainTaskError) -> Self {
        Self::Chain(Box::new(error))
    }
}

impl From<DeployError> for DevError {
    fn from(error: DeployError) -> Self {
        Self::Deploy(Box::new(error))
    }
}

impl DevError {
    /// What the caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoAnvil => ErrorClass::Refused,
            Self::Spawn(_) | Self::Silent | Self::Refused { .. } => ErrorClass::Transient,
            Self::Chain(error) => error.class(),
            Self::Deploy(error) => error.class(),
        }
    }
}

/// A local chain that is running. One that was started here ends with this value; one that another node of
/// this machine has started is only used.
#[derive(Debug)]
pub struct DevChain {
    keeper: Option<Child>,
    url: String,
}

impl DevChain {
    /// Starts a chain whose state is kept in a file, so that channels outlive the node.
    ///
    /// # Errors
    /// [`DevError`].
    pub async fn start(data_dir: &Path, port: u16) -> Result<Self, DevError> {
        let url = format!("http://127.0.0.1:{port}");
        if port != 0 && is_dev_chain(&url).await {
            tracing::info!(url, "a local chain runs already, and is used");
            return Ok(Self { keeper: None, url });
        }
        let anvil = find_anvil().ok_or(DevError::NoAnvil)?;
        let mut keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER, "lockstep-dev-chain"])
            .arg(anvil)
            .args(["--port", &port.to_string(), "--block-time", "1", "--slots-in-an-epoch", "1"])
            .args(["--chain-id", &DEV_CHAIN_ID.to_string(), "--state"])
            .arg(data_dir.join("dev-chain.json"))
            .args(["--state-interval", "2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Not killed on drop: the keeper must live to end the chain, once its standard input has ended.
            .spawn()?;
        let stdout = keeper.stdout.take().ok_or(DevError::Silent)?;
        let mut lines = BufReader::new(stdout).lines();
        let address =
            timeout(PATIENCE, listening(&mut lines)).await.map_err(|_| DevError::Silent)??;
        // Its log must be read, or it blocks on a full pipe.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                tracing::trace!(line, "local chain");
            }
        });
        Ok(Self { keeper: Some(keeper), url: format!("http://{address}") })
    }

    /// Where it is reached.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process that keeps it, if it was started here.
    #[must_use]
    pub fn keeper_id(&self) -> Option<u32> {
        self.keeper.as_ref().and_then(Child::id)
    }

    /// Puts the contracts on the chain, if they are not there, and money into our account.
    ///
    /// # Errors
    /// [`DevError`].
    pub async fn prepare(
        &self,
        network: &str,
        account: std::sync::Arc<dyn lockstep_chain::port::AccountSigner>,
        folder: PathBuf,
    ) -> Result<(), DevError> {
        let endpoints = endpoints(&self.url)?;
        give(&endpoints, account.address()).await?;
        let order = DeployOrder {
            endpoints,
            network: network.to_owned(),
            kind: ChainKind::Development { minimum_secs: 1 },
            artifact: ArtifactName::PaymentChannel,
            permit2: Address::ZERO,
            launch: LaunchSchedule::default(),
            salt: B256::ZERO,
            account,
            folder,
            known_block: None,
        };
        let deployed = deploy(&order, &|step| tracing::info!(?step, "contracts")).await?;
        tracing::info!(path = %deployed.path.display(), is_new = deployed.is_new, "contracts are there");
        Ok(())
    }
}

/// Whether a chain for development answers there. Anything else must not be taken for one: its accounts would
/// be given money.
async fn is_dev_chain(url: &str) -> bool {
    let Ok(endpoints) = endpoints(url) else { return false };
    let Some(endpoint) = endpoints.iter().next() else { return false };
    let is_ours = endpoint.chain_id().await.is_ok_and(|id| id == DEV_CHAIN_ID);
    let version = endpoint.request::<Value, Value>("web3_clientVersion", json!([])).await;
    let is_anvil = version.is_ok_and(|text| text.as_str().is_some_and(|t| t.starts_with("anvil/")));
    is_ours && is_anvil
}

async fn listening(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<String, DevError> {
    while let Some(line) = lines.next_line().await? {
        if let Some(address) = line.strip_prefix("Listening on ") {
            return Ok(address.trim().to_owned());
        }
    }
    Err(DevError::Silent)
}

fn endpoints(url: &str) -> Result<Endpoints, DevError> {
    let profile = Network::Development.profile();
    let profile = profile.map_err(|_| DevError::Refused { method: "its profile" })?;
    Ok(chain::connect([url], profile, limits())?)
}

/// Patience with a chain on the same machine.
fn limits() -> RequestLimits {
    let (timeout, backoff) = (Duration::from_secs(10), Duration::from_millis(50));
    RequestLimits { timeout, retries: 3, backoff }
}

/// Fills an account's purse, unless there is something in it already.
async fn give(endpoints: &Endpoints, account: Address) -> Result<(), DevError> {
    let method = "anvil_setBalance";
    let Some(endpoint) = endpoints.iter().next() else { return Err(DevError::Silent) };
    let balance = endpoint.balance(account).await.map_err(|_| DevError::Refused { method })?;
    if !balance.is_zero() {
        return Ok(());
    }
    let params = json!([account, U256::from(PURSE)]);
    let answer = endpoint.request::<Value, Value>(method, params).await;
    answer.map_err(|_| DevError::Refused { method })?;
    Ok(())
}

/// In the search path, or among the packages that the source tree pins.
fn find_anvil() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join("anvil"));
    let platform = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux-amd64",
        ("linux", "aarch64") => "linux-arm64",
        ("macos", "aarch64") => "darwin-arm64",
        _ => "darwin-amd64",
    };
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../contracts/node_modules/@foundry-rs")
        .join(format!("anvil-{platform}"))
        .join("bin/anvil");
    in_path.chain(std::iter::once(pinned)).find(|file| file.is_file())
}
