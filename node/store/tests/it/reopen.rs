//! What a journal is after it was closed, damaged, copied or rolled back.

use std::{fs, os::unix::fs::FileExt, path::Path};

use lockstep_core::{
    channel::Channel,
    commit::{self, Journal},
    gap::PROPOSER_RESTORE_GAP,
    ids::{Side, Version},
    input::{Command, Input},
    record::{ChannelRecord, ClosingStage, Phase, RecordParts, RestoreReason},
};
use lockstep_store::{
    epoch::{Evidence, HeadVerdict, JournalHead},
    error::{Damage, OpenError},
    fixture::ChannelFixture,
    journal::DiskJournal,
    open::{Options, Provenance},
};

use crate::scene::{Scene, channel, commit_one, options, read};

#[test]
fn p52_a_reopened_journal_is_what_was_last_acknowledged() {
    let scene = Scene::new();
    let ours = channel(1);
    let proposer = ChannelFixture::new(2, Side::One);
    let mut journal = scene.open();
    for version in 1..40 {
        commit_one(&mut journal, ours.step(version)).unwrap();
    }
    let busy = proposer.busy_record(10, 64, 1_000);
    commit_one(&mut journal, proposer.transition(busy.clone())).unwrap();
    let history = journal.history(ours.id(), 0).unwrap();
    assert_eq!(history.len(), 39);
    drop(journal);

    let mut journal = scene.open();
    assert_eq!(read(&mut journal, &ours), Some(ours.record(39, 0)));
    assert_eq!(read(&mut journal, &proposer), Some(busy));
    assert_eq!(journal.history(ours.id(), 0).unwrap(), history);
}

#[test]
fn p52_what_a_step_takes_out_of_a_record_is_gone_after_a_restart() {
    let scene = Scene::new();
    let ours = ChannelFixture::new(1, Side::One);
    let mut journal = scene.open();
    commit_one(&mut journal, ours.transition(ours.busy_record(10, 20, 200))).unwrap();
    // Two steps of one channel in one batch: the last one counts, whole.
    let batch = vec![
        ours.transition(ours.busy_record(40, 3, 70)),
        ours.transition(ours.busy_record(50, 0, 1)),
    ];
    commit::commit(&mut journal, batch).unwrap();
    assert_eq!(read(&mut journal, &ours), Some(ours.busy_record(50, 0, 1)));
    drop(journal);
    assert_eq!(read(&mut scene.open(), &ours), Some(ours.busy_record(50, 0, 1)));
}

/// Leaves `sled/db` in place and lets a test change its bytes.
fn damage(scene: &Scene, change: impl FnOnce(&fs::File, u64)) {
    let path = scene.data().join("sled/db");
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    change(&file, len);
}

fn written_bytes(scene: &Scene) -> Vec<u8> {
    fs::read(scene.data().join("sled/db")).unwrap()
}

#[test]
fn p50_a_database_that_lost_acknowledged_groups_is_refused() {
    let scene = Scene::new();
    let ours = channel(1);
    let mut journal = scene.open();
    for version in 1..20 {
        commit_one(&mut journal, ours.step(version)).unwrap();
    }
    drop(journal);
    let early = copy_of(&scene, "sled");
    let mut journal = scene.open();
    commit_one(&mut journal, ours.step(20)).unwrap();
    drop(journal);
    put_back(&early, &scene.data().join("sled"));
    match scene.try_open(&options()) {
        Err(OpenError::Loss(Evidence::LostGroups { acknowledged, found })) => {
            assert!(acknowledged > found);
        }
        other => panic!("{:?}", other.map(drop)),
    }
}

#[test]
fn p50_bytes_that_change_in_acknowledged_groups_are_noticed_wherever_they_are() {
    let seed: u64 = 0x5eed_0050;
    let mut refused = 0;
    let mut rounds = 0;
    for round in 0..24_u64 {
        let scene = Scene::new();
        let ours = channel(1);
        let mut journal = scene.open();
        for version in 1..30 {
            commit_one(&mut journal, ours.step(version)).unwrap();
        }
        drop(journal);
        let used = written_bytes(&scene).iter().rposition(|byte| *byte != 0).unwrap() as u64;
        let offset = mix(seed ^ round) % used;
        damage(&scene, |file, _| {
            let mut byte = [0];
            file.read_exact_at(&mut byte, offset).unwrap();
            file.write_all_at(&[byte[0] ^ 0x40], offset).unwrap();
        });
        rounds += 1;
        match scene.try_open(&options()) {
            // The byte was in an old version of a row, or in padding: nothing is missing.
            Ok(mut journal) => {
                let expected = Some(ours.record(29, 0));
                assert_eq!(read(&mut journal, &ours), expected, "seed {seed} round {round}");
            }
            Err(error) => {
                refused += 1;
                let is_clear = matches!(
                    error,
                    OpenError::Loss(_)
                        | OpenError::Damaged(_)
                        | OpenError::Engine { .. }
                        | OpenError::EngineBrokeDown { .. }
                        | OpenError::Io { .. }
                );
                assert!(is_clear, "seed {seed} round {round}: {error}");
                salvage(&scene, &ours, round);
            }
        }
    }
    assert!(refused > 0, "seed {seed}: none of {rounds} flips was noticed");
}

