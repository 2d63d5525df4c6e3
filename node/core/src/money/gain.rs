//! What a version gives a side beyond what it put in.

use super::{Amount, AmountError, Deposit, Net, in_range};
use crate::ids::Side;

/// What a version gives a side beyond its deposit, locks left out; below zero where the side has paid.
///
/// The difference of two of them is what one version costs against the other, whatever the deposits are: a
/// withdrawal that may or may not land takes the same from both.
///
/// Units: base units, signed. Shape: `-2^119 < gain < 2^119`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gain(i128);

impl Gain {
    /// As at version 0.
    pub const ZERO: Self = Self(0);

    /// From a number.
    ///
    /// # Errors
    /// If it is outside the range.
    pub fn new(value: i128) -> Result<Self, AmountError> {
        in_range(value).map(Self)
    }

    /// Of a side at a state: what was paid to it, less what it has locked.
    ///
    /// # Errors
    /// If the locked sum is too wide, or the result outside the range.
    pub fn at(side: Side, net: Net, locked: Amount) -> Result<Self, AmountError> {
        let locked = locked.checked_locked()?.to_signed()?;
        let paid = match side {
            Side::One => net.get().saturating_neg(),
            Side::Two => net.get(),
        };
        Self::new(paid.saturating_sub(locked))
    }

    /// Of a side that is left with nothing at all.
    pub fn of_nothing(deposit: Deposit) -> Self {
        Self(deposit.get().saturating_neg())
    }

    /// As a number.
    pub const fn get(self) -> i128 {
        self.0
    }

    /// With more on top. A sum that does not fit is more than anybody has.
    #[must_use]
    pub fn saturating_add(self, amount: Amount) -> Self {
        let limit = super::NET_LIMIT.saturating_sub(1);
        let amount = amount.to_signed().unwrap_or(limit);
        Self(self.0.saturating_add(amount).min(limit))
    }

    /// How much more this is than the other; nothing where it is less.
    pub fn above(self, other: Self) -> Amount {
        let more = self.0.saturating_sub(other.0);
        Amount::from(u128::try_from(more).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain(value: i128) -> Gain {
        Gain::new(value).unwrap()
    }

    #[test]
    fn a_payment_and_its_locks_count_for_one_side_and_against_the_other() {
        let (net, locked) = (Net::new(30).unwrap(), Amount::from(4u64));
        assert_eq!(Gain::at(Side::One, net, locked), Ok(gain(-34)));
        assert_eq!(Gain::at(Side::Two, net, locked), Ok(gain(26)));
        assert!(Gain::at(Side::One, net, Amount::MAX).is_err());
    }

    #[test]
    fn gains_stay_in_range_and_nothing_wraps() {
        let limit = 1i128 << 119;
        assert!(Gain::new(limit).is_err());
        assert_eq!(gain(limit - 1).saturating_add(Amount::from(1u64)), gain(limit - 1));
        assert_eq!(gain(-5).saturating_add(Amount::MAX).get(), limit - 6);
        assert_eq!(gain(limit - 1).above(gain(1 - limit)), Amount::from((1u128 << 120) - 2));
    }

    #[test]
    fn what_is_less_costs_nothing() {
        assert_eq!(gain(3).above(gain(-4)), Amount::from(7u64));
        assert_eq!(gain(-4).above(gain(3)), Amount::ZERO);
        assert_eq!(Gain::of_nothing(Deposit::new(-9).unwrap()), gain(9));
    }
}
