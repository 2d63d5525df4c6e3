//! Each custom error in words. The table for people is `docs/contract-errors.md`.

use crate::bindings::PaymentChannel::PaymentChannelErrors as Error;
use core::fmt;

/// What is the case.
pub(super) fn describe(error: &Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error {
        Error::InvalidParticipant(e) => write!(f, "participant {} is the zero address", e.side),
        Error::InvalidSigner(e) => write!(f, "signer {} is the zero address", e.side),
        Error::SharedAddress(e) => write!(f, "{} stands on both sides", e.account),
        Error::PeriodOutOfBounds(e) => {
            write!(f, "challenge period of {} s is not within {} s to {} s", e.period, e.min, e.max)
        }
        Error::InvalidPeriodBounds(e) => {
            write!(f, "challenge period bounds of {} s to {} s are impossible", e.min, e.max)
        }
        Error::InvalidLaunchSchedule(_) => f.write_str("launch schedule is impossible"),
        Error::NoCode(e) => write!(f, "there is no contract at {}", e.account),
        Error::WrongValue(e) => write!(f, "call needs {} wei, {} were sent", e.needed, e.sent),
        Error::AmountTooLarge(e) => write!(f, "{} is more than a channel can hold", e.amount),
        Error::NothingReceived(_) => f.write_str("call brought no money"),
        Error::WrongStatus(e) => write!(f, "channel is {}", status_name(e.status)),
        Error::IdUsed(e) => write!(f, "channel {} was closed for ever", e.channelId),
        Error::NotAuthorized(e) => write!(f, "{} may not do this", e.caller),
        Error::BadSignature(e) => match e.side {
            0 => f.write_str("signature is not by the credited account"),
            side => write!(f, "signature of side {side} is not by its key over this message"),
        },
        Error::MalleableSignature(e) => {
            write!(f, "signature of side {} is not in its canonical form", e.side)
        }
        Error::Expired(e) => write!(f, "order expired at {}", e.deadline),
        Error::DepositTooSmall(e) => {
            write!(f, "deposit of {} is below the accepted {}", e.deposit1, e.minDeposit1)
        }
        Error::StaleVersion(e) => write!(f, "version {} is stored already", e.current),
        Error::VersionConflict(e) => {
            write!(f, "another state of version {} is stored", e.version)
        }
        Error::BelowMinVersion(e) => {
            write!(f, "close would rest on version {}, below {}", e.version, e.minVersion)
        }
        Error::WindowClosed(e) => write!(f, "challenge window ended at {}", e.closesAt),
        Error::WindowOpen(e) => write!(f, "challenge window lasts until {}", e.closesAt),
        Error::InvalidKind(e) => write!(f, "there is no kind {}", e.kind),
        Error::FinalStateHasLocks(_) => f.write_str("final state has locks"),
        Error::NetOutOfRange(e) => write!(f, "net of {} is out of range", e.net),
        Error::LockedOutOfRange(e) => write!(f, "locked sum of {} is out of range", e.locked),
        Error::LocksRootMismatch(e) => {
            write!(f, "locks root {} does not fit the locked sums", e.locksRoot)
        }
        Error::InsufficientBalance(e) => {
            write!(f, "side {} would be left with {}", e.side, e.balance)
        }
        Error::LocksMismatch(e) => {
            write!(f, "locks hash to {}, settled ones to {}", e.actual, e.expected)
        }
        Error::NothingHeld(_) => f.write_str("no lock of this channel waits"),
        Error::TooManyLocks(e) => write!(f, "{} locks are too many", e.count),
        Error::InvalidSide(e) => write!(f, "there is no side {}", e.side),
        Error::InsufficientGas(e) => write!(f, "gas ran short: {} must be left", e.needed),
        Error::InsufficientCredit(e) => write!(f, "credit is only {}", e.available),
        Error::InvalidRecipient(e) => write!(f, "credit cannot go to {}", e.to),
        Error::OrderUsed(e) => write!(f, "order {} of {} was used already", e.id, e.account),
        Error::TransferFailed(e) => {
            write!(f, "token {} refused the transfer for {}", e.token, e.account)
        }
        Error::CapExceeded(e) => write!(f, "launch cap of {} is below {}", e.cap, e.wanted),
        Error::Reentered(_) => f.write_str("call was nested in another one"),
        Error::UnattributedEther(_) => f.write_str("ether came without saying whose it is"),
    }
}

