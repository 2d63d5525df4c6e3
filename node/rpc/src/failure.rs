//! Why a call was not done: a class for programs, a kind for callers, three sentences for people.
//!
//! The codes start at -32020, since the library's own (`-32000` to `-32011`) are about requests as such.

use lockstep_core::error::ErrorClass;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What went wrong, from a closed list.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum FailureKind {
    /// The request makes no sense here, for a reason of its own.
    Refused,
    /// No such channel.
    UnknownChannel,
    /// No such payment.
    UnknownPayment,
    /// No peer of that key.
    UnknownPeer,
    /// No offer of a channel waits under that id.
    UnknownOffer,
    /// More is wanted than there is.
    InsufficientFunds,
    /// The amount can't be taken: zero, too large, or below a limit.
    BadAmount,
    /// The text is no invite.
    BadInvite,
    /// The text is no invoice.
    BadInvoice,
    /// The invoice's time is over.
    InvoiceExpired,
    /// The invoice was paid before.
    InvoicePaid,
    /// It belongs to another chain or contract.
    WrongNetwork,
    /// It would pay this node itself, or open a channel with it.
    OwnNode,
    /// The channel is at another point of its life.
    WrongPhase,
    /// The channel signs nothing more.
    Frozen,
    /// The channel has lost data and only closes.
    Restored,
    /// The token is not on the list of those that this node takes.
    UnknownToken,
    /// The key was used for another request.
    IdempotencyConflict,
    /// A limit of the node or of its operator is reached.
    LimitReached,
    /// The counterparty said no.
    RejectedByPeer,
    /// Terms are outside of what the operator or the contract allows.
    BadTerms,
    /// A feature that this version, or the other side, does not have.
    NotSupported,
    /// The events from that index on are no longer kept.
    Pruned,
    /// A backup, proof file or other file can't be used.
    BadFile,
    /// The counterparty can't be reached.
    PeerUnreachable,
    /// The chain's endpoints do not answer, or not alike.
    ChainUnavailable,
    /// A queue is full.
    Busy,
    /// The node is still starting, or already stopping.
    NotReady,
    /// It took too long; it may still happen.
    TimedOut,
    /// The journal failed, so nothing more is signed.
    SigningStopped,
    /// Something that must not happen happened.
    Internal,
    /// The counterparty broke the protocol.
    PeerMisbehaved,
    /// The token is missing or not one of ours.
    Unauthorized,
    /// The token may not do this.
    Forbidden,
    /// The token's limit does not allow this much.
    SpendingLimit,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [Self; 35] = [
        Self::Refused,
        Self::UnknownChannel,
        Self::UnknownPayment,
        Self::UnknownPeer,
        Self::UnknownOffer,
        Self::InsufficientFunds,
        Self::BadAmount,
        Self::BadInvite,
        Self::BadInvoice,
        Self::InvoiceExpired,
        Self::InvoicePaid,
        Self::WrongNetwork,
        Self::OwnNode,
        Self::WrongPhase,
        Self::Frozen,
        Self::Restored,
        Self::UnknownToken,
        Self::IdempotencyConflict,
        Self::LimitReached,
        Self::RejectedByPeer,
        Self::BadTerms,
        Self::NotSupported,
        Self::Pruned,
        Self::BadFile,
        Self::PeerUnreachable,
        Self::ChainUnavailable,
        Self::Busy,
        Self::NotReady,
        Self::TimedOut,
        Self::SigningStopped,
        Self::Internal,
        Self::PeerMisbehaved,
        Self::Unauthorized,
        Self::Forbidden,
        Self::SpendingLimit,
    ];

    /// The JSON-RPC error code. -32020 to -32049 refused, -32050 to -32059 transient, -32060 to -32069
    /// fatal, -32070 the peer's fault, -32080 to -32089 the token's.
    pub fn code(self) -> i32 {
        match self {
            Self::Refused => -32_020,
            Self::UnknownChannel => -32_021,
            Self::UnknownPayment => -32_022,
            Self::UnknownPeer => -32_023,
            Self::UnknownOffer => -32_024,
            Self::InsufficientFunds => -32_025,
            Self::BadAmount => -32_026,
            Self::BadInvite => -32_027,
            Self::BadInvoice => -32_028,
            Self::InvoiceExpired => -32_029,
            Self::InvoicePaid => -32_030,
            Self::WrongNetwork => -32_031,
            Self::OwnNode => -32_032,
            Self::WrongPhase => -32_033,
            Self::Frozen => -32_034,
            Self::Restored => -32_035,
            Self::UnknownToken => -32_036,
            Self::IdempotencyConflict => -32_037,
            Self::LimitReached => -32_038,
            Self::RejectedByPeer => -32_039,
            Self::BadTerms => -32_040,
            Self::NotSupported => -32_041,
            Self::Pruned => -32_042,
            Self::BadFile => -32_043,
            Self::PeerUnreachable => -32_050,
            Self::ChainUnavailable => -32_051,
            Self::Busy => -32_052,
            Self::NotReady => -32_053,
            Self::TimedOut => -32_054,
            Self::SigningStopped => -32_060,
            Self::Internal => -32_061,
            Self::PeerMisbehaved => -32_070,
            Self::Unauthorized => -32_080,
            Self::Forbidden => -32_081,
            Self::SpendingLimit => -32_082,
        }
    }

    /// The kind of a code.
    pub fn of_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// What a caller does about it.
    pub fn class(self) -> ErrorClass {
        match self {
            Self::Refused
            | Self::UnknownChannel
            | Self::UnknownPayment
            | Self::UnknownPeer
            | Self::UnknownOffer
            | Self::InsufficientFunds
            | Self::BadAmount
            | Self::BadInvite
            | Self::BadInvoice
            | Self::InvoiceExpired
            | Self::InvoicePaid
            | Self::WrongNetwork
            | Self::OwnNode
            | Self::WrongPhase
            | Self::Frozen
            | Self::Restored
            | Self::UnknownToken
            | Self::IdempotencyConflict
            | Self::LimitReached
            | Self::RejectedByPeer
            | Self::BadTerms
            | Self::NotSupported
            | Self::Pruned
            | Self::BadFile
            | Self::Unauthorized
            | Self::Forbidden
            | Self::SpendingLimit => ErrorClass::Refused,
            Self::PeerUnreachable
            | Self::ChainUnavailable
            | Self::Busy
            | Self::NotReady
            | Self::TimedOut => ErrorClass::Transient,
            Self::SigningStopped | Self::Internal => ErrorClass::Fatal,
            Self::PeerMisbehaved => ErrorClass::PeerFault,
        }
    }
}

