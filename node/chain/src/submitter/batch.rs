//! Many challenges in one transaction: cheaper than each for itself, and there at once when many channels are
//! closed in one block.
//!
//! The contract skips a row that it does not take, so no row stands in another's way. What was left out goes
//! alone from then on. A batch has no life of its own on disk: each row remembers the transaction, and rows that
//! remember the same one are a batch again after a restart.

use super::gas::{self, Bounds};
use super::lane::{BatchId, Content, Place};
use super::now::Now;
use super::offer::Job;
use super::send::{ASSESSED_AT_ONCE, Assessment};
use super::{Duty, ObligationStore, Submitter, SubmitterEvent, Window};
use crate::call::{self, Payload};
use crate::endpoints::{Landing, majority};
use crate::error::ChainError;
use crate::rpc::{At, CallRequest, Receipt};
use alloy_primitives::U256;
use alloy_sol_types::{SolCall, SolEvent};
use futures::future::join_all;
use lockstep_contracts::bindings::PaymentChannel::{ChallengeSkipped, challengeCloseBatchCall};
use lockstep_contracts::revert::BatchOutcome;
use lockstep_core::chain::{ChainCall, Evidence, ObligationKey};
use lockstep_core::ids::ChannelId;
use lockstep_core::money::Amount;
use lockstep_core::terms::Terms;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one batch. Pools take no transaction above 128 KiB, Arbitrum's sequencer none above 95,000 bytes, and a row
/// is 544 bytes.
const MAX_ROWS: usize = 160;

/// Whether calldata is a batch.
pub(super) fn is_batch(data: &[u8]) -> bool {
    data.starts_with(&challengeCloseBatchCall::SELECTOR)
}

/// The batches that are under way.
#[derive(Debug, Default)]
pub(super) struct Batches {
    next: u64,
    rows: BTreeMap<BatchId, Vec<ObligationKey>>,
    /// Those that at least one row needs, in this step.
    wanted: BTreeSet<BatchId>,
}

impl Batches {
    /// A batch of these rows.
    pub(super) fn add(&mut self, keys: Vec<ObligationKey>) -> BatchId {
        let id = BatchId(self.next);
        self.next = self.next.saturating_add(1);
        self.rows.insert(id, keys);
        id
    }

    /// A row is in no batch any more.
    pub(super) fn leave(&mut self, key: &ObligationKey) {
        for keys in self.rows.values_mut() {
            keys.retain(|known| known != key);
        }
    }

    /// A row of it is needed.
    pub(super) fn want(&mut self, id: BatchId) {
        self.wanted.insert(id);
    }
}

/// What a row is made of, if it is one.
fn row_of(duty: &Duty) -> Option<(&Terms, &Evidence)> {
    match duty.obligation.call() {
        ChainCall::Challenge(evidence) => Some((&duty.order.terms, evidence)),
        ChainCall::InitiateClose(_)
        | ChainCall::Close
        | ChainCall::CooperativeClose(_)
        | ChainCall::PartialWithdraw(_)
        | ChainCall::RegisterSecret { .. }
        | ChainCall::ResolveLocks { .. } => None,
    }
}

impl<S: ObligationStore> Submitter<S> {
    /// What stands for a call: itself, or the batch that it is in.
    pub(super) fn content_of(&self, key: &ObligationKey) -> Content {
        let found = self.batches.rows.iter().find(|(_, keys)| keys.contains(key));
        found.map_or(Content::Call(*key), |(id, _)| Content::Batch(*id))
    }

    /// The calls that something stands for and that are still owed.
    pub(super) fn keys_of(&self, content: Content) -> Vec<ObligationKey> {
        let is_owed = |key: &ObligationKey| self.duties.contains_key(key);
        match content {
            Content::Call(key) => Some(key).filter(is_owed).into_iter().collect(),
            Content::Batch(id) => {
                let keys = self.batches.rows.get(&id);
                keys.into_iter().flatten().copied().filter(is_owed).collect()
            }
            Content::Entry(_) | Content::Filler => Vec::new(),
        }
    }

    /// Batches of which no transaction is under way are none.
    pub(super) fn forget_batches(&mut self) {
        let lanes = &self.lanes;
        let is_alive = |id: &BatchId| lanes.iter().any(|lane| lane.holds(Content::Batch(*id)));
        self.batches.rows.retain(|id, _| is_alive(id));
        self.batches.wanted.clear();
    }

