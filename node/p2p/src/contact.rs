//! Counterparties that this node knows: who they are, where they are, and whether we look for them.
//!
//! In memory only. What must survive a restart is the engine's to keep and to register again (P63).

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::NodeId;
use lockstep_core::time::EngineTime;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::admission::NotAdmitted;
use crate::backoff::Backoff;
use crate::handshake::JournalHead;
use crate::limits::{Limits, MAX_ADDRESSES, MAX_CONTACTS, MAX_WAITERS, SESSION_BURST_SECS};
use crate::session::{Session, SessionEnd};
use crate::token_bucket::TokenBucket;

/// A counterparty that is no stranger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its node key.
    pub node_id: NodeId,
    /// Its transport identity.
    pub peer_id: PeerId,
    /// Where it may be found. Shape: at most [`MAX_ADDRESSES`]; none for one that only ever comes to us.
    pub addresses: Vec<Multiaddr>,
    /// The latest head of its journal that we have seen.
    pub seen_head: Option<JournalHead>,
}

/// Why a peer was not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// Nobody answered at any address.
    #[error("no answer at any of {addresses} addresses")]
    Unreachable {
        /// How many were tried.
        addresses: usize,
    },
    /// No address is known.
    #[error("no address of this peer is known")]
    NoAddress,
    /// Somebody else answered.
    #[error("{found} answered instead")]
    OtherPeer {
        /// Who.
        found: PeerId,
    },
    /// One of our own limits.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The peer does not speak the protocol.
    #[error("peer does not speak the protocol")]
    NoProtocol,
    /// The session did not come to stand, or ended at once.
    #[error(transparent)]
    Session(#[from] SessionEnd),
    /// It took too long.
    #[error("connecting took too long")]
    TimedOut,
    /// The contact was taken away meanwhile.
    #[error("contact was removed")]
    Forgotten,
    /// The contact can't be taken.
    #[error(transparent)]
    Contact(#[from] ContactError),
    /// The network side has stopped.
    #[error("network is stopped")]
    Stopped,
}

impl ConnectError {
    /// Most of it may work later.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Unreachable { .. }
            | Self::NotAdmitted(_)
            | Self::NoProtocol
            | Self::TimedOut
            | Self::Stopped => ErrorClass::Transient,
            Self::NoAddress | Self::OtherPeer { .. } | Self::Forgotten => ErrorClass::Refused,
            Self::Session(end) => end.class(),
            Self::Contact(error) => error.class(),
        }
    }
}

/// Why a contact is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ContactError {
    /// There are too many.
    #[error("{count} contacts are already known")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// It has too many addresses.
    #[error("{count} addresses are more than {MAX_ADDRESSES}")]
    TooManyAddresses {
        /// How many it has.
        count: usize,
    },
    /// The node key is known with another peer id, or the other way round.
    #[error("peer {peer_id} and this node key are not known as one")]
    OtherIdentity {
        /// The peer id that was given.
        peer_id: PeerId,
    },
    /// Too many callers wait for this contact.
    #[error("{count} callers already wait for this contact")]
    TooManyWaiters {
        /// How many there are.
        count: usize,
    },
    /// The contact is this node.
    #[error("contact is this node itself")]
    Ourselves,
}

impl ContactError {
    /// The caller has to do something about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::TooMany { .. } | Self::TooManyWaiters { .. } => ErrorClass::Transient,
            Self::TooManyAddresses { .. } | Self::OtherIdentity { .. } | Self::Ourselves => {
                ErrorClass::Refused
            }
        }
    }
}

/// Who waits for a session.
pub(crate) type Waiter = oneshot::Sender<Result<Session, ConnectError>>;

/// How far we are with a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// We are not looking for it.
    Idle,
    /// To be tried at this time.
    Due(EngineTime),
    /// Being tried since this time.
    Trying(EngineTime),
    /// A session stands since this time.
    Connected(EngineTime),
}

/// A contact and what we do about it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) contact: Contact,
    /// Whether it is dialed again when it is gone.
    pub(crate) is_kept: bool,
    pub(crate) attempt: Attempt,
    pub(crate) backoff: Backoff,
    /// Addresses that the local network has shown.
    found: Vec<Multiaddr>,
    waiters: Vec<Waiter>,
    /// Sessions that it may begin.
    sessions: TokenBucket,
}

/// A session that lasted this long makes the next failure a first one.
const STEADY: Duration = Duration::from_secs(30);

impl Known {
    /// All addresses to try. Each attempt begins with another one: of several that lead through one relay, libp2p dials
    /// the relay only where the first says that it is, which may be out of reach from here.
    pub(crate) fn addresses(&self) -> Vec<Multiaddr> {
        let mut all: Vec<_> = self.contact.addresses.iter().chain(&self.found).cloned().collect();
        let failures = usize::try_from(self.backoff.failures()).unwrap_or_default();
        let first = failures.checked_rem(all.len()).unwrap_or_default();
        all.rotate_left(first);
        all
    }

    /// The peer begins a session, if it may.
    pub(crate) fn may_begin(&mut self, now: EngineTime) -> bool {
        self.sessions.try_take(1, now)
    }

    /// The local network shows an address.
    pub(crate) fn found(&mut self, address: Multiaddr) {
        let is_known = self.contact.addresses.contains(&address) || self.found.contains(&address);
        if !is_known && self.found.len() < MAX_ADDRESSES {
            self.found.push(address);
        }
    }

