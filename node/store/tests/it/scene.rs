//! A journal in a temporary folder, and short names for what the tests do with it.

use lockstep_core::{
    commit::{self, Journal, Transition},
    ids::Side,
    record::ChannelRecord,
};
use lockstep_store::{
    error::{OpenError, StoreError},
    fixture::ChannelFixture,
    journal::DiskJournal,
    open::Options,
};
use tempfile::TempDir;

/// A data folder that is removed at the end.
pub(crate) struct Scene {
    pub(crate) dir: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn open(&self) -> DiskJournal {
        self.try_open(&options()).unwrap()
    }

    pub(crate) fn try_open(&self, options: &Options) -> Result<DiskJournal, OpenError> {
        DiskJournal::open(&self.data(), options).map(|(journal, _)| journal)
    }
}

/// A small cache, so that tests can run beside each other.
pub(crate) fn options() -> Options {
    Options { cache_bytes: 16 * 1024 * 1024, ..Options::default() }
}

pub(crate) fn channel(number: u64) -> ChannelFixture {
    ChannelFixture::new(number, Side::Two)
}

pub(crate) fn commit_one(
    journal: &mut DiskJournal,
    transition: Transition,
) -> Result<(), StoreError> {
    commit::commit(journal, vec![transition]).map(drop)
}

pub(crate) fn read(journal: &mut DiskJournal, channel: &ChannelFixture) -> Option<ChannelRecord> {
    journal.read(channel.id()).unwrap()
}
