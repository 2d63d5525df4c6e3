//! Where every transaction is now: in a block, in a pool, pushed aside, or gone.

use super::lane::{Content, Place, Slot};
use super::now::Now;
use super::{ObligationStore, Submitter, SubmitterEvent};
use crate::endpoints::{Landing, majority};
use crate::error::ChainError;
use crate::rpc::{At, CallRequest};
use alloy_primitives::{B256, Bytes};
use lockstep_contracts::revert::Revert;
use lockstep_core::chain::ObligationEvent;

/// What the endpoints say about everything that was sent with one nonce.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Where a quorum says that it landed.
    pub(super) landing: Option<Landing>,
    /// Which endpoints, in their order, show a landing.
    pub(super) shown: Vec<bool>,
    /// How many answered for every transaction that they know of none.
    pub(super) denials: usize,
}

impl<S: ObligationStore> Submitter<S> {
    /// Brings every slot up to date.
    pub(super) async fn track(
        &mut self,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        for index in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get(index) else { continue };
            let nonces: Vec<u64> = lane.slots.keys().copied().collect();
            for nonce in nonces {
                self.track_slot(index, nonce, now, events).await?;
            }
        }
        Ok(())
    }

    /// Asks for the counts of every account's transactions.
    pub(super) async fn count(&mut self) -> Result<(), ChainError> {
        let quorum = self.endpoints.profile().quorum;
        for index in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get(index) else { continue };
            let claims = self.endpoints.nonces(lane.address()).await?;
            if let Some(lane) = self.lanes.get_mut(index) {
                lane.note_claims(claims, quorum);
            }
        }
        Ok(())
    }

    async fn track_slot(
        &mut self,
        index: usize,
        nonce: u64,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Some(lane) = self.lanes.get(index) else { return Ok(()) };
        let (address, confirmed) = (lane.address(), lane.confirmed);
        let Some(slot) = lane.slots.get(&nonce).cloned() else { return Ok(()) };
        let found = self.find_landing(&slot.hashes).await?;
        self.change(index, nonce, |slot| slot.shown.clone_from(&found.shown));
        if let Content::Entry(id) = slot.content {
            match self.track_entry(id, address, &found, now, events).await {
                Ok(false) => {}
                Ok(true) => {
                    self.remove(index, nonce);
                    return Ok(());
                }
                // It is tried again in the next step, and must not keep a challenge from this one.
                Err(error) => tracing::warn!(entry = %id.0, error = %error, "entry is not tracked"),
            }
        }
        match found.landing {
            Some(landing) => return self.landed(index, nonce, &slot, landing, now, events).await,
            None if slot.place != Place::Pool => {
                // P72: its block is gone.
                self.change(index, nonce, |slot| slot.place = Place::Pool);
                self.dropped(slot.content, events).await?;
            }
            None => {}
        }
        let is_shown = found.shown.contains(&true);
        let is_entry = matches!(slot.content, Content::Entry(_));
        if nonce < confirmed && !is_shown && !is_entry {
            // Another transaction has used the nonce: ours can never land.
            self.remove(index, nonce);
            return self.dropped(slot.content, events).await;
        }
        self.send_again_if_lost(&slot.hashes, slot.raw.as_ref()).await;
        Ok(())
    }

    /// Where any of the transactions has landed, newest first.
    async fn find_landing(&self, hashes: &[B256]) -> Result<Found, ChainError> {
        let count = self.endpoints.count();
        let quorum = self.endpoints.profile().quorum;
        let mut found = Found { shown: vec![false; count], ..Found::default() };
        let mut denies = vec![!hashes.is_empty(); count];
        for hash in hashes.iter().rev() {
            let answers = self.endpoints.landings(*hash).await?;
            for ((answer, shown), denies) in answers.iter().zip(&mut found.shown).zip(&mut denies) {
                *shown |= matches!(answer, Some(Some(_)));
                *denies &= matches!(answer, Some(None));
            }
            let landings = answers.into_iter().flatten().flatten();
            if let Ok(landing) = majority(landings, quorum) {
                found.landing = Some(landing);
                break;
            }
        }
        found.denials = denies.into_iter().filter(|denies| *denies).count();
        Ok(found)
    }

    async fn landed(
        &mut self,
        index: usize,
        nonce: u64,
        slot: &Slot,
        landing: Landing,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Landing { tx, block, is_success, .. } = landing;
        let is_new = slot.place != Place::Block(landing);
        self.change(index, nonce, |slot| slot.place = Place::Block(landing));
        let keys = if is_new { self.keys_of(slot.content) } else { Vec::new() };
        if !keys.is_empty() && is_success {
            if let Content::Batch(id) = slot.content {
                self.leave_out_skipped(id, landing, events).await?;
            }
            let keys = self.keys_of(slot.content);
            self.apply_all(&keys, ObligationEvent::Included { tx, block }).await?;
            let included = keys.into_iter().map(|key| SubmitterEvent::Included { key, tx, block });
            events.extend(included);
        } else if !keys.is_empty() {
            let revert = self.revert_of(landing).await;
            for key in &keys {
                self.refused(*key, revert.clone(), events);
                if let Some(duty) = self.duties.get_mut(key) {
                    duty.has_failed = true;
                    duty.is_alone = true;
                }
            }
            // The nonce is used up by a failed call, which no longer stands for it.
            self.change(index, nonce, |slot| slot.content = Content::Filler);
            self.dropped(slot.content, events).await?;
        }
        let is_final = now.finalized.is_some_and(|(point, _)| block <= point.number);
        if is_final && !matches!(slot.content, Content::Entry(_)) {
            self.remove(index, nonce);
        }
        Ok(())
    }

    /// Why an included transaction failed, found by calling again on the block's state.
    pub(super) async fn revert_of(&self, landing: Landing) -> Revert {
        let Ok(Some(found)) = self.endpoints.transaction(landing.tx).await else {
            return Revert::Empty;
        };
        let Some(to) = found.to else { return Revert::Empty };
        let value = Some(found.value);
        let request = CallRequest { from: Some(found.from), to, data: found.input, value };
        let at = At::Block(landing.block_hash);
        for answer in self.endpoints.ask_all(|endpoint| endpoint.call(&request, at)).await {
            if let Some(revert) = answer.err().and_then(|error| error.revert()) {
                return revert;
            }
        }
        Revert::Empty
    }

    /// A pool may have forgotten it, or never got it: the same bytes go out again.
    async fn send_again_if_lost(&self, hashes: &[B256], raw: Option<&Bytes>) {
        let (Some(newest), Some(raw)) = (hashes.last(), raw) else { return };
        if let Err(error) = self.endpoints.spread(*newest, raw).await {
            tracing::info!(tx_hash = %newest, error = %error, "pool does not take a transaction");
        }
    }

    pub(super) async fn dropped(
        &mut self,
        content: Content,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let keys = self.keys_of(content);
        events.extend(keys.iter().map(|key| SubmitterEvent::Dropped { key: *key }));
        self.apply_all(&keys, ObligationEvent::Dropped).await
    }

    fn change(&mut self, index: usize, nonce: u64, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.lanes.get_mut(index).and_then(|lane| lane.slots.get_mut(&nonce)) {
            change(slot);
        }
    }

    fn remove(&mut self, index: usize, nonce: u64) {
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.slots.remove(&nonce);
        }
    }
}
