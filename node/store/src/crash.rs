//! A journal in memory that models what a disk loses at a power cut, for tests and simulators.
//!
//! It uses the same rows, conversions and guard rules as the journal on disk; only the disk is a
//! model. A group that was written and not synced survives a cut whole or not at all, as the engine
//! promises. A disk that lies about syncing can be asked for, to show that a test notices.

use std::collections::BTreeMap;

use lockstep_core::{
    commit::{Journal, Transition},
    error::ErrorClass,
    ids::{ChannelId, Digest, Version},
    record::ChannelRecord,
};
use thiserror::Error;

use crate::{
    engine::Row,
    error::{Refusal, StoreError},
    history::{self, HistoryStep},
    plan,
    row_source::RowSource,
    rows,
    table::{Table, number_of_key, numbered_key},
    write_set::WriteSet,
};

/// Where the next group meets its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CrashPoint {
    /// Before anything is written.
    BeforeWrite,
    /// After the write, before the sync: the disk may have it or not.
    BeforeSync,
    /// After the sync, before anyone hears of it.
    AfterSync,
}

/// What the next group is answered with instead of success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The process dies here; every later call fails until [`CrashStore::restart`].
    Crash(CrashPoint),
    /// The sync reports an error: poisoned.
    SyncError,
    /// The disk is full: nothing is written, and the store goes on.
    DiskFull,
}

/// What the disk keeps of groups that were written and not synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// None of them.
    Nothing,
    /// All of them.
    Everything,
    /// The first so many.
    Prefix(usize),
    /// Those whose place is in the list.
    Subset(Vec<usize>),
}

/// Why a group was not acknowledged.
#[derive(Debug, Error)]
pub enum CrashError {
    /// As the journal on disk would say it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process is dead.
    #[error("crashed")]
    Crashed,
}

impl CrashError {
    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Crashed => ErrorClass::Fatal,
        }
    }
}

/// Everything that is on a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    groups: u64,
}

/// A journal in memory.
#[derive(Clone, Debug, Default)]
pub struct CrashStore {
    /// What a power cut leaves.
    durable: Image,
    /// What a reader sees: durable and what was written since.
    visible: Image,
    /// Groups that were written and not synced.
    unsynced: Vec<WriteSet>,
    next_fault: Option<Fault>,
    is_dead: bool,
    is_poisoned: bool,
    skips_sync: bool,
    syncs: u64,
}

impl CrashStore {
    /// An empty journal on an honest disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the next group meet a fault.
    pub fn fail_next(&mut self, fault: Fault) {
        self.next_fault = Some(fault);
    }

    /// Lets groups be acknowledged without a sync, as a wrong journal would.
    pub fn skip_syncs(&mut self, skips_sync: bool) {
        self.skips_sync = skips_sync;
    }

    /// How often the disk was synced.
    pub fn sync_count(&self) -> u64 {
        self.syncs
    }

    /// How many groups are written and not synced.
    pub fn unsynced_count(&self) -> usize {
        self.unsynced.len()
    }

    /// Cuts the power and starts again from what the disk kept.
    pub fn power_cut(&mut self, survivors: &Survivors) {
        let unsynced = std::mem::take(&mut self.unsynced);
        for (place, set) in unsynced.into_iter().enumerate() {
            let survives = match survivors {
                Survivors::Nothing => false,
                Survivors::Everything => true,
                Survivors::Prefix(count) => place < *count,
                Survivors::Subset(places) => places.contains(&place),
            };
            // A group that no longer fits what is there would be refused when it is read.
            if survives && self.durable.apply(&set).is_err() {
                break;
            }
        }
        self.restart();
    }

    /// Kills the process and starts again; the system still has everything that was written.
    pub fn kill(&mut self) {
        self.power_cut(&Survivors::Everything);
    }

    /// What is durable now, as a backup would have it.
    pub fn backup(&self) -> Image {
        self.durable.clone()
    }

    /// Puts a backup in place of everything, and marks each channel as restored, as an import does.
    ///
    /// # Errors
    /// When a record in it does not hold.
    pub fn import(&mut self, backup: Image) -> Result<(), StoreError> {
        self.put_back(backup);
        for id in rows::channel_ids(&self.durable)? {
            let Some(record) = rows::read(&self.durable, id)? else { continue };
            let set = rows::changes(&self.durable, &record.into_restored())?;
            self.durable.apply(&set)?;
        }
        self.restart();
        Ok(())
    }

    /// Puts a backup in place of everything without a word, as someone who copies files does.
    pub fn put_back(&mut self, backup: Image) {
        self.durable = backup;
        self.unsynced.clear();
        self.restart();
    }

    /// Every channel in the journal.
    ///
    /// # Errors
    /// When a row does not hold.
    pub fn channel_ids(&self) -> Result<Vec<ChannelId>, StoreError> {
        rows::channel_ids(&self.visible)
    }

    /// The digests that are bound for a channel and not yet retired.
    ///
    /// # Errors
    /// When a row does not hold.
    pub fn guard_of(&self, id: ChannelId) -> Result<BTreeMap<Version, Digest>, StoreError> {
        rows::guard_of(&self.visible, id)
    }

