//! A token bucket: what may happen per second, and in a burst.

use lockstep_core::time::EngineTime;

/// Thousandths of a token, so that a millisecond of a slow rate still counts.
const MILLI: u64 = 1_000;

/// Refills by `rate` tokens a second up to `capacity`.
///
/// It may go into debt by one charge: what has already arrived is paid for by waiting, and nothing that
/// is larger than the whole bucket blocks for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    rate: u64,
    capacity_milli: u64,
    balance_milli: u64,
    debt_milli: u64,
    refilled: EngineTime,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(rate: u64, burst_secs: u64, now: EngineTime) -> Self {
        // A rate of zero would make a debt last for ever.
        let rate = rate.max(1);
        let capacity_milli = rate.saturating_mul(burst_secs.max(1)).saturating_mul(MILLI);
        Self { rate, capacity_milli, balance_milli: capacity_milli, debt_milli: 0, refilled: now }
    }

    /// Takes tokens and says how long to wait before going on.
    ///
    /// Units: milliseconds, 0 where there were enough.
    pub(crate) fn charge(&mut self, tokens: u64, now: EngineTime) -> u64 {
        self.refill(now);
        let cost = tokens.saturating_mul(MILLI);
        let paid = cost.min(self.balance_milli);
        self.balance_milli = self.balance_milli.saturating_sub(paid);
        self.debt_milli = self.debt_milli.saturating_add(cost.saturating_sub(paid));
        self.debt_milli.div_ceil(self.rate)
    }

    /// Takes tokens if there are enough, else none.
    pub(crate) fn try_take(&mut self, tokens: u64, now: EngineTime) -> bool {
        self.refill(now);
        let cost = tokens.saturating_mul(MILLI);
        let enough = self.debt_milli == 0 && self.balance_milli >= cost;
        if enough {
            self.balance_milli = self.balance_milli.saturating_sub(cost);
        }
        enough
    }

    /// Whether it holds all that it can, so that a new one would be the same.
    pub(crate) fn is_full(&mut self, now: EngineTime) -> bool {
        self.refill(now);
        self.debt_milli == 0 && self.balance_milli == self.capacity_milli
    }

    /// A thousandth of a token per millisecond for each token per second. Time that goes back refills
    /// nothing (P57).
    fn refill(&mut self, now: EngineTime) {
        let gained = now.millis_since(self.refilled).saturating_mul(self.rate);
        self.refilled = self.refilled.max(now);
        let repaid = gained.min(self.debt_milli);
        self.debt_milli = self.debt_milli.saturating_sub(repaid);
        let rest = gained.saturating_sub(repaid);
        self.balance_milli = self.balance_milli.saturating_add(rest).min(self.capacity_milli);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> EngineTime {
        EngineTime(ms)
    }

    #[test]
    fn p62_a_burst_is_free_and_what_follows_waits() {
        let mut bucket = TokenBucket::new(10, 2, at(0));
        assert_eq!(bucket.charge(20, at(0)), 0);
        assert_eq!(bucket.charge(1, at(0)), 100);
        assert_eq!(bucket.charge(1, at(100)), 100);
        assert_eq!(bucket.charge(0, at(200)), 0);
        assert_eq!(bucket.charge(20, at(60_000)), 0);
    }

    #[test]
    fn p62_a_charge_above_the_capacity_waits_but_not_for_ever() {
        let mut bucket = TokenBucket::new(10, 1, at(0));
        assert_eq!(bucket.charge(110, at(0)), 10_000);
        assert_eq!(bucket.charge(0, at(10_000)), 0);
    }

    #[test]
    fn p57_time_that_goes_back_gives_nothing() {
        let mut bucket = TokenBucket::new(10, 1, at(5_000));
        assert!(bucket.try_take(10, at(5_000)));
        assert!(!bucket.try_take(1, at(0)));
        assert!(!bucket.try_take(1, at(5_000)));
        assert!(bucket.try_take(1, at(5_100)));
    }

    #[test]
    fn a_rate_of_zero_still_ends_a_wait() {
        assert_eq!(TokenBucket::new(0, 0, at(0)).charge(2, at(0)), 1_000);
    }

    proptest! {
        #[test]
        fn p62_whoever_waits_as_told_never_gets_more_than_rate_and_burst(
            rate in 1u64..1_000,
            burst in 1u64..5,
            charges in proptest::collection::vec(1u64..500, 1..100),
        ) {
            let mut bucket = TokenBucket::new(rate, burst, at(0));
            let (mut now, mut through) = (0, 0);
            for charge in charges {
                now += bucket.charge(charge, at(now));
                through += charge;
                prop_assert!(through * 1_000 <= rate * burst * 1_000 + rate * now);
            }
        }

        #[test]
        fn p67_no_charge_and_no_time_overflows(rate: u64, burst: u64, steps: Vec<(u64, u64)>) {
            let mut bucket = TokenBucket::new(rate, burst, at(0));
            for (tokens, now) in steps {
                bucket.charge(tokens, at(now));
                bucket.try_take(tokens, at(now));
            }
        }
    }
}
