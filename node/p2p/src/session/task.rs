//! The life of a session, from its stream to its last event.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite};
use libp2p::PeerId;
use lockstep_core::ids::NodeId;
use lockstep_proto::v1::PeerFrame;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::greet::{self, Greeting};
use super::{Session, SessionEnd, SessionId, read, write};
use crate::event::Event;
use crate::handshake::{FeatureOffer, JournalHead, Purpose, Role};
use crate::limits::Limits;
use crate::port::{Clock, Entropy, NodeKey};
use crate::token_bucket::TokenBucket;

/// Pongs that wait to be written.
const ANSWERS: usize = 4;

/// What all sessions share.
pub(crate) struct Shared {
    pub(crate) local_peer: PeerId,
    pub(crate) features: FeatureOffer,
    pub(crate) head: Option<JournalHead>,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) node_key: Arc<dyn NodeKey>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) stranger_checks: Mutex<TokenBucket>,
}

impl Shared {
    /// Whether another stranger's signature may be checked now.
    pub(super) fn may_check_stranger(&self) -> bool {
        let mut bucket = self.stranger_checks.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.try_take(1, self.clock.now())
    }
}

impl Shared {
    fn greeting<'a>(
        &'a self,
        link: &Link,
        may_check: &'a (dyn Fn() -> bool + Sync),
    ) -> Greeting<'a> {
        Greeting {
            purpose: Purpose::Channel,
            role: link.role,
            local_peer: self.local_peer,
            peer: link.peer,
            expected: link.expected,
            features: self.features,
            head: self.head,
            seen_head: link.seen_head,
            key: self.node_key.as_ref(),
            entropy: self.entropy.as_ref(),
            within: self.limits.times.handshake,
            may_check,
        }
    }
}

/// What is known of a session before its handshake.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) id: SessionId,
    pub(crate) peer: PeerId,
    pub(crate) role: Role,
    pub(crate) is_relayed: bool,
    /// The node key that a contact has; none for a stranger.
    pub(crate) expected: Option<NodeId>,
    /// Whether the peer is a contact; a stranger may become one while the session stands.
    pub(crate) is_contact: Arc<AtomicBool>,
    pub(crate) seen_head: Option<JournalHead>,
}

impl Link {
    /// Whether the peer is a contact by now.
    pub(super) fn is_contact(&self) -> bool {
        self.is_contact.load(Ordering::Relaxed)
    }
}

/// The service's answer to an authenticated session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stands.
    Stands,
    /// It ends.
    Ends(SessionEnd),
}

/// What sessions tell the service.
#[derive(Debug)]
pub(crate) enum Report {
    /// The peer has shown who it is.
    Authenticated {
        /// The session.
        session: Box<Session>,
        /// Waits for the answer.
        verdict: oneshot::Sender<Verdict>,
    },
    /// It is over, whether it ever stood or not.
    Ended {
        /// Which.
        id: SessionId,
        /// Why.
        end: SessionEnd,
    },
}

/// One session's task.
pub(crate) struct Task<S> {
    pub(crate) link: Link,
    pub(crate) stream: S,
    pub(crate) shared: Arc<Shared>,
    pub(crate) reports: mpsc::Sender<Report>,
    /// Ends the session from outside.
    pub(crate) stop: oneshot::Receiver<SessionEnd>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    /// Runs to the end of the session. The report of that is the last thing it does.
    pub(crate) async fn run(self) {
        let Self { link, stream, shared, reports, mut stop } = self;
        let life = live(&link, stream, &shared, &reports, &mut stop);
        let end = life.await;
        // Only a service that is gone does not take a report.
        if reports.send(Report::Ended { id: link.id, end }).await.is_err() {
            tracing::debug!(peer_id = %link.peer, "session outlived the service");
        }
    }
}

async fn live<S: AsyncRead + AsyncWrite + Unpin>(
    link: &Link,
    mut stream: S,
    shared: &Shared,
    reports: &mpsc::Sender<Report>,
    stop: &mut oneshot::Receiver<SessionEnd>,
) -> SessionEnd {
    let may_check = || link.is_contact() || shared.may_check_stranger();
    let greeting = shared.greeting(link, &may_check);
    let greeted = greet::greet::<PeerFrame, _>(&mut stream, &greeting);
    let shown = tokio::select! {
        greeted = timeout(greeting.within, greeted) => match greeted {
            Ok(Ok(shown)) => shown,
            Ok(Err(end)) => return end,
            Err(_) => return SessionEnd::HandshakeTimeout,
        },
        end = &mut *stop => return end.unwrap_or(SessionEnd::Stopped),
    };
    let (session, queue) = Session::new(link, shown, shared.limits.outbound_room_bytes);
    let (verdict, answer) = oneshot::channel();
    let report = Report::Authenticated { session: Box::new(session.clone()), verdict };
    if reports.send(report).await.is_err() {
        return SessionEnd::Stopped;
    }
    let verdict = tokio::select! {
        verdict = answer => verdict.unwrap_or(Verdict::Ends(SessionEnd::Stopped)),
        end = &mut *stop => Verdict::Ends(end.unwrap_or(SessionEnd::Stopped)),
    };
    if let Verdict::Ends(end) = verdict {
        return end;
    }
    let (id, node_id) = (session.id(), session.node_id());
    if shared.events.send(Event::Connected(session.clone())).await.is_err() {
        return SessionEnd::Stopped;
    }
    let (answers, pongs) = mpsc::channel(ANSWERS);
    let (reader, writer) = stream.split();
    let end = tokio::select! {
        end = read::read_all(reader, link, shared, &session, &answers) => end,
        end = write::write_all(writer, shared, queue, pongs) => end,
        end = stop => end.unwrap_or(SessionEnd::Stopped),
    };
    session.close();
    // An engine that is gone needs no events.
    if shared.events.send(Event::Disconnected { session: id, node_id, end }).await.is_err() {
        tracing::debug!(peer_id = %link.peer, "nobody listens for the end of a session");
    }
    end
}
