//! `lockstep deploy`: the contracts on a network that has none.

use super::Place;
use super::args::Deploy;
use super::failure::CliError;
use super::output::Terminal;
use super::{password, progress};
use crate::chain::deploy::{DeployOrder, DeployStep, Deployed, deploy};
use crate::chain::deployment::kind_of;
use crate::chain::{accounts, connect};
use crate::config::Config;
use crate::{keys, start};
use alloy_primitives::{Address, B256, U256};
use lockstep_chain::endpoint::RequestLimits;
use lockstep_chain::port::AccountSigner;
use lockstep_chain::profile::Network;
use lockstep_contracts::artifact::ArtifactName;
use lockstep_contracts::config::LaunchSchedule;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;

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
    let config = place.load()?.config;
    let chain_id = config.chain.id.ok_or_else(|| missing("the chain's id", "--chain-id"))?;
    let network = network_of(&config, chain_id)?;
    let profile = network.profile().map_err(|error| CliError::of(error.class(), &error))?;
    if config.chain.endpoints.is_empty() {
        return Err(missing("an endpoint of the chain", "--chain-endpoints"));
    }
    let account = payer(&config, chain_id, place, terminal)?;
    terminal.note(&format!("Account {} pays on chain {chain_id}.", account.address()))?;
    if !args.yes && !terminal.confirm("Deploy the contracts?")? {
        return Err(CliError::refused("not confirmed").safe("nothing was deployed"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("no threads: {}", error.kind())))?;
    let bar = progress::bar(None, terminal);
    let deployed = runtime.block_on(async {
        let urls = config.chain.endpoints.iter().map(String::as_str);
        let endpoints = connect(urls, profile, RequestLimits::default())
            .map_err(|error| CliError::of(error.class(), &error))?;
        let order = DeployOrder {
            endpoints,
            network: place.network.clone(),
            kind: kind_of(chain_id, network).map_err(|_| no_window(chain_id))?,
            artifact: artifact(args),
            permit2: permit2(args)?,
            launch: LaunchSchedule::default(),
            salt: B256::from(U256::from(args.salt)),
            account,
            folder: folder(&config, place),
            known_block: None,
        };
        let steps = |step: DeployStep| bar.set_message(describe_step(&step));
        deploy(&order, &steps).await.map_err(|error| CliError::of(error.class(), &error))
    });
    bar.finish_and_clear();
    let deployed = deployed?;
    terminal.answer(&answer(&deployed), describe)
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
