//! Proposals, offers and intents that an honest peer never makes.

use crate::kit::*;
use alloy_primitives::{Address, B256};
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::ProtocolError;
use lockstep_core::ids::{AccountRef, InvoiceId, Sequence, Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::lock::{Lock, MAX_LOCKS, locked_sums, locks_root};
use lockstep_core::message::{PeerMessage, Proposal, RejectReason};
use lockstep_core::money::{Amount, Net};
use lockstep_core::output::Notice;
use lockstep_core::record::{ClosingStage, FreezeReason, Phase};
use lockstep_core::state::{PartialWithdraw, StateKind};
use lockstep_core::terms::{MAX_IN_FLIGHT, Policy};
use lockstep_core::time::BlockTimestamp;
use lockstep_core::update::{Action, MAX_PENDING_UPDATES, Memo, Payment, Update};

const SECRET: B256 = B256::repeat_byte(9);

fn order(action: Action) -> Command {
    Command::Update(vec![action])
}

fn lock_of(secret: u64, expiry: u64) -> Action {
    crate::lock::lock(B256::left_padding_from(&secret.to_be_bytes()), 1, expiry, true)
}

/// What side one proposes first, and nobody has delivered.
pub fn proposal(pair: &mut Pair) -> Proposal {
    let Some(PeerMessage::Propose { proposal, .. }) = pair.one.outbox.pop_front() else {
        panic!("a proposal")
    };
    proposal
}

/// The same with another content, signed by side one.
pub fn forged(mut proposal: Proposal, harm: impl Fn(&mut Proposal)) -> PeerMessage {
    harm(&mut proposal);
    let digest = SigningDomain::new(DOMAIN).state(&proposal.state);
    PeerMessage::Propose { proposal, signature: sign(Side::One, digest) }
}

pub fn with_locks(proposal: &mut Proposal, locks: Vec<Lock>) {
    (proposal.state.locked1, proposal.state.locked2) = locked_sums(&locks).unwrap();
    proposal.state.locks_root = locks_root(&locks);
    proposal.locks = locks;
}

#[track_caller]
pub fn assert_rejected(node: &mut Node, message: PeerMessage, reason: RejectReason) {
    let before = node.channel.parts().clone();
    node.outbox.clear();
    node.peer(message).unwrap();
    let answer = node.outbox.pop_front();
    assert!(
        matches!(answer, Some(PeerMessage::Reject { reason: given, .. }) if given == reason),
        "{answer:?}"
    );
    assert_eq!(*node.channel.parts(), before);
}

#[test]
fn p62_a_proposal_out_of_form_is_dropped_before_anything_dear_is_checked() {
    let mut pair = Pair::open();
    pair.one.command(Command::Update(vec![lock_of(1, 2_000), lock_of(2, 2_000)])).unwrap();
    let good = proposal(&mut pair);
    let lock = good.locks[0];
    let many = |count: usize| {
        let hash = |number: usize| B256::left_padding_from(&number.to_be_bytes());
        (0..count).map(|number| Lock { hash: hash(number), ..lock }).collect::<Vec<_>>()
    };
    let harms: [&dyn Fn(&mut Proposal); 6] = [
        &|bad| with_locks(bad, vec![bad.locks[1], bad.locks[0]]),
        &|bad| with_locks(bad, vec![bad.locks[0], bad.locks[0]]),
        &|bad| with_locks(bad, many(MAX_LOCKS + 1)),
        &|bad| bad.refused = vec![Sequence(1); MAX_PENDING_UPDATES + 1],
        &|bad| bad.base_version = bad.state.version,
        &|bad| bad.locks.clear(),
    ];
    for (index, harm) in harms.into_iter().enumerate() {
        let refused = pair.two.peer(forged(good.clone(), harm));
        assert_eq!(refused, Err(ProtocolError::Malformed), "harm {index}");
    }
    pair.two.peer(forged(good, |_| {})).unwrap();
    assert_eq!(pair.two.channel.version(), Version(1));
}

#[test]
fn p33_a_consistent_state_that_the_contract_would_refuse_is_not_signed() {
    let paying = |proposal: &Proposal, value: u64| {
        forged(proposal.clone(), |bad| {
            bad.updates[0].action = pay(value);
            bad.state.net = Net::new(i128::from(value)).unwrap();
        })
    };
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    let good = proposal(&mut pair);
    let too_much = paying(&good, DEPOSIT + 1);
    assert_rejected(&mut pair.two, too_much, RejectReason::InsufficientBalance);
    // All that side one has is not too much.
    pair.two.peer(paying(&good, DEPOSIT)).unwrap();
    assert_eq!(pair.two.own(), amount(2 * DEPOSIT));
    // A final state holds no lock (P10).
    let mut pair = Pair::open();
    pair.one.command(order(lock_of(1, 2_000))).unwrap();
    let good = proposal(&mut pair);
    let last = forged(good.clone(), |bad| bad.state.kind = StateKind::Final);
    assert_rejected(&mut pair.two, last, RejectReason::InsufficientBalance);
    pair.two.peer(forged(good, |_| {})).unwrap();
    assert_eq!(pair.two.channel.version(), Version(1));
}

#[test]
fn p36_a_proposal_with_intents_that_nobody_made_is_not_signed() {
    let mut pair = Pair::open();
    pair.two.pay(5).unwrap();
    pair.deliver(Side::Two);
    let good = proposal(&mut pair);
    let beyond = forged(good.clone(), |bad| bad.intents_through = Sequence(2));
    assert_rejected(&mut pair.two, beyond, RejectReason::Mismatch);
    let good = forged(good, |_| {});
    pair.two.peer(good).unwrap();
    pair.exchange();
    // Nor one that goes back behind those that are in the newest state.
    pair.one.pay(1).unwrap();
    let behind = forged(proposal(&mut pair), |bad| bad.intents_through = Sequence::ZERO);
    assert_rejected(&mut pair.two, behind, RejectReason::Mismatch);
}

#[test]
fn p46_a_frozen_channel_repeats_no_signature() {
    let mut pair = Pair::open();
    pair.one.pay(5).unwrap();
    let good = forged(proposal(&mut pair), |_| {});
    pair.two.peer(good.clone()).unwrap();
    pair.two.outbox.clear();
    pair.two.peer(good.clone()).unwrap();
    assert_eq!(pair.two.outbox.len(), 1, "the same bytes again");
    pair.two.command(Command::Freeze(FreezeReason::Command)).unwrap();
    pair.two.outbox.clear();
    pair.two.peer(good).unwrap();
    assert!(pair.two.outbox.is_empty(), "{:?}", pair.two.outbox);
}

#[test]
fn p81_a_payment_that_is_in_already_is_no_reason_to_decline() {
    let mut pair = Pair::open();
    pair.one.pay(5).unwrap();
    pair.deliver(Side::One);
    pair.two.outbox.clear();
    // Side one has no answer yet, and lists the payment again with what follows it.
    pair.one.command(order(lock_of(1, 2_000))).unwrap();
    let next = proposal(&mut pair);
    assert_eq!(next.updates.len(), 2);
    pair.two.input(Input::Decline(forged(next, |_| {}))).unwrap();
    assert_eq!(pair.two.channel.version(), Version(2));
}

#[test]
fn p45_a_lock_that_is_over_when_it_comes_is_refused_to_the_second() {
    let margin = Policy { lock_margin_secs: 0, ..policy() };
    for (expiry, is_taken) in [(2_000, false), (2_001, true)] {
        let mut pair = Pair::open_with(margin, margin);
        pair.two.finalized(2_000);
        pair.one.command(order(lock_of(1, expiry))).unwrap();
        pair.exchange();
        let base = pair.two.channel.parts().base.as_ref();
        let has_lock = base.is_some_and(|base| !base.locks.is_empty());
        assert_eq!(has_lock, is_taken, "{expiry}");
    }
}

#[test]
fn a_lock_that_another_contract_decides_is_refused() {
    let mut pair = Pair::open();
    let Action::AddLock(lock) = lock_of(1, 2_000) else { unreachable!("it is a lock") };
    let resolver = AccountRef::Evm(Address::repeat_byte(3));
    let foreign = Action::AddLock(Lock { resolver, ..lock });
    assert_eq!(pair.one.command(order(foreign)), Err(ProtocolError::LockRefused));
}

#[test]
fn a_hash_that_a_refused_version_holds_is_not_locked_again() {
    let dust = Policy { lock_dust: amount(10), ..policy() };
    let mut pair = Pair::open_with(policy(), dust);
    pair.one.command(order(lock_of(1, 2_000))).unwrap();
    pair.deliver(Side::One);
    pair.deliver(Side::Two);
    // Side two has refused it, and may sign it all the same.
    let newest = pair.one.channel.parts().in_flight.last().unwrap();
    assert_eq!((newest.state.version, newest.locks.len()), (Version(2), 0));
    let again = pair.one.command(order(lock_of(1, 2_500)));
    assert_eq!(again, Err(ProtocolError::LockRefused));
    pair.exchange();
    pair.one.command(order(lock_of(1, 2_500))).unwrap();
}

#[test]
fn a_lock_is_settled_by_its_payee_with_its_secret_and_not_otherwise() {
    let mut pair = Pair::open();
    pair.one.command(order(crate::lock::lock(SECRET, 40, 2_000, true))).unwrap();
    pair.exchange();
    let hash = lockstep_core::hash_of(SECRET);
    let settle = |secret| order(Action::SettleLock { hash, secret });
    assert_eq!(pair.one.command(settle(SECRET)), Err(ProtocolError::UnknownLock));
    let wrong = pair.two.command(settle(B256::repeat_byte(8)));
    assert_eq!(wrong, Err(ProtocolError::UnknownLock));
    pair.two.command(settle(SECRET)).unwrap();
}

#[test]
fn nothing_is_paid_by_nobody_and_nothing_twice() {
    let mut pair = Pair::open();
    for side in [Side::One, Side::Two] {
        assert_eq!(pair.node(side).pay(0), Err(ProtocolError::ZeroAmount));
    }
    let update = Update { sequence: Sequence(1), action: pay(0) };
    pair.one.peer(PeerMessage::Intent { updates: vec![update] }).unwrap();
    let answer = pair.one.outbox.pop_front();
    assert!(matches!(answer, Some(PeerMessage::Refuse { .. })), "{answer:?}");
    // What waits is spent already.
    pair.two.pay(600_000).unwrap();
    let (spendable, wanted) = (amount(400_000), amount(400_001));
    let refused = Err(ProtocolError::InsufficientFunds { spendable, wanted });
    assert_eq!(pair.two.pay(400_001), refused);
    pair.two.pay(400_000).unwrap();
    assert_eq!(pair.one.channel.balances().unwrap().total(), Ok(amount(2 * DEPOSIT)));
}

#[test]
fn an_invoice_that_a_waiting_intent_pays_is_not_paid_by_a_second_one() {
    let mut pair = Pair::open();
    let id = InvoiceId(B256::repeat_byte(1));
    let expiry = BlockTimestamp(100);
    pair.one
        .command(Command::AddInvoice { id, amount: amount(7), expiry, memo: Memo::default() })
        .unwrap();
    let payment = Payment { amount: amount(7), memo: Memo::default(), invoice: Some(id) };
    for _ in 0..2 {
        pair.two.command(order(Action::Pay(payment.clone()))).unwrap();
        pair.deliver(Side::Two);
    }
    pair.exchange();
    assert_eq!(pair.one.own(), amount(DEPOSIT + 7));
    let refused = |notice: &Notice| matches!(notice, Notice::Refused { .. });
    assert_eq!(pair.two.count(refused), 1);
    // A refusal of what does not wait is no news.
    let reason = RejectReason::Policy;
    pair.two.peer(PeerMessage::Refuse { sequence: Sequence(1), reason }).unwrap();
    assert_eq!(pair.two.count(refused), 1);
}

#[test]
fn p66_room_for_invoices_comes_from_those_that_are_over_and_no_others() {
    let mut node = Pair::open().one;
    let most = u64::try_from(lockstep_core::record::MAX_INVOICES).unwrap();
    let add = |number: u64, expiry| {
        let id = InvoiceId(B256::left_padding_from(&number.to_be_bytes()));
        let (amount, expiry, memo) = (amount(7), BlockTimestamp(expiry), Memo::default());
        Command::AddInvoice { id, amount, expiry, memo }
    };
    // The chain's clock is at 3.
    assert_eq!(node.command(add(0, 2)), Err(ProtocolError::InvoiceRefused));
    node.command(add(0, 3)).unwrap();
    assert_eq!(node.command(add(0, 9)), Err(ProtocolError::InvoiceRefused));
    for number in 1..most {
        node.command(add(number, 9 + number % 2)).unwrap();
    }
    node.finalized(4);
    node.command(add(most, 10)).unwrap();
    assert_eq!(node.command(add(most + 1, 10)), Err(ProtocolError::Busy));
    node.finalized(10);
    node.command(add(most + 1, 10)).unwrap();
    let kept = &node.channel.parts().invoices;
    assert!(kept.values().all(|invoice| invoice.expiry == BlockTimestamp(10)));
    assert_eq!(u64::try_from(kept.len()).unwrap(), most / 2 + 2);
}

/// An offer of side one to take out this much, as its harm makes it.
fn offer(pair: &mut Pair, harm: impl Fn(&mut PartialWithdraw)) -> PeerMessage {
    pair.one.command(Command::Withdraw { out1: amount(5), out2: Amount::ZERO }).unwrap();
    let Some(PeerMessage::WithdrawPropose { mut withdraw, .. }) = pair.one.outbox.pop_front()
    else {
        panic!("an offer")
    };
    harm(&mut withdraw);
    let digest = SigningDomain::new(DOMAIN).partial_withdraw(&withdraw);
    PeerMessage::WithdrawPropose { withdraw, signature: sign(Side::One, digest) }
}

#[test]
fn p43_a_withdrawal_that_is_over_too_far_or_at_another_state_is_not_signed() {
    // The chain's clock is at 3.
    let day = lockstep_core::WITHDRAW_TTL_SECS;
    for (deadline, is_signed) in
        [(3, false), (4, true), (3 + day + 3_600, true), (3 + day + 3_601, false)]
    {
        let mut pair = Pair::open();
        let message = offer(&mut pair, |withdraw| withdraw.deadline = BlockTimestamp(deadline));
        pair.two.peer(message).unwrap();
        assert_eq!(pair.two.channel.parts().withdrawal.is_some(), is_signed, "{deadline}");
    }
    let mut pair = Pair::open();
    let net = Net::new(1).unwrap();
    let message = offer(&mut pair, |withdraw| withdraw.net = net);
    pair.two.peer(message).unwrap();
    assert_eq!(pair.two.channel.parts().withdrawal, None);
}

#[test]
fn p37_an_answer_to_a_withdrawal_that_is_over_is_no_fault_and_one_to_none_is() {
    let mut pair = Pair::open();
    pair.one.command(Command::Withdraw { out1: amount(5), out2: Amount::ZERO }).unwrap();
    let signature = sign(Side::Two, lockstep_core::ids::Digest(B256::ZERO));
    let accept = |version| PeerMessage::WithdrawAccept { version: Version(version), signature };
    let told = |notice: &Notice| matches!(notice, Notice::WithdrawalRefused { .. });
    let reject = |version| {
        let (version, reason) = (Version(version), RejectReason::Policy);
        PeerMessage::WithdrawReject { version, reason }
    };
    pair.one.peer(reject(7)).unwrap();
    assert_eq!(pair.one.count(told), 0);
    pair.one.peer(reject(1)).unwrap();
    assert_eq!(pair.one.count(told), 1);
    pair.one.finalized(4 + lockstep_core::WITHDRAW_TTL_SECS);
    pair.one.peer(accept(1)).unwrap();
    let version = Version(2);
    assert_eq!(pair.one.peer(accept(2)), Err(ProtocolError::UnknownVersion { version }));
}

#[test]
fn no_withdrawal_is_ordered_once_a_close_was_asked_for() {
    let mut pair = Pair::open();
    pair.two.command(Command::Close).unwrap();
    let refused = pair.two.command(Command::Withdraw { out1: Amount::ZERO, out2: amount(5) });
    assert_eq!(refused, Err(ProtocolError::WrongPhase));
}

#[test]
fn p35_a_record_that_is_full_of_refusals_takes_no_final_state_either() {
    let mut pair = Pair::open();
    let window = u64::from(MAX_IN_FLIGHT);
    for _ in 0..window {
        pair.one.pay(1).unwrap();
    }
    assert_eq!(pair.one.channel.parts().in_flight.len(), usize::try_from(window).unwrap());
    let (version, reason) = (Version(window), RejectReason::Policy);
    let reject = PeerMessage::Reject { version, reason, update: None, base: Version::ZERO };
    pair.one.peer(reject).unwrap();
    pair.one.command(Command::Close).unwrap();
    let parts = pair.one.channel.parts();
    assert!(matches!(parts.phase, Phase::Closing(ClosingStage::Draining { .. })));
    assert_eq!(parts.in_flight.len(), usize::try_from(window).unwrap());
    // Any of them that is signed after all makes room: for one that ends the others, and then for the last.
    for place in [0, parts.in_flight.len() - 1] {
        let state = pair.one.channel.parts().in_flight[place].state;
        let signature = sign(Side::Two, SigningDomain::new(DOMAIN).state(&state));
        pair.one.peer(PeerMessage::Accept { version: state.version, signature }).unwrap();
    }
    let parts = pair.one.channel.parts();
    assert!(matches!(parts.phase, Phase::Closing(ClosingStage::FinalBound { .. })));
}

#[test]
fn p41_what_comes_with_a_late_signature_is_told_where_no_newer_version_is_out() {
    let mut pair = Pair::open();
    pair.two.command(order(crate::lock::lock(SECRET, 40, 2_000, false))).unwrap();
    pair.deliver(Side::Two);
    let state = pair.one.channel.parts().in_flight[0].state;
    // A close is seen, so that nothing follows the refusal that comes now.
    let closing = lockstep_core::chain::ChainFact::Closing {
        point: Default::default(),
        closes_at: BlockTimestamp(9_000),
        initiator: Side::Two,
        evidence: None,
    };
    pair.one.fact(10, lockstep_core::time::Finality::Seen, closing);
    let (version, reason) = (state.version, RejectReason::LockRefused);
    let reject = PeerMessage::Reject { version, reason, update: None, base: Version::ZERO };
    pair.one.peer(reject).unwrap();
    assert!(pair.one.channel.parts().peer_pending[0].left_out.is_some());
    let signature = sign(Side::Two, SigningDomain::new(DOMAIN).state(&state));
    pair.one.peer(PeerMessage::Accept { version, signature }).unwrap();
    let told = |notice: &Notice| {
        matches!(notice, Notice::Applied { action: Action::AddLock(_), version: Version(1), .. })
    };
    assert_eq!(pair.one.count(told), 1);
}
