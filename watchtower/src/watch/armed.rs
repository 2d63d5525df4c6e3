//! A close that runs, as far as anybody has shown it.
//!
//! One endpoint may lie about it, so what was shown last is no better than what was shown first: the lowest
//! version counts, and the earliest deadline that is ahead. Both can only make the tower look sooner; before it
//! pays for an answer it asks every endpoint what the contract stores. A deadline that no close can have, since it is
//! further away than a challenge period, counts as the latest one that is possible: it must not slow the fee down.

use lockstep_core::chain::{CloseSighting, EventPosition, StoredPoint};
use lockstep_core::dispute::{Response, respond};
use lockstep_core::ids::{Side, Version};
use lockstep_core::terms::Terms;
use lockstep_core::time::{BlockPoint, BlockTimestamp, Finality};

use crate::record::{KeptClose, SeenClose};

/// What was shown of a close, by whomever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// The lowest version, and the earliest deadline that is ahead.
    pub(super) close: SeenClose,
    /// The latest deadline: only after it there is nothing left to answer.
    latest: BlockTimestamp,
    /// The rollup's time at the first sighting.
    pub(super) first_seen: BlockTimestamp,
}

/// A close that is not over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Armed {
    pub(super) shown: Shown,
    pub(super) terms: Terms,
    /// L1's time at the first look that knew it.
    pub(super) first_seen_on_l1: Option<BlockTimestamp>,
    pub(super) due: BlockTimestamp,
    /// What was ordered last for it.
    pub(super) ordered: Version,
    pub(super) is_half_told: bool,
}

impl Shown {
    /// A close of which nothing was known.
    pub(super) fn first(close: SeenClose, now: BlockTimestamp) -> Self {
        Self { close, latest: close.closes_at, first_seen: now }
    }

    /// As it is kept.
    pub(super) fn to_keep(self, first_seen_on_l1: Option<BlockTimestamp>) -> KeptClose {
        let Self { close, latest, first_seen } = self;
        KeptClose { close, latest, first_seen, first_seen_on_l1 }
    }

    /// As it was kept.
    pub(super) fn kept(kept: &KeptClose) -> Self {
        let KeptClose { close, latest, first_seen, .. } = *kept;
        Self { close, latest, first_seen }
    }

    /// Without what can't be true: a close that is in sight now has its end within a challenge period. Whoever showed
    /// it may be some blocks ahead of our own head, so the latest deadline, after which nothing more is done, has
    /// another period of room.
    #[must_use]
    pub(super) fn plausible(self, now: BlockTimestamp, period: u32) -> Self {
        let period = u64::from(period);
        let bound = |at: BlockTimestamp, periods: u64| {
            now.checked_add_secs(period.saturating_mul(periods)).map_or(at, |most| at.min(most))
        };
        // Before the first look at the chain no time is known.
        if now == BlockTimestamp::default() {
            return self;
        }
        let close = SeenClose { closes_at: bound(self.close.closes_at, 1), ..self.close };
        Self { close, latest: bound(self.latest, 2), ..self }
    }

    /// The same after another sighting; none if that changes nothing.
    pub(super) fn with(&self, sighted: SeenClose, now: BlockTimestamp) -> Option<Self> {
        if self.is_over(now) && sighted.closes_at > self.latest {
            // Whatever was known before is over, so this is another close, or the only one that there ever was.
            return Some(Self::first(sighted, now));
        }
        let known = self.close;
        let is_ahead = sighted.closes_at > now;
        let is_next = sighted.closes_at < known.closes_at || known.closes_at <= now;
        let transaction =
            if known.transaction.is_zero() { sighted.transaction } else { known.transaction };
        let close = SeenClose {
            version: known.version.min(sighted.version),
            closes_at: if is_ahead && is_next { sighted.closes_at } else { known.closes_at },
            transaction,
        };
        let latest = self.latest.max(sighted.closes_at);
        let next = Self { close, latest, ..*self };
        // Its transaction alone changes nothing.
        let is_news = (close.version, close.closes_at, latest)
            != (known.version, known.closes_at, self.latest);
        is_news.then_some(next)
    }

    /// The next deadline.
    pub(super) fn deadline(&self, now: BlockTimestamp) -> BlockTimestamp {
        if self.close.closes_at > now { self.close.closes_at } else { self.latest }
    }

    /// Whether no deadline that was shown is ahead.
    pub(super) fn is_over(&self, now: BlockTimestamp) -> bool {
        now >= self.latest
    }

