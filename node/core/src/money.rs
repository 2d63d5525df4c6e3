//! Amounts that cannot wrap; in the files below, what moves between the sides and the balances that follow.
//!
//! The integers underneath wrap silently in every build, so nothing here has operators: each sum is
//! checked and says what went wrong.

mod deposit;
mod gain;
mod net;

pub(crate) use deposit::balances_of;
pub use deposit::{Balances, Deposit, Deposits};
pub use gain::Gain;
pub use net::{Net, RawNet};

use crate::error::ErrorClass;
use crate::ids::Side;
use alloy_primitives::{I256, U256};
use core::fmt;
use thiserror::Error;

/// Locked sums and single locks stay below `2^112`, the width of the contract's fields.
pub const LOCKED_BITS: u32 = 112;
/// `net` and deposits stay within `(-2^119, 2^119)`, so that they fit the contract's `int120`.
pub const NET_BITS: u32 = 119;

/// Exclusive bound of `net`, deposits and balances.
const NET_LIMIT: i128 = 1 << NET_BITS;
/// Exclusive bound of locked sums.
const LOCKED_LIMIT: u128 = 1 << LOCKED_BITS;

/// Why a sum could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AmountError {
    /// The sum does not fit an amount.
    #[error("sum of {left} and {right} overflows")]
    Overflow {
        /// First operand.
        left: Amount,
        /// Second operand.
        right: Amount,
    },
    /// More would be taken than there is.
    #[error("{available} is less than {wanted}")]
    Insufficient {
        /// What there is.
        available: Amount,
        /// What was asked for.
        wanted: Amount,
    },
    /// A signed number is outside the contract's packed width.
    #[error("{value} is outside the range of net and deposits")]
    NetOutOfRange {
        /// The number.
        value: I256,
    },
    /// A locked sum is outside the contract's packed width.
    #[error("{value} is outside the range of locked sums")]
    LockedOutOfRange {
        /// The number.
        value: Amount,
    },
    /// A side's balance would be below zero.
    #[error("balance of side {} would be {balance}", .side.number())]
    NegativeBalance {
        /// Whose balance.
        side: Side,
        /// The balance, below zero.
        balance: i128,
    },
}

impl AmountError {
    /// Money that does not add up is the fault of whoever proposed it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Overflow { .. }
            | Self::Insufficient { .. }
            | Self::NetOutOfRange { .. }
            | Self::LockedOutOfRange { .. }
            | Self::NegativeBalance { .. } => ErrorClass::PeerFault,
        }
    }
}

/// An amount of one token.
///
/// Units: the token's base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(U256);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(U256::ZERO);
    /// The largest amount there can be.
    pub const MAX: Self = Self(U256::MAX);

    /// From the integer that the chain uses.
    pub const fn from_u256(value: U256) -> Self {
        Self(value)
    }

    /// As the integer that the chain uses.
    pub const fn to_u256(self) -> U256 {
        self.0
    }

    /// As a 128-bit integer, where it fits.
    pub fn to_u128(self) -> Option<u128> {
        u128::try_from(self.0).ok()
    }

    /// Big-endian bytes, for storage and wire.
    pub fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_be_bytes()
    }

    /// From big-endian bytes; none if there are more than 32.
    pub fn from_be_slice(bytes: &[u8]) -> Option<Self> {
        U256::try_from_be_slice(bytes).map(Self)
    }

    /// Whether this is nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// The sum.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
        self.0
            .checked_add(other.0)
            .map(Self)
            .ok_or(AmountError::Overflow { left: self, right: other })
    }

    /// The difference.
    ///
    /// # Errors
    /// If `other` is more than this.
    pub fn checked_sub(self, other: Self) -> Result<Self, AmountError> {
        self.0
            .checked_sub(other.0)
            .map(Self)
            .ok_or(AmountError::Insufficient { available: self, wanted: other })
    }

    /// The difference, or nothing where `other` is more.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// A share in parts per million, rounded down: the remainder stays with the payer of the share.
    pub fn mul_ppm_floor(self, ppm: u32) -> Option<Self> {
        self.0.checked_mul(U256::from(ppm))?.checked_div(U256::from(1_000_000u32)).map(Self)
    }

    /// As a signed number within the contract's width.
    fn to_signed(self) -> Result<i128, AmountError> {
        self.to_u128()
            .and_then(|value| i128::try_from(value).ok())
            .filter(|value| *value < NET_LIMIT)
            .ok_or(AmountError::NetOutOfRange {
                value: I256::try_from(self.0).unwrap_or(I256::MAX),
            })
    }

    /// Checks the width of a locked sum.
    ///
    /// # Errors
    /// If it is `2^112` or more.
    pub fn checked_locked(self) -> Result<Self, AmountError> {
        match self.to_u128() {
            Some(value) if value < LOCKED_LIMIT => Ok(self),
            Some(_) | None => Err(AmountError::LockedOutOfRange { value: self }),
        }
    }
}