    /// What each step of a channel told the user, oldest first.
    ///
    /// # Errors
    /// When a row does not hold.
    pub fn history(&self, id: ChannelId) -> Result<Vec<HistoryStep>, StoreError> {
        history::read(&self.visible, id, 0)
    }

    fn restart(&mut self) {
        self.visible = self.durable.clone();
        self.is_dead = false;
        self.is_poisoned = false;
        self.next_fault = None;
    }

    fn die(&mut self) -> CrashError {
        self.is_dead = true;
        CrashError::Crashed
    }
}

impl Journal for CrashStore {
    type Error = CrashError;

    fn write_through(&mut self, batch: &[&Transition]) -> Result<(), CrashError> {
        if self.is_dead {
            return Err(CrashError::Crashed);
        }
        if self.is_poisoned {
            return Err(StoreError::Poisoned.into());
        }
        let fault = self.next_fault.take();
        if fault == Some(Fault::DiskFull) {
            let full = std::io::ErrorKind::StorageFull;
            return Err(StoreError::DiskFull(full.into()).into());
        }
        if fault == Some(Fault::Crash(CrashPoint::BeforeWrite)) {
            return Err(self.die());
        }
        let set = plan::plan(&self.visible, batch, self.visible.groups.saturating_add(1), 0)?;
        set.check_size().map_err(StoreError::from)?;
        self.visible.apply(&set).map_err(StoreError::from)?;
        self.unsynced.push(set);
        if fault == Some(Fault::Crash(CrashPoint::BeforeSync)) {
            return Err(self.die());
        }
        if fault == Some(Fault::SyncError) {
            self.is_poisoned = true;
            let step = crate::error::Step::Sync;
            let source = std::io::ErrorKind::Other.into();
            return Err(StoreError::Io { step, source }.into());
        }
        if !self.skips_sync {
            for set in std::mem::take(&mut self.unsynced) {
                self.durable.apply(&set).map_err(StoreError::from)?;
            }
            self.syncs = self.syncs.saturating_add(1);
        }
        if fault == Some(Fault::Crash(CrashPoint::AfterSync)) {
            return Err(self.die());
        }
        Ok(())
    }

    fn read(&mut self, channel_id: ChannelId) -> Result<Option<ChannelRecord>, CrashError> {
        if self.is_dead {
            return Err(CrashError::Crashed);
        }
        Ok(rows::read(&self.visible, channel_id)?)
    }
}

impl Image {
    /// Applies a group whole or not at all, by the rules of the engine's transaction.
    ///
    /// # Errors
    /// The refusal that the engine would give.
    pub fn apply(&mut self, set: &WriteSet) -> Result<(), Refusal> {
        let mut next = BTreeMap::new();
        for binding in &set.bindings {
            let (channel, version, asked) = (binding.channel, binding.version, binding.digest);
            let place = (Table::Guard, numbered_key(&channel, version));
            let bound = next.get(&place).or_else(|| self.rows.get(&place));
            if let Some(bound) = bound {
                if *bound == asked {
                    continue;
                }
                let bound = <[u8; 32]>::try_from(bound.as_slice()).unwrap_or_default();
                return Err(Refusal::GuardConflict { channel, version, bound, asked });
            }
            let highest_place = (Table::Highest, channel.to_vec());
            let highest = next.get(&highest_place).or_else(|| self.rows.get(&highest_place));
            let highest = highest.map_or(0, |bytes| {
                bytes.as_slice().try_into().map_or(u64::MAX, u64::from_be_bytes)
            });
            if version <= highest {
                return Err(Refusal::StaleVersion { channel, version, highest });
            }
            next.insert(place, asked.to_vec());
            next.insert(highest_place, version.to_be_bytes().to_vec());
        }
        for (channel, below) in &set.retired {
            let range = (Table::Guard, numbered_key(channel, 0))
                ..(Table::Guard, numbered_key(channel, *below));
            let retired: Vec<_> = self.rows.range(range).map(|(place, _)| place.clone()).collect();
            for place in retired {
                if number_of_key(&place.1).is_some_and(|version| version < *below) {
                    self.rows.remove(&place);
                }
            }
        }
        self.rows.extend(next);
        for (place, value) in &set.rows {
            match value {
                Some(value) => self.rows.insert(place.clone(), value.clone()),
                None => self.rows.remove(place),
            };
        }
        self.groups = self.groups.saturating_add(1);
        Ok(())
    }
}

impl RowSource for Image {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        let start = (table, prefix.to_vec());
        let rows = self.rows.range(start..);
        let within = rows.take_while(|((t, key), _)| *t == table && key.starts_with(prefix));
        Ok(within.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn page(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let rows = self.rows.range((table, from.to_vec())..);
        let within = rows.take_while(|((t, key), _)| *t == table && key.starts_with(prefix));
        Ok(within.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn floor(&self, table: Table, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, StoreError> {
        let below = self.rows.range(..=(table, key.to_vec())).next_back();
        let within = below.filter(|((t, key), _)| *t == table && key.starts_with(prefix));
        Ok(within.map(|((_, key), value)| (key.clone(), value.clone())))
    }
}
