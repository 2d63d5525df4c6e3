//! The channels of this node, and how their drivers are reached.

use crate::engine::event::Event;
use crate::engine::view::View;
use crate::engine::{read_lock, write_lock};
use lockstep_core::ids::{ChannelId, NodeId};
use lockstep_core::time::BlockTimestamp;
use lockstep_rpc::failure::{Failure, FailureKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock, RwLock};
use tokio::sync::{mpsc, watch};

/// Channels with one counterparty that are not over. Source: protocol §8.
pub(crate) const MAX_CHANNELS_PER_PEER: usize = 1_024;
/// Events of the chain and of the link that wait for one driver: far more than one block has.
pub(crate) const URGENT_QUEUE: usize = 256;
/// Messages and orders that wait for one driver. An honest peer has fewer messages under way: one for each
/// update that may wait, and an answer to each proposal.
pub(crate) const NORMAL_QUEUE: usize = 2_048;

/// A way to a channel's driver.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) channel_id: ChannelId,
    pub(crate) peer: NodeId,
    urgent: mpsc::Sender<Box<Event>>,
    normal: mpsc::Sender<Box<Event>>,
    view: watch::Receiver<Arc<View>>,
    /// When housekeeping has first seen it, by the engine's clock.
    pub(crate) since_millis: Arc<OnceLock<u64>>,
    /// When the contract paid, once the chain was asked.
    pub(crate) settled_at: Arc<OnceLock<BlockTimestamp>>,
}

/// The driver's ends of its queues. Events are boxed, since a queue keeps room for some dozens of them from the
/// start, and a node has thousands of channels in which nothing happens.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) urgent: mpsc::Receiver<Box<Event>>,
    pub(crate) normal: mpsc::Receiver<Box<Event>>,
}

impl Handle {
    /// A handle to a driver that is to be.
    pub(crate) fn new(view: watch::Receiver<Arc<View>>) -> (Self, Mailbox) {
        let (urgent, urgent_queue) = mpsc::channel(URGENT_QUEUE);
        let (normal, normal_queue) = mpsc::channel(NORMAL_QUEUE);
        let (channel_id, peer) = {
            let view = view.borrow();
            (view.channel_id, view.setup.peer)
        };
        let mailbox = Mailbox { urgent: urgent_queue, normal: normal_queue };
        let (since_millis, settled_at) = (Arc::default(), Arc::default());
        (Self { channel_id, peer, urgent, normal, view, since_millis, settled_at }, mailbox)
    }

    /// The channel as it was after the last step.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// Hands over what must not be lost, waiting for room.
    pub(crate) async fn urge(&self, event: Event) {
        if self.urgent.send(Box::new(event)).await.is_err() {
            tracing::debug!(channel_id = %self.channel_id, "driver has ended");
        }
    }

    /// Hands over what comes again by itself.
    pub(crate) fn nudge(&self, event: Event) {
        if self.urgent.try_send(Box::new(event)).is_err() {
            tracing::trace!(channel_id = %self.channel_id, "driver is busy");
        }
    }

    /// Hands over a message or an order, or says that the driver is busy.
    ///
    /// # Errors
    /// If its queue is full, or it has ended.
    pub(crate) fn post(&self, event: Event) -> Result<(), Failure> {
        self.normal.try_send(Box::new(event)).map_err(|error| not_posted(&error))
    }

    /// How many events wait: of the chain, and of the counterparty and the API.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let waits = |queue: &mpsc::Sender<Box<Event>>| {
            queue.max_capacity().saturating_sub(queue.capacity())
        };
        (waits(&self.urgent), waits(&self.normal))
    }

    /// The same for what must not wait for a counterparty that does not read: the way out of a channel, and what is
    /// only looked at.
    ///
    /// # Errors
    /// If its queue is full, or it has ended.
    pub(crate) fn post_urgent(&self, event: Event) -> Result<(), Failure> {
        self.urgent.try_send(Box::new(event)).map_err(|error| not_posted(&error))
    }
}

fn not_posted(error: &mpsc::error::TrySendError<Box<Event>>) -> Failure {
    match error {
        mpsc::error::TrySendError::Full(_) => {
            Failure::new(FailureKind::Busy, "too much waits for this channel already")
                .safe("nothing was done")
                .advice("try again in a moment")
        }
        mpsc::error::TrySendError::Closed(_) => {
            Failure::new(FailureKind::NotReady, "the node is stopping").safe("nothing was done")
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    by_id: BTreeMap<ChannelId, Handle>,
    by_peer: BTreeMap<NodeId, BTreeSet<ChannelId>>,
}

/// All drivers.
#[derive(Debug, Default)]
pub(crate) struct Registry(RwLock<Inner>);

impl Registry {
    /// Enters a driver.
    pub(crate) fn insert(&self, handle: Handle) {
        let mut inner = write_lock(&self.0);
        inner.by_peer.entry(handle.peer).or_default().insert(handle.channel_id);
        inner.by_id.insert(handle.channel_id, handle);
    }

    /// Lets a driver go: it ends once nobody holds its handle.
    pub(crate) fn remove(&self, channel_id: ChannelId) {
        let mut inner = write_lock(&self.0);
        if let Some(handle) = inner.by_id.remove(&channel_id)
            && let Some(ids) = inner.by_peer.get_mut(&handle.peer)
        {
            ids.remove(&channel_id);
            if ids.is_empty() {
                inner.by_peer.remove(&handle.peer);
            }
        }
    }

    /// One driver.
    pub(crate) fn get(&self, channel_id: ChannelId) -> Option<Handle> {
        read_lock(&self.0).by_id.get(&channel_id).cloned()
    }

    /// One driver, for a caller.
    ///
    /// # Errors
    /// If there is no such channel.
    pub(crate) fn find(&self, channel_id: ChannelId) -> Result<Handle, Failure> {
        self.get(channel_id).ok_or_else(|| {
            let message = format!("this node has no channel {channel_id}");
            Failure::new(FailureKind::UnknownChannel, message)
                .safe("nothing was done")
                .advice("`lockstep channels` lists them")
        })
    }

    /// All drivers, by id.
    pub(crate) fn all(&self) -> Vec<Handle> {
        read_lock(&self.0).by_id.values().cloned().collect()
    }

    /// The drivers of one counterparty's channels.
    pub(crate) fn of_peer(&self, peer: &NodeId) -> Vec<Handle> {
        let inner = read_lock(&self.0);
        let ids = inner.by_peer.get(peer);
        ids.into_iter().flatten().filter_map(|id| inner.by_id.get(id).cloned()).collect()
    }

    /// Whether there is, or has been, a channel with a peer.
    pub(crate) fn has_any_with(&self, peer: &NodeId) -> bool {
        read_lock(&self.0).by_peer.contains_key(peer)
    }

    /// Channels with a counterparty that are not settled.
    pub(crate) fn live_with(&self, peer: &NodeId) -> usize {
        self.of_peer(peer).iter().filter(|handle| !handle.view().is_settled()).count()
    }
}
