//! What each side has put in, and the one way in which balances are derived from it.

use super::{Amount, AmountError, NET_LIMIT, Net, in_range, widen};
use crate::ids::Side;

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
    let raw1 = deposit1.saturating_sub(net.get()).saturating_sub(locked1);
    let raw2 = deposit2.saturating_add(net.get()).saturating_sub(locked2);
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
