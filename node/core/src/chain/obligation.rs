//! What this node owes to the chain, idempotent per key, and how far it has come.

use super::{Evidence, WithdrawEvidence};
use crate::ids::{ChannelId, Side, Version};
use crate::lock::Lock;
use crate::signature::StateSignature;
use crate::time::{BlockNumber, BlockTimestamp};
use alloy_primitives::B256;

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
}
