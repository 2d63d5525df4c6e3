//! Who may connect: how many, from where, how many of whom (P61).
//!
//! Counterparties that we know are never shut out by strangers: strangers have their own, smaller
//! number of places. Nothing here outlives the process (P63).

mod behaviour;
mod door;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use lockstep_core::time::EngineTime;
use thiserror::Error;

use door::Door;

use crate::limits::{ConnectionLimits, MAX_PENALTIES, TimeLimits};

pub(crate) use behaviour::Behaviour;
pub(crate) use door::Arrival;
pub(crate) use source::{Source, is_relayed};

/// Why a connection is not let in, or not dialed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAdmitted {
    /// Too many transport handshakes at a time.
    #[error("{count} inbound connections are already pending")]
    PendingInbound {
        /// How many there are.
        count: usize,
    },
    /// Too many of them from one place.
    #[error("{count} inbound connections from there are already pending")]
    PendingFromSource {
        /// How many there are.
        count: usize,
    },
    /// Too many dials at a time.
    #[error("{count} dials are already pending")]
    PendingOutbound {
        /// How many there are.
        count: usize,
    },
    /// Too many connections.
    #[error("{count} connections are already open")]
    Total {
        /// How many there are.
        count: usize,
    },
    /// Too many connections with this peer.
    #[error("{count} connections with this peer are already open")]
    PerPeer {
        /// How many there are.
        count: usize,
    },
    /// Too many strangers.
    #[error("{count} strangers are already connected")]
    Strangers {
        /// How many there are.
        count: usize,
    },
    /// Too many strangers from one place.
    #[error("{count} strangers from there are already connected")]
    StrangersFromSource {
        /// How many there are.
        count: usize,
    },
    /// A stranger from there broke the protocol a moment ago.
    #[error("a peer from there broke the protocol")]
    Penalty,
    /// More connections than we want to authenticate.
    #[error("connections come too fast")]
    TooFast,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    peer: PeerId,
    source: Source,
    is_inbound: bool,
    since: EngineTime,
}

/// The connections that there are, and what they leave room for.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: ConnectionLimits,
    times: TimeLimits,
    contacts: BTreeSet<PeerId>,
    /// The relays that we are reached through.
    relays: BTreeSet<PeerId>,
    door: Door,
    pending_outbound: BTreeSet<ConnectionId>,
    open: BTreeMap<ConnectionId, Open>,
    penalties: BTreeMap<Source, EngineTime>,
}

/// What the network side keeps for its connections, as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Open connections.
    pub open: usize,
    /// Of these, inbound ones of strangers.
    pub strangers: usize,
    /// Inbound transport handshakes under way.
    pub pending_inbound: usize,
    /// Of these, from places that contacts have come from: they are limited apart.
    pub pending_known: usize,
    /// Dials under way.
    pub pending_outbound: usize,
    /// Places whose strangers are refused for a while.
    pub penalties: usize,
}

impl Admission {
    pub(crate) fn new(
        limits: ConnectionLimits,
        times: TimeLimits,
        relays: BTreeSet<PeerId>,
        now: EngineTime,
    ) -> Self {
        Self {
            limits,
            times,
            contacts: BTreeSet::new(),
            relays,
            door: Door::new(limits, now),
            pending_outbound: BTreeSet::new(),
            open: BTreeMap::new(),
            penalties: BTreeMap::new(),
        }
    }

    /// Makes a peer a contact, or a stranger again.
    pub(crate) fn set_contact(&mut self, peer: PeerId, is_contact: bool, now: EngineTime) {
        if is_contact {
            self.contacts.insert(peer);
            for open in self.open.values().filter(|open| open.peer == peer) {
                self.door.visited(open.source, now);
            }
        } else {
            self.contacts.remove(&peer);
        }
    }

    /// Whether a peer is a contact.
    pub(crate) fn is_contact(&self, peer: &PeerId) -> bool {
        self.contacts.contains(peer)
    }

    /// A peer knocks; who it is, nobody knows yet.
    pub(crate) fn knock(
        &mut self,
        id: ConnectionId,
        arrival: Arrival,
        now: EngineTime,
    ) -> Result<(), NotAdmitted> {
        self.door.knock(id, arrival, now)
    }

