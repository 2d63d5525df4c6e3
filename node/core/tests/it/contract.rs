//! The contract's model: what it stores, tells and pays, call by call.

use crate::kit::*;
use alloy_primitives::{Address, B256};
use lockstep_core::adjudicator::{
    Adjudicator, Call, Credits, Point, PresentedConsent, PresentedIntent, PresentedState,
    PresentedWithdraw, Refusal, Signatures, Step,
};
use lockstep_core::chain::{ChainFact, ChannelStatus, CloseMode, StoredPoint};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{AccountRef, Digest, Side, Version};
use lockstep_core::lock::{Lock, MAX_LOCKS, locks_root};
use lockstep_core::money::{Amount, Deposits, Net, RawNet};
use lockstep_core::state::{Open, State, StateKind};
use lockstep_core::time::BlockTimestamp;

fn both(digest: Digest) -> Signatures {
    Signatures { one: sign(Side::One, digest), two: sign(Side::Two, digest) }
}

fn signed(chain: &Adjudicator, state: &PresentedState) -> Signatures {
    both(SigningDomain::new(DOMAIN).presented_state(chain.channel_id(), state))
}

fn by(side: Side, now: u64) -> Call {
    Call { sender: participant(side), now: BlockTimestamp(now) }
}

fn lock(number: u8, value: u64, from1: bool) -> Lock {
    Lock {
        hash: B256::repeat_byte(number),
        resolver: AccountRef::Evm(Address::ZERO),
        amount: amount(value),
        expiry: BlockTimestamp(5_000),
        from1,
    }
}

/// A state of this version with these locks, and these sums of them.
fn locked(version: u64, locks: &[Lock], locked1: u64, locked2: u64) -> PresentedState {
    PresentedState {
        version: Version(version),
        net: RawNet::from(Net::new(30).unwrap()),
        locked1: amount(locked1),
        locked2: amount(locked2),
        locks_root: locks_root(locks),
        ..PresentedState::default()
    }
}

#[track_caller]
fn take(chain: &mut Adjudicator, step: Result<Step, Refusal>) -> Step {
    let step = step.unwrap();
    chain.apply(&step);
    step
}

fn start_close(chain: &mut Adjudicator, state: &PresentedState) -> Step {
    let signatures = signed(chain, state);
    let none = PresentedIntent::NONE;
    let step = chain.initiate_close(by(Side::One, 100), state, &signatures, &none);
    take(chain, step)
}

/// A channel that was settled at such a state.
fn settled(state: &PresentedState) -> Adjudicator {
    let mut chain = Pair::chain();
    start_close(&mut chain, state);
    let step = chain.close_channel(by(Side::One, 100 + u64::from(PERIOD)));
    take(&mut chain, step);
    chain
}

#[test]
fn p28_what_is_stored_is_told_in_full() {
    let locks = [lock(1, 10, true), lock(2, 20, false)];
    let state = locked(4, &locks, 10, 20);
    let point = StoredPoint {
        version: Version(4),
        net: Net::new(30).unwrap(),
        is_final: false,
        locked1: amount(10),
        locked2: amount(20),
        locks_root: locks_root(&locks),
    };
    let mut chain = Pair::chain();
    let step = chain.update_state(&state, &signed(&chain, &state)).unwrap();
    assert_eq!(step.events, [ChainFact::Checkpoint { point, evidence: None }]);
    let step = start_close(&mut chain, &state);
    let closes_at = BlockTimestamp(100 + u64::from(PERIOD));
    let told = ChainFact::Closing { point, closes_at, initiator: Side::One, evidence: None };
    assert_eq!(step.events, [told]);
    let last =
        PresentedState { version: Version(5), kind: 1, net: state.net, ..Default::default() };
    let step = chain.update_state(&last, &signed(&chain, &last));
    assert_eq!(step, Err(Refusal::WrongStatus { status: ChannelStatus::Closing }));
    let step = chain.challenge_close(by(Side::Two, 101), &last, &signed(&chain, &last)).unwrap();
    let [ChainFact::Closing { point, .. }] = &step.events[..] else { panic!("{step:?}") };
    assert_eq!((point.is_final, point.version), (true, Version(5)));
}

