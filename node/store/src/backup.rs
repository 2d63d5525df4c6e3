//! Encrypted backups. They are only ever used to close: importing one marks every channel.
//!
//! A backup holds every row but the head and the epochs, which belong to one life of one journal.
//! It is cut into sealed frames, so that neither a frame nor the end can be left out, swapped or
//! changed without being noticed.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use lockstep_core::error::ErrorClass;
use lockstep_proto::v1;
use prost::Message;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    disk,
    engine::{Engine, Row},
    error::{OpenError, Refusal, StoreError},
    history,
    journal::DiskJournal,
    open::{self, Options, Provenance},
    table::Table,
    write_set::{SOFT_GROUP_BYTES, WriteSet},
};

/// First bytes of a backup file; the last two are the version of the format.
const MAGIC: [u8; 8] = *b"LKSTBK\x00\x01";

/// Rows of a frame grow to this size before it is sealed.
///
/// Units: bytes.
const FRAME_BYTES: usize = 128 * 1024;

/// A sealed frame is never longer, checked before it is read.
///
/// Units: bytes. A frame of one largest row and its wrapping.
const MAX_SEALED_BYTES: usize = 256 * 1024;

/// Bytes of the random part of each nonce.
const NONCE_PREFIX: usize = 16;

/// The key that backups are sealed with, derived from the seed.
pub struct BackupKey(Zeroizing<[u8; 32]>);

impl BackupKey {
    /// A key from its bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl std::fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BackupKey(..)")
    }
}

/// Why a backup could not be written or read.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The file could not be written or read.
    #[error("backup file")]
    Io(#[from] io::Error),
    /// The journal could not be read or written.
    #[error("journal")]
    Store(#[from] StoreError),
    /// The journal could not be opened.
    #[error("journal cannot be opened")]
    Open(#[from] OpenError),
    /// The file is not a backup, or of a newer format.
    #[error("not a backup that this release reads")]
    NotABackup,
    /// The key is wrong, or the file was changed or cut off.
    #[error("frame {frame} does not open with this key")]
    Sealed {
        /// Which frame, from 0.
        frame: u64,
    },
    /// A frame opened, and its content makes no sense.
    #[error("frame {frame} holds no rows")]
    Content {
        /// Which frame, from 0.
        frame: u64,
    },
    /// There is a journal already; a backup is imported into an empty folder only.
    #[error("folder holds a journal")]
    NotEmpty,
    /// The cipher did not work, which it always does.
    #[error("cipher failed")]
    Cipher,
    /// The system gave no randomness.
    #[error("no randomness")]
    NoRandomness,
    /// The rows are of another schema.
    #[error("backup has schema {found}, this release reads {supported}")]
    Schema {
        /// The schema of the rows.
        found: u32,
        /// The schema of this release.
        supported: u32,
    },
}

impl BackupError {
    /// What a caller does about it: the running journal is never at risk.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Io(_) | Self::NoRandomness => ErrorClass::Transient,
            Self::Store(error) => error.class(),
            Self::Open(error) => error.class(),
            Self::NotABackup
            | Self::Sealed { .. }
            | Self::Content { .. }
            | Self::NotEmpty
            | Self::Cipher
            | Self::Schema { .. } => ErrorClass::Refused,
        }
    }
}

impl From<Refusal> for BackupError {
    fn from(refusal: Refusal) -> Self {
        Self::Store(refusal.into())
    }
}

