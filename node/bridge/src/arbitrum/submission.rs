//! What it costs to have a ticket kept, and what its one automatic attempt takes.

use alloy_primitives::U256;

/// Gas that the rollup charges for keeping a ticket. Source: nitro-contracts `Inbox.calculateRetryableSubmissionFee`.
const BASE_GAS: u64 = 1_400;
/// Gas per byte of calldata.
const GAS_PER_BYTE: u64 = 6;
/// Least gas of an attempt that the rollup makes by itself. Source: nitro `arbos/tx_processor.go`.
pub const MIN_AUTO_REDEEM_GAS: u64 = 21_000;

/// The cost of keeping a ticket in an L1 block with this base fee; none if the numbers are no real ones. Units: wei.
pub fn submission_cost(data_length: usize, l1_base_fee: U256) -> Option<U256> {
    let length = u64::try_from(data_length).ok()?;
    let gas = length.checked_mul(GAS_PER_BYTE)?.checked_add(BASE_GAS)?;
    l1_base_fee.checked_mul(U256::from(gas))
}

/// Head room over today's prices, since the block that takes a message is not today's. Units: percent on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadRoom {
    /// For L1's base fee, which decides the submission cost.
    pub submission_percent: u64,
    /// For the rollup's base fee, which decides whether the automatic attempt is made.
    pub price_percent: u64,
    /// For gas: another state of the contract may take another path.
    pub gas_percent: u64,
}

impl Default for HeadRoom {
    /// The official SDK's: what is not used is given back, what is missing costs a second transaction.
    fn default() -> Self {
        Self { submission_percent: 300, price_percent: 500, gas_percent: 30 }
    }
}

/// A number and so many percent of it on top, rounded up; none if it does not fit.
pub fn padded(number: U256, percent: u64) -> Option<U256> {
    let factor = U256::from(percent).checked_add(U256::from(100))?;
    let product = number.checked_mul(factor)?;
    let hundred = U256::from(100);
    let floor = product.checked_div(hundred)?;
    match product.checked_rem(hundred)?.is_zero() {
        true => Some(floor),
        false => floor.checked_add(U256::from(1)),
    }
}

/// What a ticket is given for fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketFees {
    /// For keeping it. Units: wei.
    pub max_submission_cost: U256,
    /// For the automatic attempt.
    pub gas_limit: U256,
    /// Units: wei per gas.
    pub max_fee_per_gas: U256,
}

impl TicketFees {
    /// Fees after today's prices with head room; none if they do not fit.
    pub fn estimated(
        data_length: usize,
        l1_base_fee: U256,
        gas: u64,
        l2_gas_price: U256,
        room: HeadRoom,
    ) -> Option<Self> {
        let submission = submission_cost(data_length, l1_base_fee)?;
        let gas = U256::from(gas.max(MIN_AUTO_REDEEM_GAS));
        Some(Self {
            max_submission_cost: padded(submission, room.submission_percent)?,
            gas_limit: padded(gas, room.gas_percent)?,
            max_fee_per_gas: padded(l2_gas_price, room.price_percent)?,
        })
    }

    /// What must be paid on L1 for a ticket that brings `call_value`; none if it does not fit. Units: wei.
    pub fn total(&self, call_value: U256) -> Option<U256> {
        let gas = self.gas_limit.checked_mul(self.max_fee_per_gas)?;
        call_value.checked_add(self.max_submission_cost)?.checked_add(gas)
    }

    /// Whether the rollup makes the attempt by itself at this base fee.
    pub fn is_auto_redeemed(&self, l2_base_fee: U256) -> bool {
        self.gas_limit >= U256::from(MIN_AUTO_REDEEM_GAS) && self.max_fee_per_gas >= l2_base_fee
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mainnet_ticket_paid_the_formulas_cost_with_head_room() {
        // The message of tests/vectors/arbitrum.json: 740 bytes of calldata, base fee of its block.
        let cost = submission_cost(740, U256::from(10_340_283_913_u64)).expect("fits");
        assert_eq!(cost, U256::from(60_387_258_051_920_u64));
        assert!(cost < U256::from(271_912_346_425_280_u64));
    }

    #[test]
    fn head_room_is_rounded_up_and_never_wraps() {
        assert_eq!(padded(U256::from(1), 30), Some(U256::from(2)));
        assert_eq!(padded(U256::from(100), 300), Some(U256::from(400)));
        assert_eq!(padded(U256::MAX, 0), None);
        assert_eq!(submission_cost(usize::MAX, U256::from(1)), None);
    }

    #[test]
    fn a_bid_below_the_base_fee_leaves_the_ticket_to_us() {
        let gas = MIN_AUTO_REDEEM_GAS;
        let room = HeadRoom { submission_percent: 0, price_percent: 0, gas_percent: 0 };
        let price = U256::from(10);
        let fees = TicketFees::estimated(0, U256::from(1), gas, price, room).expect("fits");
        assert!(fees.is_auto_redeemed(price));
        assert!(!fees.is_auto_redeemed(U256::from(11)));
        assert!(!TicketFees { gas_limit: U256::from(gas - 1), ..fees }.is_auto_redeemed(price));
        assert_eq!(fees.total(U256::from(5)), Some(U256::from(5 + 1_400 + 210_000)));
    }
}
