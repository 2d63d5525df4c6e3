//! Marks in one append-only file: fixed records, each with a check over its place and content.
//!
//! ```text
//! header  16 bytes   "LSMARKS" 0x01, 8 zero bytes
//! record  88 bytes   channel id 32 | version 8 | digest 32 | records on disk 8 | check 8     (numbers big endian)
//! check              first 8 bytes of sha256(domain ‖ index of the record 8 ‖ the 80 bytes before)
//! domain             "lockstep/mark/v1" for the mark of a state, "lockstep/mark/v1/withdrawal" for a withdrawal's
//! ```
//! The index in the check keeps a record from being moved, doubled or left out unseen. "Records on disk" says how many
//! records were known to be flushed when this one was written: damage below the highest such number is a disk that
//! lost what it had promised, and the file is refused; damage above it is what a power cut leaves of records that
//! nobody was told about, and only the whole records of that stretch are kept (P50).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use alloy_primitives::B256;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{ChannelId, Digest, Version};
use sha2::{Digest as _, Sha256};

use super::book::{MarkBook, MarkRefusal};
use super::log::MarkLog;
use super::{Mark, Taker};

const MAGIC: [u8; HEADER_BYTES] = *b"LSMARKS\x01\0\0\0\0\0\0\0\0";
const HEADER_BYTES: usize = 16;
const BODY_BYTES: usize = 80;
const CHECK_BYTES: usize = 8;
const RECORD_BYTES: usize = BODY_BYTES + CHECK_BYTES;
/// Domain of a state's check, so that no other file's records pass for marks.
const STATE_DOMAIN: &[u8] = b"lockstep/mark/v1";
/// Domain of a withdrawal's check. A record thus says what it is of, and has the size that it always had.
const WITHDRAWAL_DOMAIN: &[u8] = b"lockstep/mark/v1/withdrawal";
/// Below this many records a file is never rewritten: 5.8 MB.
const SHED_FLOOR: u64 = 1 << 16;
/// A file is rewritten when less than one record in this many is of use.
const SHED_RATIO: u64 = 4;

/// Why marks can't be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum MarkFileError {
    /// The operating system refused.
    #[error("can't {action} the signer's marks at {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There are no marks. A new node makes the file once; an old node that lost it must not sign as if it were new.
    #[error("the signer's marks at {} are missing", path.display())]
    Missing {
        /// Where they should be.
        path: PathBuf,
    },
    /// A file is there already.
    #[error("the signer's marks at {} exist already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another process signs with these keys.
    #[error("the signer's marks at {} are in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Not a file of marks, or of a newer format.
    #[error("{} is no file of marks that this version can read", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// A record is damaged that the disk had promised to keep.
    #[error("record {index} of the signer's marks at {} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 0.
        index: u64,
    },
    /// Two records contradict each other.
    #[error("record {index} of the signer's marks at {} contradicts an earlier one", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// Counted from 0.
        index: u64,
        /// What is wrong with it.
        #[source]
        refusal: Box<MarkRefusal>,
    },
}

impl MarkFileError {
    /// A second process or a second creation is refused; anything else puts the promise of this file in doubt.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Exists { .. } | Self::InUse { .. } => ErrorClass::Refused,
            Self::Io { .. }
            | Self::Missing { .. }
            | Self::Format { .. }
            | Self::Damaged { .. }
            | Self::Contradiction { .. } => ErrorClass::Fatal,
        }
    }
}

/// How far an append reaches before it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// To the disk: one fdatasync per append. Marks survive a power cut.
    EveryAppend,
    /// To the operating system: marks survive the death of the process, and a power cut from the last
    /// [`MarkFile::sync`] back. The journal's own guard, which is on disk before any request gets here, covers the
    /// rest; only a power cut *and* an older journal put back at once would get past both.
    OnDemand,
}

/// The file of marks, held by one process at a time.
#[derive(Debug)]
pub struct MarkFile {
    path: PathBuf,
    file: File,
    policy: SyncPolicy,
    records: u64,
    /// How many of the records are known to be on disk.
    flushed: u64,
    /// From how many records on the file is written anew, if few of them are of use.
    shed_from: u64,
}

