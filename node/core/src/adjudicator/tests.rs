use super::*;
use crate::fixture::*;
use crate::ids::Digest;
use crate::lock::{Lock, locks_root};
use crate::signature::SignerKey;
use crate::state::Open;
use alloy_primitives::{Address, I256, U256};
use k256::ecdsa::SigningKey;

fn amount(value: u64) -> Amount {
    Amount::from(value)
}

fn call(sender: AccountRef, now: u64) -> Call {
    Call { sender, now: BlockTimestamp(now) }
}

fn state(version: u64, net: i64) -> PresentedState {
    PresentedState {
        version: Version(version),
        net: RawNet::from_i256(I256::try_from(net).unwrap()),
        ..PresentedState::default()
    }
}

fn final_state(version: u64, net: i64) -> PresentedState {
    PresentedState { kind: 1, ..state(version, net) }
}

/// A channel with 100 and 50 in it.
struct Bench(Adjudicator);

impl Bench {
    fn pending() -> Self {
        let mut bench = Self(Adjudicator::new(DOMAIN, BOUNDS, terms()));
        let owner = call(participant(Side::One), 10);
        bench.ok(|channel| channel.open_channel(owner, amount(100), &PresentedConsent::default()));
        bench
    }

    fn active() -> Self {
        let mut bench = Self::pending();
        let owner = call(participant(Side::Two), 10);
        bench.ok(|channel| channel.join_channel(owner, amount(50), &PresentedConsent::default()));
        assert_eq!(bench.0.slots().status, ChannelStatus::Active);
        bench
    }

    fn closing_at(state: &PresentedState, now: u64) -> Self {
        let mut bench = Self::active();
        let owner = call(participant(Side::One), now);
        let signatures = bench.signatures(state);
        bench.ok(|channel| {
            channel.initiate_close(owner, state, &signatures, &PresentedIntent::NONE)
        });
        bench
    }

    fn signatures(&self, state: &PresentedState) -> Signatures {
        sign_both(domain().presented_state(self.0.channel_id(), state))
    }

    #[track_caller]
    fn ok(&mut self, act: impl FnOnce(&Adjudicator) -> Result<Step, Refusal>) -> Step {
        let step = act(&self.0).unwrap();
        self.0.apply(&step);
        step
    }

    fn update(&self, state: &PresentedState) -> Result<Step, Refusal> {
        self.0.update_state(state, &self.signatures(state))
    }

    fn challenge(&self, now: u64, state: &PresentedState) -> Result<Step, Refusal> {
        self.0.challenge_close(call(stranger(), now), state, &self.signatures(state))
    }

    fn close(&self, now: u64) -> Result<Step, Refusal> {
        self.0.close_channel(call(stranger(), now))
    }
}

fn paid(one: u64, two: u64) -> Vec<Payout> {
    [(Side::One, one), (Side::Two, two)]
        .into_iter()
        .filter(|(_, value)| *value != 0)
        .map(|(side, value)| Payout { side, amount: amount(value) })
        .collect()
}

#[test]
fn p04_the_highest_version_shown_in_time_is_paid() {
    let mut bench = Bench::closing_at(&state(3, 10), 1_000);
    let newer = bench.challenge(1_050, &state(7, 40)).unwrap();
    bench.0.apply(&newer);
    let stale = bench.challenge(1_060, &state(5, 0));
    assert_eq!(stale, Err(Refusal::StaleVersion { current: Version(7) }));
    let step = bench.close(1_100).unwrap();
    assert_eq!(step.payouts, paid(60, 90));
    assert_eq!(step.next.status, ChannelStatus::Closed);
}

#[test]
fn p05_an_equal_version_with_other_content_is_refused_and_the_same_is_silent() {
    let bench = Bench::closing_at(&state(3, 10), 1_000);
    let other = bench.challenge(1_010, &state(3, 11));
    assert_eq!(other, Err(Refusal::VersionConflict { version: Version(3) }));
    let same = bench.challenge(1_010, &state(3, 10)).unwrap();
    assert_eq!((same.next, same.events.len()), (*bench.0.slots(), 0));
}

