//! How long to wait before a peer is dialed again.

use core::time::Duration;

/// Wait after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// Longest wait: a counterparty that is back is found within minutes.
const LONGEST: Duration = Duration::from_secs(120);

/// Doubles with each failure in a row, and never waits the same time twice: nodes that lost the same
/// relay must not come back to it all at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure. `random` is any number; the wait is between half and all of the step.
    pub(crate) fn failed(&mut self, random: u64) -> Duration {
        let step = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let millis = u64::try_from(step.as_millis()).unwrap_or(u64::MAX);
        let half = millis.div_euclid(2);
        let jitter = random.checked_rem(half.saturating_add(1)).unwrap_or(0);
        Duration::from_millis(half.saturating_add(jitter))
    }

    /// A session held: the next failure is a first one.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.failed(u64::MAX / 2).as_secs_f64()).collect();
        for (wait, step) in waits.iter().zip([1., 2., 4., 8., 16., 32., 64., 120., 120.]) {
            assert!((step / 2.0..=step).contains(wait), "{wait} for {step}");
        }
        backoff.succeeded();
        assert!(backoff.failed(0) <= FIRST);
    }

    #[test]
    fn two_nodes_do_not_wait_alike() {
        let mut one = Backoff { failures: 5 };
        let mut other = one;
        assert_ne!(one.failed(1), other.failed(2));
    }

    proptest! {
        #[test]
        fn no_number_of_failures_and_no_random_number_leaves_the_bounds(failures: u32, random: u64) {
            let wait = Backoff { failures }.failed(random);
            prop_assert!(wait >= FIRST / 2 && wait <= LONGEST);
        }
    }
}
