//! A session: one authenticated stream of messages with one peer, both ways, in order.
//!
//! Each session is one task that lives as long as its stream. It shows who the peer is
//! ([`crate::handshake`]), waits for the service to say that it may stand, and then reads and writes at the
//! same time. It is the only place that reads what a peer sends.

pub(crate) mod greet;
pub(crate) mod precedence;
mod read;
mod task;
mod write;

use std::sync::Arc;

use libp2p::PeerId;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{ChannelId, NodeId};
use lockstep_core::message::PeerMessage;
use lockstep_core::terms::Features;
use lockstep_proto::v1;
use thiserror::Error;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::codec::{self, CodecError};
use crate::convert::{Malformed, message_to};
use crate::frame::FrameError;
use crate::handshake::{Authenticated, HandshakeError, JournalHead};
use crate::port::{NoEntropy, SigningRefused};

pub(crate) use task::{Link, Report, Shared, Task, Verdict};

/// Messages that wait to be sent on one session, however small they are.
const OUTBOUND_QUEUE: usize = 1_024;

/// The name of one session; none is ever used again while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) u64);

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SessionEnd {
    /// The stream ended, broke, stalled or broke the rules of frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame is no message.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A message means nothing.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The peer is not who it should be, or does not fit.
    #[error("handshake failed")]
    Handshake(#[source] HandshakeError),
    /// The handshake took too long.
    #[error("handshake took too long")]
    HandshakeTimeout,
    /// A message that has no place there.
    #[error("message out of place")]
    OutOfPlace,
    /// Too many strangers show their keys at the moment.
    #[error("too many strangers at a time")]
    TooManyStrangers,
    /// Our own key did not sign.
    #[error(transparent)]
    Signing(#[from] SigningRefused),
    /// No nonce could be drawn.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// Another session with the same peer stands.
    #[error("another session with the same peer stands")]
    Duplicate,
    /// A better or newer session with the same peer took its place.
    #[error("a newer session took its place")]
    Replaced,
    /// The connection under it is gone.
    #[error("connection is gone")]
    ConnectionLost,
    /// A stranger stayed without becoming a contact.
    #[error("stranger stayed too long")]
    Overstayed,
    /// We were told to.
    #[error("ended on request")]
    Requested,
    /// This node stops.
    #[error("node stops")]
    Stopped,
}

impl SessionEnd {
    /// What to do about it: a fault is scored, the rest is retried where the peer is to be kept.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Frame(error) => error.class(),
            Self::Codec(error) => error.class(),
            Self::Malformed(error) => error.class(),
            Self::Handshake(error) => error.class(),
            Self::Signing(error) => error.class(),
            Self::OutOfPlace => ErrorClass::PeerFault,
            Self::Requested | Self::Stopped | Self::Overstayed => ErrorClass::Refused,
            Self::HandshakeTimeout
            | Self::TooManyStrangers
            | Self::Entropy(_)
            | Self::Duplicate
            | Self::Replaced
            | Self::ConnectionLost => ErrorClass::Transient,
        }
    }
}

/// Why a message was not taken for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// It does not fit a frame.
    #[error("message of {len} bytes is larger than a frame")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
    },
    /// The peer takes less than we have for it; try again, or wait.
    #[error("too much waits for this peer")]
    Busy,
    /// There is no session with this peer, or this one is over.
    #[error("no session with this peer")]
    NoSession,
}

impl SendError {
    /// A message that is too large stays so.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::TooLarge { .. } => ErrorClass::Refused,
            Self::Busy | Self::NoSession => ErrorClass::Transient,
        }
    }
}

/// A frame on its way out, with the room that it takes.
#[derive(Debug)]
pub(crate) struct Outgoing {
    frame: v1::PeerFrame,
    _room: OwnedSemaphorePermit,
}

/// A session as the engine holds it: who is there, and a way to send.
#[derive(Clone, Debug)]
pub struct Session {
    id: SessionId,
    peer_id: PeerId,
    is_relayed: bool,
    shown: Authenticated,
    outbound: mpsc::Sender<Outgoing>,
    room: Arc<Semaphore>,
}

impl Session {
    pub(crate) fn new(
        link: &Link,
        shown: Authenticated,
        room_bytes: u32,
    ) -> (Self, mpsc::Receiver<Outgoing>) {
        let (outbound, queue) = mpsc::channel(OUTBOUND_QUEUE);
        let room = usize::try_from(room_bytes).unwrap_or(Semaphore::MAX_PERMITS);
        let session = Self {
            id: link.id,
            peer_id: link.peer,
            is_relayed: link.is_relayed,
            shown,
            outbound,
            room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
        };
        (session, queue)
    }

    /// Its name.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The peer's node key, proven on this connection.
    pub fn node_id(&self) -> NodeId {
        self.shown.node_id
    }

    /// The peer's transport identity.
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// What both sides can do.
    pub fn features(&self) -> Features {
        self.shown.features
    }

    /// Which life of the peer's journal speaks.
    pub fn head(&self) -> Option<JournalHead> {
        self.shown.head
    }

    /// The latest head of our journal that the peer has seen. One that our journal does not know proves
    /// that it was restored from a backup (P47).
    pub fn seen_head(&self) -> Option<JournalHead> {
        self.shown.seen_head
    }

    /// Whether a relay carries it.
    pub fn is_relayed(&self) -> bool {
        self.is_relayed
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        self.outbound.is_closed()
    }

    /// Hands a message over for sending, or says at once that it can't be taken.
    ///
    /// # Errors
    /// [`SendError`]. What was taken is sent in order, or not at all if the session ends.
    pub fn try_send(&self, channel_id: ChannelId, message: &PeerMessage) -> Result<(), SendError> {
        let (frame, len) = frame_of(channel_id, message)?;
        let room =
            Arc::clone(&self.room).try_acquire_many_owned(len).map_err(|error| match error {
                TryAcquireError::NoPermits => SendError::Busy,
                TryAcquireError::Closed => SendError::NoSession,
            })?;
        self.outbound.try_send(Outgoing { frame, _room: room }).map_err(|error| match error {
            TrySendError::Full(_) => SendError::Busy,
            TrySendError::Closed(_) => SendError::NoSession,
        })
    }

    /// Hands a message over for sending, waiting until there is room.
    ///
    /// # Errors
    /// [`SendError`], never [`SendError::Busy`].
    pub async fn send(
        &self,
        channel_id: ChannelId,
        message: &PeerMessage,
    ) -> Result<(), SendError> {
        let (frame, len) = frame_of(channel_id, message)?;
        // Both end when the session does: its end closes the queue and the room.
        let acquire = Arc::clone(&self.room).acquire_many_owned(len);
        let room = acquire.await.map_err(|_| SendError::NoSession)?;
        let outgoing = Outgoing { frame, _room: room };
        self.outbound.send(outgoing).await.map_err(|_| SendError::NoSession)
    }

    /// Nobody waits for room in a session that is over.
    fn close(&self) {
        self.room.close();
    }
}

fn frame_of(
    channel_id: ChannelId,
    message: &PeerMessage,
) -> Result<(v1::PeerFrame, u32), SendError> {
    let channel = message_to(channel_id, message);
    let body = Some(v1::peer_frame::Body::Channel(channel));
    let frame = v1::PeerFrame { request_id: 0, body };
    match codec::len(&frame) {
        Ok(len) => Ok((frame, len)),
        Err(CodecError::TooLarge { len }) => Err(SendError::TooLarge { len }),
        Err(CodecError::NotAMessage | CodecError::NotCanonical) => {
            Err(SendError::TooLarge { len: usize::MAX })
        }
    }
}
