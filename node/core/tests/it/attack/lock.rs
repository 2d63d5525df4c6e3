//! Locks that come too late, and secrets that were out before there was a lock.

use super::*;
use lockstep_core::forward::{InLock, OutLock, in_lock, may_fail_upstream, out_lock};
use lockstep_core::record::RestoreReason;
use lockstep_core::terms::Policy;

const EXPIRY: u64 = 5_000;

fn failed(notice: &Notice) -> bool {
    matches!(notice, Notice::Failed { .. })
}

fn revealed(at: u64) -> ChainFact {
    ChainFact::SecretRevealed { hash: hash(), secret: SECRET, at: BlockTimestamp(at) }
}

/// Side two has asked for a lock, and side one holds its answer back.
fn held_back() -> Pair {
    let mut pair = Pair::open();
    pair.two.command(update(new_lock(SECRET, 500, EXPIRY, false))).unwrap();
    pair.deliver(Side::Two);
    pair
}

/// What side one held back is not signed, costs side two nothing, and ends: payments go on.
fn check_taken_back(mut pair: Pair) {
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.two.own(), amount(DEPOSIT));
    assert!(pair.two.channel.parts().base.as_ref().is_none_or(|base| base.locks.is_empty()));
    assert_eq!(pair.two.count(failed), 1);
    pair.two.pay(5).unwrap();
    pair.exchange();
    assert_eq!(pair.one.own(), amount(DEPOSIT + 5));
}

#[test]
fn p45_our_own_lock_is_not_signed_once_its_secret_is_out() {
    let mut pair = held_back();
    pair.two.fact(1_000, Finality::Final, revealed(1_000));
    check_taken_back(pair);
    // Before it is final already: what is public stays public.
    let mut pair = held_back();
    pair.two.fact(1_000, Finality::Seen, revealed(1_000));
    check_taken_back(pair);
}

#[test]
fn p44_our_own_lock_is_not_signed_when_its_time_is_nearly_over() {
    let last = EXPIRY - policy().lock_margin_secs;
    let mut pair = held_back();
    pair.two.finalized(last - 1);
    pair.exchange();
    assert_eq!(pair.two.channel.parts().base.as_ref().unwrap().locks.len(), 1);
    let mut pair = held_back();
    pair.two.finalized(last);
    check_taken_back(pair);
}

#[test]
fn p44_a_lock_that_waited_behind_a_silent_peer_goes_into_no_state_any_more() {
    let narrow = Policy { max_in_flight: 1, ..policy() };
    let mut pair = Pair::open_with(narrow, policy());
    pair.one.pay(1).unwrap();
    pair.one.command(update(new_lock(SECRET, 500, EXPIRY, true))).unwrap();
    pair.one.fact(1_000, Finality::Final, revealed(1_000));
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.one.own(), amount(DEPOSIT - 1));
    assert_eq!(pair.one.count(failed), 1);
}

#[test]
fn p44_a_lock_that_is_a_gift_from_the_start_is_not_taken_in() {
    for side in [Side::One, Side::Two] {
        let mut pair = Pair::open();
        let soon = 3 + policy().lock_margin_secs;
        let order = |expiry| update(new_lock(SECRET, 500, expiry, side == Side::One));
        let refused = pair.node(side).command(order(soon));
        assert_eq!(refused, Err(ProtocolError::LockRefused));
        pair.node(side).command(order(soon + 1)).unwrap();
    }
}

#[test]
fn p45_the_registry_is_asked_about_each_new_lock_and_again_after_a_start() {
    for payer in [Side::One, Side::Two] {
        let mut pair = Pair::open();
        let action = new_lock(SECRET, 500, EXPIRY, payer == Side::One);
        pair.node(payer).command(update(action)).unwrap();
        assert_eq!(pair.node(payer).asked, [hash()], "before it is in any state");
        pair.exchange();
        for side in [Side::One, Side::Two] {
            let node = pair.node(side);
            assert_eq!(node.asked, [hash()], "once");
            node.restart();
            assert_eq!(node.asked, [hash(); 2]);
            // The answer is about a block that was followed long ago.
            node.fact(40, Finality::Final, ChainFact::CloseVanished);
            node.fact(2, Finality::Final, revealed(2));
            let known = node.channel.parts().secrets[&hash()];
            assert_eq!(known.revealed_at, Some(BlockTimestamp(2)));
            let writes = node.disk.writes;
            node.fact(2, Finality::Final, revealed(2));
            assert_eq!(node.disk.writes, writes, "answered again");
            node.asked.clear();
            node.restart();
            assert_eq!(node.asked, [B256::ZERO; 0], "answered once is enough");
        }
        // The contract would pay it: nobody takes it back.
        pair.finalized(EXPIRY + 1);
        let expire = pair.node(payer).command(update(Action::ExpireLock { hash: hash() }));
        assert_eq!(expire, Err(ProtocolError::LockRefused));
    }
}

