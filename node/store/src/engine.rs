//! The storage engine with everything that makes it trustworthy: one group in, durable or refused
//! or poisoned.
//!
//! Order of one group: fence, room, transaction, flush, `fdatasync`, fence, witness. Only after the
//! `fdatasync` does anyone hear of success; any failure from the transaction on poisons the engine
//! for good. Reads go on.

use std::collections::BTreeMap;

use crate::{
    checksum::Checksum,
    chunk,
    disk::Disk,
    epoch::{HeadVerdict, JournalHead, Mark},
    error::{Damage, Step, StoreError},
    head::{HEAD_KEY, Head},
    lock_file::LockFile,
    slot_file::{Found, PAYLOAD_BYTES, SlotFile},
    table::{Table, number_of_key, numbered_key},
    transaction,
    write_set::WriteSet,
};

/// Guard rows that one group drops at most, so that a long overdue clean-up does not make a huge group.
const MAX_DROPPED_GUARDS: usize = 256;

/// An open database, owned by the one who writes.
pub struct Engine {
    pub(crate) trees: Vec<sled::Tree>,
    pub(crate) disk: Box<dyn Disk>,
    pub(crate) fence: SlotFile,
    pub(crate) witness: SlotFile,
    pub(crate) head: Head,
    pub(crate) health: Health,
    // Dropped last: nobody else may open the files before the engine has let go of them.
    pub(crate) db: sled::Db,
    pub(crate) _lock: LockFile,
}

/// Whether the engine may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Yes.
    Sound,
    /// A group is under way. A panic on that way leaves it so, which forbids all further writes.
    Writing,
    /// No: an earlier group failed on its way to the disk.
    Poisoned,
}

/// A value with its key.
pub type Row = (Vec<u8>, Vec<u8>);

impl Engine {
    /// Makes one group durable.
    ///
    /// # Errors
    /// A refusal or [`StoreError::DiskFull`] when nothing was written; anything else poisons.
    pub fn write(&mut self, set: &WriteSet) -> Result<(), StoreError> {
        let next = Head { sequence: self.head.sequence.saturating_add(1), ..self.head };
        self.write_with_head(set, next)
    }

    /// The same, as a group above any of another journal whose rows are taken over: steps are named by their groups.
    ///
    /// # Errors
    /// As for any group.
    pub(crate) fn write_above(&mut self, set: &WriteSet, group: u64) -> Result<(), StoreError> {
        let sequence = self.head.sequence.max(group).saturating_add(1);
        self.write_with_head(set, Head { sequence, ..self.head })
    }

    pub(crate) fn write_with_head(&mut self, set: &WriteSet, next: Head) -> Result<(), StoreError> {
        match self.health {
            Health::Sound => {}
            Health::Writing | Health::Poisoned => return Err(StoreError::Poisoned),
        }
        set.check_size()?;
        self.disk.reserve().map_err(StoreError::DiskFull)?;
        let dropped_guards = self.guards_below(set)?;
        self.health = Health::Writing;
        let outcome = self.write_through(set, &dropped_guards, next);
        self.health = match &outcome {
            Ok(()) | Err(StoreError::Refused(_)) => Health::Sound,
            Err(
                StoreError::DiskFull(_)
                | StoreError::Io { .. }
                | StoreError::Engine { .. }
                | StoreError::Fenced { .. }
                | StoreError::Poisoned
                | StoreError::Damaged(_),
            ) => Health::Poisoned,
        };
        outcome
    }

    fn write_through(
        &mut self,
        set: &WriteSet,
        dropped_guards: &[Vec<u8>],
        next: Head,
    ) -> Result<(), StoreError> {
        self.check_fence()?;
        let head = transaction::run(&self.trees, set, dropped_guards, next)?;
        self.db.flush().map_err(|source| StoreError::Engine { step: Step::Flush, source })?;
        self.disk.sync_data().map_err(|source| StoreError::Io { step: Step::Sync, source })?;
        // Whoever opened the journal meanwhile may have missed this group; it must not count.
        self.check_fence()?;
        self.witness
            .write(&encode_witness(head.sequence))
            .map_err(|source| StoreError::Io { step: Step::Witness, source })?;
        self.head = head;
        Ok(())
    }

