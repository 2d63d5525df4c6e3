//! What one group wants to change, before it is known whether it may.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    chunk::MAX_VALUE_BYTES,
    error::Refusal,
    table::{MAX_KEY_BYTES, Table},
};

/// Groups stop growing here.
///
/// Units: bytes of keys and values. The engine may use a freed segment again once a later one was
/// written; what a group frees must not be overwritten before that group is synced, so a group stays
/// below half a segment where it can.
pub const SOFT_GROUP_BYTES: usize = 256 * 1024;

/// The largest group that is taken at all: one channel that is written whole, with everything in it
/// at its limit.
///
/// Units: bytes of keys and values.
pub const MAX_GROUP_BYTES: usize = 1024 * 1024;

/// Most changes of one group: keeps a transaction, which stops all others, to a few milliseconds.
pub const MAX_GROUP_ROWS: usize = 4_096;

/// A digest that a group binds to a version of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// The channel.
    pub channel: [u8; 32],
    /// The version, of a state or of anything else on the version line.
    pub version: u64,
    /// The only digest that may ever be signed for it.
    pub digest: [u8; 32],
}

/// The changes of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteSet {
    /// In the order of versions, since the guard only takes rising ones.
    pub(crate) bindings: BTreeSet<Binding>,
    pub(crate) retired: BTreeMap<[u8; 32], u64>,
    pub(crate) rows: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    bytes: usize,
}

impl WriteSet {
    /// Binds a digest to a version.
    pub fn bind(&mut self, binding: Binding) {
        self.bindings.insert(binding);
        self.grow(80);
    }

    /// Lets the guard forget the digests of a channel below a version. The versions stay refused.
    pub fn retire(&mut self, channel: [u8; 32], below: u64) {
        let entry = self.retired.entry(channel).or_insert(below);
        *entry = below.max(*entry);
        self.grow(48);
    }

    /// Writes a value. The last word on a key counts.
    ///
    /// # Errors
    /// [`Refusal`] when key or value are too large.
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) -> Result<(), Refusal> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(Refusal::ValueTooLarge { table, len: value.len() });
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(Refusal::KeyTooLong { table, len: key.len() });
        }
        self.grow(key.len().saturating_add(value.len()));
        self.rows.insert((table, key), Some(value));
        Ok(())
    }

    /// Removes a value, if it is there.
    pub fn remove(&mut self, table: Table, key: Vec<u8>) {
        self.grow(key.len());
        self.rows.insert((table, key), None);
    }

    /// Takes over everything that another set wants; it has the last word.
    pub fn merge(&mut self, other: Self) {
        self.bindings.extend(other.bindings);
        for (channel, below) in other.retired {
            let entry = self.retired.entry(channel).or_insert(below);
            *entry = below.max(*entry);
        }
        self.rows.extend(other.rows);
        self.grow(other.bytes);
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty() && self.retired.is_empty() && self.rows.is_empty()
    }

    /// How much it wants to write.
    ///
    /// Units: bytes of keys and values.
    pub fn size(&self) -> usize {
        self.bytes
    }

    pub(crate) fn check_size(&self) -> Result<(), Refusal> {
        if self.bytes > MAX_GROUP_BYTES || self.row_count() > MAX_GROUP_ROWS {
            return Err(Refusal::GroupTooLarge { bytes: self.bytes, rows: self.row_count() });
        }
        Ok(())
    }

    pub(crate) fn row_count(&self) -> usize {
        self.rows.len().saturating_add(self.bindings.len()).saturating_add(self.retired.len())
    }

    fn grow(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }
}
