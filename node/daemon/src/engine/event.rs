//! Everything that can wake a channel's driver, on one screen.

use crate::engine::order::{Answered, PayOrder, Standing};
use alloy_primitives::Address;
use lockstep_chain::submitter::SubmitterEvent;
use lockstep_core::chain::{ChainEvent, Evidence};
use lockstep_core::entry::Entry;
use lockstep_core::ids::{InvoiceId, Sequence};
use lockstep_core::input::Command;
use lockstep_core::message::SignedState;
use lockstep_core::protection::Held;
use lockstep_core::record::{Invoice, RestoreReason};
use lockstep_core::time::{BlockPoint, EngineTime};
use lockstep_p2p::{Received, Session, SessionId};
use lockstep_rpc::failure::Failure;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot};

/// One thing for a driver. The first group waits for nobody: it comes by the driver's urgent queue, and so do orders
/// to leave a channel and what is only looked at.
#[derive(Debug)]
pub(crate) enum Event {
    /// The chain shows something about this channel.
    Fact(Box<ChainEvent>),
    /// A new head.
    Head(BlockPoint),
    /// A block is final; its facts came before.
    Finalized(BlockPoint),
    /// Everything of the chain so far is to be durable before the cursor moves.
    Checkpoint(Barrier),
    /// A call of ours has come further.
    Call(Box<SubmitterEvent>),
    /// A payment of ours into the contract has come further.
    Entry(Box<Entry>),
    /// A payment of ours into the contract can't be made.
    EntryRefused(Failure),
    /// A link to the counterparty stands.
    Connected(Session),
    /// That link is gone.
    Disconnected(SessionId),
    /// Time passes.
    Tick(EngineTime),
    /// A tower has promised to answer with a version, and that is durable.
    Receipt(Address, Held),
    /// The list of towers has changed.
    Towers,
    /// Others have proved that this node lost data.
    Lost(RestoreReason, Answered<()>),
    /// The node stops: what waits is not taken up any more.
    Stop(Barrier),

    /// The counterparty says something.
    Peer(Box<Received>),
    /// Pay.
    Pay(Box<PayOrder>),
    /// Anything else that the operator or the API orders.
    Order(Command, Answered<()>),
    /// What became of payments of ours.
    Standing { first: Sequence, count: u32, answer: oneshot::Sender<Standing> },
    /// What became of an invoice of ours.
    Invoice(InvoiceId, oneshot::Sender<Option<Invoice>>),
    /// All invoices of ours that are kept.
    Invoices(oneshot::Sender<BTreeMap<InvoiceId, Invoice>>),
    /// The newest co-signed state, both signatures in place.
    Evidence(Answered<Option<Evidence>>),
    /// Somebody shows a co-signed state: a proof file.
    Shown(Box<SignedState>, Answered<()>),
}

/// Held by every driver that still has something to make durable; whoever waits is told once all let go. Only who
/// [meets](Barrier::meet) it has done so: one that is dropped, with a queue that nobody reads any more or by a task
/// that has ended, has not.
#[derive(Debug)]
pub(crate) struct Barrier {
    is_met: bool,
    is_short: Arc<AtomicBool>,
    held: mpsc::Sender<()>,
}

/// The other end of a [`Barrier`].
#[derive(Debug)]
pub(crate) struct BarrierWait {
    is_short: Arc<AtomicBool>,
    released: mpsc::Receiver<()>,
}

impl Barrier {
    /// A barrier and whoever waits for it.
    pub(crate) fn new() -> (Self, BarrierWait) {
        let is_short = Arc::new(AtomicBool::new(false));
        let (held, released) = mpsc::channel(1);
        let wait = BarrierWait { is_short: Arc::clone(&is_short), released };
        (Self { is_met: false, is_short, held }, wait)
    }

    /// Everything before it is durable.
    pub(crate) fn meet(mut self) {
        self.is_met = true;
    }
}

impl Clone for Barrier {
    fn clone(&self) -> Self {
        Self { is_met: false, is_short: Arc::clone(&self.is_short), held: self.held.clone() }
    }
}

impl Drop for Barrier {
    fn drop(&mut self) {
        if !self.is_met {
            self.is_short.store(true, Ordering::SeqCst);
        }
    }
}

impl BarrierWait {
    /// Waits until everybody has let go; whether everything is durable.
    pub(crate) async fn wait(mut self) -> bool {
        // Nothing is ever sent: this ends when the last holder is gone.
        while self.released.recv().await.is_some() {}
        !self.is_short.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn p86_a_barrier_that_nobody_met_is_not_passed() {
        // All have met it.
        let (barrier, wait) = Barrier::new();
        barrier.clone().meet();
        barrier.meet();
        assert!(wait.wait().await);
        // One was dropped unread, as with the queue of a driver that has ended.
        let (barrier, wait) = Barrier::new();
        let (sender, queue) = mpsc::channel(1);
        sender.try_send(Event::Checkpoint(barrier.clone())).unwrap();
        drop(queue);
        barrier.meet();
        assert!(!wait.wait().await);
        // And one could not even be handed over.
        let (barrier, wait) = Barrier::new();
        assert!(sender.send(Event::Checkpoint(barrier.clone())).await.is_err());
        barrier.meet();
        assert!(!wait.wait().await);
    }
}
