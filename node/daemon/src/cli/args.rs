//! What can be typed: the commands here, and what goes with each in a file for each kind.

mod channel;
mod check;
mod node;
mod payment;
mod safety;

pub(super) use channel::*;
pub(super) use check::*;
pub(super) use node::*;
pub(super) use payment::*;
pub(super) use safety::*;

use crate::config::specs;
use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::path::PathBuf;

/// Off-chain payments between two parties on Ethereum rollups.
#[derive(Parser)]
#[command(name = "lockstep", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused, 4 may work later, 5 fatal.
Options of the node can be given with every command as flags; `lockstep config` lists them.";

/// Heading of what every command takes.
pub(super) const EVERYWHERE: &str = "Everywhere";

/// Where the node is and how it answers.
#[derive(Args)]
pub(super) struct Globals {
    /// Network, such as dev, base-sepolia or a name of your own.
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "LOCKSTEP_NETWORK",
        default_value = "dev",
        hide_env_values = true
    )]
    pub(super) network: String,
    /// Data folder; without it ~/.lockstep/NETWORK.
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "LOCKSTEP_DATA_DIR",
        hide_env_values = true,
        value_name = "FOLDER"
    )]
    pub(super) data_dir: Option<PathBuf>,
    /// Configuration file; without it lockstep.toml in the data folder.
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "LOCKSTEP_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(super) config: Option<PathBuf>,
    /// File with the access token to use; without it the operator's own.
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "LOCKSTEP_TOKEN_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(super) token: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(super) json: bool,
}

/// The whole command line: the commands, and every option of the configuration as a flag.
pub fn command_line() -> clap::Command {
    let mut command = Cli::command().subcommand_required(true).arg_required_else_help(true);
    for spec in specs() {
        let key = spec.key();
        command = command.arg(
            Arg::new(key)
                .long(spec.flag())
                .value_name("VALUE")
                .help(spec.doc.clone())
                .help_heading("Options of the node")
                .global(true)
                .hide(true),
        );
    }
    command
}

