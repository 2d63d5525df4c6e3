//! Backups: sealed, whole or nothing, and good for closing only.

use std::fs;

use lockstep_core::{
    commit::{self, Transition},
    gap::restore_gap,
    ids::{Side, Version},
    output::{Notice, Output},
    record::RestoreReason,
};
use lockstep_store::{
    backup::{self, BackupError, BackupKey},
    feed::{self, Count},
    fixture::ChannelFixture,
    open::Options,
};

use crate::scene::{Scene, channel, commit_one, options, read};

fn key(byte: u8) -> BackupKey {
    BackupKey::new([byte; 32])
}

fn filled() -> (Scene, Vec<ChannelFixture>, std::path::PathBuf) {
    let scene = Scene::new();
    let channels: Vec<_> = (0..150).map(channel).collect();
    let mut journal = scene.open();
    for channels in channels.chunks(32) {
        let batch = channels.iter().map(|c| c.transition(c.record(4, 32))).collect();
        commit::commit(&mut journal, batch).unwrap();
    }
    let path = scene.dir.path().join("backup");
    backup::export(journal.engine(), &key(1), &path).unwrap();
    (scene, channels, path)
}

#[test]
fn p56_an_imported_backup_holds_every_channel_and_marks_each_as_restored() {
    let (scene, channels, path) = filled();
    let anchor = scene.dir.path().join("anchor");
    let anchored = Options { anchor: Some(anchor), ..options() };
    let target = scene.dir.path().join("restored");
    let mut journal = backup::import(&target, &anchored, &key(1), &path).unwrap();
    for channel in &channels {
        let mut expected = channel.parts(4, 32);
        expected.marks.restored = Some(RestoreReason::Import);
        // Raised once: a peer accepts only so much in one step.
        expected.guard.highest = Version(4 + restore_gap(expected.setup.side));
        assert_eq!(read(&mut journal, channel).unwrap().into_parts(), expected);
        assert_eq!(journal.history(channel.id(), 0).unwrap().len(), 1);
    }
    // The guard came along: what was signed before the backup cannot be signed otherwise.
    assert!(commit_one(&mut journal, channels[0].conflicting_step(4)).is_err());
    drop(journal);
    let (mut journal, evidence) =
        lockstep_store::journal::DiskJournal::open(&target, &anchored).unwrap();
    assert_eq!(evidence, None);
    let record = read(&mut journal, &channels[9]).unwrap();
    assert_eq!(record.parts().marks.restored, Some(RestoreReason::Import));
}

#[test]
fn p47_an_imported_backup_is_another_journal_in_the_eyes_of_peers() {
    let (scene, _, path) = filled();
    let ours = scene.open().head();
    let target = scene.dir.path().join("restored");
    let journal = backup::import(&target, &options(), &key(1), &path).unwrap();
    assert_ne!(journal.head().journal_id, ours.journal_id);
}

#[test]
fn p47_a_life_after_a_backup_tells_nothing_under_the_names_of_the_life_before() {
    let scene = Scene::new();
    let one = ChannelFixture::new(1, Side::One);
    let mut journal = scene.open();
    let told = |version: u64| {
        let plain = one.step(version);
        let notice = Output::Notify(Notice::Opened);
        Transition::for_test(plain.next().clone(), plain.bindings().to_vec(), vec![notice])
    };
    for version in 1..=40 {
        commit_one(&mut journal, told(version)).unwrap();
    }
    let path = scene.dir.path().join("told");
    backup::export(journal.engine(), &key(1), &path).unwrap();
    let target = scene.dir.path().join("restored");
    let mut journal = backup::import(&target, &options(), &key(1), &path).unwrap();
    for _ in 0..40 {
        let record = read(&mut journal, &one).unwrap();
        let notice = Output::Notify(Notice::CloseVanished);
        commit_one(&mut journal, Transition::for_test(record, vec![], vec![notice])).unwrap();
    }
    assert_eq!(journal.history(one.id(), 0).unwrap().len(), 80);
    for (count, lines) in [(Count::Channels, 40), (Count::Disputes, 40)] {
        assert_eq!(feed::read(journal.engine(), count, 0, 1_000).unwrap().len(), lines);
    }
}

#[test]
fn p56_a_backup_shows_nothing_without_its_key() {
    let (scene, channels, path) = filled();
    let bytes = fs::read(&path).unwrap();
    let id = channels[0].id();
    assert!(!bytes.windows(32).any(|window| window == id.0.as_slice()));
    let target = scene.dir.path().join("restored");
    let error = backup::import(&target, &options(), &key(2), &path).map(drop).unwrap_err();
    assert!(matches!(error, BackupError::Sealed { frame: 0 }));
    assert!(!target.exists(), "nothing is left of a failed import");
    assert_eq!(format!("{:?}", key(1)), "BackupKey(..)");
}

#[test]
fn p56_a_backup_that_was_cut_short_extended_or_changed_is_refused_whole() {
    let (scene, _, path) = filled();
    let whole = fs::read(&path).unwrap();
    let frame_len = u32::from_be_bytes(whole[25..29].try_into().unwrap()) as usize;
    let second = 24 + 5 + frame_len;
    assert!(second < whole.len(), "the backup has several frames");
    let mut without_first = whole[..24].to_vec();
    without_first.extend_from_slice(&whole[second..]);
    let mut not_last = whole[..second].to_vec();
    not_last[24] = 1;
    let mut flipped = whole.clone();
    flipped[second + 100] ^= 1;
    let mut extended = whole.clone();
    extended.push(0);
    let mut huge = whole.clone();
    huge[25..29].copy_from_slice(&u32::MAX.to_be_bytes());
    let cases = [
        ("cut at a frame", whole[..second].to_vec()),
        ("cut in a frame", whole[..second + 50].to_vec()),
        ("first frame left out", without_first),
        ("first frame called the last", not_last),
        ("one bit flipped", flipped),
        ("one byte more", extended),
        ("a huge frame announced", huge),
        ("another file", b"not a backup of ours at all".to_vec()),
        ("empty", Vec::new()),
    ];
    for (name, bytes) in cases {
        let changed = scene.dir.path().join("changed");
        fs::write(&changed, bytes).unwrap();
        let target = scene.dir.path().join("restored");
        let outcome = backup::import(&target, &options(), &key(1), &changed).map(drop);
        let is_refused =
            matches!(outcome, Err(BackupError::Sealed { .. } | BackupError::NotABackup));
        assert!(is_refused, "{name}: {outcome:?}");
        assert!(!target.exists(), "{name}");
    }
}

#[test]
fn p56_a_backup_is_never_imported_over_a_journal() {
    let (scene, _, path) = filled();
    let error = backup::import(&scene.data(), &options(), &key(1), &path).map(drop).unwrap_err();
    assert!(matches!(error, BackupError::NotEmpty));
    scene.open();
}
