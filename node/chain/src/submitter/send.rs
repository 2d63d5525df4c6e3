//! Sending a call, replacing it, and filling gaps in an account's nonces.

use super::fee::Fees;
use super::gas::{self, Need, TRANSFER_GAS};
use super::lane::{self, Content, Lane, Place, Slot};
use super::{Duty, Now, ObligationStore, Submitter, SubmitterEvent};
use crate::alarm::Alarm;
use crate::call;
use crate::convert;
use crate::error::ChainError;
use crate::rpc::CallRequest;
use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use lockstep_core::chain::{ChainCall, ObligationEvent, ObligationKey};

impl<S: ObligationStore> Submitter<S> {
    /// Does what one call asks for now.
    pub(super) async fn serve(
        &mut self,
        key: ObligationKey,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Some(duty) = self.duties.get(&key).cloned() else { return Ok(()) };
        if self.end_if_final(&duty, now, events).await? {
            return Ok(());
        }
        let found = self.lanes.iter().enumerate().find_map(|(index, lane)| {
            let nonce = lane.find(&key)?;
            lane.slots.get(&nonce).map(|slot| (index, nonce, slot.clone()))
        });
        let is_needed = self.is_needed(&duty, now).await;
        match found {
            Some((_, _, slot)) if slot.place != Place::Pool => return Ok(()),
            Some((index, nonce, slot)) => {
                self.replace_if_due(&duty, index, nonce, &slot, now, events).await?;
            }
            None if is_needed => self.place(&duty, now, events).await?,
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
        let time = now.head.timestamp;
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

    /// Sends a call for the first time, or anew after it was lost.
    async fn place(
        &mut self,
        duty: &Duty,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let key = *duty.obligation.key();
        let (to, data) = self.encode(duty)?;
        let senders = self.senders(duty)?;
        let mut refused = Vec::new();
        loop {
            let patience = self.endpoints.profile().replace_after_blocks;
            let may_send = |lane: &Lane| {
                let address = lane.address();
                !refused.contains(&address)
                    && senders.as_ref().is_none_or(|list| list.contains(&address))
            };
            let is_stuck = |lane: &Lane| lane.is_stuck(now.base_fee, now.head.number, patience);
            let Some(index) = lane::choose(&self.lanes, may_send, is_stuck, &key) else {
                return Err(ChainError::NoAuthorizedAccount);
            };
            let Some(lane) = self.lanes.get(index) else { return Ok(()) };
            let (account, nonce) = (lane.address(), lane.free_nonce());
            let request = CallRequest { from: Some(account), to, data: data.clone() };
            let need = match gas::need(&self.endpoints, &request).await {
                Ok(need) => need,
                Err(ChainError::Endpoint(error)) => {
                    if let Some(revert) = error.revert() {
                        events.push(SubmitterEvent::Refused { key, revert });
                        return Ok(());
                    }
                    return Err(error.into());
                }
                Err(error) => return Err(error),
            };
            let fees = offer(duty, &need, now).max(lane.highest_behind(nonce));
            if let Some(alarm) = self.cannot_pay(account, &need, fees).await? {
                Self::alarm(events, alarm);
                refused.push(account);
                if refused.len() < self.lanes.len() {
                    continue;
                }
                return Ok(());
            }
            let content = Content::Call(key);
            let slot = Slot {
                content,
                hashes: Vec::new(),
                raw: None,
                fees,
                gas: need.gas,
                sent_at: now.head.number,
                place: Place::Pool,
            };
            return self.send(index, nonce, slot, to, data, events).await;
        }
    }

    fn encode(&self, duty: &Duty) -> Result<(Address, Bytes), ChainError> {
        let intent = duty.order.intent.as_ref();
        call::encode(&self.contracts, &duty.order.terms, duty.obligation.call(), intent)
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

    async fn cannot_pay(
        &self,
        account: Address,
        need: &Need,
        fees: Fees,
    ) -> Result<Option<Alarm>, ChainError> {
        let gas = U256::from(need.gas).saturating_mul(U256::from(fees.max_fee));
        let needed = gas.saturating_add(need.data_fee);
        let balance = self.endpoints.balance(account).await?;
        Ok((balance < needed).then_some(Alarm::AccountEmpty { account, needed, balance }))
    }

    /// Offers more for a transaction that waits, if it is time and within the budget.
    async fn replace_if_due(
        &mut self,
        duty: &Duty,
        index: usize,
        nonce: u64,
        slot: &Slot,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Some(lane) = self.lanes.get(index) else { return Ok(()) };
        let behind = lane.highest_behind(nonce);
        let patience = self.endpoints.profile().replace_after_blocks;
        let has_waited = now.head.number.0 >= slot.sent_at.0.saturating_add(patience);
        let is_priced_out = slot.fees.max_fee < now.base_fee;
        let is_in_the_way = behind.max_fee > slot.fees.max_fee;
        if !has_waited && !is_priced_out && !is_in_the_way {
            return Ok(());
        }
        let (to, data) = self.encode(duty)?;
        let need = Need { gas: slot.gas, data_fee: U256::ZERO };
        let cap = cap(duty, &need).max(behind.max_fee);
        let wanted = offer(duty, &need, now).max(behind);
        if wanted.max_fee <= slot.fees.max_fee && slot.raw.is_some() && !is_priced_out {
            return Ok(());
        }
        let least = slot.fees.next_step();
        let fees = if wanted.replaces(slot.fees) { wanted } else { wanted.max(least) };
        if fees.max_fee > cap {
            let key = *duty.obligation.key();
            Self::alarm(events, Alarm::BudgetReached { key, needed: fees.max_fee, cap });
            return Ok(());
        }
        let next = Slot { fees, sent_at: now.head.number, ..slot.clone() };
        self.send(index, nonce, next, to, data, events).await
    }

    /// Signs, makes durable, sends: in this order.
    async fn send(
        &mut self,
        index: usize,
        nonce: u64,
        mut slot: Slot,
        to: Address,
        data: Bytes,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Some(lane) = self.lanes.get(index) else { return Ok(()) };
        let transaction = TxEip1559 {
            chain_id: self.contracts.chain_id,
            nonce,
            gas_limit: slot.gas,
            max_fee_per_gas: slot.fees.max_fee,
            max_priority_fee_per_gas: slot.fees.priority,
            to: TxKind::Call(to),
            value: U256::ZERO,
            access_list: alloy::eips::eip2930::AccessList::default(),
            input: data,
        };
        let signature = lane.account.sign_transaction(&transaction)?;
        let signed = transaction.into_signed(signature);
        let tx: B256 = *signed.hash();
        let raw: Bytes = signed.encoded_2718().into();
        if let Content::Call(key) = slot.content {
            let sent = ObligationEvent::Sent { tx, fee_per_gas: slot.fees.max_fee };
            self.apply(key, sent).await?;
            events.push(SubmitterEvent::Sent { key, tx, fees: slot.fees });
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
            let Some(lane) = self.lanes.get(index) else { continue };
            let (address, gaps) = (lane.address(), lane.gaps());
            let mut fillers: Vec<(u64, Slot)> = Vec::new();
            for nonce in gaps {
                let slot = Slot {
                    content: Content::Filler,
                    hashes: Vec::new(),
                    raw: None,
                    fees: now.market.max(lane.highest_behind(nonce)),
                    gas: TRANSFER_GAS,
                    sent_at: now.head.number,
                    place: Place::Pool,
                };
                fillers.push((nonce, slot));
            }
            for (nonce, slot) in lane.waiting() {
                fillers.extend(self.raised_leftover(lane, *nonce, slot, now));
            }
            for (nonce, slot) in fillers {
                let mut none = Vec::new();
                let sent = self.send(index, nonce, slot, address, Bytes::new(), &mut none);
                if let Err(error) = sent.await {
                    tracing::info!(error = %error, "gap in nonces stays open");
                }
            }
        }
    }

    /// A waiting transaction that nobody needs any more, as a transfer of nothing at a fee that lets what is
    /// behind it land.
    fn raised_leftover(
        &self,
        lane: &Lane,
        nonce: u64,
        slot: &Slot,
        now: &Now,
    ) -> Option<(u64, Slot)> {
        let is_owed = match slot.content {
            Content::Call(key) => self.duties.contains_key(&key),
            Content::Filler => false,
        };
        let behind = lane.highest_behind(nonce);
        let blocks = behind.max_fee > slot.fees.max_fee
            || (behind.max_fee > 0 && slot.fees.max_fee < now.base_fee);
        (!is_owed && blocks).then(|| {
            let fees = behind.max(slot.fees.next_step());
            let sent_at = now.head.number;
            let content = Content::Filler;
            (nonce, Slot { content, fees, sent_at, gas: TRANSFER_GAS, ..slot.clone() })
        })
    }
}

/// The most per gas that the budget allows.
fn cap(duty: &Duty, need: &Need) -> u128 {
    let for_gas = duty.order.max_cost.to_u256().saturating_sub(need.data_fee);
    let per_gas = for_gas.checked_div(U256::from(need.gas)).unwrap_or_default();
    u128::try_from(per_gas).unwrap_or(u128::MAX)
}

/// What to offer now: never less than was offered before for this call, also by an earlier run.
fn offer(duty: &Duty, need: &Need, now: &Now) -> Fees {
    let cap = cap(duty, need);
    let wanted = match duty.window() {
        Some(window) => window.ladder(now.market, cap, now.head.timestamp),
        None => now.market.capped(cap),
    };
    let floor = duty.obligation.highest_fee_per_gas();
    Fees { max_fee: wanted.max_fee.max(floor), priority: wanted.priority }
}
