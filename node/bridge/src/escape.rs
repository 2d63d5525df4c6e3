//! The way past a sequencer that stands still or leaves somebody out: calls that are owed go through L1 (P77).
//!
//! What is owed, and until when, the caller says. Each call is sent once under its name, durably, and again only if
//! L1 has refused it; a rollup that reads its L1 inbox late is hurried where it can be.

use crate::error::BridgeError;
use crate::order::ForceOrder;
use crate::port::{Outpost, Postman};
use crate::rollup::Rollup;
use crate::step::{Call, Layer, StepKind};
use alloy_primitives::{Address, B256, Bytes};
use futures::lock::Mutex;
use lockstep_chain::alarm::Alarm;
use lockstep_chain::port::ObligationStore;
use lockstep_chain::submitter::{Submitter, SubmitterEvent};
use lockstep_core::entry::{BridgeCall, Entry, EntryCall, EntryId, EntryStage};
use lockstep_core::ids::{AccountRef, ChainRef};
use lockstep_core::money::Amount;
use lockstep_core::time::BlockTimestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// How often a call that L1 has refused is tried.
const MAX_ATTEMPTS: u8 = 4;
/// Calls about which L1 is asked in one step.
const MOST_ASKED: usize = 8;

/// A call that is owed on the rollup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Whom.
    pub to: Address,
    /// With what.
    pub data: Bytes,
    /// Gas that it takes at most, should the rollup not answer an estimate.
    pub usual_gas: u64,
    /// Until when it must be there; far away where it may come at any time.
    pub deadline: BlockTimestamp,
}

/// A call and how it goes with it.
#[derive(Clone, Debug)]
struct Going {
    call: Owed,
    /// The round in which it was last looked after; zero before the first.
    round: u64,
    /// Whether something stood in its way then.
    is_troubled: bool,
}

/// What a look at one call came to.
enum Look {
    /// It is on its way; nothing was asked.
    Waits,
    /// L1 or the rollup was asked about it.
    Asked(Result<(), BridgeError>),
    /// It was refused as often as it is tried.
    GivenUp,
}

/// The calls that go through L1.
pub struct Escape<P> {
    rollup: Arc<dyn Rollup>,
    postman: P,
    payer: Address,
    owed: BTreeMap<B256, Going>,
    rounds: u64,
}

impl<P> fmt::Debug for Escape<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Escape").field("owed", &self.owed).finish_non_exhaustive()
    }
}

impl<P: Postman> Escape<P> {
    /// By an account of L1 that pays.
    pub fn new(rollup: Arc<dyn Rollup>, postman: P, payer: Address) -> Self {
        Self { rollup, postman, payer, owed: BTreeMap::new(), rounds: 0 }
    }

    /// From now on a call goes through L1; whether that is new. One name is one call; its deadline only moves down.
    pub fn owe(&mut self, name: B256, call: Owed) -> bool {
        if let Some(known) = self.owed.get_mut(&name) {
            known.call.deadline = known.call.deadline.min(call.deadline);
            return false;
        }
        self.owed.insert(name, Going { call, round: 0, is_troubled: false });
        true
    }

    /// Whether a call is owed under this name.
    pub fn is_owed(&self, name: &B256) -> bool {
        self.owed.contains_key(name)
    }

    /// A call is no longer owed: the rollup shows that it has done what it is for, or that it never can.
    pub fn over(&mut self, name: &B256) {
        self.owed.remove(name);
    }

    /// Only these calls are still owed.
    pub fn retain(&mut self, is_owed: impl Fn(&B256) -> bool) {
        self.owed.retain(|name, _| is_owed(name));
    }

    /// Whether nothing is owed.
    pub fn is_idle(&self) -> bool {
        self.owed.is_empty()
    }

    /// Whether something stood in the way of any call when it was last looked after.
    pub fn is_troubled(&self) -> bool {
        self.owed.values().any(|going| going.is_troubled)
    }

    /// Does what is due for the calls that were waiting longest, the next deadline first: a few at a time, so that many
    /// of them keep L1's endpoints and its clock from nobody. Trouble with one keeps no other; it is given back by its
    /// name.
    pub async fn step(&mut self) -> Vec<(B256, BridgeError)> {
        self.rounds = self.rounds.saturating_add(1);
        let mut order: Vec<_> =
            self.owed.iter().map(|(name, going)| (going.rank(), *name)).collect();
        order.sort_unstable();
        let mut troubles = Vec::new();
        let mut asked = 0_usize;
        for (_, name) in order {
            if asked >= MOST_ASKED {
                break;
            }
            let Some(call) = self.owed.get(&name).map(|going| going.call.clone()) else { continue };
            let outcome = match self.advance(name, &call).await {
                Look::Waits => Ok(()),
                Look::GivenUp => Err(BridgeError::ForceRefused { attempts: MAX_ATTEMPTS }),
                Look::Asked(outcome) => {
                    asked = asked.saturating_add(1);
                    if let Some(going) = self.owed.get_mut(&name) {
                        going.round = self.rounds;
                    }
                    outcome
                }
            };
            if let Some(going) = self.owed.get_mut(&name) {
                going.is_troubled = outcome.is_err();
            }
            troubles.extend(outcome.err().map(|error| (name, error)));
        }
        troubles
    }

