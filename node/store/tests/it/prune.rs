//! A settled channel goes in groups, takes nothing of others with it, and never comes back to be signed anew.

use alloy_primitives::B256;
use lockstep_core::{
    chain::{ChainCall, ChannelStatus, CloseOrigin, Obligation, ObligationKey, ObligationKind},
    commit::Transition,
    ids::{AccountRef, PaymentId, Sequence, Side, Version},
    money::{Amount, Net},
    output::{Notice, Output},
    record::{ChannelRecord, Equivocation, FreezeReason, Phase},
    state::State,
    time::BlockNumber,
    update::{Action, Memo, Payment},
};
use lockstep_store::{
    engine::{Engine, Row},
    error::{Refusal, StoreError},
    feed::{self, Count},
    fixture::ChannelFixture,
    journal::DiskJournal,
    port,
    prune::{self, Pruning},
    row_source::RowSource,
    table::Table,
    write_set::WriteSet,
};
use std::cell::Cell;

use crate::scene::{Scene, commit_one, read};

/// A step that binds a version and tells of some payments.
fn step(ours: &ChannelFixture, version: u64, notices: Vec<Notice>) -> Transition {
    let plain = ours.step(version);
    let bindings = plain.bindings().to_vec();
    let outputs = notices.into_iter().map(Output::Notify).collect();
    Transition::for_test(plain.next().clone(), bindings, outputs)
}

fn paid(ours: &ChannelFixture, sequence: u64) -> Notice {
    let id = PaymentId { channel_id: ours.id(), payer: Side::One, sequence: Sequence(sequence) };
    let payment = Payment { amount: Amount::from(sequence), memo: Memo::default(), invoice: None };
    Notice::Applied { id, action: Action::Pay(payment), version: Version(sequence) }
}

fn settled() -> Notice {
    Notice::Settled { paid1: Amount::from(1_u64), paid2: Amount::from(2_u64) }
}

/// Both channels take turns; `one` has settled, and is not the last in any count.
fn fill(journal: &mut DiskJournal, one: &ChannelFixture, two: &ChannelFixture) {
    for version in 1..=20 {
        commit_one(journal, step(one, version, vec![paid(one, version)])).unwrap();
        commit_one(journal, step(two, version, vec![paid(two, version)])).unwrap();
    }
    commit_one(journal, step(one, 21, vec![settled(), Notice::CloseVanished])).unwrap();
    commit_one(journal, step(two, 21, vec![Notice::Opened, Notice::CloseVanished])).unwrap();
    let mut set = WriteSet::default();
    for channel in [one, two] {
        let (kind, version, detail) = (ObligationKind::Close, Version(20), B256::ZERO);
        let key = ObligationKey { channel_id: channel.id(), kind, version, detail };
        set.put_obligation(&Obligation::new(key, ChainCall::Close, None)).unwrap();
        set.put_origin(&CloseOrigin {
            channel_id: channel.id(),
            transaction: B256::repeat_byte(4),
            sender: AccountRef::Evm(alloy_primitives::Address::ZERO),
            nonce: Some(1),
            seen_at: BlockNumber(5),
        })
        .unwrap();
    }
    journal.engine_mut().write(&set).unwrap();
}

/// Removes the history, until it is gone or so many groups were written.
fn shorten(journal: &mut DiskJournal, ours: &ChannelFixture, groups: usize) {
    let mut pruning = Pruning::new(ours.id());
    for _ in 0..groups {
        let Some(set) = pruning.next_group(journal.engine()).unwrap() else { return };
        journal.engine_mut().write(&set).unwrap();
    }
}

fn finish(journal: &mut DiskJournal, ours: &ChannelFixture) {
    shorten(journal, ours, usize::MAX);
    let rest = prune::rest(journal.engine(), ours.id()).unwrap();
    journal.engine_mut().write(&rest).unwrap();
}

fn told(journal: &DiskJournal, count: Count) -> Vec<(u64, bool)> {
    let entries = feed::read(journal.engine(), count, 0, 1_000).unwrap();
    let two = ChannelFixture::new(2, Side::One).id();
    entries.iter().map(|entry| (entry.index, entry.channel_id == two)).collect()
}

