//! Why the contract refuses a call; names and values are those of its custom errors.

use crate::chain::ChannelStatus;
use crate::error::ErrorClass;
use crate::ids::{AccountRef, ChannelId, Side, Version};
use crate::money::{Amount, RawNet};
use crate::terms::TermsError;
use crate::time::BlockTimestamp;
use alloy_primitives::B256;
use thiserror::Error;

/// A custom error of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each field is what its message says")]
pub enum Refusal {
    /// `InvalidParticipant`, `InvalidSigner`, `SharedAddress`, `PeriodOutOfBounds`.
    #[error("terms are refused")]
    Terms(#[from] TermsError),
    /// `AmountTooLarge`.
    #[error("{amount} is too large for a deposit")]
    AmountTooLarge { amount: Amount },
    /// `NothingReceived`.
    #[error("nothing was received")]
    NothingReceived,
    /// `WrongStatus`.
    #[error("channel is {status:?}")]
    WrongStatus { status: ChannelStatus },
    /// `IdUsed`.
    #[error("channel {channel_id} is closed for ever")]
    IdUsed { channel_id: ChannelId },
    /// `NotAuthorized`.
    #[error("{caller:?} may not do this")]
    NotAuthorized { caller: AccountRef },
    /// `BadSignature`.
    #[error("signature {} is not by the right key", .side.number())]
    BadSignature { side: Side },
    /// `MalleableSignature`.
    #[error("signature {} is malleable", .side.number())]
    MalleableSignature { side: Side },
    /// `Expired`.
    #[error("order expired at {deadline}")]
    Expired { deadline: BlockTimestamp },
    /// `DepositTooSmall`.
    #[error("deposit of {deposit1} is below {min_deposit1}")]
    DepositTooSmall { deposit1: Amount, min_deposit1: Amount },
    /// `StaleVersion`.
    #[error("version is not above {current}")]
    StaleVersion { current: Version },
    /// `VersionConflict`.
    #[error("version {version} is stored with other content")]
    VersionConflict { version: Version },
    /// `BelowMinVersion`.
    #[error("version {version} is below {min_version}")]
    BelowMinVersion { version: Version, min_version: Version },
    /// `WindowClosed`.
    #[error("challenge period ended at {closes_at}")]
    WindowClosed { closes_at: BlockTimestamp },
    /// `WindowOpen`.
    #[error("challenge period lasts until {closes_at}")]
    WindowOpen { closes_at: BlockTimestamp },
    /// `InvalidKind`.
    #[error("there is no kind {kind}")]
    InvalidKind { kind: u8 },
    /// `FinalStateHasLocks`.
    #[error("final state has locks")]
    FinalStateHasLocks,
    /// `NetOutOfRange`.
    #[error("net of {net} is out of range")]
    NetOutOfRange { net: RawNet },
    /// `LockedOutOfRange`.
    #[error("locked sum of {locked} is out of range")]
    LockedOutOfRange { locked: Amount },
    /// `LocksRootMismatch`.
    #[error("root {locks_root} does not fit the locked sums")]
    LocksRootMismatch { locks_root: B256 },
    /// `InsufficientBalance`.
    #[error("side {} would have {balance}", .side.number())]
    InsufficientBalance { side: Side, balance: i128 },
    /// `LocksMismatch`.
    #[error("locks hash to {actual}, not to {expected}")]
    LocksMismatch { expected: B256, actual: B256 },
    /// `NothingHeld`.
    #[error("nothing is held for locks")]
    NothingHeld,
    /// `TooManyLocks`.
    #[error("{count} locks are too many")]
    TooManyLocks { count: usize },
    /// `InvalidSide`.
    #[error("there is no side {side}")]
    InvalidSide { side: u8 },
    /// `InsufficientCredit`.
    #[error("credit is only {available}")]
    InsufficientCredit { available: Amount },
    /// `InvalidRecipient`.
    #[error("credit cannot go to {to:?}")]
    InvalidRecipient { to: AccountRef },
    /// A number outside the model's range that the contract cannot reach either.
    #[error("model and contract disagree on a bound")]
    OutOfModel,
}

impl Refusal {
    /// Whoever presents such a thing is at fault.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Terms(error) => error.class(),
            Self::OutOfModel => ErrorClass::Fatal,
            Self::AmountTooLarge { .. }
            | Self::NothingReceived
            | Self::WrongStatus { .. }
            | Self::IdUsed { .. }
            | Self::NotAuthorized { .. }
            | Self::Expired { .. }
            | Self::DepositTooSmall { .. }
            | Self::BelowMinVersion { .. }
            | Self::WindowClosed { .. }
            | Self::WindowOpen { .. }
            | Self::NothingHeld
            | Self::InsufficientCredit { .. }
            | Self::InvalidRecipient { .. } => ErrorClass::Refused,
            Self::BadSignature { .. }
            | Self::MalleableSignature { .. }
            | Self::StaleVersion { .. }
            | Self::VersionConflict { .. }
            | Self::InvalidKind { .. }
            | Self::FinalStateHasLocks
            | Self::NetOutOfRange { .. }
            | Self::LockedOutOfRange { .. }
            | Self::LocksRootMismatch { .. }
            | Self::InsufficientBalance { .. }
            | Self::LocksMismatch { .. }
            | Self::TooManyLocks { .. }
            | Self::InvalidSide { .. } => ErrorClass::PeerFault,
        }
    }
}
