//! A refusal of the reference as the custom error that the contract must give.

use crate::world::{BOUNDS, address_of};
use alloy_primitives::{I256, U256, Uint};
use lockstep_contracts::bindings::PaymentChannel::{self as C, PaymentChannelErrors as Error};
use lockstep_core::adjudicator::Refusal;
use lockstep_core::chain::ChannelStatus;
use lockstep_core::ids::AccountRef;
use lockstep_core::terms::TermsError;
use lockstep_core::time::BlockTimestamp;

/// The custom error with its values.
///
/// # Panics
/// On a refusal that the contract does not know: the reference left its own model.
#[must_use]
pub fn as_error(refusal: Refusal) -> Error {
    let seconds = |time: BlockTimestamp| Uint::from(time.0);
    match refusal {
        Refusal::Terms(error) => terms_error(error),
        Refusal::AmountTooLarge { amount } => {
            Error::AmountTooLarge(C::AmountTooLarge { amount: amount.to_u256() })
        }
        Refusal::NothingReceived => Error::NothingReceived(C::NothingReceived {}),
        Refusal::WrongStatus { status } => {
            Error::WrongStatus(C::WrongStatus { status: status_number(status) })
        }
        Refusal::IdUsed { channel_id } => Error::IdUsed(C::IdUsed { channelId: channel_id.0 }),
        Refusal::NotAuthorized { caller } => {
            Error::NotAuthorized(C::NotAuthorized { caller: address_of(caller) })
        }
        Refusal::BadSignature { side } => {
            Error::BadSignature(C::BadSignature { side: side.number() })
        }
        Refusal::MalleableSignature { side } => {
            Error::MalleableSignature(C::MalleableSignature { side: side.number() })
        }
        Refusal::Expired { deadline } => Error::Expired(C::Expired { deadline: deadline.0 }),
        Refusal::DepositTooSmall { deposit1, min_deposit1 } => {
            Error::DepositTooSmall(C::DepositTooSmall {
                deposit1: deposit1.to_u256(),
                minDeposit1: min_deposit1.to_u256(),
            })
        }
        Refusal::StaleVersion { current } => {
            Error::StaleVersion(C::StaleVersion { current: current.0 })
        }
        Refusal::VersionConflict { version } => {
            Error::VersionConflict(C::VersionConflict { version: version.0 })
        }
        Refusal::BelowMinVersion { version, min_version } => {
            let (version, min) = (version.0, min_version.0);
            Error::BelowMinVersion(C::BelowMinVersion { version, minVersion: min })
        }
        Refusal::WindowClosed { closes_at } => {
            Error::WindowClosed(C::WindowClosed { closesAt: seconds(closes_at) })
        }
        Refusal::WindowOpen { closes_at } => {
            Error::WindowOpen(C::WindowOpen { closesAt: seconds(closes_at) })
        }
        Refusal::InvalidKind { kind } => Error::InvalidKind(C::InvalidKind { kind }),
        Refusal::FinalStateHasLocks => Error::FinalStateHasLocks(C::FinalStateHasLocks {}),
        Refusal::NetOutOfRange { net } => {
            Error::NetOutOfRange(C::NetOutOfRange { net: net.to_i256() })
        }
        Refusal::LockedOutOfRange { locked } => {
            Error::LockedOutOfRange(C::LockedOutOfRange { locked: locked.to_u256() })
        }
        Refusal::LocksRootMismatch { locks_root } => {
            Error::LocksRootMismatch(C::LocksRootMismatch { locksRoot: locks_root })
        }
        Refusal::InsufficientBalance { side, balance } => {
            let balance = I256::try_from(balance).expect("128 bits fit 256");
            Error::InsufficientBalance(C::InsufficientBalance { side: side.number(), balance })
        }
        Refusal::LocksMismatch { expected, actual } => {
            Error::LocksMismatch(C::LocksMismatch { expected, actual })
        }
        Refusal::NothingHeld => Error::NothingHeld(C::NothingHeld {}),
        Refusal::TooManyLocks { count } => {
            Error::TooManyLocks(C::TooManyLocks { count: U256::from(count) })
        }
        Refusal::InvalidSide { side } => Error::InvalidSide(C::InvalidSide { side }),
        Refusal::InsufficientCredit { available } => {
            Error::InsufficientCredit(C::InsufficientCredit { available: available.to_u256() })
        }
        Refusal::InvalidRecipient { to } => {
            Error::InvalidRecipient(C::InvalidRecipient { to: address_of(to) })
        }
        Refusal::OutOfModel => panic!("the reference left its own model"),
    }
}

fn terms_error(error: TermsError) -> Error {
    match error {
        TermsError::InvalidParticipant { side } => {
            Error::InvalidParticipant(C::InvalidParticipant { side: side.number() })
        }
        TermsError::ZeroSigner { side } => {
            Error::InvalidSigner(C::InvalidSigner { side: side.number() })
        }
        TermsError::SameOnBothSides { account } => {
            let account = alloy_primitives::Address::from_word(account);
            Error::SharedAddress(C::SharedAddress { account })
        }
        TermsError::PeriodOutOfBounds { period, minimum, maximum } => {
            assert_eq!((minimum, maximum), (BOUNDS.minimum, BOUNDS.maximum));
            Error::PeriodOutOfBounds(C::PeriodOutOfBounds { period, min: minimum, max: maximum })
        }
        TermsError::ForeignAccount { account } => panic!("{account} is no EVM account"),
    }
}

/// The contract's number of a status.
pub(crate) fn status_number(status: ChannelStatus) -> u8 {
    match status {
        ChannelStatus::None => 0,
        ChannelStatus::Pending => 1,
        ChannelStatus::Active => 2,
        ChannelStatus::Closing => 3,
        ChannelStatus::Closed => 4,
    }
}

/// An address as the reference has it.
pub(crate) fn account(address: alloy_primitives::Address) -> AccountRef {
    AccountRef::Evm(address)
}
