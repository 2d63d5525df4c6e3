//! Secrets at rest, under a password.
//!
//! - [`seed_file`]: the phrase of this node, in an authenticated envelope of our own (ADR 0006).
//! - [`web3`]: one account, in the Web3 Secret Storage format that every Ethereum tool reads.
//! - [`kdf`]: how a password becomes a key. [`file`]: how a file is written so that no crash loses it.

pub mod file;
pub mod kdf;
pub mod seed_file;
pub mod web3;

use std::path::PathBuf;

use lockstep_core::error::ErrorClass;

use crate::phrase::PhraseError;
use crate::secret::EntropyError;

pub use file::MAX_FILE_BYTES;
pub use kdf::ScryptCost;

/// Why a key file could not be written or opened. No variant holds a key, a password or a word of a phrase.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The operating system refused to read or write.
    #[error("can't {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is there already; a seed is never written over.
    #[error("{} exists already and is not replaced", path.display())]
    Exists {
        /// The file that stays as it is.
        path: PathBuf,
    },
    /// Others on this machine can read the file.
    #[error("{} has mode {mode:o}; others can read it: chmod 600", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a key file.
    #[error("{} is no regular file of at most {MAX_FILE_BYTES} bytes", path.display())]
    NotAKeyFile {
        /// The file.
        path: PathBuf,
    },
    /// The JSON is not that of a key file.
    #[error("malformed key file at line {line}, column {column}")]
    Malformed {
        /// Counted from 1; 0 when the JSON is fine but a field is not.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// A field is not hex of its length, or not a number in its range.
    #[error("the field {field} of the key file is out of range")]
    Field {
        /// Its name in the file.
        field: &'static str,
    },
    /// A version, cipher or key stretching that we do not know.
    #[error("the {field} of the key file is not one that we support")]
    Unsupported {
        /// Its name in the file.
        field: &'static str,
    },
    /// The password does not open it. A file that was changed looks the same: that is what authentication means.
    #[error("wrong password, or the key file was changed")]
    WrongPassword,
    /// The key inside is not the one that the file's `address` names.
    #[error("the key file names another address than its key has")]
    AddressMismatch,
    /// A key file whose secret is no key of the curve.
    #[error("the key file holds no valid key")]
    InvalidKey,
    /// No random bytes for a salt or nonce.
    #[error(transparent)]
    Randomness(#[from] EntropyError),
    /// The entropy has no phrase.
    #[error(transparent)]
    Phrase(#[from] PhraseError),
}

impl KeystoreError {
    /// Nearly all of it is for the user to put right.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Io { .. }
            | Self::Exists { .. }
            | Self::OpenToOthers { .. }
            | Self::NotAKeyFile { .. }
            | Self::Malformed { .. }
            | Self::Field { .. }
            | Self::Unsupported { .. }
            | Self::WrongPassword
            | Self::AddressMismatch
            | Self::InvalidKey => ErrorClass::Refused,
            Self::Randomness(error) => error.class(),
            Self::Phrase(error) => error.class(),
        }
    }
}

impl From<serde_json::Error> for KeystoreError {
    // The library's own message quotes the text of the file; ours gives the place only.
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed { line: error.line(), column: error.column() }
    }
}

/// Hex of exactly `N` bytes.
pub(crate) fn hex_array<const N: usize>(
    field: &'static str,
    text: &str,
) -> Result<[u8; N], KeystoreError> {
    alloy_primitives::hex::decode_to_array(text).map_err(|_| KeystoreError::Field { field })
}
