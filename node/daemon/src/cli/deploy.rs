//! `lockstep deploy`: the contracts on a network that has none.

use super::Place;
use super::args::Deploy;
use super::failure::CliError;
use super::output::Terminal;
use super::{check, password, progress};
use crate::chain::deploy::{DeployOrder, DeployStep, Deployed, Found, Seen, deploy, look};
use crate::chain::deployment::kind_of;
use crate::chain::{accounts, connect};
use crate::config::Config;
use crate::{keys, start};
use alloy_primitives::{Address, B256, U256};
use lockstep_chain::endpoint::RequestLimits;
use lockstep_chain::port::AccountSigner;
use lockstep_chain::profile::{Network, Profile};
use lockstep_contracts::artifact::ArtifactName;
use lockstep_contracts::config::LaunchSchedule;
use lockstep_contracts::window::ChainKind;
use lockstep_rpc::types::CheckReport;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// What was deployed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    network: String,
    chain_id: u64,
    contract: Address,
    registry: Address,
    record: PathBuf,
    is_new: bool,
}

pub(super) fn run(args: &Deploy, place: &Place, terminal: &mut Terminal) -> Result<(), CliError> {
    let order = order(args, place, terminal)?;
    let (account, chain_id) = (order.account.address(), order.chain_id);
    terminal.note(&format!("Account {account} pays on chain {chain_id}."))?;
    if !args.yes && !terminal.confirm("Deploy the contracts?")? {
        return Err(CliError::refused("not confirmed").safe("nothing was deployed"));
    }
    let bar = progress::bar(None, terminal);
    let deployed = threads()?.block_on(async {
        let steps = |step: DeployStep| bar.set_message(describe_step(&step));
        let order = order.connected()?;
        deploy(&order, &steps).await.map_err(|error| CliError::of(error.class(), &error))
    });
    bar.finish_and_clear();
    let deployed = deployed?;
    terminal.answer(&answer(&deployed), describe)
}

/// `lockstep check deploy`: what it would do. The password is needed for the account that would pay.
pub(super) fn check(args: &Deploy, place: &Place, terminal: &mut Terminal) -> Result<(), CliError> {
    let order = order(args, place, terminal)?;
    let found = threads()?.block_on(async {
        let order = order.connected()?;
        look(&order).await.map_err(|error| CliError::of(error.class(), &error))
    })?;
    terminal.answer(&report(&order, &found), check::plain)
}

fn report(order: &Order, found: &Found) -> CheckReport {
    let account = order.account.address();
    let mut messages = Vec::new();
    if !found.has_deployer {
        messages.push(
            "the deterministic deployer is put on the chain, if it is a local one".to_owned(),
        );
    }
    for contract in &found.contracts {
        let Seen { role, address, is_there } = contract;
        messages.push(match is_there {
            true => format!("{role:?} is there already, at {address}"),
            false => format!("{role:?} is created at {address}; account {account} pays"),
        });
    }
    messages.push(format!("the record is written to {}", found.path.display()));
    let is_missing = found.contracts.iter().any(|contract| !contract.is_there);
    let warnings = match is_missing && found.balance.is_zero() {
        true => vec![format!("account {account} holds nothing: fund it first")],
        false => vec![],
    };
    check::report(messages, warnings)
}

/// What is deployed, by whom and where.
struct Order {
    chain_id: u64,
    urls: Vec<String>,
    profile: Profile,
    network: String,
    kind: ChainKind,
    artifact: ArtifactName,
    permit2: Address,
    salt: B256,
    account: Arc<dyn AccountSigner>,
    folder: PathBuf,
}

fn order(args: &Deploy, place: &Place, terminal: &Terminal) -> Result<Order, CliError> {
    let config = place.load()?.config;
    let chain_id = config.chain.id.ok_or_else(|| missing("the chain's id", "--chain-id"))?;
    let network = network_of(&config, chain_id)?;
    let profile = network.profile().map_err(|error| CliError::of(error.class(), &error))?;
    if config.chain.endpoints.is_empty() {
        return Err(missing("an endpoint of the chain", "--chain-endpoints"));
    }
    Ok(Order {
        chain_id,
        profile,
        network: place.network.clone(),
        kind: kind_of(chain_id, network).map_err(|_| no_window(chain_id))?,
        artifact: artifact(args),
        permit2: permit2(args)?,
        salt: B256::from(U256::from(args.salt)),
        account: payer(&config, chain_id, place, terminal)?,
        folder: folder(&config, place),
        urls: config.chain.endpoints,
    })
}

