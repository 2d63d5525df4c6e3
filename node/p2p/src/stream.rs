//! A protocol of ours as a libp2p behaviour: opens a stream when told to, hands over the streams
//! that peers open, at most one each way on a connection.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, NotifyHandler, Stream, StreamProtocol, SubstreamProtocol, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};

use crate::handshake::Role;

/// The name of the protocol between counterparties.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/lockstep/channel/1");

/// A stream for one session, or none.
#[derive(Debug)]
pub(crate) struct StreamEvent {
    /// With whom.
    pub(crate) peer: PeerId,
    /// On which connection.
    pub(crate) connection: ConnectionId,
    /// Who opened it.
    pub(crate) role: Role,
    /// The stream; none where ours was refused or timed out.
    pub(crate) stream: Option<Stream>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Behaviour {
    protocol: StreamProtocol,
    is_listening: bool,
    // Bounded by the connections: each can add one event per stream, and has two at most.
    queue: VecDeque<ToSwarm<StreamEvent, Command>>,
}

/// What a handler is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Open a stream.
    Open,
    /// The session of a stream is over; another may come.
    Ended(Role),
}

impl Behaviour {
    /// Streams of one protocol, opened by either end.
    pub(crate) fn new(protocol: StreamProtocol) -> Self {
        Self { protocol, is_listening: true, queue: VecDeque::new() }
    }

    /// Streams of one protocol that only we open.
    pub(crate) fn dialing(protocol: StreamProtocol) -> Self {
        Self { is_listening: false, ..Self::new(protocol) }
    }

    fn handler(&self) -> Handler {
        Handler {
            protocol: self.protocol.clone(),
            is_listening: self.is_listening,
            has_inbound: false,
            has_outbound: false,
            asks: false,
            ready: VecDeque::new(),
        }
    }

    /// Opens a stream on a connection; the answer is an event.
    pub(crate) fn open(&mut self, peer: PeerId, connection: ConnectionId) {
        self.tell(peer, connection, Command::Open);
    }

    /// Makes room for another stream after a session has ended.
    pub(crate) fn ended(&mut self, peer: PeerId, connection: ConnectionId, role: Role) {
        self.tell(peer, connection, Command::Ended(role));
    }

    fn tell(&mut self, peer_id: PeerId, connection: ConnectionId, event: Command) {
        let handler = NotifyHandler::One(connection);
        self.queue.push_back(ToSwarm::NotifyHandler { peer_id, handler, event });
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = StreamEvent;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        (role, stream): THandlerOutEvent<Self>,
    ) {
        let event = StreamEvent { peer, connection, role, stream };
        self.queue.push_back(ToSwarm::GenerateEvent(event));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.queue.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// One connection's part: which of its two streams are in use.
#[derive(Debug)]
pub(crate) struct Handler {
    protocol: StreamProtocol,
    is_listening: bool,
    has_inbound: bool,
    has_outbound: bool,
    asks: bool,
    ready: VecDeque<(Role, Option<Stream>)>,
}

impl Handler {
    fn arrived(&mut self, role: Role, stream: Stream) {
        let taken = match role {
            Role::Dialer => false,
            Role::Listener if !self.is_listening => true,
            Role::Listener => std::mem::replace(&mut self.has_inbound, true),
        };
        // A second stream of a peer is dropped, which resets it.
        if !taken {
            self.ready.push_back((role, Some(stream)));
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Command;
    type ToBehaviour = (Role, Option<Stream>);
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), ())
    }

    fn on_behaviour_event(&mut self, command: Command) {
        match command {
            Command::Open if self.has_outbound => {}
            Command::Open => {
                self.has_outbound = true;
                self.asks = true;
            }
            Command::Ended(Role::Dialer) => self.has_outbound = false,
            Command::Ended(Role::Listener) => self.has_inbound = false,
        }
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if let Some(stream) = self.ready.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(stream));
        }
        if std::mem::take(&mut self.asks) {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "an open enum of libp2p")]
    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => self.arrived(Role::Listener, protocol),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol, ..
            }) => self.arrived(Role::Dialer, protocol),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { .. }) => {
                self.has_outbound = false;
                self.ready.push_back((Role::Dialer, None));
            }
            // The rest is about addresses, other protocols and inbound streams that failed by themselves.
            _ => {}
        }
    }
}
