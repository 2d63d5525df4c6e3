//! Callers' names for their orders, and the limits of their tokens: nothing is paid twice for one name, and
//! nothing beyond a limit.

use crate::engine::journal::Journal;
use crate::engine::lock;
use alloy_primitives::{B256, keccak256};
use lockstep_core::ids::{AccountRef, ChannelId, Sequence};
use lockstep_core::money::Amount;
use lockstep_rpc::backend::SpendingLimit;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_store::error::Refusal;
use lockstep_store::request::{Charge, Orders, Request, Spent};
use lockstep_store::write_set::WriteSet;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// How long a name is remembered. Source: protocol §8. Units: seconds.
pub(crate) const REMEMBERED_SECS: u64 = 24 * 3_600;
/// Names that are remembered at a time: about 20 MB.
pub(crate) const MAX_REQUESTS: usize = 100_000;
/// How long a payment waits for another one that uses the same token.
const TOKEN_PATIENCE: Duration = Duration::from_secs(5);
/// Characters of a name.
pub(crate) const MAX_NAME_CHARS: usize = 64;

/// A name under which something was ordered.
#[derive(Clone, Copy, Debug)]
enum Known {
    /// The order has not been answered yet.
    UnderWay(B256),
    /// It was carried out.
    Done(Request),
}

type Token = Arc<tokio::sync::Mutex<Option<Spent>>>;

/// What callers have ordered.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    requests: Mutex<BTreeMap<B256, Known>>,
    tokens: Mutex<BTreeMap<B256, Token>>,
    charges: Mutex<BTreeMap<(ChannelId, Sequence), Charge>>,
}

/// Whether a name is new.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It is, and is ours now.
    New(Reservation),
    /// It was used for the same order before.
    Repeated(Request),
}

/// A name that is being used; given back if the order is not carried out.
#[derive(Debug)]
pub(crate) struct Reservation {
    ledger: Arc<Ledger>,
    name: B256,
    fingerprint: B256,
    is_done: bool,
}

/// A part of a token's limit that is being used. Nobody else uses the token meanwhile, so that what is written
/// about it is written in order.
#[derive(Debug)]
pub(crate) struct Spending {
    token: OwnedMutexGuard<Option<Spent>>,
    next: Spent,
}

/// What has to be written together with payments.
#[derive(Debug, Default)]
pub(crate) struct Reserved {
    pub(crate) request: Option<Reservation>,
    pub(crate) spending: Option<Spending>,
    /// For errors and answers: what is paid in all.
    pub(crate) total: Amount,
}

/// Where payments stand in their channel's line.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) channel_id: ChannelId,
    pub(crate) first: Sequence,
    pub(crate) amounts: &'a [Amount],
    pub(crate) at_secs: u64,
}

impl Ledger {
    /// What the journal holds.
    pub(crate) fn load(orders: Orders) -> Self {
        let requests = orders.requests.into_iter().map(|r| (r.name, Known::Done(r))).collect();
        let token = |spent: Spent| Arc::new(tokio::sync::Mutex::new(Some(spent)));
        let tokens = orders.spent.into_iter().map(|spent| (spent.token, token(spent))).collect();
        let charges = orders.charges.into_iter().map(|c| ((c.channel_id, c.sequence), c)).collect();
        Self {
            requests: Mutex::new(requests),
            tokens: Mutex::new(tokens),
            charges: Mutex::new(charges),
        }
    }

