//! The task that owns a tower's swarm: it lets clients in and never waits for one of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm};
use lockstep_core::error::ErrorClass;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use super::session::{Report, Session, Shared};
use crate::admission::ConnectionCounts;
use crate::handshake::Role;
use crate::limits::REPORT_QUEUE;
use crate::session::{SessionEnd, SessionId};
use crate::stream::StreamEvent;
use crate::tower::swarm::{Behaviour, BehaviourEvent};

/// How often connections without a session are looked for.
const TICK: Duration = Duration::from_secs(1);

/// What the handle asks for.
#[derive(Debug)]
pub(super) enum Command {
    /// What is kept, as numbers.
    Count { answer: oneshot::Sender<ConnectionCounts> },
    /// End all sessions and stop.
    Stop,
}

/// A session, as the service sees it.
#[derive(Debug)]
struct Entry {
    peer: PeerId,
    connection: ConnectionId,
    stop: Option<oneshot::Sender<SessionEnd>>,
}

/// See the module.
pub(super) struct Service {
    swarm: Swarm<Behaviour>,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    addresses: watch::Sender<Vec<Multiaddr>>,
    sessions: BTreeMap<SessionId, Entry>,
    next_session: u64,
    reports: (mpsc::Sender<Report>, mpsc::Receiver<Report>),
}

impl Service {
    pub(super) fn new(
        swarm: Swarm<Behaviour>,
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        addresses: watch::Sender<Vec<Multiaddr>>,
    ) -> Self {
        Self {
            swarm,
            shared,
            commands,
            addresses,
            sessions: BTreeMap::new(),
            next_session: 0,
            reports: mpsc::channel(REPORT_QUEUE),
        }
    }

    /// Runs until it is told to stop, or nobody holds a handle any more.
    pub(super) async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.handle_swarm_event(event),
                Some(report) = self.reports.1.recv() => self.handle_report(report),
                command = self.commands.recv() => match command {
                    Some(Command::Count { answer }) => {
                        let counts = self.swarm.behaviour().admission.table().counts();
                        if answer.send(counts).is_err() {
                            tracing::trace!("nobody waits for a count");
                        }
                    }
                    Some(Command::Stop) | None => break,
                },
                _ = tick.tick() => self.handle_tick(),
            }
        }
        self.stop().await;
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "an open enum of libp2p")]
    fn handle_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Stream(event)) => self.handle_stream(event),
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.end_sessions_on(connection_id);
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening for clients");
                self.show_addresses();
            }
            SwarmEvent::ExpiredListenAddr { .. }
            | SwarmEvent::ListenerClosed { .. }
            | SwarmEvent::ExternalAddrConfirmed { .. }
            | SwarmEvent::ExternalAddrExpired { .. } => self.show_addresses(),
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "listener failed"),
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "inbound connection refused or broken");
            }
            _ => {}
        }
    }

    /// A client has opened a stream. A tower opens none itself.
    fn handle_stream(&mut self, event: StreamEvent) {
        let StreamEvent { peer, connection, role, stream } = event;
        let Some(stream) = stream.filter(|_| role == Role::Listener) else { return };
        self.next_session = self.next_session.saturating_add(1);
        let id = SessionId(self.next_session);
        let (stop, stopped) = oneshot::channel();
        self.sessions.insert(id, Entry { peer, connection, stop: Some(stop) });
        let (shared, reports) = (Arc::clone(&self.shared), self.reports.0.clone());
        // Its last act is a report, so it is not lost sight of.
        drop(tokio::spawn(Session { id, peer, stream, shared, reports, stop: stopped }.run()));
    }

    fn handle_report(&mut self, report: Report) {
        match report {
            // A client that came again has lost its older session.
            Report::Superseded { id } => self.end_session(id, SessionEnd::Replaced),
            Report::Ended { id, end } => self.ended(id, end),
        }
    }

    fn ended(&mut self, id: SessionId, end: SessionEnd) {
        let Some(Entry { peer, connection, .. }) = self.sessions.remove(&id) else { return };
        tracing::debug!(peer_id = %peer, error = %end, "client's session ended");
        let now = self.shared.clock.now();
        let behaviour = self.swarm.behaviour_mut();
        behaviour.stream.ended(peer, connection, Role::Listener);
        if end.class() == ErrorClass::PeerFault {
            behaviour.admission.table_mut().penalize(connection, now);
        }
        // A client with another request opens another connection; this one costs memory meanwhile.
        self.swarm.close_connection(connection);
    }

    fn end_session(&mut self, id: SessionId, end: SessionEnd) {
        let stop = self.sessions.get_mut(&id).and_then(|entry| entry.stop.take());
        if let Some(stop) = stop
            && stop.send(end).is_err()
        {
            tracing::trace!("session has ended by itself");
        }
    }

    fn end_sessions_on(&mut self, connection: ConnectionId) {
        let gone = self.sessions.iter().filter(|(_, entry)| entry.connection == connection);
        for id in gone.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end_session(id, SessionEnd::ConnectionLost);
        }
    }

    /// Whoever is connected and says nothing does not stay.
    fn handle_tick(&mut self) {
        let now = self.shared.clock.now();
        for (connection, _) in self.swarm.behaviour().admission.table().overdue(now) {
            if !self.sessions.values().any(|entry| entry.connection == connection) {
                self.swarm.close_connection(connection);
            }
        }
    }

    fn show_addresses(&mut self) {
        let listening = self.swarm.listeners();
        let mut all: Vec<_> = listening.chain(self.swarm.external_addresses()).cloned().collect();
        all.sort();
        all.dedup();
        self.addresses.send_replace(all);
    }

    /// Ends all sessions and waits until each has said so.
    async fn stop(mut self) {
        for id in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.end_session(id, SessionEnd::Stopped);
        }
        let (own, mut reports) = self.reports;
        drop(own);
        self.sessions.clear();
        while reports.recv().await.is_some() {}
    }
}
