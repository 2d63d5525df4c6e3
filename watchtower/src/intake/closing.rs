//! How many newer states are taken of a channel while it closes.
//!
//! Each of them costs the tower a challenge, and a challenge moves no deadline. Somebody who has both keys of a channel
//! could make newer and newer ones, until the tower has no coin left for anybody. An honest side of a busy channel has
//! several that were on their way when the close began, and must not be left with an old one.
//!
//! So the first ones of a close are free, and further ones come out of an allowance of the account, which fills with the
//! chain's time. Each side has a count of its own: a cheat must not use up what the other side needs. Only what was kept
//! counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lockstep_core::ids::{ChannelId, NodeId, Side};
use lockstep_core::time::BlockTimestamp;

/// Newer states of one close from one side that need no allowance: one that was on its way when it began, and one that
/// both sides still had to sign.
const FREE_PER_CLOSE: u32 = 2;
/// Newer states of one close from one side, at most.
const MOST_PER_CLOSE: u32 = 16;
/// What an account may have at once beyond the free ones.
const BURST: u64 = 8;
/// How long one of them takes to come back. Units: seconds. Six challenges in an hour are what an account can cost at
/// most by closing its own channel.
const EVERY_SECS: u64 = 600;
/// Closes, and accounts with less than their whole allowance, that are remembered at a time; beyond it nothing newer
/// is taken of further ones until some are over, but out of an account's allowance.
const MAX_REMEMBERED: usize = 65_536;

/// One side of a close.
type OneSide = (ChannelId, BlockTimestamp, Side);

/// What was taken of each close that runs.
#[derive(Debug, Default)]
pub(super) struct Closing(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    closes: BTreeMap<OneSide, u32>,
    /// When the allowance of each account is whole again.
    whole_at: BTreeMap<NodeId, BlockTimestamp>,
}

/// The right to have one state kept. It is given back if it is dropped before that.
#[derive(Debug)]
pub(super) struct Place<'a> {
    closing: &'a Closing,
    close: OneSide,
    paid_by: Option<NodeId>,
    is_kept: bool,
}

impl Place<'_> {
    /// The state is kept, so it counts.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.closing.give_back(&self.close, self.paid_by);
        }
    }
}

impl Closing {
    /// A place for another state of this side while this close runs.
    pub(super) fn admits(
        &self,
        account: NodeId,
        close: OneSide,
        now: BlockTimestamp,
    ) -> Option<Place<'_>> {
        let mut taken = self.lock();
        taken.forget(now);
        let count = taken.closes.get(&close).copied();
        // Where a crowd has used up the room, an account still has its allowance.
        let is_full = count.is_none() && taken.closes.len() >= MAX_REMEMBERED;
        let count = count.unwrap_or(if is_full { FREE_PER_CLOSE } else { 0 });
        if count >= MOST_PER_CLOSE {
            return None;
        }
        let paid_by = (count >= FREE_PER_CLOSE).then_some(account);
        if paid_by.is_some_and(|account| !taken.pay(account, now)) {
            return None;
        }
        if !is_full {
            taken.closes.insert(close, count.saturating_add(1));
        }
        drop(taken);
        Some(Place { closing: self, close, paid_by, is_kept: false })
    }

    fn give_back(&self, close: &OneSide, paid_by: Option<NodeId>) {
        let mut taken = self.lock();
        if let Some(count) = taken.closes.get_mut(close) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.closes.remove(close);
            }
        }
        if let Some(whole_at) = paid_by.and_then(|account| taken.whole_at.get_mut(&account)) {
            *whole_at = whole_at.saturating_sub_secs(EVERY_SECS);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// What is over makes room.
    fn forget(&mut self, now: BlockTimestamp) {
        if self.closes.len() >= MAX_REMEMBERED {
            self.closes.retain(|(_, closes_at, _), _| *closes_at > now);
        }
        if self.whole_at.len() >= MAX_REMEMBERED {
            self.whole_at.retain(|_, whole_at| *whole_at > now);
        }
    }

    /// Takes one out of an account's allowance; whether there was one.
    fn pay(&mut self, account: NodeId, now: BlockTimestamp) -> bool {
        let known = self.whole_at.get(&account).copied();
        if known.is_none() && self.whole_at.len() >= MAX_REMEMBERED {
            return false;
        }
        let next = known.unwrap_or(now).max(now).0.saturating_add(EVERY_SECS);
        let most = now.0.saturating_add(BURST.saturating_mul(EVERY_SECS));
        if next <= most {
            self.whole_at.insert(account, BlockTimestamp(next));
        }
        next <= most
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

    fn account(byte: u8) -> NodeId {
        NodeId([byte; 33])
    }

    /// Whether a state is taken, and kept.
    fn keeps(closing: &Closing, by: u8, (number, side, at): (usize, Side, u64), now: u64) -> bool {
        let close = (id(number), BlockTimestamp(at), side);
        closing.admits(account(by), close, BlockTimestamp(now)).map(Place::keep).is_some()
    }

    /// How many are taken one after the other.
    fn count(closing: &Closing, by: u8, close: (usize, Side, u64), now: u64) -> usize {
        (0..).take_while(|_| keeps(closing, by, close, now)).count()
    }

    #[test]
    fn p84_a_busy_channel_gets_its_newest_states_in_and_a_client_that_makes_more_waits() {
        let closing = Closing::default();
        let close = (1, Side::One, 500_000);
        assert_eq!(count(&closing, 1, close, 100), 2 + 8, "what is free and what is saved");
        assert_eq!(count(&closing, 1, close, 699), 0);
        assert_eq!(count(&closing, 1, close, 700), 1, "one comes back in ten minutes");
        // The same close has an end, whoever brings its states, and however late.
        assert_eq!(count(&closing, 1, close, 100_000), 5);
        assert_eq!(count(&closing, 2, close, 100_000), 0);
    }

    #[test]
    fn p84_an_account_s_closes_share_its_allowance_and_nobody_else_s() {
        let closing = Closing::default();
        assert_eq!(count(&closing, 1, (1, Side::One, 5_000), 100), 10);
        for number in 2..100 {
            let close = (number, Side::One, 5_000);
            assert_eq!(count(&closing, 1, close, 100), 2, "each close has its free ones");
        }
        assert_eq!(count(&closing, 1, (1, Side::Two, 5_000), 100), 2, "the other side");
        assert_eq!(count(&closing, 1, (1, Side::One, 5_001), 100), 2, "after one was undone");
        assert_eq!(count(&closing, 2, (200, Side::One, 5_000), 100), 10, "another account");
    }

    #[test]
    fn p84_what_was_not_kept_does_not_count() {
        let closing = Closing::default();
        let close = (id(1), BlockTimestamp(5_000), Side::One);
        for _ in 0..100 {
            assert!(closing.admits(account(1), close, NOW).is_some());
        }
        assert_eq!(count(&closing, 1, (1, Side::One, 5_000), 100), 10);
    }

    #[test]
    fn p84_a_crowd_of_closes_takes_no_more_memory_than_is_set() {
        let closing = Closing::default();
        let admits = |number, now| keeps(&closing, 1, (number, Side::One, 500), now);
        assert!((0..MAX_REMEMBERED).all(|number| admits(number, 100)));
        let own = (MAX_REMEMBERED, Side::One, 500);
        assert_eq!(count(&closing, 1, own, 100), 8, "full: what the account has saved");
        assert_eq!(count(&closing, 2, own, 100), 8, "and so for each account");
        assert!(admits(0, 100), "known");
        assert!(admits(MAX_REMEMBERED, 500), "those are over");
        assert_eq!(closing.lock().closes.len(), 1);
    }
}
