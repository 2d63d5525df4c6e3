//! A tower's end: lets clients in, checks who they are, and hands what they ask to whoever decides.

mod service;
mod session;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use libp2p::{Multiaddr, PeerId};
use lockstep_core::ids::NodeId;
use tokio::sync::{mpsc, oneshot, watch};

use super::limits::TowerLimits;
use super::message::{Push, RefusalCode, Reply, Request, TowerRefusal};
use super::swarm;
use crate::admission::ConnectionCounts;
use crate::config::{Ports, TransportIdentity};
use crate::contact::ConnectError;
use crate::handshake::{FeatureOffer, JournalHead};
use crate::limits::COMMAND_QUEUE;
use crate::listen::{Feed, Places};
use crate::network::StartError;
use crate::session::SessionId;
use crate::stream;
use crate::token_bucket::TokenBucket;
use service::{Command, Service};
use session::Shared;

/// The settings of a tower's end.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The transport identity.
    pub identity: TransportIdentity,
    /// What this tower can do and insists on.
    pub features: FeatureOffer,
    /// Where to listen.
    pub listen: Vec<Multiaddr>,
    /// Addresses that the operator knows to be reachable from outside.
    pub external: Vec<Multiaddr>,
    /// The limits.
    pub limits: TowerLimits,
}

/// What a client asks, and the way to answer it.
#[derive(Debug)]
pub struct TowerRequest {
    /// On which session.
    pub session: SessionId,
    /// Whose account: the session key, proven on this connection.
    pub account: NodeId,
    /// Which life of the client's journal speaks.
    pub head: Option<JournalHead>,
    /// What is asked.
    pub request: Request,
    pub(super) answer: oneshot::Sender<Reply>,
}

impl TowerRequest {
    /// Answers it. One that is dropped is answered as busy.
    pub fn answer(self, reply: Reply) {
        if self.answer.send(reply).is_err() {
            tracing::trace!("client has left before its answer");
        }
    }

    /// The parts, for whoever answers later.
    pub fn into_parts(self) -> (NodeId, Request, Answer) {
        (self.account, self.request, Answer(self.answer))
    }
}

/// The way to answer one request.
#[derive(Debug)]
pub struct Answer(oneshot::Sender<Reply>);

impl Answer {
    /// Answers it.
    pub fn give(self, reply: Reply) {
        if self.0.send(reply).is_err() {
            tracing::trace!("client has left before its answer");
        }
    }
}

/// What is answered where nobody did.
pub(super) const BUSY: Reply = Reply::Refused(TowerRefusal::later(RefusalCode::Busy, 1));

/// What is asked of a tower, in one bounded stream, and the tower's end.
#[derive(Debug)]
pub struct TowerRequests(Feed<TowerRequest>);

impl TowerRequests {
    /// The next request; none once the tower's end has stopped.
    pub async fn next(&mut self) -> Option<TowerRequest> {
        self.0.next().await
    }

    /// Takes no more requests, and waits until the tower's end has stopped.
    pub async fn stopped(self) {
        self.0.stopped().await;
    }
}

/// One standing session, as a push reaches it.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) id: SessionId,
    pub(super) pushes: mpsc::Sender<Push>,
}

/// The sessions that stand, by account.
#[derive(Debug, Default)]
pub(super) struct Routes(RwLock<BTreeMap<NodeId, Vec<Route>>>);

impl Routes {
    /// Adds a session, and says which older one has to go.
    pub(super) fn insert(&self, account: NodeId, route: Route, most: usize) -> Option<SessionId> {
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let list = routes.entry(account).or_default();
        list.push(route);
        (list.len() > most).then(|| list.remove(0).id)
    }

    pub(super) fn remove(&self, account: &NodeId, id: SessionId) {
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = routes.get_mut(account) {
            list.retain(|route| route.id != id);
            if list.is_empty() {
                routes.remove(account);
            }
        }
    }

