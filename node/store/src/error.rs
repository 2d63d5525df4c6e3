//! What can go wrong, and what a caller does about it.

use std::{fmt, io, path::PathBuf};

use lockstep_core::error::ErrorClass;
use thiserror::Error;

use crate::{convert::Malformed, epoch::Evidence, table::Table};

/// Why a group was not made durable.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The group broke a rule of the store; nothing of it was written and the store goes on.
    #[error("refused")]
    Refused(#[from] Refusal),
    /// There is no room for the next group; nothing of it was written and the store goes on.
    #[error("no room on disk for the next group")]
    DiskFull(#[source] io::Error),
    /// A step towards durability failed; the store is poisoned.
    #[error("{step} failed")]
    Io {
        /// What was being done.
        step: Step,
        /// The system's error.
        source: io::Error,
    },
    /// The engine failed; the store is poisoned.
    #[error("{step} failed in the storage engine")]
    Engine {
        /// What was being done.
        step: Step,
        /// The engine's error.
        source: sled::Error,
    },
    /// Another process opened the journal after us; the store is poisoned.
    #[error("journal belongs to epoch {found} now, ours is {ours}")]
    Fenced {
        /// The epoch we opened.
        ours: u64,
        /// The epoch in the fence file; 0 if the file is damaged.
        found: u64,
    },
    /// An earlier error poisoned the store; nothing more is written until it is opened again.
    #[error("poisoned by an earlier error")]
    Poisoned,
    /// What was read does not make sense.
    #[error("damaged: {0}")]
    Damaged(#[from] Damage),
}

impl StoreError {
    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Refused(refusal) => refusal.class(),
            Self::DiskFull(_) => ErrorClass::Transient,
            Self::Io { .. }
            | Self::Engine { .. }
            | Self::Fenced { .. }
            | Self::Poisoned
            | Self::Damaged(_) => ErrorClass::Fatal,
        }
    }

    /// Whether nothing was written and the rest of a group may be tried without its culprit.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::DiskFull(_)
            | Self::Io { .. }
            | Self::Engine { .. }
            | Self::Fenced { .. }
            | Self::Poisoned
            | Self::Damaged(_) => false,
        }
    }
}

/// Why a group was refused before anything was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The version is bound to another digest already.
    #[error("version {version} is bound to another digest")]
    GuardConflict {
        /// The channel.
        channel: [u8; 32],
        /// The version.
        version: u64,
        /// What it is bound to.
        bound: [u8; 32],
        /// What was asked for.
        asked: [u8; 32],
    },
    /// A version at or above this one was bound before, and this one was not or is forgotten.
    #[error("version {version} is not above {highest}, the highest ever bound")]
    StaleVersion {
        /// The channel.
        channel: [u8; 32],
        /// The version.
        version: u64,
        /// The highest version that was ever bound.
        highest: u64,
    },
    /// A value is larger than the store takes.
    #[error("value of {len} bytes in {table:?} is too large")]
    ValueTooLarge {
        /// Where it was meant to go.
        table: Table,
        /// Its length in bytes.
        len: usize,
    },
    /// A key is longer than the store takes.
    #[error("key of {len} bytes in {table:?} is too long")]
    KeyTooLong {
        /// Where it was meant to go.
        table: Table,
        /// Its length in bytes.
        len: usize,
    },
    /// The group is larger than one transaction may be.
    #[error("group of {bytes} bytes in {rows} rows is too large")]
    GroupTooLarge {
        /// Its bytes.
        bytes: usize,
        /// Its rows.
        rows: usize,
    },
}

impl Refusal {
    /// What a caller does about it. A guard that says no means that something above it is wrong.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::GuardConflict { .. } | Self::StaleVersion { .. } => ErrorClass::Fatal,
            Self::ValueTooLarge { .. } | Self::KeyTooLong { .. } | Self::GroupTooLarge { .. } => {
                ErrorClass::Refused
            }
        }
    }
}

/// The steps of making a group durable, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reading the fence file.
    Fence,
    /// The transaction.
    Transaction,
    /// The engine's flush.
    Flush,
    /// `fdatasync`.
    Sync,
    /// Noting the sequence outside the engine.
    Witness,
    /// Reading rows.
    Read,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fence => "reading the fence",
            Self::Transaction => "writing the group",
            Self::Flush => "flushing the engine",
            Self::Sync => "syncing the database file",
            Self::Witness => "writing the witness",
            Self::Read => "reading",
        })
    }
}

/// Why a journal could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{path} is in use by process {owner:?}", path = path.display())]
    Locked {
        /// The data folder.
        path: PathBuf,
        /// The other process, if it left its id.
        owner: Option<u32>,
    },
    /// The system refused something.
    #[error("cannot prepare {path}", path = path.display())]
    Io {
        /// What was being prepared.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The engine cannot read its files.
    #[error("storage engine cannot open {path}", path = path.display())]
    Engine {
        /// The engine's folder.
        path: PathBuf,
        /// The engine's error.
        source: sled::Error,
    },
    /// The engine gave up in the middle of opening, as it does on some kinds of damage.
    #[error("storage engine broke down while opening {path}", path = path.display())]
    EngineBrokeDown {
        /// The engine's folder.
        path: PathBuf,
    },
    /// The database was written by a newer release.
    #[error("database has schema {found}, this release reads up to {supported}")]
    SchemaTooNew {
        /// The schema on disk.
        found: u32,
        /// The newest schema known here.
        supported: u32,
    },
    /// No migration leads from the schema on disk to ours.
    #[error("no migration from schema {found}")]
    NoMigration {
        /// The schema on disk.
        found: u32,
    },
    /// What is on disk is not what was last committed.
    #[error("database is damaged: {0}")]
    Damaged(#[from] Damage),
    /// Data that was once acknowledged is missing, or this is a copy.
    #[error("this is not the journal as it was left: {0}")]
    Loss(Evidence),
    /// Writing the first group of the new epoch failed.
    #[error("cannot begin a new epoch")]
    Begin(#[source] StoreError),
}

impl OpenError {
    /// What a caller does about it: nothing but an operator helps, except when another process is
    /// about to go.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Locked { .. } => ErrorClass::Transient,
            Self::SchemaTooNew { .. } | Self::NoMigration { .. } => ErrorClass::Refused,
            Self::Io { .. }
            | Self::Engine { .. }
            | Self::EngineBrokeDown { .. }
            | Self::Damaged(_)
            | Self::Loss(_)
            | Self::Begin(_) => ErrorClass::Fatal,
        }
    }
}

/// How a database differs from what was last committed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// There are rows and no head.
    #[error("rows without a head")]
    NoHead,
    /// The head cannot be read.
    #[error("unreadable head")]
    BadHead,
    /// The rows are not those that the head was committed with.
    #[error("rows do not add up to the checksum of sequence {sequence}")]
    Checksum {
        /// The sequence of the head.
        sequence: u64,
    },
    /// A row's key or count of parts makes no sense.
    #[error("damaged row in {table:?}")]
    Row {
        /// Where the row is.
        table: Table,
        /// Its key.
        key: Vec<u8>,
    },
    /// A channel's record does not pass its own checks.
    #[error("record of channel {channel:02x?} does not pass its checks")]
    Record {
        /// The channel.
        channel: [u8; 32],
        /// The field at fault, where one alone is.
        malformed: Option<Malformed>,
    },
    /// The witness or fence file is unreadable in both of its slots.
    #[error("side file is unreadable in both slots")]
    SideFile,
}