#[test]
fn p52_a_channel_that_is_pruned_leaves_others_and_their_indices_as_they_were() {
    let scene = Scene::new();
    let (one, two) = (ChannelFixture::new(1, Side::One), ChannelFixture::new(2, Side::One));
    let mut journal = scene.open();
    fill(&mut journal, &one, &two);
    let next = Count::ALL.map(|count| feed::next_index(journal.engine(), count).unwrap());
    finish(&mut journal, &one);
    drop(journal);

    let mut journal = scene.open();
    assert_eq!(journal.channel_ids().unwrap(), [two.id()]);
    assert!(journal.history(one.id(), 0).unwrap().is_empty());
    assert_eq!(journal.history(two.id(), 0).unwrap().len(), 21);
    let odd: Vec<_> = (0..20).map(|turn| (2 * turn + 1, true)).collect();
    assert_eq!(told(&journal, Count::Payments), odd);
    assert_eq!(told(&journal, Count::Channels), [(1, true)]);
    // From an index that is gone the next one follows, and a limit counts what is there.
    let page = feed::read(journal.engine(), Count::Payments, 4, 2).unwrap();
    assert_eq!(page.iter().map(|entry| entry.index).collect::<Vec<_>>(), [5, 7]);
    let still = Count::ALL.map(|count| feed::next_index(journal.engine(), count).unwrap());
    assert_eq!(still, next);
    commit_one(&mut journal, step(&two, 22, vec![paid(&two, 22)])).unwrap();
    assert_eq!(told(&journal, Count::Payments).last(), Some(&(next[0], true)));

    let owed = port::all_obligations(journal.engine()).unwrap();
    assert!(owed.iter().all(|owed| owed.key().channel_id == two.id()) && owed.len() == 1);
    let origins = port::all_origins(journal.engine()).unwrap();
    assert!(origins.iter().all(|origin| origin.channel_id == two.id()) && origins.len() == 1);
}

#[test]
fn p31_a_version_of_a_channel_that_was_pruned_is_never_bound_again() {
    let scene = Scene::new();
    let (one, two) = (ChannelFixture::new(1, Side::One), ChannelFixture::new(2, Side::One));
    let mut journal = scene.open();
    fill(&mut journal, &one, &two);
    finish(&mut journal, &one);
    assert!(journal.guard_of(one.id()).unwrap().is_empty());
    assert!(read(&mut journal, &one).is_none());
    assert!(prune::was_here(journal.engine(), one.id()).unwrap());
    assert!(!prune::was_here(journal.engine(), ChannelFixture::new(3, Side::One).id()).unwrap());
    let refused = commit_one(&mut journal, one.conflicting_step(21)).unwrap_err();
    let StoreError::Refused(Refusal::StaleVersion { highest, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(highest, 21);
}

/// What was looked at.
#[derive(Default)]
struct Looked {
    rows: Cell<usize>,
}

/// Counts the rows that are read from a journal.
struct Counting<'a>(&'a Engine, &'a Looked);

impl Counting<'_> {
    fn note<T: IntoIterator + Clone>(&self, rows: &T) {
        self.1.rows.set(self.1.rows.get() + rows.clone().into_iter().count());
    }
}

impl RowSource for Counting<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.0.get(table, key)?;
        self.note(&row);
        Ok(row)
    }

    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        let rows = self.0.scan(table, prefix)?;
        self.note(&rows);
        Ok(rows)
    }

    fn page(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let rows = self.0.page(table, prefix, from, limit)?;
        self.note(&rows);
        Ok(rows)
    }

    fn floor(&self, table: Table, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, StoreError> {
        let row = self.0.floor(table, prefix, key)?;
        self.note(&row);
        Ok(row)
    }
}

#[test]
fn p66_what_is_looked_at_to_prune_a_channel_does_not_grow_with_what_others_have_told() {
    let looked = |others: u64| {
        let scene = Scene::new();
        let (one, two) = (ChannelFixture::new(1, Side::One), ChannelFixture::new(2, Side::One));
        let mut journal = scene.open();
        fill(&mut journal, &one, &two);
        let told: Vec<_> = (22..22 + others).collect();
        // Many groups: each is a row of the count.
        for version in told {
            commit_one(&mut journal, step(&two, version, vec![paid(&two, version)])).unwrap();
        }
        let (count, mut pruning) = (Looked::default(), Pruning::new(one.id()));
        loop {
            let group = pruning.next_group(&Counting(journal.engine(), &count)).unwrap();
            let Some(set) = group else { break };
            journal.engine_mut().write(&set).unwrap();
        }
        assert!(journal.history(one.id(), 0).unwrap().is_empty());
        count.rows.get()
    };
    let (few, many) = (looked(0), looked(400));
    assert!(many < 2 * few, "{few} rows, then {many}");
}

