//! Databases of every release open; those of a later release are refused.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use lockstep_core::{commit, ids::Side};
use lockstep_store::{
    error::OpenError,
    fixture::ChannelFixture,
    open::{Options, Provenance},
    table::Table,
    write_set::WriteSet,
};

use crate::scene::{Scene, options, read};

/// Set to write the golden database of the present schema anew, once per schema and never again.
const UPDATE: &str = "UPDATE_GOLDEN_DATABASE";

fn golden(schema: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/v{schema}"))
}

/// What a golden database holds; may grow with new schemas, never change for old ones.
fn content_of_v1() -> Vec<(ChannelFixture, lockstep_core::record::ChannelRecord)> {
    let acceptor = ChannelFixture::new(1, Side::Two);
    let proposer = ChannelFixture::new(2, Side::One);
    let fresh = ChannelFixture::new(3, Side::Two);
    let (idle, busy, new) =
        (acceptor.record(9, 5), proposer.busy_record(20, 6, 150), fresh.fresh_record());
    vec![(acceptor, idle), (proposer, busy), (fresh, new)]
}

fn write_golden(target: &Path) {
    let scene = Scene::new();
    let mut journal = scene.open();
    for (channel, record) in content_of_v1() {
        commit::commit(&mut journal, vec![channel.transition(record)]).unwrap();
    }
    drop(journal);
    copy(&scene.data(), target);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "LOCK" {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file of a folder that outlives the process, byte for byte.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(contents(&entry.path()));
        } else if entry.file_name() != "LOCK" {
            found.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

#[test]
fn p58_the_database_of_the_first_release_opens_with_all_that_it_held() {
    if std::env::var_os(UPDATE).is_some() {
        write_golden(&golden(1));
    }
    let scene = Scene::new();
    copy(&golden(1), &scene.data());
    let moved = Options { provenance: Provenance::Moved, ..options() };
    let mut journal = scene.try_open(&moved).unwrap();
    for (channel, record) in content_of_v1() {
        assert_eq!(read(&mut journal, &channel), Some(record.clone()));
        let history = journal.history(channel.id(), 0).unwrap();
        assert_eq!(history.len(), 1);
        let guard = journal.guard_of(channel.id()).unwrap();
        assert_eq!(guard, record.parts().guard.bound);
    }
    // And it goes on from there.
    let (channel, _) = content_of_v1().remove(0);
    commit::commit(&mut journal, vec![channel.step(10)]).unwrap();
}

#[test]
fn p58_every_schema_so_far_has_a_golden_database() {
    for schema in 1..=lockstep_store::SCHEMA_VERSION {
        assert!(golden(schema).is_dir(), "v{schema} is missing");
        let files = contents(&golden(schema));
        assert!(files.values().any(|bytes| !bytes.is_empty()), "v{schema} is empty");
    }
}

#[test]
fn p58_a_database_of_a_newer_release_is_refused_and_stays_as_it_was() {
    let scene = Scene::new();
    let mut journal = scene.open();
    let newer = lockstep_store::SCHEMA_VERSION + 1;
    let mut set = WriteSet::default();
    set.put(Table::Meta, b"schema".to_vec(), newer.to_be_bytes().to_vec()).unwrap();
    journal.engine_mut().write(&set).unwrap();
    drop(journal);
    let written = contents(&scene.data());
    assert_too_new(&scene, Provenance::Untouched);
    // The engine pads its log and keeps an index of it beside it; it takes nothing away.
    let before = contents(&scene.data());
    for (path, bytes) in &written {
        assert!(before[path].starts_with(bytes), "{}", path.display());
    }
    let mut new = before.keys().filter(|path| !written.contains_key(*path));
    assert!(new.all(|path| path.starts_with(scene.data().join("sled"))));
    for provenance in [Provenance::Untouched, Provenance::Moved, Provenance::Restored] {
        assert_too_new(&scene, provenance);
        assert!(contents(&scene.data()) == before, "{provenance:?} changed a byte");
    }
}

#[track_caller]
fn assert_too_new(scene: &Scene, provenance: Provenance) {
    let newer = lockstep_store::SCHEMA_VERSION + 1;
    match scene.try_open(&Options { provenance, ..options() }) {
        Err(OpenError::SchemaTooNew { found, supported }) => {
            assert_eq!((found, supported), (newer, newer - 1));
        }
        other => panic!("{:?}", other.map(drop)),
    }
}
