//! What can be looked at before it is ordered.

use super::{
    Backup, Close, Connect, Credit, Deploy, ExportProof, ForceClose, Freeze, Fund, Init, Invite,
    Invoice, Join, NewToken, Node, OfAmount, OfChannel, OfPeer, Open, Pay, Recover, Stream,
    WithdrawTo,
};
use clap::{Args, Subcommand};

#[derive(Args)]
pub(in crate::cli) struct Check {
    /// The command.
    #[command(subcommand)]
    pub(in crate::cli) order: Order,
}

/// Commands that can be checked, by who answers.
#[derive(Subcommand)]
pub(in crate::cli) enum Order {
    /// About nodes and channels.
    #[command(flatten)]
    Channel(ChannelOrder),
    /// About money.
    #[command(flatten)]
    Money(MoneyOrder),
    /// About what comes back after a loss.
    #[command(flatten)]
    Care(CareOrder),
    /// About the running node itself.
    #[command(flatten)]
    Running(RunningOrder),
    /// About what needs no running node.
    #[command(flatten)]
    Offline(OfflineOrder),
}

/// About nodes and channels.
#[derive(Subcommand)]
pub(in crate::cli) enum ChannelOrder {
    /// Make an invite.
    #[command(after_help = "Example: lockstep check invite --ask 1ETH")]
    Invite(Invite),
    /// Connect to a node.
    #[command(after_help = "Example: lockstep check connect lockstep:abc...")]
    Connect(Connect),
    /// Send a node away.
    #[command(after_help = "Example: lockstep check disconnect 0x02ab")]
    Disconnect(OfPeer),
    /// Forget a node.
    #[command(after_help = "Example: lockstep check forget 0x02ab")]
    Forget(OfPeer),
    /// Open a channel.
    #[command(after_help = "Example: lockstep check open lockstep:abc... 1ETH")]
    Open(Open),
    /// Accept a channel.
    #[command(after_help = "Example: lockstep check join 0x12ab 0.5ETH")]
    Join(Join),
    /// Decline a channel.
    #[command(after_help = "Example: lockstep check reject 0x12ab")]
    Reject(OfChannel),
    /// Take back a deposit.
    #[command(after_help = "Example: lockstep check cancel 0x12ab")]
    Cancel(OfChannel),
    /// Close together.
    #[command(after_help = "Example: lockstep check close 0x12ab")]
    Close(Close),
    /// Close alone.
    #[command(after_help = "Example: lockstep check force-close 0x12ab")]
    ForceClose(ForceClose),
    /// Sign nothing more.
    #[command(after_help = "Example: lockstep check freeze 0x12ab")]
    Freeze(Freeze),
}

/// About money.
#[derive(Subcommand)]
pub(in crate::cli) enum MoneyOrder {
    /// Add money.
    #[command(after_help = "Example: lockstep check deposit 0x12ab 0.5ETH")]
    Deposit(OfAmount),
    /// Take money out.
    #[command(after_help = "Example: lockstep check withdraw 0x12ab 0.2ETH")]
    Withdraw(WithdrawTo),
    /// Fund from L1.
    #[command(after_help = "Example: lockstep check fund 0x12ab 0.5ETH")]
    Fund(Fund),
    /// Give up a delivery from L1.
    #[command(after_help = "Example: lockstep check transfers cancel 0x12ab")]
    Transfers {
        /// What to do with it.
        #[command(subcommand)]
        order: TransfersCheck,
    },
    /// Fetch payouts.
    #[command(after_help = "Example: lockstep check credit")]
    Credit(Credit),
    /// Ask for a payment.
    #[command(after_help = "Example: lockstep check invoice 0x12ab 0.01ETH")]
    Invoice(Invoice),
    /// Pay.
    #[command(after_help = "Example: lockstep check pay 0x12ab 0.01ETH")]
    Pay(Pay),
    /// Pay at a rate.
    #[command(after_help = "Example: lockstep check stream 0x12ab 100wei --rate 10 --count 600")]
    Stream(Stream),
}

/// About what comes back after a loss.
#[derive(Subcommand)]
pub(in crate::cli) enum CareOrder {
    /// Write a proof.
    #[command(after_help = "Example: lockstep check export-proof 0x12ab --to proof.json")]
    ExportProof(ExportProof),
    /// Write a backup.
    #[command(after_help = "Example: lockstep check backup --to node.backup")]
    Backup(Backup),
    /// Come back from a loss.
    #[command(after_help = "Example: lockstep check recover --from-backup node.backup")]
    Recover(Recover),
    /// Use a tower, or use it no more.
    #[command(after_help = "Example: lockstep check tower remove 0x02ab")]
    Tower {
        /// What to do with it.
        #[command(subcommand)]
        order: TowerCheck,
    },
}

/// About the running node itself.
#[derive(Subcommand)]
pub(in crate::cli) enum RunningOrder {
    /// Make or end an access token.
    #[command(after_help = "Example: lockstep check token new shop --limit 1ETH")]
    Token {
        /// What to do with it.
        #[command(subcommand)]
        order: TokenCheck,
    },
    /// Stop the node.
    #[command(after_help = "Example: lockstep check stop")]
    Stop,
}

/// About what needs no running node.
#[derive(Subcommand)]
pub(in crate::cli) enum OfflineOrder {
    /// Make a new node.
    #[command(
        after_help = "Example: lockstep check init --network base-sepolia --words-to words.txt"
    )]
    Init(Init),
    /// Run the node.
    #[command(after_help = "Example: lockstep check node --network base-sepolia")]
    Node(Node),
    /// Put the contracts on a network.
    #[command(after_help = "Example: lockstep check deploy --network my-rollup")]
    Deploy(Deploy),
}

/// What can be looked at of access tokens.
#[derive(Subcommand)]
pub(in crate::cli) enum TokenCheck {
    /// Make one that may pay up to a limit, or only look.
    #[command(after_help = "Example: lockstep check token new shop --limit 1ETH")]
    New(NewToken),
    /// End one.
    #[command(after_help = "Example: lockstep check token revoke shop")]
    Revoke {
        /// Its name.
        name: String,
    },
}

/// What can be looked at of transfers.
#[derive(Subcommand)]
pub(in crate::cli) enum TransfersCheck {
    /// Give up a delivery from L1.
    #[command(after_help = "Example: lockstep check transfers cancel 0x12ab")]
    Cancel {
        /// The transfer's name, or the beginning of it.
        transfer: String,
    },
}

/// What can be looked at of towers.
#[derive(Subcommand)]
pub(in crate::cli) enum TowerCheck {
    /// Use one from now on.
    #[command(
        after_help = "Example: lockstep check tower add lockstep-tower:02ab...@/dns4/tower.example/tcp/9655/p2p/12D3..."
    )]
    Add {
        /// What `lockstep-watchtower info` prints.
        address: String,
    },
    /// Use one no more.
    #[command(after_help = "Example: lockstep check tower remove 0x02ab")]
    Remove {
        /// Its key, or the beginning of it.
        tower: String,
    },
}
