//! The classes of errors, and what the protocol refuses.

use crate::adjudicator::Refusal;
use crate::ids::{Sequence, Side, Version};
use crate::money::{Amount, AmountError};
use crate::record::{FreezeReason, RecordError};
use crate::signature::SignatureError;
use crate::terms::TermsError;
use thiserror::Error;

/// What a caller does about an error; decided once, where the error is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// The peer broke the protocol: score it.
    PeerFault,
    /// The request cannot be met: tell whoever asked.
    Refused,
    /// It may work later: retry with backoff.
    Transient,
    /// Our own promises may be broken: sign nothing more.
    Fatal,
}

/// What must always hold inside a channel; if one does not, the channel freezes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// A version is bound once.
    OneDigestPerVersion,
    /// A transition is adopted by the channel that made it.
    OwnTransition,
    /// Our own updates fit the state that they were checked against.
    PendingFits,
    /// Nothing but our own updates lowers what we have.
    WorstBalance,
    /// Deposits, balances and locks add up.
    Conservation,
    /// Bounded parts stay within their bounds.
    Bounds,
}

/// Why an input changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// A signature is not what it should be.
    #[error("a signature does not hold")]
    Signature(#[from] SignatureError),
    /// Terms are not valid.
    #[error("terms are refused")]
    Terms(#[from] TermsError),
    /// The contract would refuse it.
    #[error("the contract would refuse it")]
    Refusal(#[from] Refusal),
    /// The record does not hold.
    #[error("the record does not hold")]
    Record(#[from] RecordError),
    /// Our own amounts do not add up.
    #[error("amounts do not add up")]
    Amount(#[from] AmountError),
    /// The message is about another channel.
    #[error("message is about another channel")]
    WrongChannel,
    /// The message belongs to the other role.
    #[error("side {} does not send this", .side.number())]
    WrongRole {
        /// Who sent it.
        side: Side,
    },
    /// The channel is not at a point where this makes sense.
    #[error("channel is not at this point")]
    WrongPhase,
    /// The peer answers something that it was never asked.
    #[error("version {version} was never proposed")]
    UnknownVersion {
        /// The version.
        version: Version,
    },
    /// The version is not newer than what is bound.
    #[error("version {version} is not above {current}")]
    StaleVersion {
        /// The version.
        version: Version,
        /// What is bound.
        current: Version,
    },
    /// The version runs too far ahead.
    #[error("version {version} is too far above {current}")]
    VersionGap {
        /// The version.
        version: Version,
        /// What is bound.
        current: Version,
    },
    /// Sequences do not rise.
    #[error("sequence {sequence} does not rise")]
    BadSequence {
        /// The sequence.
        sequence: Sequence,
    },
    /// An intent came before one that was lost; the replay after a reconnect brings both.
    #[error("an intent before sequence {sequence} is missing")]
    SequenceGap {
        /// The sequence.
        sequence: Sequence,
    },
    /// A list is too long, unsorted or does not hash to what the state says.
    #[error("lists of the message are malformed")]
    Malformed,
    /// More is wanted than may be counted on.
    #[error("{spendable} may be spent, {wanted} is wanted")]
    InsufficientFunds {
        /// What may be counted on.
        spendable: Amount,
        /// What is wanted.
        wanted: Amount,
    },
    /// Nothing is paid with nothing.
    #[error("amount is zero")]
    ZeroAmount,
    /// Too much waits already.
    #[error("too many updates wait")]
    Busy,
    /// The two sides did not agree on this ability.
    #[error("feature was not agreed on")]
    FeatureMissing,
    /// The lock breaks a limit.
    #[error("lock is refused")]
    LockRefused,
    /// There is no such lock, or it is not ours to decide, or the secret does not fit.
    #[error("lock is unknown")]
    UnknownLock,
    /// An invoice of this id exists, or there are too many.
    #[error("invoice is refused")]
    InvoiceRefused,
    /// Something is in flight that must be answered first.
    #[error("updates are in flight")]
    InFlight,
    /// One withdrawal is outstanding already.
    #[error("a withdrawal is outstanding")]
    WithdrawalOutstanding,
    /// The channel signs nothing more.
    #[error("channel is frozen: {reason:?}")]
    Frozen {
        /// Why.
        reason: FreezeReason,
    },
    /// The channel has lost data and signs only final states.
    #[error("channel is restored and signs only final states")]
    Restored,
    /// A final state is bound; nothing follows it.
    #[error("a final state is bound")]
    FinalBound,
    /// A close was seen; nothing new is bound.
    #[error("a close was seen")]
    CloseSeen,
    /// One of our own promises does not hold.
    #[error("invariant broken: {0:?}")]
    InvariantBroken(Invariant),
}

impl ProtocolError {
    /// What the caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Signature(error) => error.class(),
            Self::Terms(error) => error.class(),
            Self::Refusal(error) => error.class(),
            Self::Record(error) => error.class(),
            Self::InvariantBroken(_) | Self::Amount(_) => ErrorClass::Fatal,
            Self::WrongChannel
            | Self::WrongRole { .. }
            | Self::UnknownVersion { .. }
            | Self::VersionGap { .. }
            | Self::BadSequence { .. }
            | Self::Malformed => ErrorClass::PeerFault,
            Self::Busy | Self::InFlight => ErrorClass::Transient,
            // A late or repeated message is not a fault: the link may repeat.
            Self::StaleVersion { .. }
            | Self::SequenceGap { .. }
            | Self::WrongPhase
            | Self::InsufficientFunds { .. }
            | Self::ZeroAmount
            | Self::FeatureMissing
            | Self::LockRefused
            | Self::UnknownLock
            | Self::InvoiceRefused
            | Self::WithdrawalOutstanding
            | Self::Frozen { .. }
            | Self::Restored
            | Self::FinalBound
            | Self::CloseSeen => ErrorClass::Refused,
        }
    }
}
