//! What the network side tells the engine, in one bounded stream.

use lockstep_core::ids::{ChannelId, NodeId};
use lockstep_core::message::PeerMessage;
use tokio::sync::OwnedSemaphorePermit;

use crate::session::{Session, SessionEnd, SessionId};

/// Room that a message takes until it is dropped: a peer whose messages are not dealt with is not read
/// from, whatever other peers do.
#[derive(Debug)]
pub struct Credit {
    _permit: OwnedSemaphorePermit,
}

impl Credit {
    pub(crate) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: permit }
    }
}

/// A message of a peer, whose bounds are checked and whose signatures are not.
#[derive(Debug)]
pub struct Received {
    /// On which session.
    pub session: SessionId,
    /// From whom.
    pub node_id: NodeId,
    /// About which channel.
    pub channel_id: ChannelId,
    /// What it says.
    pub message: PeerMessage,
    /// To be held until the message is dealt with.
    pub credit: Credit,
}

/// What happens on the network. Of one session, the order is: connected, its messages as they were sent,
/// disconnected; at no time do two sessions with one node key stand.
#[derive(Debug)]
pub enum Event {
    /// A peer has shown its node key.
    Connected(Session),
    /// A peer says something about a channel.
    Message(Box<Received>),
    /// A session is over.
    Disconnected {
        /// Which.
        session: SessionId,
        /// With whom.
        node_id: NodeId,
        /// Why.
        end: SessionEnd,
    },
}
