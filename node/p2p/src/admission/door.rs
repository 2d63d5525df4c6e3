//! The door: who may knock, before anybody knows who it is.
//!
//! A transport handshake costs both ends curve arithmetic, so that they are counted and paced. Places that
//! contacts have come from are counted apart: strangers can't take their turn, whatever they do.

use std::collections::BTreeMap;

use libp2p::swarm::ConnectionId;
use lockstep_core::time::EngineTime;

use super::{NotAdmitted, Source};
use crate::limits::{ARRIVAL_BURST_SECS, ConnectionLimits, MAX_KNOWN_PLACES, MAX_PACED_PLACES};
use crate::token_bucket::TokenBucket;

/// Where a connection comes from, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The place.
    pub(crate) source: Source,
    /// Whether its first bytes came as a datagram, whose place may be false.
    pub(crate) is_datagram: bool,
}

/// A connection in its transport handshake.
#[derive(Clone, Copy, Debug)]
struct Knock {
    arrival: Arrival,
    is_known: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Door {
    limits: ConnectionLimits,
    pending: BTreeMap<ConnectionId, Knock>,
    /// When a contact was last seen there.
    known: BTreeMap<Source, EngineTime>,
    /// Only of places that have come faster than they may for ever.
    paces: BTreeMap<Source, TokenBucket>,
    /// All places together that are not known.
    pace: TokenBucket,
}

impl Door {
    pub(super) fn new(limits: ConnectionLimits, now: EngineTime) -> Self {
        let pace = TokenBucket::new(limits.inbound_per_sec, ARRIVAL_BURST_SECS, now);
        let (pending, known, paces) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { limits, pending, known, paces, pace }
    }

    /// Somebody knocks.
    pub(super) fn knock(
        &mut self,
        id: ConnectionId,
        arrival: Arrival,
        now: EngineTime,
    ) -> Result<(), NotAdmitted> {
        let is_known = self.known.contains_key(&arrival.source);
        let is_alike = |knock: &&Knock| knock.arrival.is_datagram == arrival.is_datagram;
        let alike = self.pending.values().filter(is_alike);
        let count = alike.clone().filter(|knock| knock.is_known == is_known).count();
        if count >= self.limits.pending_inbound {
            return Err(NotAdmitted::PendingInbound { count });
        }
        let count = alike.filter(|knock| knock.arrival.source == arrival.source).count();
        if count >= self.limits.pending_inbound_per_ip {
            return Err(NotAdmitted::PendingFromSource { count });
        }
        if !self.is_in_time(arrival.source, is_known, now) {
            return Err(NotAdmitted::TooFast);
        }
        self.pending.insert(id, Knock { arrival, is_known });
        Ok(())
    }

    fn is_in_time(&mut self, source: Source, is_known: bool, now: EngineTime) -> bool {
        if self.paces.len() >= MAX_PACED_PLACES {
            self.paces.retain(|_, pace| !pace.is_full(now));
        }
        let is_room = self.paces.len() < MAX_PACED_PLACES || self.paces.contains_key(&source);
        let rate = self.limits.inbound_per_ip_per_sec;
        let fresh = || TokenBucket::new(rate, ARRIVAL_BURST_SECS, now);
        is_room
            && self.paces.entry(source).or_insert_with(fresh).try_take(1, now)
            && (is_known || self.pace.try_take(1, now))
    }

    /// A handshake is over, however it ended.
    pub(super) fn left(&mut self, id: ConnectionId) {
        self.pending.remove(&id);
    }

    /// A contact is there.
    pub(super) fn visited(&mut self, source: Source, now: EngineTime) {
        // What comes through relays is everybody's place.
        if source == Source::Relayed {
            return;
        }
        if self.known.len() >= MAX_KNOWN_PLACES && !self.known.contains_key(&source) {
            let oldest = self.known.iter().min_by_key(|(_, seen)| **seen);
            if let Some(oldest) = oldest.map(|(source, _)| *source) {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(source, now);
    }

    /// How many handshakes are under way.
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// How many of them come from places of contacts.
    pub(super) fn known_len(&self) -> usize {
        self.pending.values().filter(|knock| knock.is_known).count()
    }

    /// How many places are remembered.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.known.len().saturating_add(self.paces.len())
    }
}
