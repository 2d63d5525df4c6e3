//! What goes wrong: one line that says what, one that says what is safe and what to do, and an exit code.

use crate::config::ConfigError;
use lockstep_core::error::ErrorClass;
use lockstep_rpc::client::ClientError;
use lockstep_rpc::failure::{Failure, class_name};
use serde_json::{Value, json};
use std::error::Error;

/// Done.
pub(super) const OK: u8 = 0;
/// Failed.
pub(super) const FAILED: u8 = 1;
/// The arguments make no sense.
pub(super) const USAGE: u8 = 2;
/// Refused: it will not work without a change.
pub(super) const REFUSED: u8 = 3;
/// It may work later.
pub(super) const TRANSIENT: u8 = 4;
/// The node's own promises may be broken.
pub(super) const FATAL: u8 = 5;

/// Why a command was not done.
#[derive(Debug)]
pub(super) struct CliError {
    code: u8,
    /// `refused` and so on; the kind of a node's failure is more exact.
    word: String,
    message: String,
    safe: Option<String>,
    advice: Option<String>,
}

impl CliError {
    /// It will not work without a change.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::of_class(ErrorClass::Refused, message)
    }

    /// Something failed that is nobody's fault.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { code: FAILED, ..Self::of_class(ErrorClass::Refused, message) }.word("failed")
    }

    pub(super) fn of_class(class: ErrorClass, message: impl Into<String>) -> Self {
        Self {
            code: code_of(class),
            word: class_name(class).to_owned(),
            message: message.into(),
            safe: None,
            advice: None,
        }
    }

    /// An error of one of our own modules, with everything that it says about its causes.
    pub(super) fn of(class: ErrorClass, error: &dyn Error) -> Self {
        Self::of_class(class, with_sources(error))
    }

    /// The arguments make no sense, in a way that the parser does not see.
    pub(super) fn usage() -> Self {
        Self { code: USAGE, ..Self::refused("these arguments make no sense together") }
            .word("usage")
    }

    pub(super) fn no_home() -> Self {
        Self::refused("there is no home folder").advice("give the data folder with --data-dir")
    }

    /// There is nobody left to tell.
    pub(super) fn silent() -> Self {
        Self { code: FAILED, ..Self::refused("") }
    }

    pub(super) fn is_silent(&self) -> bool {
        self.message.is_empty()
    }

    fn word(mut self, word: &str) -> Self {
        word.clone_into(&mut self.word);
        self
    }

    /// With what is safe.
    pub(super) fn safe(mut self, safe: impl Into<String>) -> Self {
        self.safe = Some(safe.into());
        self
    }

    /// With what to do.
    pub(super) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    pub(super) fn exit_code(&self) -> u8 {
        self.code
    }

    /// For people.
    pub(super) fn to_text(&self) -> String {
        let mut text = format!("error: {}\n", self.message);
        for (word, sentence) in [("safe", &self.safe), ("to do", &self.advice)] {
            if let Some(sentence) = sentence {
                text.push_str(&format!("{word}: {sentence}\n"));
            }
        }
        text
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        json!({ "error": {
            "kind": self.word,
            "message": self.message,
            "safe": self.safe,
            "advice": self.advice,
            "exitCode": self.code,
        } })
    }
}

fn code_of(class: ErrorClass) -> u8 {
    match class {
        ErrorClass::PeerFault => FAILED,
        ErrorClass::Refused => REFUSED,
        ErrorClass::Transient => TRANSIENT,
        ErrorClass::Fatal => FATAL,
    }
}

/// An error and its causes in one line.
pub(super) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some errors repeat their cause.
        if !text.contains(said.trim()) {
            text.push_str(": ");
            text.push_str(said.trim());
        }
        cause = error.source();
    }
    text
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        let kind = serde_json::to_value(failure.kind).ok();
        let word = kind.as_ref().and_then(Value::as_str).unwrap_or("failed").to_owned();
        Self {
            code: code_of(failure.class()),
            word,
            message: failure.message,
            safe: failure.safe,
            advice: failure.advice,
        }
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let class = error.class();
        match error {
            ClientError::Refused(failure) => failure.into(),
            ClientError::Unreachable { .. } => Self::of(class, &error)
                .safe("nothing was done")
                .advice("start it with `lockstep node`, or name its folder with --data-dir"),
            ClientError::Unauthorized { .. } | ClientError::BadToken => Self::of(class, &error)
                .safe("nothing was done")
                .advice("another node may listen there, or the token was revoked"),
            ClientError::TimedOut => Self::of(class, &error)
                .safe("what was ordered may still happen")
                .advice("look at `lockstep status` before you order it again"),
            ClientError::Protocol { .. } | ClientError::Unreadable => Self::of(class, &error)
                .advice("the node may be of another version than this command"),
        }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::of(error.class(), &error)
            .safe("nothing was done")
            .advice("`lockstep config` lists the options")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_rpc::FailureKind;

    #[test]
    fn every_class_of_failure_has_its_exit_code() {
        for (kind, code) in [
            (FailureKind::InsufficientFunds, 3),
            (FailureKind::Unauthorized, 3),
            (FailureKind::PeerUnreachable, 4),
            (FailureKind::SigningStopped, 5),
            (FailureKind::PeerMisbehaved, 1),
        ] {
            assert_eq!(CliError::from(Failure::new(kind, "x")).exit_code(), code, "{kind:?}");
        }
        assert_eq!(CliError::usage().exit_code(), 2);
    }

    #[test]
    fn an_error_is_one_line_that_says_what_and_two_that_help() {
        let failure =
            Failure::new(FailureKind::InsufficientFunds, "0.4 ETH can be paid, 1 ETH is wanted")
                .safe("nothing was paid")
                .advice("deposit more");
        let error = CliError::from(failure);
        assert_eq!(
            error.to_text(),
            "error: 0.4 ETH can be paid, 1 ETH is wanted\nsafe: nothing was paid\nto do: deposit more\n"
        );
        assert_eq!(error.to_json()["error"]["kind"], "insufficientFunds");
        assert_eq!(error.to_json()["error"]["exitCode"], 3);
    }

    #[test]
    fn causes_are_said_and_not_said_twice() {
        let error = ConfigError::Unreadable {
            path: "a.toml".into(),
            source: std::io::Error::other("disk on fire"),
        };
        assert_eq!(
            CliError::from(error).message,
            "configuration a.toml can't be read: disk on fire"
        );
    }
}
