//! What this node pays into the contract, or takes out of it on its own account: opens, joins, deposits.
//!
//! An exit may be sent twice and nothing is lost. An entry moves money each time that it lands, so it is
//! bound to one nonce of one account from its first signature to its end: of all that was ever signed for
//! it, the chain takes at most one. It never gets a second nonce; if another transaction took its nonce, it
//! ends, and only a new order tries again.

mod call;
mod name;
mod offer;

pub use call::{BridgeCall, EntryCall};
pub use name::{EntryId, EntryKind};
pub use offer::{MAX_OFFERS, Offer, SignedEntry};

use crate::error::ErrorClass;
use crate::ids::AccountRef;
use crate::money::Amount;
use crate::time::BlockNumber;
use alloy_primitives::B256;
use thiserror::Error;

/// How far an entry has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryStage {
    /// Nothing is signed yet.
    Wanted,
    /// Signed; one of its transactions may land at any time.
    Signed(SignedEntry),
    /// In a block that may still be reorganised away.
    Included {
        /// What was signed.
        signed: SignedEntry,
        /// The one that landed.
        tx: B256,
        /// Where.
        block: BlockNumber,
    },
    /// It was carried out, finally.
    Done {
        /// The transaction.
        tx: B256,
        /// Its block.
        block: BlockNumber,
    },
    /// The contract refused it, finally: no money has moved.
    Reverted {
        /// The transaction.
        tx: B256,
        /// Its block.
        block: BlockNumber,
    },
    /// Another transaction of the account took its nonce, finally: no money has moved.
    Displaced {
        /// The nonce.
        nonce: u64,
    },
}

/// What happened to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryEvent {
    /// A transaction was signed, and is not sent yet.
    Signed {
        /// Its nonce.
        nonce: u64,
        /// Its gas limit.
        gas_limit: u64,
        /// The transaction.
        offer: Offer,
        /// Its bytes.
        raw: Vec<u8>,
    },
    /// A block holds one of its transactions.
    Included {
        /// Which.
        tx: B256,
        /// The block.
        block: BlockNumber,
    },
    /// The block was reorganised away.
    Dropped,
    /// A finalized block holds one of its transactions.
    Landed {
        /// Which.
        tx: B256,
        /// The block.
        block: BlockNumber,
        /// Whether the contract did what it was asked.
        is_success: bool,
    },
    /// A finalized block counts another transaction with its nonce.
    Displaced,
}

/// Why an entry did not take an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EntryError {
    /// It is bound to another nonce: a second one could pay twice.
    #[error("entry is bound to nonce {bound}, not {offered}")]
    NonceChanged {
        /// The one it has.
        bound: u64,
        /// The one that was to be used.
        offered: u64,
    },
    /// A replacement must not pay less than what was signed before.
    #[error("fee of {offered} per gas is below {highest}")]
    FeeFell {
        /// What was to be offered.
        offered: u128,
        /// What was offered before.
        highest: u128,
    },
    /// It has been replaced too often.
    #[error("entry has been signed {MAX_OFFERS} times already")]
    TooManyOffers,
    /// Nothing was signed, where something must have been.
    #[error("entry has no signed transaction")]
    NoOffer,
    /// The transaction is none of its own.
    #[error("transaction {tx} is none of the entry's")]
    Stranger {
        /// The transaction.
        tx: B256,
    },
    /// It lies in a block, where nothing can replace it.
    #[error("entry is in a block already")]
    InBlock,
    /// It has ended.
    #[error("entry has ended")]
    Ended,
}

impl EntryError {
    /// Whoever drives the entry asked for something impossible.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NonceChanged { .. }
            | Self::FeeFell { .. }
            | Self::TooManyOffers
            | Self::NoOffer
            | Self::Stranger { .. }
            | Self::InBlock
            | Self::Ended => ErrorClass::Refused,
        }
    }
}

/// A payment into the contract and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    id: EntryId,
    from: AccountRef,
    call: EntryCall,
    max_cost: Amount,
    stage: EntryStage,
}

impl Entry {
    /// A new entry of an account. `max_cost` is the most that it may cost in fees.
    pub fn new(id: EntryId, from: AccountRef, call: EntryCall, max_cost: Amount) -> Self {
        Self { id, from, call, max_cost, stage: EntryStage::Wanted }
    }

    /// As it was stored.
    pub fn from_parts(
        id: EntryId,
        from: AccountRef,
        call: EntryCall,
        max_cost: Amount,
        stage: EntryStage,
    ) -> Self {
        Self { id, from, call, max_cost, stage }
    }

    /// Its name.
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// The account that pays.
    pub fn from(&self) -> AccountRef {
        self.from
    }

    /// The call.
    pub fn call(&self) -> &EntryCall {
        &self.call
    }

    /// The most that it may cost in fees. Units: wei.
    pub fn max_cost(&self) -> Amount {
        self.max_cost
    }

