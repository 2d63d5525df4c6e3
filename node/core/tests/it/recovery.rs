//! Crashes, lost answers, old backups, equivocation, and claims without proof.

use crate::kit::*;
use lockstep_core::RESTORE_GAP;
use lockstep_core::chain::{ChainCall, ChainFact, Obligation};
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::{ErrorClass, ProtocolError};
use lockstep_core::gap::restore_gap;
use lockstep_core::ids::{Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::{PeerMessage, ReestablishBody, SignedState};
use lockstep_core::output::Notice;
use lockstep_core::record::{ChannelRecord, FreezeReason, Phase, RestoreReason};
use lockstep_core::signature::StateSignature;
use lockstep_core::time::Finality;

fn restored(notice: &Notice) -> bool {
    matches!(notice, Notice::Restored { .. })
}

#[test]
fn p38_a_lost_answer_is_learned_at_the_next_connection() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.deliver(Side::One);
    assert_eq!(pair.two.own(), amount(DEPOSIT + 10));
    pair.connect();
    pair.assert_in_step();
    assert_eq!(pair.one.count(restored), 0);
}

#[test]
fn p38_a_lost_proposal_and_a_lost_intent_go_out_again() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.two.pay(3).unwrap();
    pair.connect();
    pair.assert_in_step();
    assert_eq!(pair.two.own(), amount(DEPOSIT + 7));
}

#[test]
fn p32_p59_a_crash_between_commit_and_sign_gives_the_same_bytes_later() {
    let mut straight = Pair::open();
    straight.one.pay(10).unwrap();
    let expected = straight.one.outbox.pop_front().unwrap();
    let mut pair = Pair::open();
    let order = Input::Command(Command::Update(vec![pay(10)]));
    pair.one.input_and_crash(order).unwrap();
    pair.one.input(Input::Connected { now: Default::default() }).unwrap();
    pair.one.outbox.clear();
    let silent = ReestablishBody {
        newest: None,
        highest_bound: Version(0),
        sequence1: Default::default(),
        sequence2: Default::default(),
    };
    pair.one.peer(PeerMessage::Reestablish(silent)).unwrap();
    assert_eq!(pair.one.outbox.pop_front(), Some(expected.clone()));
    pair.two.input_and_crash(Input::Peer(expected.clone())).unwrap();
    straight.two.peer(expected.clone()).unwrap();
    pair.two.peer(expected).unwrap();
    assert_eq!(pair.two.outbox.pop_front(), straight.two.outbox.pop_front());
}

#[test]
fn p59_a_panic_of_the_signer_leaves_a_proposal_that_goes_out_with_the_same_bytes() {
    let mut straight = Pair::open();
    straight.one.pay(10).unwrap();
    let expected = straight.one.outbox.pop_front().unwrap();
    let mut pair = Pair::open();
    pair.one.input_and_panic(Input::Command(Command::Update(vec![pay(10)])));
    assert_eq!(pair.one.channel.parts(), straight.one.channel.parts());
    pair.connect_without_delivery();
    // Each says what it holds; then side one proposes again.
    pair.deliver(Side::One);
    pair.deliver(Side::Two);
    assert_eq!(pair.one.outbox.pop_front().as_ref(), Some(&expected));
    pair.two.peer(expected).unwrap();
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.two.own(), amount(DEPOSIT + 10));
}

#[test]
fn p59_a_panic_of_the_signer_leaves_an_answer_that_goes_out_with_the_same_bytes() {
    let mut straight = Pair::open();
    straight.one.pay(10).unwrap();
    let proposal = straight.one.outbox.pop_front().unwrap();
    straight.two.peer(proposal.clone()).unwrap();
    let expected = straight.two.outbox.pop_front();
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    assert_eq!(pair.one.outbox.pop_front().as_ref(), Some(&proposal));
    pair.two.input_and_panic(Input::Peer(proposal.clone()));
    assert_eq!(pair.two.own(), amount(DEPOSIT + 10));
    // Asked again, and shown at the next connection.
    pair.two.peer(proposal).unwrap();
    assert_eq!(pair.two.outbox.pop_front(), expected);
    assert_eq!(pair.one.channel.version(), Version(0));
    pair.connect();
    pair.assert_in_step();
    assert_eq!(pair.one.own(), amount(DEPOSIT - 10));
}

