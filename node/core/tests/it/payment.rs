//! Payments in both directions, batches, intents, refusals, pipelining.

use crate::kit::*;
use alloy_primitives::B256;
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::{ErrorClass, ProtocolError};
use lockstep_core::ids::{InvoiceId, Sequence, Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::{PeerMessage, RejectReason};
use lockstep_core::money::Amount;
use lockstep_core::output::Notice;
use lockstep_core::state::StateKind;
use lockstep_core::terms::Policy;
use lockstep_core::time::{BlockTimestamp, EngineTime};
use lockstep_core::update::{Action, Memo, Payment};
use lockstep_core::{MAX_FINAL_VERSION_GAP, MAX_VERSION_GAP};

fn applied(notice: &Notice) -> bool {
    matches!(notice, Notice::Applied { .. })
}

#[test]
fn a_payment_in_each_direction_reaches_both_sides() {
    let mut pair = Pair::open();
    pair.one.pay(30).unwrap();
    pair.exchange();
    pair.two.pay(5).unwrap();
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.one.own(), amount(DEPOSIT - 25));
    assert_eq!(pair.two.own(), amount(DEPOSIT + 25));
    assert_eq!(pair.one.count(applied), 2);
    assert_eq!(pair.two.count(applied), 2);
}

#[test]
fn a_batch_of_a_thousand_payments_is_one_state() {
    let mut pair = Pair::open();
    pair.one.command(Command::Update(vec![pay(1); 1_000])).unwrap();
    assert_eq!(pair.one.outbox.len(), 1);
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.two.channel.version(), Version(1));
    assert_eq!(pair.two.own(), amount(DEPOSIT + 1_000));
}

#[test]
fn more_than_fits_a_message_takes_several_states_and_loses_nothing() {
    let mut pair = Pair::open();
    let memo = Memo::new(vec![7; 64]).unwrap();
    let long = Action::Pay(Payment { amount: amount(1), memo, invoice: None });
    for side in [Side::One, Side::Two] {
        pair.node(side).command(Command::Update(vec![long.clone(); 1_000])).unwrap();
        pair.exchange();
        pair.assert_in_step();
    }
    assert_eq!(pair.one.own(), amount(DEPOSIT));
    assert_eq!(pair.two.count(applied), 2_000);
}

#[test]
fn p66_updates_that_wait_are_bounded() {
    let mut pair = Pair::open();
    pair.two.command(Command::Update(vec![pay(1); 1_000])).unwrap();
    assert_eq!(pair.two.pay(1), Err(ProtocolError::Busy));
    assert_eq!(ProtocolError::Busy.class(), ErrorClass::Transient);
}

#[test]
fn p34_nothing_is_signed_before_the_channel_is_active_and_final() {
    let mut pair = Pair::funding();
    assert_eq!(pair.one.pay(1), Err(ProtocolError::WrongPhase));
    assert_eq!(pair.two.pay(1), Err(ProtocolError::WrongPhase));
    let mut open = Pair::open();
    open.one.pay(1).unwrap();
    let early = open.one.outbox.pop_front().unwrap();
    assert_eq!(pair.two.peer(early), Err(ProtocolError::WrongPhase));
}

#[test]
fn p35_only_newer_versions_within_a_bounded_gap_are_signed() {
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    let Some(PeerMessage::Propose { proposal, signature }) = pair.one.outbox.pop_front() else {
        panic!("a proposal")
    };
    let mut far = proposal.clone();
    let ordinary = (StateKind::Ordinary, MAX_VERSION_GAP);
    for (kind, gap) in [ordinary, (StateKind::Final, MAX_FINAL_VERSION_GAP)] {
        far.state.kind = kind;
        far.state.version = Version(gap + 1);
        let offer = PeerMessage::Propose { proposal: far.clone(), signature };
        let result = pair.two.peer(offer);
        assert!(matches!(result, Err(ProtocolError::VersionGap { .. })), "{kind:?}");
        far.state.version = Version(gap);
        let digest = SigningDomain::new(DOMAIN).state(&far.state);
        let signature = sign(Side::One, digest);
        let offer = PeerMessage::Propose { proposal: far.clone(), signature };
        let taken = pair.two.channel.handle(Input::Peer(offer));
        assert!(taken.is_ok(), "{taken:?}");
    }
    let mut zero = proposal;
    zero.state.version = Version(0);
    let result = pair.two.peer(PeerMessage::Propose { proposal: zero, signature });
    assert_eq!(result, Err(ProtocolError::Malformed));
}

