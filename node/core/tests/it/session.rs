//! What a channel knows while its node runs, and what of it outlasts a connection.

use crate::kit::*;
use alloy_primitives::B256;
use lockstep_core::FINAL_GRACE_SECS;
use lockstep_core::chain::ChainCall;
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{Sequence, Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::{PeerMessage, ReestablishBody, SignedState};
use lockstep_core::money::{Amount, Net};
use lockstep_core::output::Notice;
use lockstep_core::record::FreezeReason;
use lockstep_core::state::State;
use lockstep_core::time::EngineTime;
use lockstep_core::update::Action;

const SECRET: B256 = B256::repeat_byte(9);

fn is_silent(notice: &Notice) -> bool {
    *notice == Notice::PeerSilent
}

fn tick(node: &mut Node, millis: u64) {
    node.input(Input::Tick { now: EngineTime(millis) }).unwrap();
}

fn body(newest: Option<SignedState>, highest_bound: u64) -> PeerMessage {
    PeerMessage::Reestablish(ReestablishBody {
        newest,
        highest_bound: Version(highest_bound),
        sequence1: Sequence::ZERO,
        sequence2: Sequence::ZERO,
    })
}

#[test]
fn p65_a_peer_has_its_time_from_the_question_on_and_not_from_the_start_of_the_clock() {
    let mut pair = Pair::open();
    pair.one.input(Input::Connected { now: EngineTime(500_000) }).unwrap();
    pair.one.pay(1).unwrap();
    tick(&mut pair.one, 529_999);
    assert_eq!(pair.one.count(is_silent), 0);
    tick(&mut pair.one, 530_000);
    assert_eq!(pair.one.count(is_silent), 1);
}

#[test]
fn p65_a_peer_that_owes_nothing_is_never_silent_and_one_that_owes_an_intent_is() {
    let mut pair = Pair::open();
    tick(&mut pair.two, 90_000);
    assert_eq!(pair.two.count(is_silent), 0);
    pair.one.pay(1).unwrap();
    pair.exchange();
    tick(&mut pair.two, 200_000);
    assert_eq!(pair.two.count(is_silent), 0, "it was answered, and asked nothing");
    pair.two.pay(1).unwrap();
    pair.two.outbox.clear();
    // A state without the intent is no answer to it.
    pair.one.pay(1).unwrap();
    pair.deliver(Side::One);
    tick(&mut pair.two, 229_999);
    assert_eq!(pair.two.count(is_silent), 0);
    tick(&mut pair.two, 230_000);
    assert_eq!(pair.two.count(is_silent), 1);
}

#[test]
fn p65_an_intent_that_goes_out_again_waits_for_an_answer_again() {
    for waits in [false, true] {
        let mut pair = Pair::open();
        if waits {
            pair.two.pay(1).unwrap();
        }
        pair.connect_without_delivery();
        pair.deliver(Side::One);
        tick(&mut pair.two, 90_000);
        assert_eq!(pair.two.count(is_silent), usize::from(waits));
    }
}

#[test]
fn p45_the_time_of_the_chain_outlasts_a_connection() {
    let mut pair = Pair::open();
    let lock = crate::lock::lock(SECRET, 40, 2_000, false);
    pair.two.command(Command::Update(vec![lock])).unwrap();
    pair.exchange();
    pair.one.input(Input::Head(point(1_400))).unwrap();
    pair.one.input(Input::Connected { now: EngineTime(0) }).unwrap();
    pair.one.command(Command::LearnSecret { secret: SECRET }).unwrap();
    let call = ChainCall::RegisterSecret { secret: SECRET };
    assert!(pair.one.duties.iter().any(|duty| *duty.call() == call), "{:?}", pair.one.duties);
}

#[test]
fn p45_a_secret_is_registered_through_the_very_second_of_the_expiry() {
    for (head, is_due) in [(1_399, false), (1_400, true), (2_000, true), (2_001, false)] {
        let mut pair = Pair::open();
        let lock = crate::lock::lock(SECRET, 40, 2_000, false);
        pair.two.command(Command::Update(vec![lock])).unwrap();
        pair.exchange();
        pair.one.input(Input::Head(point(head))).unwrap();
        pair.one.command(Command::LearnSecret { secret: SECRET }).unwrap();
        let call = ChainCall::RegisterSecret { secret: SECRET };
        let registers = pair.one.duties.iter().any(|duty| *duty.call() == call);
        assert_eq!(registers, is_due, "{head}");
    }
}

#[test]
fn p43_a_peer_that_let_a_withdrawal_run_out_does_not_ask_sooner_by_a_new_connection() {
    let mut pair = Pair::open();
    let ask = || PeerMessage::WithdrawRequest { out1: Amount::ZERO, out2: amount(1) };
    pair.one.peer(ask()).unwrap();
    let after = 4 + lockstep_core::WITHDRAW_TTL_SECS;
    pair.one.finalized(after);
    pair.one.input(Input::Connected { now: EngineTime(0) }).unwrap();
    pair.one.peer(ask()).unwrap();
    assert_eq!(pair.one.channel.parts().withdrawal, None);
    // The pause ends to the second.
    let end = after + lockstep_core::WITHDRAW_TTL_SECS;
    pair.one.finalized(end - 1);
    pair.one.peer(ask()).unwrap();
    assert_eq!(pair.one.channel.parts().withdrawal, None);
    pair.one.finalized(end);
    pair.one.peer(ask()).unwrap();
    assert!(pair.one.channel.parts().withdrawal.is_some());
}

#[test]
fn p46_only_a_claim_of_more_than_was_proposed_is_told() {
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    pair.exchange();
    let told = |notice: &Notice| matches!(notice, Notice::UnprovenClaim { .. });
    for (claimed, expected) in [(0, 0), (1, 0), (2, 1), (5, 2)] {
        pair.one.peer(body(None, claimed)).unwrap();
        assert_eq!(pair.one.count(told), expected, "{claimed}");
        // An acceptor's peer is ahead in the normal course of things.
        pair.two.peer(body(None, claimed)).unwrap();
        assert_eq!(pair.two.count(told), 0);
    }
}

#[test]
fn p46_a_second_content_of_the_newest_version_that_is_shown_is_equivocation() {
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    pair.exchange();
    let newest = pair.one.channel.parts().base.as_ref().unwrap().state;
    let state = State { net: Net::new(-9).unwrap(), ..newest };
    let digest = SigningDomain::new(DOMAIN).state(&state);
    let signature1 = sign(Side::One, digest);
    let signature2 = sign(Side::Two, digest);
    let shown = SignedState { state, locks: vec![], signature1, signature2 };
    pair.one.peer(body(Some(shown), 1)).unwrap();
    let parts = pair.one.channel.parts();
    assert_eq!(parts.marks.frozen, Some(FreezeReason::Equivocation));
    assert_eq!(parts.equivocation.unwrap().second, state);
    assert_eq!(parts.base.as_ref().unwrap().state, newest);
}

#[test]
fn the_acceptor_brings_a_final_state_to_the_chain_only_after_its_grace() {
    let mut pair = Pair::open();
    pair.one.command(Command::Close).unwrap();
    pair.exchange();
    let closes = |node: &Node| {
        node.duties.iter().any(|duty| matches!(duty.call(), ChainCall::CooperativeClose(_)))
    };
    assert!(closes(&pair.one), "the proposer does at once");
    pair.two.finalized(3 + FINAL_GRACE_SECS);
    assert!(!closes(&pair.two));
    pair.two.finalized(4 + FINAL_GRACE_SECS);
    assert!(closes(&pair.two));
}

#[test]
fn p31_p53_whoever_signs_is_told_the_version_the_key_and_the_side() {
    for side in [Side::One, Side::Two] {
        let mut pair = Pair::open();
        let order = Input::Command(Command::Update(vec![pay(1)]));
        let proposed = pair.one.channel.handle(order.clone()).unwrap();
        let [binding] = proposed.bindings() else { panic!("one version is taken") };
        assert_eq!(binding.version, Version(1));
        pair.one.input(order).unwrap();
        pair.exchange();
        let channel = &pair.node(side).channel;
        let newest = channel.parts().base.as_ref().unwrap().state;
        let digest = SigningDomain::new(DOMAIN).state(&newest);
        assert_eq!(binding.digest, digest);
        let order = channel.evidence().unwrap().request.unwrap();
        let request = order.get();
        assert_eq!((request.version(), request.digest()), (Some(Version(1)), digest));
        assert_eq!((request.side(), request.signer()), (side, signer_key(side).address()));
        assert_eq!(request.channel_id(), channel.channel_id());
    }
}

#[test]
fn a_secret_of_nobody_s_lock_or_of_our_own_is_not_learned() {
    let mut pair = Pair::open();
    let lock = |byte, from1| crate::lock::lock(B256::repeat_byte(byte), 40, 2_000, from1);
    let learn = |byte| Command::LearnSecret { secret: B256::repeat_byte(byte) };
    pair.one.command(Command::Update(vec![lock(1, true)])).unwrap();
    pair.two.command(Command::Update(vec![lock(2, false)])).unwrap();
    pair.exchange();
    for (byte, opens) in [(1, false), (3, false), (2, true)] {
        assert_eq!(pair.one.command(learn(byte)).is_ok(), opens, "{byte}");
    }
    let settled = |action: &Action| matches!(action, Action::SettleLock { .. });
    let waits = &pair.one.channel.parts().own_pending;
    assert!(waits.len() == 1 && settled(&waits[0].update.action), "{waits:?}");
}

#[test]
fn p12_the_order_to_close_for_whoever_sends_it_is_there_once_leaving_is_ordered_and_not_before() {
    let mut pair = Pair::open();
    pair.two.pay(1).unwrap();
    pair.exchange();
    assert!(pair.two.channel.close_intent(Version(1)).is_none());
    pair.two.command(Command::ForceClose).unwrap();
    for _ in 0..2 {
        let (intent, request) = pair.two.channel.close_intent(Version(1)).unwrap();
        assert_eq!((intent.side, intent.min_version), (Side::Two, Version(1)));
        let digest = SigningDomain::new(DOMAIN).close_intent(&intent);
        // It takes no version of the channel's line.
        assert_eq!((request.get().digest(), request.get().version()), (digest, None));
        pair.two.restart();
    }
    // What the other side orders is not ordered by us.
    assert!(pair.one.channel.close_intent(Version(1)).is_none());
}
