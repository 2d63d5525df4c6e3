//! What the chain's tasks tell the rest of the node, and the queue that it waits in.

use lockstep_chain::alarm::Alarm;
use lockstep_chain::error::ChainError;
use lockstep_chain::follower::Delivery;
use lockstep_chain::submitter::{EntryRefusal, SubmitterEvent};
use lockstep_core::chain::Cursor;
use lockstep_core::entry::{Entry, EntryId};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc;

/// News that wait for the receiver beyond the queue itself; the follower makes no more until they are taken.
pub(super) const MAX_WAITING: usize = 4_096;

/// One thing from the chain's tasks.
#[derive(Clone, Debug)]
pub enum ChainNews {
    /// What the follower found, in order.
    Delivery(Delivery),
    /// A batch is complete: once everything before this is committed, or can't be, it is to be acknowledged.
    /// No facts come until then.
    Checkpoint(Cursor),
    /// What became of a call that is owed.
    Call(SubmitterEvent),
    /// A payment into the contract has come further: its whole new value.
    Entry(Box<Entry>),
    /// A payment that had been taken can't be made: nothing was signed for it, and it is forgotten.
    EntryRefused {
        /// Which.
        id: EntryId,
        /// Why.
        refusal: EntryRefusal,
    },
    /// Somebody must look at what is sent on L1, for the rollup that this node is on.
    OnL1(Alarm),
    /// Whether a call that must go through L1 is held up there; told when it begins and when it is over.
    EscapeFails(bool),
    /// The chain can't be followed any more: another chain, or broken finality. Calls still go out.
    Broken(Arc<ChainError>),
}

impl From<SubmitterEvent> for ChainNews {
    fn from(event: SubmitterEvent) -> Self {
        match event {
            SubmitterEvent::Entry(entry) => Self::Entry(entry),
            SubmitterEvent::EntryRefused { id, refusal } => Self::EntryRefused { id, refusal },
            SubmitterEvent::Sent { .. }
            | SubmitterEvent::Included { .. }
            | SubmitterEvent::Dropped { .. }
            | SubmitterEvent::Ended { .. }
            | SubmitterEvent::Refused { .. }
            | SubmitterEvent::Alarm(_) => Self::Call(event),
        }
    }
}

/// News on their way to the receiver: a task never waits for it in the middle of something.
pub(super) struct Outbox {
    sender: mpsc::Sender<ChainNews>,
    waiting: VecDeque<ChainNews>,
}

impl Outbox {
    pub(super) fn new(sender: mpsc::Sender<ChainNews>) -> Self {
        Self { sender, waiting: VecDeque::new() }
    }

    pub(super) fn push(&mut self, news: impl Into<ChainNews>) {
        self.waiting.push_back(news.into());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }

    /// Hands over the oldest; whether the receiver is still there. Never ends while nothing waits.
    pub(super) async fn hand_over(&mut self) -> bool {
        if self.waiting.is_empty() {
            return std::future::pending().await;
        }
        let Ok(permit) = self.sender.reserve().await else { return false };
        if let Some(news) = self.waiting.pop_front() {
            permit.send(news);
        }
        true
    }
}
