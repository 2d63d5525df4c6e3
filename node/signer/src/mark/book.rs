//! Which request may be signed, given what was signed before.

use std::collections::BTreeMap;

use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{ChannelId, Digest, Version};
use lockstep_core::record::MAX_BINDINGS;

use super::{Mark, Taker};

/// How many marks of states are kept for a channel: as many as the journal's guard holds, since those are the
/// versions that a restart or a challenge may ask for again.
pub const STATES_PER_CHANNEL: usize = MAX_BINDINGS;

/// How many marks of withdrawals are kept besides. One is outstanding at a time, and asked for again long after its
/// version has left the window of states: until it is on the chain, or has expired.
pub const WITHDRAWALS_PER_CHANNEL: usize = 8;

/// A request that would break the one promise of a signer, or could.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MarkRefusal {
    /// The version is bound to something else: signing would be equivocation.
    #[error("version {version} of channel {channel_id} is bound to {bound}, not to {asked}")]
    OtherDigest {
        /// The channel.
        channel_id: ChannelId,
        /// The version.
        version: Version,
        /// What was signed before.
        bound: Digest,
        /// What was asked for now.
        asked: Digest,
    },
    /// The version is below the highest signed one and is not among those that are remembered.
    #[error("version {version} of channel {channel_id} is below the mark {mark}")]
    BelowMark {
        /// The channel.
        channel_id: ChannelId,
        /// The version asked for.
        version: Version,
        /// The highest version signed.
        mark: Version,
    },
    /// Version 0 is the implicit first state; nobody signs it.
    #[error("version 0 of channel {channel_id} is never signed")]
    VersionZero {
        /// The channel.
        channel_id: ChannelId,
    },
}

impl MarkRefusal {
    /// Whoever asks for this has lost data or has a bug: that channel signs nothing more.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::OtherDigest { .. } | Self::BelowMark { .. } | Self::VersionZero { .. } => {
                ErrorClass::Fatal
            }
        }
    }
}

/// Whether a request that may be signed needs a new mark first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Above every version so far: the mark must be durable before the signature exists.
    Raise,
    /// Signed before with this very digest: the same bytes come out again.
    Again,
}

/// All marks of this signer.
///
/// # Invariants
/// Per channel, versions strictly rise and there is at most one digest for each. The highest is never forgotten.
#[derive(Debug, Default)]
pub struct MarkBook {
    lines: BTreeMap<ChannelId, Line>,
}

/// What is remembered of one channel.
type Line = BTreeMap<Version, (Taker, Digest)>;

impl MarkBook {
    /// Whether `mark` may be signed now; changes nothing.
    ///
    /// # Errors
    /// [`MarkRefusal`].
    pub fn decide(&self, mark: Mark) -> Result<Verdict, MarkRefusal> {
        let Mark { channel_id, version, digest, taker: _ } = mark;
        if version == Version::ZERO {
            return Err(MarkRefusal::VersionZero { channel_id });
        }
        let Some(line) = self.lines.get(&channel_id) else { return Ok(Verdict::Raise) };
        let Some((highest, _)) = line.last_key_value() else { return Ok(Verdict::Raise) };
        if version > *highest {
            return Ok(Verdict::Raise);
        }
        match line.get(&version) {
            Some((_, bound)) if *bound == digest => Ok(Verdict::Again),
            Some((_, bound)) => {
                Err(MarkRefusal::OtherDigest { channel_id, version, bound: *bound, asked: digest })
            }
            None => Err(MarkRefusal::BelowMark { channel_id, version, mark: *highest }),
        }
    }

    /// Enters a mark and says what [`MarkBook::decide`] said; the oldest of its kind in a full line goes.
    ///
    /// # Errors
    /// [`MarkRefusal`] for a mark that must not be entered; then nothing changes.
    pub fn raise(&mut self, mark: Mark) -> Result<Verdict, MarkRefusal> {
        let verdict = self.decide(mark)?;
        match verdict {
            Verdict::Again => {}
            Verdict::Raise => {
                let line = self.lines.entry(mark.channel_id).or_default();
                make_room(line, mark.taker);
                line.insert(mark.version, (mark.taker, mark.digest));
            }
        }
        Ok(verdict)
    }

    /// The highest version signed for a channel.
    #[must_use]
    pub fn highest(&self, channel_id: ChannelId) -> Option<Version> {
        self.lines.get(&channel_id)?.last_key_value().map(|(version, _)| *version)
    }

    /// Every mark, by channel and then by version.
    pub fn marks(&self) -> impl Iterator<Item = Mark> + '_ {
        self.lines.iter().flat_map(|(channel_id, line)| {
            line.iter().map(|(version, (taker, digest))| Mark {
                channel_id: *channel_id,
                version: *version,
                digest: *digest,
                taker: *taker,
            })
        })
    }

    /// How many marks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.values().map(BTreeMap::len).sum()
    }

    /// Whether nothing was ever signed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// Forgets the oldest marks of a kind, so that one more fits. Only those below the new mark can go: it is the highest.