    /// Takes a name for an order.
    ///
    /// # Errors
    /// If it is in use for another order, is being used at this moment, or there are too many.
    pub(crate) fn claim(self: &Arc<Self>, name: &str, fingerprint: B256) -> Result<Claim, Failure> {
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
            let message = format!("an idempotency key has 1 to {MAX_NAME_CHARS} characters");
            return Err(Failure::new(FailureKind::Refused, message).safe("nothing was paid"));
        }
        let name = keccak256(name);
        let mut requests = lock(&self.requests);
        match requests.get(&name) {
            Some(Known::Done(request)) if request.fingerprint == fingerprint => {
                Ok(Claim::Repeated(*request))
            }
            Some(Known::UnderWay(known)) if *known == fingerprint => {
                let message = "the first call with this idempotency key is not answered yet";
                Err(Failure::new(FailureKind::Busy, message)
                    .safe("nothing is paid twice")
                    .advice("ask again in a moment"))
            }
            Some(_) => {
                let message = "this idempotency key was used for another order";
                Err(Failure::new(FailureKind::IdempotencyConflict, message)
                    .safe("nothing was paid by this call")
                    .advice("use a new key for a new order"))
            }
            None if requests.len() >= MAX_REQUESTS => {
                let message = "too many idempotency keys of the last 24 hours are remembered";
                Err(Failure::new(FailureKind::LimitReached, message).safe("nothing was paid"))
            }
            None => {
                requests.insert(name, Known::UnderWay(fingerprint));
                let ledger = Arc::clone(self);
                Ok(Claim::New(Reservation { ledger, name, fingerprint, is_done: false }))
            }
        }
    }

    /// Takes a part of a token's limit, and the token with it until it is [settled](Reserved::done).
    ///
    /// # Errors
    /// If the limit does not allow it, or it is for another asset.
    pub(crate) async fn spend(
        &self,
        limit: SpendingLimit,
        asset: AccountRef,
        amount: Amount,
    ) -> Result<Spending, Failure> {
        let token = Arc::clone(lock(&self.tokens).entry(limit.token_id).or_default());
        // One payment holds the token until it is durable, for long if its counterparty is silent. Others that use the
        // token for other channels are not to pile up behind it.
        let token =
            tokio::time::timeout(TOKEN_PATIENCE, token.lock_owned()).await.map_err(|_| {
                Failure::new(
                    FailureKind::Busy,
                    "another payment with this access token waits for its counterparty",
                )
                .safe("nothing was paid")
                .advice("try again once that payment has ended, or use another token")
            })?;
        let refused = |message: String| {
            Failure::new(FailureKind::SpendingLimit, message)
                .safe("nothing was paid")
                .advice("ask the operator for a token with a higher limit")
        };
        if asset != limit.asset {
            return Err(refused("this access token pays another asset only".to_owned()));
        }
        let spent = token.map_or(Amount::ZERO, |spent| spent.amount);
        let next = spent.checked_add(amount).ok().filter(|next| *next <= limit.limit);
        let Some(next) = next else {
            let limit = limit.limit;
            return Err(refused(format!(
                "this access token has paid {spent} of its limit of {limit}; {amount} more is too much"
            )));
        };
        let next = Spent { token: limit.token_id, asset, amount: next };
        Ok(Spending { token, next })
    }

    /// A payment is final or has failed: it no longer counts as open, and a failed one gives its part of the
    /// limit back.
    pub(crate) async fn settle(&self, journal: &Journal, charge: Charge, has_failed: bool) {
        let token = Arc::clone(lock(&self.tokens).entry(charge.token).or_default());
        let mut token = token.lock_owned().await;
        let key = (charge.channel_id, charge.sequence);
        // The driver and the look after a start may both come here about one payment: its part of the limit is given
        // back once.
        if lock(&self.charges).remove(&key).is_none() {
            return;
        }
        let mut set = WriteSet::default();
        set.remove_charge(charge.channel_id, charge.sequence);
        let mut next = *token;
        if has_failed && let Some(spent) = &mut next {
            spent.amount = spent.amount.saturating_sub(charge.amount);
            if let Err(refusal) = set.put_spent(spent) {
                tracing::error!(error = %refusal, "a token's sum cannot be written");
                lock(&self.charges).insert(key, charge);
                return;
            }
        }
        match journal.write(set).await {
            Ok(()) => *token = next,
            // It stays charged, and is looked at again at the next start.
            Err(error) => {
                tracing::warn!(error = %error, "a charge stays open");
                lock(&self.charges).insert(key, charge);
            }
        }
    }

    /// What one payment is charged to, if it is.
    pub(crate) fn charge(&self, channel_id: ChannelId, sequence: Sequence) -> Option<Charge> {
        lock(&self.charges).get(&(channel_id, sequence)).copied()
    }

    /// Every charge, for a look after a start.
    pub(crate) fn charges(&self) -> Vec<Charge> {
        lock(&self.charges).values().copied().collect()
    }

    /// Names that are older than they are remembered.
    pub(crate) fn expired(&self, now_secs: u64) -> Vec<B256> {
        let is_old = |known: &Known| match known {
            Known::Done(request) => request.at_secs.saturating_add(REMEMBERED_SECS) < now_secs,
            Known::UnderWay(_) => false,
        };
        lock(&self.requests).iter().filter(|(_, k)| is_old(k)).map(|(name, _)| *name).collect()
    }

    /// Forgets names that were removed from the journal.
    pub(crate) fn forget(&self, names: &[B256]) {
        let mut requests = lock(&self.requests);
        for name in names {
            requests.remove(name);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_done {
            lock(&self.ledger.requests).remove(&self.name);
        }
    }
}

