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

    /// What to offer at a time: the market's at the start, the whole budget from half of the window on, in
    /// between in a straight line (P76).
    pub(crate) fn ladder(self, market: Fees, cap: u128, now: BlockTimestamp) -> Fees {
        let passed = u128::from(now.secs_since(self.opened)).saturating_mul(2).min(self.length());
        let climb = |from: u128| {
            let room = cap.saturating_sub(from);
            // Divided first where the product would overflow: it then only rounds down.
            let part = room.checked_mul(passed).map_or_else(
                || room.checked_div(self.length()).unwrap_or(0).saturating_mul(passed),
                |product| product.checked_div(self.length()).unwrap_or(0),
            );
            from.saturating_add(part)
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
        assert_eq!(window.ladder(market, 1_022, at(1_250)).max_fee, 522);
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
    fn a_budget_below_the_market_is_the_offer() {
        let window = Window { opened: at(0), closes: at(100) };
        let fees = window.ladder(Fees::market(100, 50), 30, at(10));
        assert_eq!(fees, Fees { max_fee: 30, priority: 30 });
    }
}
