//! Links that are being cut, and peers that are going to be looked for again: one task each, however much a peer
//! does in the meantime.

use crate::engine::lock;
use lockstep_core::ids::NodeId;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Cuts under way. Never more than there are links and kept contacts.
#[derive(Debug, Default)]
pub(crate) struct Cuts(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    cut: BTreeSet<NodeId>,
    missed: BTreeSet<NodeId>,
}

impl Cuts {
    /// A link is to be cut. Whether that is news: what was said on it before it is gone changes nothing any more.
    pub(crate) fn begin(&self, peer: NodeId) -> bool {
        lock(&self.0).cut.insert(peer)
    }

    /// Whether a cut is under way.
    pub(crate) fn is_under_way(&self, peer: &NodeId) -> bool {
        lock(&self.0).cut.contains(peer)
    }

    /// The link is gone, or another one stands.
    pub(crate) fn end(&self, peer: &NodeId) {
        lock(&self.0).cut.remove(peer);
    }

    /// A peer is going to be looked for after a pause. Whether nobody waits for that already.
    pub(crate) fn begin_pause(&self, peer: NodeId) -> bool {
        lock(&self.0).missed.insert(peer)
    }

    /// The pause is over.
    pub(crate) fn end_pause(&self, peer: &NodeId) {
        lock(&self.0).missed.remove(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p62_a_link_is_cut_once_however_often_its_peer_breaks_the_protocol() {
        let (cuts, peer, other) = (Cuts::default(), NodeId([2; 33]), NodeId([3; 33]));
        assert!(cuts.begin(peer));
        assert!(!cuts.begin(peer));
        assert!(cuts.begin(other));
        cuts.end(&peer);
        assert!(cuts.begin(peer));
        assert!(cuts.begin_pause(peer));
        assert!(!cuts.begin_pause(peer));
        cuts.end_pause(&peer);
        assert!(cuts.begin_pause(peer));
    }
}
