//! What happened is counted without a gap, also across restarts, and orders of callers come back.

use alloy_primitives::B256;
use lockstep_core::{
    commit::Transition,
    ids::{AccountRef, PaymentId, Sequence, Side, Version},
    message::RejectReason,
    money::Amount,
    output::{Notice, Output},
    record::{ChannelRecord, PendingUpdate},
    update::{Action, Memo, Payment, Update},
};
use lockstep_store::{
    feed::{self, Count, Entry},
    fixture::ChannelFixture,
    journal::DiskJournal,
    request::{self, Charge, Request, Spent},
    write_set::WriteSet,
};

use crate::scene::{Scene, commit_one};

fn payment(amount: u64) -> Action {
    let amount = Amount::from(amount);
    Action::Pay(Payment { amount, memo: Memo::default(), invoice: None })
}

/// A step of a channel that tells something, on a record with one payment waiting.
fn telling(ours: &ChannelFixture, notices: Vec<Notice>) -> Transition {
    let mut parts = ours.parts(1, 0);
    parts.own_sequence = Sequence(9);
    let update = Update { sequence: Sequence(9), action: payment(77) };
    parts.own_pending = vec![PendingUpdate { update, left_out: None }];
    let record = ChannelRecord::from_parts(parts).unwrap();
    let outputs = notices.into_iter().map(Output::Notify).collect();
    Transition::for_test(record, vec![], outputs)
}

fn applied(ours: &ChannelFixture, sequence: u64) -> Notice {
    let id = PaymentId { channel_id: ours.id(), payer: Side::One, sequence: Sequence(sequence) };
    Notice::Applied { id, action: payment(sequence), version: Version(sequence) }
}

fn indices(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.index).collect()
}

fn read(journal: &DiskJournal, count: Count, from: u64, limit: usize) -> Vec<Entry> {
    feed::read(journal.engine(), count, from, limit).unwrap()
}

#[test]
fn p52_every_count_goes_on_without_a_gap_after_a_restart() {
    let scene = Scene::new();
    let (one, two) = (ChannelFixture::new(1, Side::One), ChannelFixture::new(2, Side::Two));
    let mut journal = scene.open();
    journal.set_time(1_000);
    commit_one(&mut journal, telling(&one, vec![Notice::Opened])).unwrap();
    let paid = vec![applied(&one, 1), Notice::CloseVanished, applied(&one, 2), applied(&one, 3)];
    commit_one(&mut journal, telling(&one, paid)).unwrap();
    drop(journal);

    let mut journal = scene.open();
    journal.set_time(2_000);
    commit_one(&mut journal, telling(&two, vec![applied(&two, 4), Notice::Opened])).unwrap();
    let all = read(&journal, Count::Payments, 0, 100);
    assert_eq!(indices(&all), [0, 1, 2, 3]);
    assert_eq!(all[1].notice, applied(&one, 2));
    assert_eq!((all[3].channel_id, all[3].at_secs), (two.id(), 2_000));
    // From the middle of a step, and with a limit inside one.
    assert_eq!(indices(&read(&journal, Count::Payments, 1, 2)), [1, 2]);
    assert_eq!(indices(&read(&journal, Count::Payments, 4, 9)), [0; 0]);
    assert_eq!(feed::next_index(journal.engine(), Count::Payments).unwrap(), 4);
    assert_eq!(feed::next_index(journal.engine(), Count::Channels).unwrap(), 2);
    assert_eq!(indices(&read(&journal, Count::Disputes, 0, 9)), [0]);
}

#[test]
fn a_failed_payment_is_told_with_what_it_was() {
    let scene = Scene::new();
    let ours = ChannelFixture::new(1, Side::One);
    let mut journal = scene.open();
    commit_one(&mut journal, telling(&ours, vec![])).unwrap();
    let id = PaymentId { channel_id: ours.id(), payer: Side::One, sequence: Sequence(9) };
    let failed = Notice::Failed { id, reason: RejectReason::InvoiceRefused };
    commit_one(&mut journal, telling(&ours, vec![failed.clone()])).unwrap();
    let told = read(&journal, Count::Payments, 0, 9);
    assert_eq!(told[0].notice, failed);
    assert_eq!(feed::action_of(&told[0]), Some(&payment(77)));
}

#[test]
fn orders_of_callers_come_back_after_a_restart() {
    let scene = Scene::new();
    let ours = ChannelFixture::new(1, Side::One);
    let (name, token) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let fingerprint = B256::repeat_byte(3);
    let (channel_id, first) = (ours.id(), Sequence(5));
    let wanted = Request { name, fingerprint, channel_id, first, count: 2, at_secs: 7 };
    let asset = AccountRef::Evm(alloy_primitives::Address::repeat_byte(4));
    let spent = Spent { token, asset, amount: Amount::from(12_u64) };
    let charge = Charge { channel_id, sequence: first, token, amount: Amount::from(6_u64) };
    let mut journal = scene.open();
    let mut set = WriteSet::default();
    set.put_request(&wanted).unwrap();
    set.put_spent(&spent).unwrap();
    set.put_charge(&charge).unwrap();
    journal.engine_mut().write(&set).unwrap();
    drop(journal);

    let mut journal = scene.open();
    let orders = request::all(journal.engine()).unwrap();
    assert_eq!((orders.requests, orders.spent), (vec![wanted], vec![spent]));
    assert_eq!(orders.charges, [charge]);
    let mut set = WriteSet::default();
    set.remove_request(name);
    set.remove_charge(channel_id, first);
    journal.engine_mut().write(&set).unwrap();
    let orders = request::all(journal.engine()).unwrap();
    assert!(orders.requests.is_empty() && orders.charges.is_empty());
}
