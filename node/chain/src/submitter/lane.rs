//! One sender account and its transactions in the order of their nonces.

use super::fee::Fees;
use super::now::Heads;
use crate::endpoints::Landing;
use crate::port::AccountSigner;
use alloy_primitives::{Address, B256, Bytes};
use core::fmt;
use lockstep_core::chain::ObligationKey;
use lockstep_core::entry::EntryId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Gaps that are filled at most: a larger one comes from an endpoint that lies about nonces.
const MAX_GAP: u64 = 16;

/// Names a batch while this process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchId(pub(crate) u64);

/// What a nonce is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A call that is owed.
    Call(ObligationKey),
    /// Many challenges in one transaction.
    Batch(BatchId),
    /// A payment into the contract, which has this nonce and never another one.
    Entry(EntryId),
    /// Nothing: a transfer of nothing to itself, so that later nonces can land.
    Filler,
}

/// Where a transaction is, as far as a quorum knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In some pool, or on its way there.
    Pool,
    /// In a block that may vanish.
    Block(Landing),
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
    /// Where each endpoint's chain stood when the newest version was sent.
    pub(crate) sent_at: Heads,
    pub(crate) place: Place,
    /// Which endpoints, in their order, show that it has landed.
    pub(crate) shown: Vec<bool>,
}

impl Slot {
    /// A nonce for which nothing is signed yet.
    pub(crate) fn new(content: Content, fees: Fees, gas: u64, sent_at: Heads) -> Self {
        let (hashes, raw, place, shown) = (Vec::new(), None, Place::Pool, Vec::new());
        Self { content, hashes, raw, fees, gas, sent_at, place, shown }
    }
}

/// A sender account.
pub(crate) struct Lane {
    pub(crate) account: Arc<dyn AccountSigner>,
    pub(crate) slots: BTreeMap<u64, Slot>,
    /// Transactions of the account in the newest block, as each endpoint claims.
    pub(crate) claims: Vec<Option<u64>>,
    /// As many of them as a quorum has seen.
    pub(crate) confirmed: u64,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("address", &self.address())
            .field("slots", &self.slots)
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

impl Lane {
    pub(crate) fn new(account: Arc<dyn AccountSigner>) -> Self {
        Self { account, slots: BTreeMap::new(), claims: Vec::new(), confirmed: 0 }
    }

    pub(crate) fn address(&self) -> Address {
        self.account.address()
    }

    /// Takes note of what the endpoints claim. A count that one endpoint alone has reached confirms nothing.
    pub(crate) fn note_claims(&mut self, claims: Vec<Option<u64>>, quorum: usize) {
        let mut known: Vec<u64> = claims.iter().copied().flatten().collect();
        known.sort_unstable_by(|one, two| two.cmp(one));
        let place = quorum.max(1).min(known.len()).saturating_sub(1);
        self.confirmed = known.get(place).copied().unwrap_or(self.confirmed);
        self.claims = claims;
    }

    /// Whether the endpoints claim different counts: one of them lags, or lies.
    pub(crate) fn is_disputed(&self) -> bool {
        self.claims.iter().flatten().collect::<BTreeSet<_>>().len() > 1
    }

    /// The lowest nonce from one on that is free; a gap is filled before anything is added behind it.
    fn free_from(&self, mut nonce: u64) -> u64 {
        while self.slots.contains_key(&nonce) {
            nonce = nonce.saturating_add(1);
        }
        nonce
    }

    /// The lowest nonce that is free by a quorum's count.
    pub(crate) fn free_nonce(&self) -> u64 {
        self.free_from(self.confirmed)
    }

    /// The nonces that something must be sent with, so that it lands whichever endpoint is right: for each
    /// endpoint that shows no landing of it, the first free one by that endpoint's count, unless a
    /// transaction of it waits there already. None at all is free for what stands in every line.
    pub(crate) fn missing_for(&self, content: Content) -> BTreeSet<u64> {
        let own = || self.slots.iter().filter(|(_, slot)| slot.content == content);
        let counts = self.claims.iter().enumerate();
        let lines = counts.filter_map(|(index, claim)| claim.map(|claim| (index, claim)));
        let mut missing = BTreeSet::new();
        for (index, claim) in lines {
            let has_landed = own().any(|(_, slot)| slot.shown.get(index) == Some(&true));
            let free = self.free_from(claim);
            let waits = own().any(|(nonce, _)| (claim..free).contains(nonce));
            if !has_landed && !waits {
                missing.insert(free);
            }
        }
        missing
    }

    /// The nonces that are missing below one that is in use. None while endpoints differ: what one of them
    /// calls a gap may be used up.
    pub(crate) fn gaps(&self) -> Vec<u64> {
        let Some((last, _)) = self.slots.last_key_value() else { return Vec::new() };
        if self.is_disputed() || last.saturating_sub(self.confirmed) > MAX_GAP {
            return Vec::new();
        }
        (self.confirmed..*last).filter(|nonce| !self.slots.contains_key(nonce)).collect()
    }

    /// Forgets calls that only a lying endpoint's count has placed far ahead. Entries stay: each has its
    /// one nonce.
    pub(crate) fn forget_strays(&mut self) {
        if self.is_disputed() {
            return;
        }
        let limit = self.free_nonce().saturating_add(MAX_GAP);
        let is_entry = |slot: &Slot| matches!(slot.content, Content::Entry(_));
        self.slots.retain(|nonce, slot| *nonce <= limit || is_entry(slot));
    }

    /// Transactions that wait for a block.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (&u64, &Slot)> {
        self.slots.iter().filter(|(_, slot)| slot.place == Place::Pool)
    }

    /// Whether its first waiting transaction holds up what comes after it.
    pub(crate) fn is_stuck(&self, base_fee: u128, heads: &Heads, patience: u64) -> bool {
        self.waiting().next().is_some_and(|(_, slot)| {
            let is_old = heads.have_passed(&slot.sent_at, patience);
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

    /// Whether any transaction of something is under way.
    pub(crate) fn holds(&self, content: Content) -> bool {
        self.slots.values().any(|slot| slot.content == content)
    }

    /// Where something's transactions are.
    pub(crate) fn find(&self, content: Content) -> Vec<(u64, Slot)> {
        let found = self.slots.iter().filter(|(_, slot)| slot.content == content);
        found.map(|(nonce, slot)| (*nonce, slot.clone())).collect()
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

#[cfg(test)]
mod tests;
