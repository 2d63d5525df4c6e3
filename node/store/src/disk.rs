//! Power-loss durability of the database file: the part that the engine underneath does not do.
//!
//! The engine's own flush ends in `sync_file_range`, which writes neither the file's length and
//! extents nor the drive's cache. A handle of our own on the same file, and `fdatasync` through it,
//! does both. Space is reserved before a group is written, because a disk that fills up in the
//! middle of a group could leave half of it behind.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use rustix::{
    fs::{Advice, FallocateFlags},
    io::Errno,
};

/// Name of the engine's log inside its folder.
const DATABASE_FILE: &str = "db";

/// Room that must be free before a group is written.
///
/// Units: bytes. Four segments: a group of the largest size, with every page it touches rewritten,
/// crosses at most two segment borders.
const RESERVE_LOW_BYTES: u64 = 2 * 1024 * 1024;

/// Room that is reserved when less than the low mark is left.
///
/// Units: bytes. Large enough to make reserving rare, small enough to be no burden on a small disk.
const RESERVE_HIGH_BYTES: u64 = 8 * 1024 * 1024;

/// What the store asks of the disk for each group.
pub trait Disk: Send {
    /// Makes sure that the next group fits, before any of it is written.
    ///
    /// # Errors
    /// The system's error; nothing was written, so a later attempt may succeed.
    fn reserve(&mut self) -> io::Result<()>;

    /// Returns once everything written so far survives a power cut.
    ///
    /// # Errors
    /// The system's error; what was written since the last success may be lost.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// The real disk: our own handle on the engine's log.
#[derive(Debug)]
pub struct DatabaseFile {
    file: File,
    /// Blocks are allocated up to here, beyond the end of the file.
    reserved_through: u64,
}

impl DatabaseFile {
    /// Opens a second handle on the log of an engine that is open in `dir`, and makes the log, its
    /// side files and the folder entries durable.
    pub(crate) fn attach(dir: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(dir.join(DATABASE_FILE))?;
        for entry in std::fs::read_dir(dir)? {
            File::open(entry?.path())?.sync_all()?;
        }
        sync_folder(dir)?;
        Ok(Self { file, reserved_through: 0 })
    }

    /// Which file this is.
    pub(crate) fn identity(&self) -> io::Result<FileIdentity> {
        let metadata = self.file.metadata()?;
        let birth = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let birth_nanos = birth.and_then(|birth| u64::try_from(birth.as_nanos()).ok());
        Ok(FileIdentity { inode: metadata.ino(), birth_nanos: birth_nanos.unwrap_or(0) })
    }
}

/// Tells a file from its copies. An inode alone may be used again once the old file is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    pub(crate) inode: u64,
    /// When the file was created; 0 where the file system does not know.
    pub(crate) birth_nanos: u64,
}

impl FileIdentity {
    /// Whether the two are certainly different files.
    pub(crate) fn differs_from(self, other: Self) -> bool {
        let both_know = self.birth_nanos != 0 && other.birth_nanos != 0;
        self.inode != other.inode || (both_know && self.birth_nanos != other.birth_nanos)
    }
}

impl Disk for DatabaseFile {
    fn reserve(&mut self) -> io::Result<()> {
        let len = self.file.metadata()?.len();
        if len.saturating_add(RESERVE_LOW_BYTES) <= self.reserved_through {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, len, RESERVE_HIGH_BYTES)
        {
            Ok(()) => {}
            // A file system without allocation: the best that can be had is to look at the space.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => check_free_space(&self.file)?,
            Err(error) => return Err(error.into()),
        }
        self.reserved_through = len.saturating_add(RESERVE_HIGH_BYTES);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn check_free_space(file: &File) -> io::Result<()> {
    let stat = rustix::fs::fstatvfs(file)?;
    if stat.f_bavail.saturating_mul(stat.f_frsize) < RESERVE_HIGH_BYTES {
        return Err(Errno::NOSPC.into());
    }
    Ok(())
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes the folder's own entry durable, if it has a parent that can be opened.
pub(crate) fn sync_parent(dir: &Path) -> io::Result<()> {
    let absolute: PathBuf = std::path::absolute(dir)?;
    match absolute.parent() {
        Some(parent) => sync_folder(parent),
        None => Ok(()),
    }
}

/// Whether the engine has a log in `dir`.
pub(crate) fn has_database(dir: &Path) -> bool {
    dir.join(DATABASE_FILE).exists()
}

/// Makes the next reads of the log come from the disk and not from memory.
///
/// After an `fdatasync` that failed, the system may keep the lost bytes in memory marked as written.
/// An engine opened on them would take for durable what is not.
pub(crate) fn forget_cached_pages(dir: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(dir.join(DATABASE_FILE))?;
    file.sync_all()?;
    match rustix::fs::fadvise(&file, 0, None, Advice::DontNeed) {
        // Without the call, or on a file system in memory, there is nothing to forget.
        Ok(()) | Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::SPIPE) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
