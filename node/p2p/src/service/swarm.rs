//! What libp2p says: connections come and go, streams open, addresses change.

use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, mdns, relay};

use super::Service;
use super::dial::connect_error;
use super::sessions::Connection;
use crate::admission::is_relayed;
use crate::behaviour::BehaviourEvent;
use crate::contact::{Attempt, ConnectError};
use crate::session::SessionEnd;
use crate::token_bucket::TokenBucket;

impl Service {
    #[expect(clippy::wildcard_enum_match_arm, reason = "an open enum of libp2p")]
    pub(super) fn handle_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.handle_behaviour_event(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.connection_opened(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                self.connection_closed(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.dial_failed(peer, connect_error(&error));
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                tracing::info!(%address, "listening");
                self.listener_confirmed(listener_id);
                self.show_addresses();
            }
            SwarmEvent::ExpiredListenAddr { .. }
            | SwarmEvent::ExternalAddrConfirmed { .. }
            | SwarmEvent::ExternalAddrExpired { .. } => self.show_addresses(),
            SwarmEvent::ListenerClosed { listener_id, .. } => {
                self.listener_closed(listener_id);
                self.show_addresses();
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "listener failed");
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "inbound connection refused or broken");
            }
            // Dials of behaviours, and what is only of interest to them.
            _ => {}
        }
    }

    fn handle_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Stream(event) => self.handle_stream(event),
            BehaviourEvent::RelayServer(event) => self.handle_relay_event(&event),
            BehaviourEvent::Mdns(event) => self.handle_mdns_event(event),
            BehaviourEvent::Dcutr(event) => {
                let is_direct = event.result.is_ok();
                tracing::debug!(peer_id = %event.remote_peer_id, is_direct, "hole punching ended");
            }
            BehaviourEvent::Identify(_)
            | BehaviourEvent::RelayClient(_)
            | BehaviourEvent::AutonatClient(_)
            | BehaviourEvent::AutonatServer(_) => {}
            BehaviourEvent::Admission(never) => match never {},
        }
    }

    /// The dialer opens the stream, so that two ends do not open one each.
    fn connection_opened(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let (is_dialer, remote) = match endpoint {
            ConnectedPoint::Dialer { address, role_override, .. } => {
                (*role_override == Endpoint::Dialer, address)
            }
            // A relayed peer's own address says nothing; ours leads through the relay.
            ConnectedPoint::Listener { local_addr, .. } => (false, local_addr),
        };
        let is_relayed = is_relayed(remote);
        let limits = &self.shared.limits;
        let sessions =
            TokenBucket::new(limits.sessions_per_sec, limits.stranger.burst_secs, self.now());
        let connection = Connection { id, is_relayed, is_dialer, sessions, is_closing: false };
        self.connections.entry(peer).or_default().push(connection);
        let is_wanted = match self.standing(peer) {
            Some(standing) => standing.is_relayed && !is_relayed,
            None => self.contacts.by_peer(&peer).is_some_and(|known| known.is_kept),
        };
        if is_dialer && is_wanted {
            self.swarm.behaviour_mut().stream.open(peer, id);
        }
    }

    fn connection_closed(&mut self, peer: PeerId, id: ConnectionId) {
        let mut was_last = false;
        if let Some(connections) = self.connections.get_mut(&peer) {
            // A dial of ours is under way where we ended it ourselves, and answers for itself.
            let is_theirs = connections.iter().any(|one| one.id == id && !one.is_closing);
            connections.retain(|connection| connection.id != id);
            if connections.is_empty() {
                was_last = is_theirs;
                self.connections.remove(&peer);
                self.guests.remove(&peer);
            }
        }
        self.end_sessions_on(id);
        // A stream that we have asked for on it is never answered now.
        let is_idle = was_last && !self.has_sessions(peer);
        let known = self.contacts.by_peer(&peer).filter(|_| is_idle);
        if let Some(known) = known.filter(|known| matches!(known.attempt, Attempt::Trying(_))) {
            self.attempt_failed(known.contact.node_id, SessionEnd::ConnectionLost.into());
        }
    }

    fn dial_failed(&mut self, peer: PeerId, error: ConnectError) {
        let Some(known) = self.contacts.by_peer(&peer) else { return };
        // A hole punch that fails beside a relayed connection is no failed attempt.
        if matches!(known.attempt, Attempt::Trying(_)) && !self.connections.contains_key(&peer) {
            self.attempt_failed(known.contact.node_id, error);
        }
    }

    /// Whoever uses us as a relay may stay without a session, until its last connection is gone. How much
    /// of that there can be, the relay's own limits say; when a peer has stopped, its events do not.
    fn handle_relay_event(&mut self, event: &relay::Event) {
        // What was refused or failed holds nothing.
        if let relay::Event::ReservationReqAccepted { src_peer_id, .. }
        | relay::Event::CircuitReqAccepted { src_peer_id, .. } = event
        {
            self.guests.insert(*src_peer_id);
        }
    }

    fn handle_mdns_event(&mut self, event: mdns::Event) {
        match event {
            mdns::Event::Discovered(found) => {
                for (peer, address) in found {
                    self.found(peer, address);
                }
            }
            mdns::Event::Expired(lost) => {
                for (peer, address) in lost {
                    if let Some(known) = self.contacts.by_peer_mut(&peer) {
                        known.lost(&address);
                    }
                }
            }
        }
    }

    /// The local network shows a peer. Only contacts are of interest.
    fn found(&mut self, peer: PeerId, address: Multiaddr) {
        let now = self.now();
        let Some(known) = self.contacts.by_peer_mut(&peer) else { return };
        known.found(address);
        match known.attempt {
            Attempt::Idle | Attempt::Due(_) if known.is_kept => known.attempt = Attempt::Due(now),
            Attempt::Idle | Attempt::Due(_) | Attempt::Trying(_) | Attempt::Connected(_) => {}
        }
    }

    fn show_addresses(&mut self) {
        let listening = self.swarm.listeners();
        let mut all: Vec<_> = listening.chain(self.swarm.external_addresses()).cloned().collect();
        all.sort();
        all.dedup();
        self.addresses.send_replace(all);
    }
}
