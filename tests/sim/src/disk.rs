//! A disk that loses what was not synced.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use lockstep_core::commit::{Journal, Transition};
use lockstep_core::exposure::Floor;
use lockstep_core::ids::{ChannelId, Digest, Side, Version};
use lockstep_core::output::{Notice, Output};
use lockstep_core::protection::Held;
use lockstep_core::record::ChannelRecord;

use crate::audit::Audit;
use crate::violation::Violation;

/// Where the power goes during one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It stays on.
    None,
    /// Before anything is written.
    BeforeWrite,
    /// After the write and before the sync: the write is gone.
    Unsynced,
    /// After the write and before the sync: the write happens to be there.
    Lucky,
    /// After the sync, before the caller hears of it.
    AfterSync,
}

/// Why a write was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// The power went.
    PowerCut,
    /// Core asked for something that it must never ask for.
    Broken(Violation),
}

/// One node's disk, as it would be found after a power cut.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    record: Option<ChannelRecord>,
    bound: BTreeMap<Version, Digest>,
    history: Vec<Notice>,
    /// The follower's cursor: the last finalized block whose facts are all committed.
    pub cursor: u64,
    /// What each tower gave its receipt for.
    pub towers: BTreeMap<Address, Held>,
    /// What is kept of the exposure, from the last receipt on.
    pub floor: Option<Floor>,
    /// What the next write meets.
    pub next_cut: Option<Cut>,
    /// Writes that reached the disk.
    pub writes: u64,
}

impl Disk {
    /// The record that a restart finds.
    #[must_use]
    pub fn record(&self) -> Option<&ChannelRecord> {
        self.record.as_ref()
    }

    /// What the history tells, oldest first.
    #[must_use]
    pub fn history(&self) -> &[Notice] {
        &self.history
    }

    /// Whether a version is bound to exactly this digest.
    #[must_use]
    pub fn is_bound(&self, version: Version, digest: Digest) -> bool {
        self.bound.get(&version) == Some(&digest)
    }

    /// Every digest that was ever bound.
    pub fn bound(&self) -> impl Iterator<Item = Digest> + '_ {
        self.bound.values().copied()
    }

    /// An old image takes this one's place, as a backup does; only the cursor may be ahead of it.
    pub fn restore(&mut self, backup: &Self) {
        *self = Self { cursor: 0, next_cut: None, ..backup.clone() };
    }

    fn put(&mut self, transition: &Transition) -> Result<(), Violation> {
        for binding in transition.bindings() {
            let known = self.bound.insert(binding.version, binding.digest);
            if known.is_some_and(|known| known != binding.digest) {
                let detail = format!("version {} is to be bound twice", binding.version);
                return Err(Violation { property: "P31", detail });
            }
        }
        for output in transition.outputs() {
            if let Output::Notify(notice) = output {
                self.history.push(notice.clone());
            }
        }
        if transition.needs_write() {
            self.record = Some(transition.next().clone());
            self.writes += 1;
        } else if !transition.bindings().is_empty() {
            let detail = "a version is bound without a write".to_owned();
            return Err(Violation { property: "P32", detail });
        }
        Ok(())
    }
}

/// A disk in use: whatever is really kept is shown to the audit, whether or not the node hears of it.
pub struct Writer<'a> {
    /// Whose disk.
    pub side: Side,
    /// The disk.
    pub disk: &'a mut Disk,
    /// The rules.
    pub audit: &'a mut Audit,
}

impl Journal for Writer<'_> {
    type Error = DiskError;

    fn write_through(&mut self, batch: &[&Transition]) -> Result<(), DiskError> {
        let cut = self.disk.next_cut.take().unwrap_or(Cut::None);
        let is_kept = match cut {
            Cut::BeforeWrite | Cut::Unsynced => false,
            Cut::None | Cut::Lucky | Cut::AfterSync => true,
        };
        if is_kept {
            for transition in batch {
                let before = self.disk.record.as_ref().map(ChannelRecord::parts);
                self.audit
                    .committed(self.side, before, transition)
                    .and_then(|()| self.disk.put(transition))
                    .map_err(DiskError::Broken)?;
            }
        }
        if cut == Cut::None { Ok(()) } else { Err(DiskError::PowerCut) }
    }

    fn read(&mut self, _: ChannelId) -> Result<Option<ChannelRecord>, DiskError> {
        let Some(record) = &self.disk.record else { return Ok(None) };
        // Whatever is read is checked again, as the store does.
        match ChannelRecord::from_parts(record.parts().clone()) {
            Ok(record) => Ok(Some(record)),
            Err(error) => {
                let detail = format!("the record does not hold after a restart: {error}");
                Err(DiskError::Broken(Violation { property: "P52", detail }))
            }
        }
    }
}
