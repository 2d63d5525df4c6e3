//! Puts the contracts on a chain, by CREATE2 so that a second run finds the first one's, and writes the record
//! that nodes read.

mod look;

pub use look::{Found, Seen, look};

use super::deployment::{LookupError, file_name};
use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, bytes};
use core::time::Duration;
use lockstep_chain::endpoint::{Endpoint, RequestError};
use lockstep_chain::endpoints::{Endpoints, Landing, majority};
use lockstep_chain::error::ChainError;
use lockstep_chain::port::{AccountRefused, AccountSigner};
use lockstep_chain::rpc::{BlockTag, CallRequest};
use lockstep_chain::startup;
use lockstep_contracts::artifact::ArtifactName;
use lockstep_contracts::config::{ConfigError, DeployConfig, LaunchSchedule};
use lockstep_contracts::create2::{Creation, DEPLOYER, DeployError as CreationError};
use lockstep_contracts::deployment::{ContractRole, Deployment, DeploymentError, registry_of};
use lockstep_contracts::immutable::code_hash;
use lockstep_contracts::window::{ChainKind, WindowError};
use lockstep_core::error::ErrorClass;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Date of the contracts' sources in this build. A test ties it to the build's own hash.
const SOURCE_DATE: &str = "2026-11-23";
/// Account that creates the deterministic deployer with the only transaction that it will ever have.
const DEPLOYER_MAKER: Address = address!("3fab184622dc19b6109349b94811493bf2a45362");
/// That transaction, signed by nobody: its signature was chosen, and the account follows from it.
///
/// Source: github.com/Arachnid/deterministic-deployment-proxy.
const DEPLOYER_CREATION: Bytes = bytes!(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222"
);
/// What that transaction costs: 100,000 gas at 100 gwei. Units: wei.
const DEPLOYER_COST: u64 = 10_000_000_000_000_000;
/// Looks for a transaction before it is given up; with the pauses of a network about ten minutes.
const MAX_LOOKS: u32 = 300;
/// The base fee may rise this many times before the transaction waits.
const FEE_HEADROOM: u128 = 3;

/// What to deploy.
pub struct DeployOrder {
    /// The chain's endpoints.
    pub endpoints: Endpoints,
    /// A name for the network, which names the record too.
    pub network: String,
    /// The chain's kind, which decides the shortest challenge period.
    pub kind: ChainKind,
    /// The build: [`ArtifactName::PaymentChannel`], or the one for chains without EIP-1153.
    pub artifact: ArtifactName,
    /// Permit2; zero where the chain has none.
    pub permit2: Address,
    /// Caps of a guarded launch.
    pub launch: LaunchSchedule,
    /// For a second deployment of the same configuration.
    pub salt: B256,
    /// Who pays.
    pub account: Arc<dyn AccountSigner>,
    /// Where the record is written.
    pub folder: PathBuf,
    /// When the contracts were created, if the endpoints do not remember. Units: block number.
    pub known_block: Option<u64>,
}

/// What has been done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeployStep {
    /// The deterministic deployer is created, which this chain did not have.
    CreatingDeployer,
    /// A contract is there already, exactly this build's.
    Found {
        /// Which.
        role: ContractRole,
        /// Where.
        address: Address,
    },
    /// A contract was sent.
    Sent {
        /// Which.
        role: ContractRole,
        /// The transaction.
        tx: B256,
    },
    /// A contract was created.
    Created {
        /// Which.
        role: ContractRole,
        /// Where.
        address: Address,
        /// In which block.
        block: u64,
    },
}

/// A deployment and its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// What the record says.
    pub deployment: Deployment,
    /// Where the record is.
    pub path: PathBuf,
    /// Whether anything had to be created.
    pub is_new: bool,
}

