//! The only place of the tower that asks what time it is: for limits and heartbeats. Promises are dated by
//! the chain.
#![allow(clippy::disallowed_methods, reason = "everybody else is handed the time by this module")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use lockstep_core::time::EngineTime;
use lockstep_p2p::port::Clock;

/// A monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct TowerClock {
    started: Instant,
}

impl TowerClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

/// Wall-clock time, for what people read. Units: seconds since 1970.
pub(crate) fn unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Clock for TowerClock {
    fn now(&self) -> EngineTime {
        EngineTime(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