/// What to do about it.
pub(super) fn advice(error: &Error) -> &'static str {
    match error {
        Error::InvalidParticipant(_) | Error::InvalidSigner(_) => {
            "fill in the missing address and agree on new terms"
        }
        Error::SharedAddress(_) => "use different addresses for the two sides in new terms",
        Error::PeriodOutOfBounds(_) => "choose a challenge period within the bounds in new terms",
        Error::InvalidPeriodBounds(_) => "deploy with bounds above zero, in order, below 7 days",
        Error::InvalidLaunchSchedule(_) => "deploy with an end after the start and a doubling step",
        Error::NoCode(_) => "check the address and the chain",
        Error::WrongValue(_) => "send exactly the value that is needed",
        Error::AmountTooLarge(_) => "bring less, or use a second channel",
        Error::NothingReceived(_) => "send an amount, or fill the deposit box first",
        Error::WrongStatus(_) => "read channelOf; the channel is ahead or was never opened",
        Error::IdUsed(_) => "open a new channel with another salt",
        Error::NotAuthorized(_) => "call from the participant or signer, or bring a signed order",
        Error::BadSignature(_) => {
            "check signer, channel, contract and chain; do not trust the one who sent it"
        }
        Error::MalleableSignature(_) => "bring s into the lower half of the curve order",
        Error::Expired(_) => "ask for a new order with a later deadline",
        Error::DepositTooSmall(_) => "bring at least the accepted deposit",
        Error::StaleVersion(_) => "nothing to do if the stored version is the newest you hold",
        Error::VersionConflict(_) => {
            "keep both states as evidence and present a newer one that both signed"
        }
        Error::BelowMinVersion(_) => "present a state at or above the order's version",
        Error::WindowClosed(_) => "call closeChannel; nothing can be challenged any more",
        Error::WindowOpen(_) => "wait for the window to end, or challenge with a newer state",
        Error::InvalidKind(_) => "use kind 0 for an ordinary state and 1 for a final one",
        Error::FinalStateHasLocks(_) => "resolve all locks before a final state is signed",
        Error::NetOutOfRange(_) | Error::LockedOutOfRange(_) | Error::LocksRootMismatch(_) => {
            "this state can never be used; go back to the last good one"
        }
        Error::InsufficientBalance(_) => {
            "fund that side until the state is covered, or use the last good state"
        }
        Error::LocksMismatch(_) => "give all locks of the settled state in the signed order",
        Error::NothingHeld(_) => "nothing to do: every lock has been paid out",
        Error::TooManyLocks(_) => "give the settled list, which never has more than 32 locks",
        Error::InvalidSide(_) => "use side 1 or 2",
        Error::InsufficientGas(_) => "send again with a higher gas limit",
        Error::InsufficientCredit(_) => "withdraw at most the credit that creditOf shows",
        Error::InvalidRecipient(_) => "name a recipient that can hold money",
        Error::OrderUsed(_) => "sign a new order with an unused id",
        Error::TransferFailed(_) => "check allowance and balance, or name another recipient",
        Error::CapExceeded(_) => "bring less, or wait until the launch caps have grown",
        Error::Reentered(_) => "make the calls one after the other",
        Error::UnattributedEther(_) => "call openChannel, joinChannel or deposit with the value",
    }
}

/// The contract's name of a status.
fn status_name(status: u8) -> &'static str {
    match status {
        0 => "not opened",
        1 => "pending",
        2 => "active",
        3 => "closing",
        4 => "closed",
        _ => "in a status that this version does not know",
    }
}