impl Order {
    /// Must be called where there are threads.
    fn connected(&self) -> Result<DeployOrder, CliError> {
        let urls = self.urls.iter().map(String::as_str);
        let endpoints = connect(urls, self.profile, RequestLimits::default())
            .map_err(|error| CliError::of(error.class(), &error))?;
        Ok(DeployOrder {
            endpoints,
            network: self.network.clone(),
            kind: self.kind,
            artifact: self.artifact,
            permit2: self.permit2,
            launch: LaunchSchedule::default(),
            salt: self.salt,
            account: Arc::clone(&self.account),
            folder: self.folder.clone(),
            known_block: None,
        })
    }
}

fn threads() -> Result<Runtime, CliError> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| CliError::failed(format!("no threads: {}", error.kind())))
}

fn no_window(chain_id: u64) -> CliError {
    CliError::refused(format!("no safe challenge period is known for chain {chain_id}"))
        .safe("nothing was deployed")
        .advice("name the chain's kind with --chain-kind")
}

fn missing(what: &str, flag: &str) -> CliError {
    CliError::refused(format!("{what} is not known"))
        .safe("nothing was deployed")
        .advice(format!("give it with {flag}, or in the configuration"))
}

/// The kind that the configuration names, or the one that the chain's id is known for.
fn network_of(config: &Config, chain_id: u64) -> Result<Network, CliError> {
    match config.chain.kind {
        Some(kind) => Ok(start::network_of(kind)),
        None => Network::of_chain_id(chain_id).map_err(|error| CliError::of(error.class(), &error)),
    }
}

fn payer(
    config: &Config,
    chain_id: u64,
    place: &Place,
    terminal: &Terminal,
) -> Result<Arc<dyn AccountSigner>, CliError> {
    if !place.is_initialised() {
        return Err(CliError::refused(format!("{} holds no node", place.data_dir.display()))
            .safe("nothing was deployed")
            .advice("make one with `lockstep init`: its account pays for the deployment"));
    }
    let password = password::existing(place, terminal)?;
    let ring = keys::open_ring(&place.data_dir, &password, config.keys.allow_swap)
        .map_err(|error| CliError::of(error.class(), &error))?;
    let index = keys::account_index(chain_id, 0);
    let made = accounts(&ring, [index]).map_err(|error| CliError::of(error.class(), &error))?;
    made.into_iter().next().ok_or_else(|| CliError::failed("no account"))
}

fn artifact(args: &Deploy) -> ArtifactName {
    if args.shanghai { ArtifactName::PaymentChannelShanghai } else { ArtifactName::PaymentChannel }
}

fn permit2(args: &Deploy) -> Result<Address, CliError> {
    let Some(text) = &args.permit2 else { return Ok(Address::ZERO) };
    text.parse().map_err(|_| {
        CliError::refused(format!("`{text}` is no address")).safe("nothing was deployed")
    })
}

fn folder(config: &Config, place: &Place) -> PathBuf {
    config.chain.deployments.clone().unwrap_or_else(|| place.data_dir.join("deployments"))
}

fn describe_step(step: &DeployStep) -> String {
    match step {
        DeployStep::CreatingDeployer => "the deterministic deployer is created".to_owned(),
        DeployStep::Found { role, address } => format!("{role:?} is there already, at {address}"),
        DeployStep::Sent { role, tx } => format!("{role:?} is sent with {tx}"),
        DeployStep::Created { role, address, block } => {
            format!("{role:?} is at {address} since block {block}")
        }
    }
}

fn answer(deployed: &Deployed) -> Answer {
    let deployment = &deployed.deployment;
    Answer {
        network: deployment.network.clone(),
        chain_id: deployment.chain_id,
        contract: deployment.channel.address,
        registry: deployment.registry.address,
        record: deployed.path.clone(),
        is_new: deployed.is_new,
    }
}

fn describe(answer: &Answer) -> String {
    let verb = if answer.is_new { "Deployed" } else { "Found what was deployed before" };
    format!(
        "{verb}: contract {} on chain {}.\nThe record is {}: whoever runs a node on this network needs it.",
        answer.contract,
        answer.chain_id,
        answer.record.display()
    )
}
