//! Token files: one line each, for their owner's eyes only.

use super::TokenError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const EXTENSION: &str = "token";
const MAX_NAME: usize = 32;
/// The longest token is one with the largest limit in a token of StarkNet: about 230 bytes.
const MAX_BYTES: u64 = 512;
const OWNER_ONLY: u32 = 0o600;
const OWNER_ONLY_FOLDER: u32 = 0o700;
const OTHERS: u32 = 0o077;

/// Whether this may be a token's name. It becomes a file name, so nothing else is in it.
pub(super) fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

pub(super) fn path_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).with_extension(EXTENSION)
}

pub(super) fn create_folder(folder: &Path) -> Result<(), TokenError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(OWNER_ONLY_FOLDER)
        .create(folder)
        .map_err(failed(folder))
}

/// Names and paths of all token files.
pub(super) fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>, TokenError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let is_token = path.extension().is_some_and(|extension| extension == EXTENSION);
        let name = path.file_stem().and_then(|stem| stem.to_str()).filter(|name| is_name(name));
        if let (true, Some(name)) = (is_token, name) {
            found.push((name.to_owned(), path.clone()));
        }
    }
    found.sort();
    Ok(found)
}

/// The line in a file that nobody else can read.
pub(super) fn read(path: &Path) -> Result<String, TokenError> {
    let file = File::open(path).map_err(failed(path))?;
    let mode = file.metadata().map_err(failed(path))?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(TokenError::Exposed { path: path.to_owned(), mode: mode & 0o777 });
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(failed(path))?;
    Ok(text.trim_end().to_owned())
}

/// Writes a new file, durably.
pub(super) fn write(path: &Path, text: &str) -> Result<(), TokenError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(path)
        .map_err(failed(path))?;
    writeln!(file, "{text}").and_then(|()| file.sync_all()).map_err(failed(path))
}

pub(super) fn remove(path: &Path) -> Result<(), TokenError> {
    fs::remove_file(path).map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> TokenError {
    move |error| TokenError::File { path: path.to_owned(), kind: error.kind() }
}
