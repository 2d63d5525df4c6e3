//! What the proposer makes of each answer, and what waits meanwhile.

use crate::kit::*;
use alloy_primitives::B256;
use lockstep_core::chain::{ChainFact, StoredPoint};
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::{ErrorClass, ProtocolError};
use lockstep_core::ids::{Sequence, Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::{PeerMessage, RejectReason};
use lockstep_core::money::{Amount, Net};
use lockstep_core::output::{Notice, Output};
use lockstep_core::record::{ChannelRecord, KnownSecret, MAX_SECRETS};
use lockstep_core::terms::Policy;
use lockstep_core::time::{BlockTimestamp, EngineTime, Finality};
use lockstep_core::update::{Action, Update};

const SECRET: B256 = B256::repeat_byte(9);

fn order(action: Action) -> Command {
    Command::Update(vec![action])
}

fn lock(byte: u8, from1: bool) -> Action {
    crate::lock::lock(B256::repeat_byte(byte), 40, 2_000, from1)
}

fn hash(byte: u8) -> B256 {
    lockstep_core::hash_of(B256::repeat_byte(byte))
}

fn reject(version: u64, reason: RejectReason, update: Option<Sequence>) -> PeerMessage {
    PeerMessage::Reject { version: Version(version), reason, update, base: Version::ZERO }
}

/// Side two signs this version after all.
fn accept(node: &Node, version: u64) -> PeerMessage {
    let all = &node.channel.parts().in_flight;
    let state = all.iter().find(|entry| entry.state.version == Version(version)).unwrap().state;
    let signature = sign(Side::Two, SigningDomain::new(DOMAIN).state(&state));
    PeerMessage::Accept { version: Version(version), signature }
}

fn versions(node: &Node) -> Vec<u64> {
    node.channel.parts().in_flight.iter().map(|entry| entry.state.version.0).collect()
}

fn silent_after(node: &mut Node, millis: u64) -> bool {
    node.input(Input::Tick { now: EngineTime(millis) }).unwrap();
    node.count(|notice| *notice == Notice::PeerSilent) > 0
}

#[test]
fn p38_a_no_to_an_old_version_comes_too_late_and_one_to_none_is_a_fault() {
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    pair.exchange();
    pair.one.peer(reject(1, RejectReason::Policy, None)).unwrap();
    let unknown = pair.one.peer(reject(9, RejectReason::Policy, None));
    assert_eq!(unknown, Err(ProtocolError::UnknownVersion { version: Version(9) }));
}

#[test]
fn p65_a_no_is_an_answer_to_its_version_and_to_no_newer_one() {
    for (rejected, is_silent) in [(2, false), (1, true)] {
        let mut pair = Pair::open();
        pair.one.pay(1).unwrap();
        pair.one.pay(1).unwrap();
        pair.one.peer(reject(rejected, RejectReason::Policy, None)).unwrap();
        assert_eq!(versions(&pair.one), [1, 2]);
        assert_eq!(silent_after(&mut pair.one, 90_000), is_silent, "{rejected}");
    }
}

#[test]
fn p40_a_refused_version_that_an_older_one_made_untrue_is_replaced() {
    let mut pair = Pair::open();
    pair.one.pay(5).unwrap();
    pair.one.peer(reject(1, RejectReason::Policy, Some(Sequence(1)))).unwrap();
    assert_eq!(versions(&pair.one), [1, 2]);
    let late = accept(&pair.one, 1);
    pair.one.peer(late).unwrap();
    // Version 2 leaves out what is agreed on by now.
    pair.one.peer(reject(2, RejectReason::Policy, None)).unwrap();
    assert_eq!(versions(&pair.one), [2, 3]);
    let newest = pair.one.channel.parts().in_flight[1].state;
    assert_eq!(newest.net, Net::new(5).unwrap());
}

#[test]
fn p66_while_an_answer_is_out_so_many_refusals_are_kept() {
    let mut pair = Pair::open();
    for _ in 0..9 {
        pair.one.pay(1).unwrap();
    }
    pair.one.peer(reject(7, RejectReason::Policy, None)).unwrap();
    pair.one.pay(1).unwrap();
    assert_eq!(versions(&pair.one).len(), 10, "seven leave room");
    let mut pair = Pair::open();
    for _ in 0..9 {
        pair.one.pay(1).unwrap();
    }
    pair.one.peer(reject(8, RejectReason::Policy, None)).unwrap();
    pair.one.pay(1).unwrap();
    assert_eq!(versions(&pair.one).len(), 9, "eight do not");
}

/// Whether each of side two's intents that wait at side one is left out.
fn left_out(node: &Node) -> Vec<bool> {
    node.channel.parts().peer_pending.iter().map(|entry| entry.left_out.is_some()).collect()
}

fn intend(pair: &mut Pair, action: Action) {
    pair.two.command(order(action)).unwrap();
    pair.deliver(Side::Two);
}

#[test]
fn p39_a_refused_lock_of_the_acceptor_takes_nothing_else_with_it() {
    let mut pair = Pair::open();
    intend(&mut pair, pay(5));
    intend(&mut pair, lock(1, false));
    intend(&mut pair, lock(2, false));
    pair.one.peer(reject(2, RejectReason::LockRefused, None)).unwrap();
    assert_eq!(left_out(&pair.one), [false, true, false]);
}

#[test]
fn p39_a_lock_stays_where_what_was_refused_with_it_is_left_out_already() {
    let mut pair = Pair::open();
    intend(&mut pair, lock(1, false));
    intend(&mut pair, lock(2, false));
    pair.one.peer(reject(1, RejectReason::LockRefused, None)).unwrap();
    assert_eq!((versions(&pair.one), left_out(&pair.one)), (vec![1, 2, 3], vec![true, false]));
    // Version 2 had the first lock, too.
    pair.one.peer(reject(2, RejectReason::LockRefused, None)).unwrap();
    assert_eq!(left_out(&pair.one), [true, false]);
    // Version 3 has not: now it can only be the second.
    pair.one.peer(reject(3, RejectReason::LockRefused, None)).unwrap();
    assert_eq!(left_out(&pair.one), [true, true]);
}

#[test]
fn p38_an_intent_that_was_overtaken_does_not_stand_in_the_way_of_others() {
    let mut pair = Pair::open();
    pair.one.command(order(lock(1, true))).unwrap();
    pair.exchange();
    // Its payee gives it back, which is lost on the way, and its payer takes it back.
    pair.two.command(order(Action::FailLock { hash: hash(1) })).unwrap();
    pair.two.outbox.clear();
    pair.finalized(2_001);
    pair.one.command(order(Action::ExpireLock { hash: hash(1) })).unwrap();
    pair.exchange();
    assert!(pair.two.channel.parts().base.as_ref().unwrap().locks.is_empty());
    assert_eq!(pair.two.channel.parts().own_pending.len(), 1);
    let next = crate::lock::lock(SECRET, 40, 5_000, false);
    pair.two.command(order(next)).unwrap();
    pair.connect();
    pair.assert_in_step();
    assert_eq!(pair.one.channel.parts().base.as_ref().unwrap().locks.len(), 1);
}

#[test]
fn a_hash_whose_lock_is_on_its_way_out_is_not_locked_again_yet() {
    let mut pair = Pair::open();
    pair.one.command(order(lock(1, true))).unwrap();
    pair.exchange();
    intend(&mut pair, Action::FailLock { hash: hash(1) });
    // The newest state has no such lock, and the one before may still be settled.
    assert_eq!(pair.one.command(order(lock(1, true))), Err(ProtocolError::LockRefused));
    pair.exchange();
    pair.one.command(order(lock(1, true))).unwrap();
}

#[test]
fn p44_a_lock_that_is_in_a_version_already_stays_in_the_next_though_time_is_short() {
    let mut pair = Pair::open();
    pair.one.command(order(lock(1, true))).unwrap();
    // From 1,400 on no new one would go out.
    pair.one.finalized(1_500);
    pair.one.pay(1).unwrap();
    let in_flight = &pair.one.channel.parts().in_flight;
    assert_eq!(in_flight.iter().map(|entry| entry.locks.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn p37_updates_that_do_not_rise_are_a_fault() {
    let mut pair = Pair::open();
    let update = |sequence| Update { sequence: Sequence(sequence), action: pay(1) };
    for (sequences, bad) in [([1, 1], 1), ([2, 1], 1), ([0, 1], 0)] {
        let updates: Vec<Update> = sequences.map(update).to_vec();
        let refused = Err(ProtocolError::BadSequence { sequence: Sequence(bad) });
        assert_eq!(pair.one.peer(PeerMessage::Intent { updates }), refused);
    }
    let updates = (1..=1_001).map(update).collect();
    let refused = pair.one.peer(PeerMessage::Intent { updates });
    assert_eq!(refused, Err(ProtocolError::Malformed));
}

#[test]
fn p80_every_new_state_is_handed_to_the_towers_and_a_no_names_what_is_held() {
    let mut pair = Pair::open();
    pair.one.pay(5).unwrap();
    let message = pair.one.outbox.front().cloned().unwrap();
    let transition = pair.two.channel.handle(Input::Peer(message)).unwrap();
    let version = Version(1);
    assert!(transition.outputs().contains(&Output::Protect { version }));
    pair.exchange();
    pair.one.command(order(lock(1, true))).unwrap();
    let Some(PeerMessage::Propose { mut proposal, signature }) = pair.one.outbox.pop_front() else {
        panic!("a proposal")
    };
    proposal.updates.clear();
    pair.two.peer(PeerMessage::Propose { proposal, signature }).unwrap();
    let answer = pair.two.outbox.pop_back();
    assert!(matches!(answer, Some(PeerMessage::Reject { base: Version(1), .. })), "{answer:?}");
}

#[test]
fn p45_a_secret_that_came_in_a_dispute_takes_its_lock_on_the_next_connection() {
    let mut pair = Pair::open();
    pair.one.command(order(lock(9, true))).unwrap();
    pair.exchange();
    let closing = ChainFact::Closing {
        point: StoredPoint::default(),
        closes_at: BlockTimestamp(1_900),
        initiator: Side::One,
        evidence: None,
    };
    pair.two.fact(10, Finality::Seen, closing);
    pair.two.command(Command::LearnSecret { secret: SECRET }).unwrap();
    assert!(pair.two.channel.parts().own_pending.is_empty(), "nothing is bound now");
    pair.two.fact(11, Finality::Final, ChainFact::CloseVanished);
    pair.connect();
    pair.assert_in_step();
    assert_eq!(pair.two.own(), amount(DEPOSIT + 40));
}

/// Side one with a lock by side two of this secret, and so many secrets of locks that are long gone.
fn with_old_secrets(count: usize) -> Pair {
    let mut pair = Pair::open();
    pair.two.command(order(lock(9, false))).unwrap();
    pair.exchange();
    let mut parts = pair.one.backup().into_parts();
    parts.secrets = (0..count)
        .map(|number| {
            let secret = B256::left_padding_from(&number.to_be_bytes());
            (lockstep_core::hash_of(secret), KnownSecret { secret, revealed_at: None })
        })
        .collect();
    pair.one.restore(ChannelRecord::from_parts(parts).unwrap());
    pair
}

#[test]
fn p45_old_secrets_are_forgotten_for_a_new_one_and_not_before() {
    for (count, kept) in [(3, 4), (MAX_SECRETS - 1, MAX_SECRETS), (MAX_SECRETS, 1)] {
        let mut pair = with_old_secrets(count);
        pair.one.command(Command::LearnSecret { secret: SECRET }).unwrap();
        let secrets = &pair.one.channel.parts().secrets;
        assert!(secrets.contains_key(&lockstep_core::hash_of(SECRET)));
        assert_eq!(secrets.len(), kept, "{count}");
    }
}

/// A record that can bind nothing any more: its versions are used up.
fn used_up(pair: &mut Pair) {
    let mut parts = pair.one.backup().into_parts();
    parts.guard.highest = Version(u64::MAX);
    pair.one.restore(ChannelRecord::from_parts(parts).unwrap());
}

#[test]
fn p59_what_breaks_an_invariant_is_never_taken_for_a_no() {
    let mut pair = with_old_secrets(0);
    used_up(&mut pair);
    let learned = pair.one.command(Command::LearnSecret { secret: SECRET }).unwrap_err();
    assert_eq!(learned.class(), ErrorClass::Fatal, "{learned}");
    let mut pair = Pair::open();
    used_up(&mut pair);
    let ask = PeerMessage::WithdrawRequest { out1: Amount::ZERO, out2: amount(1) };
    let asked = pair.one.peer(ask.clone()).unwrap_err();
    assert_eq!(asked.class(), ErrorClass::Fatal, "{asked}");
    // And what only comes at a bad time is answered with one.
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    pair.one.outbox.clear();
    pair.one.peer(ask).unwrap();
    let answer = pair.one.outbox.pop_back();
    let reason = RejectReason::NotNow;
    assert!(
        matches!(answer, Some(PeerMessage::WithdrawReject { reason: given, .. }) if given == reason),
        "{answer:?}"
    );
}

#[test]
fn p43_no_withdrawal_is_offered_beside_a_payment_that_a_silent_peer_holds_up() {
    let patient = Policy { peer_timeout_millis: 1_000, ..policy() };
    let mut pair = Pair::open_with(patient, policy());
    let withdraw = || Command::Withdraw { out1: amount(5), out2: Amount::ZERO };
    pair.one.command(withdraw()).unwrap();
    assert!(silent_after(&mut pair.one, 1_000));
    pair.one.finalized(4 + lockstep_core::WITHDRAW_TTL_SECS);
    assert_eq!(pair.one.channel.parts().withdrawal, None);
    pair.one.pay(1).unwrap();
    assert!(pair.one.channel.parts().in_flight.is_empty(), "nothing goes out to it");
    assert_eq!(pair.one.command(withdraw()), Err(ProtocolError::InFlight));
}
