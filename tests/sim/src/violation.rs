//! What a failing seed reports.

use std::fmt::Debug;

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{property}: {detail}")]
pub struct Violation {
    /// The property's number, or a word for what has none.
    pub property: &'static str,
    /// What was found.
    pub detail: String,
}

/// Something that either holds or ends the run.
pub type Checked<T> = Result<T, Violation>;

/// Ends the run unless a property holds.
///
/// # Errors
/// If it does not.
pub fn ensure(holds: bool, property: &'static str, detail: impl FnOnce() -> String) -> Checked<()> {
    if holds { Ok(()) } else { Err(Violation { property, detail: detail() }) }
}

/// A step of the simulator's own scenery that must work.
///
/// # Errors
/// If it did not.
pub fn expect<T, E: Debug>(result: Result<T, E>, what: &'static str) -> Checked<T> {
    result.map_err(|error| Violation { property: what, detail: format!("{error:?}") })
}
