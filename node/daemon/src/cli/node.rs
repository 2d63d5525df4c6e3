//! `lockstep node`: the node itself.

use super::args::{DataIs, Node};
use super::failure::CliError;
use super::output::Terminal;
use super::{Place, init, password};
use crate::keys::KeysError;
use crate::start::{self, RunOrder, StartError};
use lockstep_signer::keystore::KeystoreError;
use lockstep_signer::mark::file::MarkFileError;
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
    let said = CliError::of(error.class(), error);
    match error {
        StartError::Keys(KeysError::Marks(MarkFileError::InUse { .. })) => {
            CliError::refused("another node runs on this data folder")
                .safe("nothing was started, and that node goes on")
                .advice(
                    "stop it first with `lockstep stop`, or name another folder with --data-dir",
                )
        }
        StartError::Keys(KeysError::Keystore(KeystoreError::WrongPassword)) => {
            said.safe("nothing was started").advice("try again, or look into the password file")
        }
        StartError::Keys(KeysError::Pin(_)) => said.safe("nothing was started").advice(
            "raise the limit of locked memory (ulimit -l), or allow it with --keys-allow-swap true",
        ),
        StartError::Rpc(_) => said
            .safe("nothing is half done")
            .advice("name another address with --rpc-listen; port 0 takes any"),
        StartError::NoChain
        | StartError::Keys(_)
        | StartError::Journal { .. }
        | StartError::Profile(_)
        | StartError::Window(_)
        | StartError::Deployment(_)
        | StartError::Chain(_)
        | StartError::Dev(_)
        | StartError::Engine(_)
        | StartError::Tokens(_)
        | StartError::Broken { .. }
        | StartError::Io { .. } => said,
    }
}