    /// Sends together what can go together; gives back what must go alone.
    pub(super) async fn serve_together(
        &mut self,
        keys: Vec<ObligationKey>,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Vec<ObligationKey> {
        let fits = |key: &ObligationKey| {
            self.duties.get(key).is_some_and(|duty| !duty.is_alone && row_of(duty).is_some())
        };
        let (together, mut alone): (Vec<_>, Vec<_>) = keys.into_iter().partition(fits);
        if together.len() < 2 {
            return [together, alone].concat();
        }
        let needed = self.needed_of(&together, now, &mut alone).await;
        for keys in self.groups(needed) {
            if keys.len() < 2 {
                alone.extend(keys);
                continue;
            }
            match self.place_batch(&keys, now, events).await {
                Ok(left_out) => alone.extend(left_out),
                Err(error) => {
                    tracing::warn!(rows = keys.len(), %error, "a batch is sent one by one");
                    alone.extend(keys);
                }
            }
        }
        alone
    }

    /// Those that would do something now. What is over goes with those that are served alone.
    async fn needed_of(
        &self,
        keys: &[ObligationKey],
        now: &Now,
        others: &mut Vec<ObligationKey>,
    ) -> Vec<ObligationKey> {
        let mut needed = Vec::new();
        for chunk in keys.chunks(ASSESSED_AT_ONCE) {
            let assessed = join_all(chunk.iter().map(|key| self.assess(*key, now))).await;
            for (key, assessment) in chunk.iter().zip(assessed) {
                match assessment {
                    Assessment::Needed => needed.push(*key),
                    Assessment::Over(_) => others.push(*key),
                    Assessment::Waits | Assessment::Idle => {}
                }
            }
        }
        needed
    }

    /// Rows that share a transaction: of like budgets, so that a poor channel slows down no rich one (P76), and
    /// as many as a transaction holds. The order within stays, the next deadline first.
    fn groups(&self, keys: Vec<ObligationKey>) -> Vec<Vec<ObligationKey>> {
        let mut by_budget: BTreeMap<usize, Vec<ObligationKey>> = BTreeMap::new();
        for key in keys {
            let Some(duty) = self.duties.get(&key) else { continue };
            // Within a factor of two.
            let size = duty.order.max_cost.to_u256().bit_len();
            by_budget.entry(size).or_default().push(key);
        }
        let room = gas::batch_gas(&self.endpoints).saturating_sub(gas::LEFT_OVER_GAS);
        let by_gas = room.checked_div(gas::ROW_GAS).unwrap_or_default();
        let rows = usize::try_from(by_gas).unwrap_or(MAX_ROWS).clamp(1, MAX_ROWS);
        by_budget.values().flat_map(|keys| keys.chunks(rows).map(<[_]>::to_vec)).collect()
    }

    /// Sends rows in one transaction; gives back those that must go alone.
    async fn place_batch(
        &mut self,
        keys: &[ObligationKey],
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<Vec<ObligationKey>, ChainError> {
        let mut left_out = self.would_be_skipped(keys).await?;
        let rows: Vec<_> = keys.iter().filter(|key| !left_out.contains(key)).copied().collect();
        let Some(first) = rows.first().copied().filter(|_| rows.len() > 1) else {
            return Ok(keys.to_vec());
        };
        for key in &left_out {
            if let Some(duty) = self.duties.get_mut(key) {
                duty.is_alone = true;
            }
        }
        let id = self.batches.add(rows);
        let content = Content::Batch(id);
        let placed = match self.batch_job(id) {
            Ok(job) => self.place(first, None, &job, now, events).await,
            Err(error) => Err(error),
        };
        if self.lanes.iter().any(|lane| lane.holds(content)) {
            return placed.map(|()| left_out);
        }
        left_out.extend(self.batches.rows.remove(&id).unwrap_or_default());
        if let Err(error) = placed {
            tracing::warn!(%error, "a batch can't be sent");
        }
        Ok(left_out)
    }

    /// The rows that every endpoint that answers would see skipped: they go alone, which tells why. One endpoint
    /// that takes a row is enough to try it.
    async fn would_be_skipped(
        &self,
        keys: &[ObligationKey],
    ) -> Result<Vec<ObligationKey>, ChainError> {
        let (to, data) = call::encode_batch(&self.contracts, self.rows(keys))?;
        let request = CallRequest::view(to, data);
        let answers = self.endpoints.ask_all(|endpoint| endpoint.call(&request, At::Latest)).await;
        let mut skipped: Option<BTreeSet<usize>> = None;
        let mut failure = None;
        for answer in answers {
            let reasons = match answer {
                Ok(data) => challengeCloseBatchCall::abi_decode_returns_validate(&data).ok(),
                Err(error) => {
                    failure = Some(error);
                    None
                }
            };
            let Some(reasons) = reasons.filter(|reasons| reasons.len() == keys.len()) else {
                continue;
            };
            let is_skipped = |reason| BatchOutcome::from_reason(reason) != BatchOutcome::Done;
            let found = reasons.into_iter().enumerate().filter(|(_, reason)| is_skipped(*reason));
            let found: BTreeSet<usize> = found.map(|(place, _)| place).collect();
            skipped = Some(match skipped {
                Some(known) => known.intersection(&found).copied().collect(),
                None => found,
            });
        }
        match (skipped, failure) {
            (Some(places), _) => {
                let named = keys.iter().enumerate().filter(|(place, _)| places.contains(place));
                Ok(named.map(|(_, key)| *key).collect())
            }
            (None, Some(error)) => Err(error.into()),
            (None, None) => Err(ChainError::Unfit),
        }
    }

    fn rows<'a>(
        &'a self,
        keys: &'a [ObligationKey],
    ) -> impl Iterator<Item = (&'a Terms, &'a Evidence)> {
        keys.iter().filter_map(|key| self.duties.get(key)).filter_map(row_of)
    }

    /// What a batch sends. It may cost as often the smallest budget as it has rows, and climbs by the next
    /// deadline.
    fn batch_job(&self, id: BatchId) -> Result<Job, ChainError> {
        let content = Content::Batch(id);
        let keys = self.keys_of(content);
        let (to, data) = call::encode_batch(&self.contracts, self.rows(&keys))?;
        let duties = || keys.iter().filter_map(|key| self.duties.get(key));
        let least = duties().map(|duty| duty.order.max_cost).min().unwrap_or(Amount::ZERO);
        let windows = duties().filter_map(Duty::window);
        let floors = duties().map(|duty| duty.obligation.highest_fee_per_gas());
        let max_cost = least.to_u256().saturating_mul(U256::from(keys.len()));
        Ok(Job {
            content,
            payload: Payload { to, value: U256::ZERO, data },
            max_cost: Amount::from_u256(max_cost),
            window: windows.min_by_key(|window: &Window| window.closes),
            floor: floors.max().unwrap_or(0),
            bounds: Bounds::of_batch(&self.endpoints, keys.len()),
        })
    }

    /// Looks after the batches that wait for a block, as `serve` does after single calls.
    pub(super) async fn serve_batches(&mut self, now: &Now, events: &mut Vec<SubmitterEvent>) {
        let ids: Vec<BatchId> = self.batches.rows.keys().copied().collect();
        for id in ids {
            if let Err(error) = self.serve_batch(id, now, events).await {
                tracing::warn!(%error, "a batch waits");
            }
        }
    }

    async fn serve_batch(
        &mut self,
        id: BatchId,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let content = Content::Batch(id);
        let found = self.lanes.iter().enumerate().find_map(|(index, lane)| {
            let slots = lane.find(content);
            (!slots.is_empty()).then_some((index, slots))
        });
        let Some((index, slots)) = found else { return Ok(()) };
        let is_placed = slots.iter().any(|(_, slot)| slot.place != Place::Pool);
        if is_placed || self.keys_of(content).is_empty() {
            return Ok(());
        }
        let job = self.batch_job(id)?;
        for (nonce, slot) in slots {
            self.replace_if_due(&job, index, nonce, &slot, now, events).await?;
        }
        if self.batches.wanted.contains(&id) {
            self.place_in(index, &job, now, events).await?;
        }
        Ok(())
    }

    /// A block holds a batch: rows that it skipped go alone. Where endpoints differ about which these are, each
    /// row is looked at by itself.
    pub(super) async fn leave_out_skipped(
        &mut self,
        id: BatchId,
        landing: Landing,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let contract = self.contracts.channel;
        let skipped_in = |receipt: Receipt| -> BTreeSet<ChannelId> {
            let own = receipt.logs.iter().filter(|log| log.address() == contract);
            let decoded = own.filter_map(|log| ChallengeSkipped::decode_log(&log.inner).ok());
            decoded.map(|event| ChannelId(event.data.channelId)).collect()
        };
        let answers = self.endpoints.ask_all(|endpoint| endpoint.receipt(landing.tx)).await;
        let receipts = answers.into_iter().flatten().flatten();
        let same = receipts.filter(|receipt| Landing::from(receipt) == landing);
        let agreed = majority(same.map(skipped_in), self.endpoints.profile().quorum);
        let keys = self.keys_of(Content::Batch(id));
        let left_out: Vec<ObligationKey> = match agreed {
            Ok(skipped) => {
                keys.into_iter().filter(|key| skipped.contains(&key.channel_id)).collect()
            }
            Err(_) => keys,
        };
        for key in &left_out {
            tracing::info!(channel_id = %key.channel_id, "a batch has left out a row");
            self.batches.leave(key);
            if let Some(duty) = self.duties.get_mut(key) {
                duty.is_alone = true;
            }
            self.dropped(Content::Call(*key), events).await?;
        }
        Ok(())
    }
}
