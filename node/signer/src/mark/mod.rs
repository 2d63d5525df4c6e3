//! The signer's own memory of what it has signed (P53): the second lock behind the journal's guard.
//!
//! The journal already refuses to bind two digests to one version. This memory is separate on purpose: another file,
//! written by other code, never part of a backup. A bug in the protocol core, or a database that was put back from
//! yesterday, still can't get a second state of one version signed.
//!
//! - [`book`]: the rule, pure. [`log`]: the port through which marks are kept. [`file`]: marks in a file of their own.

pub mod book;
pub mod file;
pub mod log;

use lockstep_core::ids::{ChannelId, Digest, Version};

/// "This signer bound this version of this channel to this digest."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The channel.
    pub channel_id: ChannelId,
    /// The place in its line of versions, which states and partial withdrawals share.
    pub version: Version,
    /// The EIP-712 digest that was signed.
    pub digest: Digest,
    /// What took the version.
    pub taker: Taker,
}

/// What takes a version: how long its mark may be asked for again depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taker {
    /// A state; replaced by the next ones.
    State,
    /// A partial withdrawal; stands beside the states that follow it.
    Withdrawal,
}