impl From<u128> for Amount {
    fn from(value: u128) -> Self {
        Self(U256::from(value))
    }
}

impl From<u64> for Amount {
    fn from(value: u64) -> Self {
        Self(U256::from(value))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Checks the range that `net` and deposits share.
fn in_range(value: i128) -> Result<i128, AmountError> {
    if value > -NET_LIMIT && value < NET_LIMIT {
        Ok(value)
    } else {
        Err(AmountError::NetOutOfRange { value: widen(value) })
    }
}

/// A 128-bit number as the chain's signed integer; every one fits.
fn widen(value: i128) -> I256 {
    I256::try_from(value).unwrap_or(I256::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(value: u128) -> Amount {
        Amount::from(value)
    }

    #[test]
    fn amounts_never_wrap() {
        assert!(matches!(Amount::MAX.checked_add(amount(1)), Err(AmountError::Overflow { .. })));
        assert!(matches!(amount(1).checked_sub(amount(2)), Err(AmountError::Insufficient { .. })));
    }

    #[test]
    fn bytes_make_the_amount_that_made_them_and_more_than_32_make_none() {
        let bytes = amount(0x0102).to_be_bytes();
        assert_eq!(Amount::from_be_slice(&bytes), Some(amount(0x0102)));
        assert_eq!(Amount::from_be_slice(&[1, 2]), Some(amount(0x0102)));
        assert_eq!(Amount::from_be_slice(&[]), Some(Amount::ZERO));
        assert_eq!(Amount::from_be_slice(&[1; 33]), None);
    }

    #[test]
    fn net_and_deposit_keep_within_the_packed_width() {
        let limit = 1i128 << 119;
        assert!(Net::new(limit - 1).is_ok());
        assert!(Net::new(limit).is_err());
        assert!(Net::new(-limit + 1).is_ok());
        assert!(Net::new(-limit).is_err());
        assert!(Net::from_i256(I256::MIN).is_err());
        assert!(Net::from_i256(I256::MAX).is_err());
        assert!(Deposit::from_amount(Amount::MAX).is_err());
    }

    #[test]
    fn a_huge_locked_sum_is_refused_before_any_cast() {
        let deposits = Deposits::ZERO.deposited(Side::One, amount(10)).unwrap();
        assert!(matches!(
            deposits.balances(Net::ZERO, Amount::MAX, Amount::ZERO),
            Err(AmountError::LockedOutOfRange { .. })
        ));
        assert!(amount((1 << 112) - 1).checked_locked().is_ok());
        assert!(amount(1 << 112).checked_locked().is_err());
    }

    #[test]
    fn balances_follow_the_formula_and_refuse_to_go_below_zero() {
        let deposits = Deposits::ZERO
            .deposited(Side::One, amount(100))
            .and_then(|sum| sum.deposited(Side::Two, amount(50)))
            .unwrap();
        let net = Net::ZERO.paid_by(Side::One, amount(30)).unwrap();
        let balances = deposits.balances(net, amount(10), amount(5)).unwrap();
        assert_eq!(balances, Balances { one: amount(60), two: amount(75) });
        let net = Net::new(101).unwrap();
        assert!(matches!(
            deposits.balances(net, Amount::ZERO, Amount::ZERO),
            Err(AmountError::NegativeBalance { side: Side::One, balance: -1 })
        ));
        let net = Net::new(-51).unwrap();
        assert!(matches!(
            deposits.balances(net, Amount::ZERO, Amount::ZERO),
            Err(AmountError::NegativeBalance { side: Side::Two, balance: -1 })
        ));
    }

    #[test]
    fn a_side_that_was_paid_may_withdraw_more_than_it_put_in() {
        let deposits = Deposits::ZERO.deposited(Side::One, amount(100)).unwrap();
        let after = deposits.withdrawn(Amount::ZERO, amount(40)).unwrap();
        assert_eq!(after.of(Side::Two).get(), -40);
        assert_eq!(after.total(), amount(60));
        assert!(deposits.withdrawn(amount(60), amount(41)).is_err());
    }
}
