//! Which sessions there are, and which of two with one peer stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::NodeId;
use lockstep_core::time::EngineTime;
use tokio::sync::oneshot;

use super::Service;
use crate::contact::{Attempt, ConnectError};
use crate::handshake::{HandshakeError, Role};
use crate::session::precedence::{Standing, supersedes};
use crate::session::{Link, Report, Session, SessionEnd, SessionId, Task, Verdict};
use crate::stream::StreamEvent;
use crate::token_bucket::TokenBucket;

/// A connection, as far as sessions care.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) is_relayed: bool,
    /// Whether it is ours to open streams on.
    pub(super) is_dialer: bool,
    /// What a stranger may still begin on it.
    pub(super) sessions: TokenBucket,
    /// Whether we are ending it: a stream that is asked for now would never be answered.
    pub(super) is_closing: bool,
}

/// How far a session is.
#[derive(Debug)]
enum Stage {
    /// Showing who it is.
    Greeting,
    /// Authenticated, until the session that it replaces has ended.
    Waiting { session: Box<Session>, verdict: oneshot::Sender<Verdict>, standing: Standing },
    /// Standing.
    Standing { node_id: NodeId, standing: Standing },
}

/// A session, as the service sees it.
#[derive(Debug)]
pub(super) struct Entry {
    peer: PeerId,
    connection: ConnectionId,
    role: Role,
    is_relayed: bool,
    is_contact: Arc<AtomicBool>,
    stop: Option<oneshot::Sender<SessionEnd>>,
    stage: Stage,
}

impl Service {
    /// Opens a stream on a connection with this peer, a direct one if there is one.
    pub(super) fn open_stream(&mut self, peer: PeerId) -> bool {
        let connections = self.connections.get(&peer);
        let open = connections.map(|all| all.iter().filter(|one| !one.is_closing));
        let best = open.and_then(|open| open.min_by_key(|one| one.is_relayed));
        let Some(connection) = best.map(|best| best.id) else { return false };
        self.swarm.behaviour_mut().stream.open(peer, connection);
        true
    }

    /// A stream is there, or could not be opened.
    pub(super) fn handle_stream(&mut self, event: StreamEvent) {
        let StreamEvent { peer, connection, role, stream } = event;
        let known = self.contacts.by_peer(&peer);
        let Some(stream) = stream else {
            let is_trying = known.is_some_and(|known| matches!(known.attempt, Attempt::Trying(_)));
            if let Some(node_id) = known.map(|known| known.contact.node_id).filter(|_| is_trying) {
                self.attempt_failed(node_id, ConnectError::NoProtocol);
            }
            return;
        };
        let open = self.connections.get(&peer);
        let open = open.and_then(|all| all.iter().find(|one| one.id == connection));
        let Some(is_relayed) = open.map(|open| open.is_relayed) else { return };
        if role == Role::Listener && !self.may_begin(peer, connection) {
            // The stream is dropped, which resets it.
            self.swarm.behaviour_mut().stream.ended(peer, connection, role);
            return;
        }
        let known = self.contacts.by_peer(&peer);
        self.next_session = self.next_session.saturating_add(1);
        let id = SessionId(self.next_session);
        let is_contact = Arc::new(AtomicBool::new(known.is_some()));
        let link = Link {
            id,
            peer,
            role,
            is_relayed,
            expected: known.map(|known| known.contact.node_id),
            is_contact: Arc::clone(&is_contact),
            seen_head: known.and_then(|known| known.contact.seen_head),
        };
        let (stop, stopped) = oneshot::channel();
        let stage = Stage::Greeting;
        let entry =
            Entry { peer, connection, role, is_relayed, is_contact, stop: Some(stop), stage };
        self.sessions.insert(id, entry);
        let (shared, reports) = (Arc::clone(&self.shared), self.reports.0.clone());
        // Its last act is a report, so it is not lost sight of.
        drop(tokio::spawn(Task { link, stream, shared, reports, stop: stopped }.run()));
    }

    /// Whether a peer may begin a session now. A stranger that begins more than any honest one would loses its
    /// connection, and how many of those it gets is limited, too.
    fn may_begin(&mut self, peer: PeerId, connection: ConnectionId) -> bool {
        let now = self.now();
        if let Some(known) = self.contacts.by_peer_mut(&peer) {
            let may = known.may_begin(now);
            if !may {
                tracing::debug!(peer_id = %peer, "contact begins too many sessions");
            }
            return may;
        }
        let open = self.connections.get_mut(&peer);
        let open = open.and_then(|all| all.iter_mut().find(|one| one.id == connection));
        let may = open.is_some_and(|open| open.sessions.try_take(1, now));
        if !may {
            tracing::debug!(peer_id = %peer, "stranger begins too many sessions");
            self.swarm.close_connection(connection);
        }
        may
    }