#[test]
fn p36_a_state_that_takes_from_us_more_than_listed_is_not_signed() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.exchange();
    pair.one.pay(10).unwrap();
    let Some(PeerMessage::Propose { proposal, .. }) = pair.one.outbox.pop_front() else {
        panic!("a proposal")
    };
    let domain = lockstep_core::digest::SigningDomain::new(DOMAIN);
    for net in [19, 9, 0, -5] {
        let mut greedy = proposal.clone();
        greedy.state.net = lockstep_core::money::Net::new(net).unwrap();
        let signature = sign(Side::One, domain.state(&greedy.state));
        let before = pair.two.channel.parts().clone();
        pair.two.peer(PeerMessage::Propose { proposal: greedy, signature }).unwrap();
        assert_eq!(*pair.two.channel.parts(), before);
        let answer = pair.two.outbox.pop_front();
        let reason = RejectReason::Mismatch;
        assert!(
            matches!(answer, Some(PeerMessage::Reject { reason: given, .. }) if given == reason),
            "{answer:?}"
        );
    }
}

#[test]
fn p37_a_duplicate_gets_the_same_bytes_and_changes_nothing() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    let proposal = pair.one.outbox.pop_front().unwrap();
    pair.two.peer(proposal.clone()).unwrap();
    let answer = pair.two.outbox.pop_front().unwrap();
    let (before, writes) = (pair.two.channel.parts().clone(), pair.two.disk.writes);
    for _ in 0..3 {
        pair.two.peer(proposal.clone()).unwrap();
        assert_eq!(pair.two.outbox.pop_front(), Some(answer.clone()));
    }
    assert_eq!(*pair.two.channel.parts(), before);
    assert_eq!(pair.two.disk.writes, writes);
    pair.one.peer(answer.clone()).unwrap();
    let before = pair.one.channel.parts().clone();
    pair.one.peer(answer).unwrap();
    assert_eq!(*pair.one.channel.parts(), before);
    assert_eq!(pair.one.count(applied), 1);
}

#[test]
fn p37_an_intent_replayed_after_a_reconnect_is_paid_once() {
    let mut pair = Pair::open();
    pair.two.pay(10).unwrap();
    let intent = pair.two.outbox.pop_front().unwrap();
    pair.one.peer(intent.clone()).unwrap();
    pair.one.peer(intent.clone()).unwrap();
    pair.connect();
    pair.one.peer(intent).unwrap();
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.one.own(), amount(DEPOSIT + 10));
}

#[test]
fn p39_simultaneous_payments_from_both_sides_are_both_included() {
    let mut pair = Pair::open();
    for round in 1..20 {
        pair.one.pay(round).unwrap();
        pair.two.pay(round * 2).unwrap();
        if round % 3 == 0 {
            pair.exchange();
        }
    }
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.one.own(), amount(DEPOSIT + 190));
}

#[test]
fn p40_an_acceptor_that_signs_only_the_newest_leaves_nobody_worse_off() {
    let mut pair = Pair::open();
    for _ in 0..5 {
        pair.one.pay(10).unwrap();
    }
    assert_eq!(pair.one.outbox.len(), 5);
    let newest = pair.one.outbox.pop_back().unwrap();
    pair.one.outbox.clear();
    pair.two.peer(newest).unwrap();
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.two.own(), amount(DEPOSIT + 50));
    assert_eq!(pair.two.channel.version(), Version(5));
}

#[test]
fn p40_the_proposer_counts_on_the_least_of_all_in_flight() {
    let mut pair = Pair::open();
    pair.one.pay(100).unwrap();
    pair.one.pay(50).unwrap();
    pair.two.pay(500).unwrap();
    pair.deliver(Side::Two);
    // The income of 500 is in flight too, and counts for nothing yet.
    assert_eq!(pair.one.channel.spendable(), Ok(amount(DEPOSIT - 150)));
    let parts = pair.one.channel.parts();
    assert_eq!(parts.in_flight.len(), 3);
    let too_much = pair.one.pay(DEPOSIT - 149);
    assert!(matches!(too_much, Err(ProtocolError::InsufficientFunds { .. })), "{too_much:?}");
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.one.channel.spendable(), Ok(amount(DEPOSIT + 350)));
}

