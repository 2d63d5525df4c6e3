//! How far versions may jump, so that nobody who lost data ever signs a version twice.
//!
//! A side that lost data does not know which versions it has signed. It goes so far beyond its backup
//! that no version it may have signed is there, whatever its peer did in the meantime:
//!
//! | who signs, above the highest that it knows | from | up to |
//! |---|---|---|
//! | anybody, an ordinary state or a withdrawal | 1 | 2^10 |
//! | a proposer, a final state that the acceptor asks for | 1 | 2^44 |
//! | an acceptor that lost data, a final state, above its backup | 2^40 | 2^40 + 2^44 |
//! | an acceptor, a final state | 1 | 2^10 |
//! | an acceptor, the final state of a proposer that lost data | 2^45 | 2^52 |
//! | a proposer that lost data, above its backup | 2^46 | |
//!
//! The ranges of one side before and after its loss do not meet, as long as fewer than 2^45 versions were
//! lost. A restored acceptor that is followed by jumps of 2^10 alone is reached after 2^30 states. Where both
//! sides lost data they do not meet either: then only a close by force is left.
//!
//! Source: protocol §4, P31, P35, P46.

use crate::ids::{Side, Version};
use crate::state::StateKind;

/// The proposer counts its versions one by one, and at most a window of them stays unsigned, so a wider
/// jump has no honest reason.
pub const MAX_VERSION_GAP: u64 = 1 << 10;
/// An acceptor that lost data signs nothing within this above its backup. Sixteen times in a row, before
/// what it asks for is too far for its peer.
pub const RESTORE_GAP: u64 = 1 << 40;
/// The proposer goes this far for a final state that the acceptor asks for.
pub const MAX_ASKED_VERSION_GAP: u64 = 1 << 44;
/// From here on a jump is that of a proposer that lost data.
pub const MIN_LOST_VERSION_GAP: u64 = 1 << 45;
/// A proposer that lost data signs nothing within this above its backup.
pub const PROPOSER_RESTORE_GAP: u64 = 1 << 46;
/// The furthest that a final state may jump: 64 restores in a row, and still a whole number in every
/// reader of JSON. Nothing follows it, so it uses up nothing.
pub const MAX_FINAL_VERSION_GAP: u64 = 1 << 52;

/// How far beyond its backup a side goes that lost data.
pub fn restore_gap(side: Side) -> u64 {
    match side {
        Side::One => PROPOSER_RESTORE_GAP,
        Side::Two => RESTORE_GAP,
    }
}

/// Whether the acceptor signs at this version, by what is the highest that it knows to have bound.
pub(crate) fn is_signable(
    version: Version,
    kind: StateKind,
    highest: Version,
    is_restored: bool,
) -> bool {
    let Some(gap) = version.0.checked_sub(highest.0).filter(|gap| *gap > 0) else { return false };
    let by_one = gap <= MAX_VERSION_GAP;
    match (kind, is_restored) {
        (StateKind::Ordinary, false) => by_one,
        (StateKind::Ordinary, true) => false,
        (StateKind::Final, false) => {
            by_one || (MIN_LOST_VERSION_GAP..=MAX_FINAL_VERSION_GAP).contains(&gap)
        }
        (StateKind::Final, true) => gap <= MAX_ASKED_VERSION_GAP,
    }
}

/// Whether the proposer's final state may go this far: it has this highest version, and the other side
/// asks for this one.
pub(crate) fn may_be_asked(version: Version, highest: Version) -> bool {
    version.0.saturating_sub(highest.0) <= MAX_ASKED_VERSION_GAP
}
