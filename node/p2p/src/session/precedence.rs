//! Which of two sessions with one peer stands. Both ends decide alone and come to the same answer, or
//! lose both and meet again after a backoff.

use libp2p::PeerId;
use lockstep_core::time::EngineTime;

use crate::handshake::Role;

/// Two sessions that begin within this time are taken for two ends dialing each other at once.
///
/// Units: milliseconds. Longer than a handshake may take.
const SIMULTANEOUS_MS: u64 = 10_000;

/// What counts about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Which end opened it.
    pub(crate) role: Role,
    /// Whether a relay carries it.
    pub(crate) is_relayed: bool,
    /// When it was authenticated.
    pub(crate) since: EngineTime,
}

/// Whether a session that has just been authenticated takes the place of one that stands.
///
/// A direct one replaces a relayed one and is never replaced by it. Of two that crossed, the one that the
/// lower peer id opened stands. Otherwise the newer one does: a peer that comes again has lost the older.
pub(crate) fn supersedes(
    newer: &Standing,
    older: &Standing,
    local: &PeerId,
    remote: &PeerId,
) -> bool {
    if newer.is_relayed != older.is_relayed {
        return older.is_relayed;
    }
    let crossed =
        newer.role != older.role && newer.since.millis_since(older.since) < SIMULTANEOUS_MS;
    if crossed {
        let lower_is_local = local.to_bytes() < remote.to_bytes();
        return match newer.role {
            Role::Dialer => lower_is_local,
            Role::Listener => !lower_is_local,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(role: Role, is_relayed: bool, since: u64) -> Standing {
        Standing { role, is_relayed, since: EngineTime(since) }
    }

    fn other(role: Role) -> Role {
        match role {
            Role::Dialer => Role::Listener,
            Role::Listener => Role::Dialer,
        }
    }

    #[test]
    fn of_two_crossed_dials_both_ends_keep_the_same_one_in_either_order() {
        for _ in 0..50 {
            let (a, b) = (PeerId::random(), PeerId::random());
            // One stream that `a` opened and one that `b` opened; the ends see them in any order.
            let keeps_a_stream = |local: &PeerId, remote: &PeerId, own_first: bool| {
                let own = if local == &a { Role::Dialer } else { Role::Listener };
                let (first, second) = if own_first { (own, other(own)) } else { (other(own), own) };
                let newer = standing(second, false, 40);
                let wins = supersedes(&newer, &standing(first, false, 0), local, remote);
                let kept = if wins { second } else { first };
                kept == own
            };
            let answers = [
                keeps_a_stream(&a, &b, true),
                keeps_a_stream(&a, &b, false),
                keeps_a_stream(&b, &a, true),
                keeps_a_stream(&b, &a, false),
            ];
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        }
    }

    #[test]
    fn a_peer_that_comes_again_replaces_its_old_session() {
        let (a, b) = (PeerId::random(), PeerId::random());
        for (first, second) in [(Role::Listener, Role::Listener), (Role::Dialer, Role::Listener)] {
            let newer = standing(second, false, SIMULTANEOUS_MS);
            assert!(supersedes(&newer, &standing(first, false, 0), &a, &b));
        }
    }

    #[test]
    fn a_direct_session_replaces_a_relayed_one_and_not_the_other_way() {
        let (a, b) = (PeerId::random(), PeerId::random());
        for role in [Role::Dialer, Role::Listener] {
            let relayed = standing(role, true, 0);
            let direct = standing(other(role), false, 1);
            assert!(supersedes(&direct, &relayed, &a, &b));
            assert!(!supersedes(&relayed, &direct, &a, &b));
        }
    }
}
