//! Attacks by a peer that knows the rules: each would once have frozen or stalled the honest side.

use crate::kit::*;
use crate::lock::lock as new_lock;
use alloy_primitives::B256;
use lockstep_core::chain::{ChainFact, StoredPoint};
use lockstep_core::channel::is_over;
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::ProtocolError;
use lockstep_core::ids::{Sequence, Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::{PeerMessage, RejectReason, SignedState};
use lockstep_core::money::{Amount, Deposits};
use lockstep_core::output::Notice;
use lockstep_core::record::{ChannelRecord, FreezeReason, Phase};
use lockstep_core::state::State;
use lockstep_core::time::{BlockTimestamp, EngineTime, Finality};
use lockstep_core::update::{Action, Update};

mod lock;
mod restore;
mod theft;
mod withdraw;

const SECRET: B256 = B256::repeat_byte(7);

fn hash() -> B256 {
    lockstep_core::hash_of(SECRET)
}

fn update(action: Action) -> Command {
    Command::Update(vec![action])
}

/// A proposal of side one that is in flight.
fn in_flight(node: &Node, version: u64) -> State {
    let all = &node.channel.parts().in_flight;
    all.iter().find(|entry| entry.state.version == Version(version)).unwrap().state
}

/// The newest version that side one has bound.
fn newest(node: &Node) -> u64 {
    node.channel.parts().guard.highest.0
}

/// Side two's signature on a proposal, whatever it said of it before.
fn accept(one: &Node, version: u64) -> PeerMessage {
    let digest = SigningDomain::new(DOMAIN).state(&in_flight(one, version));
    PeerMessage::Accept { version: Version(version), signature: sign(Side::Two, digest) }
}

fn reject(version: u64, at_fault: Option<Sequence>) -> PeerMessage {
    let (version, reason) = (Version(version), RejectReason::Policy);
    PeerMessage::Reject { version, reason, update: at_fault, base: Version(0) }
}

fn intent(sequence: u64, action: Action) -> PeerMessage {
    PeerMessage::Intent { updates: vec![Update { sequence: Sequence(sequence), action }] }
}

/// Both have signed one lock of 500, paid by this side.
fn locked(payer: Side) -> Pair {
    let mut pair = Pair::open();
    let action = new_lock(SECRET, 500, 5_000, payer == Side::One);
    pair.node(payer).command(update(action)).unwrap();
    pair.exchange();
    pair.assert_in_step();
    pair
}

/// Side two asks for something, refuses the state that has it until side one leaves it out, asks for it
/// again, and then signs the first state after all. Side one must go on.
fn revive(mut pair: Pair, action: &Action) -> Pair {
    let (base, sequence) = (newest(&pair.one), pair.one.channel.parts().peer_sequence.0);
    pair.one.peer(intent(sequence + 1, action.clone())).unwrap();
    let haunted = base + 1;
    pair.one.peer(reject(haunted, None)).unwrap();
    for more in 2..=8 {
        let bad = Action::FailLock { hash: B256::repeat_byte(0xee) };
        pair.one.peer(intent(sequence + more, bad)).unwrap();
        pair.one.peer(reject(base + more, None)).unwrap();
    }
    assert_eq!(in_flight(&pair.one, newest(&pair.one)).net, Default::default());
    pair.one.peer(intent(sequence + 9, action.clone())).unwrap();
    let answer = accept(&pair.one, haunted);
    pair.one.peer(answer).unwrap();
    assert_eq!(pair.one.channel.version(), Version(haunted));
    pair.one.pay(1).unwrap();
    let last = newest(&pair.one);
    let answer = accept(&pair.one, last);
    pair.one.peer(answer).unwrap();
    assert_eq!(pair.one.channel.parts().marks.frozen, None);
    assert!(pair.one.channel.parts().peer_pending.is_empty());
    pair
}

#[test]
fn p38_a_payment_that_comes_back_with_an_old_version_and_again_is_paid_once() {
    let pair = revive(Pair::open(), &pay(DEPOSIT));
    // All that side two had came with the old version; there is nothing left for a second time.
    assert_eq!(pair.one.own(), amount(2 * DEPOSIT - 1));
}

#[test]
fn p38_a_settled_lock_that_comes_back_with_an_old_version_and_again_is_paid_once() {
    let pair = revive(locked(Side::One), &Action::SettleLock { hash: hash(), secret: SECRET });
    assert_eq!(pair.one.own(), amount(DEPOSIT - 501));
    assert!(pair.one.channel.parts().base.as_ref().unwrap().locks.is_empty());
}

#[test]
fn p38_an_own_order_that_is_repeated_after_a_refusal_survives_the_first_one_coming_back() {
    let mut pair = locked(Side::Two);
    pair.one.command(Command::LearnSecret { secret: SECRET }).unwrap();
    let haunted = newest(&pair.one);
    let sequence = pair.one.channel.parts().own_sequence;
    pair.one.peer(reject(haunted, Some(sequence))).unwrap();
    pair.one.command(Command::LearnSecret { secret: SECRET }).unwrap();
    let answer = accept(&pair.one, haunted);
    pair.one.peer(answer).unwrap();
    pair.one.pay(1).unwrap();
    let last = newest(&pair.one);
    let answer = accept(&pair.one, last);
    pair.one.peer(answer).unwrap();
    assert_eq!(pair.one.own(), amount(DEPOSIT + 499));
    assert_eq!(pair.one.channel.parts().marks.frozen, None);
    assert!(pair.one.channel.parts().own_pending.is_empty());
}

#[test]
fn p38_a_lock_that_expires_in_an_old_version_and_fails_in_a_new_one_goes_back_once() {
    let mut pair = locked(Side::One);
    pair.finalized(5_001);
    pair.one.command(update(Action::ExpireLock { hash: hash() })).unwrap();
    let haunted = newest(&pair.one);
    let sequence = pair.one.channel.parts().own_sequence;
    pair.one.peer(reject(haunted, Some(sequence))).unwrap();
    pair.one.peer(intent(1, Action::FailLock { hash: hash() })).unwrap();
    let answer = accept(&pair.one, haunted);
    pair.one.peer(answer).unwrap();
    pair.one.pay(1).unwrap();
    let last = newest(&pair.one);
    let answer = accept(&pair.one, last);
    pair.one.peer(answer).unwrap();
    assert_eq!(pair.one.own(), amount(DEPOSIT - 1));
    assert!(pair.one.channel.parts().peer_pending.is_empty());
}

#[test]
fn p36_income_that_a_bound_final_state_leaves_out_is_not_announced() {
    let mut pair = Pair::open();
    pair.one.peer(intent(1, pay(100))).unwrap();
    pair.one.peer(reject(1, None)).unwrap();
    pair.one.peer(PeerMessage::CloseRequest { min_version: Version(1) }).unwrap();
    assert_eq!(in_flight(&pair.one, 2).net, Default::default());
    let answer = accept(&pair.one, 1);
    pair.one.peer(answer).unwrap();
    // Side two may still sign the final state, which does not have it.
    let applied = |notice: &Notice| matches!(notice, Notice::Applied { .. });
    assert_eq!(pair.one.count(applied), 0);
    assert_eq!(pair.one.channel.least_own_balance(), Ok(amount(DEPOSIT)));
}

/// The chain has paid out the one withdrawal of the proposer, which leaves these deposits.
fn land_withdrawal(node: &mut Node, block: u64, left: [u64; 2]) {
    let version = node.channel.parts().withdrawal.unwrap().withdraw.version;
    let [one, two] = left.map(amount);
    let deposits = Deposits::default().deposited(Side::One, one).unwrap();
    let deposits = deposits.deposited(Side::Two, two).unwrap();
    node.fact(block, Finality::Final, ChainFact::PartialWithdrawn { version, deposits });
}

#[test]
fn p66_withdrawals_that_are_over_take_no_room_from_payments() {
    let mut pair = Pair::open();
    for round in 1..=100u64 {
        let ask = PeerMessage::WithdrawRequest { out1: Amount::ZERO, out2: amount(1) };
        pair.one.peer(ask).unwrap();
        land_withdrawal(&mut pair.one, 20 + round, [DEPOSIT, DEPOSIT - round]);
    }
    assert_eq!(pair.one.channel.parts().guard.bound.len(), 0);
    assert_eq!(pair.one.channel.parts().guard.highest, Version(100));
    for _ in 0..64 {
        pair.one.pay(1).unwrap();
    }
    assert_eq!(pair.one.channel.parts().guard.bound.len(), 64);
}

#[test]
fn p37_an_answer_or_a_wish_that_is_repeated_costs_no_write() {
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    pair.one.pay(1).unwrap();
    let ask = PeerMessage::CloseRequest { min_version: Version(1) };
    for message in [reject(2, Some(Sequence(1))), ask] {
        pair.one.peer(message.clone()).unwrap();
        let writes = pair.one.disk.writes;
        for _ in 0..5 {
            pair.one.peer(message.clone()).unwrap();
        }
        assert_eq!(pair.one.disk.writes, writes, "{message:?}");
    }
}

#[test]
fn p37_a_no_to_a_withdrawal_is_told_once_however_often_it_is_said_and_on_however_many_connections()
{
    let mut pair = Pair::open();
    pair.one.command(Command::Withdraw { out1: amount(5), out2: Amount::ZERO }).unwrap();
    let version = pair.one.channel.parts().withdrawal.unwrap().withdraw.version;
    let no = PeerMessage::WithdrawReject { version, reason: RejectReason::Policy };
    let writes = pair.one.disk.writes;
    for round in 0..3 {
        for _ in 0..5 {
            pair.one.peer(no.clone()).unwrap();
        }
        let told = pair.one.count(|notice| matches!(notice, Notice::WithdrawalRefused { .. }));
        assert_eq!((told, pair.one.disk.writes), (1, writes), "round {round}");
        pair.one.input(Input::Disconnected).unwrap();
        pair.one.input(Input::Connected { now: EngineTime(round) }).unwrap();
    }
}

#[test]
fn p42_evidence_that_breaks_the_channel_never_hides_the_close_that_it_came_with() {
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    pair.one.peer(reject(1, Some(Sequence(1)))).unwrap();
    let state = in_flight(&pair.one, 1);
    let digest = SigningDomain::new(DOMAIN).state(&state);
    // Nothing can be bound any more: taking in the old version ends in a broken invariant.
    let mut parts = pair.one.backup().into_parts();
    parts.guard.highest = Version(u64::MAX);
    pair.one.restore(ChannelRecord::from_parts(parts).unwrap());
    let shown = SignedState {
        state,
        locks: vec![],
        signature1: sign(Side::One, digest),
        signature2: sign(Side::Two, digest),
    };
    let fact = ChainFact::Closing {
        point: StoredPoint::from(&state),
        closes_at: BlockTimestamp(5_000),
        initiator: Side::Two,
        evidence: Some(Box::new(shown)),
    };
    pair.one.fact(40, Finality::Seen, fact);
    let parts = pair.one.channel.parts();
    assert!(matches!(parts.phase, Phase::Disputed(_)), "{:?}", parts.phase);
    assert_eq!(parts.marks.frozen, Some(FreezeReason::InvariantBroken));
}

#[test]
fn p63_an_open_that_came_to_nothing_is_over_and_one_that_may_hold_money_is_not() {
    let mut rejected = Node::requested();
    assert!(!is_over(rejected.channel.parts()));
    let reason = RejectReason::Policy;
    rejected.peer(PeerMessage::OpenReject { reason }).unwrap();
    assert!(is_over(rejected.channel.parts()));
    // The kit gives its consent until 10,000.
    for side in [Side::One, Side::Two] {
        let mut pair = Pair::funding();
        let node = pair.node(side);
        node.finalized(10_000);
        assert!(!is_over(node.channel.parts()));
        node.finalized(10_001);
        assert!(is_over(node.channel.parts()));
        let opened = ChainFact::Opened { deposit1: amount(DEPOSIT), is_active: false };
        node.fact(10_002, Finality::Final, opened);
        assert!(!is_over(node.channel.parts()));
    }
}

#[test]
fn p36_a_lock_that_an_old_version_settles_is_told_as_paid_though_newer_ones_leave_it_out() {
    let mut pair = locked(Side::One);
    let applied = |notice: &Notice| {
        let is_settled = |action: &Action| matches!(action, Action::SettleLock { .. });
        matches!(notice, Notice::Applied { action, .. } if is_settled(action))
    };
    let base = newest(&pair.one);
    pair.one.peer(intent(1, Action::SettleLock { hash: hash(), secret: SECRET })).unwrap();
    for more in 1..=8 {
        pair.one.peer(reject(base + more, None)).unwrap();
        let bad = Action::FailLock { hash: B256::repeat_byte(0xee) };
        pair.one.peer(intent(1 + more, bad)).unwrap();
    }
    let last = newest(&pair.one);
    assert_eq!(in_flight(&pair.one, last).net, Default::default());
    let answer = accept(&pair.one, base + 1);
    pair.one.peer(answer).unwrap();
    // It has cost us: books that wait for the newer versions would show money that is not there.
    assert_eq!(pair.one.own(), amount(DEPOSIT - 500));
    assert_eq!(pair.one.count(applied), 1);
}
