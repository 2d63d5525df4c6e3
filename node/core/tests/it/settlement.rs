//! Locks after the contract has settled: which list counts, and what may still be done with it.

use crate::kit::*;
use alloy_primitives::B256;
use lockstep_core::chain::{ChainCall, ChainFact, CloseMode};
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::ProtocolError;
use lockstep_core::forward::{OutLock, out_lock};
use lockstep_core::ids::{Side, Version};
use lockstep_core::input::Command;
use lockstep_core::lock::Lock;
use lockstep_core::message::PeerMessage;
use lockstep_core::money::Amount;
use lockstep_core::record::{Phase, Settlement};
use lockstep_core::time::{BlockTimestamp, Finality};
use lockstep_core::update::Action;

const SECRET: B256 = B256::repeat_byte(9);

fn hash() -> B256 {
    lockstep_core::hash_of(SECRET)
}

fn order(action: Action) -> Command {
    Command::Update(vec![action])
}

/// Version 1 has a lock of 40 by this side, with an expiry at 2,000.
fn locked(payer: Side) -> Pair {
    let mut pair = Pair::open();
    let lock = crate::lock::lock(SECRET, 40, 2_000, payer == Side::One);
    pair.node(payer).command(order(lock)).unwrap();
    pair.exchange();
    pair.assert_in_step();
    pair
}

fn closed(version: u64, held1: u64) -> ChainFact {
    ChainFact::Closed {
        version: Version(version),
        paid1: amount(DEPOSIT - held1),
        paid2: amount(DEPOSIT),
        held1: amount(held1),
        held2: Amount::ZERO,
        mode: CloseMode::Unilateral,
    }
}

fn settlement(node: &Node) -> &Settlement {
    let Phase::Settled(settlement) = &node.channel.parts().phase else { panic!("settled") };
    settlement
}

fn locks(node: &Node) -> Vec<Lock> {
    settlement(node).locks.clone()
}

/// Side 1 has a second state in flight, without the lock of the first, and its countersignature.
fn with_lock_failing() -> (Pair, Vec<Lock>, PeerMessage) {
    let mut pair = locked(Side::One);
    let held = pair.one.channel.parts().base.as_ref().unwrap().locks.clone();
    pair.two.command(order(Action::FailLock { hash: hash() })).unwrap();
    pair.deliver(Side::Two);
    let next = pair.one.channel.parts().in_flight.last().unwrap().state;
    assert_eq!((next.version, next.locked1), (Version(2), Amount::ZERO));
    let signature = sign(Side::Two, SigningDomain::new(DOMAIN).state(&next));
    (pair, held, PeerMessage::Accept { version: Version(2), signature })
}

#[test]
fn p12_the_locks_of_a_settlement_outlast_a_countersignature_that_comes_late() {
    let (mut pair, held, accept) = with_lock_failing();
    pair.one.fact(20, Finality::Seen, closed(1, 40));
    assert_eq!(locks(&pair.one), held);
    pair.one.peer(accept).unwrap();
    assert_eq!(pair.one.channel.version(), Version(2));
    pair.one.fact(20, Finality::Final, closed(1, 40));
    assert_eq!(locks(&pair.one), held);
}

#[test]
fn p12_a_settlement_that_is_another_in_the_end_has_the_other_ones_locks() {
    let mut pair = locked(Side::One);
    let first = pair.one.channel.parts().base.as_ref().unwrap().locks.clone();
    let more = crate::lock::lock(B256::repeat_byte(8), 2, 2_000, true);
    pair.one.command(order(more)).unwrap();
    let second = pair.one.channel.parts().in_flight[0].locks.clone();
    pair.one.fact(20, Finality::Seen, closed(1, 40));
    assert_eq!(locks(&pair.one), first);
    pair.one.fact(21, Finality::Final, closed(2, 42));
    assert_eq!(locks(&pair.one), second);
}

