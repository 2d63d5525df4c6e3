//! One process at a time: an exclusive lock of the operating system on a file in the data folder.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Name of the lock file in the data folder.
pub(crate) const LOCK_FILE: &str = "LOCK";

/// The lock, held for as long as this value lives; the system drops it when the process dies.
#[derive(Debug)]
pub(crate) struct LockFile {
    _file: File,
}

/// Why the lock could not be had.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process holds it; its id, if it wrote one.
    Held(Option<u32>),
    /// The file could not be opened or locked.
    Io(io::Error),
}

impl LockFile {
    /// Takes the lock or says who has it; never waits.
    pub(crate) fn acquire(dir: &Path) -> Result<Self, LockError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(LOCK_FILE))
            .map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(read_owner(&mut file))),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        write_owner(&mut file).map_err(LockError::Io)?;
        Ok(Self { _file: file })
    }
}

/// The process id in the file, for the operator's eyes only.
fn read_owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_owner(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_has_the_lock_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let first = LockFile::acquire(dir.path()).unwrap();
        let owner = match LockFile::acquire(dir.path()) {
            Err(LockError::Held(owner)) => owner,
            other => panic!("{other:?}"),
        };
        assert_eq!(owner, Some(std::process::id()));
        drop(first);
        assert!(LockFile::acquire(dir.path()).is_ok());
    }
}
