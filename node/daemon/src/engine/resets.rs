//! How often a link is begun anew because something of it was lost: a peer could otherwise have us do little else.

use crate::engine::lock;
use lockstep_core::ids::NodeId;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// At most one reset of a peer's link in this time. Units: milliseconds.
const EVERY_MILLIS: u64 = 5_000;
/// Peers that are remembered; beyond it the oldest are forgotten.
const MAX_PEERS: usize = 10_000;

/// When each peer's link was, or will be, begun anew.
#[derive(Debug, Default)]
pub(crate) struct Resets(Mutex<BTreeMap<NodeId, u64>>);

impl Resets {
    /// How long to wait until this peer's link may be reset; none if a reset is due already and will do.
    pub(crate) fn begin(&self, peer: NodeId, now_millis: u64) -> Option<u64> {
        let mut resets = lock(&self.0);
        let next = match resets.get(&peer) {
            Some(last) if *last > now_millis => return None,
            Some(last) => last.saturating_add(EVERY_MILLIS).max(now_millis),
            None => now_millis,
        };
        if resets.len() >= MAX_PEERS {
            // What is long past limits nothing.
            resets.retain(|_, last| last.saturating_add(EVERY_MILLIS) > now_millis);
        }
        resets.insert(peer, next);
        Some(next.saturating_sub(now_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p62_a_link_is_begun_anew_at_most_once_in_five_seconds_and_no_loss_is_left() {
        let resets = Resets::default();
        let peer = NodeId([2; 33]);
        assert_eq!(resets.begin(peer, 1_000), Some(0));
        // One more is put off, all others are covered by that one.
        assert_eq!(resets.begin(peer, 1_100), Some(4_900));
        assert_eq!(resets.begin(peer, 1_200), None);
        assert_eq!(resets.begin(peer, 5_999), None);
        assert_eq!(resets.begin(peer, 6_100), Some(4_900));
        assert_eq!(resets.begin(NodeId([3; 33]), 1_200), Some(0));
        assert_eq!(resets.begin(peer, 60_000), Some(0));
    }
}
