//! The chain as the protocol sees it: facts with their finality, the follower's cursor, and what this
//! node owes to the chain.

use crate::ids::{AccountRef, ChannelId, Side, Version};
use crate::lock::Lock;
use crate::message::SignedState;
use crate::money::{Amount, Deposits, Net};
use crate::signature::StateSignature;
use crate::state::{PartialWithdraw, State, StateKind};
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

/// A co-signed state as this node holds it: its own half may still have to be signed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The state.
    pub state: State,
    /// Its locks.
    pub locks: Vec<Lock>,
    /// By signer 1.
    pub signature1: Option<StateSignature>,
    /// By signer 2.
    pub signature2: Option<StateSignature>,
}

impl Evidence {
    /// Sets one side's signature.
    #[must_use]
    pub fn with_signature(mut self, side: Side, signature: StateSignature) -> Self {
        match side {
            Side::One => self.signature1 = Some(signature),
            Side::Two => self.signature2 = Some(signature),
        }
        self
    }

    /// The proof, if both signatures are there.
    pub fn complete(&self) -> Option<SignedState> {
        Some(SignedState {
            state: self.state,
            locks: self.locks.clone(),
            signature1: self.signature1?,
            signature2: self.signature2?,
        })
    }
}

/// A partial withdrawal as this node holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithdrawEvidence {
    /// The withdrawal.
    pub withdraw: PartialWithdraw,
    /// By signer 1.
    pub signature1: Option<StateSignature>,
    /// By signer 2.
    pub signature2: Option<StateSignature>,
}

/// A call that this node owes to the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainCall {
    /// `initiateClose` with the newest state, or with none.
    InitiateClose(Option<Evidence>),
    /// `challengeClose` with a newer state.
    Challenge(Evidence),
    /// `closeChannel` after the deadline.
    Close,
    /// `cooperativeClose` with the final state.
    CooperativeClose(Evidence),
    /// `partialWithdraw`.
    PartialWithdraw(WithdrawEvidence),
    /// `registerSecret`, so that a lock pays.
    RegisterSecret {
        /// The secret.
        secret: B256,
    },
    /// `resolveLocks` after the close.
    ResolveLocks {
        /// The settled list.
        locks: Vec<Lock>,
        /// Which of them.
        mask: u32,
    },
}

impl ChainCall {
    /// What kind of call it is.
    pub fn kind(&self) -> ObligationKind {
        match self {
            Self::InitiateClose(_) => ObligationKind::InitiateClose,
            Self::Challenge(_) => ObligationKind::Challenge,
            Self::Close => ObligationKind::Close,
            Self::CooperativeClose(_) => ObligationKind::CooperativeClose,
            Self::PartialWithdraw(_) => ObligationKind::PartialWithdraw,
            Self::RegisterSecret { .. } => ObligationKind::RegisterSecret,
            Self::ResolveLocks { .. } => ObligationKind::ResolveLocks,
        }
    }
}

/// What kind of call an obligation is; with channel and version its idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObligationKind {
    /// `initiateClose`.
    InitiateClose,
    /// `challengeClose`.
    Challenge,
    /// `closeChannel`.
    Close,
    /// `cooperativeClose`.
    CooperativeClose,
    /// `partialWithdraw`.
    PartialWithdraw,
    /// `registerSecret`.
    RegisterSecret,
    /// `resolveLocks`.
    ResolveLocks,
}

/// Names one obligation: two orders with one key are one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObligationKey {
    /// The channel.
    pub channel_id: ChannelId,
    /// What is called.
    pub kind: ObligationKind,
    /// The version that is presented, or zero.
    pub version: Version,
    /// Tells calls of one kind and version apart: the lock's hash, or the mask; zero else.
    pub detail: B256,
}

/// How far an obligation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObligationStage {
    /// Not sent yet, or lost from the pool.
    Owed,
    /// Sent; it may be replaced by one with a higher fee.
    Submitted {
        /// The newest transaction.
        tx: B256,
    },
    /// In a block that may still be reorganised away.
    Included {
        /// The transaction.
        tx: B256,
        /// Its block.
        block: BlockNumber,
    },
    /// A finalized block shows what the call was for, by whomever.
    Done,
    /// It can no longer matter: the channel is settled otherwise.
    Obsolete,
}

/// What happened to an obligation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObligationEvent {
    /// A transaction was sent, with this fee per gas.
    Sent {
        /// The transaction.
        tx: B256,
        /// Units: wei per gas.
        fee_per_gas: u128,
    },
    /// A block holds the transaction.
    Included {
        /// The transaction.
        tx: B256,
        /// Its block.
        block: BlockNumber,
    },
    /// The block was reorganised away, or the transaction fell out of the pool.
    Dropped,
    /// A finalized block shows the goal as reached.
    GoalFinal,
    /// A finalized block shows that the goal can no longer be reached or is not needed.
    Moot,
}

/// A transaction that this node owes, idempotent per key, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obligation {
    key: ObligationKey,
    call: ChainCall,
    deadline: Option<BlockTimestamp>,
    stage: ObligationStage,
    highest_fee_per_gas: u128,
}

/// Why an obligation did not take an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObligationError {
    /// A replacement must not pay less than what was paid before, also across restarts.
    #[error("fee of {offered} per gas is below {highest}")]
    FeeFell {
        /// What was to be paid.
        offered: u128,
        /// What was paid before.
        highest: u128,
    },
    /// The obligation has ended.
    #[error("obligation has ended")]
    Ended,
}

impl ObligationError {
    /// Whoever drives the obligation asked for something impossible.
    pub fn class(&self) -> crate::error::ErrorClass {
        match self {
            Self::FeeFell { .. } | Self::Ended => crate::error::ErrorClass::Refused,
        }
    }
}

