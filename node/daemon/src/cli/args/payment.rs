//! What is typed about payments.

use super::Wait;
use clap::Args;

#[derive(Args)]
pub(in crate::cli) struct Invoice {
    /// The channel's id or the beginning of it; or the text of an invoice, to read it.
    pub(in crate::cli) channel: String,
    /// How much, with its unit: 0.5ETH, 20USDC, 1000wei.
    #[arg(num_args = 0..=2, value_name = "AMOUNT")]
    pub(in crate::cli) amount: Vec<String>,
    /// How long it may be paid, in seconds; without it an hour.
    #[arg(long, value_name = "SECONDS")]
    pub(in crate::cli) expiry: Option<u64>,
    /// What it is for, at most 64 bytes.
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) memo: Option<String>,
}

#[derive(Args)]
pub(in crate::cli) struct Invoices {
    /// Only of this channel: its id or the beginning of it.
    #[arg(long)]
    pub(in crate::cli) channel: Option<String>,
    /// Also those that are paid or expired.
    #[arg(long)]
    pub(in crate::cli) all: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Pay {
    /// An invoice, or the channel's id or the beginning of it.
    pub(in crate::cli) target: String,
    /// How much, with its unit: 0.5ETH, 20USDC, 1000wei. Not with an invoice.
    #[arg(num_args = 0..=2, value_name = "AMOUNT")]
    pub(in crate::cli) amount: Vec<String>,
    /// A note for the payee, at most 64 bytes.
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) memo: Option<String>,
    /// Pay at most once under this key; without it the command makes one.
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) key: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) wait: Wait,
}

#[derive(Args)]
pub(in crate::cli) struct Stream {
    /// The channel's id, or the beginning of it.
    pub(in crate::cli) channel: String,
    /// How much each time, with its unit: 0.5ETH, 20USDC, 1000wei.
    #[arg(num_args = 1..=2, required = true, value_name = "AMOUNT")]
    pub(in crate::cli) amount: Vec<String>,
    /// Payments in a second.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(in crate::cli) rate: u32,
    /// Stop after this many payments; without it at Ctrl-C.
    #[arg(long, value_name = "NUMBER")]
    pub(in crate::cli) count: Option<u64>,
}

#[derive(Args)]
pub(in crate::cli) struct Payments {
    /// Only in this channel.
    #[arg(long)]
    pub(in crate::cli) channel: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(in crate::cli) limit: u32,
    /// From this index down.
    #[arg(long, value_name = "INDEX")]
    pub(in crate::cli) from: Option<u64>,
}
