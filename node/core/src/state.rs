//! Everything that two sides sign.

use crate::ids::{AccountRef, ChannelId, Side, Version};
use crate::money::{Amount, Net};
use crate::time::BlockTimestamp;
use alloy_primitives::{B256, U256};

/// Whether a state may settle at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateKind {
    /// Settles only after the challenge period.
    Ordinary,
    /// Settles at once; has no locks and no successor.
    Final,
}

impl StateKind {
    /// The number that is signed.
    pub fn number(self) -> u8 {
        match self {
            Self::Ordinary => 0,
            Self::Final => 1,
        }
    }

    /// The kind of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Ordinary),
            1 => Some(Self::Final),
            _ => None,
        }
    }
}

/// A channel state. Balances are derived from `net`, so nobody can sign money into being.
///
/// Source: contract §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The channel.
    pub channel_id: ChannelId,
    /// Place in the channel's line; never zero when signed.
    pub version: Version,
    /// Ordinary or final.
    pub kind: StateKind,
    /// What side 1 has paid side 2 in total.
    pub net: Net,
    /// Sum of side 1's locks.
    pub locked1: Amount,
    /// Sum of side 2's locks.
    pub locked2: Amount,
    /// Root of the list of locks.
    pub locks_root: B256,
}

/// A withdrawal that both sides agree on while the channel stays open.
///
/// Source: contract §2; protocol §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartialWithdraw {
    /// The channel.
    pub channel_id: ChannelId,
    /// Place in the same line as states.
    pub version: Version,
    /// As in the state before it.
    pub net: Net,
    /// As in the state before it.
    pub locked1: Amount,
    /// As in the state before it.
    pub locked2: Amount,
    /// As in the state before it.
    pub locks_root: B256,
    /// Paid to participant 1.
    pub out1: Amount,
    /// Paid to participant 2.
    pub out2: Amount,
    /// Last second at which the contract takes it.
    pub deadline: BlockTimestamp,
}

/// Side 2's consent to an open.
///
/// Source: contract §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Open {
    /// The channel.
    pub channel_id: ChannelId,
    /// The least that side 1 must bring.
    pub min_deposit1: Amount,
    /// Last second at which the contract takes it.
    pub deadline: BlockTimestamp,
}

/// One side's order to anybody: start the close for me.
///
/// Source: contract §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseIntent {
    /// The channel.
    pub channel_id: ChannelId,
    /// Whose close.
    pub side: Side,
    /// The least version that may be closed with.
    pub min_version: Version,
    /// Last second at which the contract takes it.
    pub deadline: BlockTimestamp,
}

/// An account's order to anybody: withdraw my credit.
///
/// Source: contract §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Take {
    /// The token; zero is the native coin.
    pub token: AccountRef,
    /// Whose credit.
    pub account: AccountRef,
    /// Who receives it.
    pub to: AccountRef,
    /// How much.
    pub amount: Amount,
    /// Makes the order usable once per account.
    pub id: U256,
    /// Last second at which the contract takes it.
    pub deadline: BlockTimestamp,
}
