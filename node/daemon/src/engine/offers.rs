//! Channels that others offer us and that wait for our operator. In memory only (P63): whoever offers says it
//! again on each connection.

use crate::engine::lock;
use lockstep_core::ids::{ChannelId, NodeId};
use lockstep_core::message::OpenRequest;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Offers that wait at a time: about 100 KB.
const MAX_OFFERS: usize = 256;
/// Of these, by one peer.
const MAX_OFFERS_PER_PEER: usize = 8;

/// One offer.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) peer: NodeId,
    pub(crate) request: OpenRequest,
    /// Units: seconds since 1970.
    pub(crate) received_secs: u64,
}

/// All offers that wait.
#[derive(Debug, Default)]
pub(crate) struct Offers(Mutex<BTreeMap<ChannelId, Offer>>);

impl Offers {
    /// Takes an offer; whether there was room. A peer's oldest makes room for its newest.
    pub(crate) fn add(&self, offer: Offer) -> bool {
        let mut offers = lock(&self.0);
        let channel_id = offer.request.terms.channel_id(offer.request.domain);
        if offers.contains_key(&channel_id) {
            return true;
        }
        let of_peer = offers.iter().filter(|(_, known)| known.peer == offer.peer);
        let oldest =
            of_peer.clone().min_by_key(|(_, known)| known.received_secs).map(|(id, _)| *id);
        let count = of_peer.count();
        if count >= MAX_OFFERS_PER_PEER {
            oldest.and_then(|oldest| offers.remove(&oldest));
        } else if offers.len() >= MAX_OFFERS {
            return false;
        }
        offers.insert(channel_id, offer);
        true
    }

    /// Takes an offer out.
    pub(crate) fn remove(&self, channel_id: ChannelId) -> Option<Offer> {
        lock(&self.0).remove(&channel_id)
    }

    /// Takes out whatever a peer offers.
    pub(crate) fn remove_of(&self, peer: &NodeId) {
        lock(&self.0).retain(|_, offer| offer.peer != *peer);
    }

    /// One offer.
    pub(crate) fn get(&self, channel_id: ChannelId) -> Option<Offer> {
        lock(&self.0).get(&channel_id).cloned()
    }

    /// All of them, by id.
    pub(crate) fn all(&self) -> Vec<(ChannelId, Offer)> {
        lock(&self.0).iter().map(|(id, offer)| (*id, offer.clone())).collect()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        lock(&self.0).len()
    }
}
