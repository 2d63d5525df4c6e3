//! How fast each client leaves appointments.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lockstep_core::ids::NodeId;
use lockstep_core::time::EngineTime;

/// Accounts whose pace is remembered; beyond it the oldest minute is forgotten.
const MAX_PACED: usize = 16_384;
/// Units: milliseconds.
const MINUTE: u64 = 60_000;

/// What each account has left in the present minute.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<BTreeMap<NodeId, (u64, u32)>>);

impl Pace {
    /// Whether an account may leave another appointment in this minute.
    pub(super) fn admits(&self, account: NodeId, now: EngineTime, most: u32) -> bool {
        let minute = now.0.div_euclid(MINUTE);
        let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pace.len() >= MAX_PACED {
            pace.retain(|_, (since, _)| *since == minute);
        }
        let entry = pace.entry(account).or_insert((minute, 0));
        if entry.0 != minute {
            *entry = (minute, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        entry.1 <= most
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn p84_each_account_has_its_own_pace_and_a_new_one_each_minute() {
        let pace = Pace::default();
        let (one, other) = (NodeId([1; 33]), NodeId([2; 33]));
        let now = EngineTime(MINUTE);
        assert!(pace.admits(one, now, 2) && pace.admits(one, now, 2));
        assert!(!pace.admits(one, now, 2) && pace.admits(other, now, 2));
        assert!(pace.admits(one, EngineTime(2 * MINUTE), 2));
    }

    #[test]
    fn p84_the_pace_of_a_crowd_takes_no_more_memory_than_is_set() {
        let pace = Pace::default();
        let accounts = 2 * MAX_PACED;
        for number in 0..accounts {
            let mut id = [0; 33];
            id[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
            // Two minutes: what is remembered of the first is given up.
            let minute = u64::from(number >= MAX_PACED);
            pace.admits(NodeId(id), EngineTime(minute * MINUTE), 1);
        }
        assert!(pace.0.lock().unwrap().len() <= MAX_PACED + 1);
    }
}