    pub(super) fn handle_report(&mut self, report: Report) {
        match report {
            Report::Authenticated { session, verdict } => self.authenticated(session, verdict),
            Report::Ended { id, end } => self.ended(id, end),
        }
    }

    /// Decides whether a session stands: at once, after another has ended, or not at all.
    fn authenticated(&mut self, session: Box<Session>, verdict: oneshot::Sender<Verdict>) {
        let (id, node_id, peer) = (session.id(), session.node_id(), session.peer_id());
        let now = self.now();
        let Some(entry) = self.sessions.get_mut(&id) else { return };
        let standing = Standing { role: entry.role, is_relayed: entry.is_relayed, since: now };
        let known = self.contacts.by_node(&node_id);
        if known.is_some_and(|known| known.contact.peer_id != peer) {
            let end = SessionEnd::Handshake(HandshakeError::OtherPeer { node_id });
            give(verdict, Verdict::Ends(end));
            return;
        }
        let incumbent = self.routes.get(&node_id).map(|incumbent| incumbent.id());
        let Some(incumbent) = incumbent else {
            entry.stage = Stage::Waiting { session, verdict, standing };
            self.stand(id);
            return;
        };
        let is_awaited = self.is_awaited(node_id);
        let older = self.sessions.get(&incumbent).and_then(|older| match &older.stage {
            Stage::Standing { standing, .. } => Some(*standing),
            Stage::Greeting | Stage::Waiting { .. } => None,
        });
        let local = self.shared.local_peer;
        let wins = older.is_none_or(|older| supersedes(&standing, &older, &local, &peer));
        if is_awaited || !wins {
            give(verdict, Verdict::Ends(SessionEnd::Duplicate));
            return;
        }
        if let Some(entry) = self.sessions.get_mut(&id) {
            entry.stage = Stage::Waiting { session, verdict, standing };
        }
        self.end_session(incumbent, SessionEnd::Replaced);
    }

    /// What counts about the session that stands with a peer.
    pub(super) fn standing(&self, peer: PeerId) -> Option<Standing> {
        self.sessions.values().filter(|entry| entry.peer == peer).find_map(|entry| {
            match &entry.stage {
                Stage::Standing { standing, .. } => Some(*standing),
                Stage::Greeting | Stage::Waiting { .. } => None,
            }
        })
    }

    /// Whether a session already waits to replace the one with this peer.
    fn is_awaited(&self, node_id: NodeId) -> bool {
        self.sessions.values().any(|entry| match &entry.stage {
            Stage::Waiting { session, .. } => session.node_id() == node_id,
            Stage::Greeting | Stage::Standing { .. } => false,
        })
    }

    /// A session that waits may stand.
    fn stand(&mut self, id: SessionId) {
        let now = self.now();
        let Some(entry) = self.sessions.get_mut(&id) else { return };
        match std::mem::replace(&mut entry.stage, Stage::Greeting) {
            Stage::Waiting { session, verdict, standing } => {
                let node_id = session.node_id();
                entry.stage = Stage::Standing { node_id, standing };
                self.routes.insert(node_id, Session::clone(&session));
                if let Some(known) = self.contacts.by_node_mut(&node_id) {
                    known.attempt = Attempt::Connected(now);
                    known.answer(&Ok(*session));
                }
                give(verdict, Verdict::Stands);
                self.leave_relay(id);
            }
            stage @ (Stage::Greeting | Stage::Standing { .. }) => entry.stage = stage,
        }
    }

    /// A direct connection may have come about before its relayed session stood.
    fn leave_relay(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get(&id).filter(|entry| entry.is_relayed) else { return };
        let peer = entry.peer;
        let direct = self.connections.get(&peer).and_then(|all| {
            all.iter().find(|connection| connection.is_dialer && !connection.is_relayed)
        });
        if let Some(direct) = direct.map(|direct| direct.id) {
            self.swarm.behaviour_mut().stream.open(peer, direct);
        }
    }

