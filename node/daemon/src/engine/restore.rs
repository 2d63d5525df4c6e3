//! A backup taken in, into a data folder without a journal; and where the journal of a data folder is.

use crate::config::Config;
use crate::keys::{self, KeysError};
use lockstep_core::error::ErrorClass;
use lockstep_signer::secret::Password;
use lockstep_store::backup::{self, BackupError, BackupKey};
use lockstep_store::open::{Options, Provenance};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a backup was not taken in.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

impl RestoreError {
    /// What the caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Keys(error) => error.class(),
            Self::Backup(error) => error.class(),
        }
    }
}

/// Where the journal of a data folder is.
#[must_use]
pub fn journal_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("journal")
}

/// The file beside the data folder that remembers how far the journal is, unless the operator named another.
#[must_use]
pub fn anchor_path(config: &Config, data_dir: &Path) -> PathBuf {
    config.journal.anchor.clone().unwrap_or_else(|| {
        let mut name = data_dir.file_name().unwrap_or_default().to_owned();
        name.push(".anchor");
        data_dir.with_file_name(name)
    })
}

/// Takes a backup in, into a data folder without a journal; the node must not run. Every channel in it only
/// closes from then on.
///
/// # Errors
/// [`RestoreError`]; the folder is then as it was.
pub fn restore_backup(
    config: &Config,
    data_dir: &Path,
    password: &Password,
    file: &Path,
) -> Result<usize, RestoreError> {
    let ring = keys::open_ring(data_dir, password, config.keys.allow_swap)?;
    let secret = ring.backup_secret().map_err(KeysError::from)?;
    if !keys::marks_path(data_dir).exists() {
        keys::create_marks(data_dir)?;
    }
    let options = Options {
        provenance: Provenance::Restored,
        anchor: Some(anchor_path(config, data_dir)),
        ..Options::default()
    };
    let key = BackupKey::new(*secret);
    let journal = backup::import(&journal_dir(data_dir), &options, &key, file)?;
    Ok(journal.channel_ids().map_err(BackupError::from)?.len())
}
