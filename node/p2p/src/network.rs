//! The handle that the engine holds.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use libp2p::{Multiaddr, PeerId};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{ChannelId, NodeId};
use lockstep_core::message::PeerMessage;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::admission::ConnectionCounts;
use crate::behaviour::Behaviour;
use crate::config::{NetworkConfig, Ports};
use crate::contact::{ConnectError, Contact, ContactError};
use crate::event::Event;
use crate::limits::{COMMAND_QUEUE, MAX_RELAYS};
use crate::listen::{Feed, Places, listen};
use crate::service::{Command, Service};
use crate::session::{SendError, Session, Shared};
use crate::token_bucket::TokenBucket;
use crate::transport::{TransportError, links};

/// Why the network side does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// No transport.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The local network can't be listened to.
    #[error("local network cannot be listened to")]
    Mdns(#[source] io::Error),
    /// An address to listen at is taken, foreign or of no use.
    #[error("cannot listen at {address}")]
    Listen {
        /// Which.
        address: Multiaddr,
        /// Why.
        #[source]
        source: Box<libp2p::TransportError<io::Error>>,
    },
    /// More relays than are of use.
    #[error("{count} relays are more than {MAX_RELAYS}")]
    TooManyRelays {
        /// How many there are.
        count: usize,
    },
    /// A relay's address without its peer id.
    #[error("relay address {address} does not end in a peer id")]
    RelayWithoutPeer {
        /// Which.
        address: Multiaddr,
    },
}

impl StartError {
    /// The operator has to change something.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Transport(error) => error.class(),
            Self::Mdns(_)
            | Self::Listen { .. }
            | Self::TooManyRelays { .. }
            | Self::RelayWithoutPeer { .. } => ErrorClass::Refused,
        }
    }
}

/// What the network side keeps, as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections of every kind.
    pub connections: ConnectionCounts,
    /// Sessions that stand.
    pub sessions: usize,
    /// Sessions in their handshake.
    pub greeting: usize,
    /// Contacts that were registered.
    pub contacts: usize,
}

/// The sessions that stand, for whoever sends.
#[derive(Debug, Default)]
pub(crate) struct Routes(RwLock<BTreeMap<NodeId, Session>>);

impl Routes {
    pub(crate) fn get(&self, node_id: &NodeId) -> Option<Session> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(node_id).cloned()
    }

    pub(crate) fn insert(&self, node_id: NodeId, session: Session) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(node_id, session);
    }

    pub(crate) fn remove(&self, node_id: &NodeId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(node_id);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The network side, as the engine holds it. It runs until the last handle is dropped or one is told to
/// stop.
#[derive(Clone, Debug)]
pub struct Network {
    local_peer: PeerId,
    commands: mpsc::Sender<Command>,
    routes: Arc<Routes>,
    addresses: watch::Receiver<Vec<Multiaddr>>,
}

/// The events of a network side, and its end.
#[derive(Debug)]
pub struct Events(Feed<Event>);

impl Events {
    /// The next event; none once the network side has stopped and all is told.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.next().await
    }

    /// Takes no more events, and waits until the network side has stopped.
    pub async fn stopped(self) {
        self.0.stopped().await;
    }
}