impl Reserved {
    /// What has to be written with the payments.
    ///
    /// # Errors
    /// Never for these rows; the signature is that of every write.
    pub(crate) fn write(&self, set: &mut WriteSet, place: &Place<'_>) -> Result<(), Refusal> {
        if let Some(reservation) = &self.request {
            set.put_request(&reservation.request(place))?;
        }
        if let Some(spending) = &self.spending {
            set.put_spent(&spending.next)?;
            for charge in spending.charges(place) {
                set.put_charge(&charge)?;
            }
        }
        Ok(())
    }

    /// The payments are durable.
    pub(crate) fn done(self, ledger: &Ledger, place: &Place<'_>) {
        if let Some(mut reservation) = self.request {
            let request = reservation.request(place);
            lock(&ledger.requests).insert(request.name, Known::Done(request));
            reservation.is_done = true;
        }
        if let Some(mut spending) = self.spending {
            let charges = spending.charges(place);
            lock(&ledger.charges)
                .extend(charges.into_iter().map(|c| ((c.channel_id, c.sequence), c)));
            *spending.token = Some(spending.next);
        }
    }
}

impl Reservation {
    fn request(&self, place: &Place<'_>) -> Request {
        Request {
            name: self.name,
            fingerprint: self.fingerprint,
            channel_id: place.channel_id,
            first: place.first,
            count: u32::try_from(place.amounts.len()).unwrap_or(u32::MAX),
            at_secs: place.at_secs,
        }
    }
}

