//! The one decision about a close on chain, for node, tower and simulator alike.

use crate::chain::CloseSighting;
use crate::ids::Version;
use crate::time::BlockTimestamp;
use alloy_primitives::{Address, B256, keccak256};

/// What a close asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Response {
    /// Show the newer state before the deadline, now.
    Challenge {
        /// The version to show.
        version: Version,
        /// The end of the challenge period.
        before: BlockTimestamp,
    },
    /// The close is right: nothing to do until the deadline.
    Wait {
        /// The end of the challenge period.
        until: BlockTimestamp,
    },
    /// The challenge period is over: settle.
    Settle,
}

/// Answers a close, given the newest version that can be proved, at the time of the newest head.
///
/// A newer version is shown at first sight and never held back: with one deadline that is set once,
/// this leaves a cheat nothing newer to show. After the deadline nothing can be adopted, so all that
/// is left is to settle.
///
/// Source: protocol §5, watchtower §1.
pub fn respond(observed: &CloseSighting, best: Version, now: BlockTimestamp) -> Response {
    if now >= observed.closes_at {
        Response::Settle
    } else if best > observed.point.version {
        Response::Challenge { version: best, before: observed.closes_at }
    } else {
        Response::Wait { until: observed.closes_at }
    }
}

/// The share of a challenge period, in ten-thousandths, by which every tower has begun to answer.
const STAGGER_MOST: u64 = 1_500;
/// A close this old when it is first seen is answered at once. Units: seconds.
const STAGGER_NOT_AFTER_SECS: u64 = 3_600;

/// When one of several towers answers a close: somewhere in the first 15 % of the challenge period, at a
/// place that nobody could foresee before the close was made, and that differs from tower to tower. So the
/// first one answers and the others find nothing left to do.
///
/// A close that had happened long before it was seen, or whose transaction is not known, is answered at
/// once: its time may be running out.
///
/// Source: watchtower §4; P82.
pub fn stagger(
    closes_at: BlockTimestamp,
    challenge_period: u32,
    first_seen: BlockTimestamp,
    close_tx: B256,
    tower: Address,
) -> BlockTimestamp {
    let period = u64::from(challenge_period);
    let begun = closes_at.saturating_sub_secs(period);
    if close_tx.is_zero() || first_seen.secs_since(begun) > STAGGER_NOT_AFTER_SECS {
        return begun;
    }
    let [a, b, c, d, ..] = keccak256([close_tx.as_slice(), tower.as_slice()].concat()).0;
    // A share of 2^32 of a share of ten thousand of at most 2^32 seconds: fits 128 bits by far.
    let share = u128::from(u32::from_be_bytes([a, b, c, d]));
    let most = u128::from(period).saturating_mul(u128::from(STAGGER_MOST));
    let delay = most.saturating_mul(share).div_euclid(10_000_u128.saturating_mul(1 << 32));
    let delay = u64::try_from(delay).unwrap_or(0);
    begun.checked_add_secs(delay).unwrap_or(begun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{EventPosition, StoredPoint};
    use crate::ids::Side;
    use crate::time::{BlockPoint, Finality};

    fn check(observed: u64, best: u64, now: u64, expected: Response) {
        let sighting = CloseSighting {
            point: StoredPoint { version: Version(observed), ..StoredPoint::default() },
            closes_at: BlockTimestamp(100),
            initiator: Side::Two,
            position: EventPosition::default(),
            first_seen: BlockPoint::default(),
            finality: Finality::Seen,
        };
        assert_eq!(respond(&sighting, Version(best), BlockTimestamp(now)), expected);
    }

    #[test]
    fn a_close_below_what_we_can_prove_is_challenged_at_first_sight() {
        let before = BlockTimestamp(100);
        check(3, 4, 1, Response::Challenge { version: Version(4), before });
        check(3, 4, 99, Response::Challenge { version: Version(4), before });
    }

    #[test]
    fn a_close_at_or_above_what_we_can_prove_waits_for_its_deadline() {
        let until = BlockTimestamp(100);
        check(4, 4, 1, Response::Wait { until });
        check(5, 4, 99, Response::Wait { until });
    }

    #[test]
    fn p09_at_the_deadline_only_settling_is_left() {
        check(3, 4, 100, Response::Settle);
        check(4, 4, 100, Response::Settle);
    }

    #[test]
    fn p82_towers_answer_one_after_the_other_within_15_percent_of_the_window() {
        let period = 100_000_u32;
        let begun = BlockTimestamp(1_000_000);
        let closes_at = BlockTimestamp(1_100_000);
        let at = |tx: u8, tower: u8| {
            let (tx, tower) = (B256::repeat_byte(tx), Address::repeat_byte(tower));
            stagger(closes_at, period, begun, tx, tower)
        };
        let mut times: Vec<_> = (1..=200).map(|tower| at(1, tower)).collect();
        let latest = BlockTimestamp(1_015_000);
        assert!(times.iter().all(|time| *time >= begun && *time <= latest), "{times:?}");
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 190, "they differ");
        assert_ne!(at(1, 1), at(2, 1), "another close, another order");
    }

    #[test]
    fn p82_a_close_that_is_seen_late_or_without_its_transaction_is_answered_at_once() {
        let (begun, closes_at) = (BlockTimestamp(1_000_000), BlockTimestamp(1_100_000));
        let tower = Address::repeat_byte(1);
        let at = |seen, tx| stagger(closes_at, 100_000, BlockTimestamp(seen), tx, tower);
        assert_eq!(at(1_003_601, B256::repeat_byte(1)), begun);
        assert!(at(1_003_600, B256::repeat_byte(1)) > begun);
        assert_eq!(at(1_000_000, B256::ZERO), begun);
    }
}