    /// How far it has come.
    pub fn stage(&self) -> &EntryStage {
        &self.stage
    }

    /// What was signed, while one of it may still land.
    pub fn signed(&self) -> Option<&SignedEntry> {
        match &self.stage {
            EntryStage::Signed(signed) | EntryStage::Included { signed, .. } => Some(signed),
            EntryStage::Wanted
            | EntryStage::Done { .. }
            | EntryStage::Reverted { .. }
            | EntryStage::Displaced { .. } => None,
        }
    }

    /// The transaction to look for: the one that landed, else the newest.
    pub fn tx(&self) -> Option<B256> {
        match &self.stage {
            EntryStage::Wanted | EntryStage::Displaced { .. } => None,
            EntryStage::Signed(signed) => signed.offers().last().map(|offer| offer.tx),
            EntryStage::Included { tx, .. }
            | EntryStage::Done { tx, .. }
            | EntryStage::Reverted { tx, .. } => Some(*tx),
        }
    }

    /// Whether nothing more can come of it.
    pub fn is_over(&self) -> bool {
        match self.stage {
            EntryStage::Wanted | EntryStage::Signed(_) | EntryStage::Included { .. } => false,
            EntryStage::Done { .. }
            | EntryStage::Reverted { .. }
            | EntryStage::Displaced { .. } => true,
        }
    }

    /// Whether it ended without moving money, so that it may be ordered anew.
    pub fn has_failed(&self) -> bool {
        match self.stage {
            EntryStage::Reverted { .. } | EntryStage::Displaced { .. } => true,
            EntryStage::Wanted
            | EntryStage::Signed(_)
            | EntryStage::Included { .. }
            | EntryStage::Done { .. } => false,
        }
    }

