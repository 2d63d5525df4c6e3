//! Looking for contacts: one attempt at a time for each, a backoff between two.

use libp2p::swarm::DialError;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use lockstep_core::ids::NodeId;

use super::Service;
use crate::admission::NotAdmitted;
use crate::contact::{Attempt, ConnectError};

impl Service {
    /// Tries to get a session with a contact: over a connection that there is, else over a new one.
    pub(super) fn attempt(&mut self, node_id: NodeId) {
        if self.routes.get(&node_id).is_some() {
            return;
        }
        let now = self.now();
        let Some(known) = self.contacts.by_node_mut(&node_id) else { return };
        known.attempt = Attempt::Trying(now);
        let peer = known.contact.peer_id;
        let addresses = known.addresses();
        if self.open_stream(peer) {
            return;
        }
        if addresses.is_empty() {
            self.attempt_failed(node_id, ConnectError::NoAddress);
            return;
        }
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::NotDialing)
            .addresses(addresses)
            .build();
        match self.swarm.dial(options) {
            // A dial that is under way answers for this one.
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => self.attempt_failed(node_id, connect_error(&error)),
        }
    }

    /// An attempt came to nothing; another follows if the contact is to be kept.
    pub(super) fn attempt_failed(&mut self, node_id: NodeId, error: ConnectError) {
        let (now, random) = (self.now(), self.random());
        let Some(known) = self.contacts.by_node_mut(&node_id) else { return };
        known.answer(&Err(error));
        known.ended(now, random);
        let peer_id = known.contact.peer_id;
        let failures = known.backoff.failures();
        tracing::debug!(%peer_id, failures, %error, "contact not reached");
    }
}

/// What a caller can do about a dial that failed.
pub(crate) fn connect_error(error: &DialError) -> ConnectError {
    match error {
        DialError::NoAddresses => ConnectError::NoAddress,
        DialError::WrongPeerId { obtained, .. } => ConnectError::OtherPeer { found: *obtained },
        DialError::Denied { cause } => match cause.downcast_ref::<NotAdmitted>() {
            Some(reason) => (*reason).into(),
            None => ConnectError::Unreachable { addresses: 0 },
        },
        DialError::Transport(errors) => ConnectError::Unreachable { addresses: errors.len() },
        DialError::LocalPeerId { .. }
        | DialError::DialPeerConditionFalse(_)
        | DialError::Aborted => ConnectError::Unreachable { addresses: 0 },
    }
}