    /// A session is over: its place is free, and its contact is looked for again.
    fn ended(&mut self, id: SessionId, end: SessionEnd) {
        let Some(entry) = self.sessions.remove(&id) else { return };
        let Entry { peer, connection, role, stage, .. } = entry;
        tracing::debug!(peer_id = %peer, error = %end, "session ended");
        self.swarm.behaviour_mut().stream.ended(peer, connection, role);
        let now = self.now();
        match end.class() {
            ErrorClass::PeerFault => {
                self.swarm.behaviour_mut().admission.table_mut().penalize(connection, now);
                self.close(peer, connection);
            }
            ErrorClass::Refused => self.close(peer, connection),
            ErrorClass::Transient | ErrorClass::Fatal => {}
        }
        let node_id = match stage {
            Stage::Standing { node_id, .. } => {
                self.routes.remove(&node_id);
                Some(node_id)
            }
            Stage::Greeting | Stage::Waiting { .. } => {
                self.contacts.by_peer(&peer).map(|known| known.contact.node_id)
            }
        };
        let Some(node_id) = node_id else { return };
        if self.routes.get(&node_id).is_some() {
            return;
        }
        match self.successor(node_id) {
            Some(successor) => self.stand(successor),
            None if self.has_sessions(peer) => {}
            None => self.attempt_failed(node_id, end.into()),
        }
    }

    /// Ends a connection. It stays listed until it has ended, and nothing new begins on it.
    fn close(&mut self, peer: PeerId, id: ConnectionId) {
        let all = self.connections.get_mut(&peer).into_iter().flatten();
        all.filter(|one| one.id == id).for_each(|one| one.is_closing = true);
        self.swarm.close_connection(id);
    }

    /// The session that waits to replace one that has just ended.
    fn successor(&self, node_id: NodeId) -> Option<SessionId> {
        let waits = |entry: &Entry| match &entry.stage {
            Stage::Waiting { session, .. } => session.node_id() == node_id,
            Stage::Greeting | Stage::Standing { .. } => false,
        };
        self.sessions.iter().find(|(_, entry)| waits(entry)).map(|(id, _)| *id)
    }

    pub(super) fn has_sessions(&self, peer: PeerId) -> bool {
        self.sessions.values().any(|entry| entry.peer == peer)
    }

    /// A stranger that has become a contact.
    pub(super) fn welcome(&mut self, node_id: NodeId, peer: PeerId) {
        for entry in self.sessions.values().filter(|entry| entry.peer == peer) {
            entry.is_contact.store(true, Ordering::Relaxed);
        }
        let (now, stands) = (self.now(), self.routes.get(&node_id).is_some());
        if let Some(known) = self.contacts.by_node_mut(&node_id)
            && stands
            && !matches!(known.attempt, Attempt::Connected(_))
        {
            known.attempt = Attempt::Connected(now);
        }
    }

    /// Tells a session to end. It reports when it has.
    pub(super) fn end_session(&mut self, id: SessionId, end: SessionEnd) {
        let stop = self.sessions.get_mut(&id).and_then(|entry| entry.stop.take());
        if let Some(stop) = stop
            && stop.send(end).is_err()
        {
            tracing::trace!("session has ended by itself");
        }
    }

    /// Tells all sessions with a node key to end.
    pub(super) fn end_sessions_of(&mut self, node_id: NodeId, end: SessionEnd) {
        let peer = self.contacts.by_node(&node_id).map(|known| known.contact.peer_id);
        let stands = self.routes.get(&node_id).map(|session| session.id());
        let is_meant =
            |id: &SessionId, entry: &Entry| Some(entry.peer) == peer || Some(*id) == stands;
        let meant = self.sessions.iter().filter(|(id, entry)| is_meant(id, entry));
        for id in meant.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end_session(id, end);
        }
    }

    /// A connection is gone, and with it what ran on it.
    pub(super) fn end_sessions_on(&mut self, connection: ConnectionId) {
        let gone = self.sessions.iter().filter(|(_, entry)| entry.connection == connection);
        for id in gone.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end_session(id, SessionEnd::ConnectionLost);
        }
    }

    /// Strangers do not stay: without a session for moments, with one for minutes.
    pub(super) fn end_overstayed(&mut self, now: EngineTime) {
        for (connection, peer) in self.swarm.behaviour().admission.table().overdue(now) {
            let in_use = self.sessions.values().any(|entry| entry.connection == connection);
            if !in_use && !self.guests.contains(&peer) {
                self.swarm.close_connection(connection);
            }
        }
        let most = self.shared.limits.times.stranger_session.as_millis();
        let is_late = |entry: &Entry| match &entry.stage {
            Stage::Standing { standing, .. } => {
                u128::from(now.millis_since(standing.since)) > most
                    && !entry.is_contact.load(Ordering::Relaxed)
            }
            Stage::Greeting | Stage::Waiting { .. } => false,
        };
        let late = self.sessions.iter().filter(|(_, entry)| is_late(entry));
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end_session(id, SessionEnd::Overstayed);
        }
    }
}

fn give(verdict: oneshot::Sender<Verdict>, answer: Verdict) {
    if verdict.send(answer).is_err() {
        tracing::trace!("session has ended by itself");
    }
}
