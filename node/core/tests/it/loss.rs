//! What a side takes over that is shown a state of its own which it had lost.

use crate::kit::*;
use alloy_primitives::B256;
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{Sequence, Side, Version};
use lockstep_core::input::Command;
use lockstep_core::lock::{Lock, MAX_LOCKS, locked_sums, locks_root};
use lockstep_core::message::{PeerMessage, ReestablishBody, SignedState};
use lockstep_core::output::Notice;
use lockstep_core::state::{State, StateKind};
use lockstep_core::update::Action;

/// A state of this version and these locks, signed by both.
fn shown(pair: &Pair, version: u64, kind: StateKind, locks: &[Lock]) -> SignedState {
    let (locked1, locked2) = locked_sums(locks).unwrap();
    let state = State {
        channel_id: pair.one.channel.channel_id(),
        version: Version(version),
        kind,
        net: lockstep_core::money::Net::new(30).unwrap(),
        locked1,
        locked2,
        locks_root: locks_root(locks),
    };
    signed(state, locks)
}

fn signed(state: State, locks: &[Lock]) -> SignedState {
    let digest = SigningDomain::new(DOMAIN).state(&state);
    SignedState {
        state,
        locks: locks.to_vec(),
        signature1: sign(Side::One, digest),
        signature2: sign(Side::Two, digest),
    }
}

fn show(node: &mut Node, newest: SignedState) {
    let highest_bound = newest.state.version;
    let body = ReestablishBody {
        newest: Some(newest),
        highest_bound,
        sequence1: Sequence::ZERO,
        sequence2: Sequence::ZERO,
    };
    node.peer(PeerMessage::Reestablish(body)).unwrap();
}

fn locks(count: usize) -> Vec<Lock> {
    let mut locks: Vec<Lock> = (0..count)
        .map(|number| {
            let secret = B256::left_padding_from(&u64::try_from(number).unwrap().to_be_bytes());
            let Action::AddLock(lock) = crate::lock::lock(secret, 1, 2_000, true) else {
                unreachable!("it is a lock")
            };
            lock
        })
        .collect();
    locks.sort_by_key(|lock| lock.hash);
    locks
}

#[test]
fn p46_a_lost_state_is_taken_over_only_as_a_whole() {
    for side in [Side::One, Side::Two] {
        let pair = Pair::open();
        let whole = shown(&pair, 5, StateKind::Ordinary, &locks(MAX_LOCKS));
        let last = shown(&pair, 5, StateKind::Final, &[]);
        let too_many = shown(&pair, 5, StateKind::Ordinary, &locks(MAX_LOCKS + 1));
        let locked_end = shown(&pair, 5, StateKind::Final, &locks(1));
        let foreign =
            SignedState { locks: locks(2), ..shown(&pair, 5, StateKind::Ordinary, &locks(1)) };
        let wrong_sum = State { locked1: amount(2), ..foreign.state };
        let wrong_sum = signed(wrong_sum, &locks(1));
        for (case, state, is_taken) in [
            ("whole", whole, true),
            ("last", last, true),
            ("too many", too_many, false),
            ("final with a lock", locked_end, false),
            ("another list", foreign, false),
            ("another sum", wrong_sum, false),
        ] {
            let mut pair = Pair::open();
            show(pair.node(side), state.clone());
            let parts = pair.node(side).channel.parts();
            // Lost is lost, whatever can be made of it.
            assert!(parts.marks.restored.is_some(), "{case}");
            assert!(parts.guard.highest > Version(5), "{case}");
            let taken = parts.base.as_ref().map(|base| base.state);
            assert_eq!(taken, is_taken.then_some(state.state), "{case}");
        }
    }
}

#[test]
fn p46_of_what_is_in_flight_only_what_is_newer_than_the_lost_state_stays() {
    let mut pair = Pair::open();
    for _ in 0..3 {
        pair.one.pay(1).unwrap();
    }
    let lost = shown(&pair, 2, StateKind::Ordinary, &[]);
    assert_ne!(pair.one.channel.parts().in_flight[1].state, lost.state);
    show(&mut pair.one, lost.clone());
    let parts = pair.one.channel.parts();
    assert_eq!(parts.base.as_ref().unwrap().state, lost.state);
    let versions: Vec<Version> = parts.in_flight.iter().map(|e| e.state.version).collect();
    assert_eq!(versions, [Version(3)]);
}

#[test]
fn p38_only_intents_that_the_proposer_has_not_taken_in_go_out_again() {
    let mut pair = Pair::open();
    pair.two.pay(1).unwrap();
    pair.two.pay(2).unwrap();
    pair.deliver(Side::Two);
    assert_eq!(pair.one.channel.parts().peer_sequence, Sequence(1));
    pair.connect_without_delivery();
    pair.deliver(Side::One);
    let again: Vec<Sequence> = pair
        .two
        .outbox
        .iter()
        .filter_map(|message| match message {
            PeerMessage::Intent { updates } => Some(updates),
            _ => None,
        })
        .flatten()
        .map(|update| update.sequence)
        .collect();
    assert_eq!(again, [Sequence(2)]);
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.one.own(), amount(DEPOSIT + 3));
}

#[test]
fn p46_a_final_state_that_is_too_low_for_a_side_that_lost_data_is_reported_once() {
    let mut pair = Pair::open();
    pair.one.command(Command::Close).unwrap();
    let refused = |notice: &Notice| matches!(notice, Notice::CloseRefused { .. });
    let ask = |version| PeerMessage::CloseRequest { min_version: Version(version) };
    pair.one.outbox.clear();
    pair.one.peer(ask(1)).unwrap();
    assert_eq!(pair.one.outbox.len(), 1, "it goes out again");
    assert_eq!(pair.one.count(refused), 0);
    for _ in 0..2 {
        pair.one.peer(ask(5)).unwrap();
        assert_eq!(pair.one.count(refused), 1);
    }
    assert_eq!(pair.one.outbox.len(), 1, "and not where nobody can sign it");
}
