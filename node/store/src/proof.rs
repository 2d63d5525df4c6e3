//! Evidence files: everything that anybody needs to bring a channel's newest state to the chain,
//! without our software.
//!
//! The file is JSON. It holds the terms, the state, its locks and both signatures, and the calls
//! that the contract takes, ready to be sent from any account that pays the gas. [`equivocation`] is the
//! other file: what proves to anybody that a counterparty signed two states of one version.

mod calls;
pub mod equivocation;
mod text;

use std::{fs, io, path::Path};

use lockstep_core::{
    digest::SigningDomain,
    error::ErrorClass,
    ids::{Domain, Side},
    lock::{MAX_LOCKS, locked_sums, locks_root},
    message::SignedState,
    signature::{SignatureError, SignerKey},
    terms::Terms,
};
use thiserror::Error;

use crate::disk;

/// Largest file that is read back.
///
/// Units: bytes. 32 locks and the calls take about 12 KiB.
pub const MAX_PROOF_BYTES: u64 = 64 * 1024;

/// A channel's newest state with everything that proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    domain: Domain,
    terms: Terms,
    signed: SignedState,
}

/// Why evidence is none.
#[derive(Debug, Error)]
pub enum ProofError {
    /// The file could not be written or read.
    #[error("evidence file")]
    Io(#[from] io::Error),
    /// The file is too large to be one of ours.
    #[error("file of {len} bytes is too large")]
    TooLarge {
        /// Its length in bytes.
        len: u64,
    },
    /// The file is not JSON of our form.
    #[error("not an evidence file")]
    NotEvidence(#[source] serde_json::Error),
    /// The file is of a format that this release does not know.
    #[error("unknown format")]
    UnknownFormat,
    /// A field does not hold what it should.
    #[error("{field} does not hold what it should")]
    Field {
        /// Which.
        field: &'static str,
    },
    /// The state is not one of this channel, or its locks are not those it was signed with.
    #[error("state, locks and terms do not belong together")]
    Mismatch,
    /// They are not two different states of one version of this channel.
    #[error("the two states are not different ones of one version of this channel")]
    NoEquivocation,
    /// A signature does not hold.
    #[error("signature {} does not hold", .side.number())]
    Signature {
        /// Whose.
        side: Side,
        /// In what way.
        source: SignatureError,
    },
}

impl ProofError {
    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Io(_) => ErrorClass::Transient,
            Self::TooLarge { .. }
            | Self::NotEvidence(_)
            | Self::UnknownFormat
            | Self::Field { .. }
            | Self::Mismatch
            | Self::NoEquivocation
            | Self::Signature { .. } => ErrorClass::Refused,
        }
    }
}

/// Writes a file that is there whole and for good once this returns, in a folder that is made if it is not there.
///
/// # Errors
/// When the disk says no. A file of that name is as it was then.
pub fn keep(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        match fs::create_dir(folder) {
            // Another file's writer was faster.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        disk::sync_parent(folder)?;
    }
    let partial = path.with_extension("partial");
    fs::write(&partial, text)?;
    fs::File::open(&partial)?.sync_all()?;
    fs::rename(&partial, path)?;
    disk::sync_parent(path)
}

impl Proof {
    /// Evidence that holds: state, locks and terms belong together, and both sides have signed.
    ///
    /// # Errors
    /// [`ProofError`] at the first thing that does not hold.
    pub fn new(domain: Domain, terms: Terms, signed: SignedState) -> Result<Self, ProofError> {
        let SignedState { state, locks, .. } = &signed;
        let sums = locked_sums(locks).map_err(|_| ProofError::Mismatch)?;
        let belongs = state.channel_id == terms.channel_id(domain)
            && locks.len() <= MAX_LOCKS
            && locks_root(locks) == state.locks_root
            && sums == (state.locked1, state.locked2);
        if !belongs {
            return Err(ProofError::Mismatch);
        }
        let digest = SigningDomain::new(domain).state(state);
        let halves = [(Side::One, signed.signature1), (Side::Two, signed.signature2)];
        for (side, signature) in halves {
            SignerKey::recover(digest, signature, terms.signer(side))
                .map_err(|source| ProofError::Signature { side, source })?;
        }
        Ok(Self { domain, terms, signed })
    }

    /// Chain and contract.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The channel's terms.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The state, its locks and both signatures.
    pub fn signed(&self) -> &SignedState {
        &self.signed
    }

    /// The content of an evidence file.
    ///
    /// # Errors
    /// Never for evidence that holds; the signature is that of the encoder.
    pub fn to_json(&self) -> Result<String, ProofError> {
        let file = text::File::of(self);
        serde_json::to_string_pretty(&file).map_err(ProofError::NotEvidence)
    }

    /// Evidence from the content of a file. The calls in it are not looked at.
    ///
    /// # Errors
    /// [`ProofError`] at the first thing that does not hold.
    pub fn from_json(json: &str) -> Result<Self, ProofError> {
        let file: text::File = serde_json::from_str(json).map_err(ProofError::NotEvidence)?;
        file.proof()
    }

    /// Writes an evidence file, in a folder of its own if need be. It appears under its name only when it is whole
    /// and synced.
    ///
    /// # Errors
    /// [`ProofError::Io`].
    pub fn export(&self, path: &Path) -> Result<(), ProofError> {
        Ok(keep(path, &self.to_json()?)?)
    }

    /// Reads an evidence file.
    ///
    /// # Errors
    /// [`ProofError`] at the first thing that does not hold.
    pub fn import(path: &Path) -> Result<Self, ProofError> {
        Self::from_json(&read(path)?)
    }
}

/// The text of a file that is not too large to be one of ours.
///
/// # Errors
/// [`ProofError::Io`] and [`ProofError::TooLarge`].
pub fn read(path: &Path) -> Result<String, ProofError> {
    let len = fs::metadata(path)?.len();
    if len > MAX_PROOF_BYTES {
        return Err(ProofError::TooLarge { len });
    }
    Ok(fs::read_to_string(path)?)
}