impl Obligation {
    /// A new obligation, to be met before a deadline if there is one.
    pub fn new(key: ObligationKey, call: ChainCall, deadline: Option<BlockTimestamp>) -> Self {
        Self { key, call, deadline, stage: ObligationStage::Owed, highest_fee_per_gas: 0 }
    }

    /// As it was stored.
    pub fn from_parts(
        key: ObligationKey,
        call: ChainCall,
        deadline: Option<BlockTimestamp>,
        stage: ObligationStage,
        highest_fee_per_gas: u128,
    ) -> Self {
        Self { key, call, deadline, stage, highest_fee_per_gas }
    }

    /// Its idempotency key.
    pub fn key(&self) -> &ObligationKey {
        &self.key
    }

    /// The call.
    pub fn call(&self) -> &ChainCall {
        &self.call
    }

    /// When it must be in a block.
    pub fn deadline(&self) -> Option<BlockTimestamp> {
        self.deadline
    }

    /// How far it has come.
    pub fn stage(&self) -> ObligationStage {
        self.stage
    }

    /// The highest fee that was ever offered for it. Units: wei per gas.
    pub fn highest_fee_per_gas(&self) -> u128 {
        self.highest_fee_per_gas
    }

    /// The obligation with our half of its evidence filled in.
    #[must_use]
    pub fn with_signature(mut self, side: Side, signature: StateSignature) -> Self {
        self.call = match self.call {
            ChainCall::InitiateClose(evidence) => ChainCall::InitiateClose(
                evidence.map(|evidence| evidence.with_signature(side, signature)),
            ),
            ChainCall::Challenge(evidence) => {
                ChainCall::Challenge(evidence.with_signature(side, signature))
            }
            ChainCall::CooperativeClose(evidence) => {
                ChainCall::CooperativeClose(evidence.with_signature(side, signature))
            }
            ChainCall::PartialWithdraw(mut evidence) => {
                match side {
                    Side::One => evidence.signature1 = Some(signature),
                    Side::Two => evidence.signature2 = Some(signature),
                }
                ChainCall::PartialWithdraw(evidence)
            }
            ChainCall::Close => ChainCall::Close,
            ChainCall::RegisterSecret { secret } => ChainCall::RegisterSecret { secret },
            ChainCall::ResolveLocks { locks, mask } => ChainCall::ResolveLocks { locks, mask },
        };
        self
    }

    /// The obligation after an event.
    ///
    /// # Errors
    /// If it has ended, or a fee would fall.
    ///
    /// Source: watchtower §4.
    pub fn apply(&self, event: ObligationEvent) -> Result<Self, ObligationError> {
        let mut next = self.clone();
        match (self.stage, event) {
            (ObligationStage::Done | ObligationStage::Obsolete, _) => {
                return Err(ObligationError::Ended);
            }
            (_, ObligationEvent::Sent { tx, fee_per_gas }) => {
                if fee_per_gas < self.highest_fee_per_gas {
                    let highest = self.highest_fee_per_gas;
                    return Err(ObligationError::FeeFell { offered: fee_per_gas, highest });
                }
                next.highest_fee_per_gas = fee_per_gas;
                next.stage = ObligationStage::Submitted { tx };
            }
            (_, ObligationEvent::Included { tx, block }) => {
                next.stage = ObligationStage::Included { tx, block };
            }
            (_, ObligationEvent::Dropped) => next.stage = ObligationStage::Owed,
            (_, ObligationEvent::GoalFinal) => next.stage = ObligationStage::Done,
            (_, ObligationEvent::Moot) => next.stage = ObligationStage::Obsolete,
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obligation() -> Obligation {
        let key = ObligationKey {
            channel_id: ChannelId(B256::repeat_byte(1)),
            kind: ObligationKind::Close,
            version: Version(3),
            detail: B256::ZERO,
        };
        Obligation::new(key, ChainCall::Close, None)
    }

    #[test]
    fn p72_an_obligation_ends_only_when_its_goal_is_final() {
        let tx = B256::repeat_byte(2);
        let block = BlockNumber(5);
        let sent = obligation().apply(ObligationEvent::Sent { tx, fee_per_gas: 10 }).unwrap();
        let included = sent.apply(ObligationEvent::Included { tx, block }).unwrap();
        assert_eq!(included.stage(), ObligationStage::Included { tx, block });
        let dropped = included.apply(ObligationEvent::Dropped).unwrap();
        assert_eq!(dropped.stage(), ObligationStage::Owed);
        let done = included.apply(ObligationEvent::GoalFinal).unwrap();
        assert_eq!(done.apply(ObligationEvent::Dropped), Err(ObligationError::Ended));
    }

    #[test]
    fn p76_a_fee_never_falls_even_after_a_drop() {
        let tx = B256::repeat_byte(2);
        let sent = obligation().apply(ObligationEvent::Sent { tx, fee_per_gas: 10 }).unwrap();
        let dropped = sent.apply(ObligationEvent::Dropped).unwrap();
        assert_eq!(
            dropped.apply(ObligationEvent::Sent { tx, fee_per_gas: 9 }),
            Err(ObligationError::FeeFell { offered: 9, highest: 10 })
        );
    }

    #[test]
    fn p76_the_fee_that_was_offered_is_known_and_may_be_offered_again() {
        let tx = B256::repeat_byte(2);
        let sent = obligation().apply(ObligationEvent::Sent { tx, fee_per_gas: 10 }).unwrap();
        assert_eq!(sent.highest_fee_per_gas(), 10);
        let again = sent.apply(ObligationEvent::Sent { tx, fee_per_gas: 10 }).unwrap();
        assert_eq!(again.highest_fee_per_gas(), 10);
    }

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
