//! Money that the contract owes accounts: failed pushes, and deposits that came too late.

use super::Refusal;
use crate::ids::AccountRef;
use crate::money::{Amount, AmountError};
use std::collections::BTreeMap;

/// Credits of all accounts in one token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credits(BTreeMap<AccountRef, Amount>);

impl Credits {
    /// What an account may withdraw.
    pub fn of(&self, account: AccountRef) -> Amount {
        self.0.get(&account).copied().unwrap_or_default()
    }

    /// Adds to an account's credit.
    ///
    /// # Errors
    /// If the sum does not fit.
    pub fn book(&mut self, account: AccountRef, amount: Amount) -> Result<(), AmountError> {
        let sum = self.of(account).checked_add(amount)?;
        self.0.insert(account, sum);
        Ok(())
    }

    /// `withdraw`: takes from the owner's credit. Whether the transfer works is the caller's to say.
    ///
    /// # Errors
    /// As the contract refuses it.
    pub fn withdraw(
        &mut self,
        account: AccountRef,
        to: AccountRef,
        contract: AccountRef,
        amount: Amount,
    ) -> Result<(), Refusal> {
        if to.is_zero() || to == contract {
            return Err(Refusal::InvalidRecipient { to });
        }
        let available = self.of(account);
        let rest =
            available.checked_sub(amount).map_err(|_| Refusal::InsufficientCredit { available })?;
        self.0.insert(account, rest);
        Ok(())
    }

    /// What all accounts may withdraw together.
    ///
    /// # Errors
    /// If the sum does not fit.
    pub fn total(&self) -> Result<Amount, AmountError> {
        self.0.values().try_fold(Amount::ZERO, |sum, credit| sum.checked_add(*credit))
    }
}