/// What the operator can still save of a damaged journal signs nothing but final states.
fn salvage(scene: &Scene, ours: &ChannelFixture, round: u64) {
    let restored = Options { provenance: Provenance::Restored, ..options() };
    let Ok(mut journal) = scene.try_open(&restored) else { return };
    if let Ok(Some(record)) = journal.read(ours.id()) {
        assert!(record.parts().marks.restored.is_some(), "round {round}");
    }
    drop(journal);
    // From then on the journal is whole again in its own eyes.
    scene.open();
}

#[test]
fn p50_a_torn_tail_past_the_last_acknowledged_group_is_cut_off() {
    let scene = Scene::new();
    let ours = channel(1);
    let mut journal = scene.open();
    commit_one(&mut journal, ours.step(1)).unwrap();
    drop(journal);
    let used = written_bytes(&scene).iter().rposition(|byte| *byte != 0).unwrap() as u64;
    damage(&scene, |file, _| file.write_all_at(&[0xa5; 300], used + 40).unwrap());
    let mut journal = scene.open();
    assert_eq!(read(&mut journal, &ours), Some(ours.record(1, 0)));
    commit_one(&mut journal, ours.step(2)).unwrap();
}

#[test]
fn p50_a_missing_database_is_refused_where_its_side_files_remember_one() {
    let scene = Scene::new();
    commit_one(&mut scene.open(), channel(1).step(1)).unwrap();
    fs::remove_dir_all(scene.data().join("sled")).unwrap();
    match scene.try_open(&options()) {
        Err(OpenError::Loss(Evidence::DatabaseMissing)) => {}
        other => panic!("{:?}", other.map(drop)),
    }
}

#[test]
fn p50_side_files_that_cannot_be_read_are_refused_unless_restored() {
    for side_file in ["FENCE", "WITNESS"] {
        let scene = Scene::new();
        let ours = channel(1);
        let mut journal = scene.open();
        commit_one(&mut journal, ours.step(1)).unwrap();
        drop(journal);
        let len = fs::metadata(scene.data().join(side_file)).unwrap().len();
        fs::write(scene.data().join(side_file), vec![0xa5; len as usize]).unwrap();
        let refused = scene.try_open(&options()).map(drop).unwrap_err();
        assert!(matches!(refused, OpenError::Damaged(Damage::SideFile)), "{side_file}");
        let restored = Options { provenance: Provenance::Restored, ..options() };
        let record = read(&mut scene.try_open(&restored).unwrap(), &ours).unwrap();
        assert_eq!(record.parts().marks.restored, Some(RestoreReason::Import));
    }
}

#[test]
fn p47_a_rolled_back_folder_is_found_by_the_anchor_and_opens_only_as_restored() {
    let scene = Scene::new();
    let anchor = scene.dir.path().join("anchor");
    let anchored = Options { anchor: Some(anchor), ..options() };
    let ours = channel(1);
    commit_one(&mut scene.try_open(&anchored).unwrap(), ours.step(1)).unwrap();
    let backup = copy_of(&scene, ".");
    commit_one(&mut scene.try_open(&anchored).unwrap(), ours.step(2)).unwrap();

    fs::remove_dir_all(scene.data()).unwrap();
    put_back(&backup, &scene.data());

    match scene.try_open(&anchored) {
        Err(OpenError::Loss(Evidence::OlderEpoch { seen: 2, found: 1 })) => {}
        other => panic!("{:?}", other.map(drop)),
    }
    let restored = Options { provenance: Provenance::Restored, ..anchored.clone() };
    let mut journal = scene.try_open(&restored).unwrap();
    let record = read(&mut journal, &ours).unwrap();
    assert_eq!(record.parts().marks.restored, Some(RestoreReason::Import));
    assert_eq!(journal.head().epoch, 3, "an epoch is never led twice");
    drop(journal);

    // From here on it is an ordinary journal again, and the mark stays.
    let mut journal = scene.try_open(&anchored).unwrap();
    let record = read(&mut journal, &ours).unwrap();
    assert_eq!(record.parts().marks.restored, Some(RestoreReason::Import));
}

#[test]
fn p47_a_copied_folder_is_refused_unless_the_operator_says_what_it_is() {
    let scene = Scene::new();
    let ours = channel(1);
    commit_one(&mut scene.open(), ours.step(1)).unwrap();
    let copy = copy_of(&scene, ".");
    fs::remove_dir_all(scene.data()).unwrap();
    put_back(&copy, &scene.data());
    match scene.try_open(&options()) {
        Err(OpenError::Loss(Evidence::Copied)) => {}
        other => panic!("{:?}", other.map(drop)),
    }
    let moved = Options { provenance: Provenance::Moved, ..options() };
    let record = read(&mut scene.try_open(&moved).unwrap(), &ours).unwrap();
    assert_eq!(record.parts().marks.restored, None);
    // The new place is its place now.
    scene.open();
}

