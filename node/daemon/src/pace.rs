//! When a task looks again.
//!
//! What a task is told meanwhile must not put its look off: one that is told something often would never look.

use core::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The time of a task's next look.
#[derive(Debug)]
pub(crate) struct Pace(Instant);

impl Pace {
    /// At once.
    pub(crate) fn at_once() -> Self {
        Self(Instant::now())
    }

    /// So long from now.
    pub(crate) fn after(pause: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(pause).unwrap_or(now))
    }

    /// Waits for it. Whoever stops waiting and waits again waits for the same time.
    pub(crate) async fn due(&self) {
        sleep_until(self.0).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn p70_a_task_that_is_told_something_all_the_time_looks_all_the_same() {
        let pace = Pace::after(Duration::from_millis(200));
        for told in 0_u32.. {
            tokio::select! {
                () = pace.due() => break,
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
            assert!(told < 10_000, "it never looks");
        }
    }
}
