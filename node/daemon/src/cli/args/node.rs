//! What is typed about the node itself.

use clap::{Args, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// No arguments.
#[derive(Args)]
pub(in crate::cli) struct Nothing {}

#[derive(Args)]
pub(in crate::cli) struct Init {
    /// Use words that exist already, from this file or - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) restore: Option<PathBuf>,
    /// Write the new words into this file instead of showing them.
    #[arg(long, value_name = "FILE", conflicts_with = "restore")]
    pub(in crate::cli) words_to: Option<PathBuf>,
    /// Don't ask whether the words are written down.
    #[arg(long)]
    pub(in crate::cli) yes: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Deploy {
    /// Permit2 contract of the chain, if it has one.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) permit2: Option<String>,
    /// The chain has no transient storage (EIP-1153).
    #[arg(long)]
    pub(in crate::cli) shanghai: bool,
    /// Number of a second deployment of the same contracts.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub(in crate::cli) salt: u64,
    /// Don't ask.
    #[arg(long)]
    pub(in crate::cli) yes: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Node {
    /// Start a local chain too, with the contracts on it and money in the node's account.
    #[arg(long)]
    pub(in crate::cli) dev: bool,
    /// Say that the data folder is not where it always was: moved from another disk, which will never be
    /// started again; or restored from a copy, which lets its channels only close.
    #[arg(long, value_name = "HOW")]
    pub(in crate::cli) data_is: Option<DataIs>,
}

/// What the operator says about the data folder.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(in crate::cli) enum DataIs {
    Moved,
    Restored,
}

#[derive(Args)]
pub(in crate::cli) struct Config {
    #[command(subcommand)]
    pub(in crate::cli) order: Option<ConfigOrder>,
}

/// What to show of the configuration.
#[derive(Subcommand)]
pub(in crate::cli) enum ConfigOrder {
    /// A file with every option and its default.
    #[command(after_help = "Example: lockstep config sample > lockstep.toml")]
    Sample,
}

#[derive(Args)]
pub(in crate::cli) struct Completions {
    /// Which shell.
    pub(in crate::cli) shell: Shell,
}

#[derive(Args)]
pub(in crate::cli) struct Token {
    #[command(subcommand)]
    pub(in crate::cli) order: TokenOrder,
}

/// What to do with tokens.
#[derive(Subcommand)]
pub(in crate::cli) enum TokenOrder {
    /// Make one that may pay up to a limit, or only look.
    #[command(after_help = "Example: lockstep token new shop --limit 1ETH")]
    New(NewToken),
    /// List them.
    #[command(after_help = "Example: lockstep token list")]
    List,
    /// End one.
    #[command(after_help = "Example: lockstep token revoke shop")]
    Revoke {
        /// Its name.
        name: String,
    },
}

/// A token to be made.
#[derive(Args)]
pub(in crate::cli) struct NewToken {
    /// Its name: lower-case letters, digits and hyphens.
    pub(in crate::cli) name: String,
    /// The most that it may pay in its life; without it the token may only look.
    #[arg(long, value_name = "AMOUNT")]
    pub(in crate::cli) limit: Option<String>,
    /// It may do everything.
    #[arg(long, conflicts_with = "limit")]
    pub(in crate::cli) admin: bool,
}

/// A line of events.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(in crate::cli) enum Line {
    Payments,
    Channels,
    Disputes,
}

#[derive(Args)]
pub(in crate::cli) struct Events {
    /// Which events.
    pub(in crate::cli) kind: Line,
    /// From this index on; without it the oldest that is kept.
    #[arg(long, value_name = "INDEX")]
    pub(in crate::cli) from: Option<u64>,
    /// Go on with what happens, until Ctrl-C.
    #[arg(long)]
    pub(in crate::cli) follow: bool,
}
