//! Sending a call, replacing it, and filling gaps in an account's nonces.

use super::fee::Fees;
use super::gas::{self, Bounds, Need, TRANSFER_GAS};
use super::goal;
use super::lane::{self, Content, Lane, Place, Slot};
use super::now::Now;
use super::offer::{Job, Range};
use super::{Duty, ObligationStore, Submitter, SubmitterEvent};
use crate::alarm::Alarm;
use crate::call::{self, Payload};
use crate::convert;
use crate::error::ChainError;
use crate::rpc::CallRequest;
use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use futures::future::join_all;
use lockstep_contracts::revert::Revert;
use lockstep_core::chain::{ChainCall, ObligationEvent, ObligationKey};
use lockstep_core::entry::{EntryEvent, Offer};

/// Calls that are looked at together, so that many at once do not wait for each other's answers.
pub(super) const ASSESSED_AT_ONCE: usize = 16;

/// How a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assessment {
    /// It has ended like this.
    Over(ObligationEvent),
    /// It is in a block.
    Waits,
    /// It would do something.
    Needed,
    /// It would do nothing now.
    Idle,
}

impl<S: ObligationStore> Submitter<S> {
    /// Does what calls ask for now: looks at many at once, then sends in their order.
    pub(super) async fn serve_all(
        &mut self,
        keys: Vec<ObligationKey>,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) {
        let mut waiting = keys.into_iter();
        loop {
            let chunk: Vec<_> = waiting.by_ref().take(ASSESSED_AT_ONCE).collect();
            if chunk.is_empty() {
                return;
            }
            let assessed = join_all(chunk.iter().map(|key| self.assess(*key, now))).await;
            for (key, assessment) in chunk.into_iter().zip(assessed) {
                if let Err(error) = self.serve(key, assessment, now, events).await {
                    tracing::warn!(channel_id = %key.channel_id, error = %error, "call waits");
                }
            }
        }
    }

    /// How a call stands, without changing anything.
    pub(super) async fn assess(&self, key: ObligationKey, now: &Now) -> Assessment {
        let Some(duty) = self.duties.get(&key) else { return Assessment::Waits };
        if let Some(event) = self.final_event(duty, now).await {
            return Assessment::Over(event);
        }
        // In a block on a quorum's word: it waits to become final. One endpoint's word is not enough.
        let content = self.content_of(&key);
        let is_placed =
            |lane: &Lane| lane.find(content).iter().any(|(_, slot)| slot.place != Place::Pool);
        if self.lanes.iter().any(is_placed) {
            return Assessment::Waits;
        }
        if self.is_needed(duty, now).await { Assessment::Needed } else { Assessment::Idle }
    }

    /// Does what one call asks for now.
    async fn serve(
        &mut self,
        key: ObligationKey,
        assessment: Assessment,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Some(duty) = self.duties.get(&key).cloned() else { return Ok(()) };
        let is_needed = match assessment {
            Assessment::Over(event) => return self.end(key, event, events).await,
            Assessment::Waits => return Ok(()),
            Assessment::Needed => !self.is_rival_out(&key),
            Assessment::Idle => false,
        };
        let content = self.content_of(&key);
        if let Content::Batch(id) = content {
            // It goes with the others; see `serve_batches`.
            if is_needed {
                self.batches.want(id);
                self.warn_of_deadline(&duty, now, events);
            }
            return Ok(());
        }
        let found = self.lanes.iter().enumerate().find_map(|(index, lane)| {
            let slots = lane.find(content);
            (!slots.is_empty()).then_some((index, slots))
        });
        let job = self.job(&duty)?;
        match found {
            Some((index, slots)) => {
                for (nonce, slot) in slots {
                    self.replace_if_due(&job, index, nonce, &slot, now, events).await?;
                }
                if is_needed {
                    self.place_in(index, &job, now, events).await?;
                }
            }
            None if is_needed => {
                let senders = self.senders(&duty)?;
                self.place(key, senders.as_deref(), &job, now, events).await?;
            }
            None => {}
        }
        if is_needed {
            self.warn_of_deadline(&duty, now, events);
        }
        Ok(())
    }

