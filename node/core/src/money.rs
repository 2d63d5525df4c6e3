//! Amounts that cannot wrap, and the one way in which balances are derived.
//!
//! The integers underneath wrap silently in every build, so nothing here has operators: each sum is
//! checked and says what went wrong.

mod gain;

pub use gain::Gain;

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

/// What participant 1 has paid participant 2 in total, less the reverse.
///
/// Units: base units, signed. Shape: `-2^119 < net < 2^119`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Net(i128);

impl Net {
    /// Nobody has paid anything.
    pub const ZERO: Self = Self(0);

    /// From a number.
    ///
    /// # Errors
    /// If it is outside the range.
    pub fn new(value: i128) -> Result<Self, AmountError> {
        in_range(value).map(Self)
    }

    /// From the integer that the chain uses; bounds are checked before any cast.
    ///
    /// # Errors
    /// If it is outside the range.
    pub fn from_i256(value: I256) -> Result<Self, AmountError> {
        i128::try_from(value).map_err(|_| AmountError::NetOutOfRange { value }).and_then(Self::new)
    }

    /// As the integer that the chain uses.
    pub fn to_i256(self) -> I256 {
        widen(self.0)
    }

    /// As a number.
    pub const fn get(self) -> i128 {
        self.0
    }

    /// The net after `payer` has paid `amount` to the other side.
    ///
    /// # Errors
    /// If the result is outside the range.
    pub fn paid_by(self, payer: Side, amount: Amount) -> Result<Self, AmountError> {
        let amount = amount.to_signed()?;
        // Both operands are below 2^119, so their sum fits 128 bits.
        let next = match payer {
            Side::One => self.0.saturating_add(amount),
            Side::Two => self.0.saturating_sub(amount),
        };
        Self::new(next)
    }
}

/// A `net` as it comes in calldata: any 256-bit number, not yet checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawNet(I256);

impl RawNet {
    /// From the integer that the chain uses.
    pub const fn from_i256(value: I256) -> Self {
        Self(value)
    }

    /// As the integer that the chain uses.
    pub const fn to_i256(self) -> I256 {
        self.0
    }

    /// The net, if it is in range; bounds are checked before any cast.
    ///
    /// # Errors
    /// If it is outside the range.
    pub fn checked(self) -> Result<Net, AmountError> {
        Net::from_i256(self.0)
    }
}

impl From<Net> for RawNet {
    fn from(net: Net) -> Self {
        Self(net.to_i256())
    }
}

impl fmt::Display for RawNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What one side has put in, less what it has taken out by partial withdrawals.
///
/// Units: base units, signed: a side that was paid may take out more than it put in.
/// Shape: `-2^119 < deposit < 2^119`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deposit(i128);

impl Deposit {
    /// Nothing put in.
    pub const ZERO: Self = Self(0);

    /// From a number.
    ///
    /// # Errors
    /// If it is outside the range.
    pub fn new(value: i128) -> Result<Self, AmountError> {
        in_range(value).map(Self)
    }

    /// From an amount that was paid in.
    ///
    /// # Errors
    /// If it is outside the range.
    pub fn from_amount(amount: Amount) -> Result<Self, AmountError> {
        amount.to_signed().map(Self)
    }

    /// As a number.
    pub const fn get(self) -> i128 {
        self.0
    }

    /// The deposit after a payment in.
    ///
    /// # Errors
    /// If the result is outside the range.
    pub fn checked_add(self, amount: Amount) -> Result<Self, AmountError> {
        Self::new(self.0.saturating_add(amount.to_signed()?))
    }

    /// The number after a payment out, before any check of its range.
    pub(crate) fn less(self, amount: Amount) -> i128 {
        let amount = amount.to_signed().unwrap_or(NET_LIMIT);
        self.0.saturating_sub(amount)
    }

    /// The deposit after a payment out.
    ///
    /// # Errors
    /// If the result is outside the range.
    pub fn checked_sub(self, amount: Amount) -> Result<Self, AmountError> {
        Self::new(self.0.saturating_sub(amount.to_signed()?))
    }
}

