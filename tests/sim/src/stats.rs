//! What a run, or many, went through.

use std::collections::BTreeMap;
use std::fmt;

/// Named counters, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats(BTreeMap<String, u64>);

impl Stats {
    /// Counts one.
    pub fn count(&mut self, what: &str) {
        self.add(what, 1);
    }

    /// Counts several.
    pub fn add(&mut self, what: &str, times: u64) {
        if let Some(known) = self.0.get_mut(what) {
            *known += times;
        } else {
            self.0.insert(what.to_owned(), times);
        }
    }

    /// How often something was counted.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            self.add(what, *times);
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in &self.0 {
            writeln!(f, "  {what:<40} {times:>12}")?;
        }
        Ok(())
    }
}