    fn of(&self, account: &NodeId) -> Vec<Route> {
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        routes.get(account).cloned().unwrap_or_default()
    }

    fn all(&self) -> Vec<Route> {
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        routes.values().flatten().cloned().collect()
    }

    fn len(&self) -> usize {
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        routes.values().map(Vec::len).sum()
    }
}

/// What a tower's end keeps, as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerCounts {
    /// Connections.
    pub connections: ConnectionCounts,
    /// Sessions whose client has shown its key.
    pub sessions: usize,
}

/// A tower's end, as its owner holds it. It runs until the last handle is dropped or one is told to stop.
#[derive(Clone, Debug)]
pub struct TowerServer {
    local_peer: PeerId,
    commands: mpsc::Sender<Command>,
    routes: Arc<Routes>,
    addresses: watch::Receiver<Vec<Multiaddr>>,
}

impl TowerServer {
    /// Starts listening. `ports.node_key` is the tower's key. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(config: ServerConfig, ports: Ports) -> Result<(Self, TowerRequests), StartError> {
        let ServerConfig { identity, features, listen, external, limits } = config;
        let streams = stream::Behaviour::new(super::PROTOCOL);
        let places = Places { listen, external };
        let swarm = swarm::build(&identity, &limits, streams, &ports.clock, places)?;
        let (requests, queue) = mpsc::channel(limits.request_queue.max(1));
        let (commands, orders) = mpsc::channel(COMMAND_QUEUE);
        let (shown, addresses) = watch::channel(Vec::new());
        let checks = TokenBucket::new(limits.handshakes, 1, ports.clock.now());
        let routes = Arc::new(Routes::default());
        let shared = Arc::new(Shared {
            local_peer: identity.peer_id(),
            features,
            limits,
            clock: ports.clock,
            entropy: ports.entropy,
            key: ports.node_key,
            requests,
            routes: Arc::clone(&routes),
            checks: Mutex::new(checks),
        });
        let service = Service::new(swarm, shared, orders, shown);
        let task = tokio::spawn(service.run());
        let local_peer = identity.peer_id();
        Ok((Self { local_peer, commands, routes, addresses }, TowerRequests(Feed { queue, task })))
    }

    /// The peer id of this tower.
    pub fn local_peer(&self) -> PeerId {
        self.local_peer
    }

    /// Where it can be reached.
    pub fn local_addresses(&self) -> Vec<Multiaddr> {
        self.addresses.borrow().clone()
    }

    /// The same, for whoever waits for a change.
    pub fn watch_addresses(&self) -> watch::Receiver<Vec<Multiaddr>> {
        self.addresses.clone()
    }

    /// Tells every session of an account. A client that does not read hears less: nothing waits for it.
    pub fn push(&self, account: &NodeId, push: &Push) {
        tell(self.routes.of(account), push);
    }

    /// Tells every session.
    pub fn broadcast(&self, push: &Push) {
        tell(self.routes.all(), push);
    }

    /// What is kept, as numbers.
    ///
    /// # Errors
    /// [`ConnectError::Stopped`].
    pub async fn counts(&self) -> Result<ServerCounts, ConnectError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Count { answer };
        self.commands.send(command).await.map_err(|_| ConnectError::Stopped)?;
        let connections = answered.await.map_err(|_| ConnectError::Stopped)?;
        Ok(ServerCounts { connections, sessions: self.routes.len() })
    }

    /// Ends all sessions and stops; [`TowerRequests::stopped`] says when it is done.
    pub async fn stop(&self) {
        if self.commands.send(Command::Stop).await.is_err() {
            tracing::debug!("tower's network has stopped before");
        }
    }
}

fn tell(routes: Vec<Route>, push: &Push) {
    for route in routes {
        if route.pushes.try_send(push.clone()).is_err() {
            tracing::debug!("a client does not read what the tower says");
        }
    }
}
