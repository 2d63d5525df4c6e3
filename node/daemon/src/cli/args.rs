//! What can be typed.

use crate::config::specs;
use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
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
    #[command(after_help = "Example: lockstep export-proof 0x12ab --to proof.json")]
    ExportProof(ExportProof),
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

/// No arguments.
#[derive(Args)]
pub(super) struct Nothing {}

#[derive(Args)]
pub(super) struct Init {
    /// Use words that exist already, from this file or - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(super) restore: Option<PathBuf>,
    /// Write the new words into this file instead of showing them.
    #[arg(long, value_name = "FILE", conflicts_with = "restore")]
    pub(super) words_to: Option<PathBuf>,
    /// Don't ask whether the words are written down.
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Args)]
pub(super) struct Deploy {
    /// Permit2 contract of the chain, if it has one.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) permit2: Option<String>,
    /// The chain has no transient storage (EIP-1153).
    #[arg(long)]
    pub(super) shanghai: bool,
    /// Number of a second deployment of the same contracts.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub(super) salt: u64,
    /// Don't ask.
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Args)]
pub(super) struct Node {
    /// Start a local chain too, with the contracts on it and money in the node's account.
    #[arg(long)]
    pub(super) dev: bool,
    /// Say that the data folder is not where it always was: moved from another disk, which will never be
    /// started again; or restored from a copy, which lets its channels only close.
    #[arg(long, value_name = "HOW")]
    pub(super) data_is: Option<DataIs>,
}

/// What the operator says about the data folder.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum DataIs {
    Moved,
    Restored,
}

#[derive(Args)]
pub(super) struct Invite {
    /// What the other side is asked to bring.
    #[arg(long, value_name = "AMOUNT")]
    pub(super) ask: Option<String>,
    /// What we would bring.
    #[arg(long, value_name = "AMOUNT", requires = "ask")]
    pub(super) bring: Option<String>,
    /// Challenge period, in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(super) challenge_period: Option<u32>,
    /// Only the link, without a QR code.
    #[arg(long)]
    pub(super) no_qr: bool,
}

#[derive(Args)]
pub(super) struct Connect {
    /// The other node's invite.
    pub(super) invite: String,
}

#[derive(Args)]
pub(super) struct Open {
    /// The other node's invite, or the key of a node that is known already.
    pub(super) peer: String,
    /// What we bring; without it what the invite asks for.
    #[arg(num_args = 0..=2, value_name = "AMOUNT")]
    pub(super) deposit: Vec<String>,
    /// What the other side is asked to bring.
    #[arg(long, value_name = "AMOUNT")]
    pub(super) ask: Option<String>,
    /// Challenge period, in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(super) challenge_period: Option<u32>,
    #[command(flatten)]
    pub(super) wait: Wait,
}

/// Whether to wait.
#[derive(Args, Clone, Copy)]
pub(super) struct Wait {
    /// Don't wait for the chain.
    #[arg(long)]
    pub(super) no_wait: bool,
}

#[derive(Args)]
pub(super) struct Join {
    /// The channel; without it the offers are listed.
    pub(super) channel: Option<String>,
    /// What we bring; without it what the offer asks for.
    #[arg(num_args = 0..=2, value_name = "AMOUNT")]
    pub(super) deposit: Vec<String>,
    #[command(flatten)]
    pub(super) wait: Wait,
}

#[derive(Args)]
pub(super) struct OfChannel {
    /// The channel's id, or the beginning of it.
    pub(super) channel: String,
}

#[derive(Args)]
pub(super) struct OfAmount {
    /// The channel's id, or the beginning of it.
    pub(super) channel: String,
    /// How much, with its unit: 0.5ETH, 20USDC, 1000wei.
    #[arg(num_args = 1..=2, required = true, value_name = "AMOUNT")]
    pub(super) amount: Vec<String>,
    #[command(flatten)]
    pub(super) wait: Wait,
}

/// Where money is taken to.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Destination {
    /// This node's account on the channel's own chain.
    Account,
    /// L1, from this node's account.
    L1,
}

#[derive(Args)]
pub(super) struct WithdrawTo {
    /// The channel's id, or the beginning of it, then how much with its unit: 0x12ab 0.5ETH. To L1 only how much.
    #[arg(num_args = 1..=3, required = true, value_name = "CHANNEL> <AMOUNT")]
    pub(super) words: Vec<String>,
    /// Where to.
    #[arg(long, value_name = "WHERE", default_value = "account")]
    pub(super) to: Destination,
    /// Who gets it on L1; without it this node's account there.
    #[arg(long, value_name = "ACCOUNT")]
    pub(super) recipient: Option<String>,
    #[command(flatten)]
    pub(super) wait: Wait,
}

#[derive(Args)]
pub(super) struct Fund {
    /// The channel's id, or the beginning of it.
    pub(super) channel: String,
    /// How much, with its unit: 0.5ETH; without it what an open has promised.
    #[arg(num_args = 0..=2, value_name = "AMOUNT")]
    pub(super) amount: Vec<String>,
    /// The token on L1, where the channel holds the bridge's own form of it.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) l1_token: Option<String>,
}

#[derive(Args)]
pub(super) struct Invoice {
    /// The channel's id or the beginning of it; or the text of an invoice, to read it.
    pub(super) channel: String,
    /// How much, with its unit: 0.5ETH, 20USDC, 1000wei.
    #[arg(num_args = 0..=2, value_name = "AMOUNT")]
    pub(super) amount: Vec<String>,
    /// How long it may be paid, in seconds; without it an hour.
    #[arg(long, value_name = "SECONDS")]
    pub(super) expiry: Option<u64>,
    /// What it is for, at most 64 bytes.
    #[arg(long, value_name = "TEXT")]
    pub(super) memo: Option<String>,
}