#[test]
fn p47_heads_that_peers_remember_betray_a_restored_or_doubled_journal() {
    let scene = Scene::new();
    let first = scene.open().head();
    let journal = scene.open();
    let ours = journal.head();
    assert_eq!((first.epoch, ours.epoch), (1, 2));
    let cases = [
        (first, HeadVerdict::Consistent),
        (ours, HeadVerdict::Consistent),
        (JournalHead { epoch: 3, ..ours }, HeadVerdict::Ahead),
        (JournalHead { incarnation: [9; 16], ..first }, HeadVerdict::Forked),
        (JournalHead { incarnation: [9; 16], ..ours }, HeadVerdict::Forked),
        (JournalHead { journal_id: [9; 16], ..ours }, HeadVerdict::OtherJournal),
        (JournalHead { epoch: 0, ..ours }, HeadVerdict::TooOld),
    ];
    for (seen, expected) in cases {
        let verdict = journal.judge_head(&seen).unwrap();
        assert_eq!(verdict, expected, "{seen:?}");
        let is_loss = matches!(expected, HeadVerdict::Ahead | HeadVerdict::Forked);
        assert_eq!(verdict.is_proof_of_loss(), is_loss);
    }
}

#[test]
fn p46_a_journal_that_learns_of_its_loss_marks_every_channel() {
    let scene = Scene::new();
    let channels: Vec<_> = (0..5).map(channel).collect();
    let mut journal = scene.open();
    let batch = channels.iter().map(|channel| channel.step(3)).collect();
    commit::commit(&mut journal, batch).unwrap();
    journal.mark_all_restored().unwrap();
    drop(journal);
    let mut journal = scene.open();
    for channel in &channels {
        let marks = read(&mut journal, channel).unwrap().parts().marks;
        assert_eq!(marks.restored, Some(RestoreReason::Import));
    }
}

/// What a restored channel binds when its operator orders a close.
fn bound_by_close(journal: &mut DiskJournal, channel: &ChannelFixture) -> Vec<Version> {
    let record = commit::recover(journal, channel.id()).unwrap().unwrap();
    let close = Channel::resume(record).handle(Input::Command(Command::Close)).unwrap();
    close.bindings().iter().map(|binding| binding.version).collect()
}

#[test]
fn p31_p46_p47_a_marked_channel_binds_no_version_that_it_may_have_signed_and_lost() {
    let scene = Scene::new();
    // Backed up with updates that wait, and with a close that was ordered but not begun.
    let ours = ChannelFixture::new(1, Side::One);
    let mut busy = ours.busy_record(10, 4, 20).into_parts();
    busy.guard.bound.insert(Version(10), ours.digest(10, 0));
    let parts = RecordParts {
        phase: Phase::Closing(ClosingStage::Draining { min_version: Version(0) }),
        guard: busy.guard,
        in_flight: busy.in_flight,
        own_pending: busy.own_pending,
        own_sequence: busy.own_sequence,
        ..ours.parts(10, 0)
    };
    let mut journal = scene.open();
    let record = ChannelRecord::from_parts(parts).unwrap();
    commit_one(&mut journal, ours.transition(record)).unwrap();
    for times in 1..=2 {
        journal.mark_all_restored().unwrap();
        drop(journal);
        journal = scene.open();
        let parts = read(&mut journal, &ours).unwrap().into_parts();
        assert_eq!(parts.marks.restored, Some(RestoreReason::Import));
        assert_eq!(parts.guard.highest, Version(14 + times * PROPOSER_RESTORE_GAP));
        assert_eq!((parts.phase, parts.own_pending), (Phase::Open, vec![]));
        assert_eq!(parts.in_flight.len(), 4);
        assert!(parts.in_flight.iter().all(|proposal| proposal.is_rejected));
        let bound = bound_by_close(&mut journal, &ours);
        assert_eq!(bound, [Version(15 + times * PROPOSER_RESTORE_GAP)]);
    }
}

/// Copies a part of the data folder aside.
fn copy_of(scene: &Scene, part: &str) -> std::path::PathBuf {
    let aside = scene.dir.path().join("aside");
    copy_dir(&scene.data().join(part), &aside);
    aside
}

fn put_back(from: &Path, to: &Path) {
    if to.exists() {
        // Keeps the inodes, as a restore over the old files does.
        for entry in fs::read_dir(to).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() && !from.join(entry.file_name()).exists() {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    copy_dir(from, to);
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A step of splitmix64: enough randomness for a place in a file.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 27)
}
