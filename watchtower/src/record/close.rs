//! A close that runs, as it is kept: what was shown of it, and since when it is known.

use alloy_primitives::B256;
use lockstep_core::ids::Version;
use lockstep_core::time::BlockTimestamp;

use super::{FORM, Reader, Unreadable, Writer};

/// The form of closes that this version writes. The first one had only [`SeenClose`].
const CLOSE_FORM: u8 = 2;

/// What a sighting shows of a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenClose {
    /// The version that would be settled.
    pub version: Version,
    /// When.
    pub closes_at: BlockTimestamp,
    /// The transaction; zero where only the stored status shows the close.
    pub transaction: B256,
}

/// A close that was seen and is not over: kept before anything is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptClose {
    /// The lowest version, and the earliest deadline that was ahead.
    pub close: SeenClose,
    /// The latest deadline that was shown and may be true.
    pub latest: BlockTimestamp,
    /// The rollup's time when it was seen first.
    pub first_seen: BlockTimestamp,
    /// L1's time at the first look that knew it; none where none did.
    pub first_seen_on_l1: Option<BlockTimestamp>,
}

impl KeptClose {
    /// The bytes of a close.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::of_form(CLOSE_FORM);
        out.number(self.close.version.0);
        out.number(self.close.closes_at.0);
        out.bytes(&self.close.transaction.0);
        out.number(self.latest.0);
        out.number(self.first_seen.0);
        out.bytes(&[u8::from(self.first_seen_on_l1.is_some())]);
        if let Some(time) = self.first_seen_on_l1 {
            out.number(time.0);
        }
        out.0
    }

    /// The close of bytes.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (form, mut row) = Reader::of_any_form(bytes)?;
        let close = SeenClose {
            version: Version(row.number()?),
            closes_at: BlockTimestamp(row.number()?),
            transaction: B256::new(row.take()?),
        };
        let kept = match form {
            // Since when it is known nobody wrote down: it counts as old, so that it is answered at once.
            FORM => {
                let (latest, first_seen) = (close.closes_at, close.closes_at);
                Self { close, latest, first_seen, first_seen_on_l1: None }
            }
            CLOSE_FORM => {
                let (latest, first_seen) = (row.number()?, row.number()?);
                let first_seen_on_l1 = match row.take()? {
                    [0] => None,
                    [1] => Some(BlockTimestamp(row.number()?)),
                    [_] => return Err(Unreadable),
                };
                let (latest, first_seen) = (BlockTimestamp(latest), BlockTimestamp(first_seen));
                Self { close, latest, first_seen, first_seen_on_l1 }
            }
            _ => return Err(Unreadable),
        };
        row.end()?;
        Ok(kept)
    }
}