#[test]
fn p06_swapped_foreign_and_cross_type_signatures_are_refused() {
    let bench = Bench::active();
    let given = state(1, 5);
    let good = bench.signatures(&given);
    let swapped = Signatures { one: good.two, two: good.one };
    let refused = |side| Err(Refusal::BadSignature { side });
    assert_eq!(bench.0.update_state(&given, &swapped), refused(Side::One));
    let other_channel = ChannelId(B256::repeat_byte(1));
    let foreign = sign_both(domain().presented_state(other_channel, &given));
    assert_eq!(bench.0.update_state(&given, &foreign), refused(Side::One));
    let withdraw = PresentedWithdraw { version: Version(1), net: given.net, ..Default::default() };
    let typed = sign_both(domain().presented_withdraw(bench.0.channel_id(), &withdraw));
    assert_eq!(bench.0.update_state(&given, &typed), refused(Side::One));
    let zero = Signatures { two: StateSignature([0; 64]), ..good };
    assert_eq!(bench.0.update_state(&given, &zero), refused(Side::Two));
}

#[test]
fn p07_no_state_leaves_a_side_with_less_than_nothing() {
    let bench = Bench::active();
    assert!(bench.update(&state(1, 100)).is_ok());
    let refused = |side| Err(Refusal::InsufficientBalance { side, balance: -1 });
    assert_eq!(bench.update(&state(1, 101)), refused(Side::One));
    assert!(bench.update(&state(1, -50)).is_ok());
    assert_eq!(bench.update(&state(1, -51)), refused(Side::Two));
    let huge = PresentedState { locked1: Amount::MAX, ..state(1, 0) };
    assert_eq!(bench.update(&huge), Err(Refusal::LockedOutOfRange { locked: Amount::MAX }));
    let net = RawNet::from_i256(I256::MIN);
    let wide = PresentedState { net, ..state(1, 0) };
    assert_eq!(bench.update(&wide), Err(Refusal::NetOutOfRange { net }));
}

#[test]
fn p08_the_deadline_is_set_once_and_never_moves() {
    let mut bench = Bench::closing_at(&state(1, 0), 1_000);
    let closes_at = Some(BlockTimestamp(1_000 + u64::from(PERIOD)));
    assert_eq!(bench.0.slots().closes_at, closes_at);
    for version in 2..20 {
        let given = state(version, 1);
        let next = bench.challenge(1_000 + version, &given).unwrap();
        bench.0.apply(&next);
        assert_eq!(bench.0.slots().closes_at, closes_at);
    }
}

#[test]
fn p09_the_window_ends_exactly_at_its_deadline() {
    let bench = Bench::closing_at(&state(1, 0), 1_000);
    let closes_at = BlockTimestamp(1_100);
    for now in [1_099, 1_100, 1_101] {
        let adopted = bench.challenge(now, &state(2, 1));
        let settled = bench.close(now);
        if now < 1_100 {
            assert!(adopted.is_ok());
            assert_eq!(settled, Err(Refusal::WindowOpen { closes_at }));
        } else {
            assert_eq!(adopted, Err(Refusal::WindowClosed { closes_at }));
            assert!(settled.is_ok());
        }
    }
}

#[test]
fn p10_only_a_final_state_settles_at_once_and_it_has_no_locks() {
    let bench = Bench::active();
    // An ordinary state of the same version and net is another digest.
    let ordinary = bench.signatures(&state(1, 20));
    let refused = bench.0.cooperative_close(Version(1), state(1, 20).net, &ordinary);
    assert_eq!(refused, Err(Refusal::BadSignature { side: Side::One }));
    let locked = PresentedState {
        locked1: amount(1),
        locks_root: B256::repeat_byte(1),
        ..final_state(1, 20)
    };
    assert_eq!(bench.update(&locked), Err(Refusal::FinalStateHasLocks));
    let good = final_state(1, 20);
    let step = bench.0.cooperative_close(good.version, good.net, &bench.signatures(&good)).unwrap();
    assert_eq!(step.payouts, paid(80, 70));
}

#[test]
fn p11_a_closed_channel_stays_closed() {
    let mut bench = Bench::pending();
    let owner = call(participant(Side::One), 10);
    let step = bench.ok(|channel| channel.cancel_open(owner, &PresentedIntent::NONE));
    assert_eq!(step.payouts, paid(100, 0));
    let again = bench.0.open_channel(owner, amount(1), &PresentedConsent::default()).unwrap();
    assert_eq!((again.next.status, again.credits), (ChannelStatus::Closed, paid(1, 0)));
    let status = ChannelStatus::Closed;
    assert_eq!(bench.update(&state(1, 0)), Err(Refusal::WrongStatus { status }));
    let nothing = bench.0.deposit(1, Amount::ZERO);
    assert_eq!(nothing, Err(Refusal::IdUsed { channel_id: bench.0.channel_id() }));
}