impl MarkFile {
    /// A new, empty file, made once in the life of a seed on this machine.
    ///
    /// # Errors
    /// [`MarkFileError::Exists`] when there is one.
    pub fn create(path: &Path, policy: SyncPolicy) -> Result<Self, MarkFileError> {
        let mut file = match options().create_new(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(MarkFileError::Exists { path: path.into() });
            }
            Err(error) => return Err(io_error("create", path)(error)),
        };
        lock(&file, path)?;
        file.write_all(&MAGIC).and_then(|()| file.sync_all()).map_err(io_error("write", path))?;
        sync_directory(path)?;
        Ok(Self { path: path.into(), file, policy, records: 0, flushed: 0, shed_from: SHED_FLOOR })
    }

    /// The file and all its marks.
    ///
    /// # Errors
    /// [`MarkFileError`]; a file with damage that no power cut explains is not opened.
    pub fn open(path: &Path, policy: SyncPolicy) -> Result<(Self, MarkBook), MarkFileError> {
        let mut file = match options().open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(MarkFileError::Missing { path: path.into() });
            }
            Err(error) => return Err(io_error("open", path)(error)),
        };
        lock(&file, path)?;
        still_at(&file, path)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(io_error("read", path))?;
        let Parsed { book, records, damage } = parse(&content, path)?;
        let mut marks = Self {
            path: path.into(),
            file,
            policy,
            records,
            flushed: records,
            shed_from: SHED_FLOOR,
        };
        match damage {
            // The last run may have ended between write and flush; what was read is relied on from here.
            Damage::None => marks.sync()?,
            Damage::Tail { whole } => marks.cut_tail(whole)?,
            Damage::Hole => marks.rewrite(&book)?,
        }
        Ok((marks, book))
    }

    /// The marks that [`MarkFile::open`] would take from this content; `path` is what an error names.
    ///
    /// # Errors
    /// [`MarkFileError`]; none of the operating system.
    pub fn read(content: &[u8], path: &Path) -> Result<MarkBook, MarkFileError> {
        Ok(parse(content, path)?.book)
    }

    /// Puts everything appended so far on the disk.
    ///
    /// # Errors
    /// [`MarkFileError::Io`]; then nothing more may be signed with this file.
    pub fn sync(&mut self) -> Result<(), MarkFileError> {
        self.file.sync_data().map_err(io_error("flush", &self.path))?;
        self.flushed = self.records;
        Ok(())
    }

    /// How many records the file has, of use or not.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Takes away a torn tail where it is: a full disk tears it, and must not keep the node from starting.
    fn cut_tail(&mut self, whole: u64) -> Result<(), MarkFileError> {
        let record = u64::try_from(RECORD_BYTES).unwrap_or(u64::MAX);
        let header = u64::try_from(HEADER_BYTES).unwrap_or(u64::MAX);
        let length = whole.saturating_mul(record).saturating_add(header);
        let cut = self.file.set_len(length).and_then(|()| self.file.seek(SeekFrom::Start(length)));
        cut.map_err(io_error("cut the torn tail of", &self.path))?;
        self.records = whole;
        self.sync()
    }

    /// Writes the live marks beside the file and takes its place in one step.
    fn rewrite(&mut self, live: &MarkBook) -> Result<(), MarkFileError> {
        let temporary = self.path.with_extension("new");
        let path = self.path.clone();
        let mut content = Vec::from(MAGIC);
        let mut records: u64 = 0;
        for mark in live.marks() {
            content.extend_from_slice(&encode(records, mark, 0));
            records = records.saturating_add(1);
        }
        let write = || -> std::io::Result<File> {
            // Left over from a crash before the rename: never read by anyone.
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let mut file = options().create_new(true).open(&temporary)?;
            file.write_all(&content)?;
            file.sync_all()?;
            Ok(file)
        };
        let file = write().map_err(io_error("rewrite", &path))?;
        // Locked before it has the name, so no other process finds it free.
        lock(&file, &path)?;
        fs::rename(&temporary, &path).map_err(io_error("replace", &path))?;
        self.file = file;
        self.records = records;
        self.flushed = records;
        sync_directory(&path)
    }
}

impl MarkLog for MarkFile {
    type Error = MarkFileError;

    fn append(&mut self, marks: &[Mark]) -> Result<(), MarkFileError> {
        if marks.is_empty() {
            return Ok(());
        }
        let mut content = Vec::with_capacity(marks.len().saturating_mul(RECORD_BYTES));
        let mut records = self.records;
        for mark in marks {
            content.extend_from_slice(&encode(records, *mark, self.flushed));
            records = records.saturating_add(1);
        }
        self.file.write_all(&content).map_err(io_error("add to", &self.path))?;
        self.records = records;
        match self.policy {
            SyncPolicy::EveryAppend => self.sync(),
            SyncPolicy::OnDemand => Ok(()),
        }
    }