    /// The entry after an event.
    ///
    /// # Errors
    /// If it has ended, or would get a second nonce or a lower fee.
    ///
    /// # Invariants
    /// Everything that is ever signed for one entry has one nonce (P86).
    pub fn apply(&self, event: EntryEvent) -> Result<Self, EntryError> {
        let stage = match (&self.stage, event) {
            (
                EntryStage::Done { .. }
                | EntryStage::Reverted { .. }
                | EntryStage::Displaced { .. },
                _,
            ) => return Err(EntryError::Ended),
            (EntryStage::Wanted, EntryEvent::Signed { nonce, gas_limit, offer, raw }) => {
                let first = SignedEntry::from_parts(nonce, gas_limit, vec![offer], raw)?;
                EntryStage::Signed(first)
            }
            (EntryStage::Wanted, _) => return Err(EntryError::NoOffer),
            (EntryStage::Signed(before), EntryEvent::Signed { nonce, gas_limit, offer, raw }) => {
                EntryStage::Signed(before.replaced(nonce, gas_limit, offer, raw)?)
            }
            (EntryStage::Included { .. }, EntryEvent::Signed { .. }) => {
                return Err(EntryError::InBlock);
            }
            (
                EntryStage::Signed(signed) | EntryStage::Included { signed, .. },
                EntryEvent::Included { tx, block },
            ) => {
                signed.require_own(tx)?;
                EntryStage::Included { signed: signed.clone(), tx, block }
            }
            (
                EntryStage::Signed(signed) | EntryStage::Included { signed, .. },
                EntryEvent::Dropped,
            ) => EntryStage::Signed(signed.clone()),
            (
                EntryStage::Signed(signed) | EntryStage::Included { signed, .. },
                EntryEvent::Landed { tx, block, is_success },
            ) => {
                signed.require_own(tx)?;
                match is_success {
                    true => EntryStage::Done { tx, block },
                    false => EntryStage::Reverted { tx, block },
                }
            }
            (
                EntryStage::Signed(signed) | EntryStage::Included { signed, .. },
                EntryEvent::Displaced,
            ) => EntryStage::Displaced { nonce: signed.nonce() },
        };
        Ok(Self { stage, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ChannelId, Side};
    use alloy_primitives::Address;

    fn wanted() -> Entry {
        let account = AccountRef::Evm(Address::repeat_byte(7));
        let call =
            EntryCall::TakeCredit { token: account, to: account, amount: Amount::from(5_u64) };
        Entry::new(EntryId(B256::ZERO), account, call, Amount::from(9_u64))
    }

    fn signed(nonce: u64, tx: u8, fee: u128) -> EntryEvent {
        let tx = B256::repeat_byte(tx);
        let offer = Offer { tx, max_fee_per_gas: fee, priority_fee_per_gas: 1 };
        EntryEvent::Signed { nonce, gas_limit: 21_000, offer, raw: vec![2, 0] }
    }

    #[test]
    fn p86_an_entry_never_gets_a_second_nonce() {
        let entry = wanted().apply(signed(4, 1, 10)).unwrap();
        let refused = entry.apply(signed(5, 2, 20)).unwrap_err();
        assert_eq!(refused, EntryError::NonceChanged { bound: 4, offered: 5 });
        let again = entry.apply(signed(4, 2, 20)).unwrap();
        assert_eq!(again.signed().unwrap().offers().len(), 2);
        assert_eq!(again.tx(), Some(B256::repeat_byte(2)));
        let dropped = again.apply(EntryEvent::Dropped).unwrap();
        assert_eq!(dropped.signed().unwrap().nonce(), 4, "a drop does not free it");
    }

    #[test]
    fn p86_whichever_offer_lands_ends_it_and_nothing_is_signed_after() {
        let block = BlockNumber(3);
        let entry = wanted().apply(signed(4, 1, 10)).unwrap().apply(signed(4, 2, 12)).unwrap();
        let tx = B256::repeat_byte(1);
        let included = entry.apply(EntryEvent::Included { tx, block }).unwrap();
        assert_eq!(included.apply(signed(4, 3, 14)), Err(EntryError::InBlock));
        let landed = |is_success| EntryEvent::Landed { tx, block, is_success };
        let done = included.apply(landed(true)).unwrap();
        assert_eq!(done.stage(), &EntryStage::Done { tx, block });
        assert_eq!(done.apply(signed(4, 3, 14)), Err(EntryError::Ended));
        let failed = entry.apply(landed(false)).unwrap();
        assert!(failed.has_failed() && failed.is_over());
        let gone = entry.apply(EntryEvent::Displaced).unwrap();
        assert_eq!(gone.stage(), &EntryStage::Displaced { nonce: 4 });
        assert!(gone.has_failed() && !done.has_failed());
    }

    #[test]
    fn p76_the_fee_of_an_entry_never_falls_and_its_offers_have_a_limit() {
        let mut entry = wanted().apply(signed(4, 1, 10)).unwrap();
        let refused = entry.apply(signed(4, 2, 9)).unwrap_err();
        assert_eq!(refused, EntryError::FeeFell { offered: 9, highest: 10 });
        for fee in 11..=73 {
            entry = entry.apply(signed(4, 2, fee)).unwrap();
        }
        assert_eq!(entry.apply(signed(4, 2, 99)), Err(EntryError::TooManyOffers));
    }

    #[test]
    fn a_signed_entry_keeps_its_newest_bytes_and_is_none_without_an_offer() {
        let entry = wanted().apply(signed(4, 1, 10)).unwrap();
        let kept = entry.signed().unwrap();
        assert_eq!(kept.raw(), [2, 0]);
        let offers = kept.offers().to_vec();
        let nothing = [(vec![], vec![2, 0]), (offers.clone(), vec![]), (vec![], vec![])];
        for (offers, raw) in nothing {
            assert_eq!(SignedEntry::from_parts(4, 21_000, offers, raw), Err(EntryError::NoOffer));
        }
        assert!(SignedEntry::from_parts(4, 21_000, offers, vec![2, 0]).is_ok());
    }

    #[test]
    fn calls_about_a_channel_carry_its_terms() {
        let terms = crate::fixture::terms();
        let amount = Amount::from(1_u64);
        let about = [
            EntryCall::Open { terms, amount, consent: None },
            EntryCall::Join { terms, amount },
            EntryCall::Deposit { terms, side: Side::One, amount },
            EntryCall::CancelOpen { terms },
        ];
        assert!(about.iter().all(|call| call.terms() == Some(&terms)));
        assert_eq!(wanted().call().terms(), None);
    }

    #[test]
    fn a_stranger_s_transaction_ends_nothing_and_an_unsigned_entry_cannot_land() {
        let (tx, block) = (B256::repeat_byte(8), BlockNumber(3));
        let landed = EntryEvent::Landed { tx, block, is_success: true };
        assert_eq!(wanted().apply(landed.clone()), Err(EntryError::NoOffer));
        let entry = wanted().apply(signed(4, 1, 10)).unwrap();
        assert_eq!(entry.apply(landed), Err(EntryError::Stranger { tx }));
        assert_eq!(wanted().apply(EntryEvent::Displaced), Err(EntryError::NoOffer));
    }

    #[test]
    fn names_differ_by_kind_scope_and_name() {
        let (one, two) = (ChannelId(B256::repeat_byte(1)), ChannelId(B256::repeat_byte(2)));
        let named = EntryId::named(EntryKind::Deposit, one.0, b"a");
        let all = [
            EntryId::open(one),
            EntryId::open(two),
            EntryId::join(one),
            EntryId::cancel(one),
            named,
            EntryId::named(EntryKind::Deposit, one.0, b"b"),
            EntryId::approval(named, 0),
            EntryId::approval(named, 1),
        ];
        for (index, id) in all.iter().enumerate() {
            assert!(!all.iter().skip(index + 1).any(|other| other == id), "{index}");
        }
    }
}
