//! Money on its way between L1 and a rollup: where each unit is, and what is to be done next.
//!
//! Every unit is in exactly one of {source, in flight, destination, refundable}. A time-out changes a
//! label and never forgets money.

use crate::error::ErrorClass;
use crate::ids::{AccountRef, ChainRef, ChannelId};
use crate::money::Amount;
use crate::time::BlockTimestamp;
use alloy_primitives::B256;
use thiserror::Error;

/// Names one transfer: the log that started it, so that nothing is sent or credited twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferKey {
    /// The chain it starts on.
    pub chain: ChainRef,
    /// The transaction that starts it.
    pub tx: B256,
    /// The log in it.
    pub log_index: u32,
}

/// Where a unit of money is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// Still, or again, where it came from.
    Source,
    /// On its way.
    InFlight,
    /// Where it was meant to go.
    Destination,
    /// To be fetched back by an action of ours.
    Refundable,
}

/// What gets a stuck transfer moving again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecoverAction {
    /// Run the delivery again on the rollup.
    Redeem,
    /// Keep an undelivered message alive.
    KeepAlive,
    /// Relay the message again.
    Replay,
    /// Cancel on L1 and take the money back.
    Cancel,
    /// Claim a failed deposit with a proof.
    ClaimFailed,
}

/// How far money from L1 to a rollup has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DepositStage {
    /// Our intent is durable; nothing is on chain.
    Planned,
    /// In an L1 block.
    Sent,
    /// In a finalized L1 block.
    L1Final,
    /// The rollup holds the money in a box or account of ours.
    Delivered,
    /// The channel has it, finally.
    Credited,
    /// Delivery failed; this action helps.
    FailedRecoverable(RecoverAction),
    /// It took too long for the bridge: the action is all that is left.
    Expired(RecoverAction),
    /// The action gave the money back.
    Refunded,
    /// The transaction never made it; the money never left.
    Abandoned,
}

/// How far money from a rollup to L1 has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WithdrawStage {
    /// Our intent is durable; nothing is on chain.
    Planned,
    /// In a block of the rollup.
    Initiated,
    /// A root that holds it was proposed on L1.
    Proposed,
    /// The proof can be sent.
    Provable,
    /// The proof is on L1; a waiting time runs until then.
    Proven {
        /// When it may be finalized, as far as known.
        finalizable_at: BlockTimestamp,
    },
    /// May be finalized now.
    Finalizable,
    /// Paid on L1, finally.
    Done,
    /// The transaction never made it; the money never left.
    Abandoned,
}

/// Which way a transfer goes, and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferStage {
    /// From L1 to the rollup.
    Deposit(DepositStage),
    /// From the rollup to L1.
    Withdraw(WithdrawStage),
}

/// What was seen of a transfer. Each event is reported at the finality class that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferEvent {
    /// The first transaction is in a block.
    Included(TransferKey),
    /// The block of the first transaction was reorganised away.
    Reorganised,
    /// The first transaction can no longer be included.
    NeverSent,
    /// Its L1 block is final.
    L1Finalized,
    /// The rollup has delivered.
    Delivered,
    /// The channel was credited, finally.
    Credited,
    /// Delivery failed.
    DeliveryFailed(RecoverAction),
    /// The bridge no longer retries.
    TimedOut(RecoverAction),
    /// The recovery has paid back, finally.
    RefundFinal,
    /// A root that holds the withdrawal was proposed.
    RootProposed,
    /// The root can be proven against.
    RootProvable,
    /// The proof is on L1.
    ProofFinal {
        /// When it may be finalized, as far as known.
        finalizable_at: BlockTimestamp,
    },
    /// The root was found wrong: prove again against another.
    ProofInvalidated,
    /// The waiting time is over.
    WaitOver,
    /// L1 has paid, finally.
    PaidOut,
}

/// An event that cannot follow on a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{event:?} cannot follow on {stage:?}")]
pub struct TransferError {
    /// The stage.
    pub stage: TransferStage,
    /// The event.
    pub event: TransferEvent,
}

impl TransferError {
    /// The follower reported something impossible; the transfer stays as it is.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Transient
    }
}

/// One transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// Our own name for it, given before anything is sent.
    pub id: B256,
    /// The log that started it, once there is one.
    pub key: Option<TransferKey>,
    /// Where it starts.
    pub from: ChainRef,
    /// Where it ends.
    pub to: ChainRef,
    /// The token, as the starting chain names it.
    pub token: AccountRef,
    /// How much.
    pub amount: Amount,
    /// How far it has come.
    pub stage: TransferStage,
}

impl Transfer {
    /// Where the money is now.
    pub fn location(&self) -> Location {
        match self.stage {
            TransferStage::Deposit(stage) => match stage {
                DepositStage::Planned | DepositStage::Refunded | DepositStage::Abandoned => {
                    Location::Source
                }
                DepositStage::Sent | DepositStage::L1Final => Location::InFlight,
                DepositStage::Delivered | DepositStage::Credited => Location::Destination,
                DepositStage::FailedRecoverable(_) | DepositStage::Expired(_) => {
                    Location::Refundable
                }
            },
            TransferStage::Withdraw(stage) => match stage {
                WithdrawStage::Planned | WithdrawStage::Abandoned => Location::Source,
                WithdrawStage::Initiated
                | WithdrawStage::Proposed
                | WithdrawStage::Provable
                | WithdrawStage::Proven { .. }
                | WithdrawStage::Finalizable => Location::InFlight,
                WithdrawStage::Done => Location::Destination,
            },
        }
    }