#[test]
fn p45_a_secret_is_told_again_after_a_crash_before_it_was_passed_on() {
    let mut pair = locked(Side::One);
    let learned = |notice: &Notice| matches!(notice, Notice::SecretLearned { secret, .. } if *secret == SECRET);
    pair.one.fact(1_000, Finality::Seen, revealed(1_000));
    assert_eq!(pair.one.count(learned), 1);
    pair.one.restart();
    assert_eq!(pair.one.count(learned), 2);
}

#[test]
fn p44_an_outgoing_lock_that_the_contract_paid_keeps_the_incoming_one_from_being_failed() {
    for (is_paid, expected) in [(true, OutLock::Paid), (false, OutLock::Gone)] {
        let mut pair = Pair::open();
        let stage = |pair: &Pair| out_lock(pair.one.channel.parts(), hash());
        assert_eq!(stage(&pair), OutLock::Gone);
        pair.one.command(update(new_lock(SECRET, 500, EXPIRY, true))).unwrap();
        assert_eq!(stage(&pair), OutLock::MayBeSettled);
        pair.exchange();
        pair.one.command(Command::ForceClose).unwrap();
        let mut world = World::new(pair);
        world.run_duties(Side::One);
        world.tick(u64::from(PERIOD) + 10);
        world.run_duties(Side::One);
        assert_eq!(stage(&world.pair), OutLock::MayBeSettled, "settled, and not decided");
        // Its payee got the secret into the registry in time, which this node was never told.
        let resolved = ChainFact::LockResolved { index: 0, is_paid };
        world.pair.one.fact(90_000, Finality::Seen, resolved.clone());
        assert_eq!(stage(&world.pair), OutLock::MayBeSettled, "one provider's word");
        world.pair.one.fact(90_001, Finality::Final, resolved);
        assert_eq!(stage(&world.pair), expected);
        assert_eq!(may_fail_upstream(stage(&world.pair)), !is_paid);
        let told = Notice::LockResolved { hash: hash(), is_paid };
        assert_eq!(world.pair.one.count(|notice| *notice == told), 1);
    }
}

#[test]
fn p44_an_outgoing_lock_that_is_only_asked_for_or_taken_back_in_flight_may_be_settled() {
    let mut pair = held_back();
    assert_eq!(out_lock(pair.two.channel.parts(), hash()), OutLock::MayBeSettled);
    pair.exchange();
    pair.one.command(update(Action::FailLock { hash: hash() })).unwrap();
    assert_eq!(out_lock(pair.two.channel.parts(), hash()), OutLock::MayBeSettled);
    pair.exchange();
    assert_eq!(out_lock(pair.two.channel.parts(), hash()), OutLock::Gone);
}

fn incoming(pair: &mut Pair, side: Side) -> InLock {
    in_lock(pair.node(side).channel.parts(), hash())
}

#[test]
fn p44_an_incoming_lock_counts_once_both_have_signed_it_and_until_it_may_be_gone() {
    for payer in [Side::One, Side::Two] {
        let payee = payer.other();
        let mut pair = Pair::open();
        assert_eq!(incoming(&mut pair, payee), InLock::Unsigned);
        let action = new_lock(SECRET, 500, EXPIRY, payer == Side::One);
        pair.node(payer).command(update(action)).unwrap();
        assert_eq!(incoming(&mut pair, payee), InLock::Unsigned, "ordered");
        if payer == Side::Two {
            // Side one makes a state of it, and signs alone.
            pair.deliver(payer);
            assert_eq!(pair.one.channel.parts().in_flight.len(), 1);
            assert_eq!(incoming(&mut pair, payee), InLock::Unsigned, "in flight");
        }
        pair.exchange();
        assert_eq!(incoming(&mut pair, payee), InLock::CoSigned);
        assert_eq!(incoming(&mut pair, payer), InLock::Unsigned, "it pays the other side");
        pair.node(payee).command(update(Action::FailLock { hash: hash() })).unwrap();
        assert_eq!(incoming(&mut pair, payee), InLock::Unsigned, "being given back");
        pair.exchange();
        assert!(pair.one.channel.parts().base.as_ref().unwrap().locks.is_empty());
        assert_eq!(incoming(&mut pair, payee), InLock::Unsigned, "gone");
    }
}