    /// An address of the local network is no more.
    pub(crate) fn lost(&mut self, address: &Multiaddr) {
        self.found.retain(|found| found != address);
    }

    /// Adds a caller that waits for a session, dropping those that have given up.
    pub(crate) fn wait(&mut self, waiter: Waiter) -> Result<(), (Waiter, ContactError)> {
        self.waiters.retain(|waiter| !waiter.is_closed());
        let count = self.waiters.len();
        if count >= MAX_WAITERS {
            return Err((waiter, ContactError::TooManyWaiters { count }));
        }
        self.waiters.push(waiter);
        Ok(())
    }

    /// Tells all that wait.
    pub(crate) fn answer(&mut self, answer: &Result<Session, ConnectError>) {
        for waiter in self.waiters.drain(..) {
            // Whoever has stopped waiting does not need the answer.
            if waiter.send(answer.clone()).is_err() {
                tracing::trace!("nobody waits for a session any more");
            }
        }
    }

    /// An attempt or a session has ended: when to try again, if at all.
    pub(crate) fn ended(&mut self, now: EngineTime, random: u64) {
        if let Attempt::Connected(since) = self.attempt
            && u128::from(now.millis_since(since)) >= STEADY.as_millis()
        {
            self.backoff.succeeded();
        }
        self.attempt = if self.is_kept
            && !(self.contact.addresses.is_empty() && self.found.is_empty())
        {
            let wait = u64::try_from(self.backoff.failed(random).as_millis()).unwrap_or(u64::MAX);
            Attempt::Due(EngineTime(now.0.saturating_add(wait)))
        } else {
            Attempt::Idle
        };
    }
}

/// All contacts, by node key and by peer id.
#[derive(Debug, Default)]
pub(crate) struct ContactBook {
    by_node: BTreeMap<NodeId, Known>,
    by_peer: BTreeMap<PeerId, NodeId>,
}

impl ContactBook {
    /// Takes a contact, or its new addresses.
    pub(crate) fn register(
        &mut self,
        contact: Contact,
        limits: &Limits,
        now: EngineTime,
    ) -> Result<&mut Known, ContactError> {
        let count = contact.addresses.len();
        if count > MAX_ADDRESSES {
            return Err(ContactError::TooManyAddresses { count });
        }
        let peer_id = contact.peer_id;
        let known_peer = self.by_node.get(&contact.node_id).map(|known| known.contact.peer_id);
        let known_node = self.by_peer.get(&peer_id).copied();
        let is_other = known_peer.is_some_and(|known| known != peer_id)
            || known_node.is_some_and(|known| known != contact.node_id);
        if is_other {
            return Err(ContactError::OtherIdentity { peer_id });
        }
        let count = self.by_node.len();
        if known_peer.is_none() && count >= MAX_CONTACTS {
            return Err(ContactError::TooMany { count });
        }
        self.by_peer.insert(peer_id, contact.node_id);
        let known = self.by_node.entry(contact.node_id).or_insert_with(|| Known {
            contact: contact.clone(),
            is_kept: false,
            attempt: Attempt::Idle,
            backoff: Backoff::default(),
            found: Vec::new(),
            waiters: Vec::new(),
            sessions: TokenBucket::new(limits.sessions_per_sec, SESSION_BURST_SECS, now),
        });
        known.contact = contact;
        Ok(known)
    }

    /// Takes a contact away.
    pub(crate) fn forget(&mut self, node_id: &NodeId) -> Option<Known> {
        let known = self.by_node.remove(node_id)?;
        self.by_peer.remove(&known.contact.peer_id);
        Some(known)
    }

    /// A contact by its node key.
    pub(crate) fn by_node(&self, node_id: &NodeId) -> Option<&Known> {
        self.by_node.get(node_id)
    }

    /// A contact by its node key.
    pub(crate) fn by_node_mut(&mut self, node_id: &NodeId) -> Option<&mut Known> {
        self.by_node.get_mut(node_id)
    }

    /// A contact by its peer id.
    pub(crate) fn by_peer(&self, peer: &PeerId) -> Option<&Known> {
        self.by_node.get(self.by_peer.get(peer)?)
    }

    /// A contact by its peer id.
    pub(crate) fn by_peer_mut(&mut self, peer: &PeerId) -> Option<&mut Known> {
        self.by_node.get_mut(self.by_peer.get(peer)?)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_node.len()
    }

    /// Contacts that are to be tried by now.
    pub(crate) fn due(&self, now: EngineTime) -> Vec<NodeId> {
        let is_due = |known: &&Known| match known.attempt {
            Attempt::Due(at) => at <= now,
            Attempt::Idle | Attempt::Trying(_) | Attempt::Connected(_) => false,
        };
        self.by_node.values().filter(is_due).map(|known| known.contact.node_id).collect()
    }

    /// Contacts that have been tried for longer than this.
    pub(crate) fn overdue(&self, now: EngineTime, most: Duration) -> Vec<NodeId> {
        let is_late = |known: &&Known| match known.attempt {
            Attempt::Trying(since) => u128::from(now.millis_since(since)) > most.as_millis(),
            Attempt::Idle | Attempt::Due(_) | Attempt::Connected(_) => false,
        };
        self.by_node.values().filter(is_late).map(|known| known.contact.node_id).collect()
    }
}

#[cfg(test)]
mod tests;