impl Network {
    /// Starts listening. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(config: NetworkConfig, ports: Ports) -> Result<(Self, Events), StartError> {
        check_relays(&config.relays)?;
        let times = config.limits.times;
        let (transport, relay) = links(config.identity.keypair(), times.transport)?;
        let behaviour = Behaviour::new(&config, &ports, relay).map_err(StartError::Mdns)?;
        let local_peer = config.identity.peer_id();
        let awaits_listener = !config.listen.is_empty();
        let places = Places { listen: config.listen, external: config.external };
        let swarm = listen(transport, behaviour, local_peer, times.idle, places)?;
        let (events, queue) = mpsc::channel(config.limits.event_queue.max(1));
        let (commands, orders) = mpsc::channel(COMMAND_QUEUE);
        let (shown, addresses) = watch::channel(Vec::new());
        let checks = TokenBucket::new(config.limits.stranger_handshakes, 1, ports.clock.now());
        let shared = Arc::new(Shared {
            local_peer,
            features: config.features,
            head: config.head,
            limits: config.limits,
            clock: ports.clock,
            entropy: ports.entropy,
            node_key: ports.node_key,
            events,
            stranger_checks: Mutex::new(checks),
        });
        let routes = Arc::new(Routes::default());
        let service = Service::new(
            swarm,
            shared,
            Arc::clone(&routes),
            orders,
            shown,
            config.relays,
            awaits_listener,
        );
        let task = tokio::spawn(service.run());
        Ok((Self { local_peer, commands, routes, addresses }, Events(Feed { queue, task })))
    }

    /// The peer id of this node.
    pub fn local_peer(&self) -> PeerId {
        self.local_peer
    }

    /// Where this node can be reached: where it listens, at relays too, and what is confirmed from outside.
    pub fn local_addresses(&self) -> Vec<Multiaddr> {
        self.addresses.borrow().clone()
    }

    /// The same, for whoever waits for a change.
    pub fn watch_addresses(&self) -> watch::Receiver<Vec<Multiaddr>> {
        self.addresses.clone()
    }

    /// Makes a peer a contact, which strangers can't shut out and which may send more, without looking
    /// for it.
    ///
    /// # Errors
    /// [`ContactError`], or [`ConnectError::Stopped`].
    pub async fn register(&self, contact: Contact) -> Result<(), ConnectError> {
        let (answer, answered) = oneshot::channel();
        self.tell(Command::Register { contact, answer }).await?;
        answered.await.map_err(|_| ConnectError::Stopped)?.map_err(ContactError::into)
    }

    /// Makes a peer a contact and keeps a session with it from now on, dialing it again whenever it is
    /// gone. Answers with the session, or with how the first attempt failed.
    ///
    /// # Errors
    /// [`ConnectError`]. Unless it is [`ConnectError::Contact`], the contact is still looked for.
    pub async fn connect(&self, contact: Contact) -> Result<Session, ConnectError> {
        let (waiter, answered) = oneshot::channel();
        self.tell(Command::Connect { contact, waiter }).await?;
        answered.await.map_err(|_| ConnectError::Stopped)?
    }

    /// Ends the session with a peer and stops looking for it. It stays a contact and may come to us.
    ///
    /// # Errors
    /// [`ConnectError::Stopped`].
    pub async fn disconnect(&self, node_id: NodeId) -> Result<(), ConnectError> {
        self.tell(Command::Disconnect { node_id }).await
    }

    /// Ends the session with a peer and makes it a stranger.
    ///
    /// # Errors
    /// [`ConnectError::Stopped`].
    pub async fn forget(&self, node_id: NodeId) -> Result<(), ConnectError> {
        self.tell(Command::Forget { node_id }).await
    }

    /// The session with a peer, if one stands.
    pub fn session(&self, node_id: &NodeId) -> Option<Session> {
        self.routes.get(node_id)
    }

    /// Hands a message over for sending, or says at once that it can't be taken.
    ///
    /// # Errors
    /// [`SendError`]; whoever gets [`SendError::Busy`] may wait with [`Session::send`].
    pub fn send(
        &self,
        node_id: &NodeId,
        channel_id: ChannelId,
        message: &PeerMessage,
    ) -> Result<(), SendError> {
        self.session(node_id).ok_or(SendError::NoSession)?.try_send(channel_id, message)
    }

    /// What is kept, as numbers.
    ///
    /// # Errors
    /// [`ConnectError::Stopped`].
    pub async fn counts(&self) -> Result<Counts, ConnectError> {
        let (answer, answered) = oneshot::channel();
        self.tell(Command::Count { answer }).await?;
        answered.await.map_err(|_| ConnectError::Stopped)
    }

    /// Ends all sessions and stops; [`Events::stopped`] says when it is done.
    pub async fn stop(&self) {
        if self.tell(Command::Stop).await.is_err() {
            tracing::debug!("network has stopped before");
        }
    }

    async fn tell(&self, command: Command) -> Result<(), ConnectError> {
        self.commands.send(command).await.map_err(|_| ConnectError::Stopped)
    }
}

fn check_relays(relays: &[Multiaddr]) -> Result<(), StartError> {
    let count = relays.len();
    if count > MAX_RELAYS {
        return Err(StartError::TooManyRelays { count });
    }
    let ends_in_peer = |address: &&Multiaddr| {
        matches!(address.iter().last(), Some(libp2p::multiaddr::Protocol::P2p(_)))
    };
    match relays.iter().find(|address| !ends_in_peer(address)) {
        Some(address) => Err(StartError::RelayWithoutPeer { address: address.clone() }),
        None => Ok(()),
    }
}