fn make_room(line: &mut Line, taker: Taker) {
    let limit = match taker {
        Taker::State => STATES_PER_CHANNEL,
        Taker::Withdrawal => WITHDRAWALS_PER_CHANNEL,
    };
    let alike = line.iter().filter(|(_, (other, _))| *other == taker).map(|(version, _)| *version);
    let oldest = alike.clone().next();
    if alike.count() >= limit
        && let Some(oldest) = oldest
    {
        line.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use lockstep_core::terms::MAX_IN_FLIGHT;

    use super::*;

    fn mark(channel: u8, version: u64, digest: u8) -> Mark {
        Mark {
            channel_id: ChannelId(B256::repeat_byte(channel)),
            version: Version(version),
            digest: Digest(B256::repeat_byte(digest)),
            taker: Taker::State,
        }
    }

    #[test]
    fn p53_versions_rise_and_a_bound_version_keeps_its_digest() {
        let mut book = MarkBook::default();
        book.raise(mark(1, 5, 0xAA)).unwrap();
        assert_eq!(book.decide(mark(1, 6, 0xBB)), Ok(Verdict::Raise));
        assert_eq!(book.decide(mark(1, 5, 0xAA)), Ok(Verdict::Again));
        assert!(matches!(
            book.decide(mark(1, 5, 0xBB)),
            Err(MarkRefusal::OtherDigest { version: Version(5), .. })
        ));
        assert!(matches!(
            book.decide(mark(1, 4, 0xAA)),
            Err(MarkRefusal::BelowMark { mark: Version(5), .. })
        ));
        assert!(matches!(book.decide(mark(1, 0, 0xAA)), Err(MarkRefusal::VersionZero { .. })));
        // Channels don't touch each other.
        assert_eq!(book.decide(mark(2, 1, 0xCC)), Ok(Verdict::Raise));
    }

    #[test]
    fn p53_a_version_that_was_skipped_stays_unsigned() {
        let mut book = MarkBook::default();
        book.raise(mark(1, 3, 3)).unwrap();
        book.raise(mark(1, 9, 9)).unwrap();
        assert!(matches!(book.decide(mark(1, 6, 6)), Err(MarkRefusal::BelowMark { .. })));
        assert_eq!(book.decide(mark(1, 3, 3)), Ok(Verdict::Again));
    }

    #[test]
    fn every_proposal_that_can_be_in_flight_can_be_signed_again() {
        let mut book = MarkBook::default();
        let versions = 1..=200_u64;
        for version in versions.clone() {
            book.raise(mark(1, version, 1)).unwrap();
        }
        let first_kept = 200 - u64::try_from(STATES_PER_CHANNEL).unwrap() + 1;
        assert!(STATES_PER_CHANNEL > usize::try_from(MAX_IN_FLIGHT).unwrap());
        for version in versions {
            let kept = version >= first_kept;
            assert_eq!(book.decide(mark(1, version, 1)).is_ok(), kept, "version {version}");
        }
        assert_eq!(book.len(), STATES_PER_CHANNEL);
        assert_eq!(book.highest(ChannelId(B256::repeat_byte(1))), Some(Version(200)));
    }

    #[test]
    fn p46_p59_an_outstanding_withdrawal_can_be_signed_again_after_any_number_of_states() {
        let mut book = MarkBook::default();
        let withdrawal = Mark { taker: Taker::Withdrawal, ..mark(1, 1, 0xAA) };
        book.raise(withdrawal).unwrap();
        for version in 2..1_000 {
            book.raise(mark(1, version, 1)).unwrap();
            assert_eq!(book.decide(withdrawal), Ok(Verdict::Again), "after version {version}");
        }
        let other = Mark { digest: Digest(B256::repeat_byte(0xBB)), ..withdrawal };
        assert!(matches!(book.decide(other), Err(MarkRefusal::OtherDigest { .. })));
        assert_eq!(book.len(), STATES_PER_CHANNEL + 1);
    }

    #[test]
    fn p53_marks_of_withdrawals_are_bounded_and_take_no_room_from_states() {
        let mut book = MarkBook::default();
        book.raise(mark(1, 1, 1)).unwrap();
        for version in 2..100 {
            book.raise(Mark { taker: Taker::Withdrawal, ..mark(1, version, 1) }).unwrap();
        }
        assert_eq!(book.len(), WITHDRAWALS_PER_CHANNEL + 1);
        assert_eq!(book.decide(mark(1, 1, 1)), Ok(Verdict::Again));
        assert!(matches!(book.decide(mark(1, 50, 1)), Err(MarkRefusal::BelowMark { .. })));
        assert_eq!(book.highest(ChannelId(B256::repeat_byte(1))), Some(Version(99)));
    }
}
