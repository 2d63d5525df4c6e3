//! The task that owns the swarm: it dials, lets in, decides which sessions stand, and never waits for one
//! of them.
//!
//! Everything that can wake it is in [`Service::run`]. Reading order: `dial` (looking for contacts),
//! `swarm` (what libp2p says), `sessions` (which session stands), `relays` (being reachable through them).

pub(crate) mod dial;
mod relays;
mod sessions;
mod swarm;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::{Multiaddr, PeerId, Swarm};
use lockstep_core::ids::NodeId;
use lockstep_core::time::EngineTime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use crate::behaviour::Behaviour;
use crate::contact::{Attempt, ConnectError, Contact, ContactBook, ContactError, Waiter};
use crate::network::{Counts, Routes};
use crate::session::{Report, SessionEnd, SessionId, Shared};
use relays::Relay;
use sessions::{Connection, Entry};

/// How often dials that are due, and things that took too long, are looked for.
const TICK: Duration = Duration::from_millis(250);

/// What the handle asks for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Make a peer a contact.
    Register { contact: Contact, answer: oneshot::Sender<Result<(), ContactError>> },
    /// Make it a contact, keep a session with it, and say when one stands.
    Connect { contact: Contact, waiter: Waiter },
    /// Stop looking for it and end its session; it stays a contact.
    Disconnect { node_id: NodeId },
    /// Disconnect, and make it a stranger.
    Forget { node_id: NodeId },
    /// What is kept, as numbers.
    Count { answer: oneshot::Sender<Counts> },
    /// End all sessions and stop.
    Stop,
}

/// See the module.
pub(crate) struct Service {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) contacts: ContactBook,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) addresses: watch::Sender<Vec<Multiaddr>>,
    connections: BTreeMap<PeerId, Vec<Connection>>,
    sessions: BTreeMap<SessionId, Entry>,
    /// Peers that have used us as a relay since they are connected.
    guests: BTreeSet<PeerId>,
    relays: Vec<Relay>,
    /// Relays learn our port from where we call them, so they are called once we listen.
    awaits_listener: bool,
    next_session: u64,
    reports: (mpsc::Sender<Report>, mpsc::Receiver<Report>),
}

impl Service {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        shared: Arc<Shared>,
        routes: Arc<Routes>,
        commands: mpsc::Receiver<Command>,
        addresses: watch::Sender<Vec<Multiaddr>>,
        relays: Vec<Multiaddr>,
        awaits_listener: bool,
    ) -> Self {
        Self {
            swarm,
            shared,
            routes,
            contacts: ContactBook::default(),
            commands,
            addresses,
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            guests: BTreeSet::new(),
            awaits_listener,
            relays: relays.into_iter().map(Relay::new).collect(),
            next_session: 0,
            reports: mpsc::channel(crate::limits::REPORT_QUEUE),
        }
    }

    /// Runs until it is told to stop, or nobody holds a handle any more.
    pub(crate) async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.handle_swarm_event(event),
                Some(report) = self.reports.1.recv() => self.handle_report(report),
                command = self.commands.recv() => match command {
                    Some(Command::Stop) | None => break,
                    Some(command) => self.handle_command(command),
                },
                _ = tick.tick() => self.handle_tick(),
            }
        }
        self.stop().await;
    }

    fn now(&self) -> EngineTime {
        self.shared.clock.now()
    }

    /// A number for jitter. Without one, nodes only lose their spread in time.
    fn random(&self) -> u64 {
        self.shared.entropy.next_u64().unwrap_or(0)
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Register { contact, answer } => {
                let registered = self.register(contact);
                if answer.send(registered).is_err() {
                    tracing::trace!("nobody waits for a registration");
                }
            }
            Command::Connect { contact, waiter } => self.connect(contact, waiter),
            Command::Disconnect { node_id } => self.disconnect(node_id),
            Command::Forget { node_id } => self.forget(node_id),
            Command::Count { answer } => {
                if answer.send(self.counts()).is_err() {
                    tracing::trace!("nobody waits for a count");
                }
            }
            // The loop has looked for it.
            Command::Stop => {}
        }
    }

    fn handle_tick(&mut self) {
        let now = self.now();
        for node_id in self.contacts.due(now) {
            self.attempt(node_id);
        }
        for node_id in self.contacts.overdue(now, self.shared.limits.times.connect) {
            self.attempt_failed(node_id, ConnectError::TimedOut);
        }
        self.end_overstayed(now);
        self.renew_relays(now);
    }

    fn register(&mut self, contact: Contact) -> Result<(), ContactError> {
        let is_us = contact.peer_id == self.shared.local_peer
            || contact.node_id == self.shared.node_key.node_id();
        if is_us {
            return Err(ContactError::Ourselves);
        }
        let (node_id, peer_id) = (contact.node_id, contact.peer_id);
        self.contacts.register(contact, &self.shared.limits, self.now())?;
        let now = self.now();
        self.swarm.behaviour_mut().admission.table_mut().set_contact(peer_id, true, now);
        self.welcome(node_id, peer_id);
        Ok(())
    }

    fn connect(&mut self, contact: Contact, waiter: Waiter) {
        let node_id = contact.node_id;
        if let Err(error) = self.register(contact) {
            answer(waiter, Err(error.into()));
            return;
        }
        let standing = self.routes.get(&node_id);
        let Some(known) = self.contacts.by_node_mut(&node_id) else { return };
        known.is_kept = true;
        if let Some(session) = standing {
            answer(waiter, Ok(session));
            return;
        }
        if let Err((waiter, error)) = known.wait(waiter) {
            answer(waiter, Err(error.into()));
            return;
        }
        match known.attempt {
            Attempt::Idle | Attempt::Due(_) => self.attempt(node_id),
            Attempt::Trying(_) | Attempt::Connected(_) => {}
        }
    }

    fn disconnect(&mut self, node_id: NodeId) {
        let Some(known) = self.contacts.by_node_mut(&node_id) else {
            self.end_sessions_of(node_id, SessionEnd::Requested);
            return;
        };
        known.is_kept = false;
        known.answer(&Err(ConnectError::Forgotten));
        if !matches!(known.attempt, Attempt::Connected(_)) {
            known.attempt = Attempt::Idle;
        }
        self.end_sessions_of(node_id, SessionEnd::Requested);
    }

    fn forget(&mut self, node_id: NodeId) {
        self.disconnect(node_id);
        if let Some(known) = self.contacts.forget(&node_id) {
            let (peer_id, now) = (known.contact.peer_id, self.now());
            self.swarm.behaviour_mut().admission.table_mut().set_contact(peer_id, false, now);
        }
    }

    fn counts(&self) -> Counts {
        Counts {
            connections: self.swarm.behaviour().admission.table().counts(),
            sessions: self.routes.len(),
            greeting: self.sessions.len().saturating_sub(self.routes.len()),
            contacts: self.contacts.len(),
        }
    }

    /// Ends all sessions and waits until each has said so.
    async fn stop(mut self) {
        let ids: Vec<_> = self.sessions.keys().copied().collect();
        for id in ids {
            self.end_session(id, SessionEnd::Stopped);
        }
        let (own, mut reports) = self.reports;
        drop(own);
        // Frees sessions that wait for a verdict, and lets the rest report.
        self.sessions.clear();
        while reports.recv().await.is_some() {}
    }
}

/// Tells one caller.
fn answer(waiter: Waiter, answer: Result<crate::session::Session, ConnectError>) {
    if waiter.send(answer).is_err() {
        tracing::trace!("nobody waits for a session any more");
    }
}
