//! What is reported durable was synced; what could not be synced is never reported.

use lockstep_core::{commit, error::ErrorClass};
use lockstep_store::{
    disk::Disk,
    error::{Step, StoreError},
    faulty::{FaultPlan, FaultyDisk},
    journal::DiskJournal,
};

use crate::scene::{Scene, channel, commit_one, read};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

fn with_faults(mut journal: DiskJournal) -> (DiskJournal, FaultPlan) {
    let plan = FaultPlan::default();
    let for_disk = plan.clone();
    journal.engine_mut().wrap_disk(|disk: Box<dyn Disk>| Box::new(FaultyDisk::new(disk, for_disk)));
    (journal, plan)
}

#[test]
fn p32_each_group_is_synced_once_before_it_is_released_and_none_is_skipped() {
    let scene = Scene::new();
    let (mut journal, plan) = with_faults(scene.open());
    for (round, size) in [1_u64, 8, 64, 1, 1].into_iter().enumerate() {
        let batch = (0..size).map(|number| channel(number).step(round as u64 + 1)).collect();
        let released = commit::commit(&mut journal, batch).unwrap();
        assert_eq!(released.len() as u64, size);
        assert_eq!(plan.sync_count(), round as u64 + 1);
    }
}

#[test]
fn p49_a_failed_sync_poisons_the_journal_for_good_and_reading_goes_on() {
    let scene = Scene::new();
    let (mut journal, plan) = with_faults(scene.open());
    let ours = channel(1);
    commit_one(&mut journal, ours.step(1)).unwrap();

    plan.fail_sync(Some(EIO));
    let error = commit_one(&mut journal, ours.step(2)).unwrap_err();
    assert!(
        matches!(&error, StoreError::Io { step: Step::Sync, source } if source.raw_os_error() == Some(EIO))
    );
    assert_eq!(error.class(), ErrorClass::Fatal);

    // The disk is well again; the journal does not try again.
    plan.fail_sync(None);
    let syncs = plan.sync_count();
    for version in [2, 3] {
        let error = commit_one(&mut journal, ours.step(version)).unwrap_err();
        assert!(matches!(error, StoreError::Poisoned));
    }
    assert_eq!(plan.sync_count(), syncs);
    assert!(journal.engine().is_poisoned());
    assert!(read(&mut journal, &ours).is_some());
}

#[test]
fn p49_a_panic_on_the_way_to_disk_poisons_the_journal() {
    let scene = Scene::new();
    let (mut journal, plan) = with_faults(scene.open());
    let ours = channel(1);
    plan.panic_on_sync();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        commit_one(&mut journal, ours.step(1))
    }));
    assert!(outcome.is_err());
    assert!(matches!(commit_one(&mut journal, ours.step(1)), Err(StoreError::Poisoned)));
}

#[test]
fn p51_a_full_disk_writes_nothing_releases_nothing_and_goes_on_when_there_is_room() {
    let scene = Scene::new();
    let (mut journal, plan) = with_faults(scene.open());
    let ours = channel(1);
    commit_one(&mut journal, ours.step(1)).unwrap();
    plan.fail_reserve(Some(ENOSPC));
    let error = commit_one(&mut journal, ours.step(2)).unwrap_err();
    assert!(matches!(error, StoreError::DiskFull(_)));
    assert_eq!(error.class(), ErrorClass::Transient);
    assert_eq!(read(&mut journal, &ours), Some(ours.record(1, 0)));
    plan.fail_reserve(None);
    commit_one(&mut journal, ours.step(2)).unwrap();
    assert_eq!(read(&mut journal, &ours), Some(ours.record(2, 0)));
}