#[test]
fn a_rejected_version_stays_maybe_agreed_until_a_later_one_is_signed() {
    let mut pair = Pair::open();
    let invoice = Some(InvoiceId(B256::repeat_byte(1)));
    let bad = Payment { amount: amount(7), memo: Memo::default(), invoice };
    pair.one.command(Command::Update(vec![pay(3), Action::Pay(bad)])).unwrap();
    let proposal = pair.one.outbox.front().cloned().unwrap();
    pair.deliver(Side::One);
    pair.deliver(Side::Two);
    // Version 1 may have been signed all the same; version 2 leaves the payment out.
    assert_eq!(pair.one.channel.parts().in_flight.len(), 2);
    assert_eq!(pair.one.channel.spendable(), Ok(amount(DEPOSIT - 10)));
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.one.channel.version(), Version(2));
    assert_eq!(pair.one.own(), amount(DEPOSIT - 3));
    let failed = |notice: &Notice| {
        let reason = RejectReason::InvoiceRefused;
        matches!(notice, Notice::Failed { id, reason: given }
            if id.sequence == Sequence(2) && *given == reason)
    };
    assert_eq!(pair.one.count(failed), 1);
    // The rejected version comes too late to count.
    assert!(pair.two.peer(proposal).is_err());
}

#[test]
fn an_endless_row_of_refusals_does_not_end_all_payments() {
    let mut pair = Pair::open();
    let invoice = Some(InvoiceId(B256::repeat_byte(1)));
    let bad = Payment { amount: amount(7), memo: Memo::default(), invoice };
    pair.one.command(Command::Update(vec![Action::Pay(bad); 200])).unwrap();
    pair.exchange();
    pair.assert_in_step();
    let failed = |notice: &Notice| matches!(notice, Notice::Failed { .. });
    assert_eq!(pair.one.count(failed), 200);
    pair.one.pay(3).unwrap();
    pair.exchange();
    assert_eq!(pair.two.own(), amount(DEPOSIT + 3));
}

#[test]
fn an_order_of_more_than_there_can_be_is_refused_and_freezes_nothing() {
    let mut pair = Pair::open();
    let most = lockstep_core::money::Amount::MAX;
    let all = Payment { amount: most, memo: Memo::default(), invoice: None };
    let result = pair.one.command(Command::Update(vec![Action::Pay(all); 2]));
    assert_eq!(result.map_err(|error| error.class()), Err(ErrorClass::Refused));
}

#[test]
fn an_acceptor_that_signs_what_it_rejected_is_believed_while_nothing_newer_is_signed() {
    let mut pair = Pair::open();
    pair.one.pay(3).unwrap();
    pair.one.outbox.clear();
    let reject = PeerMessage::Reject {
        version: Version(1),
        reason: RejectReason::Policy,
        update: Some(Sequence(1)),
        base: Version(0),
    };
    pair.one.peer(reject).unwrap();
    let state = pair.one.channel.parts().in_flight[0].state;
    let domain = lockstep_core::digest::SigningDomain::new(DOMAIN);
    let signature = sign(Side::Two, domain.state(&state));
    pair.one.peer(PeerMessage::Accept { version: Version(1), signature }).unwrap();
    assert_eq!(pair.one.own(), amount(DEPOSIT - 3));
    assert_eq!(pair.one.count(applied), 1);
}

#[test]
fn an_intent_beyond_the_acceptors_balance_is_refused_and_the_next_one_paid() {
    let mut pair = Pair::open();
    let too_much =
        lockstep_core::update::Update { sequence: Sequence(1), action: pay(DEPOSIT + 1) };
    pair.one.peer(PeerMessage::Intent { updates: vec![too_much] }).unwrap();
    let refused = pair.one.outbox.pop_front();
    let reason = RejectReason::InsufficientBalance;
    assert_eq!(refused, Some(PeerMessage::Refuse { sequence: Sequence(1), reason }));
    let ahead = lockstep_core::update::Update { sequence: Sequence(3), action: pay(5) };
    let result = pair.one.peer(PeerMessage::Intent { updates: vec![ahead] });
    assert_eq!(result, Err(ProtocolError::SequenceGap { sequence: Sequence(3) }));
    let good = lockstep_core::update::Update { sequence: Sequence(2), action: pay(5) };
    pair.one.peer(PeerMessage::Intent { updates: vec![good] }).unwrap();
    let Some(PeerMessage::Propose { proposal, .. }) = pair.one.outbox.pop_back() else {
        panic!("a proposal")
    };
    assert_eq!(proposal.refused, vec![Sequence(1)]);
    assert_eq!(proposal.intents_through, Sequence(2));
}

