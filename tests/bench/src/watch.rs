//! The clock of the benchmark: the only place that reads it.

use std::time::{Duration, Instant};

/// A running stop watch.
#[derive(Clone, Copy, Debug)]
pub struct Watch(Instant);

impl Watch {
    /// Starts.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Time since the start. Units: seconds.
    #[must_use]
    pub fn secs(&self) -> f64 {
        self.elapsed().as_secs_f64()
    }
}

/// How long something takes. Units: seconds.
pub fn time<T>(act: impl FnOnce() -> T) -> (T, f64) {
    let watch = Watch::start();
    let done = act();
    (done, watch.secs())
}