    /// What it asks for, if this is the best that can be shown.
    pub(super) fn response(&self, best: Version, head: BlockPoint) -> Response {
        let now = head.timestamp;
        let sighting = CloseSighting {
            point: StoredPoint { version: self.close.version, ..StoredPoint::default() },
            closes_at: self.deadline(now),
            initiator: Side::One,
            position: EventPosition::default(),
            first_seen: head,
            finality: Finality::Seen,
        };
        respond(&sighting, best, now)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use lockstep_core::time::BlockNumber;

    use super::*;

    const NOW: BlockTimestamp = BlockTimestamp(100);

    fn close(version: u64, closes_at: u64) -> SeenClose {
        let (version, closes_at) = (Version(version), BlockTimestamp(closes_at));
        SeenClose { version, closes_at, transaction: B256::ZERO }
    }

    /// What is known after some sightings, one after the other.
    fn shown(sightings: &[(u64, u64)]) -> Shown {
        let mut closes = sightings.iter().map(|(version, at)| close(*version, *at));
        let first = Shown::first(closes.next().unwrap_or(close(0, 0)), NOW);
        closes.fold(first, |known, sighted| known.with(sighted, NOW).unwrap_or(known))
    }

    fn response(shown: Shown, now: u64) -> Response {
        shown.response(
            Version(7),
            BlockPoint { number: BlockNumber(1), timestamp: BlockTimestamp(now) },
        )
    }

    fn challenge(before: u64) -> Response {
        Response::Challenge { version: Version(7), before: BlockTimestamp(before) }
    }

    #[test]
    fn p73_no_sighting_that_shows_more_talks_the_tower_out_of_an_answer() {
        for lie in [(9, 500), (u64::MAX, 501), (9, 1_000), (9, 400), (9, 101), (9, 99)] {
            for sightings in [[(3, 500), lie], [lie, (3, 500)]] {
                let known = shown(&sightings);
                assert!(
                    matches!(response(known, 100), Response::Challenge { .. }),
                    "{sightings:?}"
                );
                assert!(
                    matches!(response(known, 499), Response::Challenge { .. }),
                    "{sightings:?}"
                );
            }
        }
    }

    #[test]
    fn p73_the_earliest_deadline_that_is_ahead_counts_and_the_others_are_not_forgotten() {
        assert_eq!(response(shown(&[(3, 500), (9, 400)]), 100), challenge(400));
        assert_eq!(response(shown(&[(9, 900), (3, 500)]), 100), challenge(500));
        // The earlier one was a lie: what was shown beside it stands.
        assert_eq!(response(shown(&[(3, 500), (9, 101)]), 101), challenge(500));
        assert_eq!(response(shown(&[(3, 500), (9, 99)]), 100), challenge(500));
        assert_eq!(response(shown(&[(3, 500), (9, 101)]), 500), Response::Settle);
    }

    #[test]
    fn p71_what_shows_nothing_new_changes_nothing() {
        let known = shown(&[(3, 500)]);
        for sighted in [close(3, 500), close(7, 500)] {
            assert_eq!(known.with(sighted, NOW), None);
        }
        assert!(known.with(close(2, 500), NOW).is_some(), "a lower version");
    }

    #[test]
    fn p75_a_close_after_another_one_is_over_begins_anew() {
        let over = BlockTimestamp(500);
        let next = shown(&[(9, 500)]).with(close(8, 900), over);
        assert_eq!(next, Some(Shown::first(close(8, 900), over)));
        assert_eq!(
            shown(&[(9, 500)]).with(close(8, 500), over).map(|known| known.close),
            Some(close(8, 500))
        );
    }

    #[test]
    fn p76_a_deadline_that_no_close_can_have_does_not_put_off_the_answer_or_slow_its_fee() {
        const PERIOD: u32 = 400;
        let plausible = |sightings: &[(u64, u64)]| shown(sightings).plausible(NOW, PERIOD);
        for lie in [1 << 40, u64::MAX, 501] {
            assert_eq!(response(plausible(&[(3, lie)]), 100), challenge(500), "{lie}");
            // Whichever comes first, the lower one counts.
            assert_eq!(response(plausible(&[(3, lie), (3, 450)]), 100), challenge(450), "{lie}");
            assert_eq!(response(plausible(&[(3, 450), (3, lie)]), 100), challenge(450), "{lie}");
            assert!(plausible(&[(3, lie)]).is_over(BlockTimestamp(900)), "{lie}: it ends one day");
        }
        // An honest one is left as it is, also one that is a little ahead of our own head.
        assert_eq!(plausible(&[(3, 500)]), shown(&[(3, 500)]));
        assert!(!plausible(&[(3, 520)]).is_over(BlockTimestamp(519)));
        let unknown = BlockTimestamp::default();
        assert_eq!(shown(&[(3, 500)]).plausible(unknown, PERIOD), shown(&[(3, 500)]));
    }
}
