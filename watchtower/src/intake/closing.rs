//! How many newer states are taken of a channel while it closes.
//!
//! Each of them costs the tower a challenge, and a challenge moves no deadline. An honest side has nothing newer
//! than what it had when the close began; somebody who has both keys of a channel could otherwise make newer and
//! newer ones, until the tower has no coin left for anybody.
//!
//! Each side has a count of its own: a cheat must not use up what the other side needs for the newest state.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lockstep_core::ids::{ChannelId, Side};
use lockstep_core::time::BlockTimestamp;

/// Newer states of one close from one side: one that was on its way when it began, and one that both sides still had to sign.
const MOST_PER_CLOSE: u32 = 2;
/// Closes that are remembered at a time; beyond it nothing newer is taken of further ones until some are over.
const MAX_CLOSES: usize = 65_536;

/// What was taken of each close that runs.
#[derive(Debug, Default)]
pub(super) struct Closing(Mutex<BTreeMap<(ChannelId, BlockTimestamp, Side), u32>>);

impl Closing {
    /// Whether another state may be taken of this side while this close runs. If so, it counts.
    pub(super) fn admits(
        &self,
        channel_id: ChannelId,
        side: Side,
        closes_at: BlockTimestamp,
        now: BlockTimestamp,
    ) -> bool {
        let mut closes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if closes.len() >= MAX_CLOSES {
            closes.retain(|(_, closes_at, _), _| *closes_at > now);
        }
        let key = (channel_id, closes_at, side);
        if closes.len() >= MAX_CLOSES && !closes.contains_key(&key) {
            return false;
        }
        let taken = closes.entry(key).or_default();
        if *taken >= MOST_PER_CLOSE {
            return false;
        }
        *taken = taken.saturating_add(1);
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use alloy_primitives::{B256, U256};

    use super::*;

    const NOW: BlockTimestamp = BlockTimestamp(100);

    fn id(number: usize) -> ChannelId {
        ChannelId(B256::from(U256::from(number)))
    }

    #[test]
    fn p84_each_close_and_each_side_has_its_own_count() {
        let closing = Closing::default();
        let admits = |number, side, at| closing.admits(id(number), side, BlockTimestamp(at), NOW);
        assert!(admits(1, Side::One, 500) && admits(1, Side::One, 500));
        assert!(!admits(1, Side::One, 500) && !admits(1, Side::One, 500));
        assert!(admits(1, Side::Two, 500), "the other side");
        assert!(admits(2, Side::One, 500), "another channel");
        assert!(admits(1, Side::One, 501), "a close after that one was undone");
    }

    #[test]
    fn p84_a_crowd_of_closes_takes_no_more_memory_than_is_set() {
        let closing = Closing::default();
        let admits = |number, now| closing.admits(id(number), Side::One, BlockTimestamp(500), now);
        assert!((0..MAX_CLOSES).all(|number| admits(number, NOW)));
        assert!(!admits(MAX_CLOSES, NOW), "full");
        assert!(admits(0, NOW), "known");
        assert!(admits(MAX_CLOSES, BlockTimestamp(500)), "those are over");
        assert_eq!(closing.0.lock().unwrap().len(), 1);
    }
}
