//! What is typed about proofs, backups and towers.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
pub(in crate::cli) struct ExportProof {
    /// The channel's id, or the beginning of it.
    pub(in crate::cli) channel: String,
    /// The proof that the counterparty signed two states of one version, not the newest state.
    #[arg(long)]
    pub(in crate::cli) equivocation: bool,
    /// File to write; without it standard output.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) to: Option<PathBuf>,
}

#[derive(Args)]
pub(in crate::cli) struct VerifyProof {
    /// File that `lockstep export-proof` has written, of either kind.
    pub(in crate::cli) file: PathBuf,
}

#[derive(Args)]
pub(in crate::cli) struct Backup {
    /// Copy it to this file, too.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) to: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
pub(in crate::cli) struct Recover {
    /// Ask the counterparty of this invite; the node must be running.
    #[arg(long, value_name = "INVITE")]
    pub(in crate::cli) from_peer: Option<String>,
    /// Ask every tower of this node; with --from-peer also for channels with a counterparty that does not answer.
    #[arg(long)]
    pub(in crate::cli) from_towers: bool,
    /// Take in a proof file; the node must be running.
    #[arg(long, value_name = "FILE", conflicts_with = "from_peer")]
    pub(in crate::cli) from_proof: Option<PathBuf>,
    /// Take in a backup; the node must not be running.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from_peer", "from_towers", "from_proof"])]
    pub(in crate::cli) from_backup: Option<PathBuf>,
}

#[derive(Args)]
pub(in crate::cli) struct Tower {
    #[command(subcommand)]
    pub(in crate::cli) order: TowerOrder,
}

/// What to do with towers.
#[derive(Subcommand)]
pub(in crate::cli) enum TowerOrder {
    /// Use one from now on.
    #[command(
        after_help = "Example: lockstep tower add lockstep-tower:02ab...@/dns4/tower.example/tcp/9655/p2p/12D3..."
    )]
    Add {
        /// What `lockstep-watchtower info` prints.
        address: String,
    },
    /// List them, and how they are.
    #[command(after_help = "Example: lockstep tower list")]
    List,
    /// Use one no more.
    #[command(after_help = "Example: lockstep tower remove 0x02ab")]
    Remove {
        /// Its key, or the beginning of it.
        tower: String,
    },
    /// What they promised, channel by channel.
    #[command(after_help = "Example: lockstep tower receipts 0x12ab --json")]
    Receipts {
        /// Only of this channel: its id or the beginning of it.
        channel: Option<String>,
    },
    /// Say whether a tower kept its promise, from its receipt and what the contract keeps; needs no node.
    #[command(
        after_help = "Example: lockstep tower verify-receipt receipt.json --settled-version 7 --closes-at 1790000000"
    )]
    VerifyReceipt(VerifyReceipt),
}

#[derive(Args)]
pub(in crate::cli) struct VerifyReceipt {
    /// File with one receipt, as `lockstep tower receipts --json` lists it.
    pub(in crate::cli) receipt: PathBuf,
    /// Version that the contract settled.
    #[arg(long, value_name = "VERSION")]
    pub(in crate::cli) settled_version: u64,
    /// End of the challenge period, in seconds since 1970, as the contract keeps it.
    #[arg(long, value_name = "SECONDS")]
    pub(in crate::cli) closes_at: u64,
    /// Version of the last partial withdrawal that the contract keeps.
    #[arg(long, default_value_t = 0, value_name = "VERSION")]
    pub(in crate::cli) withdraw_version: u64,
    /// Both sides had agreed on the end.
    #[arg(long)]
    pub(in crate::cli) by_consent: bool,
}