#[test]
fn p28_a_state_and_what_is_stored_of_it_say_the_same() {
    for kind in [StateKind::Ordinary, StateKind::Final] {
        let state = State {
            channel_id: Pair::chain().channel_id(),
            version: Version(4),
            kind,
            net: Net::new(-3).unwrap(),
            locked1: amount(1),
            locked2: amount(2),
            locks_root: B256::repeat_byte(3),
        };
        let expected = StoredPoint {
            version: Version(4),
            net: Net::new(-3).unwrap(),
            is_final: kind == StateKind::Final,
            locked1: amount(1),
            locked2: amount(2),
            locks_root: B256::repeat_byte(3),
        };
        assert_eq!(StoredPoint::from(&state), expected);
    }
}

#[test]
fn p23_a_withdrawal_stores_its_locks_and_that_it_was_one() {
    let locks = [lock(1, 10, true), lock(2, 20, false)];
    let chain = Pair::chain();
    let order = PresentedWithdraw {
        version: Version(5),
        net: RawNet::from(Net::new(30).unwrap()),
        locked1: amount(10),
        locked2: amount(20),
        locks_root: locks_root(&locks),
        out1: amount(7),
        deadline: BlockTimestamp(100),
        ..PresentedWithdraw::default()
    };
    let domain = SigningDomain::new(DOMAIN);
    let signatures = both(domain.presented_withdraw(chain.channel_id(), &order));
    let next = chain.partial_withdraw(by(Side::One, 100), &order, &signatures).unwrap().next;
    assert_eq!((next.held1, next.held2), (amount(10), amount(20)));
    assert_eq!(next.withdraw_version, Version(5));
    assert_eq!(next.point.locks_root, locks_root(&locks));
    assert_eq!(next.deposits.total(), amount(2 * DEPOSIT - 7));
}

#[test]
fn p11_a_grave_keeps_the_version_and_how_it_came_and_no_money() {
    let locks = [lock(1, 10, true)];
    let state = locked(4, &locks, 10, 0);
    let slots = *settled(&state).slots();
    assert_eq!((slots.status, slots.mode), (ChannelStatus::Closed, Some(CloseMode::Unilateral)));
    assert_eq!(slots.deposits, Deposits::ZERO);
    let locks_root = locks_root(&locks);
    let point =
        Point { version: Version(4), kind: StateKind::Ordinary, net: Net::ZERO, locks_root };
    assert_eq!((slots.point, slots.held1, slots.held2), (point, amount(10), Amount::ZERO));
}

#[test]
fn p10_a_final_state_ends_a_close_at_locks_and_holds_nothing_back() {
    let mut chain = Pair::chain();
    start_close(&mut chain, &locked(4, &[lock(1, 10, true), lock(2, 20, false)], 10, 20));
    assert_eq!(chain.slots().held1, amount(10));
    let net = RawNet::from(Net::new(5).unwrap());
    let last = PresentedState { version: Version(6), kind: 1, net, ..Default::default() };
    let step = chain.cooperative_close(Version(6), net, &signed(&chain, &last)).unwrap();
    let closed = ChainFact::Closed {
        version: Version(6),
        paid1: amount(DEPOSIT - 5),
        paid2: amount(DEPOSIT + 5),
        held1: Amount::ZERO,
        held2: Amount::ZERO,
        mode: CloseMode::Cooperative,
    };
    assert_eq!(step.events, [closed]);
    assert_eq!((step.next.held1, step.next.held2), (Amount::ZERO, Amount::ZERO));
    assert_eq!((step.next.point.locks_root, step.next.point.version), (B256::ZERO, Version(6)));
    assert_eq!(step.next.mode, Some(CloseMode::Cooperative));
}

#[test]
fn an_order_to_close_is_not_carried_out_with_less_than_it_asks_for() {
    let mut chain = Pair::chain();
    let order = |chain: &Adjudicator, min_version| {
        let (min_version, deadline) = (Version(min_version), BlockTimestamp(1_000));
        let domain = SigningDomain::new(DOMAIN);
        let digest = domain.presented_intent(chain.channel_id(), 2, min_version, deadline);
        PresentedIntent { side: 2, min_version, deadline, signature: sign(Side::Two, digest) }
    };
    let state = locked(4, &[], 0, 0);
    let stranger = AccountRef::Evm(Address::repeat_byte(0xee));
    let call = Call { sender: stranger, now: BlockTimestamp(100) };
    let close = |chain: &Adjudicator, min_version| {
        chain.initiate_close(call, &state, &signed(chain, &state), &order(chain, min_version))
    };
    let below = |min_version| {
        let (version, min_version) = (Version(4), Version(min_version));
        Err(Refusal::BelowMinVersion { version, min_version })
    };
    assert_eq!(close(&chain, 5), below(5));
    let step = close(&chain, 4);
    take(&mut chain, step);
    // The same while the period runs.
    assert_eq!(close(&chain, 5), below(5));
    assert!(close(&chain, 4).is_ok());
}

