//! One digest per version, whatever the code above the journal does.

use lockstep_core::{
    commit::{self, Journal},
    error::ErrorClass,
    ids::Version,
};
use lockstep_store::error::{Refusal, StoreError};

use crate::scene::{Scene, channel, commit_one, read};

fn refusal(result: Result<(), StoreError>) -> Refusal {
    match result {
        Err(error @ StoreError::Refused(refusal)) => {
            assert_eq!(error.class(), ErrorClass::Fatal);
            refusal
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn p31_a_second_digest_for_a_bound_version_is_refused_and_nothing_of_it_is_written() {
    let scene = Scene::new();
    let mut journal = scene.open();
    let ours = channel(1);
    commit_one(&mut journal, ours.step(5)).unwrap();
    let before = journal.engine().sequence();

    let refused = refusal(commit_one(&mut journal, ours.conflicting_step(5)));

    let expected = Refusal::GuardConflict {
        channel: ours.id().0.0,
        version: 5,
        bound: ours.digest(5, 0).0.0,
        asked: ours.digest(5, 1).0.0,
    };
    assert_eq!(refused, expected);
    assert_eq!(read(&mut journal, &ours), Some(ours.record(5, 0)));
    assert_eq!(journal.engine().sequence(), before);
    // The store goes on.
    commit_one(&mut journal, ours.step(6)).unwrap();
    assert_eq!(read(&mut journal, &ours), Some(ours.record(6, 0)));
}

#[test]
fn p31_the_guard_survives_a_restart() {
    let scene = Scene::new();
    let ours = channel(1);
    commit_one(&mut scene.open(), ours.step(5)).unwrap();
    let mut journal = scene.open();
    let refused = refusal(commit_one(&mut journal, ours.conflicting_step(5)));
    assert!(matches!(refused, Refusal::GuardConflict { version: 5, .. }));
}

#[test]
fn p31_a_version_below_the_highest_bound_is_refused_even_when_its_digest_was_forgotten() {
    let scene = Scene::new();
    let mut journal = scene.open();
    let ours = channel(1);
    for version in [5, 6, 7] {
        commit_one(&mut journal, ours.step(version)).unwrap();
    }
    // The record of version 7 holds one digest; those before it were retired.
    let guard = journal.guard_of(ours.id()).unwrap();
    assert_eq!(guard.keys().copied().collect::<Vec<_>>(), [Version(7)]);
    for version in [1, 4, 5, 6] {
        let refused = refusal(commit_one(&mut journal, ours.step(version)));
        assert!(matches!(refused, Refusal::StaleVersion { highest: 7, .. }), "{refused:?}");
    }
    assert_eq!(read(&mut journal, &ours), Some(ours.record(7, 0)));
}

#[test]
fn p31_two_digests_of_one_version_in_one_batch_are_refused_together() {
    let scene = Scene::new();
    let mut journal = scene.open();
    let (ours, other) = (channel(1), channel(2));
    let batch = vec![other.step(3), ours.step(4), ours.conflicting_step(4)];
    let result = commit::commit(&mut journal, batch).map(drop);
    assert!(matches!(refusal(result), Refusal::GuardConflict { version: 4, .. }));
    assert_eq!(read(&mut journal, &ours), None);
    assert_eq!(read(&mut journal, &other), None, "a batch is written whole or not at all");
}

#[test]
fn p31_the_same_digest_again_is_welcome() {
    let scene = Scene::new();
    let mut journal = scene.open();
    let ours = channel(1);
    commit_one(&mut journal, ours.step(5)).unwrap();
    commit_one(&mut journal, ours.step(5)).unwrap();
    assert_eq!(read(&mut journal, &ours), Some(ours.record(5, 0)));
}

#[test]
fn the_channels_of_a_journal_do_not_touch_each_other() {
    let scene = Scene::new();
    let mut journal = scene.open();
    let channels: Vec<_> = (0..20).map(channel).collect();
    let batch = channels.iter().map(|channel| channel.step(channel.number() + 1)).collect();
    commit::commit(&mut journal, batch).unwrap();
    for channel in &channels {
        let expected = channel.record(channel.number() + 1, 0);
        assert_eq!(journal.read(channel.id()).unwrap(), Some(expected));
    }
    assert_eq!(journal.channel_ids().unwrap().len(), 20);
}