#[test]
fn p40_what_a_refused_version_of_ours_holds_is_not_spent_again_by_its_payer() {
    let mut pair = Pair::open();
    let lock = crate::lock::lock(B256::repeat_byte(1), DEPOSIT - 10, 2_000, false);
    pair.two.command(Command::Update(vec![lock])).unwrap();
    pair.deliver(Side::Two);
    pair.deliver(Side::One);
    let signed = pair.two.outbox.pop_front().unwrap();
    assert!(matches!(signed, PeerMessage::Accept { version: Version(1), .. }), "{signed:?}");
    // Side 2 has signed version 1, keeps that to itself, and takes its lock back. Version 2 leaves it out.
    let (version, reason) = (Version(1), RejectReason::LockRefused);
    let no = PeerMessage::Reject { version, reason, update: None, base: Version::ZERO };
    pair.one.peer(no).unwrap();
    let newest = pair.one.channel.parts().in_flight.last().unwrap();
    assert_eq!((newest.state.version, newest.state.locked2), (Version(2), Amount::ZERO));
    pair.one.outbox.clear();
    let again = lockstep_core::update::Update { sequence: Sequence(2), action: pay(DEPOSIT - 10) };
    pair.one.peer(PeerMessage::Intent { updates: vec![again] }).unwrap();
    let reason = RejectReason::InsufficientBalance;
    let refused = PeerMessage::Refuse { sequence: Sequence(2), reason };
    assert_eq!(pair.one.outbox.pop_front(), Some(refused));
    // Nothing was proposed that version 1 would make impossible: it counts, whenever it comes.
    pair.one.peer(signed).unwrap();
    assert_eq!(pair.one.channel.version(), Version(1));
}

#[test]
fn an_invoice_is_paid_once_exactly_and_in_time() {
    let mut pair = Pair::open();
    let id = InvoiceId(B256::repeat_byte(1));
    let expiry = BlockTimestamp(100);
    let memo = Memo::new(b"tea".to_vec()).unwrap();
    let invoice = Command::AddInvoice { id, amount: amount(7), expiry, memo: memo.clone() };
    for side in [Side::One, Side::Two] {
        pair.node(side).command(invoice.clone()).unwrap();
        assert_eq!(pair.node(side).channel.parts().invoices[&id].memo, memo);
        let payer = side.other();
        for (value, expected) in [(6, 0), (7, 1), (7, 1)] {
            let payment =
                Payment { amount: amount(value), memo: Memo::default(), invoice: Some(id) };
            pair.node(payer).command(Command::Update(vec![Action::Pay(payment)])).unwrap();
            pair.exchange();
            let node = pair.node(side);
            let paid = |notice: &Notice| {
                matches!(notice, Notice::Applied { action: Action::Pay(paid), id, .. }
                    if paid.invoice.is_some() && id.payer == payer)
            };
            assert_eq!(node.count(paid), expected);
        }
    }
    pair.assert_in_step();
    let late = InvoiceId(B256::repeat_byte(2));
    pair.two.command(Command::AddInvoice { id: late, amount: amount(7), expiry, memo }).unwrap();
    pair.finalized(101);
    let payment = Payment { amount: amount(7), memo: Memo::default(), invoice: Some(late) };
    pair.one.command(Command::Update(vec![Action::Pay(payment)])).unwrap();
    pair.exchange();
    assert_eq!(pair.one.own(), amount(DEPOSIT));
}

#[test]
fn p65_an_acceptor_that_is_silent_stops_new_proposals_and_is_reported() {
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    pair.one.input(Input::Tick { now: EngineTime(29_999) }).unwrap();
    let silent = |notice: &Notice| *notice == Notice::PeerSilent;
    assert_eq!(pair.one.count(silent), 0);
    pair.one.input(Input::Tick { now: EngineTime(30_000) }).unwrap();
    pair.one.input(Input::Tick { now: EngineTime(90_000) }).unwrap();
    assert_eq!(pair.one.count(silent), 1);
    pair.one.pay(1).unwrap();
    assert_eq!(pair.one.channel.parts().in_flight.len(), 1);
    // The version is not forgotten: the answer that comes late counts, and what waited goes out.
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.two.own(), amount(DEPOSIT + 2));
}

#[test]
fn the_window_of_proposals_is_bounded_by_count_and_by_value() {
    let narrow = Policy { max_in_flight: 2, ..policy() };
    let mut pair = Pair::open_with(narrow, policy());
    for _ in 0..5 {
        pair.one.pay(1).unwrap();
    }
    assert_eq!(pair.one.channel.parts().in_flight.len(), 2);
    pair.exchange();
    pair.assert_in_step();
    let cautious = Policy { max_in_flight_value: amount(10), ..policy() };
    let mut pair = Pair::open_with(cautious, policy());
    for _ in 0..5 {
        pair.one.pay(4).unwrap();
    }
    assert_eq!(pair.one.channel.parts().in_flight.len(), 2);
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.two.own(), amount(DEPOSIT + 20));
}
