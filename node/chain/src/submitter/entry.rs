//! Payments into the contract: signed once per nonce, sent again as the same bytes, ended only by a finalized
//! block (P86).

use super::lane::{Content, Slot};
use super::now::{Heads, Now};
use super::readiness::{Readiness, Sendable};
use super::track::Found;
use super::{EntryRefusal, Fees, ObligationStore, Submitter, SubmitterEvent};
use crate::convert;
use crate::endpoints::{Landing, majority};
use crate::error::ChainError;
use crate::rpc::{At, BlockTag};
use alloy_primitives::Address;
use lockstep_core::entry::{Entry, EntryCall, EntryEvent, EntryId, EntryStage};
use lockstep_core::ids::AccountRef;
use lockstep_core::money::Amount;

/// Approvals that are tried for one deposit: some tokens want a zero between two of them, and another deposit
/// may use one up.
const MAX_APPROVALS: u8 = 4;

impl<S: ObligationStore> Submitter<S> {
    /// Makes a payment into the contract, durably and once per name. The answer is the entry as it is now:
    /// signed and sent, or waiting for an approval that was sent.
    ///
    /// A name that is known gives what it stands for; if that has failed, it is tried anew.
    ///
    /// # Errors
    /// [`ChainError::Entry`] says why it can't be made; any error means that nothing was signed or sent.
    pub async fn enter(
        &mut self,
        id: EntryId,
        from: Address,
        call: EntryCall,
        max_cost: Amount,
    ) -> Result<(Entry, Vec<SubmitterEvent>), ChainError> {
        let wanted = Entry::new(id, AccountRef::Evm(from), call, max_cost);
        match self.entries.get(&id) {
            Some(known) if known.call() != wanted.call() || known.from() != wanted.from() => {
                return Err(EntryRefusal::OtherCall.into());
            }
            Some(known) if !known.has_failed() => return Ok((known.clone(), Vec::new())),
            Some(_) | None => {}
        }
        let now = Now::look(&self.endpoints).await?;
        self.count().await?;
        let mut events = Vec::new();
        match self.readiness(&wanted, &now).await? {
            Readiness::Ready(sendable) => {
                self.sign_first(wanted, *sendable, &now, &mut events).await?;
            }
            Readiness::NeedsApproval { token } => {
                self.store.put_entry(&wanted).await?;
                self.entries.insert(id, wanted);
                if let Err(error) = self.approve(id, token, &now, &mut events).await {
                    self.forget_entry(id).await?;
                    return Err(error);
                }
            }
        }
        let entry = self.entries.get(&id).cloned();
        entry.map(|entry| (entry, events)).ok_or(ChainError::Unfit)
    }