#[test]
fn p21_an_open_consent_dies_at_its_deadline_and_a_close_order_too() {
    let fresh = Adjudicator::new(DOMAIN, BOUNDS, terms());
    let deadline = BlockTimestamp(100);
    let open = Open { channel_id: fresh.channel_id(), min_deposit1: amount(5), deadline };
    let consent = PresentedConsent {
        min_deposit1: amount(5),
        deadline,
        signature: sign(Side::Two, domain().open(&open)).0.to_vec(),
    };
    let in_time = fresh.open_channel(call(stranger(), 100), amount(5), &consent).unwrap();
    assert_eq!(in_time.next.status, ChannelStatus::Active);
    let late = fresh.open_channel(call(stranger(), 101), amount(5), &consent).unwrap();
    assert_eq!((late.next.status, late.credits), (ChannelStatus::None, paid(5, 0)));
    let bench = Bench::active();
    let digest = domain().presented_intent(bench.0.channel_id(), 2, Version(0), deadline);
    let intent = PresentedIntent {
        side: 2,
        min_version: Version(0),
        deadline,
        signature: sign(Side::Two, digest),
    };
    let close = |now, intent: &PresentedIntent| {
        let none = sign_both(Digest(B256::ZERO));
        bench.0.initiate_close(call(stranger(), now), &state(0, 0), &none, intent)
    };
    assert_eq!(close(100, &intent).unwrap().next.initiator, Some(Side::Two));
    assert_eq!(close(101, &intent), Err(Refusal::Expired { deadline }));
    let stolen = PresentedIntent { side: 1, ..intent };
    assert_eq!(close(100, &stolen), Err(Refusal::BadSignature { side: Side::One }));
}

#[test]
fn p23_after_a_withdrawal_no_older_state_is_adopted() {
    let mut bench = Bench::active();
    let order = PresentedWithdraw {
        version: Version(5),
        out1: amount(30),
        deadline: BlockTimestamp(100),
        ..PresentedWithdraw::default()
    };
    let signatures = sign_both(domain().presented_withdraw(bench.0.channel_id(), &order));
    let owner = call(stranger(), 100);
    let step = bench.ok(|channel| channel.partial_withdraw(owner, &order, &signatures));
    assert_eq!(step.payouts, paid(30, 0));
    assert_eq!(bench.update(&state(4, 0)), Err(Refusal::StaleVersion { current: Version(5) }));
    let again = bench.0.partial_withdraw(owner, &order, &signatures);
    assert_eq!(again, Err(Refusal::StaleVersion { current: Version(5) }));
    assert!(bench.update(&state(6, 70)).is_ok());
    assert!(bench.update(&state(6, 71)).is_err());
}

#[test]
fn p24_a_top_up_that_no_state_knows_goes_back_to_its_side() {
    let mut bench = Bench::active();
    bench.ok(|channel| channel.deposit(2, amount(7)));
    let given = final_state(1, 20);
    let step =
        bench.0.cooperative_close(given.version, given.net, &bench.signatures(&given)).unwrap();
    assert_eq!(step.payouts, paid(80, 77));
}

#[test]
fn p02_p25_locks_resolve_once_in_any_order_and_conserve_the_sum() {
    let lock = |byte: u8, value: u64, from1| Lock {
        hash: B256::repeat_byte(byte),
        resolver: AccountRef::Evm(Address::ZERO),
        amount: amount(value),
        expiry: BlockTimestamp(2_000),
        from1,
    };
    let locks = [lock(1, 10, true), lock(2, 20, false), lock(3, 5, true)];
    let given = PresentedState {
        locked1: amount(16),
        locked2: amount(20),
        locks_root: locks_root(&locks),
        ..state(3, 10)
    };
    let mut bench = Bench::closing_at(&given, 1_000);
    let closed = bench.close(1_100).unwrap();
    bench.0.apply(&closed);
    assert_eq!(closed.payouts, paid(74, 40));
    // The first is met just in time, the second a second too late, the third never.
    let met_at = |lock: &Lock| match lock.hash.0[0] {
        1 => Some(BlockTimestamp(2_000)),
        2 => Some(BlockTimestamp(2_001)),
        _ => None,
    };
    let early = bench.0.resolve_locks(BlockTimestamp(2_000), &locks, 0b111, met_at).unwrap();
    assert_eq!(early.payouts, paid(0, 10));
    bench.0.apply(&early);
    let rest = bench.0.resolve_locks(BlockTimestamp(2_001), &locks, 0b111, met_at).unwrap();
    // The third lock goes back, the second too, and 1 was locked beyond the sum of the locks.
    assert_eq!(rest.payouts, paid(6, 20));
    bench.0.apply(&rest);
    let again = bench.0.resolve_locks(BlockTimestamp(2_001), &locks, 0b111, met_at);
    assert_eq!(again, Err(Refusal::NothingHeld));
}