#[derive(Args)]
pub(super) struct Pay {
    /// An invoice, or the channel's id or the beginning of it.
    pub(super) target: String,
    /// How much, with its unit: 0.5ETH, 20USDC, 1000wei. Not with an invoice.
    #[arg(num_args = 0..=2, value_name = "AMOUNT")]
    pub(super) amount: Vec<String>,
    /// A note for the payee, at most 64 bytes.
    #[arg(long, value_name = "TEXT")]
    pub(super) memo: Option<String>,
    /// Pay at most once under this key; without it the command makes one.
    #[arg(long, value_name = "TEXT")]
    pub(super) key: Option<String>,
    #[command(flatten)]
    pub(super) wait: Wait,
}

#[derive(Args)]
pub(super) struct Stream {
    /// The channel's id, or the beginning of it.
    pub(super) channel: String,
    /// How much each time, with its unit: 0.5ETH, 20USDC, 1000wei.
    #[arg(num_args = 1..=2, required = true, value_name = "AMOUNT")]
    pub(super) amount: Vec<String>,
    /// Payments in a second.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) rate: u32,
    /// Stop after this many payments; without it at Ctrl-C.
    #[arg(long, value_name = "NUMBER")]
    pub(super) count: Option<u64>,
}

#[derive(Args)]
pub(super) struct Channels {
    /// Only this one, in full.
    pub(super) channel: Option<String>,
    /// Settled ones, too.
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Args)]
pub(super) struct Payments {
    /// Only in this channel.
    #[arg(long)]
    pub(super) channel: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) limit: u32,
    /// From this index down.
    #[arg(long, value_name = "INDEX")]
    pub(super) from: Option<u64>,
}

/// A line of events.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Line {
    Payments,
    Channels,
    Disputes,
}

#[derive(Args)]
pub(super) struct Events {
    /// Which events.
    pub(super) kind: Line,
    /// From this index on; without it the oldest that is kept.
    #[arg(long, value_name = "INDEX")]
    pub(super) from: Option<u64>,
    /// Go on with what happens, until Ctrl-C.
    #[arg(long)]
    pub(super) follow: bool,
}

#[derive(Args)]
pub(super) struct Close {
    /// The channel's id, or the beginning of it.
    pub(super) channel: String,
    #[command(flatten)]
    pub(super) wait: Wait,
}

#[derive(Args)]
pub(super) struct ForceClose {
    /// The channel's id, or the beginning of it.
    pub(super) channel: String,
    /// Don't ask.
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Args)]
pub(super) struct Freeze {
    /// The channel's id, or the beginning of it.
    pub(super) channel: String,
    /// Don't ask.
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Args)]
pub(super) struct Credit {
    /// Symbol of the token; without it the chain's own coin.
    pub(super) token: Option<String>,
}

#[derive(Args)]
pub(super) struct ExportProof {
    /// The channel's id, or the beginning of it.
    pub(super) channel: String,
    /// File to write; without it standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) to: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Backup {
    /// Copy it to this file, too.
    #[arg(long, value_name = "FILE")]
    pub(super) to: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Recover {
    /// Ask the counterparty of this invite; the node must be running.
    #[arg(long, value_name = "INVITE")]
    pub(super) from_peer: Option<String>,
    /// Take in a proof file; the node must be running.
    #[arg(long, value_name = "FILE")]
    pub(super) from_proof: Option<PathBuf>,
    /// Take in a backup; the node must not be running.
    #[arg(long, value_name = "FILE")]
    pub(super) from_backup: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Check {
    /// The command.
    #[command(subcommand)]
    pub(super) order: Order,
}

/// Commands that can be checked.
#[derive(Subcommand)]
pub(super) enum Order {
    /// Open a channel.
    Open(Open),
    /// Accept a channel.
    Join(Join),
    /// Take back a deposit.
    Cancel(OfChannel),
    /// Add money.
    Deposit(OfAmount),
    /// Take money out.
    Withdraw(OfAmount),
    /// Fetch payouts.
    Credit(Credit),
    /// Pay.
    Pay(Pay),
    /// Close together.
    Close(Close),
    /// Close alone.
    ForceClose(ForceClose),
}

#[derive(Args)]
pub(super) struct Token {
    #[command(subcommand)]
    pub(super) order: TokenOrder,
}

/// What to do with tokens.
#[derive(Subcommand)]
pub(super) enum TokenOrder {
    /// Make one that may pay up to a limit, or only look.
    New {
        /// Its name: lower-case letters, digits and hyphens.
        name: String,
        /// The most that it may pay in its life; without it the token may only look.
        #[arg(long, value_name = "AMOUNT")]
        limit: Option<String>,
        /// It may do everything.
        #[arg(long, conflicts_with = "limit")]
        admin: bool,
    },
    /// List them.
    List,
    /// End one.
    Revoke {
        /// Its name.
        name: String,
    },
}

#[derive(Args)]
pub(super) struct Config {
    #[command(subcommand)]
    pub(super) order: Option<ConfigOrder>,
}

/// What to show of the configuration.
#[derive(Subcommand)]
pub(super) enum ConfigOrder {
    /// A file with every option and its default.
    Sample,
}

#[derive(Args)]
pub(super) struct Completions {
    /// Which shell.
    pub(super) shell: Shell,
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
