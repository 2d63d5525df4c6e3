//! `lockstep node`: the node itself.

use super::args::{DataIs, Node};
use super::failure::CliError;
use super::output::Terminal;
use super::{Place, init, password};
use crate::keys::KeysError;
use crate::start::{self, RunOrder, StartError};
use lockstep_signer::keystore::KeystoreError;
use lockstep_signer::mark::file::MarkFileError;
use lockstep_store::error::OpenError;
use lockstep_store::open::Provenance;

/// The network that `--dev` is for.
const DEVELOPMENT: &str = "dev";

pub(super) fn run(args: &Node, place: &Place, terminal: &mut Terminal) -> Result<(), CliError> {
    if args.dev && place.network != DEVELOPMENT {
        return Err(CliError::refused(format!(
            "--dev starts a local chain, not {}",
            place.network
        ))
        .safe("nothing was started")
        .advice("leave --network away, or --dev"));
    }
    if !place.is_initialised() {
        if !args.dev {
            return Err(CliError::refused(format!("{} holds no node", place.data_dir.display()))
                .safe("nothing was started")
                .advice("make one with `lockstep init`"));
        }
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
