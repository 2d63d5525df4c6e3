//! What happened in the words of the API: what it was, what is safe, what to do.

use lockstep_core::error::{ErrorClass, ProtocolError};
use lockstep_core::message::RejectReason;
use lockstep_core::record::{FreezeReason, RestoreReason};
use lockstep_p2p::ConnectError;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_store::writer::CommitError;

/// An order that the channel's rules refuse.
pub(crate) fn refused(error: &ProtocolError) -> Failure {
    let kind = match error {
        ProtocolError::InsufficientFunds { .. } => FailureKind::InsufficientFunds,
        ProtocolError::ZeroAmount => FailureKind::BadAmount,
        ProtocolError::Busy | ProtocolError::InFlight => FailureKind::Busy,
        ProtocolError::FeatureMissing => FailureKind::NotSupported,
        ProtocolError::Frozen { .. } => FailureKind::Frozen,
        ProtocolError::Restored => FailureKind::Restored,
        ProtocolError::WrongPhase | ProtocolError::FinalBound | ProtocolError::CloseSeen => {
            FailureKind::WrongPhase
        }
        ProtocolError::Terms(_) => FailureKind::BadTerms,
        ProtocolError::InvariantBroken(_) | ProtocolError::Amount(_) => FailureKind::Internal,
        ProtocolError::Signature(_)
        | ProtocolError::Refusal(_)
        | ProtocolError::Record(_)
        | ProtocolError::WrongChannel
        | ProtocolError::WrongRole { .. }
        | ProtocolError::UnknownVersion { .. }
        | ProtocolError::StaleVersion { .. }
        | ProtocolError::VersionGap { .. }
        | ProtocolError::BadSequence { .. }
        | ProtocolError::SequenceGap { .. }
        | ProtocolError::Malformed
        | ProtocolError::LockRefused
        | ProtocolError::UnknownLock
        | ProtocolError::InvoiceRefused
        | ProtocolError::WithdrawalOutstanding => FailureKind::Refused,
    };
    let failure = Failure::new(kind, chain_of(error)).safe("nothing was done");
    match advice(error) {
        Some(advice) => failure.advice(advice),
        None => failure,
    }
}

type IsMeant = fn(&ProtocolError) -> bool;

fn advice(error: &ProtocolError) -> Option<&'static str> {
    const ADVICE: [(IsMeant, &str); 7] = [
        (
            |error| matches!(error, ProtocolError::InsufficientFunds { .. }),
            "pay less, add to your deposit with `lockstep deposit`, or wait for income",
        ),
        (
            |error| matches!(error, ProtocolError::Busy | ProtocolError::InFlight),
            "try again in a moment",
        ),
        (
            |error| matches!(error, ProtocolError::Frozen { .. }),
            "close it with `lockstep close` or `lockstep force-close`",
        ),
        (
            |error| matches!(error, ProtocolError::Restored),
            "close it with `lockstep close` and open a new channel",
        ),
        (
            |error| matches!(error, ProtocolError::WrongPhase),
            "`lockstep channels` shows where it is and what it waits for",
        ),
        (
            |error| matches!(error, ProtocolError::WithdrawalOutstanding),
            "wait until the first withdrawal is final",
        ),
        (|error| error.class() == ErrorClass::Fatal, "look into the node's log"),
    ];
    ADVICE.iter().find(|(is_meant, _)| is_meant(error)).map(|(_, advice)| *advice)
}

/// What could not be made durable.
pub(crate) fn not_durable(error: &CommitError) -> Failure {
    match error.class() {
        ErrorClass::Transient => Failure::new(FailureKind::Busy, chain_of(error))
            .safe("nothing was done")
            .advice("try again in a moment; if it goes on, look at the disk"),
        ErrorClass::Refused | ErrorClass::PeerFault | ErrorClass::Fatal => {
            Failure::new(FailureKind::SigningStopped, chain_of(error))
                .safe("nothing more is signed; closes are still watched and answered")
                .advice("look at the disk and the node's log, then restart the node")
        }
    }
}

/// A peer that was not reached.
pub(crate) fn unreachable(error: &ConnectError) -> Failure {
    let message = format!("the other node was not reached: {}", chain_of(error));
    let failure = match error.class() {
        ErrorClass::PeerFault => Failure::new(FailureKind::PeerMisbehaved, message),
        ErrorClass::Refused => Failure::new(FailureKind::Refused, message),
        ErrorClass::Transient | ErrorClass::Fatal => {
            Failure::new(FailureKind::PeerUnreachable, message)
        }
    };
    failure.safe("nothing was done").advice("check that it runs, and that its invite is not old")
}

/// An answer that did not come since the node stops.
pub(crate) fn stopping() -> Failure {
    Failure::new(FailureKind::NotReady, "the node is stopping")
        .advice("start it again; what was durable goes on")
}

/// An error with all its causes.
pub(crate) fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Why the other side said no.
pub(crate) fn reject_reason(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::InsufficientBalance => "there was not enough money in the channel",
        RejectReason::InvoiceRefused => {
            "the payee does not know the invoice, or it is expired, paid, or for another amount"
        }
        RejectReason::LockRefused => "a conditional payment breaks a limit",
        RejectReason::UnknownLock => "a conditional payment is not known",
        RejectReason::Mismatch => "the other node counts differently",
        RejectReason::WithdrawalOutstanding => "a withdrawal is outstanding",
        RejectReason::NotNow => "the channel takes no payments now",
        RejectReason::Policy => "the other node's policy does not allow it",
    }
}

/// Why a channel is frozen.
pub(crate) fn freeze_reason(reason: FreezeReason) -> &'static str {
    match reason {
        FreezeReason::InvariantBroken => {
            "one of this node's own promises did not hold; this is a bug, please report it"
        }
        FreezeReason::Equivocation => "the counterparty signed two states of one version",
        FreezeReason::Command => "the operator ordered it",
    }
}

/// How it came out that data was lost.
pub(crate) fn restore_reason(reason: RestoreReason) -> &'static str {
    match reason {
        RestoreReason::Import => "it was taken in from a backup",
        RestoreReason::OwnSignature => {
            "somebody showed a newer state with this node's own signature"
        }
    }
}