/// Why the contracts were not deployed.
#[derive(Debug, Error)]
pub enum DeployError {
    /// The network's name could be no file's.
    #[error("the record cannot be named")]
    Name(#[from] LookupError),
    /// The chain has no safe challenge period.
    #[error("the chain has no safe challenge period")]
    Window(#[from] WindowError),
    /// The configuration is refused.
    #[error("the configuration is refused")]
    Config(#[from] ConfigError),
    /// The contracts could not be prepared.
    #[error("the contracts cannot be prepared")]
    Creation(#[from] CreationError),
    /// What was planned or found is not this build's deployment.
    #[error("this is not a deployment of this build")]
    Deployment(#[from] DeploymentError),
    /// The chain side failed.
    #[error("the chain side failed")]
    Chain(#[from] ChainError),
    /// The account did not sign.
    #[error("the account did not sign")]
    Account(#[from] AccountRefused),
    /// The chain has no deterministic deployer.
    #[error("this chain has no deterministic deployer at {DEPLOYER}: it must be put there first")]
    NoDeployer,
    /// The account can't pay.
    #[error(
        "account {account} holds {balance} wei, the deployment may take {needed}: fund it first"
    )]
    NoFunds {
        /// Which.
        account: Address,
        /// Units: wei.
        needed: U256,
        /// Units: wei.
        balance: U256,
    },
    /// A transaction did not land in time. Nothing is lost: another run goes on.
    #[error("transaction {tx} is in no block yet: wait, then run the same command again")]
    NotIncluded {
        /// The transaction.
        tx: B256,
    },
    /// A creation failed.
    #[error(
        "transaction {tx} failed: the chain may lack EIP-1153, for which there is another build"
    )]
    Failed {
        /// The transaction.
        tx: B256,
    },
    /// No endpoint remembers when a contract was created.
    #[error("no RPC endpoint remembers when {address} was created: say the block")]
    BlockUnknown {
        /// Which contract.
        address: Address,
    },
    /// A record of another deployment is in the way.
    #[error(
        "{} records a deployment at {found}, this one is at {wanted}: choose another network name, or move \
         that record away", .path.display()
    )]
    OtherRecord {
        /// The record.
        path: PathBuf,
        /// As recorded.
        found: Address,
        /// As deployed.
        wanted: Address,
    },
    /// The record could not be written; what is on chain stays, another run finds it.
    #[error("record {} cannot be written", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl DeployError {
    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Chain(error) => error.class(),
            Self::Name(error) => error.class(),
            Self::NotIncluded { .. } => ErrorClass::Transient,
            Self::Window(_)
            | Self::Config(_)
            | Self::Creation(_)
            | Self::Deployment(_)
            | Self::Account(_)
            | Self::NoDeployer
            | Self::NoFunds { .. }
            | Self::Failed { .. }
            | Self::BlockUnknown { .. }
            | Self::OtherRecord { .. }
            | Self::Write { .. } => ErrorClass::Refused,
        }
    }
}

/// Deploys what is missing, checks what is there, and writes the record.
///
/// # Errors
/// [`DeployError`] says what to do; a second run goes on where the first one stopped.
pub async fn deploy(
    order: &DeployOrder,
    say: &(dyn Fn(DeployStep) + Send + Sync),
) -> Result<Deployed, DeployError> {
    let path = order.folder.join(file_name(&order.network)?);
    let chain_id = order.endpoints.ask_quorum(Endpoint::chain_id).await?;
    let mut deployment = plan(order, chain_id)?;
    let recorded = read_record(&path, &deployment)?;
    ensure_deployer(order, chain_id, say).await?;
    let mut is_new = false;
    for role in [ContractRole::Registry, ContractRole::Channel] {
        let known = recorded.as_ref().map(|record| match role {
            ContractRole::Channel => record.channel.block,
            ContractRole::Registry => record.registry.block,
        });
        let wanted = Wanted::new(order, &deployment, role)?;
        let (block, is_created) = ensure(order, chain_id, &wanted, known, say).await?;
        is_new |= is_created;
        match role {
            ContractRole::Registry => deployment.registry.block = block,
            ContractRole::Channel => deployment.channel.block = block,
        }
    }
    startup::check(&order.endpoints, &deployment).await?;
    write_record(&path, &deployment)?;
    Ok(Deployed { deployment, path, is_new })
}

/// What this order leaves on a chain.
fn plan(order: &DeployOrder, chain_id: u64) -> Result<Deployment, DeployError> {
    let bounds = order.kind.bounds()?;
    let registry = Creation::plain(registry_of(order.artifact), order.salt)?;
    let mut config = DeployConfig::uncapped(bounds, registry.address);
    config.permit2 = order.permit2;
    config.launch = order.launch.clone();
    config.validate_for(bounds)?;
    let (network, name, salt) = (&order.network, order.artifact, order.salt);
    Ok(Deployment::expected(network, chain_id, name, SOURCE_DATE, salt, config)?)
}