    /// Whether nothing more can happen.
    pub fn is_over(&self) -> bool {
        match self.stage {
            TransferStage::Deposit(stage) => matches!(
                stage,
                DepositStage::Credited | DepositStage::Refunded | DepositStage::Abandoned
            ),
            TransferStage::Withdraw(stage) => {
                matches!(stage, WithdrawStage::Done | WithdrawStage::Abandoned)
            }
        }
    }

    /// The transfer after an event; the same event twice changes nothing.
    ///
    /// # Errors
    /// If the event cannot follow on the stage.
    ///
    /// Source: bridges §2.
    pub fn apply(&self, event: TransferEvent) -> Result<Self, TransferError> {
        let stage = match self.stage {
            TransferStage::Deposit(stage) => {
                deposit_after(stage, event).map(TransferStage::Deposit)
            }
            TransferStage::Withdraw(stage) => {
                withdraw_after(stage, event).map(TransferStage::Withdraw)
            }
        };
        let stage = stage.ok_or(TransferError { stage: self.stage, event })?;
        let key = match event {
            TransferEvent::Included(key) => Some(key),
            TransferEvent::Reorganised => None,
            TransferEvent::NeverSent
            | TransferEvent::L1Finalized
            | TransferEvent::Delivered
            | TransferEvent::Credited
            | TransferEvent::DeliveryFailed(_)
            | TransferEvent::TimedOut(_)
            | TransferEvent::RefundFinal
            | TransferEvent::RootProposed
            | TransferEvent::RootProvable
            | TransferEvent::ProofFinal { .. }
            | TransferEvent::ProofInvalidated
            | TransferEvent::WaitOver
            | TransferEvent::PaidOut => self.key,
        };
        Ok(Self { stage, key, ..*self })
    }
}

/// Units: bytes of what an adapter may keep with a transfer. Two storage proofs of 64 nodes fit.
pub const MAX_MEMO_BYTES: usize = 96 * 1024;

/// A transfer with what the adapter of its rollup keeps along with it: calls, proofs, how often it has tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferRecord {
    /// The transfer.
    pub transfer: Transfer,
    /// The channel that it funds, if it does.
    pub channel: Option<ChannelId>,
    /// The adapter's own words, which nobody else reads.
    ///
    /// Shape: at most [`MAX_MEMO_BYTES`].
    pub memo: Vec<u8>,
}

impl TransferRecord {
    /// The record after an event.
    ///
    /// # Errors
    /// As [`Transfer::apply`].
    pub fn apply(&self, event: TransferEvent) -> Result<Self, TransferError> {
        Ok(Self { transfer: self.transfer.apply(event)?, ..self.clone() })
    }
}

/// The deposit's table of transitions; none where an event cannot follow.
fn deposit_after(stage: DepositStage, event: TransferEvent) -> Option<DepositStage> {
    use DepositStage as D;
    use TransferEvent as E;
    let waits = matches!(stage, D::L1Final | D::FailedRecoverable(_));
    match (stage, event) {
        (D::Planned | D::Sent, E::Included(_)) => Some(D::Sent),
        (D::Planned | D::Sent, E::Reorganised) => Some(D::Planned),
        (D::Planned | D::Abandoned, E::NeverSent) => Some(D::Abandoned),
        (D::Sent | D::L1Final, E::L1Finalized) => Some(D::L1Final),
        (_, E::Delivered) if waits || stage == D::Delivered => Some(D::Delivered),
        (_, E::Delivered) if matches!(stage, D::Expired(_)) => Some(D::Delivered),
        (D::L1Final | D::Delivered | D::Credited, E::Credited) => Some(D::Credited),
        (_, E::DeliveryFailed(action)) if waits => Some(D::FailedRecoverable(action)),
        (_, E::TimedOut(action)) if waits || matches!(stage, D::Expired(_)) => {
            Some(D::Expired(action))
        }
        (D::FailedRecoverable(_) | D::Expired(_) | D::Refunded, E::RefundFinal) => {
            Some(D::Refunded)
        }
        (_, _) => None,
    }
}

/// The withdrawal's table of transitions; none where an event cannot follow.
fn withdraw_after(stage: WithdrawStage, event: TransferEvent) -> Option<WithdrawStage> {
    use TransferEvent as E;
    use WithdrawStage as W;
    match (stage, event) {
        (W::Planned | W::Initiated, E::Included(_)) => Some(W::Initiated),
        (W::Planned | W::Initiated, E::Reorganised) => Some(W::Planned),
        (W::Planned | W::Abandoned, E::NeverSent) => Some(W::Abandoned),
        (W::Initiated | W::Proposed, E::RootProposed) => Some(W::Proposed),
        (W::Initiated | W::Proposed | W::Provable, E::RootProvable) => Some(W::Provable),
        (W::Provable | W::Proven { .. }, E::ProofFinal { finalizable_at }) => {
            Some(W::Proven { finalizable_at })
        }
        // The game was lost or retired: the money waits where it was before the proof.
        (W::Proposed | W::Provable | W::Proven { .. } | W::Finalizable, E::ProofInvalidated) => {
            Some(W::Initiated)
        }
        (W::Proven { .. } | W::Finalizable, E::WaitOver) => Some(W::Finalizable),
        (W::Proven { .. } | W::Finalizable | W::Done, E::PaidOut) => Some(W::Done),
        (_, _) => None,
    }
}

#[cfg(test)]
mod tests;
