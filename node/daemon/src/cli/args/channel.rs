//! What is typed about channels, and the nodes they are with.

use clap::{Args, Subcommand};

#[derive(Args)]
pub(in crate::cli) struct Invite {
    /// What the other side is asked to bring.
    #[arg(long, value_name = "AMOUNT")]
    pub(in crate::cli) ask: Option<String>,
    /// What we would bring.
    #[arg(long, value_name = "AMOUNT", requires = "ask")]
    pub(in crate::cli) bring: Option<String>,
    /// Challenge period, in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(in crate::cli) challenge_period: Option<u32>,
    /// Only the link, without a QR code.
    #[arg(long)]
    pub(in crate::cli) no_qr: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Connect {
    /// The other node's invite.
    pub(in crate::cli) invite: String,
}

#[derive(Args)]
pub(in crate::cli) struct OfPeer {
    /// The node's key, or the beginning of it.
    pub(in crate::cli) peer: String,
}

#[derive(Args)]
pub(in crate::cli) struct Open {
    /// The other node's invite, or the key of a node that is known already.
    pub(in crate::cli) peer: String,
    /// What we bring; without it what the invite asks for.
    #[arg(num_args = 0..=2, value_name = "AMOUNT")]
    pub(in crate::cli) deposit: Vec<String>,
    /// What the other side is asked to bring.
    #[arg(long, value_name = "AMOUNT")]
    pub(in crate::cli) ask: Option<String>,
    /// Challenge period, in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(in crate::cli) challenge_period: Option<u32>,
    #[command(flatten)]
    pub(in crate::cli) wait: Wait,
}

/// Whether to wait.
#[derive(Args, Clone, Copy)]
pub(in crate::cli) struct Wait {
    /// Don't wait for the chain.
    #[arg(long)]
    pub(in crate::cli) no_wait: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Join {
    /// The channel; without it the offers are listed.
    pub(in crate::cli) channel: Option<String>,
    /// What we bring; without it what the offer asks for.
    #[arg(num_args = 0..=2, value_name = "AMOUNT")]
    pub(in crate::cli) deposit: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) wait: Wait,
}

#[derive(Args)]
pub(in crate::cli) struct OfChannel {
    /// The channel's id, or the beginning of it.
    pub(in crate::cli) channel: String,
}

#[derive(Args)]
pub(in crate::cli) struct OfAmount {
    /// The channel's id, or the beginning of it.
    pub(in crate::cli) channel: String,
    /// How much, with its unit: 0.5ETH, 20USDC, 1000wei.
    #[arg(num_args = 1..=2, required = true, value_name = "AMOUNT")]
    pub(in crate::cli) amount: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) wait: Wait,
}

/// Where money is taken to.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Destination {
    /// This node's account on the channel's own chain.
    Account,
    /// L1, from this node's account.
    L1,
}

#[derive(Args)]
pub(in crate::cli) struct WithdrawTo {
    /// The channel's id, or the beginning of it, then how much with its unit: 0x12ab 0.5ETH. To L1 only how much.
    #[arg(num_args = 1..=3, required = true, value_name = "CHANNEL> <AMOUNT")]
    pub(in crate::cli) words: Vec<String>,
    /// Where to.
    #[arg(long, value_name = "WHERE", default_value = "account")]
    pub(in crate::cli) to: Destination,
    /// Who gets it on L1; without it this node's account there.
    #[arg(long, value_name = "ACCOUNT")]
    pub(in crate::cli) recipient: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) wait: Wait,
}

#[derive(Args)]
pub(in crate::cli) struct Fund {
    /// The channel's id, or the beginning of it.
    pub(in crate::cli) channel: String,
    /// How much, with its unit: 0.5ETH; without it what an open has promised.
    #[arg(num_args = 0..=2, value_name = "AMOUNT")]
    pub(in crate::cli) amount: Vec<String>,
    /// The token on L1, where the channel holds the bridge's own form of it.
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) l1_token: Option<String>,
}

#[derive(Args)]
pub(in crate::cli) struct Transfers {
    /// What to do with one of them; without it they are listed.
    #[command(subcommand)]
    pub(in crate::cli) order: Option<TransfersOrder>,
}

/// What to do with a transfer.
#[derive(Subcommand)]
pub(in crate::cli) enum TransfersOrder {
    /// Give up a delivery that waits on the rollup for another attempt; its coin comes to this node's account there.
    #[command(after_help = "Example: lockstep transfers cancel 0x12ab")]
    Cancel {
        /// The transfer's name, or the beginning of it.
        transfer: String,
    },
    /// Find money that a contract's own deposit has left on the rollup, and the call by which that contract alone
    /// gets it from there. Nothing is sent.
    #[command(after_help = "Example: lockstep transfers alias 0x5afe... --recipient 0x1234...")]
    Alias {
        /// The contract on L1, such as a multisig.
        contract: String,
        /// Who gets it on the rollup; without it this node's own account there.
        #[arg(long, value_name = "ADDRESS")]
        recipient: Option<String>,
    },
}

#[derive(Args)]
pub(in crate::cli) struct Channels {
    /// Only this one, in full.
    pub(in crate::cli) channel: Option<String>,
    /// Settled ones, too.
    #[arg(long)]
    pub(in crate::cli) all: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Close {
    /// The channel's id, or the beginning of it.
    pub(in crate::cli) channel: String,
    #[command(flatten)]
    pub(in crate::cli) wait: Wait,
}

#[derive(Args)]
pub(in crate::cli) struct ForceClose {
    /// The channel's id, or the beginning of it.
    pub(in crate::cli) channel: String,
    /// Don't ask.
    #[arg(long)]
    pub(in crate::cli) yes: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Freeze {
    /// The channel's id, or the beginning of it.
    pub(in crate::cli) channel: String,
    /// Don't ask.
    #[arg(long)]
    pub(in crate::cli) yes: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Credit {
    /// Symbol of the token; without it the chain's own coin.
    pub(in crate::cli) token: Option<String>,
}
