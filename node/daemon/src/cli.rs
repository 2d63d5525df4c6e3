//! The command line: reads what a person typed, asks the node, and says the answer in words or JSON.
//!
//! Reading order: `args` what can be typed, `failure` what goes wrong and with which exit code, `output` how
//! it is shown; then one file for each group of commands.

mod amount;
mod args;
mod bridge;
mod channel;
mod check;
mod completion;
mod configuration;
mod deploy;
mod document;
mod failure;
mod init;
mod invite;
mod node;
mod output;
mod password;
mod payment;
mod peer;
mod progress;
mod proof;
mod recovery;
mod session;
mod status;
mod stream;
mod token;
mod tower;
mod wording;

use crate::config::{Layers, Loaded, is_network_name, specs};
use args::{Command, Globals, TowerOrder};
use clap::{ArgMatches, FromArgMatches};
use failure::CliError;
use output::Terminal;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

pub use args::command_line;
pub use document::reference;

/// Reads the arguments of this process and does what they say.
pub fn main() -> ExitCode {
    let matches = match command_line().try_get_matches() {
        Ok(matches) => matches,
        // Help and version are no errors; the library prints all of them where they belong.
        Err(error) => {
            let code = if error.use_stderr() { failure::USAGE } else { failure::OK };
            return if error.print().is_ok() { ExitCode::from(code) } else { ExitCode::FAILURE };
        }
    };
    let is_json = matches.get_flag("json");
    let mut terminal = Terminal::of_process(is_json);
    match dispatch(&matches, &mut terminal) {
        Ok(()) => ExitCode::from(failure::OK),
        Err(error) => {
            terminal.show_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "`ask` names every one of them")]
fn dispatch(matches: &ArgMatches, terminal: &mut Terminal) -> Result<(), CliError> {
    let globals = Globals::from_arg_matches(matches).map_err(|_| CliError::usage())?;
    let command = Command::from_arg_matches(matches).map_err(|_| CliError::usage())?;
    let place = Place::find(&globals, flags_of(matches))?;
    if let Command::Check(args) = &command
        && let Some(checked) = check::offline(&args.order, &place, terminal)
    {
        return checked;
    }
    match command {
        Command::Completions(args) => completion::print(&args, terminal),
        Command::Config(args) => configuration::run(&args, &place, terminal),
        Command::Init(args) => init::run(&args, &place, terminal),
        Command::Node(args) => node::run(&args, &place, terminal),
        Command::Deploy(args) => deploy::run(&args, &place, terminal),
        Command::Recover(args) => recovery::recover(&args, &place, terminal),
        Command::VerifyProof(args) => proof::verify(&args, terminal),
        Command::Tower(args::Tower { order: TowerOrder::VerifyReceipt(args) }) => {
            tower::verify(&args, terminal)
        }
        other => session::with_node(&place, globals.token.as_deref(), async move |session| {
            ask(other, session, terminal).await
        }),
    }
}

/// The commands that ask a running node.
async fn ask(
    command: Command,
    session: &session::Session,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    match command {
        Command::Status(_) => status::show(session, terminal).await,
        Command::Peers(_) => peer::list(session, terminal).await,
        Command::Invite(args) => invite::run(&args, session, terminal).await,
        Command::Connect(args) => invite::connect(&args, session, terminal).await,
        Command::Disconnect(args) => peer::disconnect(&args, session, terminal).await,
        Command::Forget(args) => peer::forget(&args, session, terminal).await,
        Command::Open(args) => channel::open(&args, session, terminal).await,
        Command::Join(args) => channel::join(&args, session, terminal).await,
        Command::Reject(args) => channel::reject(&args, session, terminal).await,
        Command::Cancel(args) => channel::cancel(&args, session, terminal).await,
        Command::Deposit(args) => channel::deposit(&args, session, terminal).await,
        Command::Withdraw(args) if args.to == args::Destination::L1 => {
            bridge::withdraw(&args, session, terminal).await
        }
        Command::Withdraw(args) => channel::withdraw(&args, session, terminal).await,
        Command::Fund(args) => bridge::fund(&args, session, terminal).await,
        Command::Transfers(args) => bridge::transfers(&args, session, terminal).await,
        Command::Networks(args) => bridge::networks(&args, session, terminal).await,
        Command::Channels(args) => channel::list(&args, session, terminal).await,
        Command::Close(args) => channel::close(&args, session, terminal).await,
        Command::ForceClose(args) => channel::force_close(&args, session, terminal).await,
        Command::Freeze(args) => channel::freeze(&args, session, terminal).await,
        Command::Credit(args) => channel::credit(&args, session, terminal).await,
        Command::Invoice(args) => payment::invoice(&args, session, terminal).await,
        Command::Invoices(args) => payment::invoices(&args, session, terminal).await,
        Command::Pay(args) => payment::pay(&args, session, terminal).await,
        Command::Stream(args) => stream::run(&args, session, terminal).await,
        Command::Payments(args) => payment::list(&args, session, terminal).await,
        Command::Events(args) => status::events(&args, session, terminal).await,
        Command::Check(args) => check::run(&args.order, session, terminal).await,
        Command::ExportProof(args) => recovery::export_proof(&args, session, terminal).await,
        Command::Backup(args) => recovery::backup(&args, session, terminal).await,
        Command::Token(args) => token::run(&args, session, terminal).await,
        Command::Tower(args) => tower::run(&args, session, terminal).await,
        Command::Stop(_) => status::stop(session, terminal).await,
        // Done without a node, before this is reached.
        Command::Completions(_)
        | Command::Config(_)
        | Command::Init(_)
        | Command::Node(_)
        | Command::Deploy(_)
        | Command::Recover(_)
        | Command::VerifyProof(_) => Err(CliError::usage()),
    }
}

/// Where a node is on this machine, and what its configuration says.
#[derive(Clone)]
struct Place {
    network: String,
    data_dir: PathBuf,
    layers: Layers,
}

impl Place {
    fn find(globals: &Globals, flags: BTreeMap<String, String>) -> Result<Self, CliError> {
        let network = globals.network.clone();
        if !is_network_name(&network) {
            return Err(CliError::from(crate::config::ConfigError::NetworkName));
        }
        let data_dir = match &globals.data_dir {
            Some(folder) => folder.clone(),
            None => home()?.join(&network),
        };
        // A relative folder has no parent that could be synced, and what is written into files must hold
        // wherever the node is started from.
        let data_dir = std::path::absolute(data_dir).map_err(|_| CliError::no_home())?;
        let file = globals.config.clone().unwrap_or_else(|| data_dir.join("lockstep.toml"));
        let environment = std::env::vars_os()
            .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("LOCKSTEP_"))
            .collect();
        let layers = Layers { network: network.clone(), file, environment, flags };
        Ok(Self { network, data_dir, layers })
    }

    fn load(&self) -> Result<Loaded, CliError> {
        Ok(self.layers.load()?)
    }

    fn is_initialised(&self) -> bool {
        crate::keys::seed_path(&self.data_dir).exists()
    }
}

fn home() -> Result<PathBuf, CliError> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    home.map(|home| PathBuf::from(home).join(".lockstep")).ok_or_else(CliError::no_home)
}

/// Options that were given as flags, by their key.
fn flags_of(matches: &ArgMatches) -> BTreeMap<String, String> {
    let given = |spec: &crate::config::OptionSpec| {
        let text = matches.try_get_one::<String>(&spec.key()).ok().flatten()?;
        Some((spec.key(), text.clone()))
    };
    // A flag after the command's name is in the matches of the command.
    let inner = matches.subcommand().map(|(_, inner)| flags_of(inner)).unwrap_or_default();
    let mut flags: BTreeMap<_, _> = specs().iter().filter_map(given).collect();
    flags.extend(inner);
    flags
}

#[cfg(test)]
mod tests;
