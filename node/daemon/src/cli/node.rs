//! `lockstep node`: the node itself.

use super::args::{DataIs, Node};
use super::failure::CliError;
use super::output::Terminal;
use super::{Place, check, init, password};
use crate::config::address_of;
use crate::keys::KeysError;
use crate::start::{self, RunOrder, StartError};
use lockstep_rpc::types::CheckReport;
use lockstep_signer::keystore::KeystoreError;
use lockstep_signer::mark::file::MarkFileError;
use lockstep_store::error::OpenError;
use lockstep_store::open::Provenance;

/// The network that `--dev` is for.
const DEVELOPMENT: &str = "dev";

/// Whether this folder can be started so.
fn admit(args: &Node, place: &Place) -> Result<(), CliError> {
    if args.dev && place.network != DEVELOPMENT {
        return Err(CliError::refused(format!(
            "--dev starts a local chain, not {}",
            place.network
        ))
        .safe("nothing was started")
        .advice("leave --network away, or --dev"));
    }
    if !place.is_initialised() && !args.dev {
        return Err(CliError::refused(format!("{} holds no node", place.data_dir.display()))
            .safe("nothing was started")
            .advice("make one with `lockstep init`"));
    }
    Ok(())
}

/// What would be started.
pub(super) fn plan(
    args: &Node,
    place: &Place,
    terminal: &Terminal,
) -> Result<CheckReport, CliError> {
    admit(args, place)?;
    let loaded = place.load()?;
    let mut steps = Vec::new();
    if place.is_initialised() {
        let source = password::source(place, terminal, false)?;
        steps.push(format!("the seed is opened with a password that comes from {source}"));
    } else {
        steps.push(format!("a development node is made in {}", place.data_dir.display()));
    }
    if args.dev {
        steps.push("a local chain is started, with the contracts on it".to_owned());
    } else {
        let found = start::find_chain(&loaded.config, &place.network, &place.data_dir);
        let (_, deployment) = found.map_err(|error| explained(&error))?;
        let (chain, contract) = (deployment.chain_id, deployment.channel.address);
        let count = loaded.config.chain.endpoints.len();
        steps
            .push(format!("contract {contract} on chain {chain} is followed at {count} endpoints"));
    }
    steps.push(format!("JSON-RPC is served at {}", loaded.config.rpc.listen));
    let mut warnings: Vec<_> = loaded
        .unknown
        .iter()
        .map(|name| format!("{name} is no option; `lockstep config` lists them"))
        .collect();
    if address_of(&place.data_dir).is_some() {
        warnings.push("a node seems to run on this folder; a second one is refused".to_owned());
    }
    Ok(check::report(steps, warnings))
}

pub(super) fn run(args: &Node, place: &Place, terminal: &mut Terminal) -> Result<(), CliError> {
    admit(args, place)?;
    if !place.is_initialised() {
        init::make_for_development(place)?;
        terminal.note(&format!("A new node is in {}.", place.data_dir.display()))?;
    }
    let loaded = place.load()?;
    for name in &loaded.unknown {
        terminal.note(&format!("warning: {name} is no option; `lockstep config` lists them"))?;
    }
    let order = RunOrder {
        config: loaded.config,
        network: place.network.clone(),
        data_dir: place.data_dir.clone(),
        password: password::existing(place, terminal)?,
        is_dev: args.dev,
        provenance: match args.data_is {
            None => Provenance::Untouched,
            Some(DataIs::Moved) => Provenance::Moved,
            Some(DataIs::Restored) => Provenance::Restored,
        },
    };
    start::begin_logging(&order.config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("no threads: {}", error.kind())))?;
    runtime.block_on(start::run(order)).map_err(|error| explained(&error))
}

/// What to do about a node that does not start, where that does not stand in the error itself.
fn explained(error: &StartError) -> CliError {
    let said = CliError::of(error.class(), error).safe("nothing was started");
    match error {
        StartError::Keys(KeysError::Marks(MarkFileError::InUse { .. })) => {
            CliError::refused("another node runs on this data folder")
                .safe("nothing was started, and that node goes on")
                .advice(
                    "stop it first with `lockstep stop`, or name another folder with --data-dir",
                )
        }
        StartError::Keys(KeysError::Keystore(KeystoreError::WrongPassword)) => {
            said.advice("try again, or look into the password file")
        }
        StartError::Keys(KeysError::Pin(_)) => said.advice(
            "raise the limit of locked memory (ulimit -l), or allow it with --keys-allow-swap true",
        ),
        StartError::Keys(_) => {
            said.advice("look at the files in the data folder, or restore it from its seed words")
        }
        StartError::Journal { source, .. } => said.advice(after_journal(source)),
        StartError::Deployment(_) => said.advice(
            "`lockstep deploy` puts the contracts on a network, and the folder of a record is named with \
             --chain-deployments",
        ),
        StartError::NoChain | StartError::Profile(_) | StartError::Window(_) => {
            said.advice("`lockstep config` lists the options of the chain")
        }
        StartError::Chain(_) => {
            said.advice("check the chain's id and its endpoints: `lockstep config` lists them")
        }
        StartError::Dev(_) => said.advice("name a free port with --chain-endpoints"),
        StartError::Rpc(_) => said.advice("name another address with --rpc-listen; port 0 takes any"),
        StartError::Tokens(_) => {
            said.advice("remove the file that it names: `lockstep token` makes a new one")
        }
        StartError::Broken { .. } => said
            .safe("nothing that was written down is lost")
            .advice("start it again, and report this with its log"),
        StartError::Engine(_) => said.advice("try again, and report it if it stays"),
        StartError::Io { .. } => {
            said.advice("check what else listens there, and who owns the data folder")
        }
    }
}

/// What to do about a journal that does not open.
fn after_journal(error: &OpenError) -> &'static str {
    match error {
        OpenError::Locked { .. } => "wait until the other process has ended, or stop it",
        OpenError::Io { .. } => "check the disk, and who owns the data folder",
        OpenError::SchemaTooNew { .. } | OpenError::NoMigration { .. } => {
            "run the release of lockstep that has written it"
        }
        OpenError::Loss(_) => {
            "say what was done with the folder: `--data-is moved` if this is the only copy and the newest, \
             `--data-is restored` if not; its channels then only close"
        }
        OpenError::Engine { .. }
        | OpenError::EngineBrokeDown { .. }
        | OpenError::Damaged(_)
        | OpenError::Begin(_) => {
            "keep a copy of the folder, then come back from the newest backup: `lockstep recover --from-backup`"
        }
    }
}
