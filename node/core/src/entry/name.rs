//! What entries are called, so that one order is one payment.

use crate::ids::ChannelId;
use alloy_primitives::{B256, keccak256};

/// Names an entry: two orders with one name are one payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub B256);

/// What an entry is for, as part of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// `openChannel`.
    Open,
    /// `joinChannel`.
    Join,
    /// `deposit`.
    Deposit,
    /// `cancelOpen`.
    CancelOpen,
    /// `withdraw`, of credit.
    TakeCredit,
    /// `approve`, of a token.
    Approve,
    /// A step of a transfer over a bridge.
    Bridge,
}

impl EntryKind {
    /// A number that never changes.
    pub fn number(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Join => 2,
            Self::Deposit => 3,
            Self::CancelOpen => 4,
            Self::TakeCredit => 5,
            Self::Approve => 6,
            Self::Bridge => 7,
        }
    }
}

impl EntryId {
    /// The one open of a channel.
    pub fn open(channel: ChannelId) -> Self {
        Self::named(EntryKind::Open, channel.0, &[])
    }

    /// The one join of a channel.
    pub fn join(channel: ChannelId) -> Self {
        Self::named(EntryKind::Join, channel.0, &[])
    }

    /// The one cancellation of a channel.
    pub fn cancel(channel: ChannelId) -> Self {
        Self::named(EntryKind::CancelOpen, channel.0, &[])
    }

    /// The approval that an entry needs, at a given attempt.
    pub fn approval(parent: Self, attempt: u8) -> Self {
        Self::named(EntryKind::Approve, parent.0, &[attempt])
    }

    /// A step of a transfer over a bridge, at a given attempt.
    pub fn bridge(transfer: B256, step: u8, attempt: u8) -> Self {
        Self::named(EntryKind::Bridge, transfer, &[step, attempt])
    }

    /// By whatever the one who orders it names it with, within a channel or another scope.
    pub fn named(kind: EntryKind, scope: B256, name: &[u8]) -> Self {
        let bytes = [b"lockstep/entry/v1".as_slice(), &[kind.number()], scope.as_slice(), name];
        Self(keccak256(bytes.concat()))
    }
}
