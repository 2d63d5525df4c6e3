//! What a transaction offers: with the market, up a ladder as its deadline nears, never down, within a budget.

use lockstep_core::time::BlockTimestamp;

/// Units: wei per gas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    /// The most that is paid.
    pub max_fee: u128,
    /// Of it, to whoever builds the block.
    pub priority: u128,
}

/// A replacement pays at least this much more of both, in eighths: 12.5 %, above what pools ask for (10 %).
const STEP_EIGHTHS: u128 = 9;
/// The base fee may double before the transaction is priced out: six full blocks on Ethereum.
const BASE_FEE_HEADROOM: u128 = 2;

impl Fees {
    /// What the market asks now.
    pub(crate) fn market(base_fee: u128, priority: u128) -> Self {
        let max_fee = base_fee.saturating_mul(BASE_FEE_HEADROOM).saturating_add(priority);
        Self { max_fee, priority }
    }

    /// The least that replaces these fees (P76).
    pub(crate) fn next_step(self) -> Self {
        let up =
            |fee: u128| fee.saturating_mul(STEP_EIGHTHS).div_ceil(8).max(fee.saturating_add(1));
        Self { max_fee: up(self.max_fee), priority: up(self.priority) }
    }

    /// Whether a pool that holds `old` takes these instead.
    #[cfg(test)]
    pub(crate) fn replaces(self, old: Self) -> bool {
        let least = old.next_step();
        self.max_fee >= least.max_fee && self.priority >= least.priority
    }

    /// The higher of each.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            max_fee: self.max_fee.max(other.max_fee),
            priority: self.priority.max(other.priority),
        }
    }

    /// All of a budget where less would leave no room for another step: the last replacement must reach it.
    pub(crate) fn up_to(self, cap: u128) -> Self {
        let last = cap.checked_div(STEP_EIGHTHS).unwrap_or(0).saturating_mul(8);
        let is_last = self.max_fee > last && self.max_fee < cap;
        if is_last { Self { max_fee: cap, ..self } } else { self }
    }

    /// At most this.
    pub(crate) fn capped(self, cap: u128) -> Self {
        let max_fee = self.max_fee.min(cap);
        Self { max_fee, priority: self.priority.min(max_fee) }
    }
}

/// The time that a call has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) opened: BlockTimestamp,
    pub(crate) closes: BlockTimestamp,
}

impl Window {
    fn length(self) -> u128 {
        u128::from(self.closes.secs_since(self.opened)).max(1)
    }

    /// Whether half of it has passed.
    pub(crate) fn is_half_over(self, now: BlockTimestamp) -> bool {
        u128::from(now.secs_since(self.opened)).saturating_mul(2) >= self.length()
    }

    /// Whether a quarter of it has passed.
    pub(crate) fn is_quarter_over(self, now: BlockTimestamp) -> bool {
        u128::from(now.secs_since(self.opened)).saturating_mul(4) >= self.length()
    }

    /// What to offer at a time: the market's at the start, the whole budget from half of the window on (P76).
    ///
    /// In between it doubles at even intervals, in a straight line from one doubling to the next. The budget
    /// may be thousands of times the market: a single line up to it would pay a multiple for the first minutes.
    pub(crate) fn ladder(self, market: Fees, cap: u128, now: BlockTimestamp) -> Fees {
        let passed = u128::from(now.secs_since(self.opened)).saturating_mul(2).min(self.length());
        let climb = |from: u128| {
            if passed == self.length() {
                return cap;
            }
            let doublings = cap.checked_div(from.max(1)).unwrap_or(0).checked_ilog2().unwrap_or(0);
            let progress = passed.saturating_mul(u128::from(doublings));
            let whole = progress.checked_div(self.length()).unwrap_or(0);
            let rest = progress.checked_rem(self.length()).unwrap_or(0);
            let step = u32::try_from(whole).ok().and_then(|whole| 1_u128.checked_shl(whole));
            let base = from.max(1).saturating_mul(step.unwrap_or(u128::MAX));
            // Divided first where the product would overflow: it then only rounds down.
            let part = base.checked_mul(rest).map_or_else(
                || base.checked_div(self.length()).unwrap_or(0).saturating_mul(rest),
                |product| product.checked_div(self.length()).unwrap_or(0),
            );
            base.saturating_add(part)
        };
        Fees { max_fee: climb(market.max_fee), priority: climb(market.priority) }.capped(cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> BlockTimestamp {
        BlockTimestamp(secs)
    }

    #[test]
    fn p76_each_step_is_at_least_one_eighth_and_never_stands_still() {
        for fee in [0, 1, 7, 8, 1_000_000_007, u128::MAX / 2] {
            let old = Fees { max_fee: fee, priority: fee };
            let next = old.next_step();
            assert!(next.replaces(old), "{fee}");
            assert!(!old.replaces(old), "{fee}");
            assert!(next.max_fee.saturating_mul(8) >= fee.saturating_mul(9), "{fee}");
            let short = Fees { max_fee: next.max_fee - 1, ..next };
            assert!(!short.replaces(old), "{fee}");
        }
    }

    #[test]
    fn p76_the_ladder_reaches_the_cap_at_half_of_the_window_and_never_passes_it() {
        let window = Window { opened: at(1_000), closes: at(2_000) };
        let market = Fees::market(10, 2);
        assert_eq!(market, Fees { max_fee: 22, priority: 2 });
        assert_eq!(window.ladder(market, 1_022, at(1_000)), market);
        // Half of the way up is five doublings' half: twice doubled, and half of the third.
        assert_eq!(window.ladder(market, 1_022, at(1_250)).max_fee, 22 * 4 * 3 / 2);
        for late in [1_500, 1_999, 5_000] {
            assert_eq!(window.ladder(market, 1_022, at(late)).max_fee, 1_022);
        }
        let mut before = 0;
        for now in 1_000..2_000 {
            let fee = window.ladder(market, u128::MAX / 3, at(now)).max_fee;
            assert!(fee >= before && fee <= u128::MAX / 3, "at {now}");
            before = fee;
        }
        assert!(!window.is_half_over(at(1_499)) && window.is_half_over(at(1_500)));
    }

    #[test]
    fn p76_a_budget_far_above_the_market_is_not_spent_in_the_first_hour_of_a_day() {
        let window = Window { opened: at(0), closes: at(86_400) };
        let market = Fees::market(10_000_000_000, 1_000_000_000);
        // Fifty coins for 100,000 gas.
        let cap = 500_000_000_000_000;
        let hour = window.ladder(market, cap, at(3_600));
        assert!(hour.priority <= 4 * market.priority, "{hour:?}");
        assert!(hour.max_fee > market.max_fee, "{hour:?}");
        assert_eq!(window.ladder(market, cap, at(43_200)).max_fee, cap);
    }

    #[test]
    fn p76_the_last_step_reaches_the_whole_budget() {
        let cap = 9_000;
        for (offer, becomes) in [(8_000, 8_000), (8_001, cap), (8_999, cap), (cap, cap), (10, 10)] {
            let fees = Fees { max_fee: offer, priority: 1 };
            assert_eq!(fees.up_to(cap).max_fee, becomes);
            assert!(fees.next_step().max_fee <= cap || offer > 8_000);
        }
    }

    #[test]
    fn a_budget_below_the_market_is_the_offer() {
        let window = Window { opened: at(0), closes: at(100) };
        let fees = window.ladder(Fees::market(100, 50), 30, at(10));
        assert_eq!(fees, Fees { max_fee: 30, priority: 30 });
    }
}
