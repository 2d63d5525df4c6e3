//! What the towers hold against what may come in. Messages are in the tests of the crate.

use super::*;

const A: Address = Address::repeat_byte(0xa1);
const B: Address = Address::repeat_byte(0xb2);

fn amount(value: u64) -> Amount {
    Amount::from(value)
}

fn gain(value: u64) -> Gain {
    Gain::new(value.into()).unwrap()
}

fn held(version: u64) -> Held {
    Held { version: Version(version), valid_until: BlockTimestamp(1_000) }
}

/// A channel of two towers that relied on 100 at version 0 and on these at the next.
fn protection(policy: TowerPolicy, history: &[u64]) -> Protection {
    let mut exposure = Exposure::new(gain(100));
    for (version, worst) in (1u64..).zip(history) {
        exposure.rely_on(Version(version), gain(*worst));
    }
    let mut protection = Protection { policy, exposure, ..Protection::default() };
    protection.add_tower(A, None);
    protection.add_tower(B, None);
    protection
}

fn bounded(max: u64) -> TowerPolicy {
    TowerPolicy::Bounded { max_unprotected: amount(max) }
}

fn quorum(receipts: u8) -> TowerPolicy {
    TowerPolicy::Quorum { receipts, max_unprotected: amount(10), patience_millis: 500 }
}

#[test]
fn p81_async_never_waits_and_shows_the_exposure() {
    let protection = protection(TowerPolicy::Async, &[150]);
    assert_eq!(protection.unprotected(), amount(50));
    assert_eq!(protection.decide(gain(900), Amount::ZERO), Verdict::Pass);
}

#[test]
fn p81_bounded_stops_at_the_bound_and_not_below_it() {
    let protection = protection(bounded(50), &[130]);
    assert_eq!(protection.decide(gain(150), Amount::ZERO), Verdict::Pass);
    let over = Waiting::Bound { unprotected: amount(51), max_unprotected: amount(50) };
    assert_eq!(protection.decide(gain(151), Amount::ZERO), Verdict::Wait(over));
    // What was taken in before counts, co-signed or not: it is in what we would rely on.
    assert_eq!(protection.decide(gain(151), amount(20)), Verdict::Wait(over));
}

#[test]
fn p81_more_than_the_bound_passes_alone_once_all_else_is_protected() {
    let mut protection = protection(bounded(50), &[130]);
    assert!(matches!(protection.decide(gain(500), Amount::ZERO), Verdict::Wait(_)));
    protection.receipt(A, held(1));
    assert_eq!(protection.unprotected(), Amount::ZERO);
    assert_eq!(protection.decide(gain(500), Amount::ZERO), Verdict::Pass);
    // With another one under way it is not alone.
    assert!(matches!(protection.decide(gain(500), amount(1)), Verdict::Wait(_)));
}

#[test]
fn p81_quorum_waits_for_so_many_receipts() {
    let mut protection = protection(quorum(2), &[130]);
    let wait = |receipts| Verdict::Wait(Waiting::Quorum { receipts, wanted: 2 });
    assert_eq!(protection.decide(gain(131), Amount::ZERO), wait(0));
    protection.receipt(A, held(1));
    assert_eq!(protection.decide(gain(131), Amount::ZERO), wait(1));
    protection.receipt(B, held(1));
    assert_eq!(protection.decide(gain(131), Amount::ZERO), Verdict::Pass);
    protection.lost(A);
    assert_eq!(protection.decide(gain(131), Amount::ZERO), wait(1));
}

#[test]
fn p81_quorum_lets_the_first_update_in_where_nothing_is_at_stake() {
    let protection = protection(quorum(2), &[]);
    assert_eq!(protection.decide(gain(200), Amount::ZERO), Verdict::Pass);
}

#[test]
fn p81_quorum_degrades_to_the_bound_and_comes_back() {
    let mut protection = protection(quorum(2), &[105]);
    let message = PeerMessage::Intent { updates: vec![] };
    protection.intents.push_back((EngineTime(1_000), message.clone()));
    assert_eq!(protection.tick(EngineTime(1_499), 2_000), None);
    assert_eq!(protection.tick(EngineTime(1_500), 2_000), Some(Lapse::Degraded));
    assert!(protection.is_degraded());
    assert_eq!(protection.decide(gain(110), Amount::ZERO), Verdict::Pass);
    assert!(matches!(protection.decide(gain(111), Amount::ZERO), Verdict::Wait(_)));
    assert_eq!(protection.tick(EngineTime(2_999), 2_000), None);
    assert_eq!(protection.tick(EngineTime(3_000), 2_000), Some(Lapse::Decline(Box::new(message))));
    protection.receipt(A, held(1));
    protection.receipt(B, held(1));
    assert!(!protection.is_degraded());
}

#[test]
fn p81_the_channel_that_pays_a_tower_never_waits() {
    for policy in [bounded(0), quorum(2)] {
        let mut protection = protection(policy, &[130]);
        assert!(matches!(protection.decide(gain(900), Amount::ZERO), Verdict::Wait(_)));
        protection.set_pays_tower(true);
        assert_eq!(protection.decide(gain(900), Amount::ZERO), Verdict::Pass);
    }
}

#[test]
fn p81_a_receipt_counts_until_it_ends_by_the_clock_of_the_chain() {
    let mut protection = protection(bounded(10), &[130]);
    protection.receipt(A, held(1));
    protection.clock = BlockTimestamp(1_000);
    assert_eq!(protection.unprotected(), Amount::ZERO);
    protection.clock = BlockTimestamp(1_001);
    assert_eq!(protection.unprotected(), amount(30));
}

#[test]
fn p82_any_one_tower_suffices_for_what_it_holds() {
    let mut protection = protection(TowerPolicy::Async, &[150, 120, 180]);
    protection.receipt(A, held(2));
    assert_eq!(protection.unprotected(), amount(60));
    protection.receipt(B, held(3));
    assert_eq!(protection.unprotected(), Amount::ZERO);
    assert_eq!(protection.unprotected_by(A), amount(60));
    // An older receipt that comes late takes nothing back.
    protection.receipt(B, held(1));
    assert_eq!(protection.unprotected(), Amount::ZERO);
    protection.remove_tower(B);
    assert_eq!(protection.unprotected(), amount(60));
}

#[test]
fn p81_one_receipt_of_two_does_not_end_what_patience_began() {
    let mut protection = protection(quorum(2), &[130]);
    protection.is_degraded = true;
    protection.receipt(A, held(1));
    assert!(protection.is_degraded());
    protection.receipt(B, held(1));
    assert!(!protection.is_degraded());
}

#[test]
fn p66_a_channel_has_so_many_towers_and_each_of_them_once() {
    let mut protection = Protection::default();
    let tower = |index: usize| Address::left_padding_from(&index.to_be_bytes());
    for index in 0..=MAX_TOWERS {
        protection.add_tower(tower(index), None);
    }
    let known: Vec<Address> = protection.towers().collect();
    assert_eq!(known, (0..MAX_TOWERS).map(tower).collect::<Vec<_>>());
    // What one of them holds is still learned.
    protection.add_tower(tower(3), Some(held(1)));
    assert_eq!(protection.held(tower(3)), Some(held(1)));
    assert_eq!(protection.towers().count(), MAX_TOWERS);
}
