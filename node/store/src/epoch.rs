//! Which life of the journal this is, and the signs that it is not the life that was last led.
//!
//! A journal that comes back from a backup has forgotten what it signed. Every opening therefore
//! begins an epoch with a random incarnation, writes both into the journal, into a fence file beside
//! it and, if the operator named one, into an anchor file elsewhere; peers and towers are told the
//! head as well. Whatever was restored then knows less than one of these.

use std::fmt;

use crate::{error::Damage, slot_file::PAYLOAD_BYTES};

/// Names one life of one journal. Peers and towers keep the newest that they were shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalHead {
    /// Drawn once, when the journal was created.
    pub journal_id: [u8; 16],
    /// Counts the openings.
    pub epoch: u64,
    /// Drawn at each opening.
    pub incarnation: [u8; 16],
}

/// What a head that someone else has seen says about our journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadVerdict {
    /// It is our past or our present.
    Consistent,
    /// It is of another journal and says nothing.
    OtherJournal,
    /// It is older than the epochs that we remember, so nothing can be said.
    TooOld,
    /// They saw an epoch that we never led: we are a restored backup.
    Ahead,
    /// They saw this epoch led by another incarnation: two copies of one backup were opened.
    Forked,
}

impl HeadVerdict {
    /// Whether it proves that this journal lost data or has a twin.
    pub fn is_proof_of_loss(self) -> bool {
        match self {
            Self::Ahead | Self::Forked => true,
            Self::Consistent | Self::OtherJournal | Self::TooOld => false,
        }
    }
}

/// A sign, found while opening, that what is on disk is not what was last acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Groups were acknowledged that the database does not hold.
    LostGroups {
        /// The last acknowledged sequence, by the witness.
        acknowledged: u64,
        /// The sequence in the database.
        found: u64,
    },
    /// The fence or anchor file saw an epoch that the database does not know.
    OlderEpoch {
        /// The epoch that was led.
        seen: u64,
        /// The epoch in the database.
        found: u64,
    },
    /// The anchor file saw this epoch led by another incarnation.
    OtherIncarnation {
        /// The epoch.
        epoch: u64,
    },
    /// The anchor file belongs to another journal.
    OtherJournal,
    /// The database file is a copy: it is not the file that was written to.
    Copied,
    /// Side files are there and the database is gone.
    DatabaseMissing,
    /// The rows come from an imported backup.
    Imported,
    /// What is there does not fit together.
    Damaged(Damage),
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LostGroups { acknowledged, found } => {
                write!(f, "group {acknowledged} was acknowledged, the newest one here is {found}")
            }
            Self::OlderEpoch { seen, found } => {
                write!(f, "epoch {seen} was led, the newest one here is {found}")
            }
            Self::OtherIncarnation { epoch } => {
                write!(f, "epoch {epoch} was led by another copy")
            }
            Self::OtherJournal => f.write_str("the anchor belongs to another journal"),
            Self::Copied => f.write_str("the database file was copied"),
            Self::DatabaseMissing => f.write_str("the database is gone, its side files are not"),
            Self::Imported => f.write_str("a backup was imported"),
            Self::Damaged(damage) => damage.fmt(f),
        }
    }
}

/// What the fence and anchor files hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) journal_id: [u8; 16],
    pub(crate) incarnation: [u8; 16],
    /// The epoch of whoever may write now. It is claimed before the journal knows of it.
    pub(crate) claimed: u64,
    /// The newest epoch that the journal durably knows of.
    pub(crate) opened: u64,
}

impl Mark {
    pub(crate) fn encode(&self) -> [u8; PAYLOAD_BYTES] {
        let mut payload = [0; PAYLOAD_BYTES];
        let fields = self
            .journal_id
            .into_iter()
            .chain(self.incarnation)
            .chain(self.claimed.to_be_bytes())
            .chain(self.opened.to_be_bytes());
        payload.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        payload
    }

    pub(crate) fn decode(payload: &[u8; PAYLOAD_BYTES]) -> Option<Self> {
        let (journal_id, rest) = payload.split_first_chunk::<16>()?;
        let (incarnation, rest) = rest.split_first_chunk::<16>()?;
        let (claimed, rest) = rest.split_first_chunk::<8>()?;
        let (opened, _) = rest.split_first_chunk::<8>()?;
        Some(Self {
            journal_id: *journal_id,
            incarnation: *incarnation,
            claimed: u64::from_be_bytes(*claimed),
            opened: u64::from_be_bytes(*opened),
        })
    }

    /// What this mark says about a database with `head`.
    pub(crate) fn judge(&self, head: &JournalHead) -> Option<Evidence> {
        if self.opened == 0 {
            return None;
        }
        if self.journal_id != head.journal_id {
            return Some(Evidence::OtherJournal);
        }
        if self.opened > head.epoch {
            return Some(Evidence::OlderEpoch { seen: self.opened, found: head.epoch });
        }
        let same_life = self.opened == head.epoch && self.claimed == self.opened;
        if same_life && self.incarnation != head.incarnation {
            return Some(Evidence::OtherIncarnation { epoch: self.opened });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: JournalHead = JournalHead { journal_id: [1; 16], epoch: 7, incarnation: [7; 16] };

    fn mark(claimed: u64, opened: u64) -> Mark {
        Mark { journal_id: [1; 16], incarnation: [7; 16], claimed, opened }
    }

    #[test]
    fn a_mark_comes_back_from_its_bytes() {
        assert_eq!(Mark::decode(&mark(9, 8).encode()), Some(mark(9, 8)));
    }

    #[test]
    fn p47_a_mark_betrays_a_database_that_is_older_or_another() {
        let older = Evidence::OlderEpoch { seen: 8, found: 7 };
        let other = Evidence::OtherIncarnation { epoch: 7 };
        let cases = [
            (mark(7, 7), None),
            (mark(8, 7), None), // the last opening was cut off between fence and journal
            (mark(0, 0), None),
            (mark(6, 6), None), // the opening before was cut off before the fence was confirmed
            (mark(8, 8), Some(older)),
            (Mark { incarnation: [9; 16], ..mark(7, 7) }, Some(other)),
            (Mark { journal_id: [2; 16], ..mark(7, 7) }, Some(Evidence::OtherJournal)),
        ];
        for (mark, expected) in cases {
            assert_eq!(mark.judge(&HEAD), expected, "{mark:?}");
        }
    }
}
