//! Opening: who may, what is there, is it whole, is it the newest — and then a new epoch.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    checksum::Checksum,
    chunk::SEGMENT_BYTES,
    disk::{self, DatabaseFile, FileIdentity},
    engine::{self, Engine, Health},
    epoch::{Evidence, JournalHead, Mark},
    error::{Damage, OpenError, StoreError},
    head::{HEAD_KEY, Head},
    lock_file::{LockError, LockFile},
    schema::{self, Migration},
    slot_file::{Found, SlotFile},
    table::Table,
    write_set::WriteSet,
};

/// Folder of the engine inside the data folder.
const ENGINE_FOLDER: &str = "sled";

/// File that names the epoch which may write.
const FENCE_FILE: &str = "FENCE";

/// File that holds the last acknowledged sequence.
const WITNESS_FILE: &str = "WITNESS";

/// Epochs whose incarnation is remembered, to judge what peers have seen: years of restarts.
const MAX_EPOCHS: u64 = 4_096;

/// What the operator says about the data folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provenance {
    /// It is where it always was. Any sign of the contrary refuses to open.
    #[default]
    Untouched,
    /// It was moved to another disk, and the place it came from will never be opened again.
    Moved,
    /// It is a backup or a copy, whole or in part, or what could be saved of a damaged disk. Every
    /// channel in it signs nothing but final states from now on.
    Restored,
}

/// How to open a journal.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the operator says about the data folder.
    pub provenance: Provenance,
    /// A file outside of the data folder, not part of its backups, that remembers the newest epoch.
    pub anchor: Option<PathBuf>,
    /// Memory for the engine's page cache.
    ///
    /// Units: bytes.
    pub cache_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { provenance: Provenance::Untouched, anchor: None, cache_bytes: 256 * 1024 * 1024 }
    }
}

/// An opened engine, and the sign of loss that the operator vouched for, if there was one.
pub struct Opened {
    /// The engine, at the beginning of a new epoch.
    pub engine: Engine,
    /// Set when every channel must be marked as restored before anything else happens.
    pub restored: Option<Evidence>,
}

/// Opens or creates the database in `dir`.
///
/// # Errors
/// [`OpenError`]; the database is then as it was, but for an unfinished group that was cut off.
pub fn open(dir: &Path, options: &Options) -> Result<Opened, OpenError> {
    open_with(dir, options, schema::SCHEMA_VERSION, schema::MIGRATIONS)
}

