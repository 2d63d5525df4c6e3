use std::{io, path::PathBuf};

use super::*;
use crate::{
    open::{Options, open},
    write_set::{Binding, MAX_GROUP_BYTES},
};

/// A disk that lets another process open the journal while a group is being synced.
struct Usurped {
    inner: Box<dyn Disk>,
    fence: PathBuf,
}

impl Disk for Usurped {
    fn reserve(&mut self) -> io::Result<()> {
        self.inner.reserve()
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.inner.sync_data()?;
        usurp(&self.fence);
        Ok(())
    }
}

/// What another process does that opens the journal in spite of the lock.
fn usurp(fence: &std::path::Path) {
    let (mut file, found) = SlotFile::open(fence).unwrap();
    let Found::Value(payload) = found else { panic!("{found:?}") };
    let mark = Mark::decode(&payload).unwrap();
    let claim = Mark { claimed: mark.claimed + 1, incarnation: [0xee; 16], ..mark };
    file.write(&claim.encode()).unwrap();
}

fn engine_in(dir: &tempfile::TempDir) -> Engine {
    open(&dir.path().join("data"), &Options::default()).unwrap().engine
}

fn one_row(value: &[u8]) -> WriteSet {
    let mut set = WriteSet::default();
    set.put(Table::Appointment, vec![1], value.to_vec()).unwrap();
    set
}

#[test]
fn p48_a_writer_that_was_fenced_off_writes_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = engine_in(&dir);
    engine.write(&one_row(b"ours")).unwrap();
    usurp(&dir.path().join("data/FENCE"));
    let error = engine.write(&one_row(b"too late")).unwrap_err();
    assert!(matches!(error, StoreError::Fenced { ours: 1, found: 2 }), "{error:?}");
    assert_eq!(engine.get(Table::Appointment, &[1]).unwrap().unwrap(), b"ours");
    assert!(matches!(engine.write(&one_row(b"again")), Err(StoreError::Poisoned)));
}

#[test]
fn p48_a_group_that_was_overtaken_while_it_was_synced_is_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = engine_in(&dir);
    let fence = dir.path().join("data/FENCE");
    engine.wrap_disk(|inner| Box::new(Usurped { inner, fence }));
    let error = engine.write(&one_row(b"overtaken")).unwrap_err();
    assert!(matches!(error, StoreError::Fenced { .. }), "{error:?}");
    assert!(engine.is_poisoned());
}

#[test]
fn p48_each_opening_leads_an_epoch_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let first = engine_in(&dir).head();
    let second = engine_in(&dir).head();
    assert_eq!(first.journal_id, second.journal_id);
    assert_eq!((first.epoch, second.epoch), (1, 2));
    assert_ne!(first.incarnation, second.incarnation);
}

#[test]
fn a_value_of_the_largest_size_goes_to_no_blob_file_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = engine_in(&dir);
    for number in 0..40_u8 {
        let mut set = WriteSet::default();
        for part in 0..3_u8 {
            let value = vec![number; crate::MAX_VALUE_BYTES];
            set.put(Table::Appointment, vec![number, part], value).unwrap();
        }
        engine.write(&set).unwrap();
    }
    let blobs = std::fs::read_dir(dir.path().join("data/sled/blobs")).unwrap();
    assert_eq!(blobs.count(), 0, "a blob file would not be synced");
    drop(engine);
    let rows = engine_in(&dir).scan(Table::Appointment, &[]).unwrap();
    assert_eq!(rows.len(), 120);
    for (key, value) in rows {
        assert_eq!(value, vec![key[0]; crate::MAX_VALUE_BYTES]);
    }
}

#[test]
fn a_value_that_shrinks_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = engine_in(&dir);
    for size in [50_000, 10, 5_000, 0, 2_046, 2_047] {
        engine.write(&one_row(&vec![7; size])).unwrap();
        assert_eq!(engine.scan(Table::Appointment, &[]).unwrap(), [(vec![1], vec![7; size])]);
    }
    let mut set = WriteSet::default();
    set.remove(Table::Appointment, vec![1]);
    engine.write(&set).unwrap();
    drop(engine);
    // The checksum is computed again here, so that no row can be left over.
    assert_eq!(engine_in(&dir).scan(Table::Appointment, &[]).unwrap(), []);
}

#[test]
fn a_group_above_the_limit_is_refused_and_the_engine_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = engine_in(&dir);
    let mut set = WriteSet::default();
    for number in 0..=u8::try_from(MAX_GROUP_BYTES / crate::MAX_VALUE_BYTES).unwrap() {
        set.put(Table::Appointment, vec![number], vec![0; crate::MAX_VALUE_BYTES]).unwrap();
    }
    let error = engine.write(&set).unwrap_err();
    assert!(matches!(error, StoreError::Refused(crate::error::Refusal::GroupTooLarge { .. })));
    engine.write(&one_row(b"next")).unwrap();
}

#[test]
fn retired_digests_go_in_portions_and_their_versions_stay_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = engine_in(&dir);
    let channel = [3; 32];
    let binding = |version| Binding { channel, version, digest: [9; 32] };
    let mut set = WriteSet::default();
    (1..=600).for_each(|version| set.bind(binding(version)));
    engine.write(&set).unwrap();
    let mut retire = WriteSet::default();
    retire.retire(channel, 600);
    let mut left = Vec::new();
    for _ in 0..3 {
        engine.write(&retire).unwrap();
        left.push(engine.scan(Table::Guard, &channel).unwrap().len());
    }
    assert_eq!(left, [600 - 256, 600 - 512, 1]);
    let mut set = WriteSet::default();
    set.bind(binding(17));
    assert!(matches!(engine.write(&set), Err(StoreError::Refused(_))));
}