#[test]
fn initiate_close_never_fails_because_the_chain_is_ahead() {
    let mut bench = Bench::active();
    let newer = bench.update(&state(9, 30)).unwrap();
    bench.0.apply(&newer);
    let owner = call(participant(Side::Two), 1_000);
    let old = state(4, 0);
    let signatures = bench.signatures(&old);
    let step = bench.0.initiate_close(owner, &old, &signatures, &PresentedIntent::NONE).unwrap();
    assert_eq!(step.next.point.version, Version(9));
    bench.0.apply(&step);
    let again = bench.0.initiate_close(owner, &old, &signatures, &PresentedIntent::NONE).unwrap();
    assert_eq!(again.next, *bench.0.slots());
}

#[test]
fn a_locked_sum_without_a_root_is_refused() {
    let bench = Bench::active();
    let no_root = PresentedState { locked1: amount(1), ..state(1, 0) };
    let refused = |locks_root| Err(Refusal::LocksRootMismatch { locks_root });
    assert_eq!(bench.update(&no_root), refused(B256::ZERO));
    let no_sum = PresentedState { locks_root: B256::repeat_byte(1), ..state(1, 0) };
    assert_eq!(bench.update(&no_sum), refused(B256::repeat_byte(1)));
}

#[test]
fn p14_credit_falls_only_for_its_owner_and_never_below_zero() {
    let mut credits = Credits::default();
    let (owner, contract) = (participant(Side::One), DOMAIN.contract());
    credits.book(owner, amount(5)).unwrap();
    let refused = credits.withdraw(stranger(), stranger(), contract, amount(1));
    assert_eq!(refused, Err(Refusal::InsufficientCredit { available: Amount::ZERO }));
    let to = contract;
    assert_eq!(
        credits.withdraw(owner, to, contract, amount(1)),
        Err(Refusal::InvalidRecipient { to })
    );
    credits.withdraw(owner, stranger(), contract, amount(5)).unwrap();
    assert_eq!(credits.total(), Ok(Amount::from_u256(U256::ZERO)));
}

/// Side 2's consent to an open of at least 5 until second 100, by this key.
fn consent_of(bench: &Bench, key: &SigningKey) -> PresentedConsent {
    let (min_deposit1, deadline) = (amount(5), BlockTimestamp(100));
    let open = Open { channel_id: bench.0.channel_id(), min_deposit1, deadline };
    let signature = sign_with(key, domain().open(&open)).0.to_vec();
    PresentedConsent { min_deposit1, deadline, signature }
}

#[test]
fn p02_money_that_a_stranger_joins_with_is_side_two_s_credit_and_joins_nothing() {
    let bench = Bench::pending();
    let (none, caller) = (PresentedConsent::default(), call(stranger(), 10));
    let refused = bench.0.join_channel(caller, Amount::ZERO, &none);
    assert_eq!(refused, Err(Refusal::NotAuthorized { caller: stranger() }));
    let step = bench.0.join_channel(caller, amount(7), &none).unwrap();
    assert_eq!((step.next, step.events.len()), (*bench.0.slots(), 0));
    assert_eq!(step.credits, paid(0, 7));
    let consent = consent_of(&bench, &signing_key(Side::Two));
    let step = bench.0.join_channel(caller, amount(7), &consent).unwrap();
    assert_eq!(step.next.status, ChannelStatus::Active);
    assert_eq!(step.next.deposits.total(), amount(107));
}

#[test]
fn p02_a_pending_channel_takes_the_money_of_side_one_alone() {
    let bench = Bench::pending();
    let one = bench.0.deposit(1, amount(7)).unwrap();
    assert_eq!((one.next.deposits.total(), one.credits), (amount(107), vec![]));
    let two = bench.0.deposit(2, amount(7)).unwrap();
    assert_eq!((two.next, two.credits), (*bench.0.slots(), paid(0, 7)));
}

