//! A small secret file: mode 0600 from its first byte, complete or absent after any crash.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use alloy_primitives::hex;
use zeroize::Zeroizing;

use super::KeystoreError;
use crate::secret::random_bytes;

/// Units: bytes. A key file has under 1 KiB; anything much larger is not one and is not read to memory.
pub const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Read and write for the owner alone.
const OWNER_ONLY: u32 = 0o600;

/// What to do when the name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Fail and leave the file as it is.
    Keep,
    /// Put the new content in its place in one step.
    Replace,
}

/// Writes `content`: to a temporary name, flushed, then under its own name, then the directory is flushed.
///
/// # Errors
/// [`KeystoreError::Exists`] or [`KeystoreError::Io`]; the old file, if any, is whole in both cases.
pub(crate) fn write_secret(
    path: &Path,
    content: &[u8],
    existing: Existing,
) -> Result<(), KeystoreError> {
    let io = |action| io_error(action, path);
    let directory = directory_of(path);
    fs::create_dir_all(directory).map_err(io("create the folder of"))?;
    let temporary = temporary_name(path)?;
    let written = write_new(&temporary, content)
        .map_err(io("write"))
        .and_then(|()| publish(&temporary, path, existing));
    // After a rename the temporary name is gone already; a leftover holds only ciphertext.
    let cleared = match fs::remove_file(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io("remove the temporary copy of")(error))
        }
        Ok(()) | Err(_) => Ok(()),
    };
    written?;
    cleared?;
    File::open(directory).and_then(|d| d.sync_all()).map_err(io("flush the folder of"))
}

/// Reads a secret file that only its owner can read.
///
/// # Errors
/// [`KeystoreError::Io`], [`KeystoreError::NotAKeyFile`] or [`KeystoreError::OpenToOthers`].
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
    let io = |action| io_error(action, path);
    let file = File::open(path).map_err(io("open"))?;
    let metadata = file.metadata().map_err(io("look at"))?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        return Err(KeystoreError::NotAKeyFile { path: path.into() });
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & !OWNER_ONLY != 0 {
        return Err(KeystoreError::OpenToOthers { path: path.into(), mode });
    }
    let mut content = Zeroizing::new(Vec::new());
    // The file can grow after the check above, so the read is bounded too.
    file.take(MAX_FILE_BYTES).read_to_end(&mut content).map_err(io("read"))?;
    Ok(content)
}

fn io_error(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> KeystoreError + use<> {
    let path = PathBuf::from(path);
    move |source| KeystoreError::Io { action, path: path.clone(), source }
}

/// The folder that holds `path`; `Path::parent` of a bare name is empty, which no call accepts.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

fn temporary_name(path: &Path) -> Result<PathBuf, KeystoreError> {
    let suffix = hex::encode(*random_bytes::<8>()?);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{suffix}.tmp"));
    Ok(directory_of(path).join(name))
}

fn write_new(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn publish(temporary: &Path, path: &Path, existing: Existing) -> Result<(), KeystoreError> {
    match existing {
        // A hard link, unlike a rename, fails when the name is taken: there is no window between look and write.
        Existing::Keep => fs::hard_link(temporary, path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                KeystoreError::Exists { path: path.into() }
            } else {
                io_error("create", path)(error)
            }
        }),
        Existing::Replace => fs::rename(temporary, path).map_err(io_error("replace", path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_the_owners_alone_and_leaves_no_temporary_copy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/seed.json");
        write_secret(&path, b"one", Existing::Keep).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert_eq!(read_secret(&path).unwrap().as_slice(), b"one");
    }

    #[test]
    fn an_existing_file_is_kept_unless_replacing_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed.json");
        write_secret(&path, b"one", Existing::Keep).unwrap();
        let refused = write_secret(&path, b"two", Existing::Keep);
        assert!(matches!(refused, Err(KeystoreError::Exists { .. })));
        assert_eq!(read_secret(&path).unwrap().as_slice(), b"one");
        write_secret(&path, b"two", Existing::Replace).unwrap();
        assert_eq!(read_secret(&path).unwrap().as_slice(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn p54_a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed.json");
        write_secret(&path, b"one", Existing::Keep).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o700, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = read_secret(&path);
            assert!(matches!(refused, Err(KeystoreError::OpenToOthers { .. })), "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(read_secret(&path).is_ok());
    }

    #[test]
    fn a_folder_a_missing_file_and_a_huge_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read_secret(folder.path()), Err(KeystoreError::NotAKeyFile { .. })));
        assert!(matches!(read_secret(&folder.path().join("no")), Err(KeystoreError::Io { .. })));
        let path = folder.path().join("huge");
        let file = File::create(&path).unwrap();
        file.set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(read_secret(&path), Err(KeystoreError::NotAKeyFile { .. })));
    }
}
