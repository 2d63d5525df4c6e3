//! Three clocks that must never be mixed: the chain's, the engine's, and block numbers.

use core::fmt;

/// The time that a contract judges by.
///
/// Units: seconds, from a block header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockTimestamp(pub u64);

impl BlockTimestamp {
    /// This time plus a number of seconds; none on overflow.
    pub fn checked_add_secs(self, secs: u64) -> Option<Self> {
        self.0.checked_add(secs).map(Self)
    }

    /// This time less a number of seconds, or zero.
    pub fn saturating_sub_secs(self, secs: u64) -> Self {
        Self(self.0.saturating_sub(secs))
    }

    /// Seconds from an earlier time to this one, or zero.
    pub fn secs_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for BlockTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Orders events on one chain; it does not measure time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockNumber(pub u64);

/// A block by number and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockPoint {
    /// Number of the block.
    pub number: BlockNumber,
    /// Its timestamp.
    pub timestamp: BlockTimestamp,
}

/// The driver's monotonic time, for peer timeouts only; it never decides what is signed.
///
/// Units: milliseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EngineTime(pub u64);

impl EngineTime {
    /// Milliseconds from an earlier time to this one, or zero.
    pub fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// How settled a fact of the chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finality {
    /// In the newest head; enough to act on a threat.
    Seen,
    /// Derived from data on L1, or justified.
    Safe,
    /// Irreversible; the only class that gives credit.
    Final,
}