#[test]
fn p31_a_crash_before_the_commit_leaves_nothing_and_the_version_is_free() {
    let mut pair = Pair::open();
    let lost = pair.one.channel.handle(Input::Command(Command::Update(vec![pay(10)]))).unwrap();
    drop(lost);
    pair.one.restart();
    pair.one.finalized(4);
    pair.one.pay(20).unwrap();
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.two.own(), amount(DEPOSIT + 20));
}

#[test]
fn p46_p47_a_restored_acceptor_learns_the_newest_and_signs_only_a_final_state() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.exchange();
    let backup = pair.two.backup();
    pair.one.pay(20).unwrap();
    pair.exchange();
    pair.two.restore(backup);
    pair.connect();
    assert_eq!(pair.two.count(restored), 1);
    let reason = Some(RestoreReason::OwnSignature);
    assert_eq!(pair.two.channel.parts().marks.restored, reason);
    assert_eq!(pair.two.own(), amount(DEPOSIT + 30));
    assert_eq!(pair.two.pay(1), Err(ProtocolError::Restored));
    pair.one.pay(1).unwrap();
    let proposal = pair.one.outbox.pop_front().unwrap();
    let guard = pair.two.channel.parts().guard.clone();
    pair.two.peer(proposal).unwrap();
    let answer = pair.two.outbox.pop_back();
    assert!(matches!(answer, Some(PeerMessage::Reject { .. })), "{answer:?}");
    assert_eq!(pair.two.channel.parts().guard, guard);
    // It asks for a final state far above anything that it may have signed and lost.
    pair.two.command(Command::Close).unwrap();
    pair.two.outbox.clear();
    pair.connect();
    let mut world = World::new(pair);
    world.pair.two.command(Command::ForceClose).unwrap();
    world.run_to_end();
    world.assert_paid(DEPOSIT - 30, DEPOSIT + 30);
}

/// A side that was restored from a record that is one payment of 20 old, and has not met its peer yet.
fn pair_with_restored(side: Side) -> Pair {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.exchange();
    let backup = pair.node(side).backup();
    pair.one.pay(20).unwrap();
    pair.exchange();
    pair.node(side).restore(backup);
    pair
}

#[test]
fn p46_a_restored_side_closes_cooperatively_above_all_it_may_have_lost() {
    for side in [Side::One, Side::Two] {
        let mut pair = pair_with_restored(side);
        pair.connect();
        assert_eq!(pair.node(side).count(restored), 1);
        pair.node(side).command(Command::Close).unwrap();
        pair.exchange();
        assert!(pair.two.channel.version() > Version(RESTORE_GAP));
        let mut world = World::new(pair);
        world.run_to_end();
        world.assert_paid(DEPOSIT - 30, DEPOSIT + 30);
    }
}

#[test]
fn p46_a_peer_that_hides_the_newest_state_gets_no_final_one_on_an_older() {
    let mut pair = pair_with_restored(Side::One);
    pair.one.command(Command::MarkImported).unwrap();
    let min_version = Version(1);
    let asked = pair.one.peer(PeerMessage::CloseRequest { min_version });
    assert_eq!(asked, Err(ProtocolError::Restored));
    let mut pair = pair_with_restored(Side::Two);
    pair.two.command(Command::MarkImported).unwrap();
    let mut state = pair.two.channel.parts().base.clone().unwrap().state;
    state.version = Version(RESTORE_GAP + 100);
    state.kind = lockstep_core::state::StateKind::Final;
    let proposal = lockstep_core::message::Proposal {
        base_version: Version(1),
        state,
        locks: vec![],
        updates: vec![],
        intents_through: Default::default(),
        refused: vec![],
    };
    let signature = sign(Side::One, SigningDomain::new(DOMAIN).state(&state));
    let offer = PeerMessage::Propose { proposal, signature };
    let guard = pair.two.channel.parts().guard.clone();
    pair.two.peer(offer.clone()).unwrap();
    let answer = pair.two.outbox.pop_back();
    assert!(matches!(answer, Some(PeerMessage::Reject { .. })), "{answer:?}");
    assert_eq!(pair.two.channel.parts().guard, guard);
    // Its own operator may decide that what it knows is good enough.
    pair.two.command(Command::Close).unwrap();
    pair.two.peer(offer).unwrap();
    assert_eq!(pair.two.channel.version(), state.version);
}

