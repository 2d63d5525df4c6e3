//! P67: no panic on any bytes. Corpora first, then their neighbours by seed, then anything at all.

use std::collections::BTreeSet;
use std::fs;

use lockstep_fuzz::bend::{any, bend};
use lockstep_fuzz::hunt::{corpora, corpus, minimise};
use lockstep_fuzz::target::{self, Target};
use lockstep_fuzz::{inputs, marks};
use lockstep_proto::v1::{TowerFrame, tower_frame};
use lockstep_signer::mark::file::{MarkFile, MarkFileError, SyncPolicy};
use lockstep_sim::rng::Rng;
use lockstep_sim::stats::Stats;
use prost::Message;

/// Replays the corpus and past findings, then the corpus' neighbours; a failure names the seed.
fn sweep(target: &Target) {
    let known = corpus(target);
    assert!(known.len() >= 8, "{} has only {} inputs", target.name, known.len());
    known.iter().chain(&crashes(target)).for_each(|input| {
        println!("{}: {input:02x?}", target.name);
        (target.run)(input);
    });
    let neighbours = (0..target.neighbours).map(|seed| (seed, bend(&known, &mut Rng::new(seed))));
    let random = (0..target.random).map(|seed| (seed, any(&mut Rng::new(seed))));
    for (seed, input) in neighbours.chain(random) {
        let result = std::panic::catch_unwind(|| (target.run)(&input));
        assert!(result.is_ok(), "{}: seed {seed}, input {input:02x?}", target.name);
    }
}

/// What a long search found once.
fn crashes(target: &Target) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(corpora().join(target.name).join("crashes"));
    entries.into_iter().flatten().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn p67_no_frame_makes_a_decoder_panic() {
    sweep(&target::FRAME);
}

#[test]
fn p67_no_stored_value_makes_a_decoder_panic() {
    sweep(&target::STORED);
}

#[test]
fn p50_p67_no_changed_row_makes_the_journal_panic() {
    sweep(&target::ROWS);
}

#[test]
fn p67_no_pasted_text_makes_a_reader_panic() {
    sweep(&target::TEXT);
}

#[test]
fn p67_no_content_of_an_invite_makes_its_reader_panic() {
    sweep(&target::INVITE);
}

#[test]
fn p67_no_key_file_makes_its_reader_panic() {
    sweep(&target::KEY_FILE);
}

#[test]
fn p67_no_raw_bytes_make_the_core_panic() {
    sweep(&target::RAW);
}

#[test]
fn p67_no_sequence_of_inputs_makes_a_channel_panic_or_break_a_promise() {
    sweep(&target::INPUTS);
}

#[test]
fn p60_p67_no_frame_of_a_client_or_a_tower_makes_its_reader_panic() {
    sweep(&target::TOWER_FRAME);
}

#[test]
fn p67_no_row_of_a_tower_makes_its_reader_panic() {
    sweep(&target::TOWER_ROW);
}

#[test]
fn p50_p53_no_content_makes_a_file_of_marks_panic_or_makes_a_mark_up() {
    sweep(&target::MARKS);
}

#[test]
fn p50_a_file_of_marks_that_was_opened_opens_again_with_the_same_marks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marks");
    let known = corpus(&target::MARKS);
    let bent = (0..200).map(|seed| bend(&known, &mut Rng::new(seed)));
    let mut opened = 0;
    for content in known.iter().cloned().chain(bent.map(|plan| marks::forge(&plan))) {
        std::fs::write(&path, &content).unwrap();
        let Ok((file, book)) = MarkFile::open(&path, SyncPolicy::OnDemand) else { continue };
        let found: Vec<_> = book.marks().collect();
        assert_eq!(found, marks::marks_of(&content).unwrap(), "{content:02x?}");
        drop(file);
        let (_, again) = MarkFile::open(&path, SyncPolicy::OnDemand).unwrap();
        assert_eq!(again.marks().collect::<Vec<_>>(), found, "{content:02x?}");
        opened += usize::from(!found.is_empty());
    }
    assert!(opened >= 20, "only {opened} files had marks");
}

#[test]
fn the_corpora_of_towers_and_marks_hold_every_kind() {
    let frames = corpus(&target::TOWER_FRAME);
    let bodies = frames.iter().filter_map(|frame| TowerFrame::decode(&frame[..]).ok()?.body);
    let kinds: BTreeSet<_> = bodies.map(|body| discriminant_name(&body)).collect();
    let all = "Acted Drop Dropped Error Get GetReply Heartbeat List Listed Proof Prove Put PutReply Subscribe \
               Subscribed";
    assert_eq!(kinds.into_iter().collect::<Vec<_>>().join(" "), all);
    let rows = corpus(&target::TOWER_ROW);
    let kinds: BTreeSet<u8> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(kinds.len(), 5, "a kind of row is missing");
    let forged = corpus(&target::MARKS).into_iter().map(|plan| marks::forge(&plan));
    let outcomes: BTreeSet<_> = forged.map(|file| outcome(&file)).collect();
    assert_eq!(
        outcomes.into_iter().collect::<Vec<_>>(),
        ["contradiction", "damaged", "marks", "none"]
    );
}

fn discriminant_name(body: &tower_frame::Body) -> String {
    format!("{body:?}").chars().take_while(|c| c.is_alphanumeric()).collect()
}

fn outcome(file: &[u8]) -> &'static str {
    match marks::marks_of(file) {
        Ok(marks) if marks.is_empty() => "none",
        Ok(_) => "marks",
        Err(MarkFileError::Damaged { .. }) => "damaged",
        Err(MarkFileError::Contradiction { .. }) => "contradiction",
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_sample_invite_is_taken() {
    let inputs = corpus(&target::INVITE);
    let is_taken = |input: &Vec<u8>| {
        lockstep_p2p::invite::Invite::from_text(&lockstep_fuzz::invite::wrap(input)).is_ok()
    };
    assert!(
        inputs.iter().filter(|input| is_taken(input)).count() >= 2,
        "the corpus lost its invites"
    );
}

#[test]
fn a_target_that_fails_is_seen_to_fail_and_its_input_is_made_small() {
    let run = |bytes: &[u8]| assert!(!bytes.windows(2).any(|pair| pair == [7, 9]));
    let fails = |bytes: &[u8]| std::panic::catch_unwind(|| run(bytes)).is_err();
    let known = vec![(0..64).collect::<Vec<u8>>()];
    let found = (0..200_000).map(|seed| bend(&known, &mut Rng::new(seed))).find(|b| fails(b));
    assert_eq!(minimise(found.expect("an input that fails"), fails), [7, 9]);
}

#[test]
fn the_journal_that_is_changed_can_be_read_when_it_is_not() {
    // An empty plan flips one bit of one row at most; the samples check themselves when they are made.
    lockstep_fuzz::rows::rows(&[]);
}
#[test]
fn plans_of_inputs_get_somewhere() {
    let mut all = Stats::default();
    for seed in 0..300 {
        let input = bend(&corpus(&target::INPUTS), &mut Rng::new(seed));
        all.merge(&inputs::play(&input).unwrap());
    }
    println!("{all}");
    for (what, at_least) in [
        ("told: payment final", 100),
        ("told: lock added", 10),
        ("told: withdrawn", 1),
        ("told: equivocation", 1),
        ("told: open rejected", 10),
        ("chain: initiate close", 100),
        ("refused: PeerFault", 500),
        ("refused: Refused", 100),
    ] {
        assert!(all.of(what) >= at_least, "{what} happened only {} times:\n{all}", all.of(what));
    }
}