#[test]
fn p31_p63_the_name_of_a_channel_that_was_opened_and_never_used_is_not_free_again() {
    let scene = Scene::new();
    let opened = ChannelFixture::new(1, Side::One);
    let mut journal = scene.open();
    let record = |status| {
        let mut parts = opened.fresh_record().into_parts();
        parts.chain.status = status;
        if status == ChannelStatus::None {
            parts.phase = Phase::Funding { consent: None };
        }
        parts
    };
    for (status, stays) in [(ChannelStatus::None, false), (ChannelStatus::Active, true)] {
        let next = ChannelRecord::from_parts(record(status)).unwrap();
        commit_one(&mut journal, Transition::for_test(next, vec![], vec![])).unwrap();
        let rest = prune::rest(journal.engine(), opened.id()).unwrap();
        journal.engine_mut().write(&rest).unwrap();
        assert!(read(&mut journal, &opened).is_none());
        assert_eq!(prune::was_here(journal.engine(), opened.id()).unwrap(), stays, "{status:?}");
    }
}

#[test]
fn p46_the_proof_that_a_counterparty_signed_twice_outlasts_the_channel() {
    let scene = Scene::new();
    let one = ChannelFixture::new(1, Side::One);
    let mut journal = scene.open();
    let mut parts = one.step(5).next().clone().into_parts();
    let base = parts.base.clone().unwrap();
    let second = State { net: Net::new(1).unwrap(), ..base.state };
    let proof = Equivocation {
        first: base.state,
        first_signature: base.counterparty_signature,
        second,
        second_signature: base.counterparty_signature,
    };
    parts.equivocation = Some(proof);
    parts.marks.frozen = Some(FreezeReason::Equivocation);
    let bindings = one.step(5).bindings().to_vec();
    let next = ChannelRecord::from_parts(parts).unwrap();
    commit_one(&mut journal, Transition::for_test(next, bindings, vec![])).unwrap();
    finish(&mut journal, &one);
    drop(journal);
    let mut journal = scene.open();
    assert!(read(&mut journal, &one).is_none() && journal.channel_ids().unwrap().is_empty());
    assert_eq!(prune::equivocation(journal.engine(), one.id()).unwrap(), Some(proof));
}

#[test]
fn p52_a_node_that_dies_while_it_prunes_finds_the_channel_and_begins_again() {
    let (one, two) = (ChannelFixture::new(1, Side::One), ChannelFixture::new(2, Side::One));
    for groups in 0..8 {
        let scene = Scene::new();
        let mut journal = scene.open();
        fill(&mut journal, &one, &two);
        shorten(&mut journal, &one, groups);
        drop(journal);
        let mut journal = scene.open();
        assert!(read(&mut journal, &one).is_some(), "after {groups} groups");
        // Whatever is told is whole.
        for count in Count::ALL {
            told(&journal, count);
        }
        finish(&mut journal, &one);
        assert_eq!(journal.channel_ids().unwrap(), [two.id()], "after {groups} groups");
        assert_eq!(told(&journal, Count::Payments).len(), 20, "after {groups} groups");
    }
}

#[test]
fn p86_the_newest_line_of_each_count_stays_so_that_no_index_is_given_twice() {
    let scene = Scene::new();
    let one = ChannelFixture::new(1, Side::One);
    let mut journal = scene.open();
    for version in 1..=5 {
        commit_one(&mut journal, step(&one, version, vec![paid(&one, version)])).unwrap();
    }
    // One step that two counts tell of.
    commit_one(&mut journal, step(&one, 6, vec![settled()])).unwrap();
    let next = Count::ALL.map(|count| feed::next_index(journal.engine(), count).unwrap());
    finish(&mut journal, &one);
    drop(journal);
    let journal = scene.open();
    assert!(journal.channel_ids().unwrap().is_empty());
    assert_eq!(Count::ALL.map(|count| feed::next_index(journal.engine(), count).unwrap()), next);
    for (count, left) in Count::ALL.into_iter().zip([4, 0, 0]) {
        let indices: Vec<_> = told(&journal, count).iter().map(|(index, _)| *index).collect();
        assert_eq!(indices, [left]);
    }
}
