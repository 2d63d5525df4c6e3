//! A tiny file that holds one fixed-size value and survives a torn write.
//!
//! Two slots in two sectors are written in turn, each with a counter and a checksum; the newest
//! intact slot is the value. Reading never needs a lock.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use twox_hash::XxHash3_128;

/// Bytes of a value.
pub(crate) const PAYLOAD_BYTES: usize = 64;

/// Distance between the slots: one sector of the largest common size, so that one torn write cannot
/// reach both.
const SLOT_STRIDE: u64 = 4096;

/// Counter, payload and checksum of one slot.
const SLOT_BYTES: usize = 8 + PAYLOAD_BYTES + 16;

/// An open slot file.
#[derive(Debug)]
pub(crate) struct SlotFile {
    file: File,
    counter: u64,
}

/// What a slot file was found to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing was ever written.
    Nothing,
    /// The newest intact value.
    Value([u8; PAYLOAD_BYTES]),
    /// Something was written, and no slot is intact.
    Damaged,
}

impl SlotFile {
    /// Opens or creates the file and reads the newest value.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Found)> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let mut this = Self { file, counter: 0 };
        let found = this.read_newest()?;
        Ok((this, found))
    }

    /// Reads the newest value as it is on disk now, whoever wrote it.
    pub(crate) fn read_newest(&mut self) -> io::Result<Found> {
        let first = self.read_slot(0)?;
        let second = self.read_slot(SLOT_STRIDE)?;
        let newest = match (first, second) {
            (Slot::Intact(a, pa), Slot::Intact(b, pb)) => {
                Some(if a > b { (a, pa) } else { (b, pb) })
            }
            (Slot::Intact(counter, payload), Slot::Empty | Slot::Torn)
            | (Slot::Empty | Slot::Torn, Slot::Intact(counter, payload)) => {
                Some((counter, payload))
            }
            (Slot::Empty, Slot::Empty) => return Ok(Found::Nothing),
            (Slot::Torn, Slot::Empty | Slot::Torn) | (Slot::Empty, Slot::Torn) => None,
        };
        let Some((counter, payload)) = newest else { return Ok(Found::Damaged) };
        self.counter = self.counter.max(counter);
        Ok(Found::Value(payload))
    }

    /// Writes the next value into the older slot, without syncing it.
    pub(crate) fn write(&mut self, payload: &[u8; PAYLOAD_BYTES]) -> io::Result<()> {
        let counter = self.counter.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut slot = Vec::with_capacity(SLOT_BYTES);
        slot.extend_from_slice(&counter.to_be_bytes());
        slot.extend_from_slice(payload);
        slot.extend_from_slice(&XxHash3_128::oneshot(&slot).to_be_bytes());
        let offset = if counter % 2 == 0 { 0 } else { SLOT_STRIDE };
        self.file.write_all_at(&slot, offset)?;
        self.counter = counter;
        Ok(())
    }

    /// Makes the last written value survive a power cut.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn read_slot(&self, offset: u64) -> io::Result<Slot> {
        let mut slot = [0_u8; SLOT_BYTES];
        match self.file.read_exact_at(&mut slot, offset) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Slot::Empty),
            Err(error) => return Err(error),
        }
        if slot.iter().all(|byte| *byte == 0) {
            return Ok(Slot::Empty);
        }
        Ok(parse_slot(&slot).unwrap_or(Slot::Torn))
    }
}

enum Slot {
    Empty,
    Torn,
    Intact(u64, [u8; PAYLOAD_BYTES]),
}

fn parse_slot(slot: &[u8; SLOT_BYTES]) -> Option<Slot> {
    let (content, checksum) = slot.split_last_chunk::<16>()?;
    if XxHash3_128::oneshot(content).to_be_bytes() != *checksum {
        return None;
    }
    let (counter, payload) = content.split_first_chunk::<8>()?;
    Some(Slot::Intact(u64::from_be_bytes(*counter), payload.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(byte: u8) -> [u8; PAYLOAD_BYTES] {
        [byte; PAYLOAD_BYTES]
    }

    #[test]
    fn the_newest_value_is_read_back_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slot");
        let (mut file, found) = SlotFile::open(&path).unwrap();
        assert_eq!(found, Found::Nothing);
        for byte in 1..6 {
            file.write(&payload(byte)).unwrap();
            assert_eq!(SlotFile::open(&path).unwrap().1, Found::Value(payload(byte)));
        }
    }

    #[test]
    fn a_torn_write_leaves_the_value_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slot");
        let (mut file, _) = SlotFile::open(&path).unwrap();
        file.write(&payload(1)).unwrap();
        file.write(&payload(2)).unwrap();
        let newest = if file.counter % 2 == 0 { 0 } else { SLOT_STRIDE };
        file.file.write_all_at(&[0xff], newest + 20).unwrap();
        assert_eq!(SlotFile::open(&path).unwrap().1, Found::Value(payload(1)));
        file.file.write_all_at(&[0xff], (SLOT_STRIDE - newest) + 20).unwrap();
        assert_eq!(SlotFile::open(&path).unwrap().1, Found::Damaged);
    }
}
