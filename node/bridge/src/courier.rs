//! Carries transfers through: looks where each one is, keeps what has happened, sends what is due.
//!
//! Keep, then send: a transfer and its notes are durable before its next transaction is ordered. A transfer
//! that an earlier life of the node has kept and not sent is never sent by itself, since a restored backup
//! does not know what was paid since.

use crate::error::BridgeError;
use crate::order::Start;
use crate::port::{Postman, TransferStore};
use crate::rollup::{Progress, Rollup, Sent};
use crate::step::{Call, Layer, Next, Step, StepKind, Waiting};
use alloy_primitives::{Address, B256};
use lockstep_core::entry::{EntryId, EntryStage};
use lockstep_core::ids::ChannelId;
use lockstep_core::transfer::{
    DepositStage, Transfer, TransferEvent, TransferRecord, TransferStage, WithdrawStage,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Attempts of one step: a step that failed so often needs a person.
pub const MAX_ATTEMPTS: u8 = 16;

/// The accounts that pay for steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payers {
    /// On L1.
    pub l1: Address,
    /// On the rollup.
    pub l2: Address,
}

/// One transfer and what is known of it.
#[derive(Clone, Debug)]
struct Parcel {
    record: TransferRecord,
    /// Steps that were ordered, with what became of them.
    sent: Sent,
    next: Next,
}

impl Parcel {
    fn view(&self) -> TransferView {
        let TransferRecord { transfer, channel, .. } = self.record;
        TransferView { transfer, channel, next: self.next }
    }
}

/// A transfer as shown to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferView {
    /// The transfer.
    pub transfer: Transfer,
    /// The channel that it funds, if it does.
    pub channel: Option<ChannelId>,
    /// What comes next.
    pub next: Next,
}

/// Carries the transfers of one rollup.
pub struct Courier<S, P> {
    rollup: Arc<dyn Rollup>,
    store: S,
    postman: P,
    payers: Payers,
    parcels: BTreeMap<B256, Parcel>,
}

impl<S, P> core::fmt::Debug for Courier<S, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Courier").field("parcels", &self.parcels).finish_non_exhaustive()
    }
}

impl<S: TransferStore, P: Postman> Courier<S, P> {
    /// With nothing to carry yet.
    pub fn new(rollup: Arc<dyn Rollup>, store: S, postman: P, payers: Payers) -> Self {
        Self { rollup, store, postman, payers, parcels: BTreeMap::new() }
    }

    /// The rollup.
    pub fn rollup(&self) -> &Arc<dyn Rollup> {
        &self.rollup
    }

    /// Takes up what an earlier run has kept.
    pub fn resume(&mut self, records: Vec<TransferRecord>) {
        for record in records {
            let next = Next::unknown(first_wait(&record));
            let parcel = Parcel { record, sent: Sent::new(), next };
            self.parcels.insert(parcel.record.transfer.id, parcel);
        }
    }

    /// Looks up what was ordered before a restart, without asking any chain.
    ///
    /// # Errors
    /// If the senders can't be asked.
    pub async fn look_up(&mut self) -> Result<(), BridgeError> {
        let ids: Vec<B256> = self.parcels.keys().copied().collect();
        for id in ids {
            self.refresh(id).await?;
            let Some(parcel) = self.parcels.get_mut(&id) else { continue };
            if !parcel.sent.is_empty() && parcel.next.waiting == Waiting::ForOrder {
                parcel.next = Next::unknown(Waiting::ForInclusion);
            }
        }
        Ok(())
    }

    /// Every transfer, in the order of names.
    pub fn views(&self) -> impl Iterator<Item = TransferView> {
        self.parcels.values().map(Parcel::view)
    }

    /// One of them.
    pub fn view(&self, id: B256) -> Option<TransferView> {
        self.parcels.get(&id).map(Parcel::view)
    }

    /// Begins a transfer: durable first, then sent. A name that is known changes nothing.
    ///
    /// # Errors
    /// If nothing was sent; the transfer is then abandoned.
    pub async fn begin(&mut self, start: Start) -> Result<TransferView, BridgeError> {
        let Start { record, step, call, plan } = start;
        let id = record.transfer.id;
        if let Some(known) = self.parcels.get(&id) {
            let (old, new) = (&known.record.transfer, &record.transfer);
            let is_same = (old.from, old.to, old.token, old.amount)
                == (new.from, new.to, new.token, new.amount);
            return match is_same {
                true => Ok(known.view()),
                false => Err(BridgeError::OtherTransfer),
            };
        }
        self.store.put(&record).await?;
        let next = Next::unknown(Waiting::ForInclusion).arriving(plan.arrives_at());
        self.parcels.insert(id, Parcel { record, sent: Sent::new(), next });
        if let Err(error) = self.send(id, step, &call).await {
            self.apply(id, TransferEvent::NeverSent).await?;
            return Err(error);
        }
        self.view(id).ok_or(BridgeError::Stopping)
    }