impl Spending {
    fn charges(&self, place: &Place<'_>) -> Vec<Charge> {
        (place.first.0..)
            .zip(place.amounts)
            .map(|(sequence, amount)| Charge {
                channel_id: place.channel_id,
                sequence: Sequence(sequence),
                token: self.next.token,
                amount: *amount,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: ChannelId = ChannelId(B256::ZERO);

    fn place(amounts: &[Amount]) -> Place<'_> {
        Place { channel_id: CHANNEL, first: Sequence(4), amounts, at_secs: 100 }
    }

    fn kind(result: Result<Claim, Failure>) -> Option<FailureKind> {
        result.err().map(|failure| failure.kind)
    }

    #[test]
    fn a_name_is_used_once_and_given_back_if_nothing_came_of_it() {
        let ledger = Arc::new(Ledger::default());
        let (one, other) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let Ok(Claim::New(first)) = ledger.claim("a", one) else { panic!("a new name") };
        assert_eq!(kind(ledger.claim("a", one)), Some(FailureKind::Busy));
        assert_eq!(kind(ledger.claim("a", other)), Some(FailureKind::IdempotencyConflict));
        drop(first);
        let Ok(Claim::New(again)) = ledger.claim("a", other) else { panic!("given back") };
        let reserved = Reserved { request: Some(again), ..Reserved::default() };
        reserved.done(&ledger, &place(&[Amount::from(1u64), Amount::from(2u64)]));
        let Ok(Claim::Repeated(known)) = ledger.claim("a", other) else { panic!("repeated") };
        assert_eq!((known.first, known.count), (Sequence(4), 2));
        assert_eq!(kind(ledger.claim("a", one)), Some(FailureKind::IdempotencyConflict));
        assert!(ledger.expired(100 + REMEMBERED_SECS).is_empty());
        let old = ledger.expired(101 + REMEMBERED_SECS);
        ledger.forget(&old);
        assert!(matches!(ledger.claim("a", one), Ok(Claim::New(_))));
    }

    #[tokio::test]
    async fn a_token_pays_no_more_than_its_limit_and_no_other_asset() {
        let ledger = Ledger::default();
        let asset = AccountRef::Starknet(B256::ZERO);
        let token_id = B256::repeat_byte(9);
        let limit = SpendingLimit { token_id, asset, limit: Amount::from(10u64) };
        let amounts = [Amount::from(6u64)];
        let spending = ledger.spend(limit, asset, amounts[0]).await.unwrap();
        let reserved = Reserved { spending: Some(spending), ..Reserved::default() };
        reserved.done(&ledger, &place(&amounts));
        let refused = ledger.spend(limit, asset, Amount::from(5u64)).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::SpendingLimit);
        let other = AccountRef::Starknet(B256::repeat_byte(1));
        assert!(ledger.spend(limit, other, Amount::from(1u64)).await.is_err());
        assert!(ledger.spend(limit, asset, Amount::from(4u64)).await.is_ok());
        assert_eq!(ledger.charge(CHANNEL, Sequence(4)).unwrap().amount, amounts[0]);
    }

    #[tokio::test]
    async fn a_failed_payment_gives_its_part_of_a_limit_back_once() {
        let folder = tempfile::tempdir().unwrap();
        let options = lockstep_store::open::Options::default();
        let opened = lockstep_store::journal::DiskJournal::open(&folder.path().join("j"), &options);
        let (thread, handle) =
            lockstep_store::writer::JournalThread::start(opened.unwrap().0).unwrap();
        let journal = Journal::new(handle);
        let ledger = Ledger::default();
        let asset = AccountRef::Starknet(B256::ZERO);
        let limit =
            SpendingLimit { token_id: B256::repeat_byte(9), asset, limit: Amount::from(10u64) };
        for first in [4, 5] {
            let amounts = [Amount::from(5u64)];
            let spending = ledger.spend(limit, asset, amounts[0]).await.unwrap();
            let reserved = Reserved { spending: Some(spending), ..Reserved::default() };
            reserved.done(&ledger, &Place { first: Sequence(first), ..place(&amounts) });
        }
        // The driver and the look after a start hold the same charge.
        let charge = ledger.charge(CHANNEL, Sequence(4)).unwrap();
        ledger.settle(&journal, charge, true).await;
        ledger.settle(&journal, charge, true).await;
        assert!(ledger.spend(limit, asset, Amount::from(6u64)).await.is_err());
        assert!(ledger.spend(limit, asset, Amount::from(5u64)).await.is_ok());
        drop(thread);
    }

    #[tokio::test]
    async fn a_payment_that_waits_for_its_counterparty_does_not_hold_back_its_tokens_others_for_ever()
     {
        let ledger = Ledger::default();
        let asset = AccountRef::Starknet(B256::ZERO);
        let limit =
            SpendingLimit { token_id: B256::repeat_byte(9), asset, limit: Amount::from(10u64) };
        let held = ledger.spend(limit, asset, Amount::from(1u64)).await.unwrap();
        let second = ledger.spend(limit, asset, Amount::from(1u64)).await.unwrap_err();
        assert_eq!(second.kind, FailureKind::Busy);
        drop(held);
        assert!(ledger.spend(limit, asset, Amount::from(1u64)).await.is_ok());
    }
}
