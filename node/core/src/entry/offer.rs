//! What was signed for an entry: of all of it, the chain takes at most one.

use super::EntryError;
use alloy_primitives::B256;

/// Offers of one entry: at an eighth more each, the last is 1,800 times the first.
pub const MAX_OFFERS: usize = 64;

/// One signed transaction of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Offer {
    /// Its hash.
    pub tx: B256,
    /// Units: wei per gas.
    pub max_fee_per_gas: u128,
    /// Units: wei per gas.
    pub priority_fee_per_gas: u128,
}

/// What was signed for an entry: everything with one nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedEntry {
    nonce: u64,
    gas_limit: u64,
    offers: Vec<Offer>,
    raw: Vec<u8>,
}

impl SignedEntry {
    /// As it was stored.
    ///
    /// # Errors
    /// [`EntryError::NoOffer`] or [`EntryError::TooManyOffers`].
    pub fn from_parts(
        nonce: u64,
        gas_limit: u64,
        offers: Vec<Offer>,
        raw: Vec<u8>,
    ) -> Result<Self, EntryError> {
        if offers.is_empty() || raw.is_empty() {
            return Err(EntryError::NoOffer);
        }
        if offers.len() > MAX_OFFERS {
            return Err(EntryError::TooManyOffers);
        }
        Ok(Self { nonce, gas_limit, offers, raw })
    }

    /// The account's nonce that all of them use.
    pub fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Gas limit of all of them.
    pub fn gas_limit(&self) -> u64 {
        self.gas_limit
    }

    /// Every transaction that was signed, oldest first.
    pub fn offers(&self) -> &[Offer] {
        &self.offers
    }

    /// The newest transaction, as it is sent.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// With one more offer, at a fee that does not fall.
    pub(super) fn replaced(
        &self,
        nonce: u64,
        gas_limit: u64,
        offer: Offer,
        raw: Vec<u8>,
    ) -> Result<Self, EntryError> {
        if nonce != self.nonce {
            return Err(EntryError::NonceChanged { bound: self.nonce, offered: nonce });
        }
        let highest = self.offers.iter().map(|known| known.max_fee_per_gas).max().unwrap_or(0);
        if offer.max_fee_per_gas < highest {
            return Err(EntryError::FeeFell { offered: offer.max_fee_per_gas, highest });
        }
        let mut offers = self.offers.clone();
        offers.push(offer);
        Self::from_parts(nonce, gas_limit, offers, raw)
    }

    /// Refuses a transaction that is none of these.
    pub(super) fn require_own(&self, tx: B256) -> Result<(), EntryError> {
        let is_own = self.offers.iter().any(|offer| offer.tx == tx);
        is_own.then_some(()).ok_or(EntryError::Stranger { tx })
    }
}