/// Writes a backup of everything that is durable now.
///
/// The file appears under its name only when it is whole and synced.
///
/// # Errors
/// [`BackupError`]; then there is no new file.
pub fn export(engine: &Engine, key: &BackupKey, path: &Path) -> Result<(), BackupError> {
    let partial = path.with_extension("partial");
    let file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    let mut writer = Sealer::begin(BufWriter::new(file), key)?;
    let mut frame = v1::BackupFrame { schema: crate::SCHEMA_VERSION, ..Default::default() };
    let mut bytes = 0_usize;
    for table in Table::ALL.into_iter().filter(|table| table.is_in_backup()) {
        for (key, value) in engine.scan(table, &[])? {
            let size = key.len().saturating_add(value.len());
            if bytes.saturating_add(size) > FRAME_BYTES {
                writer.seal(&frame, false)?;
                frame.rows.clear();
                bytes = 0;
            }
            bytes = bytes.saturating_add(size);
            frame.rows.push(v1::BackupRow { table: table.tag().into(), key, value });
        }
    }
    writer.seal(&frame, true)?;
    let file = writer.out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    disk::sync_parent(path)?;
    Ok(())
}

/// Makes a journal in the empty folder `dir` from a backup. Every channel in it is marked as
/// restored: it signs final states only.
///
/// # Errors
/// [`BackupError`]; then there is no journal in `dir`.
pub fn import(
    dir: &Path,
    options: &Options,
    key: &BackupKey,
    path: &Path,
) -> Result<DiskJournal, BackupError> {
    if dir.exists() && std::fs::read_dir(dir)?.next().is_some() {
        return Err(BackupError::NotEmpty);
    }
    // Built beside the folder and moved into its place when every channel is marked: a journal that
    // was cut off on the way can never pass for a whole one.
    let staging = dir.with_extension("importing");
    if staging.exists() {
        std::fs::remove_dir_all(&staging)?;
    }
    let aside = Options { anchor: None, ..options.clone() };
    fill(&staging, &aside, key, path)?;
    let restored = Options { provenance: Provenance::Restored, ..aside };
    drop(DiskJournal::open(&staging, &restored)?);
    if dir.exists() {
        std::fs::remove_dir(dir)?;
    }
    std::fs::rename(&staging, dir)?;
    disk::sync_parent(dir)?;
    let restored = Options { anchor: options.anchor.clone(), ..restored };
    // Its channels are marked already. Marked again they would be raised again, and their final states
    // would be further ahead than a peer accepts.
    Ok(DiskJournal::over(open::open(dir, &restored)?.engine))
}

/// Writes all rows of a backup into a new database.
fn fill(dir: &Path, options: &Options, key: &BackupKey, path: &Path) -> Result<(), BackupError> {
    let mut engine = open::open(dir, options)?.engine;
    let mut set = WriteSet::default();
    let mut newest = 0;
    for rows in Opener::begin(path, key)? {
        for (table, (key, value)) in rows? {
            if table == Table::History {
                newest = newest.max(history::group_of(&key).unwrap_or_default());
            }
            set.put(table, key, value)?;
            if set.size() > SOFT_GROUP_BYTES / 2 {
                engine.write(&std::mem::take(&mut set))?;
            }
        }
    }
    // A step of this life must not take the name of one of the life before.
    engine.write_above(&set, newest)?;
    Ok(())
}

/// Seals frames one after the other.
struct Sealer<W> {
    out: W,
    cipher: XChaCha20Poly1305,
    prefix: [u8; NONCE_PREFIX],
    frame: u64,
}

impl<W: Write> Sealer<W> {
    fn begin(mut out: W, key: &BackupKey) -> Result<Self, BackupError> {
        let mut prefix = [0; NONCE_PREFIX];
        getrandom::fill(&mut prefix).map_err(|_| BackupError::NoRandomness)?;
        out.write_all(&MAGIC)?;
        out.write_all(&prefix)?;
        Ok(Self { out, cipher: cipher(key), prefix, frame: 0 })
    }

    fn seal(&mut self, frame: &v1::BackupFrame, is_last: bool) -> Result<(), BackupError> {
        let plain = Zeroizing::new(frame.encode_to_vec());
        let payload = Payload { msg: &plain, aad: &associated(is_last) };
        let nonce = nonce(&self.prefix, self.frame);
        let sealed = self.cipher.encrypt(&nonce, payload).map_err(|_| BackupError::Cipher)?;
        let len = u32::try_from(sealed.len()).map_err(|_| BackupError::Cipher)?;
        self.out.write_all(&[u8::from(is_last)])?;
        self.out.write_all(&len.to_be_bytes())?;
        self.out.write_all(&sealed)?;
        self.frame = self.frame.saturating_add(1);
        Ok(())
    }
}

