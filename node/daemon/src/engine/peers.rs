//! Counterparties: who they are, whether they are there, and how they behave.

use crate::engine::lock;
use lockstep_core::ids::NodeId;
use lockstep_p2p::handshake::JournalHead;
use lockstep_p2p::{Contact, Multiaddr, PeerId};
use lockstep_store::contact::StoredContact;
use lockstep_store::epoch;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// What is known of one peer.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) contact: Contact,
    /// Whether it is written in the journal, and looked for after a start.
    pub(crate) is_kept: bool,
    /// Whether the operator has sent it away: it is no longer looked for.
    pub(crate) is_dismissed: bool,
    pub(crate) is_connected: bool,
    /// Units: seconds since 1970.
    pub(crate) since_secs: u64,
    pub(crate) problem: Option<String>,
    /// How often it has broken the protocol since the start.
    pub(crate) faults: u32,
}

/// All peers.
#[derive(Debug, Default)]
pub(crate) struct Peers(Mutex<BTreeMap<NodeId, Known>>);

impl Peers {
    /// What the journal holds; what can't be read any more is left out.
    pub(crate) fn load(stored: Vec<StoredContact>) -> Self {
        let known = |contact| Known {
            contact,
            is_kept: true,
            is_dismissed: false,
            is_connected: false,
            since_secs: 0,
            problem: None,
            faults: 0,
        };
        let contacts = stored.into_iter().filter_map(|stored| contact_of(&stored));
        Self(Mutex::new(contacts.map(|contact| (contact.node_id, known(contact))).collect()))
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Known> {
        lock(&self.0).values().cloned().collect()
    }

    /// One of them.
    pub(crate) fn get(&self, node_id: &NodeId) -> Option<Known> {
        lock(&self.0).get(node_id).cloned()
    }

    /// Whether it is one of ours: in the journal, and no stranger.
    pub(crate) fn is_kept(&self, node_id: &NodeId) -> bool {
        lock(&self.0).get(node_id).is_some_and(|known| known.is_kept)
    }

    /// How many are connected.
    pub(crate) fn connected(&self) -> usize {
        lock(&self.0).values().filter(|known| known.is_connected).count()
    }

    /// Takes a contact, with its new addresses if it has any. What it is then, to be written.
    pub(crate) fn keep(&self, contact: Contact, now_secs: u64) -> StoredContact {
        let mut peers = lock(&self.0);
        let known = peers.entry(contact.node_id).or_insert_with(|| Known {
            contact: contact.clone(),
            is_kept: true,
            is_dismissed: false,
            is_connected: false,
            since_secs: now_secs,
            problem: None,
            faults: 0,
        });
        known.is_kept = true;
        known.is_dismissed = false;
        if !contact.addresses.is_empty() {
            known.contact.addresses = contact.addresses;
        }
        stored_of(&known.contact)
    }

    /// A link stands. The contact to be written, if it has shown a new head of its journal.
    pub(crate) fn connected_to(
        &self,
        node_id: NodeId,
        peer_id: PeerId,
        head: Option<JournalHead>,
        now_secs: u64,
    ) -> Option<StoredContact> {
        let mut peers = lock(&self.0);
        let known = peers.entry(node_id).or_insert_with(|| Known {
            contact: Contact { node_id, peer_id, addresses: vec![], seen_head: None },
            is_kept: false,
            is_dismissed: false,
            is_connected: false,
            since_secs: now_secs,
            problem: None,
            faults: 0,
        });
        known.is_connected = true;
        known.since_secs = now_secs;
        known.problem = None;
        let is_news = head.is_some() && known.contact.seen_head != head;
        if is_news {
            known.contact.seen_head = head;
        }
        (is_news && known.is_kept).then(|| stored_of(&known.contact))
    }

    /// A link is gone. A stranger's is forgotten.
    pub(crate) fn disconnected(&self, node_id: &NodeId, problem: String, now_secs: u64) {
        let mut peers = lock(&self.0);
        if peers.get(node_id).is_some_and(|known| !known.is_kept) {
            peers.remove(node_id);
            return;
        }
        if let Some(known) = peers.get_mut(node_id) {
            known.is_connected = false;
            known.since_secs = now_secs;
            known.problem = Some(problem);
        }
    }

    /// The operator sends it away; whether it is known.
    pub(crate) fn dismiss(&self, node_id: &NodeId) -> bool {
        let mut peers = lock(&self.0);
        let Some(known) = peers.get_mut(node_id) else { return false };
        known.is_dismissed = true;
        true
    }

    /// It is a stranger from now on. What is known of it goes with its link.
    pub(crate) fn forget(&self, node_id: &NodeId) {
        let mut peers = lock(&self.0);
        match peers.get_mut(node_id) {
            Some(known) if known.is_connected => known.is_kept = false,
            Some(_) | None => drop(peers.remove(node_id)),
        }
    }

    /// It broke the protocol once more; how often it has.
    pub(crate) fn fault(&self, node_id: &NodeId) -> u32 {
        let mut peers = lock(&self.0);
        let Some(known) = peers.get_mut(node_id) else { return 1 };
        known.faults = known.faults.saturating_add(1);
        known.faults
    }
}

fn stored_of(contact: &Contact) -> StoredContact {
    StoredContact {
        node_id: contact.node_id,
        peer_id: contact.peer_id.to_bytes(),
        addresses: contact.addresses.iter().map(Multiaddr::to_vec).collect(),
        head: contact.seen_head.map(|head| epoch::JournalHead {
            journal_id: head.journal_id,
            epoch: head.epoch,
            incarnation: head.incarnation,
        }),
    }
}

fn contact_of(stored: &StoredContact) -> Option<Contact> {
    let address = |bytes: &Vec<u8>| Multiaddr::try_from(bytes.clone()).ok();
    Some(Contact {
        node_id: stored.node_id,
        peer_id: PeerId::from_bytes(&stored.peer_id).ok()?,
        addresses: stored.addresses.iter().filter_map(address).collect(),
        seen_head: stored.head.map(|head| JournalHead {
            journal_id: head.journal_id,
            epoch: head.epoch,
            incarnation: head.incarnation,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(byte: u8) -> Contact {
        let (node_id, peer_id) = (NodeId([byte; 33]), PeerId::random());
        Contact { node_id, peer_id, addresses: vec![], seen_head: None }
    }

    #[test]
    fn a_peer_that_was_sent_away_is_not_looked_for_until_the_operator_wants_it_again() {
        let peers = Peers::default();
        let known = contact(2);
        assert!(!peers.dismiss(&known.node_id));
        drop(peers.keep(known.clone(), 1));
        assert!(peers.dismiss(&known.node_id));
        drop(peers.connected_to(known.node_id, known.peer_id, None, 2));
        assert!(peers.get(&known.node_id).unwrap().is_dismissed);
        drop(peers.keep(known.clone(), 3));
        assert!(!peers.get(&known.node_id).unwrap().is_dismissed);
    }

    #[test]
    fn p63_a_peer_that_is_forgotten_is_a_stranger_and_goes_with_its_link() {
        let peers = Peers::default();
        let (here, gone) = (contact(2), contact(3));
        for known in [&here, &gone] {
            drop(peers.keep(known.clone(), 1));
        }
        drop(peers.connected_to(here.node_id, here.peer_id, None, 2));
        for known in [&here, &gone] {
            peers.forget(&known.node_id);
            assert!(!peers.is_kept(&known.node_id));
        }
        assert_eq!(peers.all().len(), 1);
        peers.disconnected(&here.node_id, "sent away".to_owned(), 3);
        assert!(peers.all().is_empty());
    }
}