/// The name of a class in JSON.
pub fn class_name(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::PeerFault => "peerFault",
        ErrorClass::Refused => "refused",
        ErrorClass::Transient => "transient",
        ErrorClass::Fatal => "fatal",
    }
}

/// Why a call was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// From the closed list.
    pub kind: FailureKind,
    /// What happened, without a full stop: "channel 0x12.. is not open yet".
    pub message: String,
    /// What is safe: "nothing was paid".
    pub safe: Option<String>,
    /// What to do: "wait until `lockstep channels` shows it as open".
    pub advice: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Failure {
    /// What happened.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), safe: None, advice: None }
    }

    /// With what is safe.
    #[must_use]
    pub fn safe(mut self, safe: impl Into<String>) -> Self {
        self.safe = Some(safe.into());
        self
    }

    /// With what to do.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        self.kind.class()
    }
}

/// What the error object of an answer holds in `data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureData {
    /// What went wrong.
    pub kind: FailureKind,
    /// `refused`, `transient`, `fatal` or `peerFault`.
    pub class: String,
    /// What is safe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safe: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl From<&Failure> for FailureData {
    fn from(failure: &Failure) -> Self {
        Self {
            kind: failure.kind,
            class: class_name(failure.class()).to_owned(),
            safe: failure.safe.clone(),
            advice: failure.advice.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_a_code_of_its_own_in_the_range_of_its_class() {
        let codes: BTreeSet<_> = FailureKind::ALL.into_iter().map(FailureKind::code).collect();
        assert_eq!(codes.len(), FailureKind::ALL.len());
        for kind in FailureKind::ALL {
            let class = match kind.code() {
                -32_049..=-32_020 | -32_089..=-32_080 => ErrorClass::Refused,
                -32_059..=-32_050 => ErrorClass::Transient,
                -32_069..=-32_060 => ErrorClass::Fatal,
                -32_070 => ErrorClass::PeerFault,
                other => panic!("{kind:?} has code {other}"),
            };
            assert_eq!(kind.class(), class, "{kind:?}");
            assert_eq!(FailureKind::of_code(kind.code()), Some(kind));
        }
    }

    #[test]
    fn names_in_json_are_those_of_the_kinds() {
        assert_eq!(
            serde_json::to_value(FailureKind::InvoiceExpired).unwrap(),
            serde_json::json!("invoiceExpired")
        );
    }
}