    fn warn_of_deadline(&self, duty: &Duty, now: &Now, events: &mut Vec<SubmitterEvent>) {
        let Some(window) = duty.window() else { return };
        let (key, before) = (*duty.obligation.key(), window.closes);
        let time = now.most.time;
        if let Some(secs) = self.endpoints.profile().force_before_secs() {
            // P77, watchtower §4: the earlier of a quarter of the window and what forcing takes.
            let is_late = time >= before.saturating_sub_secs(secs);
            if is_late || window.is_quarter_over(time) {
                Self::alarm(events, Alarm::ForceThroughL1 { key, before });
            }
        }
        if window.is_half_over(time) {
            Self::alarm(events, Alarm::HalfOfWindow { key, before });
        }
    }

    fn job(&self, duty: &Duty) -> Result<Job, ChainError> {
        let intent = duty.order.intent.as_ref();
        let call = duty.obligation.call();
        let (to, data) = call::encode(&self.contracts, &duty.order.terms, call, intent)?;
        Ok(Job {
            content: Content::Call(*duty.obligation.key()),
            payload: Payload { to, value: U256::ZERO, data },
            max_cost: duty.order.max_cost,
            window: duty.window(),
            floor: duty.obligation.highest_fee_per_gas(),
            bounds: Bounds::of_call(&self.endpoints, call.kind()),
        })
    }

    /// Sends a call for the first time, or anew after it was lost, from an account that can.
    pub(super) async fn place(
        &mut self,
        key: ObligationKey,
        senders: Option<&[Address]>,
        job: &Job,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let mut refused = Vec::new();
        loop {
            let patience = self.endpoints.profile().replace_after_blocks;
            let may_send = |lane: &Lane| {
                let address = lane.address();
                !refused.contains(&address) && senders.is_none_or(|list| list.contains(&address))
            };
            let is_stuck = |lane: &Lane| lane.is_stuck(now.most.base_fee, &now.heads, patience);
            let Some(index) = lane::choose(&self.lanes, may_send, is_stuck, &key) else {
                // Every account that may send it has been named as empty.
                return if refused.is_empty() {
                    Err(ChainError::NoAuthorizedAccount)
                } else {
                    Ok(())
                };
            };
            match self.place_in(index, job, now, events).await? {
                Some(account) => refused.push(account),
                None => return Ok(()),
            }
        }
    }

