//! Admission as a libp2p behaviour: it says no at each of the places where a connection can be refused.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint, Multiaddr};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::ConnectionEstablished;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};

use super::{Admission, Arrival, Source};
use crate::port::Clock;

/// See the module.
pub(crate) struct Behaviour {
    admission: Admission,
    clock: Arc<dyn Clock>,
}

impl Behaviour {
    pub(crate) fn new(admission: Admission, clock: Arc<dyn Clock>) -> Self {
        Self { admission, clock }
    }

    /// The table behind it.
    pub(crate) fn table(&self) -> &Admission {
        &self.admission
    }

    /// The table behind it.
    pub(crate) fn table_mut(&mut self) -> &mut Admission {
        &mut self.admission
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let is_datagram = remote.iter().any(|part| matches!(part, Protocol::Udp(_)));
        let arrival = Arrival { source: Source::of(remote), is_datagram };
        self.admission.knock(id, arrival, self.clock.now()).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let now = self.clock.now();
        self.admission
            .check(id, peer, Source::of(remote), true, now)
            .map(|()| dummy::ConnectionHandler)
            .map_err(ConnectionDenied::new)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.admission.dial(id, peer).map(|()| Vec::new()).map_err(ConnectionDenied::new)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let now = self.clock.now();
        self.admission
            .check(id, peer, Source::of(remote), false, now)
            .map(|()| dummy::ConnectionHandler)
            .map_err(ConnectionDenied::new)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "an open enum of libp2p")]
    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            }) => {
                let (remote, is_inbound) = match endpoint {
                    ConnectedPoint::Dialer { address, .. } => (address, false),
                    ConnectedPoint::Listener { send_back_addr, .. } => (send_back_addr, true),
                };
                let (source, now) = (Source::of(remote), self.clock.now());
                self.admission.opened(connection_id, peer_id, source, is_inbound, now);
            }
            FromSwarm::ConnectionClosed(closed) => self.admission.gone(closed.connection_id),
            FromSwarm::DialFailure(failure) => self.admission.gone(failure.connection_id),
            FromSwarm::ListenFailure(failure) => self.admission.gone(failure.connection_id),
            // The rest is about addresses.
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