/// A contract that must be there.
struct Wanted {
    role: ContractRole,
    creation: Creation,
    code_hash: B256,
}

impl Wanted {
    fn new(
        order: &DeployOrder,
        deployment: &Deployment,
        role: ContractRole,
    ) -> Result<Self, DeployError> {
        let (creation, code_hash) = match role {
            ContractRole::Registry => {
                let name = registry_of(order.artifact);
                (Creation::plain(name, order.salt)?, deployment.registry.code_hash)
            }
            ContractRole::Channel => {
                let config = &deployment.config;
                let creation = Creation::channel(order.artifact, config, order.salt)?;
                (creation, deployment.channel.code_hash)
            }
        };
        Ok(Self { role, creation, code_hash })
    }

    /// Whether it is there; other code at its address is refused.
    async fn is_there(&self, endpoints: &Endpoints) -> Result<bool, DeployError> {
        let address = self.creation.address;
        let code = endpoints.ask_quorum(|endpoint| endpoint.code(address)).await?;
        let (role, expected) = (self.role, self.code_hash);
        let found = code_hash(&code);
        match code.is_empty() {
            true => Ok(false),
            false if found == expected => Ok(true),
            false => Err(DeploymentError::CodeMismatch { role, expected, found }.into()),
        }
    }
}

/// Creates a contract if it is missing; since when it is there, and whether that was now.
async fn ensure(
    order: &DeployOrder,
    chain_id: u64,
    wanted: &Wanted,
    known: Option<u64>,
    say: &(dyn Fn(DeployStep) + Send + Sync),
) -> Result<(u64, bool), DeployError> {
    let (role, address) = (wanted.role, wanted.creation.address);
    if wanted.is_there(&order.endpoints).await? {
        say(DeployStep::Found { role, address });
        let block = match known.or(order.known_block) {
            Some(block) => block,
            None => creation_block(&order.endpoints, address).await?,
        };
        return Ok((block, false));
    }
    let payload = (DEPLOYER, U256::ZERO, wanted.creation.to_calldata());
    let (tx, raw) = sign(order, chain_id, payload).await?;
    order.endpoints.broadcast(&raw).await?;
    say(DeployStep::Sent { role, tx });
    let landing = wait_for(&order.endpoints, tx, &raw).await?;
    if !landing.is_success || !wanted.is_there(&order.endpoints).await? {
        return Err(DeployError::Failed { tx });
    }
    let block = landing.block.0;
    say(DeployStep::Created { role, address, block });
    Ok((block, true))
}

/// Puts the deterministic deployer on a local chain. On any other chain somebody else has to: its creation
/// costs a hundredth of the coin.
async fn ensure_deployer(
    order: &DeployOrder,
    chain_id: u64,
    say: &(dyn Fn(DeployStep) + Send + Sync),
) -> Result<(), DeployError> {
    let code = order.endpoints.ask_quorum(|endpoint| endpoint.code(DEPLOYER)).await?;
    if !code.is_empty() {
        return Ok(());
    }
    if !matches!(order.kind, ChainKind::Development { .. }) {
        return Err(DeployError::NoDeployer);
    }
    say(DeployStep::CreatingDeployer);
    let payload = (DEPLOYER_MAKER, U256::from(DEPLOYER_COST), Bytes::new());
    let (tx, raw) = sign(order, chain_id, payload).await?;
    order.endpoints.broadcast(&raw).await?;
    wait_for(&order.endpoints, tx, &raw).await?;
    order.endpoints.broadcast(&DEPLOYER_CREATION).await?;
    let creation = alloy_primitives::keccak256(&DEPLOYER_CREATION);
    let landing = wait_for(&order.endpoints, creation, &DEPLOYER_CREATION).await?;
    if landing.is_success { Ok(()) } else { Err(DeployError::NoDeployer) }
}