#[test]
fn p21_an_open_below_the_deposit_that_was_agreed_on_is_refused() {
    let chain = Adjudicator::new(DOMAIN, BOUNDS, terms());
    let (min_deposit1, deadline) = (amount(50), BlockTimestamp(100));
    let open = Open { channel_id: chain.channel_id(), min_deposit1, deadline };
    let signature = sign(Side::Two, SigningDomain::new(DOMAIN).open(&open)).0.to_vec();
    let consent = PresentedConsent { min_deposit1, deadline, signature };
    let opens = |value| chain.open_channel(by(Side::One, 10), amount(value), &consent);
    let deposit1 = amount(49);
    assert_eq!(opens(49), Err(Refusal::DepositTooSmall { deposit1, min_deposit1 }));
    for value in [50, 51] {
        assert_eq!(opens(value).unwrap().next.status, ChannelStatus::Active);
    }
}

#[test]
fn p25_only_the_chosen_locks_are_resolved() {
    let locks = [lock(1, 10, true), lock(2, 20, true), lock(3, 30, true)];
    let mut chain = settled(&locked(4, &locks, 60, 0));
    let late = BlockTimestamp(5_001);
    let step = chain.resolve_locks(late, &locks, 0b010, |_| None);
    let step = take(&mut chain, step);
    assert_eq!(step.events, [ChainFact::LockResolved { index: 1, is_paid: false }]);
    assert_eq!((step.next.resolved, step.next.held1), (0b010, amount(40)));
    let step = chain.resolve_locks(late, &locks, 0b111, |_| None);
    let step = take(&mut chain, step);
    assert_eq!(step.events.len(), 2, "each of them once");
    assert_eq!((step.next.held1, step.next.point.locks_root), (Amount::ZERO, B256::ZERO));
}

#[test]
fn p18_the_longest_list_of_locks_resolves_and_a_longer_one_is_refused() {
    let number = u8::try_from(MAX_LOCKS).unwrap();
    let locks: Vec<Lock> = (0..=number).map(|number| lock(number, 1, true)).collect();
    let most = &locks[..MAX_LOCKS];
    let chain = settled(&locked(4, most, u64::from(number), 0));
    let late = BlockTimestamp(5_001);
    let step = chain.resolve_locks(late, most, u32::MAX, |_| None).unwrap();
    assert_eq!((step.events.len(), step.next.held1), (MAX_LOCKS, Amount::ZERO));
    let refused = chain.resolve_locks(late, &locks, u32::MAX, |_| None);
    assert_eq!(refused, Err(Refusal::TooManyLocks { count: MAX_LOCKS + 1 }));
}

#[test]
fn p25_holding_ends_when_nothing_is_held_though_a_lock_is_undecided() {
    // Both signed sums below those of the locks: the contract knows only the sums.
    let locks = [lock(1, 10, true), lock(2, 10, true)];
    let mut chain = settled(&locked(4, &locks, 10, 0));
    let met_at = |lock: &Lock| (lock.hash == locks[0].hash).then_some(BlockTimestamp(4_000));
    let step = chain.resolve_locks(BlockTimestamp(4_000), &locks, 0b11, met_at);
    let step = take(&mut chain, step);
    assert_eq!((step.next.resolved, step.next.point.locks_root), (0, B256::ZERO));
    let again = chain.resolve_locks(BlockTimestamp(5_001), &locks, 0b10, |_| None);
    assert_eq!(again, Err(Refusal::NothingHeld));
}

#[test]
fn p01_what_all_accounts_are_owed_is_the_sum_of_what_each_is() {
    let mut credits = Credits::default();
    credits.book(participant(Side::One), amount(5)).unwrap();
    credits.book(participant(Side::Two), amount(7)).unwrap();
    credits.book(participant(Side::One), amount(1)).unwrap();
    assert_eq!(credits.of(participant(Side::One)), amount(6));
    assert_eq!(credits.total(), Ok(amount(13)));
}
