//! What the chain has shown and the journal could not take yet.

use lockstep_core::chain::ChainEvent;
use lockstep_core::time::BlockPoint;
use std::collections::VecDeque;

/// Facts that wait at a time. Whoever makes more of them pays the chain for each.
const MAX_FACTS: usize = 1_024;

/// Facts in order, and the newest final block. Heads never wait: the next one says more.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    pub(super) facts: VecDeque<ChainEvent>,
    pub(super) finalized: Option<BlockPoint>,
    /// Whether the last attempt failed.
    pub(super) is_stuck: bool,
    /// Whether a fact had no room: this run can't make it durable any more, the next one reads it again.
    has_lost: bool,
}

impl Backlog {
    /// One more fact, after all others.
    pub(super) fn push(&mut self, event: ChainEvent) {
        if self.facts.len() < MAX_FACTS && !self.has_lost {
            self.facts.push_back(event);
        } else {
            // Nothing that comes later is taken up either: facts count in order.
            self.has_lost = true;
        }
    }

    /// Whether facts wait.
    pub(super) fn has_facts(&self) -> bool {
        !self.facts.is_empty() || self.has_lost
    }

    /// Whether everything that the chain has shown is on disk.
    pub(super) fn is_durable(&self) -> bool {
        !self.has_facts() && self.finalized.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_core::chain::{ChainFact, EventPosition};
    use lockstep_core::time::{BlockTimestamp, Finality};

    #[test]
    fn p66_what_waits_for_the_disk_is_bounded_and_a_cursor_never_passes_what_was_left_out() {
        let event = ChainEvent {
            position: EventPosition::default(),
            timestamp: BlockTimestamp(1),
            finality: Finality::Seen,
            fact: ChainFact::CloseVanished,
        };
        let mut backlog = Backlog::default();
        assert!(backlog.is_durable());
        for _ in 0..3 * MAX_FACTS {
            backlog.push(event.clone());
        }
        assert_eq!(backlog.facts.len(), MAX_FACTS);
        backlog.facts.clear();
        assert!(!backlog.is_durable(), "a fact was left out");
        backlog.push(event);
        assert!(backlog.facts.is_empty(), "nothing overtakes it");
    }
}
