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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, oneshot};

/// One thing for a driver. The first group waits for nobody: it comes by the driver's urgent queue.
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
    /// The newest co-signed state, both signatures in place.
    Evidence(Answered<Option<Evidence>>),
    /// Somebody shows a co-signed state: a proof file.
    Shown(Box<SignedState>, Answered<()>),
}

/// Held by every driver that still has something to make durable; whoever waits is told once all let go.
#[derive(Clone, Debug)]
pub(crate) struct Barrier {
    is_short: Arc<AtomicBool>,
    _held: mpsc::Sender<()>,
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
        (Self { is_short, _held: held }, wait)
    }

    /// Something could not be made durable: the cursor must not pass it.
    pub(crate) fn fall_short(&self) {
        self.is_short.store(true, Ordering::SeqCst);
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
