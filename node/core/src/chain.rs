//! The chain as the protocol sees it: facts with their finality, and the follower's cursor; in the files below, what
//! this node owes to the chain.

mod evidence;
mod obligation;

pub use evidence::{Evidence, WithdrawEvidence};
pub use obligation::{
    ChainCall, Obligation, ObligationError, ObligationEvent, ObligationKey, ObligationKind,
    ObligationStage,
};

use crate::ids::{AccountRef, ChannelId, Side, Version};
use crate::message::SignedState;
use crate::money::{Amount, Deposits, Net};
use crate::state::{State, StateKind};
use crate::time::{BlockNumber, BlockPoint, BlockTimestamp, Finality};
use alloy_primitives::B256;

/// Where a log stands; facts at or before the last applied one are duplicates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventPosition {
    /// Block of the log.
    pub block: BlockNumber,
    /// Index of the log in its block, counted from 1; 0 is before the first.
    pub log_index: u32,
}

/// How the contract sees a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelStatus {
    /// Never heard of.
    #[default]
    None,
    /// Opened by side 1, waiting for side 2.
    Pending,
    /// Open.
    Active,
    /// A challenge period runs.
    Closing,
    /// Settled for ever.
    Closed,
}

/// How a channel was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseMode {
    /// By a final state.
    Cooperative,
    /// After a challenge period.
    Unilateral,
    /// By side 1, before side 2 joined.
    Cancelled,
}

/// The content of a state as events show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoredPoint {
    /// Version; zero means no state was ever presented.
    pub version: Version,
    /// What side 1 has paid side 2.
    pub net: Net,
    /// Whether it is a final state.
    pub is_final: bool,
    /// Sum of side 1's locks.
    pub locked1: Amount,
    /// Sum of side 2's locks.
    pub locked2: Amount,
    /// Root of the list of locks.
    pub locks_root: B256,
}

impl From<&State> for StoredPoint {
    fn from(state: &State) -> Self {
        Self {
            version: state.version,
            net: state.net,
            is_final: state.kind == StateKind::Final,
            locked1: state.locked1,
            locked2: state.locked2,
            locks_root: state.locks_root,
        }
    }
}

/// A close that was seen on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseSighting {
    /// What the contract would settle at.
    pub point: StoredPoint,
    /// When it may be settled.
    pub closes_at: BlockTimestamp,
    /// Who started it.
    pub initiator: Side,
    /// Where the newest event about it stands.
    pub position: EventPosition,
    /// The block in which it was first seen.
    pub first_seen: BlockPoint,
    /// How settled the close itself is.
    pub finality: Finality,
}

/// Who sent a transaction that closed a channel. Once the close has vanished in a reorganisation, it can
/// come back until a finalized block counts another transaction with this nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseOrigin {
    /// Which channel.
    pub channel_id: ChannelId,
    /// The transaction.
    pub transaction: B256,
    /// Its sender.
    pub sender: AccountRef,
    /// Its nonce; none for a rollup's own kinds of transaction, which no nonce rules out.
    pub nonce: Option<u64>,
    /// The block in which it was seen.
    pub seen_at: BlockNumber,
}

/// One thing that happened to one channel on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainFact {
    /// `ChannelOpened`.
    Opened {
        /// Deposit of side 1.
        deposit1: Amount,
        /// Whether side 2's consent came with it.
        is_active: bool,
    },
    /// `ChannelJoined`.
    Joined {
        /// Deposit of side 2.
        deposit2: Amount,
    },
    /// `ChannelFunded`.
    Funded {
        /// Whose deposit.
        side: Side,
        /// By how much.
        amount: Amount,
    },
    /// `ChannelCheckpoint`.
    Checkpoint {
        /// The state that is stored now.
        point: StoredPoint,
        /// The full evidence, where calldata showed it.
        evidence: Option<Box<SignedState>>,
    },
    /// `ChannelClosing`, by the start of a close and by each challenge.
    Closing {
        /// What would be settled.
        point: StoredPoint,
        /// When.
        closes_at: BlockTimestamp,
        /// Who started it.
        initiator: Side,
        /// The full evidence, where calldata showed it.
        evidence: Option<Box<SignedState>>,
    },
    /// `PartialWithdrawn`.
    PartialWithdrawn {
        /// Its version.
        version: Version,
        /// The deposits that remain.
        deposits: Deposits,
    },
    /// `ChannelClosed`.
    Closed {
        /// Version that was settled.
        version: Version,
        /// Paid to participant 1.
        paid1: Amount,
        /// Paid to participant 2.
        paid2: Amount,
        /// Held for side 1's locks.
        held1: Amount,
        /// Held for side 2's locks.
        held2: Amount,
        /// How.
        mode: CloseMode,
    },
    /// `LockResolved`.
    LockResolved {
        /// Which lock of the settled list.
        index: u32,
        /// Whether the payee got it.
        is_paid: bool,
    },
    /// A finalized block later than the sighting shows ACTIVE, and the transaction that closed can
    /// no longer land. Only the follower can know that.
    CloseVanished,
    /// `SecretRevealed`.
    SecretRevealed {
        /// Hash of the secret.
        hash: B256,
        /// The secret.
        secret: B256,
        /// When the registry took it.
        at: BlockTimestamp,
    },
}

/// A fact with its place and finality.
///
/// Final facts arrive in order, each at least once; seen facts may vanish again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainEvent {
    /// Where the log stands.
    pub position: EventPosition,
    /// Time of its block.
    pub timestamp: BlockTimestamp,
    /// How settled it is.
    pub finality: Finality,
    /// What happened.
    pub fact: ChainFact,
}

/// The follower's place on one chain, durable at finalized height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The last finalized block whose facts every driver has committed.
    pub block: BlockPoint,
    /// Its hash, so that a restart notices another chain.
    pub hash: B256,
}

impl Cursor {
    /// The cursor at the next finalized block that has been dealt with; none if it would go back.
    pub fn advance(self, block: BlockPoint, hash: B256) -> Option<Self> {
        (block.number >= self.block.number && block.timestamp >= self.block.timestamp)
            .then_some(Self { block, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p74_a_cursor_never_goes_back() {
        let at =
            |number| BlockPoint { number: BlockNumber(number), timestamp: BlockTimestamp(number) };
        let cursor = Cursor { block: at(5), hash: B256::ZERO };
        assert!(cursor.advance(at(4), B256::ZERO).is_none());
        let earlier = BlockPoint { number: BlockNumber(6), timestamp: BlockTimestamp(4) };
        assert!(
            cursor.advance(earlier, B256::ZERO).is_none(),
            "a chain whose time goes back is another"
        );
        assert_eq!(cursor.advance(at(6), B256::ZERO).map(|next| next.block), Some(at(6)));
    }
}
