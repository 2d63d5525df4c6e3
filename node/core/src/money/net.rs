//! What has moved between the sides: one signed number.

use super::{Amount, AmountError, in_range, widen};
use crate::ids::Side;
use alloy_primitives::I256;
use core::fmt;

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