#[test]
fn p47_an_imported_record_is_restricted_even_if_the_peer_hides_the_newest() {
    for side in [Side::One, Side::Two] {
        let mut pair = Pair::open();
        pair.one.pay(10).unwrap();
        pair.exchange();
        let backup = pair.node(side).backup();
        pair.one.pay(20).unwrap();
        pair.exchange();
        pair.node(side).restore(backup);
        pair.node(side).command(Command::MarkImported).unwrap();
        let silent = ReestablishBody {
            newest: None,
            highest_bound: Version(0),
            sequence1: Default::default(),
            sequence2: Default::default(),
        };
        pair.node(side).peer(PeerMessage::Reestablish(silent)).unwrap();
        assert_eq!(pair.node(side).pay(1), Err(ProtocolError::Restored));
        pair.node(side).command(Command::Close).unwrap();
        for message in &pair.node(side).outbox {
            if let PeerMessage::Propose { proposal, .. } = message {
                assert!(proposal.state.version > Version(RESTORE_GAP));
            }
        }
    }
}

#[test]
fn p31_p47_a_record_that_is_imported_twice_is_raised_twice_and_waits_for_nothing() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.exchange();
    pair.one.pay(20).unwrap();
    pair.one.command(Command::Close).unwrap();
    let old = pair.one.backup();
    let once = old.clone().into_restored();
    let twice = once.clone().into_restored();
    for (times, record) in [(1, &once), (2, &twice)] {
        let parts = record.parts();
        let highest = Version(old.parts().guard.highest.0 + times * restore_gap(Side::One));
        assert_eq!(parts.guard.highest, highest);
        assert_eq!(parts.marks.restored, Some(RestoreReason::Import));
        assert_eq!((&parts.phase, parts.own_pending.len()), (&Phase::Open, 0));
        assert!(!parts.in_flight.is_empty());
        assert!(parts.in_flight.iter().all(|proposal| proposal.is_rejected));
        // It reads back from any journal.
        assert_eq!(ChannelRecord::from_parts(parts.clone()).as_ref(), Ok(record));
    }
}

#[test]
fn p46_two_states_of_one_version_are_kept_as_proof_and_freeze_the_channel() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    let Some(PeerMessage::Propose { proposal, .. }) = pair.one.outbox.front().cloned() else {
        panic!("a proposal")
    };
    pair.exchange();
    let mut second = proposal;
    second.state.net = lockstep_core::money::Net::new(11).unwrap();
    let signature = sign(Side::One, SigningDomain::new(DOMAIN).state(&second.state));
    // Without the peer's signature it is no proof of anything.
    let forged = StateSignature([7; 64]);
    let result =
        pair.two.peer(PeerMessage::Propose { proposal: second.clone(), signature: forged });
    assert_eq!(result.map_err(|error| error.class()), Err(ErrorClass::PeerFault));
    pair.two.peer(PeerMessage::Propose { proposal: second.clone(), signature }).unwrap();
    let parts = pair.two.channel.parts();
    assert_eq!(parts.marks.frozen, Some(FreezeReason::Equivocation));
    let proof = parts.equivocation.unwrap();
    assert_eq!((proof.first.version, proof.second), (Version(1), second.state));
    assert_eq!(pair.two.count(|notice| matches!(notice, Notice::Equivocation(_))), 1);
    // It pays nothing more, and leaves with the state that it holds.
    let guard = pair.two.channel.parts().guard.clone();
    let reason = FreezeReason::Equivocation;
    assert_eq!(pair.two.pay(1), Err(ProtocolError::Frozen { reason }));
    assert_eq!(pair.two.channel.parts().guard, guard);
    let mut world = World::new(pair);
    world.pair.two.command(Command::ForceClose).unwrap();
    world.run_to_end();
    world.assert_paid(DEPOSIT - 10, DEPOSIT + 10);
}