/// The deposits of both sides.
///
/// # Invariants
/// Their sum is the channel's money: it is never negative and fits the contract's width.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Deposits {
    one: Deposit,
    two: Deposit,
}

impl Deposits {
    /// Nothing put in by anybody.
    pub const ZERO: Self = Self { one: Deposit::ZERO, two: Deposit::ZERO };

    /// From both sides' deposits.
    ///
    /// # Errors
    /// If the sum is negative or does not fit.
    pub fn new(one: Deposit, two: Deposit) -> Result<Self, AmountError> {
        let sum = in_range(one.0.saturating_add(two.0))?;
        if sum < 0 {
            return Err(AmountError::NetOutOfRange { value: widen(sum) });
        }
        Ok(Self { one, two })
    }

    /// One side's deposit.
    pub fn of(self, side: Side) -> Deposit {
        match side {
            Side::One => self.one,
            Side::Two => self.two,
        }
    }

    /// The channel's money.
    pub fn total(self) -> Amount {
        // The constructor keeps the sum within [0, 2^119).
        Amount::from(u128::try_from(self.one.0.saturating_add(self.two.0)).unwrap_or(0))
    }

    /// The deposits after one side put `amount` in.
    ///
    /// # Errors
    /// If the sum does not fit.
    pub fn deposited(self, side: Side, amount: Amount) -> Result<Self, AmountError> {
        match side {
            Side::One => Self::new(self.one.checked_add(amount)?, self.two),
            Side::Two => Self::new(self.one, self.two.checked_add(amount)?),
        }
    }

    /// The deposits after a partial withdrawal.
    ///
    /// # Errors
    /// If more is taken than there is.
    pub fn withdrawn(self, out1: Amount, out2: Amount) -> Result<Self, AmountError> {
        Self::new(self.one.checked_sub(out1)?, self.two.checked_sub(out2)?)
    }

    /// What each side has at a state: `deposit1 - net - locked1` and `deposit2 + net - locked2`.
    ///
    /// # Errors
    /// If a locked sum is too wide or a balance would be negative.
    ///
    /// Source: contract §1.2.
    pub fn balances(
        self,
        net: Net,
        locked1: Amount,
        locked2: Amount,
    ) -> Result<Balances, AmountError> {
        balances_of(self.one.0, self.two.0, net, locked1, locked2)
    }
}

/// Both balances, `(one, two)`, from deposits that need not be in range yet.
///
/// # Errors
/// If a locked sum is too wide or a balance would be negative.
pub(crate) fn balances_of(
    deposit1: i128,
    deposit2: i128,
    net: Net,
    locked1: Amount,
    locked2: Amount,
) -> Result<Balances, AmountError> {
    let locked1 = locked1.checked_locked()?.to_signed()?;
    let locked2 = locked2.checked_locked()?.to_signed()?;
    // |deposit| < 2^120, |net| < 2^119, locked < 2^112: every sum here fits 122 bits.
    let raw1 = deposit1.saturating_sub(net.0).saturating_sub(locked1);
    let raw2 = deposit2.saturating_add(net.0).saturating_sub(locked2);
    let positive = |side, balance: i128| {
        u128::try_from(balance).map_err(|_| AmountError::NegativeBalance { side, balance })
    };
    let (one, two) = (positive(Side::One, raw1)?, positive(Side::Two, raw2)?);
    Ok(Balances { one: Amount::from(one), two: Amount::from(two) })
}

/// What each side has that is not locked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Balances {
    /// Of participant 1.
    pub one: Amount,
    /// Of participant 2.
    pub two: Amount,
}

impl Balances {
    /// One side's balance.
    pub fn of(self, side: Side) -> Amount {
        match side {
            Side::One => self.one,
            Side::Two => self.two,
        }
    }

    /// Both balances together.
    ///
    /// # Errors
    /// If the sum does not fit.
    pub fn total(self) -> Result<Amount, AmountError> {
        self.one.checked_add(self.two)
    }
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