    fn shed(&mut self, live: &MarkBook) -> Result<(), MarkFileError> {
        let live_records = u64::try_from(live.len()).unwrap_or(u64::MAX);
        let worth = live_records.saturating_mul(SHED_RATIO).max(self.shed_from);
        if self.records <= worth {
            return Ok(());
        }
        let before = self.file.metadata().map_err(io_error("look at", &self.path))?.ino();
        let Err(error) = self.rewrite(live) else {
            self.shed_from = SHED_FLOOR;
            return Ok(());
        };
        let now = fs::metadata(&self.path).map_err(io_error("look at", &self.path))?.ino();
        let own = self.file.metadata().map_err(io_error("look at", &self.path))?.ino();
        if (now, own) != (before, before) {
            return Err(error);
        }
        // The old file has its name still and every mark, it is only longer than it need be. A full disk is not asked
        // again with each mark.
        self.shed_from = self.records.saturating_add(SHED_FLOOR);
        Ok(())
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn io_error(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> MarkFileError + use<> {
    let path = PathBuf::from(path);
    move |source| MarkFileError::Io { action, path: path.clone(), source }
}

/// Held until the file is closed, by whatever end the process comes to.
fn lock(file: &File, path: &Path) -> Result<(), MarkFileError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(MarkFileError::InUse { path: path.into() }),
        Err(TryLockError::Error(error)) => Err(io_error("lock", path)(error)),
    }
}

/// Whoever holds the marks may have put a new file in place between our open and our lock; the old one guards nothing.
fn still_at(file: &File, path: &Path) -> Result<(), MarkFileError> {
    let ours = file.metadata().map_err(io_error("look at", path))?;
    let named = fs::metadata(path).map_err(io_error("look at", path))?;
    if (ours.dev(), ours.ino()) == (named.dev(), named.ino()) {
        Ok(())
    } else {
        Err(MarkFileError::InUse { path: path.into() })
    }
}

fn sync_directory(path: &Path) -> Result<(), MarkFileError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    File::open(directory).and_then(|d| d.sync_all()).map_err(io_error("flush the folder of", path))
}

fn encode(index: u64, mark: Mark, flushed: u64) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    let version = mark.version.0.to_be_bytes();
    let flushed = flushed.to_be_bytes();
    let body = mark.channel_id.0.iter().chain(&version).chain(mark.digest.0.iter()).chain(&flushed);
    for (to, from) in record.iter_mut().zip(body) {
        *to = *from;
    }
    let check = check_of(mark.taker, index, record.get(..BODY_BYTES).unwrap_or_default());
    for (to, from) in record.iter_mut().skip(BODY_BYTES).zip(check) {
        *to = from;
    }
    record
}

/// The mark and the number of records on disk when it was written; `None` when the check does not hold.
fn decode(index: u64, record: &[u8]) -> Option<(Mark, u64)> {
    let (body, check) = record.split_first_chunk::<BODY_BYTES>()?;
    let takers = [Taker::State, Taker::Withdrawal];
    let taker = takers.into_iter().find(|taker| check == check_of(*taker, index, body))?;
    let (channel_id, rest) = body.split_first_chunk::<32>()?;
    let (version, rest) = rest.split_first_chunk::<8>()?;
    let (digest, flushed) = rest.split_first_chunk::<32>()?;
    let mark = Mark {
        channel_id: ChannelId(B256::from(*channel_id)),
        version: Version(u64::from_be_bytes(*version)),
        digest: Digest(B256::from(*digest)),
        taker,
    };
    Some((mark, u64::from_be_bytes(*flushed.first_chunk()?)))
}

fn check_of(taker: Taker, index: u64, body: &[u8]) -> [u8; CHECK_BYTES] {
    let domain = match taker {
        Taker::State => STATE_DOMAIN,
        Taker::Withdrawal => WITHDRAWAL_DOMAIN,
    };
    let hash = Sha256::new()
        .chain_update(domain)
        .chain_update(index.to_be_bytes())
        .chain_update(body)
        .finalize();
    hash.first_chunk().copied().unwrap_or_default()
}

/// What a file says.
struct Parsed {
    book: MarkBook,
    /// Records in the file, whole or not.
    records: u64,
    damage: Damage,
}

/// What a power cut or a full disk left of records that nobody relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    None,
    /// After so many whole records nothing is whole.
    Tail {
        whole: u64,
    },
    /// A whole record follows a damaged one.
    Hole,
}

fn parse(content: &[u8], path: &Path) -> Result<Parsed, MarkFileError> {
    let Some(body) = content.strip_prefix(&MAGIC) else {
        return Err(MarkFileError::Format { path: path.into() });
    };
    let mut parsed = Parsed { book: MarkBook::default(), records: 0, damage: Damage::None };
    let mut promised: u64 = 0;
    let mut first_damaged = None;
    for record in body.chunks(RECORD_BYTES) {
        let index = parsed.records;
        parsed.records = index.saturating_add(1);
        match decode(index, record) {
            Some((mark, flushed)) => {
                promised = promised.max(flushed);
                parsed.book.raise(mark).map_err(|refusal| MarkFileError::Contradiction {
                    path: path.into(),
                    index,
                    refusal: Box::new(refusal),
                })?;
                if first_damaged.is_some() {
                    parsed.damage = Damage::Hole;
                }
            }
            None if first_damaged.is_none() => {
                first_damaged = Some(index);
                parsed.damage = Damage::Tail { whole: index };
            }
            None => {}
        }
    }
    match first_damaged {
        Some(index) if index < promised => Err(MarkFileError::Damaged { path: path.into(), index }),
        Some(_) | None => Ok(parsed),
    }
}

#[cfg(test)]
mod tests;