    /// One step of every transfer that is not over. Trouble with one delays no other.
    pub async fn step(&mut self) -> Vec<TransferView> {
        let live: Vec<B256> = self
            .parcels
            .iter()
            .filter(|(_, parcel)| !parcel.record.transfer.is_over())
            .map(|(id, _)| *id)
            .collect();
        let mut changed = Vec::new();
        for id in live {
            let before = self.view(id);
            if let Err(error) = self.carry(id).await {
                let source = std::error::Error::source(&error);
                tracing::warn!(transfer = %id, error = %error, source, "a transfer waits");
            }
            let after = self.view(id);
            if let (Some(view), true) = (after, after != before) {
                changed.push(view);
            }
        }
        changed
    }

    async fn carry(&mut self, id: B256) -> Result<(), BridgeError> {
        self.refresh(id).await?;
        let Some(parcel) = self.parcels.get(&id) else { return Ok(()) };
        let progress = self.rollup.advance(&parcel.record, &parcel.sent).await?;
        self.take(id, progress).await
    }

    /// Looks up what became of the steps that were ordered, by this life or an earlier one.
    async fn refresh(&mut self, id: B256) -> Result<(), BridgeError> {
        let mut sent = Sent::new();
        for kind in STEPS {
            for attempt in 0..MAX_ATTEMPTS {
                let name = EntryId::bridge(id, kind.number(), attempt);
                let Some(entry) = self.postman.entry(name).await? else { break };
                sent.insert(Step { kind, attempt }, entry.stage().clone());
            }
        }
        if let Some(parcel) = self.parcels.get_mut(&id) {
            parcel.sent = sent;
        }
        Ok(())
    }

    async fn take(&mut self, id: B256, progress: Progress) -> Result<(), BridgeError> {
        let Progress { events, memo, call, next } = progress;
        for event in events {
            self.apply(id, event).await?;
        }
        if let Some(memo) = memo {
            let Some(parcel) = self.parcels.get(&id) else { return Ok(()) };
            if parcel.record.memo != memo {
                let record = TransferRecord { memo, ..parcel.record.clone() };
                self.keep(record).await?;
            }
        }
        if let Some(parcel) = self.parcels.get_mut(&id) {
            parcel.next = next;
        }
        match call {
            Some((step, call)) => self.send(id, step, &call).await,
            None => Ok(()),
        }
    }

    /// An event that changes nothing is not written again.
    async fn apply(&mut self, id: B256, event: TransferEvent) -> Result<(), BridgeError> {
        let Some(parcel) = self.parcels.get(&id) else { return Ok(()) };
        let record = parcel.record.apply(event)?;
        if record == parcel.record {
            return Ok(());
        }
        tracing::info!(transfer = %id, stage = ?record.transfer.stage, "a transfer has come further");
        self.keep(record).await
    }

    async fn keep(&mut self, record: TransferRecord) -> Result<(), BridgeError> {
        self.store.put(&record).await?;
        if let Some(parcel) = self.parcels.get_mut(&record.transfer.id) {
            parcel.record = record;
        }
        Ok(())
    }

    async fn send(&mut self, id: B256, step: Step, call: &Call) -> Result<(), BridgeError> {
        let from = match call.layer {
            Layer::L1 => self.payers.l1,
            Layer::L2 => self.payers.l2,
        };
        let name = EntryId::bridge(id, step.kind.number(), step.attempt);
        let entry = self.postman.send(name, from, call).await?;
        if let Some(parcel) = self.parcels.get_mut(&id) {
            parcel.sent.insert(step, entry.stage().clone());
        }
        Ok(())
    }

    /// Transactions that a transfer still has under way, which must not be forgotten by whoever sends.
    pub fn names(&self) -> BTreeSet<EntryId> {
        let live = self.parcels.values().filter(|parcel| !parcel.record.transfer.is_over());
        live.flat_map(|parcel| {
            let id = parcel.record.transfer.id;
            let name = move |step: &Step| EntryId::bridge(id, step.kind.number(), step.attempt);
            parcel.sent.keys().map(name)
        })
        .collect()
    }
}

const STEPS: [StepKind; 10] = [
    StepKind::Approve,
    StepKind::Start,
    StepKind::Collect,
    StepKind::Replay,
    StepKind::KeepAlive,
    StepKind::Refund,
    StepKind::Prove,
    StepKind::Resolve,
    StepKind::ResolveAll,
    StepKind::Finalize,
];

fn first_wait(record: &TransferRecord) -> Waiting {
    match record.transfer.stage {
        TransferStage::Deposit(DepositStage::Planned)
        | TransferStage::Withdraw(WithdrawStage::Planned) => Waiting::ForOrder,
        TransferStage::Deposit(_) | TransferStage::Withdraw(_) if record.transfer.is_over() => {
            Waiting::Nothing
        }
        TransferStage::Deposit(_) | TransferStage::Withdraw(_) => Waiting::ForInclusion,
    }
}

/// The state of a step that was ordered.
pub fn stage_of(sent: &Sent, kind: StepKind, attempt: u8) -> Option<&EntryStage> {
    sent.get(&Step { kind, attempt })
}

/// How often a step was ordered.
pub fn attempts(sent: &Sent, kind: StepKind) -> u8 {
    let count = sent.keys().filter(|step| step.kind == kind).count();
    u8::try_from(count).unwrap_or(u8::MAX)
}