pub(crate) fn open_with(
    dir: &Path,
    options: &Options,
    target_schema: u32,
    migrations: &[Migration],
) -> Result<Opened, OpenError> {
    let io = |source| OpenError::Io { path: dir.to_path_buf(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    let lock = acquire_lock(dir)?;
    let engine_dir = dir.join(ENGINE_FOLDER);
    if disk::has_database(&engine_dir) {
        disk::forget_cached_pages(&engine_dir).map_err(io)?;
    }
    let (db, trees) = open_engine(&engine_dir, options.cache_bytes)?;
    let found = Stored::read(&trees, &engine_dir)?;
    let steps = schema::path(found.schema.unwrap_or(target_schema), target_schema, migrations)?;

    let disk = DatabaseFile::attach(&engine_dir).map_err(io)?;
    let file = disk.identity().map_err(io)?;
    let (fence, fence_found) = SlotFile::open(&dir.join(FENCE_FILE)).map_err(io)?;
    let (witness, witness_found) = SlotFile::open(&dir.join(WITNESS_FILE)).map_err(io)?;
    let (mut anchor, anchor_found) = match &options.anchor {
        Some(path) => {
            let (file, found) = SlotFile::open(path).map_err(io)?;
            (Some(file), found)
        }
        None => (None, Found::Nothing),
    };
    let signs = Signs { fence: fence_found, anchor: anchor_found, witness: witness_found, file };
    let restored = judge(signs.find(&found), options.provenance)?;

    let last_epoch = found.head.journal.epoch.max(signs.newest_epoch());
    let journal = begin_epoch(&found.head.journal, last_epoch).map_err(io)?;
    let mut engine = Engine {
        head: Head { journal, ..found.head },
        health: Health::Sound,
        disk: Box::new(disk),
        fence,
        witness,
        trees,
        db,
        _lock: lock,
    };
    let claim = Mark {
        journal_id: journal.journal_id,
        incarnation: journal.incarnation,
        claimed: journal.epoch,
        opened: found.head.journal.epoch,
    };
    write_mark(&mut engine.fence, &claim).map_err(io)?;
    disk::sync_folder(dir).map_err(io)?;
    disk::sync_parent(dir).map_err(io)?;

    let set = first_group(&journal, found.schema.is_none().then_some(target_schema))
        .map_err(|refusal| OpenError::Begin(refusal.into()))?;
    let sequence = found.head.sequence.saturating_add(1);
    let next = Head { journal, sequence, file, checksum: found.head.checksum };
    engine.write_with_head(&set, next).map_err(OpenError::Begin)?;
    let opened = Mark { opened: journal.epoch, ..claim };
    write_mark(&mut engine.fence, &opened).map_err(io)?;
    engine.witness.sync().map_err(io)?;
    if let (Some(file), Some(path)) = (&mut anchor, &options.anchor) {
        write_mark(file, &opened).map_err(io)?;
        disk::sync_parent(path).map_err(io)?;
    }
    schema::migrate(&mut engine, &steps).map_err(OpenError::Begin)?;
    Ok(Opened { engine, restored })
}

fn acquire_lock(dir: &Path) -> Result<LockFile, OpenError> {
    LockFile::acquire(dir).map_err(|error| match error {
        LockError::Held(owner) => OpenError::Locked { path: dir.to_path_buf(), owner },
        LockError::Io(source) => OpenError::Io { path: dir.to_path_buf(), source },
    })
}

/// How often, and after what pause, an engine is opened again whose lock is being let go of.
const RETRIES: u32 = 50;
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Opens the engine and all trees. On some kinds of damage the engine panics; that is caught here,
/// because a broken file must not take down a process that has other things to watch.
fn open_engine(dir: &Path, cache_bytes: u64) -> Result<(sled::Db, Vec<sled::Tree>), OpenError> {
    let open = || {
        let db = sled::Config::new()
            .path(dir)
            .cache_capacity(cache_bytes)
            .segment_size(SEGMENT_BYTES)
            .mode(sled::Mode::LowSpace)
            // Nothing is written behind our back: each group is flushed and synced by itself.
            .flush_every_ms(None)
            .open()?;
        let trees: Result<Vec<_>, sled::Error> =
            Table::ALL.into_iter().map(|table| db.open_tree(table.name())).collect();
        Ok((db, trees?))
    };
    let path = || dir.to_path_buf();
    let mut opened = catch_unwind(AssertUnwindSafe(open));
    // The folder is locked by us already. What may still hold the engine's own lock are its threads of a journal that
    // this process has just closed; it reports that without a kind of its own.
    for _ in 0..RETRIES {
        match &opened {
            Ok(Err(sled::Error::Io(source))) if source.kind() == io::ErrorKind::Other => {}
            Ok(_) | Err(_) => break,
        }
        std::thread::sleep(RETRY_PAUSE);
        opened = catch_unwind(AssertUnwindSafe(open));
    }
    match opened {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(sled::Error::Io(source))) => Err(OpenError::Io { path: path(), source }),
        Ok(Err(source)) => Err(OpenError::Engine { path: path(), source }),
        Err(_) => Err(OpenError::EngineBrokeDown { path: path() }),
    }
}

/// What a database holds when it is opened.
struct Stored {
    head: Head,
    schema: Option<u32>,
    /// How the rows differ from what the head was committed with.
    damage: Option<Damage>,
}

impl Stored {
    /// Reads the head, and compares every row with its checksum.
    fn read(trees: &[sled::Tree], dir: &Path) -> Result<Self, OpenError> {
        let engine = |source| OpenError::Engine { path: dir.to_path_buf(), source };
        let Some(meta) = trees.get(Table::Meta.index()) else {
            return Err(OpenError::EngineBrokeDown { path: dir.to_path_buf() });
        };
        let schema = schema::read(meta).map_err(engine)?;
        if let Some(found) = schema.filter(|found| *found > schema::SCHEMA_VERSION) {
            // Said before anything else: a newer head would look like damage.
            return Err(OpenError::SchemaTooNew { found, supported: schema::SCHEMA_VERSION });
        }
        let (checksum, damaged_row) = engine::checksum_of(trees).map_err(engine)?;
        let row = meta.get(HEAD_KEY).map_err(engine)?;
        let is_empty = row.is_none() && checksum == Checksum::default();
        let (head, damage) = match row.map(|row| Head::decode(&row)) {
            None if is_empty => (Head::default(), None),
            None => (Head::default(), Some(Damage::NoHead)),
            Some(None) => (Head::default(), Some(Damage::BadHead)),
            Some(Some(head)) if head.checksum != checksum => {
                (head, Some(Damage::Checksum { sequence: head.sequence }))
            }
            Some(Some(head)) => (head, damaged_row),
        };
        // Where the operator goes on in spite of damage, what is there now is what counts.
        Ok(Self { head: Head { checksum, ..head }, schema, damage })
    }
}

/// What lies beside the database and remembers it.
struct Signs {
    fence: Found,
    anchor: Found,
    witness: Found,
    file: FileIdentity,
}

impl Signs {
    /// The first sign that the database is not the one that was last written.
    fn find(&self, stored: &Stored) -> Option<Evidence> {
        if let Some(damage) = &stored.damage {
            return Some(Evidence::Damaged(damage.clone()));
        }
        let head = &stored.head;
        let side_file = || Some(Evidence::Damaged(Damage::SideFile));
        let acknowledged = match &self.witness {
            Found::Value(payload) => engine::decode_witness(payload),
            Found::Nothing => 0,
            Found::Damaged => return side_file(),
        };
        let (Some(fence), Some(anchor)) = (read_mark(self.fence), read_mark(self.anchor)) else {
            return side_file();
        };
        if head.sequence == 0 && (acknowledged > 0 || fence.opened > 0) {
            return Some(Evidence::DatabaseMissing);
        }
        if acknowledged > head.sequence {
            return Some(Evidence::LostGroups { acknowledged, found: head.sequence });
        }
        let is_copy = head.sequence > 0 && head.file.differs_from(self.file);
        fence
            .judge(&head.journal)
            .or_else(|| anchor.judge(&head.journal))
            .or_else(|| is_copy.then_some(Evidence::Copied))
    }

    /// The newest epoch that any of them knows of.
    fn newest_epoch(&self) -> u64 {
        let claimed = |found| read_mark(found).unwrap_or_default().claimed;
        claimed(self.fence).max(claimed(self.anchor))
    }
}

/// Whether to go on, given a sign of loss and what the operator says about it.
fn judge(
    evidence: Option<Evidence>,
    provenance: Provenance,
) -> Result<Option<Evidence>, OpenError> {
    match (provenance, evidence) {
        (Provenance::Restored, None) => Ok(Some(Evidence::Imported)),
        (Provenance::Restored, Some(evidence)) => Ok(Some(evidence)),
        (Provenance::Untouched | Provenance::Moved, None)
        | (Provenance::Moved, Some(Evidence::Copied)) => Ok(None),
        (Provenance::Untouched | Provenance::Moved, Some(Evidence::Damaged(damage))) => {
            Err(OpenError::Damaged(damage))
        }
        (Provenance::Untouched | Provenance::Moved, Some(evidence)) => {
            Err(OpenError::Loss(evidence))
        }
    }
}

/// The next epoch of the journal, or the first of a new one.
fn begin_epoch(last: &JournalHead, last_epoch: u64) -> std::io::Result<JournalHead> {
    let mut journal_id = last.journal_id;
    if journal_id == [0; 16] {
        getrandom::fill(&mut journal_id)?;
    }
    let mut incarnation = [0; 16];
    getrandom::fill(&mut incarnation)?;
    Ok(JournalHead { journal_id, epoch: last_epoch.saturating_add(1), incarnation })
}

/// The rows that begin an epoch.
fn first_group(
    journal: &JournalHead,
    new_schema: Option<u32>,
) -> Result<WriteSet, crate::error::Refusal> {
    let mut set = WriteSet::default();
    if let Some(version) = new_schema {
        schema::set_version(&mut set, version)?;
    }
    let key = |epoch: u64| epoch.to_be_bytes().to_vec();
    set.put(Table::Epoch, key(journal.epoch), journal.incarnation.to_vec())?;
    if let Some(forgotten) = journal.epoch.checked_sub(MAX_EPOCHS) {
        set.remove(Table::Epoch, key(forgotten));
    }
    Ok(set)
}

/// The mark in a side file; none if there is one that cannot be read.
fn read_mark(found: Found) -> Option<Mark> {
    match found {
        Found::Nothing => Some(Mark::default()),
        Found::Value(payload) => Mark::decode(&payload),
        Found::Damaged => None,
    }
}

fn write_mark(file: &mut SlotFile, mark: &Mark) -> std::io::Result<()> {
    file.write(&mark.encode())?;
    file.sync()
}

/// Only the errors of the store itself can come out of a group without bindings.
impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Begin(error)
    }
}
