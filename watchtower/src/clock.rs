//! The only place of the tower that asks what time it is: for limits and heartbeats. Promises are dated by
//! the chain.
#![allow(clippy::disallowed_methods, reason = "everybody else is handed the time by this module")]

use std::time::Instant;

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

impl Clock for TowerClock {
    fn now(&self) -> EngineTime {
        EngineTime(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