#[test]
fn p44_an_incoming_lock_that_is_being_settled_or_expires_is_not_passed_on() {
    let mut pair = locked(Side::One);
    pair.two.command(Command::LearnSecret { secret: SECRET }).unwrap();
    assert_eq!(incoming(&mut pair, Side::Two), InLock::Unsigned);
    let mut pair = locked(Side::Two);
    pair.finalized(EXPIRY + 1);
    assert_eq!(
        incoming(&mut pair, Side::One),
        InLock::CoSigned,
        "that it is late is seen by the clock"
    );
    pair.two.command(update(Action::ExpireLock { hash: hash() })).unwrap();
    pair.deliver(Side::Two);
    assert_eq!(incoming(&mut pair, Side::One), InLock::Unsigned);
    // Another lock that leaves is another matter.
    let mut pair = locked(Side::One);
    let other = B256::repeat_byte(9);
    pair.one.command(update(new_lock(other, 5, EXPIRY, true))).unwrap();
    pair.exchange();
    let hash = lockstep_core::hash_of(other);
    pair.two.command(update(Action::FailLock { hash })).unwrap();
    assert_eq!(incoming(&mut pair, Side::Two), InLock::CoSigned);
}

#[test]
fn p44_an_incoming_lock_of_a_channel_that_is_left_frozen_or_restored_is_not_passed_on() {
    let mut pair = locked(Side::One);
    pair.one.command(Command::ForceClose).unwrap();
    pair.two.command(Command::Close).unwrap();
    assert_eq!(incoming(&mut pair, Side::Two), InLock::CoSigned, "nothing has been taken out yet");
    let parts = pair.two.channel.parts();
    let mut restored = parts.clone();
    restored.marks.restored = Some(RestoreReason::OwnSignature);
    assert_eq!(in_lock(&restored, hash()), InLock::Unsigned);
    let mut frozen = parts.clone();
    frozen.marks.frozen = Some(FreezeReason::Equivocation);
    assert_eq!(in_lock(&frozen, hash()), InLock::Unsigned);
    let mut leaving = locked(Side::One);
    leaving.two.command(Command::ForceClose).unwrap();
    assert_eq!(incoming(&mut leaving, Side::Two), InLock::Unsigned);
    let mut world = World::new(pair);
    world.run_duties(Side::One);
    assert!(matches!(world.pair.two.channel.parts().phase, Phase::Disputed(_)));
    assert_eq!(incoming(&mut world.pair, Side::Two), InLock::Unsigned);
    world.tick(u64::from(PERIOD) + 10);
    world.run_duties(Side::One);
    assert!(matches!(world.pair.two.channel.parts().phase, Phase::Settled(_)));
    assert_eq!(incoming(&mut world.pair, Side::Two), InLock::Unsigned);
}

#[test]
fn p45_locks_that_are_refused_in_turn_never_leave_a_secret_without_a_place() {
    let mut pair = Pair::open();
    let mut byte = 0u8;
    let mut refused = 0;
    for round in 0..40 {
        let last = pair.one.channel.parts().peer_sequence.0;
        let updates = (1..=5).map(|place| {
            byte = byte.wrapping_add(1);
            let action = new_lock(B256::repeat_byte(byte), 1, EXPIRY, false);
            Update { sequence: Sequence(last + place), action }
        });
        let updates = updates.collect();
        pair.one.peer(PeerMessage::Intent { updates }).unwrap();
        let is_refusal = |message: &&PeerMessage| matches!(message, PeerMessage::Refuse { .. });
        refused += pair.one.outbox.iter().filter(is_refusal).count();
        pair.one.outbox.clear();
        let version = newest(&pair.one);
        pair.one.peer(reject(version, None)).unwrap();
        assert_eq!(pair.one.channel.parts().marks.frozen, None, "{round}");
    }
    assert!(refused > 0, "there is a limit");
    // Every secret that the registry may have taken is kept, and the chain can always be followed.
    for byte in 0..=255 {
        let secret = B256::repeat_byte(byte);
        let hash = lockstep_core::hash_of(secret);
        let fact = ChainFact::SecretRevealed { hash, secret, at: BlockTimestamp(50) };
        pair.one.fact(50, Finality::Final, fact);
    }
    let parts = pair.one.channel.parts();
    let held = parts.in_flight.iter().flat_map(|proposal| &proposal.locks);
    assert!(held.clone().count() > 64);
    assert!(held.clone().all(|lock| parts.secrets.contains_key(&lock.hash)));
}