    /// Sends a call from one account, with every nonce that an endpoint calls the next one. Gives the account
    /// back if it can't pay.
    pub(super) async fn place_in(
        &mut self,
        index: usize,
        job: &Job,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<Option<Address>, ChainError> {
        let Some(lane) = self.lanes.get(index) else { return Ok(None) };
        let (account, nonces) = (lane.address(), lane.missing_for(job.content));
        if nonces.is_empty() {
            return Ok(None);
        }
        let Payload { to, value, data } = job.payload.clone();
        let request = CallRequest { from: Some(account), to, data, value: Some(value) };
        let need = match gas::need(&self.endpoints, &request, job.bounds).await {
            Ok(need) => need,
            Err(ChainError::Endpoint(error)) => {
                if let (Content::Call(key), Some(revert)) = (job.content, error.revert()) {
                    self.refused(key, revert, events);
                    return Ok(None);
                }
                return Err(error.into());
            }
            Err(error) => return Err(error),
        };
        for nonce in nonces {
            let Some(lane) = self.lanes.get(index) else { return Ok(None) };
            let range = job.range(&need, now).at_least(lane.highest_behind(nonce));
            let Some(range) = self.affordable(account, &need, range, events).await? else {
                return Ok(Some(account));
            };
            let slot = Slot::new(job.content, Fees::default(), need.gas, now.heads.clone());
            self.climb(index, nonce, slot, job, range, events).await?;
        }
        Ok(None)
    }

    /// Sends every rung of a range.
    async fn climb(
        &mut self,
        index: usize,
        nonce: u64,
        mut slot: Slot,
        job: &Job,
        range: Range,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        for fees in range.rungs() {
            let next = Slot { fees, ..slot };
            if let Err(error) = self.send(index, nonce, next, &job.payload, events).await {
                // The next price, or the next nonce, may be the one that an honest endpoint takes.
                tracing::info!(error = %error, nonce, "no endpoint takes a transaction yet");
            }
            let known = self.lanes.get(index).and_then(|lane| lane.slots.get(&nonce));
            // Not kept, so not sent: neither would the next one be.
            let Some(known) = known else { return Ok(()) };
            slot = known.clone();
        }
        Ok(())
    }

    /// Tells of a refusal, unless it only says that somebody else was faster.
    pub(super) fn refused(
        &self,
        key: ObligationKey,
        revert: Revert,
        events: &mut Vec<SubmitterEvent>,
    ) {
        let duty = self.duties.get(&key);
        let call = duty.map(|duty| duty.obligation.call());
        if call.is_some_and(|call| goal::is_overtaken(call, key.version, &revert)) {
            tracing::debug!(channel_id = %key.channel_id, kind = ?key.kind, "somebody was faster");
            return;
        }
        events.push(SubmitterEvent::Refused { key, revert });
    }

    /// Who may send it; none means anyone. Only the start of a close looks at its sender.
    fn senders(&self, duty: &Duty) -> Result<Option<Vec<Address>>, ChainError> {
        match duty.obligation.call() {
            ChainCall::InitiateClose(_) if duty.order.intent.is_none() => {
                let terms = &duty.order.terms;
                let owners = [terms.participant1, terms.participant2];
                let mut senders = vec![terms.signer1, terms.signer2];
                for owner in owners {
                    senders.push(convert::address(owner)?);
                }
                Ok(Some(senders))
            }
            ChainCall::InitiateClose(_)
            | ChainCall::Challenge(_)
            | ChainCall::Close
            | ChainCall::CooperativeClose(_)
            | ChainCall::PartialWithdraw(_)
            | ChainCall::RegisterSecret { .. }
            | ChainCall::ResolveLocks { .. } => Ok(None),
        }
    }

    /// As much of a range as an account can pay; none if it can't pay the least. By the highest balance that
    /// an endpoint claims: what is claimed too high only costs the upper rungs.
    async fn affordable(
        &self,
        account: Address,
        need: &Need,
        range: Range,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<Option<Range>, ChainError> {
        let balance = self.endpoints.balance(account).await?;
        let funds = need.per_gas(balance);
        if funds < range.most.max_fee {
            let needed = need.cost(range.most.max_fee);
            Self::alarm(events, Alarm::AccountEmpty { account, needed, balance });
        }
        Ok((funds >= range.least.max_fee).then(|| range.capped(funds)))
    }

    /// Offers more for a transaction that waits, if it is time and within the budget.
    pub(super) async fn replace_if_due(
        &mut self,
        job: &Job,
        index: usize,
        nonce: u64,
        slot: &Slot,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Some(lane) = self.lanes.get(index) else { return Ok(()) };
        if lane.claims.iter().flatten().all(|claim| nonce < *claim) {
            // Every endpoint says that it is used up. One alone that shows it in a block changes nothing.
            return Ok(());
        }
        let (account, behind) = (lane.address(), lane.highest_behind(nonce));
        let patience = self.endpoints.profile().replace_after_blocks;
        let has_waited = now.heads.have_passed(&slot.sent_at, patience);
        let is_priced_out = slot.fees.max_fee < now.most.base_fee;
        let is_in_the_way = behind.max_fee > slot.fees.max_fee;
        if !has_waited && !is_priced_out && !is_in_the_way {
            return Ok(());
        }
        let need = Need { gas: self.gas_again(job, account, slot).await, data_fee: U256::ZERO };
        let cap = job.cap(&need).max(behind.max_fee);
        let wanted = job.offer(&need, now).max(behind);
        if wanted.max_fee <= slot.fees.max_fee && slot.raw.is_some() && !is_priced_out {
            return Ok(());
        }
        let least = slot.fees.next_step();
        if least.max_fee > cap {
            let needed = least.max_fee;
            if let Content::Entry(id) = job.content {
                Self::alarm(events, Alarm::PaymentOverBudget { id, needed, cap });
            }
            for key in self.keys_of(job.content) {
                Self::alarm(events, Alarm::BudgetReached { key, needed, cap });
            }
            return Ok(());
        }
        let range = job.range(&need, now).at_least(behind).at_least(least).up_to(cap);
        let Some(range) = self.affordable(account, &need, range, events).await? else {
            return Ok(());
        };
        let next = Slot { sent_at: now.heads.clone(), gas: need.gas, ..slot.clone() };
        self.climb(index, nonce, next, job, range, events).await
    }

    /// The gas of what is offered again. A batch may have fewer rows by now, and a budget as much smaller: with the gas
    /// of all of them it could not be offered for more.
    async fn gas_again(&self, job: &Job, account: Address, slot: &Slot) -> u64 {
        if !matches!(job.content, Content::Batch(_)) {
            return slot.gas;
        }
        let Payload { to, value, data } = job.payload.clone();
        let request = CallRequest { from: Some(account), to, data, value: Some(value) };
        match gas::need(&self.endpoints, &request, job.bounds).await {
            Ok(need) => need.gas.min(slot.gas),
            Err(error) => {
                tracing::info!(%error, "a batch keeps the gas that it had");
                slot.gas
            }
        }
    }

    /// Signs, makes durable, sends: in this order.
    pub(super) async fn send(
        &mut self,
        index: usize,
        nonce: u64,
        mut slot: Slot,
        payload: &Payload,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Some(lane) = self.lanes.get(index) else { return Ok(()) };
        let transaction = TxEip1559 {
            chain_id: self.contracts.chain_id,
            nonce,
            gas_limit: slot.gas,
            max_fee_per_gas: slot.fees.max_fee,
            max_priority_fee_per_gas: slot.fees.priority,
            to: TxKind::Call(payload.to),
            value: payload.value,
            access_list: alloy::eips::eip2930::AccessList::default(),
            input: payload.data.clone(),
        };
        let signature = lane.account.sign_transaction(&transaction)?;
        let signed = transaction.into_signed(signature);
        let tx: B256 = *signed.hash();
        let raw: Bytes = signed.encoded_2718().into();
        match slot.content {
            Content::Call(_) | Content::Batch(_) => {
                let keys = self.keys_of(slot.content);
                let sent = ObligationEvent::Sent { tx, fee_per_gas: slot.fees.max_fee };
                self.apply_all(&keys, sent).await?;
                let fees = slot.fees;
                events.extend(keys.into_iter().map(|key| SubmitterEvent::Sent { key, tx, fees }));
            }
            Content::Entry(id) => {
                let Fees { max_fee, priority } = slot.fees;
                let offer = Offer { tx, max_fee_per_gas: max_fee, priority_fee_per_gas: priority };
                let (gas_limit, raw) = (slot.gas, raw.to_vec());
                let signed = EntryEvent::Signed { nonce, gas_limit, offer, raw };
                self.apply_entry(id, signed, events).await?;
            }
            Content::Filler => {}
        }
        slot.hashes.push(tx);
        slot.raw = Some(raw.clone());
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.slots.insert(nonce, slot);
        }
        // Should nobody take it now, the next step finds it missing and sends it again.
        self.endpoints.broadcast(&raw).await
    }

    /// Uses nonces that are missing below one that waits, and raises what stands in the way without being
    /// owed any more.
    pub(super) async fn fill_gaps(&mut self, now: &Now) {
        for index in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(index) else { continue };
            lane.forget_strays();
            let Some(lane) = self.lanes.get(index) else { continue };
            let (address, gaps) = (lane.address(), lane.gaps());
            let mut fillers: Vec<(u64, Slot)> = Vec::new();
            for nonce in gaps {
                let fees = now.most.fees.max(lane.highest_behind(nonce));
                let slot = Slot::new(Content::Filler, fees, TRANSFER_GAS, now.heads.clone());
                fillers.push((nonce, slot));
            }
            for (nonce, slot) in lane.waiting() {
                fillers.extend(self.raised_leftover(lane, *nonce, slot, now));
            }
            let nothing = Payload { to: address, value: U256::ZERO, data: Bytes::new() };
            for (nonce, slot) in fillers {
                let mut none = Vec::new();
                let sent = self.send(index, nonce, slot, &nothing, &mut none);
                if let Err(error) = sent.await {
                    tracing::info!(error = %error, "gap in nonces stays open");
                }
            }
        }
    }

    /// A waiting transaction that nobody needs any more, as a transfer of nothing at a fee that lets what is
    /// behind it land. Never an entry: its nonce is its own.
    fn raised_leftover(
        &self,
        lane: &Lane,
        nonce: u64,
        slot: &Slot,
        now: &Now,
    ) -> Option<(u64, Slot)> {
        let is_owed = match slot.content {
            Content::Call(key) => self.duties.contains_key(&key),
            Content::Batch(_) => !self.keys_of(slot.content).is_empty(),
            Content::Entry(_) => true,
            Content::Filler => false,
        };
        let behind = lane.highest_behind(nonce);
        let blocks = behind.max_fee > slot.fees.max_fee
            || (behind.max_fee > 0 && slot.fees.max_fee < now.most.base_fee);
        (!is_owed && blocks).then(|| {
            let fees = behind.max(slot.fees.next_step());
            let sent_at = now.heads.clone();
            let content = Content::Filler;
            (nonce, Slot { content, fees, sent_at, gas: TRANSFER_GAS, ..slot.clone() })
        })
    }
}
