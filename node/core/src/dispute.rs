//! The one decision about a close on chain, for node, tower and simulator alike.

use crate::chain::CloseSighting;
use crate::ids::Version;
use crate::time::BlockTimestamp;

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
}
