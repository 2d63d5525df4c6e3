//! Brings what is owed, and what is paid in, to the chain: once per key, through several accounts, until it
//! is final.
//!
//! A call is made durable before it is sent (P86), replaced while it waits (P76), sent again when a
//! reorganisation removes it, and ends only when a finalized block shows its goal, by whomever (P71, P72).
//! The submitter keeps no clock and no task: each [`Submitter::step`] is one step.

use crate::alarm::Alarm;
use crate::call::{Contracts, SignedIntent};
use crate::endpoints::Endpoints;
use crate::error::ChainError;
use crate::port::{AccountSigner, ObligationStore};
use crate::profile::Profile;
use alloy_primitives::{B256, U256};
use lockstep_contracts::revert::Revert;
use lockstep_core::chain::{
    ChainCall, Obligation, ObligationEvent, ObligationKey, ObligationKind, ObligationStage,
};
use lockstep_core::entry::{Entry, EntryId};
use lockstep_core::ids::ChannelId;
use lockstep_core::money::Amount;
use lockstep_core::terms::Terms;
use lockstep_core::time::{BlockNumber, BlockTimestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

mod assess;
mod batch;
mod entry;
mod estimate;
mod fee;
mod gas;
mod goal;
mod lane;
mod now;
mod offer;
mod readiness;
mod refusal;
mod send;
mod track;

pub use assess::Need;
use batch::Batches;
pub use estimate::{CallEstimate, estimate};
pub use fee::Fees;
use fee::Window;
pub use goal::Goal;
use lane::{Content, Lane, Slot};
use now::{Heads, Now};
pub use refusal::EntryRefusal;

/// The time before a lock's expiry over which the fee for its secret climbs. Units: seconds.
/// Half a day, the margin that a node keeps by default.
const SECRET_WINDOW_SECS: u64 = 12 * 3_600;

/// A fee may rise tenfold just when everybody must close.
const RESERVE_PRICE: U256 = U256::from_limbs([10, 0, 0, 0]);

/// What to bring to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The call and how far it has come.
    pub obligation: Obligation,
    /// The channel's terms.
    pub terms: Terms,
    /// The most that it may cost, from what is at risk. Units: wei.
    pub max_cost: Amount,
    /// For the start of a close from an account that is none of the channel's.
    pub intent: Option<SignedIntent>,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitterEvent {
    /// A transaction was made durable and sent.
    Sent {
        /// Which call.
        key: ObligationKey,
        /// The transaction.
        tx: B256,
        /// What it offers.
        fees: Fees,
    },
    /// A block holds it.
    Included {
        /// Which call.
        key: ObligationKey,
        /// The transaction.
        tx: B256,
        /// The block.
        block: BlockNumber,
    },
    /// It is in no block and in no pool any more; it is sent again if it is still needed.
    Dropped {
        /// Which call.
        key: ObligationKey,
    },
    /// It is over.
    Ended {
        /// Which call.
        key: ObligationKey,
        /// How.
        stage: ObligationStage,
    },
    /// The contract refuses it now; it is tried again while it is needed.
    Refused {
        /// Which call.
        key: ObligationKey,
        /// What the contract says.
        revert: Revert,
    },
    /// A payment into the contract has come further; its whole new value.
    Entry(Box<Entry>),
    /// A payment that had been taken can't be made. Nothing was signed for it, and it is forgotten.
    EntryRefused {
        /// Which.
        id: EntryId,
        /// Why.
        refusal: EntryRefusal,
    },
    /// Somebody must look.
    Alarm(Alarm),
}

/// One call that is owed.
#[derive(Clone, Debug)]
struct Duty {
    order: Order,
    obligation: Obligation,
    /// Whether a block has held it and it failed: from then on it goes by what all endpoints say.
    has_failed: bool,
    /// Whether a batch has left it out: from then on it goes alone, and says why it fails.
    is_alone: bool,
}

impl Duty {
    fn new(order: Order) -> Self {
        let obligation = order.obligation.clone();
        Self { order, obligation, has_failed: false, is_alone: false }
    }

    /// The time it has, where a deadline makes it urgent.
    fn window(&self) -> Option<Window> {
        let closes = self.obligation.deadline()?;
        let length = match self.obligation.call() {
            // A final state has a deadline where it answers a close.
            ChainCall::Challenge(_) | ChainCall::CooperativeClose(_) => {
                u64::from(self.order.terms.challenge_period)
            }
            ChainCall::RegisterSecret { .. } => SECRET_WINDOW_SECS,
            ChainCall::InitiateClose(_)
            | ChainCall::Close
            | ChainCall::PartialWithdraw(_)
            | ChainCall::ResolveLocks { .. } => return None,
        };
        Some(Window { opened: closes.saturating_sub_secs(length), closes })
    }

    /// Whether a lost deadline loses money: then not even a broken store keeps it back (P49).
    fn is_urgent(&self) -> bool {
        self.window().is_some()
    }
}

/// The submitter of one chain.
#[derive(Debug)]
pub struct Submitter<S> {
    endpoints: Endpoints,
    contracts: Contracts,
    store: S,
    lanes: Vec<Lane>,
    duties: BTreeMap<ObligationKey, Duty>,
    ended: BTreeMap<ObligationKey, ObligationStage>,
    batches: Batches,
    entries: BTreeMap<EntryId, Entry>,
    standing: Vec<Alarm>,
}

impl<S: ObligationStore> Submitter<S> {
    /// With the accounts that may send.
    ///
    /// # Errors
    /// If there is none.
    pub fn new(
        endpoints: Endpoints,
        contracts: Contracts,
        store: S,
        accounts: Vec<Arc<dyn AccountSigner>>,
    ) -> Result<Self, ChainError> {
        if accounts.is_empty() {
            return Err(ChainError::NoAccount);
        }
        let lanes = accounts.into_iter().map(Lane::new).collect();
        let (duties, ended, entries) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (batches, standing) = (Batches::default(), Vec::new());
        Ok(Self { endpoints, contracts, store, lanes, duties, ended, batches, entries, standing })
    }

    /// Takes an order, durably. An order whose key is known already changes nothing (P71).
    ///
    /// # Errors
    /// If an order that can wait could not be stored; one that cannot wait is carried out all the same.
    pub async fn submit(&mut self, order: Order) -> Result<(), ChainError> {
        self.submit_all(vec![order]).await
    }

    /// Takes many orders, durably, in one write. Orders whose keys are known already bring only the intent that they
    /// lacked, and an earlier deadline.
    ///
    /// # Errors
    /// If orders that can wait could not be stored; those that cannot wait are carried out all the same.
    pub async fn submit_all(&mut self, orders: Vec<Order>) -> Result<(), ChainError> {
        self.take_note(&orders).await;
        let is_new = |order: &Order| {
            let key = order.obligation.key();
            !self.duties.contains_key(key) && !self.ended.contains_key(key)
        };
        let duties: Vec<Duty> = orders.into_iter().filter(is_new).map(Duty::new).collect();
        if duties.is_empty() {
            return Ok(());
        }
        let obligations: Vec<_> = duties.iter().map(|duty| duty.obligation.clone()).collect();
        let stored = self.store.put_all(&obligations).await;
        let failed = stored.is_err();
        for duty in duties {
            let key = *duty.obligation.key();
            match (failed, duty.is_urgent()) {
                (true, false) => continue,
                (true, true) => self.standing.push(Alarm::StoreFailed { key }),
                (false, _) => {}
            }
            self.duties.insert(key, duty);
        }
        // What is urgent is carried out; of the rest the caller hears.
        match stored {
            Err(error) if obligations.iter().any(|one| !self.duties.contains_key(one.key())) => {
                Err(error.into())
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// What an order brings to a call that is owed already. Its deadline only moves down: the first one may be a lie
    /// that would slow the fee down, and the fee never falls.
    async fn take_note(&mut self, orders: &[Order]) {
        let mut sooner = Vec::new();
        for order in orders {
            let Some(known) = self.duties.get_mut(order.obligation.key()) else { continue };
            // An intent is not stored: whoever orders again after a restart brings it again.
            if known.order.intent.is_none() {
                known.order.intent = order.intent;
            }
            let (own, other) = (known.obligation.deadline(), order.obligation.deadline());
            if other.is_some_and(|other| own.is_none_or(|own| other < own)) {
                let (key, call) = (*known.obligation.key(), known.obligation.call().clone());
                let stage = known.obligation.stage();
                let fee = known.obligation.highest_fee_per_gas();
                known.obligation = Obligation::from_parts(key, call, other, stage, fee);
                sooner.push(known.obligation.clone());
            }
        }
        if !sooner.is_empty() && self.store.put_all(&sooner).await.is_err() {
            // It counts from now on; a restart goes by the later one until it is ordered again.
            let failed = sooner.iter().map(|one| Alarm::StoreFailed { key: *one.key() });
            self.standing.extend(failed);
        }
    }

    /// Takes up what was owed before a restart, with the transactions that were sent for it.
    ///
    /// # Errors
    /// If no endpoint answers.
    pub async fn resume(&mut self, orders: Vec<Order>) -> Result<(), ChainError> {
        let mut sent: BTreeMap<B256, Vec<ObligationKey>> = BTreeMap::new();
        for order in orders {
            let key = *order.obligation.key();
            let tx = match order.obligation.stage() {
                ObligationStage::Done | ObligationStage::Obsolete => {
                    self.ended.insert(key, order.obligation.stage());
                    continue;
                }
                ObligationStage::Owed => None,
                ObligationStage::Submitted { tx } | ObligationStage::Included { tx, .. } => {
                    Some(tx)
                }
            };
            self.duties.insert(key, Duty::new(order));
            if let Some(tx) = tx {
                sent.entry(tx).or_default().push(key);
            }
        }
        for (tx, keys) in sent {
            self.take_up(keys, tx).await?;
        }
        Ok(())
    }

    /// Finds a transaction of an earlier run again, so that it is replaced and not doubled.
    async fn take_up(&mut self, keys: Vec<ObligationKey>, tx: B256) -> Result<(), ChainError> {
        let found = self.endpoints.transaction(tx).await?;
        let lane = found
            .as_ref()
            .and_then(|found| self.lanes.iter_mut().find(|lane| lane.address() == found.from));
        match (found, lane) {
            (Some(found), Some(lane)) => {
                let (max_fee, priority) = found.fees();
                let fees = Fees { max_fee, priority };
                let content = match keys.first() {
                    Some(key) if !batch::is_batch(&found.input) => Content::Call(*key),
                    Some(_) | None => Content::Batch(self.batches.add(keys)),
                };
                let slot = Slot::new(content, fees, found.gas(), Heads::default());
                lane.slots.insert(found.nonce(), Slot { hashes: vec![tx], ..slot });
                Ok(())
            }
            (Some(_) | None, _) => self.apply_all(&keys, ObligationEvent::Dropped).await,
        }
    }

    /// Forgets which calls of a channel have ended. What is owed for it is still sent.
    pub fn forget_ended(&mut self, channel_id: ChannelId) {
        self.ended.retain(|key, _| key.channel_id != channel_id);
    }

    /// What is owed and not over.
    pub fn owed(&self) -> impl Iterator<Item = &Obligation> {
        self.duties.values().map(|duty| &duty.obligation)
    }

    /// What is known of the chain.
    pub fn profile(&self) -> &Profile {
        self.endpoints.profile()
    }

    /// Where the contracts are that it calls.
    pub fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// Whether there is nothing to do: nothing owed, nothing paid in that is not over, nothing on its way.
    pub fn is_idle(&self) -> bool {
        let is_live = |entry: &Entry| !entry.is_over();
        self.duties.is_empty()
            && !self.entries.values().any(is_live)
            && self.lanes.iter().all(|lane| lane.slots.is_empty())
    }

    /// Whether the accounts together could pay for a close and a challenge of this many channels at once, at
    /// ten times today's price (P78).
    ///
    /// # Errors
    /// If no endpoint answers.
    pub async fn reserve(&self, channels: u64) -> Result<Option<Alarm>, ChainError> {
        let now = Now::look(&self.endpoints).await?;
        let gas = estimate::gas_of_a_close();
        let price = U256::from(now.most.fees.max_fee).saturating_mul(RESERVE_PRICE);
        let needed = price.saturating_mul(U256::from(gas)).saturating_mul(U256::from(channels));
        let mut balance = U256::ZERO;
        for lane in &self.lanes {
            balance = balance.saturating_add(self.endpoints.balance(lane.address()).await?);
        }
        Ok((balance < needed).then_some(Alarm::ReserveLow { needed, balance }))
    }

    /// One step: looks where every transaction is, and sends, replaces or ends what is due.
    ///
    /// # Errors
    /// If no endpoint answers. Trouble with one call delays no other.
    pub async fn step(&mut self) -> Result<Vec<SubmitterEvent>, ChainError> {
        let now = Now::look(&self.endpoints).await?;
        let mut events: Vec<_> = core::mem::take(&mut self.standing)
            .into_iter()
            .filter(|alarm| matches!(alarm, Alarm::StoreFailed { .. }))
            .map(SubmitterEvent::Alarm)
            .collect();
        self.count().await?;
        self.forget_batches();
        // What must not wait and was not sent yet goes before all that is only looked after.
        let (first, others): (Vec<_>, Vec<_>) =
            self.by_urgency().into_iter().partition(|key| self.is_unsent_threat(key));
        let first = self.serve_together(first, &now, &mut events).await;
        self.serve_all(first, &now, &mut events).await;
        self.track(&now, &mut events).await?;
        self.forget_batches();
        self.serve_all(others, &now, &mut events).await;
        self.serve_batches(&now, &mut events).await;
        let ids: Vec<EntryId> = self.entries.keys().copied().collect();
        for id in ids {
            if let Err(error) = self.serve_entry(id, &now, &mut events).await {
                tracing::warn!(entry = %id.0, error = %error, "payment into the contract waits");
            }
        }
        self.fill_gaps(&now).await;
        Ok(events)
    }

    fn is_unsent_threat(&self, key: &ObligationKey) -> bool {
        let is_urgent = self.duties.get(key).is_some_and(Duty::is_urgent);
        let content = self.content_of(key);
        is_urgent && !self.lanes.iter().any(|lane| lane.holds(content))
    }

    /// Deadlines first. A final state that was co-signed late goes before the end of the window, which would end the
    /// channel at less than both have agreed to.
    fn by_urgency(&self) -> Vec<ObligationKey> {
        let mut keys: Vec<_> = self
            .duties
            .values()
            .map(|duty| {
                let last = BlockTimestamp(u64::MAX);
                let deadline = duty.window().map_or(last, |window| window.closes);
                let key = *duty.obligation.key();
                (deadline, key.kind == ObligationKind::Close, key)
            })
            .collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, _, key)| key).collect()
    }

    /// Applies an event to an obligation, durably.
    async fn apply(
        &mut self,
        key: ObligationKey,
        event: ObligationEvent,
    ) -> Result<(), ChainError> {
        self.apply_all(&[key], event).await
    }

    /// Applies an event to obligations, durably, all at once.
    async fn apply_all(
        &mut self,
        keys: &[ObligationKey],
        event: ObligationEvent,
    ) -> Result<(), ChainError> {
        let duties = keys.iter().filter_map(|key| self.duties.get(key));
        // An event that does not fit leaves one as it is: a late answer about something that has ended.
        let changed = duties.filter_map(|duty| {
            let next = duty.obligation.apply(event).ok()?;
            Some((next, duty.is_urgent()))
        });
        let (nexts, are_urgent): (Vec<Obligation>, Vec<bool>) = changed.unzip();
        if nexts.is_empty() {
            return Ok(());
        }
        match self.store.put_all(&nexts).await {
            Err(error) if are_urgent.contains(&false) => return Err(error.into()),
            Err(_) => {
                let failed = nexts.iter().map(|next| Alarm::StoreFailed { key: *next.key() });
                self.standing.extend(failed);
            }
            Ok(()) => {}
        }
        for next in nexts {
            if let Some(duty) = self.duties.get_mut(next.key()) {
                duty.obligation = next;
            }
        }
        Ok(())
    }

    /// An alarm once per step and cause.
    fn alarm(events: &mut Vec<SubmitterEvent>, alarm: Alarm) {
        tracing::warn!(?alarm, "a call needs attention");
        events.push(SubmitterEvent::Alarm(alarm));
    }
}
