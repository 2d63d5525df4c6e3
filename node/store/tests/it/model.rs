//! The engine against its model in memory, and the model's own crashes.

use std::collections::BTreeMap;

use lockstep_core::{
    commit::{self, Journal},
    gap::restore_gap,
    ids::Version,
};
use lockstep_store::{
    crash::{CrashError, CrashPoint, CrashStore, Fault, Image, Survivors},
    error::StoreError,
    row_source::RowSource,
    table::Table,
    write_set::{Binding, WriteSet},
};

use crate::scene::{Scene, channel};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn random_set(random: &mut Random) -> WriteSet {
    let mut set = WriteSet::default();
    for _ in 0..random.below(6) {
        let channel = [random.below(3) as u8; 32];
        match random.below(5) {
            0 | 1 => set.bind(Binding {
                channel,
                version: random.below(40),
                digest: [random.below(2) as u8; 32],
            }),
            2 => set.retire(channel, random.below(40)),
            3 => {
                let size = random.below(9_000) as usize;
                let key = vec![random.below(9) as u8; 1 + random.below(2) as usize];
                set.put(Table::Appointment, key, vec![random.below(255) as u8; size]).unwrap();
            }
            _ => set.remove(Table::Appointment, vec![random.below(9) as u8]),
        }
    }
    set
}

fn everything(source: &impl RowSource) -> BTreeMap<(Table, Vec<u8>), Vec<u8>> {
    let tables = Table::ALL.into_iter().filter(|table| table.is_in_backup());
    tables
        .flat_map(|table| {
            let rows = source.scan(table, &[]).unwrap();
            rows.into_iter().map(move |(key, value)| ((table, key), value))
        })
        .collect()
}

#[test]
fn p52_the_engine_and_its_model_hold_and_refuse_the_same_across_restarts() {
    let seed = 0x0052_0052;
    println!("seed {seed}");
    let mut random = Random(seed);
    let scene = Scene::new();
    let mut journal = scene.open();
    let mut model = Image::default();
    let (mut taken, mut refused) = (0, 0);
    for step in 0..400 {
        let set = random_set(&mut random);
        let from_engine = match journal.engine_mut().write(&set) {
            Ok(()) => Ok(()),
            Err(StoreError::Refused(refusal)) => Err(refusal),
            Err(error) => panic!("seed {seed} step {step}: {error:?}"),
        };
        assert_eq!(from_engine, model.apply(&set), "seed {seed} step {step}");
        match from_engine {
            Ok(()) => taken += 1,
            Err(_) => refused += 1,
        }
        if step % 40 == 0 {
            drop(journal);
            journal = scene.open();
        }
        if step % 10 == 0 {
            assert_eq!(everything(journal.engine()), everything(&model), "seed {seed} step {step}");
        }
    }
    assert!(taken > 50 && refused > 50, "{taken} taken, {refused} refused");
}

#[test]
fn p59_a_crash_at_any_point_leaves_a_state_from_which_the_same_step_can_be_taken() {
    let points = [CrashPoint::BeforeWrite, CrashPoint::BeforeSync, CrashPoint::AfterSync];
    for point in points {
        for survivors in [Survivors::Nothing, Survivors::Everything] {
            let ours = channel(1);
            let mut store = CrashStore::new();
            commit::commit(&mut store, vec![ours.step(1)]).unwrap();
            store.fail_next(Fault::Crash(point));
            let outcome = commit::commit(&mut store, vec![ours.step(2)]).map(drop);
            assert!(matches!(outcome, Err(CrashError::Crashed)));
            assert!(
                matches!(store.read(ours.id()), Err(CrashError::Crashed)),
                "dead until restart"
            );
            store.power_cut(&survivors);

            let version = store.read(ours.id()).unwrap().unwrap().parts().guard.highest.0;
            let is_durable = point == CrashPoint::AfterSync
                || (point == CrashPoint::BeforeSync && survivors == Survivors::Everything);
            assert_eq!(version, if is_durable { 2 } else { 1 }, "{point:?} {survivors:?}");

            commit::commit(&mut store, vec![ours.step(2)]).unwrap();
            assert_eq!(store.read(ours.id()).unwrap(), Some(ours.record(2, 0)));
            let other = commit::commit(&mut store, vec![ours.conflicting_step(2)]);
            assert!(other.is_err(), "{point:?} {survivors:?}");
        }
    }
}

#[test]
fn p49_p51_the_model_fails_as_the_engine_does() {
    let ours = channel(1);
    let mut store = CrashStore::new();
    store.fail_next(Fault::DiskFull);
    let full = commit::commit(&mut store, vec![ours.step(1)]).map(drop);
    assert!(matches!(full, Err(CrashError::Store(StoreError::DiskFull(_)))));
    commit::commit(&mut store, vec![ours.step(1)]).unwrap();
    store.fail_next(Fault::SyncError);
    assert!(commit::commit(&mut store, vec![ours.step(2)]).is_err());
    let poisoned = commit::commit(&mut store, vec![ours.step(2)]).map(drop);
    assert!(matches!(poisoned, Err(CrashError::Store(StoreError::Poisoned))));
    assert_eq!(store.sync_count(), 1);
}

#[test]
fn a_disk_that_lies_loses_any_part_of_what_it_was_given() {
    let ours: Vec<_> = (0..4).map(channel).collect();
    let mut store = CrashStore::new();
    store.skip_syncs(true);
    for channel in &ours {
        commit::commit(&mut store, vec![channel.step(1)]).unwrap();
    }
    assert_eq!((store.unsynced_count(), store.sync_count()), (4, 0));
    let mut prefix = store.clone();
    prefix.power_cut(&Survivors::Prefix(3));
    assert_eq!(prefix.channel_ids().unwrap().len(), 3);
    store.power_cut(&Survivors::Subset(vec![1, 3]));
    assert_eq!(store.read(ours[0].id()).unwrap(), None);
    assert_eq!(store.read(ours[3].id()).unwrap(), Some(ours[3].record(1, 0)));
}

#[test]
fn p47_the_models_backup_comes_back_marked_and_a_copied_file_does_not() {
    let ours = channel(1);
    let mut store = CrashStore::new();
    commit::commit(&mut store, vec![ours.step(1)]).unwrap();
    let backup = store.backup();
    commit::commit(&mut store, vec![ours.step(2)]).unwrap();
    let mut copied = store.clone();
    copied.put_back(backup.clone());
    assert_eq!(copied.read(ours.id()).unwrap(), Some(ours.record(1, 0)));
    store.import(backup).unwrap();
    let record = store.read(ours.id()).unwrap().unwrap();
    assert!(record.parts().marks.restored.is_some());
    assert_eq!(record.parts().guard.highest, Version(1 + restore_gap(record.parts().setup.side)));
}