#[test]
fn p46_a_newer_state_without_proof_is_logged_and_nothing_more() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.exchange();
    let base = pair.one.channel.parts().base.clone().unwrap();
    let mut state = base.state;
    state.version = Version(9);
    let signature2 = sign(Side::Two, SigningDomain::new(DOMAIN).state(&state));
    let before = pair.one.channel.parts().clone();
    for signature1 in [signature2, StateSignature([0; 64]), StateSignature([7; 64])] {
        let newest = SignedState { state, locks: vec![], signature1, signature2 };
        let body = ReestablishBody {
            newest: Some(newest),
            highest_bound: Version(9),
            sequence1: Default::default(),
            sequence2: Default::default(),
        };
        let result = pair.one.peer(PeerMessage::Reestablish(body));
        assert_eq!(result.map_err(|error| error.class()), Err(ErrorClass::PeerFault));
    }
    let claim = ReestablishBody {
        newest: None,
        highest_bound: Version(9),
        sequence1: Default::default(),
        sequence2: Default::default(),
    };
    pair.one.peer(PeerMessage::Reestablish(claim)).unwrap();
    assert_eq!(*pair.one.channel.parts(), before);
    assert_eq!(pair.one.count(|notice| matches!(notice, Notice::UnprovenClaim { .. })), 1);
}

#[test]
fn a_stale_reestablish_is_not_adopted() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.exchange();
    pair.two.outbox.clear();
    pair.two.input(Input::Connected { now: Default::default() }).unwrap();
    let old = pair.two.outbox.pop_front().unwrap();
    pair.one.pay(20).unwrap();
    pair.exchange();
    let before = pair.one.channel.parts().base.clone();
    pair.one.peer(old).unwrap();
    assert_eq!(pair.one.channel.parts().base, before);
    pair.exchange();
    pair.assert_in_step();
}

#[test]
fn a_transition_that_was_overtaken_is_not_adopted() {
    let mut pair = Pair::open();
    let order = || Input::Command(Command::Update(vec![pay(1)]));
    let first = pair.one.channel.handle(order()).unwrap();
    let second = pair.one.channel.handle(order()).unwrap();
    let mut disk = Disk::default();
    let durable = lockstep_core::commit::commit(&mut disk, vec![first, second]).unwrap();
    let results: Vec<_> =
        durable.into_iter().map(|durable| pair.one.channel.adopt(durable).is_ok()).collect();
    assert_eq!(results, [true, false]);
}

#[test]
fn a_transition_of_another_channel_is_not_adopted() {
    let mut pair = Pair::open();
    let mut other = setup(Side::One, policy());
    other.terms.salt = alloy_primitives::B256::repeat_byte(77);
    let transition = lockstep_core::request_open(other).unwrap();
    let mut disk = Disk::default();
    let mut durable = lockstep_core::commit::commit(&mut disk, vec![transition]).unwrap();
    let result = pair.one.channel.adopt(durable.remove(0));
    assert_eq!(result.map_err(|error| error.class()), Err(ErrorClass::Fatal));
}

#[test]
fn p46_a_record_older_than_the_consent_can_still_close_an_active_channel() {
    let request = lockstep_core::request_open(setup(Side::One, policy())).unwrap();
    let mut one = Node::create(request, Keys::default());
    assert_eq!(one.command(Command::ForceClose), Err(ProtocolError::WrongPhase));
    one.fact(1, Finality::Final, ChainFact::Opened { deposit1: amount(DEPOSIT), is_active: true });
    one.command(Command::ForceClose).unwrap();
    let calls: Vec<_> = one.duties.iter().map(Obligation::call).collect();
    assert_eq!(calls, [&ChainCall::InitiateClose(None)]);
}
