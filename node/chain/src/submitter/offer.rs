//! What a transaction offers when endpoints differ about the market: every price from the least that may be
//! right to the most, in few steps, so that whichever endpoint is honest has one that it takes.

use super::fee::{Fees, Window};
use super::gas::{Bounds, Need};
use super::lane::Content;
use super::now::{Market, Now};
use crate::call::Payload;
use alloy_primitives::U256;
use lockstep_core::money::Amount;

/// Prices that differ by no more than this are one price; else each rung is this many times the last one.
const RUNG: u128 = 4;

/// What is sent, and what it may cost.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) content: Content,
    pub(super) payload: Payload,
    pub(super) max_cost: Amount,
    /// The time it has, if it is urgent.
    pub(super) window: Option<Window>,
    /// What was offered before, also by an earlier run. Units: wei per gas.
    pub(super) floor: u128,
    pub(super) bounds: Bounds,
}

impl Job {
    /// The most per gas that the budget allows.
    pub(super) fn cap(&self, need: &Need) -> u128 {
        need.per_gas(self.max_cost.to_u256())
    }

    /// What to offer now, by the higher of what endpoints say: never less than was offered before.
    pub(super) fn offer(&self, need: &Need, now: &Now) -> Fees {
        let wanted = self.offer_in(need, &now.most);
        Fees { max_fee: wanted.max_fee.max(self.floor), priority: wanted.priority }
    }

    /// From the least that may be enough to the most that may be needed.
    pub(super) fn range(&self, need: &Need, now: &Now) -> Range {
        Range { least: self.offer_in(need, &now.least), most: self.offer(need, now) }
    }

    fn offer_in(&self, need: &Need, market: &Market) -> Fees {
        let cap = self.cap(need);
        let wanted = match self.window {
            Some(window) => window.ladder(market.fees, cap, market.time),
            None => market.fees.capped(cap),
        };
        wanted.up_to(cap)
    }
}

/// Offers between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) least: Fees,
    pub(super) most: Fees,
}

impl Range {
    /// At least this, both of it.
    pub(super) fn at_least(self, fees: Fees) -> Self {
        Self { least: self.least.max(fees), most: self.most.max(fees) }
    }

    /// At most this.
    pub(super) fn capped(self, cap: u128) -> Self {
        Self { least: self.least.capped(cap), most: self.most.capped(cap) }
    }

    /// Raised to a budget where no step would fit below it.
    pub(super) fn up_to(self, cap: u128) -> Self {
        Self { least: self.least.up_to(cap), most: self.most.up_to(cap) }
    }

    /// What to send one after the other. A single one, unless endpoints differ widely: then the lowest first,
    /// since a pool that knows better refuses what the account can't pay, and keeps the one before.
    pub(super) fn rungs(self) -> Vec<Fees> {
        let mut rungs = Vec::new();
        let mut next = self.least;
        while next.max_fee.saturating_mul(RUNG) < self.most.max_fee {
            rungs.push(next);
            let up = |fee: u128, most: u128| fee.saturating_mul(RUNG).min(most);
            let far = Fees {
                max_fee: up(next.max_fee, self.most.max_fee),
                priority: up(next.priority, self.most.priority),
            };
            next = next.next_step().max(far);
        }
        let last = match rungs.last() {
            Some(before) => self.most.max(before.next_step()).capped(self.most.max_fee),
            None => self.most,
        };
        rungs.push(last);
        rungs
    }
}

impl Need {
    /// What an amount buys. Units: wei per gas, of wei.
    pub(super) fn per_gas(&self, funds: U256) -> u128 {
        let for_gas = funds.saturating_sub(self.data_fee);
        let per_gas = for_gas.checked_div(U256::from(self.gas)).unwrap_or_default();
        u128::try_from(per_gas).unwrap_or(u128::MAX)
    }

    /// What it costs at a price. Units: wei.
    pub(super) fn cost(&self, max_fee: u128) -> U256 {
        let gas = U256::from(self.gas).saturating_mul(U256::from(max_fee));
        gas.saturating_add(self.data_fee)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fees(max_fee: u128, priority: u128) -> Fees {
        Fees { max_fee, priority }
    }

    #[test]
    fn p73_p76_each_rung_replaces_the_last_and_every_price_between_is_within_reach() {
        for (least, most) in [
            (fees(1_000, 1_000), fees(u128::MAX, u128::MAX)),
            (fees(0, 0), fees(5_000_000_000, 1_000)),
            (fees(21_000, 1_000), fees(1 << 90, 2_000)),
        ] {
            let rungs = Range { least, most }.rungs();
            assert!(rungs.len() <= 70, "{}", rungs.len());
            assert_eq!(rungs[0], least);
            assert_eq!(rungs[rungs.len() - 1].max_fee, most.max_fee);
            for pair in rungs.windows(2) {
                assert!(pair[1].replaces(pair[0]), "{pair:?}");
                assert!(
                    pair[1].max_fee <= pair[0].max_fee.saturating_mul(RUNG * 4).max(4),
                    "{pair:?}"
                );
                assert!(pair[1].priority <= pair[1].max_fee, "{pair:?}");
            }
        }
    }

    #[test]
    fn endpoints_that_nearly_agree_cost_one_transaction() {
        let range = Range { least: fees(100, 2), most: fees(400, 2) };
        assert_eq!(range.rungs(), [fees(400, 2)]);
        let same = Range { least: fees(7, 7), most: fees(7, 7) };
        assert_eq!(same.rungs(), [fees(7, 7)]);
    }
}
