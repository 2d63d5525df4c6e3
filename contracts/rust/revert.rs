//! Why a call failed, as a value and in plain words: what is the case, and what to do about it.

use crate::bindings::DepositBox::DepositBoxErrors;
use crate::bindings::PaymentChannel::PaymentChannelErrors;
use alloy_primitives::{Bytes, FixedBytes, U256};
use alloy_sol_types::{Panic, Revert as RevertReason, SolError, SolInterface};
use core::fmt;

mod words;

/// What a failed call returned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Revert {
    /// A custom error of the channel contract.
    Channel(PaymentChannelErrors),
    /// A custom error of a deposit box.
    DepositBox(DepositBoxErrors),
    /// The compiler's own check failed: a bug, or a token that answers nonsense.
    Panic(U256),
    /// A sentence, as tokens and wallets give it.
    Message(String),
    /// Nothing: out of gas, or a call to something that is no contract.
    Empty,
    /// Data of no error that this version knows.
    Unknown(Bytes),
}

impl Revert {
    /// Reads the data of a failed call; there is no data that it cannot name in some way.
    pub fn decode(data: &[u8]) -> Self {
        if data.is_empty() {
            return Self::Empty;
        }
        if let Ok(error) = PaymentChannelErrors::abi_decode_validate(data) {
            return Self::Channel(error);
        }
        if let Ok(error) = DepositBoxErrors::abi_decode_validate(data) {
            return Self::DepositBox(error);
        }
        if let Ok(panic) = Panic::abi_decode_validate(data) {
            return Self::Panic(panic.code);
        }
        match RevertReason::abi_decode_validate(data) {
            Ok(reason) => Self::Message(reason.reason),
            Err(_) => Self::Unknown(data.to_vec().into()),
        }
    }

    /// What whoever made the call should do now.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Channel(error) => words::advice(error),
            Self::DepositBox(_) => "call sweep on the channel contract; it empties the box",
            Self::Panic(_) => "do not repeat the call; look at the token contract and report this",
            Self::Message(_) => "act on what the token or wallet says",
            Self::Empty => "check the address, then send again with more gas",
            Self::Unknown(_) => "check that the address is the deployment that is meant",
        }
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(error) => words::describe(error, f),
            Self::DepositBox(DepositBoxErrors::NotChannelContract(error)) => {
                write!(f, "{} is not the channel contract of this box", error.caller)
            }
            Self::Panic(code) => write!(f, "a check of the compiler failed with code {code}"),
            // Foreign text: escaped and cut, so that it cannot forge lines of a log.
            Self::Message(text) => {
                let shown: String = text.chars().take(MAX_FOREIGN_CHARS).collect();
                write!(f, "called contract says {shown:?}")
            }
            Self::Empty => f.write_str("call failed without saying why"),
            Self::Unknown(data) => {
                let shown = data.get(..data.len().min(MAX_FOREIGN_BYTES)).unwrap_or_default();
                write!(f, "unknown error {}", alloy_primitives::hex::encode_prefixed(shown))
            }
        }
    }
}

/// As much of another contract's sentence as is shown.
const MAX_FOREIGN_CHARS: usize = 128;
/// As much of unknown data as is shown: a selector and one word.
const MAX_FOREIGN_BYTES: usize = 36;

/// What became of one item of `challengeCloseBatch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BatchOutcome {
    /// The challenge, or an identical one, is stored.
    Done,
    /// It was skipped for an error of the channel contract.
    Skipped(&'static str),
    /// It was skipped, and the failed call did not say why.
    SkippedSilently,
    /// It was skipped for an error that this version does not know.
    SkippedUnknown(FixedBytes<4>),
}

/// The selector that stands for "failed without an error".
const NO_REASON: [u8; 4] = [0xff; 4];

impl BatchOutcome {
    /// Reads one of the reasons that the batch returns, or the one of `ChallengeSkipped`.
    pub fn from_reason(reason: FixedBytes<4>) -> Self {
        if reason.is_zero() {
            return Self::Done;
        }
        if reason.0 == NO_REASON {
            return Self::SkippedSilently;
        }
        match PaymentChannelErrors::name_by_selector(reason.0) {
            Some(name) => Self::Skipped(name),
            None => Self::SkippedUnknown(reason),
        }
    }
}

#[cfg(test)]
mod tests;
