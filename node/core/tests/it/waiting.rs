//! In which order messages wait for towers, for how long, and how many.

use crate::kit::*;
use alloy_primitives::{Address, B256};
use lockstep_core::exposure::Exposure;
use lockstep_core::ids::{Sequence, Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::PeerMessage;
use lockstep_core::money::Amount;
use lockstep_core::protection::{Held, Lapse, Protection, TowerPolicy};
use lockstep_core::time::{BlockTimestamp, EngineTime};
use lockstep_core::update::{Action, Update};

const TOWER: Address = Address::repeat_byte(0x70);
const LIMIT_MILLIS: u64 = 5_000;
const START: EngineTime = EngineTime(1_000);

fn bounded(max: u64) -> TowerPolicy {
    TowerPolicy::Bounded { max_unprotected: amount(max) }
}

fn intent(sequence: u64, action: Action) -> PeerMessage {
    PeerMessage::Intent { updates: vec![Update { sequence: Sequence(sequence), action }] }
}

fn lock(byte: u8, from1: bool) -> Action {
    crate::lock::lock(B256::repeat_byte(byte), 40, 2_000, from1)
}

/// A side that was paid 100 that no tower holds, under a bound of 10.
fn exposed(side: Side) -> (Pair, Protection) {
    let mut pair = Pair::open();
    let start = pair.node(side).channel.parts().clone();
    let mut protection = Protection::resume(bounded(10), &start, None).unwrap();
    protection.add_tower(TOWER, None);
    pair.node(side.other()).pay(100).unwrap();
    pair.exchange();
    protection.observe(pair.node(side).channel.parts()).unwrap();
    assert_eq!(protection.unprotected(), amount(100));
    (pair, protection)
}

/// The next message to a side goes past its towers; whether it may be handled.
fn passes(pair: &mut Pair, side: Side, protection: &mut Protection) -> bool {
    let message = pair.node(side.other()).outbox.pop_front().unwrap();
    let parts = pair.node(side).channel.parts().clone();
    protection.arrive(message, &parts, START).is_some()
}

#[test]
fn p81_what_gives_us_nothing_passes_at_any_exposure() {
    for side in [Side::One, Side::Two] {
        let (mut pair, mut protection) = exposed(side);
        let order = Command::Update(vec![lock(1, side == Side::Two)]);
        pair.node(side.other()).command(order).unwrap();
        assert!(passes(&mut pair, side, &mut protection), "{side:?}");
        assert!(!protection.is_waiting());
    }
}

#[test]
fn p81_an_intent_that_was_taken_in_before_is_not_counted_again() {
    let (pair, mut protection) = exposed(Side::One);
    let again = intent(1, pay(100));
    let parts = pair.one.channel.parts();
    assert_eq!(protection.arrive(again.clone(), parts, START), Some(again));
    assert_eq!(protection.arrive(intent(2, pay(100)), parts, START), None);
}

#[test]
fn p81_no_intent_overtakes_one_that_waits() {
    let (pair, mut protection) = exposed(Side::One);
    let parts = pair.one.channel.parts();
    assert_eq!(protection.arrive(intent(2, pay(5)), parts, START), None);
    assert_eq!(protection.arrive(intent(3, lock(1, false)), parts, START), None);
    protection.set_policy(TowerPolicy::Async);
    assert_eq!(protection.release(parts), Some(intent(2, pay(5))));
    assert_eq!(protection.release(parts), Some(intent(3, lock(1, false))));
    assert_eq!(protection.release(parts), None);
}

#[test]
fn p66_so_many_intents_wait_and_the_others_come_again_later() {
    let (pair, mut protection) = exposed(Side::One);
    let parts = pair.one.channel.parts();
    for sequence in 2..100 {
        assert_eq!(protection.arrive(intent(sequence, pay(5)), parts, START), None);
    }
    protection.set_policy(TowerPolicy::Async);
    let released = std::iter::from_fn(|| protection.release(parts)).count();
    assert_eq!(released, 64);
}

#[test]
fn p81_a_proposal_waits_for_its_whole_time() {
    let (mut pair, mut protection) = exposed(Side::Two);
    pair.one.pay(5).unwrap();
    assert!(!passes(&mut pair, Side::Two, &mut protection));
    let end = START.0 + LIMIT_MILLIS;
    assert_eq!(protection.tick(EngineTime(end - 1), LIMIT_MILLIS), None);
    assert!(protection.is_waiting());
    let lapse = protection.tick(EngineTime(end), LIMIT_MILLIS);
    assert!(matches!(lapse, Some(Lapse::Decline(_))), "{lapse:?}");
    assert!(!protection.is_waiting());
}

#[test]
fn p81_a_receipt_that_has_ended_counts_no_more_right_after_a_start() {
    let (mut pair, _) = exposed(Side::Two);
    let version = pair.two.channel.version();
    pair.two.finalized(2_001);
    for (until, counts) in [(2_000, false), (2_001, true)] {
        let parts = pair.two.channel.parts();
        let mut protection = Protection::resume(bounded(10), parts, None).unwrap();
        let held = Held { version, valid_until: BlockTimestamp(until) };
        protection.add_tower(TOWER, Some(held));
        assert_eq!(protection.held(TOWER).is_some(), counts, "{until}");
        assert_eq!(protection.unprotected().is_zero(), counts, "{until}");
    }
}

#[test]
fn p82_a_payment_of_ours_that_may_be_signed_is_what_an_older_copy_would_cost() {
    let (mut pair, mut protection) = exposed(Side::One);
    let version = pair.one.channel.version();
    protection.receipt(TOWER, Held { version, valid_until: BlockTimestamp(9_000) });
    assert_eq!(protection.unprotected(), Amount::ZERO);
    pair.one.pay(30).unwrap();
    pair.one.pay(20).unwrap();
    protection.observe(pair.one.channel.parts()).unwrap();
    // Whoever signs the newest of them may settle it, and we still rely on the one before.
    assert_eq!(protection.unprotected(), amount(50));
    pair.exchange();
    protection.observe(pair.one.channel.parts()).unwrap();
    assert_eq!(protection.unprotected(), Amount::ZERO);
}

#[test]
fn p81_a_lock_counts_by_its_last_second_to_the_second() {
    for (clock, back) in [(2_000, 0), (2_001, 40)] {
        let mut pair = Pair::open();
        pair.one.input(Input::Command(Command::Update(vec![lock(1, true)]))).unwrap();
        pair.exchange();
        pair.one.finalized(clock);
        let relied = Exposure::resume(pair.one.channel.parts(), None).unwrap().relied();
        assert_eq!(relied.get(), back - 40, "beyond the deposit, at {clock}");
    }
    for (clock, ours) in [(2_000, 40), (2_001, 0)] {
        let mut pair = Pair::open();
        pair.two.command(Command::Update(vec![lock(1, false)])).unwrap();
        pair.exchange();
        let secret = B256::repeat_byte(1);
        pair.one.command(Command::LearnSecret { secret }).unwrap();
        pair.one.finalized(clock);
        let relied = Exposure::resume(pair.one.channel.parts(), None).unwrap().relied();
        assert_eq!(relied.get(), ours, "beyond the deposit, at {clock}");
    }
    let fresh = Pair::open();
    let exposure = Exposure::resume(fresh.one.channel.parts(), None).unwrap();
    assert_eq!(exposure.at(Version::ZERO), Amount::ZERO);
}