    /// Takes up entries of an earlier run: what was signed for them goes out again as it is.
    pub fn resume_entries(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            if let (Some(signed), Ok(from)) = (entry.signed(), convert::address(entry.from())) {
                let newest = signed.offers().last();
                let fees = newest.map_or_else(Fees::default, |offer| Fees {
                    max_fee: offer.max_fee_per_gas,
                    priority: offer.priority_fee_per_gas,
                });
                let content = Content::Entry(entry.id());
                let slot = Slot::new(content, fees, signed.gas_limit(), Heads::default());
                let hashes = signed.offers().iter().map(|offer| offer.tx).collect();
                let raw = Some(signed.raw().to_vec().into());
                if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.address() == from) {
                    lane.slots.insert(signed.nonce(), Slot { hashes, raw, ..slot });
                }
            }
            self.entries.insert(entry.id(), entry);
        }
    }

    /// Every payment into the contract that is not forgotten.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// One of them.
    pub fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// Forgets an entry that has ended, or for which nothing was ever signed. Others stay.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn forget_entry(&mut self, id: EntryId) -> Result<(), ChainError> {
        let is_live = self.entries.get(&id).is_some_and(|entry| entry.signed().is_some());
        if !is_live {
            self.forget_approvals(id).await?;
            self.store.remove_entry(id).await?;
            self.entries.remove(&id);
        }
        Ok(())
    }

    /// Forgets the approvals of an entry that are over.
    async fn forget_approvals(&mut self, parent: EntryId) -> Result<(), ChainError> {
        for attempt in 0..MAX_APPROVALS {
            let id = EntryId::approval(parent, attempt);
            if self.entries.get(&id).is_some_and(Entry::is_over) {
                self.store.remove_entry(id).await?;
                self.entries.remove(&id);
            }
        }
        Ok(())
    }

    /// Does what an entry asks for now.
    pub(super) async fn serve_entry(
        &mut self,
        id: EntryId,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Some(entry) = self.entries.get(&id).cloned() else { return Ok(()) };
        match entry.stage() {
            EntryStage::Wanted => self.serve_wanted(entry, now, events).await,
            EntryStage::Signed(_) => {
                let job = self.entry_job(&entry)?;
                for index in 0..self.lanes.len() {
                    let Some(lane) = self.lanes.get(index) else { continue };
                    for (nonce, slot) in lane.find(Content::Entry(id)) {
                        self.replace_if_due(&job, index, nonce, &slot, now, events).await?;
                    }
                }
                Ok(())
            }
            EntryStage::Included { .. }
            | EntryStage::Done { .. }
            | EntryStage::Reverted { .. }
            | EntryStage::Displaced { .. } => Ok(()),
        }
    }

    /// One that waits for an approval.
    async fn serve_wanted(
        &mut self,
        entry: Entry,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let id = entry.id();
        let outcome = match self.readiness(&entry, now).await {
            Ok(Readiness::Ready(sendable)) => self.sign_first(entry, *sendable, now, events).await,
            Ok(Readiness::NeedsApproval { token }) => self.approve(id, token, now, events).await,
            Err(error) => Err(error),
        };
        match outcome {
            Err(ChainError::Entry(refusal)) => {
                self.forget_entry(id).await?;
                events.push(SubmitterEvent::EntryRefused { id, refusal });
                Ok(())
            }
            other => other,
        }
    }

    /// Binds an entry to the next nonce of its account: a quorum's, since a wrong one would hold it up, and
    /// it can't have another.
    async fn sign_first(
        &mut self,
        entry: Entry,
        sendable: Sendable,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Sendable { job, need, fees } = sendable;
        let (id, from) = (entry.id(), convert::address(entry.from())?);
        let found = self.lanes.iter().enumerate().find(|(_, lane)| lane.address() == from);
        let (index, lane) = found.ok_or(EntryRefusal::NoAccount { account: from })?;
        let claims = lane.claims.iter().copied().flatten();
        let confirmed = majority(claims, self.endpoints.profile().quorum)?;
        if confirmed != lane.confirmed {
            return Err(ChainError::NoQuorum { agreeing: 1, needed: 2 });
        }
        let nonce = lane.free_nonce();
        let slot = Slot::new(
            job.content,
            fees.max(lane.highest_behind(nonce)),
            need.gas,
            now.heads.clone(),
        );
        let before = self.entries.insert(id, entry);
        let sent = self.send(index, nonce, slot, &job.payload, events).await;
        let is_bound = self.entries.get(&id).is_some_and(|entry| entry.signed().is_some());
        match sent {
            Ok(()) => Ok(()),
            // Durable, and sent again until somebody takes it.
            Err(error) if is_bound => {
                tracing::warn!(entry = %id.0, error = %error, "no endpoint takes a payment yet");
                Ok(())
            }
            Err(error) => {
                match before {
                    Some(before) => self.entries.insert(id, before),
                    None => self.entries.remove(&id),
                };
                Err(error)
            }
        }
    }

    /// Lets the contract take a token, for all deposits that wait for it.
    async fn approve(
        &mut self,
        parent: EntryId,
        token: Address,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Some(wanted) = self.entries.get(&parent).cloned() else { return Ok(()) };
        let from = convert::address(wanted.from())?;
        let mut waiting = false;
        let mut next = None;
        for attempt in 0..MAX_APPROVALS {
            match self.entries.get(&EntryId::approval(parent, attempt)) {
                Some(known) => waiting |= !known.is_over(),
                None => next = next.or(Some(attempt)),
            }
        }
        if waiting {
            return Ok(());
        }
        let attempt = next.ok_or(EntryRefusal::NoApproval { token })?;
        let id = EntryId::approval(parent, attempt);
        let (account, amount) = (wanted.from(), self.wanted_of(wanted.from(), token)?);
        let entry = |amount| {
            let spender = AccountRef::Evm(self.contracts.channel);
            let token = AccountRef::Evm(token);
            let call = EntryCall::Approve { token, spender, amount };
            Entry::new(id, account, call, wanted.max_cost())
        };
        let (whole, none) = (entry(amount), entry(Amount::ZERO));
        let is_refused = |refusal: &ChainError| {
            matches!(refusal, ChainError::Entry(EntryRefusal::Reverts { .. }))
        };
        let (entry, ready) = match self.readiness(&whole, now).await {
            Ok(ready) => (whole, ready),
            Err(error) if is_refused(&error) => {
                // Tokens like Tether let no allowance be changed but through zero.
                let spender = self.contracts.channel;
                if self.endpoints.allowance(token, from, spender).await?.is_zero() {
                    return Err(error);
                }
                let ready = self.readiness(&none, now).await?;
                (none, ready)
            }
            Err(error) => return Err(error),
        };
        match ready {
            Readiness::Ready(sendable) => self.sign_first(entry, *sendable, now, events).await,
            // An approval needs none itself.
            Readiness::NeedsApproval { .. } => Ok(()),
        }
    }

    /// What all unsigned deposits of an account need of a token together.
    fn wanted_of(&self, from: AccountRef, token: Address) -> Result<Amount, ChainError> {
        let unsigned = self
            .entries
            .values()
            .filter(|entry| entry.from() == from && matches!(entry.stage(), EntryStage::Wanted));
        let payments = unsigned.filter_map(|entry| entry.call().payment());
        let own = payments.filter(|(of, _)| *of == AccountRef::Evm(token));
        own.map(|(_, amount)| amount)
            .try_fold(Amount::ZERO, Amount::checked_add)
            .map_err(|_| ChainError::Unfit)
    }

    /// Takes note of where an entry's transactions are; whether it is over.
    pub(super) async fn track_entry(
        &mut self,
        id: EntryId,
        account: Address,
        found: &Found,
        now: &Now,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<bool, ChainError> {
        let Some(entry) = self.entries.get(&id).cloned() else { return Ok(true) };
        match found.landing {
            Some(landing) => {
                let Landing { tx, block, is_success, .. } = landing;
                let included = match entry.stage() {
                    EntryStage::Included { tx: known, block: at, .. } => {
                        (*known, *at) != (tx, block)
                    }
                    EntryStage::Wanted
                    | EntryStage::Signed(_)
                    | EntryStage::Done { .. }
                    | EntryStage::Reverted { .. }
                    | EntryStage::Displaced { .. } => true,
                };
                if included {
                    self.apply_entry(id, EntryEvent::Included { tx, block }, events).await?;
                }
                if self.is_final(landing, now).await? {
                    let landed = EntryEvent::Landed { tx, block, is_success };
                    self.apply_entry(id, landed, events).await?;
                    if !is_success {
                        let revert = self.revert_of(landing).await;
                        tracing::warn!(entry = %id.0, %revert, "a payment into the contract failed");
                    }
                    self.forget_approvals(id).await?;
                    return Ok(true);
                }
            }
            None => {
                if matches!(entry.stage(), EntryStage::Included { .. }) {
                    // P72: its block is gone.
                    self.apply_entry(id, EntryEvent::Dropped, events).await?;
                }
                if self.is_displaced(&entry, account, found, now).await? {
                    self.apply_entry(id, EntryEvent::Displaced, events).await?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether a landing's block is part of the finalized chain.
    async fn is_final(&self, landing: Landing, now: &Now) -> Result<bool, ChainError> {
        let Some((finalized, _)) = now.finalized else { return Ok(false) };
        if landing.block > finalized.number {
            return Ok(false);
        }
        let is_hashed = self.endpoints.profile().has_ethereum_hash;
        let tag = BlockTag::Number(landing.block.0);
        let headers = self.endpoints.ask_all(|endpoint| endpoint.header(tag, is_hashed)).await;
        let hashes = headers.into_iter().flatten().map(|header| header.hash);
        let quorum = self.endpoints.profile().quorum;
        Ok(majority(hashes, quorum).is_ok_and(|hash| hash == landing.block_hash))
    }

    /// Whether a finalized block counts the entry's nonce while a quorum knows of none of its transactions and
    /// nobody shows one.
    async fn is_displaced(
        &self,
        entry: &Entry,
        account: Address,
        found: &Found,
        now: &Now,
    ) -> Result<bool, ChainError> {
        let (Some(signed), Some((_, hash))) = (entry.signed(), now.finalized) else {
            return Ok(false);
        };
        if found.shown.contains(&true) || found.denials < self.endpoints.profile().quorum {
            return Ok(false);
        }
        let at = At::Block(hash);
        let used = self.endpoints.ask_quorum(|endpoint| endpoint.nonce(account, at)).await;
        Ok(used.is_ok_and(|used| used > signed.nonce()))
    }

    /// Applies an event to an entry, durably. What moves money never runs ahead of the disk.
    pub(super) async fn apply_entry(
        &mut self,
        id: EntryId,
        event: EntryEvent,
        events: &mut Vec<SubmitterEvent>,
    ) -> Result<(), ChainError> {
        let Some(entry) = self.entries.get(&id) else { return Ok(()) };
        let next = entry.apply(event)?;
        self.store.put_entry(&next).await?;
        events.push(SubmitterEvent::Entry(Box::new(next.clone())));
        self.entries.insert(id, next);
        Ok(())
    }
}