    async fn advance(&self, name: B256, owed: &Owed) -> Look {
        for attempt in 0..MAX_ATTEMPTS {
            let id = EntryId::bridge(name, StepKind::Force.number(), attempt);
            let entry = match self.postman.entry(id).await {
                Ok(Some(entry)) => entry,
                Ok(None) => return Look::Asked(self.send(id, owed).await),
                Err(error) => return Look::Asked(Err(error)),
            };
            match entry.stage() {
                // It is on its way.
                EntryStage::Wanted | EntryStage::Signed(_) => return Look::Waits,
                EntryStage::Included { tx, .. } | EntryStage::Done { tx, .. } => {
                    return self.hurry(name, attempt, *tx).await;
                }
                EntryStage::Reverted { .. } | EntryStage::Displaced { .. } => {}
            }
        }
        Look::GivenUp
    }

    async fn send(&self, id: EntryId, owed: &Owed) -> Result<(), BridgeError> {
        let Owed { to, data, usual_gas, .. } = owed.clone();
        let order = ForceOrder { payer: self.payer, to, data, usual_gas };
        let call = self.rollup.force(&order).await?;
        self.postman.send(id, self.payer, &call).await?;
        Ok(())
    }

    /// Makes the rollup read what waits in its inbox, once it may be made to.
    async fn hurry(&self, name: B256, attempt: u8, l1_tx: B256) -> Look {
        let id = EntryId::bridge(name, StepKind::Include.number(), attempt);
        match self.postman.entry(id).await {
            Ok(Some(entry)) if !entry.has_failed() => Look::Waits,
            Ok(_) => Look::Asked(self.make_read(id, l1_tx).await),
            Err(error) => Look::Asked(Err(error)),
        }
    }

    async fn make_read(&self, id: EntryId, l1_tx: B256) -> Result<(), BridgeError> {
        if let Some(call) = self.rollup.hurry(l1_tx).await? {
            self.postman.send(id, self.payer, &call).await?;
        }
        Ok(())
    }
}

impl Going {
    /// What comes before what: never looked after, then longest ago; of those the next deadline.
    fn rank(&self) -> (u64, BlockTimestamp) {
        (self.round, self.call.deadline)
    }
}

/// Sends on L1 alone, through a submitter of its own.
#[derive(Debug)]
pub struct L1Desk<S> {
    submitter: Arc<Mutex<Submitter<S>>>,
    chain_id: u64,
    max_cost: Amount,
}

impl<S> Clone for L1Desk<S> {
    fn clone(&self) -> Self {
        let submitter = Arc::clone(&self.submitter);
        Self { submitter, chain_id: self.chain_id, max_cost: self.max_cost }
    }
}

impl<S: ObligationStore> L1Desk<S> {
    /// With the most that one call may cost. Units: wei.
    pub fn new(submitter: Submitter<S>, chain_id: u64, max_cost: Amount) -> Self {
        Self { submitter: Arc::new(Mutex::new(submitter)), chain_id, max_cost }
    }
}

impl<S: ObligationStore> Outpost for L1Desk<S> {
    async fn step(&self) -> Result<Vec<Alarm>, BridgeError> {
        let mut submitter = self.submitter.lock().await;
        if submitter.is_idle() {
            return Ok(Vec::new());
        }
        let stepped = submitter.step().await;
        let events = stepped.map_err(|source| BridgeError::Chain { layer: Layer::L1, source })?;
        let alarms = events.into_iter().filter_map(|event| match event {
            SubmitterEvent::Alarm(alarm) => Some(alarm),
            // Who forces a call looks after its entry by itself.
            SubmitterEvent::Entry(_)
            | SubmitterEvent::EntryRefused { .. }
            | SubmitterEvent::Sent { .. }
            | SubmitterEvent::Included { .. }
            | SubmitterEvent::Dropped { .. }
            | SubmitterEvent::Ended { .. }
            | SubmitterEvent::Refused { .. } => None,
        });
        Ok(alarms.collect())
    }
}

impl<S: ObligationStore> Postman for L1Desk<S> {
    async fn send(&self, id: EntryId, from: Address, call: &Call) -> Result<Entry, BridgeError> {
        let bridge_call = BridgeCall {
            chain: ChainRef::Evm(self.chain_id),
            to: AccountRef::Evm(call.to),
            value: Amount::from_u256(call.value),
            data: call.data.to_vec(),
            least_gas: call.least_gas,
        };
        let mut submitter = self.submitter.lock().await;
        let entered =
            submitter.enter(id, from, EntryCall::Bridge(bridge_call), self.max_cost).await;
        let wrong = |source| BridgeError::Chain { layer: Layer::L1, source };
        entered.map(|(entry, _)| entry).map_err(wrong)
    }

    async fn entry(&self, id: EntryId) -> Result<Option<Entry>, BridgeError> {
        Ok(self.submitter.lock().await.entry(id).cloned())
    }
}

#[cfg(test)]
mod tests;
