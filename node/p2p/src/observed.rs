//! Identification, without what strangers say of us.
//!
//! Each peer tells us at which address it sees us. libp2p takes all of that for addresses to be confirmed
//! and forgets none, so that whoever connects could fill our memory with addresses, or have them tried. Only
//! peers that we have called are believed, and only a few addresses of each (P63, P64).

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, identify};

use crate::limits::{MAX_CANDIDATES, MAX_CANDIDATES_PER_PEER};

/// Whose word about our own addresses is taken, and which they gave.
#[derive(Debug, Default)]
struct Candidates {
    /// Connections that we have made.
    called: BTreeSet<ConnectionId>,
    /// Who speaks, if we have called it.
    speaker: Option<PeerId>,
    taken: BTreeMap<Multiaddr, PeerId>,
}

impl Candidates {
    /// A peer says something of us.
    fn hear(&mut self, peer: PeerId, connection: ConnectionId) {
        self.speaker = self.called.contains(&connection).then_some(peer);
    }

    /// Whether the address that it gives is taken.
    fn take(&mut self, address: &Multiaddr) -> bool {
        let Some(speaker) = self.speaker else { return false };
        if self.taken.contains_key(address) {
            return true;
        }
        let of_speaker = self.taken.values().filter(|peer| **peer == speaker).count();
        let is_room = self.taken.len() < MAX_CANDIDATES && of_speaker < MAX_CANDIDATES_PER_PEER;
        if is_room {
            self.taken.insert(address.clone(), speaker);
        }
        is_room
    }
}

/// See the module.
pub(crate) struct Behaviour {
    inner: identify::Behaviour,
    candidates: Candidates,
}

impl Behaviour {
    pub(crate) fn new(inner: identify::Behaviour) -> Self {
        Self { inner, candidates: Candidates::default() }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = <identify::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = identify::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.candidates.called.insert(id);
        self.inner.handle_established_outbound_connection(id, peer, address, role, port)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "an open enum of libp2p")]
    fn on_swarm_event(&mut self, event: FromSwarm) {
        match &event {
            FromSwarm::ConnectionClosed(closed) => {
                self.candidates.called.remove(&closed.connection_id);
            }
            // One that another behaviour refused after we had taken it.
            FromSwarm::DialFailure(failure) => {
                self.candidates.called.remove(&failure.connection_id);
            }
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            let Poll::Ready(event) = self.inner.poll(cx) else { return Poll::Pending };
            // What a peer says comes first, the addresses that follow from it come next.
            if let ToSwarm::GenerateEvent(identify::Event::Received {
                peer_id,
                connection_id,
                ..
            }) = &event
            {
                self.candidates.hear(*peer_id, *connection_id);
            } else if let ToSwarm::NewExternalAddrCandidate(address) = &event
                && !self.candidates.take(address)
            {
                tracing::trace!(%address, "word about our address is not taken");
                continue;
            }
            return Poll::Ready(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u16) -> Multiaddr {
        format!("/ip4/10.0.0.1/tcp/{number}").parse().unwrap()
    }

    fn connection(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    #[test]
    fn p63_what_strangers_say_of_our_addresses_is_not_kept() {
        let mut candidates = Candidates::default();
        assert!(!candidates.take(&address(1)));
        candidates.hear(PeerId::random(), connection(1));
        assert!(!candidates.take(&address(1)));
        candidates.called.insert(connection(1));
        candidates.hear(PeerId::random(), connection(1));
        assert!(candidates.take(&address(1)));
        // The next to speak is a stranger again.
        candidates.hear(PeerId::random(), connection(2));
        assert!(!candidates.take(&address(2)));
        assert_eq!(candidates.taken.len(), 1);
    }

    #[test]
    fn p64_addresses_that_others_say_are_ours_are_few() {
        let mut candidates = Candidates::default();
        candidates.called.insert(connection(1));
        let mut number = 0;
        for _ in 0..100 {
            candidates.hear(PeerId::random(), connection(1));
            let taken = (0..10).filter(|_| {
                number += 1;
                candidates.take(&address(number))
            });
            assert!(taken.count() <= MAX_CANDIDATES_PER_PEER);
        }
        assert_eq!(candidates.taken.len(), MAX_CANDIDATES);
        // What is known is confirmed by whoever says it again.
        assert!(candidates.take(&address(1)));
    }
}
