//! `lockstep node`: the node itself.

use super::args::{DataIs, Node};
use super::failure::CliError;
use super::output::Terminal;
use super::{Place, init, password};
use crate::start::{self, RunOrder};
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
    runtime.block_on(start::run(order)).map_err(|error| CliError::of(error.class(), &error))
}
