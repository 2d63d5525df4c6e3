//! Cooperative and unilateral closes, disputes, and what may not be signed around them.

use crate::kit::*;
use crate::refusal::forged;
use alloy_primitives::B256;
use lockstep_core::adjudicator::{PresentedIntent, PresentedState, Signatures};
use lockstep_core::chain::{ChainCall, ChainFact, StoredPoint};
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::ProtocolError;
use lockstep_core::ids::{Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::{PeerMessage, SignedState};
use lockstep_core::money::Amount;
use lockstep_core::output::Notice;
use lockstep_core::record::{ClosingStage, FreezeReason, Phase};
use lockstep_core::state::PartialWithdraw;
use lockstep_core::time::{BlockTimestamp, Finality};

fn evidence(node: &Node) -> SignedState {
    let order = node.channel.evidence().unwrap();
    let state = order.evidence.state;
    let side = node.channel.side();
    let domain = lockstep_core::digest::SigningDomain::new(DOMAIN);
    order.evidence.with_signature(side, sign(side, domain.state(&state))).complete().unwrap()
}

fn closing(version: u64, net: i128, now: u64) -> ChainFact {
    let point = StoredPoint {
        version: Version(version),
        net: lockstep_core::money::Net::new(net).unwrap(),
        ..StoredPoint::default()
    };
    ChainFact::Closing {
        point,
        closes_at: BlockTimestamp(now + u64::from(PERIOD)),
        initiator: Side::Two,
        evidence: None,
    }
}

#[test]
fn either_side_may_ask_for_a_cooperative_close_and_both_are_paid_at_once() {
    for asks in [Side::One, Side::Two] {
        let mut pair = Pair::open();
        pair.one.pay(30).unwrap();
        pair.exchange();
        pair.node(asks).command(Command::Close).unwrap();
        pair.exchange();
        let mut world = World::new(pair);
        world.run_to_end();
        world.assert_paid(DEPOSIT - 30, DEPOSIT + 30);
    }
}

#[test]
fn a_close_drains_what_is_in_flight_first() {
    let mut pair = Pair::open();
    pair.one.pay(30).unwrap();
    pair.two.pay(4).unwrap();
    pair.deliver(Side::Two);
    pair.one.command(Command::Close).unwrap();
    assert_eq!(pair.one.pay(1), Err(ProtocolError::WrongPhase));
    pair.exchange();
    let mut world = World::new(pair);
    world.run_to_end();
    world.assert_paid(DEPOSIT - 26, DEPOSIT + 26);
}

#[test]
fn p41_nothing_is_signed_after_a_final_state() {
    let mut pair = Pair::open();
    pair.one.command(Command::Close).unwrap();
    let last = pair.one.outbox.back().cloned().unwrap();
    assert_eq!(pair.one.pay(1), Err(ProtocolError::FinalBound));
    pair.two.peer(last.clone()).unwrap();
    assert_eq!(pair.two.pay(1), Err(ProtocolError::FinalBound));
    let PeerMessage::Propose { proposal, signature } = last else { panic!("a proposal") };
    let mut next = proposal;
    next.state.version = Version(2);
    next.state.kind = lockstep_core::state::StateKind::Ordinary;
    let result = pair.two.peer(PeerMessage::Propose { proposal: next, signature });
    assert_eq!(result, Err(ProtocolError::FinalBound));
}

#[test]
fn p41_no_second_final_state_and_no_withdrawal_is_signed_after_a_final_state() {
    let mut pair = Pair::open();
    pair.one.command(Command::Close).unwrap();
    let Some(PeerMessage::Propose { proposal, .. }) = pair.one.outbox.pop_back() else {
        panic!("a proposal")
    };
    let first = forged(proposal.clone(), |_| {});
    pair.two.peer(first).unwrap();
    let guard = pair.two.channel.parts().guard.clone();
    assert_eq!(guard.highest, proposal.state.version);
    let second = forged(proposal.clone(), |next| {
        next.base_version = next.state.version;
        next.state.version = Version(2);
    });
    let withdraw = PartialWithdraw {
        channel_id: proposal.state.channel_id,
        version: Version(2),
        net: proposal.state.net,
        locked1: Amount::ZERO,
        locked2: Amount::ZERO,
        locks_root: B256::ZERO,
        out1: amount(5),
        out2: Amount::ZERO,
        deadline: BlockTimestamp(1_000),
    };
    let digest = SigningDomain::new(DOMAIN).partial_withdraw(&withdraw);
    let offer = PeerMessage::WithdrawPropose { withdraw, signature: sign(Side::One, digest) };
    let order = Command::Withdraw { out1: Amount::ZERO, out2: amount(5) };
    // Before the final state, and with its own version, that offer is one to sign.
    let early = PartialWithdraw { version: Version(1), ..withdraw };
    let digest = SigningDomain::new(DOMAIN).partial_withdraw(&early);
    let signature = sign(Side::One, digest);
    let taken = PeerMessage::WithdrawPropose { withdraw: early, signature };
    let mut open = Pair::open().two;
    open.peer(taken).unwrap();
    assert!(open.channel.parts().withdrawal.is_some());
    for _ in 0..2 {
        pair.two.outbox.clear();
        for message in [second.clone(), offer.clone()] {
            assert_eq!(pair.two.peer(message), Err(ProtocolError::FinalBound));
        }
        assert_eq!(pair.two.command(order.clone()), Err(ProtocolError::FinalBound));
        assert_eq!(pair.two.channel.parts().guard, guard);
        assert_eq!(pair.two.channel.parts().withdrawal, None);
        assert!(pair.two.outbox.is_empty(), "{:?}", pair.two.outbox);
        pair.two.restart();
    }
    assert_eq!(pair.two.channel.parts().guard, guard);
}

#[test]
fn p42_once_a_close_is_seen_no_new_digest_is_bound() {
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    let proposal = pair.one.outbox.pop_front().unwrap();
    for node in [&mut pair.one, &mut pair.two] {
        node.fact(10, Finality::Seen, closing(0, 0, 10));
        assert_eq!(node.pay(1), Err(ProtocolError::CloseSeen));
    }
    let before = pair.two.channel.parts().clone();
    assert_eq!(pair.two.peer(proposal), Err(ProtocolError::CloseSeen));
    assert_eq!(pair.two.channel.parts().guard, before.guard);
}

#[test]
fn p42_a_version_bound_before_the_sighting_may_still_be_signed() {
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    let proposal = pair.one.outbox.pop_front().unwrap();
    // Bound and durable, and then the power fails before the answer leaves.
    pair.two.input_and_crash(Input::Peer(proposal.clone())).unwrap();
    pair.two.fact(10, Finality::Seen, closing(0, 0, 10));
    pair.two.peer(proposal).unwrap();
    assert!(matches!(pair.two.outbox.pop_back(), Some(PeerMessage::Accept { .. })));
    // And the challenge with it is a duty.
    let challenged = pair.two.duties.iter().any(|duty| {
        matches!(duty.call(), ChainCall::Challenge(evidence)
            if evidence.state.version == Version(1) && evidence.complete().is_some())
    });
    assert!(challenged);
}

#[test]
fn p42_signing_resumes_only_when_the_close_is_gone_for_good() {
    let mut pair = Pair::open();
    pair.one.fact(10, Finality::Seen, closing(0, 0, 10));
    pair.one.finalized(50);
    assert_eq!(pair.one.pay(1), Err(ProtocolError::CloseSeen));
    pair.one.fact(51, Finality::Seen, ChainFact::CloseVanished);
    assert_eq!(pair.one.pay(1), Err(ProtocolError::CloseSeen));
    pair.one.fact(52, Finality::Final, ChainFact::CloseVanished);
    pair.one.pay(1).unwrap();
    pair.exchange();
    pair.assert_in_step();
}

#[test]
fn a_unilateral_close_pays_the_newest_state() {
    for closer in [Side::One, Side::Two] {
        let mut pair = Pair::open();
        pair.one.pay(30).unwrap();
        pair.exchange();
        pair.two.pay(10).unwrap();
        pair.exchange();
        pair.node(closer).command(Command::ForceClose).unwrap();
        let mut world = World::new(pair);
        world.run_to_end();
        world.assert_paid(DEPOSIT - 20, DEPOSIT + 20);
    }
}

#[test]
fn a_channel_that_was_never_used_closes_at_its_deposits() {
    let mut pair = Pair::open();
    pair.two.command(Command::ForceClose).unwrap();
    let mut world = World::new(pair);
    world.run_to_end();
    world.assert_paid(DEPOSIT, DEPOSIT);
}

#[test]
fn a_stale_close_is_challenged_at_first_sight_and_pays_the_newest() {
    let mut pair = Pair::open();
    pair.one.pay(30).unwrap();
    pair.exchange();
    let old = evidence(&pair.one);
    pair.one.pay(500).unwrap();
    pair.exchange();
    let mut world = World::new(pair);
    let call = lockstep_core::adjudicator::Call {
        sender: participant(Side::One),
        now: BlockTimestamp(world.now),
    };
    let state = PresentedState::from(&old.state);
    let signed = Signatures { one: old.signature1, two: old.signature2 };
    let step = world.chain.initiate_close(call, &state, &signed, &PresentedIntent::NONE).unwrap();
    world.apply(&step);
    // The cheat does nothing; the honest side alone gets what is due.
    let duty = world.pair.two.duties.first().cloned().unwrap();
    assert!(matches!(duty.call(), ChainCall::Challenge(_)));
    world.pair.one.duties.clear();
    world.run_duties(Side::Two);
    assert_eq!(world.chain.slots().point.version, Version(2));
    world.run_to_end();
    world.assert_paid(DEPOSIT - 530, DEPOSIT + 530);
}

#[test]
fn p40_an_acceptor_that_withholds_its_answers_and_closes_gains_nothing_uncounted() {
    let mut pair = Pair::open();
    for value in [100, 50, 20] {
        pair.one.pay(value).unwrap();
    }
    let counted = pair.one.channel.least_own_balance().unwrap();
    let mut hidden = vec![];
    while let Some(proposal) = pair.one.outbox.pop_front() {
        pair.two.peer(proposal).unwrap();
        hidden.push(evidence(&pair.two));
    }
    for shown in hidden {
        let mut chain = Pair::chain();
        let state = PresentedState::from(&shown.state);
        let signed = Signatures { one: shown.signature1, two: shown.signature2 };
        let call = lockstep_core::adjudicator::Call {
            sender: participant(Side::Two),
            now: BlockTimestamp(10),
        };
        let step = chain.initiate_close(call, &state, &signed, &PresentedIntent::NONE).unwrap();
        chain.apply(&step);
        let late = lockstep_core::adjudicator::Call { now: BlockTimestamp(5_000), ..call };
        let settled = chain.close_channel(late).unwrap();
        assert!(settled.payouts[0].amount >= counted);
    }
}

#[test]
fn p40_a_countersignature_that_comes_after_the_final_settlement_brings_no_income() {
    for is_settled_there in [false, true] {
        let mut pair = Pair::open();
        pair.two.pay(40).unwrap();
        pair.deliver(Side::Two);
        pair.deliver(Side::One);
        let late = pair.two.outbox.pop_front().unwrap();
        assert!(matches!(late, PeerMessage::Accept { version: Version(1), .. }));
        pair.one.command(Command::ForceClose).unwrap();
        let mut world = World::new(pair);
        if is_settled_there {
            world.run_to_end();
            world.assert_paid(DEPOSIT + 40, DEPOSIT - 40);
        } else {
            while !lockstep_core::channel::is_over(world.pair.one.channel.parts()) {
                world.run_duties(Side::One);
                world.tick(100);
            }
            world.assert_paid(DEPOSIT, DEPOSIT);
        }
        let one = &mut world.pair.one;
        let told = |node: &Node| node.count(|notice| matches!(notice, Notice::Applied { .. }));
        let settled = one.channel.parts().clone();
        one.peer(late).unwrap();
        assert_eq!(told(one), usize::from(is_settled_there));
        if !is_settled_there {
            assert_eq!(*one.channel.parts(), settled, "it changes nothing");
            // Nor does it when the other side shows it as what it holds.
            world.pair.connect();
            assert_eq!(told(&world.pair.one), 0);
        }
    }
}

#[test]
fn a_state_shown_on_chain_completes_a_lost_answer() {
    let mut pair = Pair::open();
    pair.one.pay(100).unwrap();
    let proposal = pair.one.outbox.pop_front().unwrap();
    pair.two.peer(proposal).unwrap();
    let shown = evidence(&pair.two);
    let fact = ChainFact::Closing {
        point: StoredPoint::from(&shown.state),
        closes_at: BlockTimestamp(5_000),
        initiator: Side::Two,
        evidence: Some(Box::new(shown)),
    };
    pair.one.fact(10, Finality::Seen, fact);
    assert_eq!(pair.one.channel.version(), Version(1));
    assert_eq!(pair.one.count(|notice| matches!(notice, Notice::Applied { .. })), 1);
    assert_eq!(pair.one.channel.parts().marks.restored, None);
}

#[test]
fn evidence_that_does_not_hold_never_hides_a_close() {
    let mut pair = Pair::open();
    pair.one.pay(100).unwrap();
    pair.exchange();
    let mut forged = evidence(&pair.two);
    forged.state.version = Version(9);
    let fact = ChainFact::Closing {
        point: StoredPoint::default(),
        closes_at: BlockTimestamp(5_000),
        initiator: Side::One,
        evidence: Some(Box::new(forged)),
    };
    pair.two.fact(10, Finality::Seen, fact);
    assert!(matches!(pair.two.channel.parts().phase, Phase::Disputed(_)));
    assert!(matches!(pair.two.duties[0].call(), ChainCall::Challenge(_)));
}

#[test]
fn a_frozen_channel_signs_nothing_and_can_still_be_closed() {
    let mut pair = Pair::open();
    pair.one.pay(30).unwrap();
    pair.exchange();
    let reason = FreezeReason::Command;
    pair.two.command(Command::Freeze(reason)).unwrap();
    assert_eq!(pair.two.pay(1), Err(ProtocolError::Frozen { reason }));
    pair.one.pay(1).unwrap();
    let proposal = pair.one.outbox.pop_front().unwrap();
    assert_eq!(pair.two.peer(proposal), Err(ProtocolError::Frozen { reason }));
    pair.two.command(Command::ForceClose).unwrap();
    let mut world = World::new(pair);
    world.run_to_end();
    world.assert_paid(DEPOSIT - 30, DEPOSIT + 30);
}

#[test]
fn a_close_waits_until_the_last_lock_is_gone() {
    let mut pair = Pair::open();
    let secret = alloy_primitives::B256::repeat_byte(9);
    let lock = crate::lock::lock(secret, 40, 1_500, true);
    pair.one.command(Command::Update(vec![lock])).unwrap();
    pair.exchange();
    pair.two.command(Command::Close).unwrap();
    pair.exchange();
    let stage = &pair.one.channel.parts().phase;
    assert!(matches!(stage, Phase::Closing(ClosingStage::Draining { .. })), "{stage:?}");
    pair.two.command(Command::LearnSecret { secret }).unwrap();
    pair.exchange();
    let mut world = World::new(pair);
    world.run_to_end();
    world.assert_paid(DEPOSIT - 40, DEPOSIT + 40);
}

#[test]
fn a_restart_in_a_dispute_takes_every_duty_up_again() {
    let mut pair = Pair::open();
    pair.one.pay(30).unwrap();
    pair.exchange();
    pair.two.fact(10, Finality::Seen, closing(0, 0, 10));
    let before: Vec<_> = pair.two.duties.drain(..).map(|duty| *duty.key()).collect();
    pair.two.restart();
    let after: Vec<_> = pair.two.duties.iter().map(|duty| *duty.key()).collect();
    assert_eq!((before.len(), after), (1, before));
}

#[test]
fn p96_one_providers_word_that_it_is_settled_does_not_end_a_challenge() {
    let mut pair = Pair::open();
    pair.one.pay(30).unwrap();
    pair.exchange();
    let lie = ChainFact::Closed {
        version: Version(0),
        paid1: amount(DEPOSIT),
        paid2: amount(DEPOSIT),
        held1: amount(0),
        held2: amount(0),
        mode: lockstep_core::chain::CloseMode::Unilateral,
    };
    pair.two.fact(10, Finality::Seen, closing(0, 0, 10));
    pair.two.fact(11, Finality::Seen, lie);
    pair.two.duties.clear();
    pair.two.restart();
    assert!(matches!(pair.two.duties[0].call(), ChainCall::Challenge(_)));
}

#[test]
fn p71_the_same_sighting_again_brings_no_second_duty() {
    let mut pair = Pair::open();
    pair.one.pay(30).unwrap();
    pair.exchange();
    for block in 10..20 {
        pair.two.fact(block, Finality::Seen, closing(0, 0, 10));
    }
    assert_eq!(pair.two.duties.len(), 1);
}

#[test]
fn p12_p46_a_close_that_one_endpoint_made_up_does_not_hold_back_our_own() {
    let mut pair = Pair::open();
    pair.one.pay(30).unwrap();
    pair.exchange();
    pair.one.fact(5, Finality::Seen, closing(1, -30, 5));
    assert!(matches!(pair.one.channel.parts().phase, Phase::Disputed(_)));
    assert!(pair.one.duties.is_empty());
    pair.one.command(Command::ForceClose).unwrap();
    let is_close = |duty: &&lockstep_core::chain::Obligation| {
        matches!(duty.call(), ChainCall::InitiateClose(Some(_)))
    };
    assert_eq!(pair.one.duties.iter().filter(is_close).count(), 1);
    // P42: nothing new is signed all the same.
    assert_eq!(pair.one.pay(1), Err(ProtocolError::CloseSeen));
    // The order outlives a restart, and the close that vanishes.
    pair.one.duties.clear();
    pair.one.restart();
    assert_eq!(pair.one.duties.iter().filter(is_close).count(), 1);
    pair.one.fact(9, Finality::Final, ChainFact::CloseVanished);
    assert_eq!(pair.one.channel.parts().phase, Phase::Closing(ClosingStage::Unilateral));
    let mut world = World::new(pair);
    world.run_to_end();
    world.assert_paid(DEPOSIT - 30, DEPOSIT + 30);
}

#[test]
fn a_close_that_is_final_leaves_nothing_to_be_ordered() {
    let mut pair = Pair::open();
    pair.one.fact(5, Finality::Final, closing(0, 0, 5));
    pair.one.command(Command::ForceClose).unwrap();
    pair.one.restart();
    assert!(pair.one.duties.is_empty(), "{:?}", pair.one.duties);
}

#[test]
fn p34_an_offer_that_was_taken_back_is_neither_sent_again_nor_accepted_later() {
    let mut pair = Pair::funding();
    let mut one = Node::requested();
    one.command(Command::CancelOpen).unwrap();
    one.outbox.clear();
    let now = lockstep_core::time::EngineTime::default();
    one.input(Input::Connected { now }).unwrap();
    assert!(one.outbox.is_empty(), "{:?}", one.outbox);
    pair.two.peer(open_request_of(&one)).unwrap();
    let consent = pair.two.outbox.pop_back().unwrap();
    assert!(matches!(consent, PeerMessage::OpenAccept { .. }), "{consent:?}");
    assert_eq!(one.peer(consent), Err(ProtocolError::WrongPhase));
    assert!(lockstep_core::channel::is_over(one.channel.parts()));
    // Nothing that the other side has agreed to is taken back so.
    assert_eq!(pair.one.command(Command::CancelOpen), Err(ProtocolError::WrongPhase));
}

fn open_request_of(node: &Node) -> PeerMessage {
    let setup = node.channel.parts().setup;
    PeerMessage::OpenRequest(lockstep_core::message::OpenRequest {
        domain: setup.domain,
        terms: setup.terms,
        deposit1: setup.deposit1,
        deposit2: setup.deposit2,
        features: setup.features,
        signer_key: setup.own_key.to_compressed(),
    })
}

fn settled(version: u64, paid_more: u64) -> ChainFact {
    ChainFact::Closed {
        version: Version(version),
        paid1: amount(DEPOSIT - paid_more),
        paid2: amount(DEPOSIT + paid_more),
        held1: amount(0),
        held2: amount(0),
        mode: lockstep_core::chain::CloseMode::Unilateral,
    }
}

/// How many of a side's payments have ended, made and failed.
fn ended(node: &Node) -> (usize, usize) {
    let own = |payer: Side| payer == node.channel.side();
    let made = |notice: &&Notice| matches!(notice, Notice::Applied { id, .. } if own(id.payer));
    let failed = |notice: &&Notice| matches!(notice, Notice::Failed { id, .. } if own(id.payer));
    (node.disk.notices.iter().filter(made).count(), node.disk.notices.iter().filter(failed).count())
}

#[test]
fn what_waits_when_a_channel_is_settled_has_failed_or_is_in_the_settled_state() {
    for version in 1..=2 {
        let mut pair = Pair::open();
        pair.one.pay(30).unwrap();
        pair.exchange();
        // One more payment each way is under way; side two may have signed the first, and closed with it.
        pair.one.pay(5).unwrap();
        pair.two.pay(4).unwrap();
        for node in [&mut pair.one, &mut pair.two] {
            node.disk.notices.clear();
        }
        let paid = if version == 1 { 30 } else { 35 };
        pair.one.fact(10, Finality::Seen, closing(version, -i128::from(paid), 10));
        assert_eq!(ended(&pair.one), (0, 0), "before it is final, either may be");
        pair.one.fact(20, Finality::Final, settled(version, paid));
        let is_in = version == 2;
        assert_eq!(ended(&pair.one), (usize::from(is_in), usize::from(!is_in)));
        assert!(pair.one.channel.parts().own_pending.is_empty());
        if !is_in {
            pair.two.fact(20, Finality::Final, settled(version, paid));
            assert_eq!(ended(&pair.two), (0, 1));
        }
        pair.one.restart();
        assert!(pair.one.channel.parts().own_pending.is_empty());
    }
}

#[test]
fn what_waits_is_left_open_where_the_settled_state_was_lost() {
    let mut pair = Pair::open();
    pair.one.pay(30).unwrap();
    pair.exchange();
    pair.two.pay(4).unwrap();
    pair.two.disk.notices.clear();
    pair.two.fact(20, Finality::Final, settled(9, 26));
    assert_eq!(ended(&pair.two), (0, 0));
    assert_eq!(pair.two.channel.parts().own_pending.len(), 1);
}

#[test]
fn what_waits_has_failed_when_what_is_settled_is_the_point_of_a_withdrawal() {
    let mut pair = Pair::open();
    let out = amount(5);
    pair.one.command(Command::Withdraw { out1: out, out2: Amount::ZERO }).unwrap();
    pair.exchange();
    let version = pair.one.channel.parts().guard.highest;
    pair.one.pay(30).unwrap();
    pair.two.pay(4).unwrap();
    for node in [&mut pair.one, &mut pair.two] {
        node.disk.notices.clear();
        let mut told = settled(version.0, 0);
        if let ChainFact::Closed { paid1, .. } = &mut told {
            *paid1 = amount(DEPOSIT - 5);
        }
        node.fact(20, Finality::Final, told);
        assert_eq!(ended(node), (0, 1));
        assert!(node.channel.parts().own_pending.is_empty());
    }
}