#[test]
fn p12_after_a_withdrawal_the_locks_are_found_by_their_root() {
    for payer in [Side::One, Side::Two] {
        let mut pair = locked(payer);
        let held = pair.one.channel.parts().base.as_ref().unwrap().locks.clone();
        pair.one.command(Command::Withdraw { out1: amount(5), out2: Amount::ZERO }).unwrap();
        pair.exchange();
        let mut world = World::new(pair);
        world.run_duties(Side::One);
        assert_eq!(world.paid[0], amount(5));
        world.pair.one.command(Command::ForceClose).unwrap();
        world.run_duties(Side::One);
        world.tick(u64::from(PERIOD) + 10);
        world.run_duties(Side::One);
        // What is settled has the version of the withdrawal, which no state of ours has.
        for node in [&world.pair.one, &world.pair.two] {
            assert_eq!(settlement(node).version, Version(2));
            assert_eq!(locks(node), held, "{payer:?}");
        }
        world.run_to_end();
        world.assert_paid(DEPOSIT, DEPOSIT);
    }
}

#[test]
fn p12_a_close_at_another_version_says_nothing_about_the_locks_of_the_settled_one() {
    let mut pair = locked(Side::One);
    let held = pair.one.channel.parts().base.as_ref().unwrap().locks.clone();
    let root = pair.one.channel.parts().base.as_ref().unwrap().state.locks_root;
    let closing = |version, locks_root| ChainFact::Closing {
        point: lockstep_core::chain::StoredPoint {
            version: Version(version),
            locks_root,
            ..Default::default()
        },
        closes_at: BlockTimestamp(1_000),
        initiator: Side::Two,
        evidence: None,
    };
    pair.one.fact(20, Finality::Final, closing(3, root));
    pair.two.fact(20, Finality::Final, closing(4, root));
    pair.one.fact(21, Finality::Final, closed(3, 40));
    assert_eq!(locks(&pair.one), held, "by its root");
    pair.two.fact(21, Finality::Final, closed(3, 40));
    assert_eq!(locks(&pair.two), [], "a list that may be wrong is worse than none");
}

#[test]
fn p96_nothing_is_resolved_on_a_settlement_that_is_only_seen() {
    let mut pair = locked(Side::One);
    pair.finalized(2_001);
    pair.one.fact(2_002, Finality::Seen, closed(1, 40));
    assert!(pair.one.duties.is_empty(), "{:?}", pair.one.duties);
    pair.one.fact(2_002, Finality::Final, closed(1, 40));
    let duty = pair.one.duties.pop().unwrap();
    assert!(matches!(duty.call(), ChainCall::ResolveLocks { mask: 1, .. }), "{duty:?}");
}

#[test]
fn p45_until_a_settlement_is_final_a_secret_opens_the_locks_of_the_newest_state_too() {
    for (finality, opens) in [(Finality::Seen, true), (Finality::Final, false)] {
        let mut pair = locked(Side::Two);
        // Version 0 is settled, which has no lock.
        pair.one.fact(20, finality, closed(0, 0));
        let learned = pair.one.command(Command::LearnSecret { secret: SECRET });
        let expected = if opens { Ok(()) } else { Err(ProtocolError::UnknownLock) };
        assert_eq!(learned, expected, "{finality:?}");
    }
}

#[test]
fn p44_a_lock_is_gone_by_a_settlement_without_it_once_that_is_final() {
    let mut pair = locked(Side::One);
    pair.one.fact(20, Finality::Seen, closed(0, 0));
    assert_eq!(out_lock(pair.one.channel.parts(), hash()), OutLock::MayBeSettled);
    pair.one.fact(20, Finality::Final, closed(0, 0));
    assert_eq!(out_lock(pair.one.channel.parts(), hash()), OutLock::Gone);
}

#[test]
fn p45_a_reported_secret_counts_only_for_a_lock_of_ours_and_only_if_it_is_the_secret() {
    let mut pair = locked(Side::Two);
    let at = BlockTimestamp(30);
    let (hash, foreign) = (hash(), B256::repeat_byte(7));
    let wrong = ChainFact::SecretRevealed { hash, secret: foreign, at };
    let strange =
        ChainFact::SecretRevealed { hash: lockstep_core::hash_of(foreign), secret: foreign, at };
    for fact in [wrong, strange] {
        pair.one.fact(30, Finality::Final, fact);
        assert!(pair.one.channel.parts().secrets.is_empty());
    }
    pair.one.fact(31, Finality::Final, ChainFact::SecretRevealed { hash, secret: SECRET, at });
    let known = pair.one.channel.parts().secrets.get(&hash).unwrap();
    assert_eq!((known.secret, known.revealed_at), (SECRET, Some(at)));
}