#[test]
fn a_pending_open_grows_or_becomes_active_and_an_empty_call_does_neither() {
    let bench = Bench::pending();
    let consent = consent_of(&bench, &signing_key(Side::Two));
    let none = PresentedConsent::default();
    let open = |value, consent: &PresentedConsent| {
        bench.0.open_channel(call(stranger(), 10), amount(value), consent)
    };
    assert_eq!(open(0, &none), Err(Refusal::NothingReceived));
    let funded = ChainFact::Funded { side: Side::One, amount: amount(7) };
    let joined = ChainFact::Joined { deposit2: Amount::ZERO };
    let (pending, active) = (ChannelStatus::Pending, ChannelStatus::Active);
    for (value, consent, status, events) in [
        (7, &none, pending, vec![funded.clone()]),
        (0, &consent, active, vec![joined.clone()]),
        (7, &consent, active, vec![funded, joined]),
    ] {
        let step = open(value, consent).unwrap();
        assert_eq!(step.next.status, status, "{events:?}");
        assert_eq!(step.next.deposits.total(), amount(100 + value));
        assert_eq!((step.events, step.credits), (events, vec![]));
    }
}

#[test]
fn consent_counts_from_the_account_of_side_two_as_from_its_signer_and_from_nobody_else() {
    let owner = SigningKey::from_slice(&[7; 32]).unwrap();
    let account = SignerKey::from_verifying_key(*owner.verifying_key()).address();
    let terms = Terms { participant2: AccountRef::Evm(account), ..terms() };
    let bench = Bench(Adjudicator::new(DOMAIN, BOUNDS, terms));
    let open = |key: SigningKey| {
        let consent = consent_of(&bench, &key);
        bench.0.open_channel(call(participant(Side::One), 10), amount(9), &consent)
    };
    for key in [owner, signing_key(Side::Two)] {
        assert_eq!(open(key).unwrap().next.status, ChannelStatus::Active);
    }
    assert_eq!(open(signing_key(Side::One)), Err(Refusal::BadSignature { side: Side::Two }));
}

#[test]
fn p06_consent_may_come_in_65_bytes_and_only_in_the_canonical_ones() {
    let bench = Bench(Adjudicator::new(DOMAIN, BOUNDS, terms()));
    let opens = |consent: &PresentedConsent| {
        bench.0.open_channel(call(participant(Side::One), 10), amount(9), consent)
    };
    let mut seen = [false; 2];
    for deadline in 100..140 {
        let deadline = BlockTimestamp(deadline);
        let open = Open { channel_id: bench.0.channel_id(), min_deposit1: amount(5), deadline };
        let mut long = sign(Side::Two, domain().open(&open)).0.to_vec();
        let is_odd = long[32] & 0x80 != 0;
        seen[usize::from(is_odd)] = true;
        long[32] &= 0x7f;
        long.push(if is_odd { 28 } else { 27 });
        let consent = PresentedConsent { min_deposit1: amount(5), deadline, signature: long };
        assert_eq!(opens(&consent).unwrap().next.status, ChannelStatus::Active);
        let refused = Err(Refusal::BadSignature { side: Side::Two });
        for wrong in [0, 1, 26, 29, if is_odd { 27 } else { 28 }] {
            let mut other = consent.clone();
            other.signature[64] = wrong;
            assert_eq!(opens(&other), refused, "{wrong}");
        }
        let mut upper = consent.clone();
        upper.signature[32] |= 0x80;
        assert_eq!(opens(&upper), refused);
    }
    assert_eq!(seen, [true; 2], "both parities");
}

#[test]
fn side_one_s_order_takes_a_pending_open_back_by_any_hand_and_no_other_order_does() {
    let bench = Bench::pending();
    let cancel = |side: Side, min_version| {
        let (min_version, deadline) = (Version(min_version), BlockTimestamp(100));
        let id = bench.0.channel_id();
        let digest = domain().presented_intent(id, side.number(), min_version, deadline);
        let signature = sign(side, digest);
        let intent = PresentedIntent { side: side.number(), min_version, deadline, signature };
        bench.0.cancel_open(call(stranger(), 10), &intent)
    };
    let step = cancel(Side::One, 0).unwrap();
    assert_eq!((step.next.status, step.payouts), (ChannelStatus::Closed, paid(100, 0)));
    assert_eq!(cancel(Side::Two, 0), Err(Refusal::NotAuthorized { caller: stranger() }));
    let min_version = Version(1);
    let refused = Err(Refusal::BelowMinVersion { version: Version::ZERO, min_version });
    assert_eq!(cancel(Side::One, 1), refused);
    let unsigned = bench.0.cancel_open(call(stranger(), 10), &PresentedIntent::NONE);
    assert_eq!(unsigned, Err(Refusal::NotAuthorized { caller: stranger() }));
}
