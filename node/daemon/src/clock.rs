//! The only place that asks what time it is.
#![allow(clippy::disallowed_methods, reason = "everybody else is handed the time by this module")]

use lockstep_core::time::EngineTime;
use lockstep_p2p::port::Clock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The engine's monotonic clock, for peer timeouts, and the wall clock, for people.
#[derive(Clone, Copy, Debug)]
pub struct EngineClock {
    started: Instant,
}

impl EngineClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// The wall clock. It is shown and logged; nothing is decided by it.
    ///
    /// Units: seconds since 1970.
    #[must_use]
    pub fn unix_secs(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

impl EngineClock {
    /// The monotonic clock, for the core.
    #[must_use]
    pub fn engine_time(&self) -> EngineTime {
        EngineTime(self.now_millis())
    }

    /// The monotonic clock, for measuring.
    ///
    /// Units: milliseconds since the start.
    #[must_use]
    pub fn now_millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Clock for EngineClock {
    fn now(&self) -> EngineTime {
        self.engine_time()
    }
}