    /// The fence must still name our epoch and incarnation.
    fn check_fence(&mut self) -> Result<(), StoreError> {
        let found = self
            .fence
            .read_newest()
            .map_err(|source| StoreError::Io { step: Step::Fence, source })?;
        let ours = self.head.journal;
        let mark = match found {
            Found::Value(payload) => Mark::decode(&payload).unwrap_or_default(),
            Found::Nothing | Found::Damaged => Mark::default(),
        };
        if mark.claimed != ours.epoch || mark.incarnation != ours.incarnation {
            return Err(StoreError::Fenced { ours: ours.epoch, found: mark.claimed });
        }
        Ok(())
    }

    /// The guard rows that `set` retires, oldest first.
    fn guards_below(&self, set: &WriteSet) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut dropped = Vec::new();
        for (channel, below) in &set.retired {
            let tree = self.tree(Table::Guard)?;
            for row in tree.range(numbered_key(channel, 0)..numbered_key(channel, *below)) {
                let (row_key, _) = row.map_err(read_error)?;
                let Some((key, 0)) = chunk::split_row_key(&row_key) else { continue };
                if number_of_key(key).is_some_and(|version| version < *below) {
                    dropped.push(key.to_vec());
                }
                if dropped.len() >= MAX_DROPPED_GUARDS {
                    return Ok(dropped);
                }
            }
        }
        Ok(dropped)
    }

    /// Reads a value.
    ///
    /// # Errors
    /// When the engine fails or the value's rows do not fit together.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let tree = self.tree(table)?;
        let Some(first) = tree.get(chunk::row_key(key, 0)).map_err(read_error)? else {
            return Ok(None);
        };
        let damaged = || StoreError::Damaged(Damage::Row { table, key: key.to_vec() });
        let (count, _) = chunk::read_first(&first).ok_or_else(damaged)?;
        let mut parts = vec![first];
        for index in 1..count {
            let row = tree.get(chunk::row_key(key, index)).map_err(read_error)?;
            parts.push(row.ok_or_else(damaged)?);
        }
        chunk::join(&parts).map(Some).ok_or_else(damaged)
    }

    /// Reads every value whose key starts with `prefix`, in the order of keys.
    ///
    /// # Errors
    /// When the engine fails or rows do not fit together.
    pub fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        let damaged = |key: &[u8]| StoreError::Damaged(Damage::Row { table, key: key.to_vec() });
        // A key may be the beginning of another, so the parts of a value need not be neighbours.
        let mut parts: BTreeMap<Vec<u8>, Vec<sled::IVec>> = BTreeMap::new();
        for row in self.tree(table)?.scan_prefix(prefix) {
            let (row_key, row) = row.map_err(read_error)?;
            let (key, index) = chunk::split_row_key(&row_key).ok_or_else(|| damaged(&row_key))?;
            if key.len() < prefix.len() {
                continue; // the prefix reached into the index of a shorter key
            }
            let parts = parts.entry(key.to_vec()).or_default();
            if usize::from(index) != parts.len() {
                return Err(damaged(&row_key));
            }
            parts.push(row);
        }
        parts
            .into_iter()
            .map(|(key, parts)| match chunk::join(&parts) {
                Some(value) => Ok((key, value)),
                None => Err(damaged(&key)),
            })
            .collect()
    }

    /// Reads up to `limit` values whose keys start with `prefix` and are not below `from`, in order.
    ///
    /// # Errors
    /// When the engine fails or rows do not fit together.
    pub fn page(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for row in self.tree(table)?.range(chunk::row_key(from, 0)..) {
            let (row_key, _) = row.map_err(read_error)?;
            if keys.len() >= limit || !row_key.starts_with(prefix) {
                break;
            }
            if let Some((key, 0)) = chunk::split_row_key(&row_key) {
                keys.push(key.to_vec());
            }
        }
        keys.into_iter().map(|key| self.row(table, key)).collect()
    }

    /// Reads the value with the greatest key that starts with `prefix` and is not above `key`.
    ///
    /// # Errors
    /// When the engine fails or rows do not fit together.
    pub fn floor(
        &self,
        table: Table,
        prefix: &[u8],
        key: &[u8],
    ) -> Result<Option<Row>, StoreError> {
        let rows = self.tree(table)?.range(..=chunk::row_key(key, u16::MAX));
        for row in rows.rev() {
            let (row_key, _) = row.map_err(read_error)?;
            if !row_key.starts_with(prefix) {
                return Ok(None);
            }
            if let Some((key, 0)) = chunk::split_row_key(&row_key) {
                return self.row(table, key.to_vec()).map(Some);
            }
        }
        Ok(None)
    }

    fn row(&self, table: Table, key: Vec<u8>) -> Result<Row, StoreError> {
        let value = self.get(table, &key)?;
        let damaged = || StoreError::Damaged(Damage::Row { table, key: key.clone() });
        let value = value.ok_or_else(damaged)?;
        Ok((key, value))
    }

    /// Which life of the journal this is; told to peers and towers.
    pub fn head(&self) -> JournalHead {
        self.head.journal
    }

    /// How many groups this journal has committed since it was created.
    pub fn sequence(&self) -> u64 {
        self.head.sequence
    }

    /// Whether an earlier error forbids all further writes.
    pub fn is_poisoned(&self) -> bool {
        self.health != Health::Sound
    }

    /// Judges a head that a peer or a tower remembers of us.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn judge_head(&self, seen: &JournalHead) -> Result<HeadVerdict, StoreError> {
        let ours = self.head.journal;
        if seen.journal_id != ours.journal_id {
            return Ok(HeadVerdict::OtherJournal);
        }
        if seen.epoch > ours.epoch {
            return Ok(HeadVerdict::Ahead);
        }
        let known = self.get(Table::Epoch, &seen.epoch.to_be_bytes())?;
        Ok(match known {
            None => HeadVerdict::TooOld,
            Some(incarnation) if incarnation == seen.incarnation => HeadVerdict::Consistent,
            Some(_) => HeadVerdict::Forked,
        })
    }

    /// Replaces the disk by one that fails on purpose.
    #[cfg(any(test, feature = "testing"))]
    pub fn wrap_disk(&mut self, wrap: impl FnOnce(Box<dyn Disk>) -> Box<dyn Disk>) {
        let disk = std::mem::replace(&mut self.disk, Box::new(crate::faulty::NoDisk));
        self.disk = wrap(disk);
    }

    fn tree(&self, table: Table) -> Result<&sled::Tree, StoreError> {
        self.trees.get(table.index()).ok_or(StoreError::Engine {
            step: Step::Read,
            source: sled::Error::CollectionNotFound(table.name().into()),
        })
    }
}

/// Adds up every row but the head, and names a row whose key is none of ours, if there is one.
pub(crate) fn checksum_of(trees: &[sled::Tree]) -> Result<(Checksum, Option<Damage>), sled::Error> {
    let mut sum = Checksum::default();
    let mut damage = None;
    for (table, tree) in Table::ALL.into_iter().zip(trees) {
        for row in tree {
            let (key, value) = row?;
            if table == Table::Meta && *key == *HEAD_KEY {
                continue;
            }
            if chunk::split_row_key(&key).is_none() {
                damage = Some(Damage::Row { table, key: key.to_vec() });
            }
            sum.add(table, &key, &value);
        }
    }
    Ok((sum, damage))
}

pub(crate) fn encode_witness(sequence: u64) -> [u8; PAYLOAD_BYTES] {
    let mut payload = [0; PAYLOAD_BYTES];
    payload.iter_mut().zip(sequence.to_be_bytes()).for_each(|(to, from)| *to = from);
    payload
}

pub(crate) fn decode_witness(payload: &[u8; PAYLOAD_BYTES]) -> u64 {
    payload.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn read_error(source: sled::Error) -> StoreError {
    StoreError::Engine { step: Step::Read, source }
}

#[cfg(test)]
mod tests;
