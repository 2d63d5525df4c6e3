//! Amounts of one token that two chains count with different decimals, exact both ways or refused.
//!
//! An Orbit chain with a gas token of its own counts it with 18 decimals, whatever the token has on L1. The
//! bridge rounds without a word; here an amount that the other side can't hold is refused, so that nothing is
//! lost between two roundings (P92).

use alloy_primitives::U256;
use lockstep_core::error::ErrorClass;
use thiserror::Error;

/// Most decimals that an amount is scaled from or to: `10^77` is the largest power of ten that fits 256 bits.
const MAX_DECIMALS: u8 = 77;

/// Why an amount has no counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecimalsError {
    /// The other side counts in larger steps.
    #[error("{amount} with {from} decimals leaves {rest} over with {to}")]
    Inexact {
        /// The amount.
        amount: U256,
        /// Decimals that it is counted with.
        from: u8,
        /// Decimals of the other side.
        to: u8,
        /// What would be lost.
        rest: U256,
    },
    /// The other side has no number as large.
    #[error("{amount} with {from} decimals does not fit with {to}")]
    TooLarge {
        /// The amount.
        amount: U256,
        /// Decimals that it is counted with.
        from: u8,
        /// Decimals of the other side.
        to: u8,
    },
}

impl DecimalsError {
    /// Another amount must be asked for.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }
}

/// Decimals of one token on the two sides of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimals {
    /// On L1.
    pub l1: u8,
    /// On the rollup.
    pub l2: u8,
}

impl Decimals {
    /// Ether, and every token of the standard gateways.
    pub const SAME: Self = Self { l1: 18, l2: 18 };

    /// The rollup's amount for one of L1.
    ///
    /// # Errors
    /// If there is no such amount.
    pub fn to_l2(self, amount: U256) -> Result<U256, DecimalsError> {
        scaled(amount, self.l1, self.l2)
    }

    /// L1's amount for one of the rollup.
    ///
    /// # Errors
    /// If there is no such amount.
    pub fn to_l1(self, amount: U256) -> Result<U256, DecimalsError> {
        scaled(amount, self.l2, self.l1)
    }
}

fn scaled(amount: U256, from: u8, to: u8) -> Result<U256, DecimalsError> {
    let too_large = DecimalsError::TooLarge { amount, from, to };
    let steps = from.abs_diff(to);
    if steps > MAX_DECIMALS {
        return Err(too_large);
    }
    let factor = U256::from(10).checked_pow(U256::from(steps)).ok_or(too_large)?;
    if to >= from {
        return amount.checked_mul(factor).ok_or(too_large);
    }
    let rest = amount.checked_rem(factor).ok_or(too_large)?;
    match rest.is_zero() {
        true => amount.checked_div(factor).ok_or(too_large),
        false => Err(DecimalsError::Inexact { amount, from, to, rest }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p92_an_amount_comes_back_as_it_went_whatever_the_decimals() {
        for l1 in [0, 2, 6, 8, 18, 24, 77] {
            for l2 in [0, 6, 18, 77] {
                let decimals = Decimals { l1, l2 };
                for amount in [0_u64, 1, 999_999, 1_000_000, u64::MAX].map(U256::from) {
                    if let Ok(there) = decimals.to_l2(amount) {
                        assert_eq!(decimals.to_l1(there), Ok(amount), "{amount} {decimals:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn p92_what_the_other_side_cannot_count_is_refused_and_not_rounded() {
        let usdc = Decimals { l1: 6, l2: 18 };
        let whole = U256::from(1_000_000_000_000_u64);
        assert_eq!(usdc.to_l2(U256::from(1)), Ok(whole));
        let amount = whole.checked_add(U256::from(7)).expect("fits");
        let rest = U256::from(7);
        assert_eq!(
            usdc.to_l1(amount),
            Err(DecimalsError::Inexact { amount, from: 18, to: 6, rest })
        );
        let amount = U256::MAX;
        assert_eq!(usdc.to_l2(amount), Err(DecimalsError::TooLarge { amount, from: 6, to: 18 }));
        let far = Decimals { l1: 0, l2: 200 };
        assert_eq!(far.to_l2(amount), Err(DecimalsError::TooLarge { amount, from: 0, to: 200 }));
    }
}
