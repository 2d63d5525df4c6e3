//! What users were told: whole and in order, however much one step has to say.

use alloy_primitives::B256;
use lockstep_core::{
    channel::Channel,
    commit,
    ids::{InvoiceId, PaymentId, Sequence, Side, Version},
    input::Input,
    message::PeerMessage,
    money::Amount,
    output::Notice,
    record::{ChannelRecord, InFlight, PendingUpdate, Sequences},
    update::{Action, MAX_PENDING_UPDATES, Memo, Payment, Update},
};
use lockstep_store::{
    MAX_VALUE_BYTES,
    error::{Damage, StoreError},
    fixture::ChannelFixture,
    table::Table,
    write_set::WriteSet,
};

use crate::scene::{Scene, commit_one, read};

/// A payment as large as any.
fn largest(sequence: u64) -> PendingUpdate {
    let memo = Memo::new(vec![0xee; 64]).unwrap();
    let invoice = Some(InvoiceId(B256::repeat_byte(sequence as u8)));
    let action = Action::Pay(Payment { amount: Amount::from(1_u64 << 60), memo, invoice });
    PendingUpdate { update: Update { sequence: Sequence(sequence), action }, left_out: None }
}

/// The proposer's record with every payment of either side that may wait, all in one state in flight.
fn full(ours: &ChannelFixture) -> ChannelRecord {
    let all = MAX_PENDING_UPDATES as u64;
    let mut parts = ours.parts(1, 0);
    let (state, locks) = ours.state(2, 0);
    parts.guard.bound.insert(state.version, ours.digest(2, 0));
    parts.guard.highest = state.version;
    parts.own_sequence = Sequence(1 + all);
    parts.peer_sequence = Sequence(all);
    parts.own_pending = (2..=1 + all).map(largest).collect();
    parts.peer_pending = (1..=all).map(largest).collect();
    let sequences = Sequences { one: parts.own_sequence, two: parts.peer_sequence };
    parts.in_flight = vec![InFlight { state, locks, sequences, is_rejected: false }];
    ChannelRecord::from_parts(parts).unwrap()
}

#[test]
fn p38_p59_a_countersignature_that_ends_every_payment_there_can_be_is_made_durable() {
    let scene = Scene::new();
    let ours = ChannelFixture::new(1, Side::One);
    let mut journal = scene.open();
    commit_one(&mut journal, ours.transition(full(&ours))).unwrap();
    let record = commit::recover(&mut journal, ours.id()).unwrap().unwrap();
    let signature = ours.sign(Side::Two, ours.digest(2, 0));
    let accept = PeerMessage::Accept { version: Version(2), signature };
    let step = Channel::resume(record).handle(Input::Peer(accept)).unwrap();
    commit_one(&mut journal, step).unwrap();
    commit_one(&mut journal, ours.step(3)).unwrap();
    drop(journal);

    let mut journal = scene.open();
    assert_eq!(read(&mut journal, &ours), Some(ours.record(3, 0)));
    let history = journal.history(ours.id(), 0).unwrap();
    assert_eq!(history.len(), 3);
    let told: Vec<_> = history[1]
        .notices
        .iter()
        .filter_map(|notice| {
            let Notice::Applied { id: PaymentId { payer, sequence, .. }, .. } = notice else {
                return None;
            };
            Some((*payer, sequence.0))
        })
        .collect();
    let all = MAX_PENDING_UPDATES as u64;
    let own = (2..=1 + all).map(|sequence| (Side::One, sequence));
    let theirs = (1..=all).map(|sequence| (Side::Two, sequence));
    assert_eq!(told, own.chain(theirs).collect::<Vec<_>>());
    let rows = journal.engine().scan(Table::History, ours.id().0.as_slice()).unwrap();
    assert!(rows.len() > 3, "the step did not fit one value");
    assert!(rows.iter().all(|(_, value)| value.len() <= MAX_VALUE_BYTES));
    // From a group on, and never from the middle of a step.
    let later = journal.history(ours.id(), history[1].group).unwrap();
    assert_eq!(later, history[1..]);

    // A step with a hole is damage, not a shorter step.
    let mut set = WriteSet::default();
    set.remove(Table::History, rows[2].0.clone());
    journal.engine_mut().write(&set).unwrap();
    let holed = journal.history(ours.id(), 0);
    assert!(matches!(holed, Err(StoreError::Damaged(Damage::Row { table: Table::History, .. }))));
}

#[test]
fn p59_what_rode_along_with_a_refused_batch_is_not_written_with_the_next() {
    let scene = Scene::new();
    let ours = ChannelFixture::new(1, Side::Two);
    let mut journal = scene.open();
    commit_one(&mut journal, ours.step(1)).unwrap();
    let key = ours.id().0.to_vec();
    let mut set = WriteSet::default();
    set.put(Table::Appointment, key.clone(), b"refused".to_vec()).unwrap();
    journal.attach(set);
    commit_one(&mut journal, ours.conflicting_step(1)).unwrap_err();
    commit_one(&mut journal, ours.step(2)).unwrap();
    assert_eq!(journal.engine().get(Table::Appointment, &key).unwrap(), None);
}