/// What to do.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a new node: seed words, configuration, access tokens.
    #[command(
        after_help = "Example: lockstep init --network base-sepolia --chain-endpoints https://a.example,https://b.example"
    )]
    Init(Init),
    /// Put the contracts on a network that has none.
    #[command(after_help = "Example: lockstep deploy --network my-rollup")]
    Deploy(Deploy),
    /// Run the node.
    #[command(after_help = "Example: lockstep node --dev")]
    Node(Node),
    /// Show how the node is: balances, chain, what it waits for.
    #[command(after_help = "Example: lockstep status")]
    Status(Nothing),
    /// Make a link with which another node can offer this one a channel.
    #[command(after_help = "Example: lockstep invite --ask 1ETH --bring 0.5ETH")]
    Invite(Invite),
    /// Connect to the node of an invite.
    #[command(after_help = "Example: lockstep connect lockstep:abc...")]
    Connect(Connect),
    /// List the nodes that this node knows.
    #[command(after_help = "Example: lockstep peers")]
    Peers(Nothing),
    /// End the link to a node and no longer look for it, until it is connected to again. It may come back by itself.
    #[command(after_help = "Example: lockstep disconnect 0x02ab")]
    Disconnect(OfPeer),
    /// Forget a node with which no channel is open. Refused while one is.
    #[command(after_help = "Example: lockstep forget 0x02ab")]
    Forget(OfPeer),
    /// Open a channel with the node of an invite.
    #[command(after_help = "Example: lockstep open lockstep:abc... 1ETH")]
    Open(Open),
    /// Accept a channel that another node offers, or show the offers.
    #[command(after_help = "Example: lockstep join 0x12ab 0.5ETH")]
    Join(Join),
    /// Decline a channel that another node offers.
    #[command(after_help = "Example: lockstep reject 0x12ab")]
    Reject(OfChannel),
    /// Take back the deposit of a channel that the other side never joined.
    #[command(after_help = "Example: lockstep cancel 0x12ab")]
    Cancel(OfChannel),
    /// Add money to our side of a channel.
    #[command(after_help = "Example: lockstep deposit 0x12ab 0.5ETH")]
    Deposit(OfAmount),
    /// Ask for one payment in a channel.
    #[command(after_help = "Example: lockstep invoice 0x12ab 0.01ETH --memo coffee")]
    Invoice(Invoice),
    /// List this node's own invoices that wait to be paid.
    #[command(after_help = "Examples: lockstep invoices
          lockstep invoices --channel 0x12ab --all")]
    Invoices(Invoices),
    /// Pay an invoice, or an amount in a channel.
    #[command(after_help = "Examples: lockstep pay 0x12ab 0.01ETH
          lockstep pay lsi1...")]
    Pay(Pay),
    /// Pay at a rate.
    #[command(after_help = "Example: lockstep stream 0x12ab 100wei --rate 1000 --count 60000")]
    Stream(Stream),
    /// List channels, or show one.
    #[command(after_help = "Examples: lockstep channels
          lockstep channels 0x12ab")]
    Channels(Channels),
    /// List payments, newest first.
    #[command(after_help = "Example: lockstep payments --limit 20")]
    Payments(Payments),
    /// List what happened, from an index on.
    #[command(after_help = "Example: lockstep events payments --from 100 --follow")]
    Events(Events),
    /// Take money out of a channel that stays open, or from this node's account to L1.
    #[command(after_help = "Examples: lockstep withdraw 0x12ab 0.2ETH
          lockstep withdraw --to l1 0.2ETH")]
    Withdraw(WithdrawTo),
    /// Open or top up a channel from L1, with one L1 transaction.
    #[command(after_help = "Example: lockstep fund 0x12ab 0.5ETH")]
    Fund(Fund),
    /// List transfers between L1 and the rollup, each with what it waits for.
    #[command(after_help = "Example: lockstep transfers")]
    Transfers(Nothing),
    /// Show what the networks cost and how long they take, read from their chains now.
    #[command(after_help = "Example: lockstep networks")]
    Networks(Nothing),
    /// Close a channel together with the other side.
    #[command(after_help = "Example: lockstep close 0x12ab")]
    Close(Close),
    /// Close a channel without the other side: says what it costs and gives, then asks.
    #[command(after_help = "Example: lockstep force-close 0x12ab")]
    ForceClose(ForceClose),
    /// Sign nothing more in a channel. It can't be undone; the channel can still be closed.
    #[command(after_help = "Example: lockstep freeze 0x12ab --yes")]
    Freeze(Freeze),
    /// Fetch payouts that the contract could not deliver.
    #[command(after_help = "Example: lockstep credit")]
    Credit(Credit),
    /// Write the newest co-signed state to a file that anyone can bring to the chain.
    #[command(after_help = "Examples: lockstep export-proof 0x12ab --to proof.json
          lockstep export-proof 0x12ab --equivocation --to cheat.json")]
    ExportProof(ExportProof),
    /// Say what a proof file proves; needs no node.
    #[command(after_help = "Example: lockstep verify-proof proof.json")]
    VerifyProof(VerifyProof),
    /// Write an encrypted backup.
    #[command(after_help = "Example: lockstep backup --to node.backup")]
    Backup(Backup),
    /// Come back from a loss: from the counterparty, a proof file or a backup.
    #[command(after_help = "Examples: lockstep recover --from-peer lockstep:abc...
          lockstep recover --from-backup node.backup")]
    Recover(Recover),
    /// Say what a command would do, without doing it.
    #[command(after_help = "Example: lockstep check pay 0x12ab 0.01ETH")]
    Check(Check),
    /// Use watchtowers, which answer a stale close while this node is away.
    #[command(
        after_help = "Examples: lockstep tower add lockstep-tower:02ab...@/dns4/tower.example/tcp/9655/p2p/12D3...
          lockstep tower receipts --json"
    )]
    Tower(Tower),
    /// Make, list and end access tokens.
    #[command(after_help = "Example: lockstep token new shop --limit 1ETH")]
    Token(Token),
    /// Show each option, its value and where the value comes from.
    #[command(after_help = "Examples: lockstep config
          lockstep config sample > lockstep.toml")]
    Config(Config),
    /// Write completions for a shell.
    #[command(after_help = "Example: lockstep completions bash > /etc/bash_completion.d/lockstep")]
    Completions(Completions),
    /// Stop the node.
    #[command(after_help = "Example: lockstep stop")]
    Stop(Nothing),
}

/// Reads arguments as a process would get them.
#[cfg(test)]
pub(super) fn parse(arguments: &[&str]) -> Result<Command, clap::Error> {
    let matches = command_line().try_get_matches_from(arguments)?;
    Command::from_arg_matches(&matches)
}

/// Whether the type that flags are read with is what the derive makes.
#[cfg(not(test))]
const _: fn(&clap::ArgMatches) -> Result<Cli, clap::Error> = Cli::from_arg_matches;