/// A signed transaction of the paying account.
async fn sign(
    order: &DeployOrder,
    chain_id: u64,
    (to, value, input): (Address, U256, Bytes),
) -> Result<(B256, Bytes), DeployError> {
    let endpoints = &order.endpoints;
    let account = order.account.address();
    let claims = endpoints.nonces(account).await?;
    let nonce = majority(claims.into_iter().flatten(), endpoints.profile().quorum)?;
    let base_fee = endpoints.newest_header().await?.base_fee();
    let priority = endpoints.priority_fee().await.unwrap_or(1).max(1);
    let max_fee = base_fee.saturating_mul(FEE_HEADROOM).saturating_add(priority);
    let request = CallRequest { from: Some(account), to, data: input.clone(), value: Some(value) };
    let gas = endpoints.ask_any(|endpoint| endpoint.estimate_gas(&request)).await?;
    let gas_limit = gas.saturating_add(gas.div_ceil(5));
    let needed = U256::from(gas_limit).saturating_mul(U256::from(max_fee)).saturating_add(value);
    let balance = endpoints.balance(account).await?;
    if balance < needed {
        return Err(DeployError::NoFunds { account, needed, balance });
    }
    let transaction = TxEip1559 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas: max_fee,
        max_priority_fee_per_gas: priority,
        to: TxKind::Call(to),
        value,
        input,
        ..TxEip1559::default()
    };
    let signature = order.account.sign_transaction(&transaction)?;
    let signed = transaction.into_signed(signature);
    Ok((*signed.hash(), signed.encoded_2718().into()))
}

/// Waits until a quorum shows where a transaction has landed.
async fn wait_for(endpoints: &Endpoints, tx: B256, raw: &Bytes) -> Result<Landing, DeployError> {
    let pause = Duration::from_millis(endpoints.profile().poll_millis);
    for _ in 0..MAX_LOOKS {
        let shown = endpoints.landings(tx).await?.into_iter().flatten().flatten();
        if let Ok(landing) = majority(shown, endpoints.profile().quorum) {
            return Ok(landing);
        }
        tokio::time::sleep(pause).await;
        if let Err(error) = endpoints.spread(tx, raw).await {
            tracing::info!(tx_hash = %tx, error = %error, "not taken yet");
        }
    }
    Err(DeployError::NotIncluded { tx })
}

/// The first block in which a contract is there, by halving. Needs an endpoint that remembers.
async fn creation_block(endpoints: &Endpoints, address: Address) -> Result<u64, DeployError> {
    let (mut low, mut high) = (0, endpoints.newest_header().await?.number());
    while low < high {
        let middle = low.midpoint(high);
        let at = BlockTag::Number(middle);
        let asked = endpoints.ask_any(|endpoint| endpoint.code_at(address, at)).await;
        let code = match asked {
            Ok(code) => code,
            Err(ChainError::Endpoint(error))
                if matches!(error.cause, RequestError::Refused { .. }) =>
            {
                return Err(DeployError::BlockUnknown { address });
            }
            Err(error) => return Err(error.into()),
        };
        if code.is_empty() {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// The record that is there already, if it is of the same deployment.
fn read_record(path: &Path, wanted: &Deployment) -> Result<Option<Deployment>, DeployError> {
    let json = match std::fs::read_to_string(path) {
        Ok(json) => json,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(DeployError::Write { path: path.to_owned(), source }),
    };
    let record = Deployment::from_json(&json)?;
    let (found, wanted_at) = (record.channel.address, wanted.channel.address);
    if found != wanted_at || record.chain_id != wanted.chain_id {
        let path = path.to_owned();
        return Err(DeployError::OtherRecord { path, found, wanted: wanted_at });
    }
    Ok(Some(record))
}

/// Writes the record whole or not at all.
fn write_record(path: &Path, deployment: &Deployment) -> Result<(), DeployError> {
    let json = deployment.to_json()?;
    let part = path.with_extension("json.part");
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&part, json)?;
        std::fs::rename(&part, path)
    };
    write().map_err(|source| DeployError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_contracts::artifact::Artifact;

    #[test]
    fn the_date_of_the_sources_is_that_of_the_committed_build() {
        // Another hash here means that the contracts were compiled anew: their date goes above.
        let artifact = Artifact::committed(ArtifactName::PaymentChannel).unwrap();
        assert!(artifact.input_sha256.starts_with("bff9522924bb174b"), "{}", artifact.input_sha256);
    }

    #[test]
    fn the_deployer_s_creation_is_the_one_transaction_of_the_account_that_follows_from_it() {
        let hash = alloy_primitives::keccak256(&DEPLOYER_CREATION);
        let known = alloy_primitives::b256!(
            "eddf9e61fb9d8f5111840daef55e5fde0041f5702856532cdbb5a02998033d26"
        );
        assert_eq!(hash, known);
        assert_eq!(DEPLOYER_MAKER.create(0), DEPLOYER);
    }
}
