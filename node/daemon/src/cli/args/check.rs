//! What can be looked at before it is ordered.

use super::{
    Backup, Close, Connect, Credit, Deploy, ExportProof, ForceClose, Freeze, Fund, Invite, Invoice,
    Join, OfAmount, OfChannel, OfPeer, Open, Pay, Recover, Stream, WithdrawTo,
};
use clap::{Args, Subcommand};

#[derive(Args)]
pub(in crate::cli) struct Check {
    /// The command.
    #[command(subcommand)]
    pub(in crate::cli) order: Order,
}

/// Commands that can be checked.
#[derive(Subcommand)]
pub(in crate::cli) enum Order {
    /// Make an invite.
    Invite(Invite),
    /// Connect to a node.
    Connect(Connect),
    /// Send a node away.
    Disconnect(OfPeer),
    /// Forget a node.
    Forget(OfPeer),
    /// Open a channel.
    Open(Open),
    /// Accept a channel.
    Join(Join),
    /// Decline a channel.
    Reject(OfChannel),
    /// Take back a deposit.
    Cancel(OfChannel),
    /// Add money.
    Deposit(OfAmount),
    /// Take money out.
    Withdraw(WithdrawTo),
    /// Fund from L1.
    Fund(Fund),
    /// Fetch payouts.
    Credit(Credit),
    /// Ask for a payment.
    Invoice(Invoice),
    /// Pay.
    Pay(Pay),
    /// Pay at a rate.
    Stream(Stream),
    /// Close together.
    Close(Close),
    /// Close alone.
    ForceClose(ForceClose),
    /// Sign nothing more.
    Freeze(Freeze),
    /// Write a proof.
    ExportProof(ExportProof),
    /// Write a backup.
    Backup(Backup),
    /// Come back from a loss.
    Recover(Recover),
    /// Use a tower, or use it no more.
    Tower {
        /// What to do with it.
        #[command(subcommand)]
        order: TowerCheck,
    },
    /// Put the contracts on a network.
    Deploy(Deploy),
}

/// What can be looked at of towers.
#[derive(Subcommand)]
pub(in crate::cli) enum TowerCheck {
    /// Use one from now on.
    Add {
        /// What `lockstep-watchtower info` prints.
        address: String,
    },
    /// Use one no more.
    Remove {
        /// Its key, or the beginning of it.
        tower: String,
    },
}
