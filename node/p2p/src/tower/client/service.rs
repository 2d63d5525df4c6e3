//! The task that owns the swarm of a node's links with towers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{PeerId, Stream, Swarm};
use lockstep_core::time::EngineTime;
use lockstep_proto::v1::TowerFrame;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, timeout};

use super::{FEATURES, Pushes, TowerLink, TowerOrder, link};
use crate::contact::ConnectError;
use crate::handshake::{Purpose, Role};
use crate::limits::COMMAND_QUEUE;
use crate::port::{Clock, Entropy};
use crate::service::dial::connect_error;
use crate::session::SessionEnd;
use crate::session::greet::{Greeting, greet};
use crate::stream::StreamEvent;
use crate::tower::limits::{MAX_PENDING, PUSH_QUEUE, TowerLimits};
use crate::tower::swarm::{Behaviour, BehaviourEvent};

/// How often dials that took too long are looked for.
const TICK: Duration = Duration::from_millis(500);

/// Whoever waits for a link.
type Waiter = oneshot::Sender<Result<(TowerLink, Pushes), ConnectError>>;

/// What the handle asks for.
pub(super) enum Command {
    /// Make a link.
    Connect {
        /// With whom.
        order: Box<TowerOrder>,
        /// Who waits for it.
        answer: Waiter,
    },
}

/// A link that is being made, under the connection that carries it.
struct Attempt {
    order: Box<TowerOrder>,
    answer: Waiter,
    since: EngineTime,
}

/// A link that has ended, and the connection that carried it.
type Ended = (PeerId, ConnectionId);

/// See the module.
pub(super) struct Service {
    swarm: Swarm<Behaviour>,
    limits: TowerLimits,
    entropy: Arc<dyn Entropy>,
    clock: Arc<dyn Clock>,
    commands: mpsc::Receiver<Command>,
    attempts: BTreeMap<ConnectionId, Attempt>,
    ended: (mpsc::Sender<Ended>, mpsc::Receiver<Ended>),
}

impl Service {
    pub(super) fn new(
        swarm: Swarm<Behaviour>,
        limits: TowerLimits,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let ended = mpsc::channel(COMMAND_QUEUE);
        Self { swarm, limits, entropy, clock, commands, attempts: BTreeMap::new(), ended }
    }

    /// Runs until nobody holds a handle any more.
    pub(super) async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.handle_swarm_event(event),
                Some((peer, connection)) = self.ended.1.recv() => {
                    self.swarm.behaviour_mut().stream.ended(peer, connection, Role::Dialer);
                    self.swarm.close_connection(connection);
                }
                command = self.commands.recv() => match command {
                    Some(Command::Connect { order, answer }) => self.connect(order, answer),
                    None => break,
                },
                _ = tick.tick() => self.handle_tick(),
            }
        }
    }

    /// Each link has a connection of its own.
    fn connect(&mut self, order: Box<TowerOrder>, answer: Waiter) {
        let options = DialOpts::peer_id(order.tower.peer_id)
            .condition(PeerCondition::Always)
            .addresses(order.tower.addresses.clone())
            .allocate_new_port()
            .build();
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => {
                let since = self.clock.now();
                self.attempts.insert(connection, Attempt { order, answer, since });
            }
            Err(error) => give(answer, Err(connect_error(&error))),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "an open enum of libp2p")]
    fn handle_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                if self.attempts.contains_key(&connection_id) {
                    self.swarm.behaviour_mut().stream.open(peer_id, connection_id);
                } else {
                    self.swarm.close_connection(connection_id);
                }
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.failed(connection_id, connect_error(&error));
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.failed(connection_id, SessionEnd::ConnectionLost.into());
            }
            SwarmEvent::Behaviour(BehaviourEvent::Stream(event)) => self.handle_stream(event),
            _ => {}
        }
    }

    fn failed(&mut self, connection: ConnectionId, error: ConnectError) {
        if let Some(attempt) = self.attempts.remove(&connection) {
            give(attempt.answer, Err(error));
        }
    }

    fn handle_stream(&mut self, event: StreamEvent) {
        let StreamEvent { peer, connection, stream, .. } = event;
        let Some(stream) = stream else {
            self.failed(connection, ConnectError::NoProtocol);
            self.swarm.close_connection(connection);
            return;
        };
        let Some(attempt) = self.attempts.remove(&connection) else { return };
        let (limits, entropy) = (self.limits, Arc::clone(&self.entropy));
        let (local, ended) = (*self.swarm.local_peer_id(), self.ended.0.clone());
        let task = async move {
            let end = live(stream, local, peer, attempt, limits, entropy.as_ref()).await;
            tracing::debug!(peer_id = %peer, error = %end, "link with a tower ended");
            if ended.send((peer, connection)).await.is_err() {
                tracing::trace!("link outlived the service");
            }
        };
        // Its last act is to say that it has ended.
        drop(tokio::spawn(task));
    }

    fn handle_tick(&mut self) {
        let now = self.clock.now();
        let most = self.limits.times.connect.as_millis();
        let is_late = |attempt: &Attempt| u128::from(now.millis_since(attempt.since)) > most;
        let late = self.attempts.iter().filter(|(_, attempt)| is_late(attempt));
        for connection in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.failed(connection, ConnectError::TimedOut);
            self.swarm.close_connection(connection);
        }
    }
}

/// The life of a link: who the tower is, then calls until the end.
async fn live(
    mut stream: Stream,
    local_peer: PeerId,
    peer: PeerId,
    attempt: Attempt,
    limits: TowerLimits,
    entropy: &dyn Entropy,
) -> SessionEnd {
    let Attempt { order, answer, .. } = attempt;
    let times = limits.times;
    let greeting = Greeting {
        purpose: Purpose::Tower,
        role: Role::Dialer,
        local_peer,
        peer,
        expected: Some(order.tower.key),
        features: FEATURES,
        head: order.head,
        seen_head: None,
        key: order.session_key.as_ref(),
        entropy,
        within: times.handshake,
        may_check: &|| true,
    };
    let greeted = greet::<TowerFrame, _>(&mut stream, &greeting);
    let greeted = timeout(times.handshake, greeted).await;
    let shown = match greeted.unwrap_or(Err(SessionEnd::HandshakeTimeout)) {
        Ok(shown) => shown,
        Err(end) => {
            give(answer, Err(end.into()));
            return end;
        }
    };
    let (calls, asked) = mpsc::channel(MAX_PENDING);
    let (pushes, told) = mpsc::channel(PUSH_QUEUE);
    let tower = TowerLink {
        tower: shown.node_id,
        peer_id: peer,
        features: shown.features,
        calls,
        patience: times.connect,
    };
    give(answer, Ok((tower, Pushes(told))));
    link::run(stream, times, asked, pushes).await
}

fn give(answer: Waiter, outcome: Result<(TowerLink, Pushes), ConnectError>) {
    if answer.send(outcome).is_err() {
        tracing::trace!("nobody waits for a link any more");
    }
}
