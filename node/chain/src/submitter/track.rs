//! Where every transaction is now: in a block, in a pool, pushed aside, or gone.

use super::lane::{Content, Place};
use super::{Now, ObligationStore, Submitter, SubmitterEvent};
use crate::error::ChainError;
use crate::rpc::{At, CallRequest, Receipt};
use alloy_primitives::B256;
use lockstep_contracts::revert::Revert;
use lockstep_core::chain::{ObligationEvent, ObligationKey};

impl<S: ObligationStore> Submitter<S> {
    /// Brings every slot up to date.
    pub(super) async fn track(
        &mut self,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        for index in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get(index) else { continue };
            let confirmed = self.endpoints.nonce(lane.address()).await?;
            let nonces: Vec<u64> = lane.slots.keys().copied().collect();
            if let Some(lane) = self.lanes.get_mut(index) {
                lane.confirmed = confirmed;
            }
            for nonce in nonces {
                self.track_slot(index, nonce, confirmed, now, events).await?;
            }
        }
        Ok(())
    }

    async fn track_slot(
        &mut self,
        index: usize,
        nonce: u64,
        confirmed: u64,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Some(slot) = self.lanes.get(index).and_then(|lane| lane.slots.get(&nonce)) else {
            return Ok(());
        };
        let slot = slot.clone();
        let mut receipt = None;
        for hash in slot.hashes.iter().rev() {
            receipt = self.endpoints.receipt(*hash).await?;
            if receipt.is_some() {
                break;
            }
        }
        if let Some(receipt) = receipt {
            return self.landed(index, nonce, &receipt, now, events).await;
        }
        let key = match slot.content {
            Content::Call(key) => Some(key),
            Content::Filler => None,
        };
        if slot.place != Place::Pool {
            // P72: its block is gone.
            self.set_place(index, nonce, Place::Pool);
            self.dropped(key, events).await?;
        }
        if nonce < confirmed {
            // Another transaction has used the nonce: ours can never land.
            self.remove(index, nonce);
            return self.dropped(key, events).await;
        }
        self.send_again_if_lost(&slot.hashes, slot.raw.as_ref()).await
    }

    async fn landed(
        &mut self,
        index: usize,
        nonce: u64,
        receipt: &Receipt,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let (block, tx) = (receipt.block_number(), receipt.transaction_hash);
        let Some(slot) = self.lanes.get(index).and_then(|lane| lane.slots.get(&nonce)) else {
            return Ok(());
        };
        let (content, was) = (slot.content, slot.place);
        self.set_place(index, nonce, Place::Block(block));
        if let (Content::Call(key), true) = (content, was != Place::Block(block)) {
            if receipt.is_success() {
                self.apply(key, ObligationEvent::Included { tx, block }).await?;
                events.push(SubmitterEvent::Included { key, tx, block });
            } else {
                let revert = self.revert_of(tx, receipt).await;
                events.push(SubmitterEvent::Refused { key, revert });
                self.spend(index, nonce);
                self.dropped(Some(key), events).await?;
            }
        }
        let is_final = now.finalized.is_some_and(|(point, _)| block <= point.number);
        if is_final {
            self.remove(index, nonce);
        }
        Ok(())
    }

    /// Why an included transaction failed, found by calling again on the block's state.
    async fn revert_of(&self, tx: B256, receipt: &Receipt) -> Revert {
        let Ok(Some(found)) = self.endpoints.transaction(tx).await else { return Revert::Empty };
        let Some(to) = found.to else { return Revert::Empty };
        let request = CallRequest { from: Some(found.from), to, data: found.input };
        let at = At::Block(receipt.block_hash);
        for answer in self.endpoints.ask_all(|endpoint| endpoint.call(&request, at)).await {
            if let Some(revert) = answer.err().and_then(|error| error.revert()) {
                return revert;
            }
        }
        Revert::Empty
    }

    /// A pool may have forgotten it, or never got it: the same bytes go out again.
    async fn send_again_if_lost(
        &self,
        hashes: &[B256],
        raw: Option<&alloy_primitives::Bytes>,
    ) -> Result<(), ChainError> {
        let (Some(newest), Some(raw)) = (hashes.last(), raw) else { return Ok(()) };
        if self.endpoints.transaction(*newest).await?.is_some() {
            return Ok(());
        }
        if let Err(error) = self.endpoints.broadcast(raw).await {
            tracing::info!(tx_hash = %newest, error = %error, "pool does not take a transaction");
        }
        Ok(())
    }

    async fn dropped(
        &mut self,
        key: Option<ObligationKey>,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Some(key) = key.filter(|key| self.duties.contains_key(key)) else { return Ok(()) };
        events.push(SubmitterEvent::Dropped { key });
        self.apply(key, ObligationEvent::Dropped).await
    }

    fn set_place(&mut self, index: usize, nonce: u64, place: Place) {
        if let Some(slot) = self.lanes.get_mut(index).and_then(|lane| lane.slots.get_mut(&nonce)) {
            slot.place = place;
        }
    }

    /// The nonce is used up by a failed call, which no longer stands for it.
    fn spend(&mut self, index: usize, nonce: u64) {
        if let Some(slot) = self.lanes.get_mut(index).and_then(|lane| lane.slots.get_mut(&nonce)) {
            slot.content = Content::Filler;
        }
    }

    fn remove(&mut self, index: usize, nonce: u64) {
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.slots.remove(&nonce);
        }
    }
}