    /// We are about to dial. Others can make us dial, too: when we relay, or through a relay. They never get
    /// all places.
    pub(crate) fn dial(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
    ) -> Result<(), NotAdmitted> {
        let ours = |peer: &PeerId| self.contacts.contains(peer) || self.relays.contains(peer);
        let most = if peer.as_ref().is_some_and(ours) {
            self.limits.pending_outbound
        } else {
            self.limits.pending_outbound.div_ceil(2)
        };
        let count = self.pending_outbound.len();
        if count >= most {
            return Err(NotAdmitted::PendingOutbound { count });
        }
        self.pending_outbound.insert(id);
        Ok(())
    }

    /// The peer has shown who it is.
    pub(crate) fn check(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        source: Source,
        is_inbound: bool,
        now: EngineTime,
    ) -> Result<(), NotAdmitted> {
        self.door.left(id);
        self.pending_outbound.remove(&id);
        let count = self.open.len();
        if count >= self.limits.total {
            return Err(NotAdmitted::Total { count });
        }
        let count = self.open.values().filter(|open| open.peer == peer).count();
        if count >= self.limits.per_peer {
            return Err(NotAdmitted::PerPeer { count });
        }
        if is_inbound && !self.is_contact(&peer) {
            self.check_stranger(source, now)
        } else {
            Ok(())
        }
    }

    fn check_stranger(&mut self, source: Source, now: EngineTime) -> Result<(), NotAdmitted> {
        self.penalties.retain(|_, until| *until > now);
        if self.penalties.contains_key(&source) {
            return Err(NotAdmitted::Penalty);
        }
        let count = self.strangers().count();
        if count >= self.limits.strangers {
            return Err(NotAdmitted::Strangers { count });
        }
        let count = self.strangers().filter(|(_, open)| open.source == source).count();
        if count >= self.limits.strangers_per_ip {
            return Err(NotAdmitted::StrangersFromSource { count });
        }
        Ok(())
    }

    fn strangers(&self) -> impl Iterator<Item = (&ConnectionId, &Open)> {
        self.open.iter().filter(|(_, open)| open.is_inbound && !self.is_contact(&open.peer))
    }

    /// A connection is open.
    pub(crate) fn opened(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        source: Source,
        is_inbound: bool,
        now: EngineTime,
    ) {
        self.door.left(id);
        self.pending_outbound.remove(&id);
        self.open.insert(id, Open { peer, source, is_inbound, since: now });
        if self.is_contact(&peer) {
            self.door.visited(source, now);
        }
    }

    /// A connection is gone, or never came to be.
    pub(crate) fn gone(&mut self, id: ConnectionId) {
        self.door.left(id);
        self.pending_outbound.remove(&id);
        self.open.remove(&id);
    }

    /// A peer broke the protocol: strangers from where it came are refused for a while. Contacts that
    /// share its address are not.
    pub(crate) fn penalize(&mut self, id: ConnectionId, now: EngineTime) {
        let Some(open) = self.open.get(&id) else { return };
        let (source, peer) = (open.source, open.peer);
        if self.is_contact(&peer) {
            return;
        }
        if self.penalties.len() >= MAX_PENALTIES {
            let oldest = self.penalties.iter().min_by_key(|(_, until)| **until);
            if let Some(oldest) = oldest.map(|(source, _)| *source) {
                self.penalties.remove(&oldest);
            }
        }
        let penalty = u64::try_from(self.times.penalty.as_millis()).unwrap_or(u64::MAX);
        self.penalties.insert(source, EngineTime(now.0.saturating_add(penalty)));
    }

    /// Strangers' connections that are older than they may get without a session.
    pub(crate) fn overdue(&self, now: EngineTime) -> Vec<(ConnectionId, PeerId)> {
        let most = u64::try_from(self.times.stranger.as_millis()).unwrap_or(u64::MAX);
        self.strangers()
            .filter(|(_, open)| now.millis_since(open.since) > most)
            .map(|(id, open)| (*id, open.peer))
            .collect()
    }

    /// What is kept, as numbers.
    pub(crate) fn counts(&self) -> ConnectionCounts {
        ConnectionCounts {
            open: self.open.len(),
            strangers: self.strangers().count(),
            pending_inbound: self.door.len(),
            pending_known: self.door.known_len(),
            pending_outbound: self.pending_outbound.len(),
            penalties: self.penalties.len(),
        }
    }
}

#[cfg(test)]
mod tests;
