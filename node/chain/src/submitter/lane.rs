//! One sender account and its transactions in the order of their nonces.

use super::fee::Fees;
use crate::port::AccountSigner;
use alloy_primitives::{Address, B256, Bytes};
use core::fmt;
use lockstep_core::chain::ObligationKey;
use lockstep_core::time::BlockNumber;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a nonce is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A call that is owed.
    Call(ObligationKey),
    /// Nothing: a transfer of nothing to itself, so that later nonces can land.
    Filler,
}

/// Where a transaction is, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In some pool, or on its way there.
    Pool,
    /// In a block that may vanish.
    Block(BlockNumber),
}

/// A nonce that is in use.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) content: Content,
    /// Every version that was sent; any of them may land.
    pub(crate) hashes: Vec<B256>,
    /// The newest version; none after a restart, when only the pool has it.
    pub(crate) raw: Option<Bytes>,
    pub(crate) fees: Fees,
    pub(crate) gas: u64,
    pub(crate) sent_at: BlockNumber,
    pub(crate) place: Place,
}

/// A sender account.
pub(crate) struct Lane {
    pub(crate) account: Arc<dyn AccountSigner>,
    pub(crate) slots: BTreeMap<u64, Slot>,
    /// Transactions of the account in the newest block.
    pub(crate) confirmed: u64,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("address", &self.address())
            .field("slots", &self.slots)
            .field("confirmed", &self.confirmed)
            .finish_non_exhaustive()
    }
}

impl Lane {
    pub(crate) fn new(account: Arc<dyn AccountSigner>) -> Self {
        Self { account, slots: BTreeMap::new(), confirmed: 0 }
    }

    pub(crate) fn address(&self) -> Address {
        self.account.address()
    }

    /// The lowest nonce that is free; a gap is filled before anything is added behind it.
    pub(crate) fn free_nonce(&self) -> u64 {
        let mut nonce = self.confirmed;
        while self.slots.contains_key(&nonce) {
            nonce = nonce.saturating_add(1);
        }
        nonce
    }

    /// The nonces that are missing below one that is in use.
    pub(crate) fn gaps(&self) -> Vec<u64> {
        let Some((last, _)) = self.slots.last_key_value() else { return Vec::new() };
        (self.confirmed..*last).filter(|nonce| !self.slots.contains_key(nonce)).collect()
    }

    /// Transactions that wait for a block.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (&u64, &Slot)> {
        self.slots.iter().filter(|(_, slot)| slot.place == Place::Pool)
    }

    /// Whether its first waiting transaction holds up what comes after it.
    pub(crate) fn is_stuck(&self, base_fee: u128, head: BlockNumber, patience: u64) -> bool {
        self.waiting().next().is_some_and(|(_, slot)| {
            let is_old = head.0 >= slot.sent_at.0.saturating_add(patience);
            slot.fees.max_fee < base_fee || is_old
        })
    }

    /// The most that a transaction behind a nonce offers: what is before it must land first, so it must
    /// offer as much.
    pub(crate) fn highest_behind(&self, nonce: u64) -> Fees {
        let behind = self.slots.range(nonce.saturating_add(1)..);
        let waiting = behind.filter(|(_, slot)| slot.place == Place::Pool);
        waiting.fold(Fees::default(), |most, (_, slot)| most.max(slot.fees))
    }

    /// Where an obligation's call is.
    pub(crate) fn find(&self, key: &ObligationKey) -> Option<u64> {
        let found = self.slots.iter().find(|(_, slot)| slot.content == Content::Call(*key));
        found.map(|(nonce, _)| *nonce)
    }
}

/// The lane for a new call: not a stuck one if there is another, then the emptiest, then by the call's name,
/// so that a restart chooses alike.
pub(crate) fn choose(
    lanes: &[Lane],
    may_send: impl Fn(&Lane) -> bool,
    is_stuck: impl Fn(&Lane) -> bool,
    key: &ObligationKey,
) -> Option<usize> {
    let start = usize::from(key.channel_id.0.last().copied().unwrap_or(0));
    let count = lanes.len();
    let distance = |index: usize| {
        index
            .saturating_add(count)
            .saturating_sub(start.checked_rem(count).unwrap_or(0))
            .checked_rem(count)
    };
    let open = lanes.iter().enumerate().filter(|(_, lane)| may_send(lane));
    let best =
        open.min_by_key(|(index, lane)| (is_stuck(lane), lane.waiting().count(), distance(*index)));
    best.map(|(index, _)| index)
}