/// Opens frames one after the other.
struct Opener {
    input: BufReader<File>,
    cipher: XChaCha20Poly1305,
    prefix: [u8; NONCE_PREFIX],
    frame: u64,
    is_over: bool,
}

/// The rows of one frame.
type FrameRows = Vec<(Table, Row)>;

impl Opener {
    fn begin(path: &Path, key: &BackupKey) -> Result<Self, BackupError> {
        let mut input = BufReader::new(File::open(path)?);
        let mut magic = [0; MAGIC.len()];
        let mut prefix = [0; NONCE_PREFIX];
        input.read_exact(&mut magic).map_err(|_| BackupError::NotABackup)?;
        if magic != MAGIC {
            return Err(BackupError::NotABackup);
        }
        input.read_exact(&mut prefix).map_err(|_| BackupError::NotABackup)?;
        Ok(Self { input, cipher: cipher(key), prefix, frame: 0, is_over: false })
    }

    fn open_next(&mut self) -> Result<FrameRows, BackupError> {
        let frame = self.frame;
        let sealed_error = |_| BackupError::Sealed { frame };
        let mut head = [0; 5];
        self.input.read_exact(&mut head).map_err(sealed_error)?;
        let [last, len @ ..] = head;
        let is_last = last != 0;
        let len = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if len > MAX_SEALED_BYTES {
            return Err(BackupError::Sealed { frame });
        }
        let mut sealed = vec![0; len];
        self.input.read_exact(&mut sealed).map_err(sealed_error)?;
        let payload = Payload { msg: &sealed, aad: &associated(is_last) };
        let plain = self.cipher.decrypt(&nonce(&self.prefix, frame), payload);
        let plain = Zeroizing::new(plain.map_err(|_| BackupError::Sealed { frame })?);
        self.frame = frame.saturating_add(1);
        self.is_over = is_last;
        if is_last && self.input.read(&mut [0])? != 0 {
            return Err(BackupError::Sealed { frame: self.frame });
        }
        rows_of(&plain, frame)
    }
}

impl Iterator for Opener {
    type Item = Result<FrameRows, BackupError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let rows = self.open_next();
        self.is_over |= rows.is_err();
        Some(rows)
    }
}

fn rows_of(plain: &[u8], frame: u64) -> Result<FrameRows, BackupError> {
    let content = || BackupError::Content { frame };
    let decoded = v1::BackupFrame::decode(plain).map_err(|_| content())?;
    if decoded.schema != crate::SCHEMA_VERSION {
        let supported = crate::SCHEMA_VERSION;
        return Err(BackupError::Schema { found: decoded.schema, supported });
    }
    decoded
        .rows
        .into_iter()
        .map(|row| {
            let tag = u8::try_from(row.table).map_err(|_| content())?;
            let table = Table::from_tag(tag).filter(|table| table.is_in_backup());
            Ok((table.ok_or_else(content)?, (row.key, row.value)))
        })
        .collect()
}

fn cipher(key: &BackupKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*key.0).into())
}

/// Random per file and counted per frame, so that no nonce comes twice and no frame moves.
fn nonce(prefix: &[u8; NONCE_PREFIX], frame: u64) -> XNonce {
    let mut nonce = [0; NONCE_PREFIX + 8];
    let bytes = prefix.iter().copied().chain(frame.to_be_bytes());
    nonce.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    XNonce::from(nonce)
}

/// What is sealed along with a frame: the format, and whether it is the last.
fn associated(is_last: bool) -> [u8; 9] {
    let mut associated = [0; 9];
    let bytes = MAGIC.into_iter().chain([u8::from(is_last)]);
    associated.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    associated
}
