//! What the chain shows of a close, in whatever order its logs come.

use crate::kit::*;
use alloy_primitives::B256;
use lockstep_core::chain::{ChainCall, ChainFact, StoredPoint};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{ChannelId, Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::SignedState;
use lockstep_core::money::{Amount, Deposit, Deposits};
use lockstep_core::output::Notice;
use lockstep_core::record::{ClosingStage, Dispute, Phase, RestoreReason};
use lockstep_core::state::{State, StateKind};
use lockstep_core::time::{BlockTimestamp, Finality};

fn closing(version: u64) -> ChainFact {
    closing_at(version, 9_000)
}

fn closing_at(version: u64, closes_at: u64) -> ChainFact {
    ChainFact::Closing {
        point: StoredPoint { version: Version(version), ..StoredPoint::default() },
        closes_at: BlockTimestamp(closes_at),
        initiator: Side::Two,
        evidence: None,
    }
}

fn dispute(node: &Node) -> Dispute {
    let Phase::Disputed(dispute) = &node.channel.parts().phase else { panic!("a dispute") };
    *dispute
}

fn seen(node: &Node) -> (Version, Finality) {
    let sighting = dispute(node).sighting;
    (sighting.point.version, sighting.finality)
}

#[test]
fn p70_a_late_final_log_of_the_close_does_not_hide_the_challenge_after_it() {
    let mut pair = Pair::open();
    pair.one.fact(10, Finality::Seen, closing(0));
    pair.one.fact(12, Finality::Seen, closing(3));
    assert_eq!(seen(&pair.one), (Version(3), Finality::Seen));
    // Now there is a close for certain; where it stands is still the newest word.
    pair.one.fact(10, Finality::Final, closing(0));
    assert_eq!(seen(&pair.one), (Version(3), Finality::Final));
    // A challenge that is only seen does not make the close itself uncertain again.
    pair.one.fact(14, Finality::Seen, closing(4));
    assert_eq!(seen(&pair.one), (Version(4), Finality::Final));
}

#[test]
fn p08_the_deadline_is_that_of_the_final_close_whatever_other_logs_say() {
    let closes_at = |node: &Node| dispute(node).sighting.closes_at;
    let mut pair = Pair::open();
    pair.one.fact(12, Finality::Seen, closing_at(3, 90_000));
    assert_eq!(closes_at(&pair.one), BlockTimestamp(90_000));
    // The final log of the close corrects what an endpoint has told of a challenge after it.
    pair.one.fact(10, Finality::Final, closing_at(0, 9_000));
    assert_eq!((closes_at(&pair.one), seen(&pair.one).0), (BlockTimestamp(9_000), Version(3)));
    // From then on nothing moves it, while where the close stands is still the newest word.
    pair.one.fact(14, Finality::Seen, closing_at(4, 90_000));
    assert_eq!((closes_at(&pair.one), seen(&pair.one).0), (BlockTimestamp(9_000), Version(4)));
}

#[test]
fn p72_after_a_reorganisation_the_chain_counts_as_it_is_now() {
    let mut pair = Pair::open();
    pair.one.fact(12, Finality::Seen, closing(3));
    // The challenge is gone, and an earlier block has another one.
    pair.one.fact(11, Finality::Seen, closing(2));
    assert_eq!(seen(&pair.one), (Version(2), Finality::Seen));
    // In the very same place the final log counts.
    pair.one.fact(11, Finality::Final, closing(1));
    assert_eq!(seen(&pair.one), (Version(1), Finality::Final));
}

#[test]
fn p46_only_a_final_log_of_a_version_that_we_do_not_know_proves_a_loss() {
    for (version, finality, is_lost) in [
        (5, Finality::Seen, false),
        (0, Finality::Seen, false),
        (0, Finality::Final, false),
        (1, Finality::Final, false),
        (2, Finality::Final, true),
    ] {
        for side in [Side::One, Side::Two] {
            let mut pair = Pair::open();
            pair.one.pay(10).unwrap();
            pair.exchange();
            pair.node(side).fact(10, finality, closing(version));
            let restored = pair.node(side).channel.parts().marks.restored;
            let expected = is_lost.then_some(RestoreReason::OwnSignature);
            assert_eq!(restored, expected, "{side:?} {version} {finality:?}");
        }
    }
}

#[test]
fn p46_evidence_that_proves_nothing_freezes_nothing() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.exchange();
    let state = State {
        channel_id: pair.one.channel.channel_id(),
        version: Version(2),
        kind: StateKind::Ordinary,
        net: Default::default(),
        locked1: Amount::ZERO,
        locked2: Amount::ZERO,
        locks_root: B256::ZERO,
    };
    let other = State { channel_id: ChannelId(B256::ZERO), ..state };
    let digest = SigningDomain::new(DOMAIN).state(&state);
    let one = sign(Side::One, digest);
    for (block, state, two) in [(10, state, one), (11, other, sign(Side::Two, digest))] {
        let shown = SignedState { state, locks: vec![], signature1: one, signature2: two };
        let fact = ChainFact::Closing {
            point: StoredPoint { version: Version(2), ..StoredPoint::default() },
            closes_at: BlockTimestamp(9_000),
            initiator: Side::Two,
            evidence: Some(Box::new(shown)),
        };
        pair.one.fact(block, Finality::Seen, fact);
        let parts = pair.one.channel.parts();
        assert_eq!((parts.marks.frozen, seen(&pair.one).0), (None, Version(2)));
    }
}

#[test]
fn p85_what_is_only_seen_neither_opens_a_channel_nor_ends_a_withdrawal() {
    let mut pair = Pair::funding();
    let opened = ChainFact::Opened { deposit1: amount(DEPOSIT), is_active: true };
    pair.one.fact(1, Finality::Seen, opened);
    pair.one.fact(2, Finality::Seen, ChainFact::Joined { deposit2: amount(DEPOSIT) });
    assert!(matches!(pair.one.channel.parts().phase, Phase::Funding { .. }));
    assert_eq!(pair.one.channel.parts().chain.deposits, Deposits::ZERO);

    let mut pair = Pair::open();
    pair.one.command(Command::Withdraw { out1: amount(5), out2: Amount::ZERO }).unwrap();
    pair.exchange();
    let deposit = |value: u64| Deposit::from_amount(amount(value)).unwrap();
    let deposits = Deposits::new(deposit(DEPOSIT - 5), deposit(DEPOSIT)).unwrap();
    let before = pair.one.channel.parts().clone();
    let landed = ChainFact::PartialWithdrawn { version: Version(1), deposits };
    pair.one.fact(10, Finality::Seen, landed.clone());
    assert_eq!(*pair.one.channel.parts(), before);
    pair.one.fact(10, Finality::Final, landed);
    assert_eq!(pair.one.channel.parts().withdrawal, None);
    assert_eq!(pair.one.channel.parts().chain.deposits, deposits);
}

#[test]
fn p46_a_withdrawal_that_lands_proves_a_loss_only_if_nothing_of_ours_is_as_new() {
    for (version, is_lost) in [(1, false), (2, false), (3, true)] {
        let mut pair = Pair::open();
        pair.one.pay(10).unwrap();
        pair.exchange();
        pair.one.command(Command::Withdraw { out1: amount(5), out2: Amount::ZERO }).unwrap();
        pair.exchange();
        // It runs out, and its block turns up all the same.
        let after = 4 + lockstep_core::WITHDRAW_TTL_SECS;
        pair.finalized(after);
        assert_eq!(pair.one.channel.parts().withdrawal, None);
        let deposits = pair.one.channel.parts().chain.deposits;
        let landed = ChainFact::PartialWithdrawn { version: Version(version), deposits };
        pair.one.fact(after + 1, Finality::Final, landed);
        assert_eq!(pair.one.channel.parts().marks.restored.is_some(), is_lost, "{version}");
    }
}

#[test]
fn a_close_that_is_certain_is_not_made_ours_by_an_order() {
    let mut pair = Pair::open();
    pair.one.fact(10, Finality::Seen, closing(0));
    pair.one.command(Command::ForceClose).unwrap();
    assert_eq!(dispute(&pair.one).interrupted, Some(ClosingStage::Unilateral));
    pair.two.fact(10, Finality::Final, closing(0));
    pair.two.command(Command::ForceClose).unwrap();
    assert_eq!(dispute(&pair.two).interrupted, None);
}

#[test]
fn p57_a_finalized_block_is_a_head_too_and_never_takes_a_later_one_back() {
    let settles = |node: &Node| node.duties.iter().any(|duty| *duty.call() == ChainCall::Close);
    let mut pair = Pair::open();
    for node in [&mut pair.one, &mut pair.two] {
        node.fact(10, Finality::Final, closing(0));
        assert!(!settles(node));
    }
    pair.one.finalized(9_000);
    assert!(settles(&pair.one), "the window is over, and no other head has said so");
    // The other one hears of the head first, and of the finalized block in between.
    pair.two.input(Input::Head(point(8_999))).unwrap();
    pair.two.finalized(5_000);
    pair.two.restart();
    assert!(!settles(&pair.two));
    pair.two.input(Input::Head(point(9_000))).unwrap();
    assert!(settles(&pair.two));
}

#[test]
fn p45_a_finalized_block_that_lags_does_not_set_back_the_time_of_a_secret() {
    let mut pair = Pair::open();
    let secret = B256::repeat_byte(9);
    let lock = crate::lock::lock(secret, 40, 2_000, false);
    pair.two.command(Command::Update(vec![lock])).unwrap();
    pair.exchange();
    // The margin is 600 seconds: from 1,400 on the registry is due.
    pair.one.input(Input::Head(point(1_400))).unwrap();
    pair.one.finalized(20);
    pair.one.command(Command::LearnSecret { secret }).unwrap();
    let call = ChainCall::RegisterSecret { secret };
    assert!(pair.one.duties.iter().any(|duty| *duty.call() == call), "{:?}", pair.one.duties);
}

#[test]
fn p70_a_challenge_says_until_when_it_counts() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.exchange();
    pair.one.fact(10, Finality::Seen, closing(0));
    let duty = pair.one.duties.pop().unwrap();
    assert!(matches!(duty.call(), ChainCall::Challenge(_)), "{duty:?}");
    assert_eq!(duty.deadline(), Some(BlockTimestamp(9_000)));
}

#[test]
fn p40_a_countersignature_counts_until_the_last_quarter_of_a_certain_window_at_another_version() {
    let last_part = 9_000 - u64::from(PERIOD) / 4;
    for (finality, head, stands_at, counts) in [
        (Finality::Final, last_part - 1, 0, true),
        (Finality::Final, last_part, 0, false),
        (Finality::Final, 9_000, 0, false),
        (Finality::Final, 9_001, 0, false),
        (Finality::Seen, last_part, 0, true),
        (Finality::Seen, 9_001, 0, true),
        (Finality::Final, 9_001, 1, true),
    ] {
        let mut pair = Pair::open();
        pair.two.pay(40).unwrap();
        pair.deliver(Side::Two);
        pair.deliver(Side::One);
        let late = pair.two.outbox.pop_front().unwrap();
        pair.one.fact(10, finality, closing(stands_at));
        pair.one.input(Input::Head(point(head))).unwrap();
        pair.one.peer(late).unwrap();
        let told = |notice: &Notice| matches!(notice, Notice::Applied { .. });
        let case = (finality, head, stands_at);
        assert_eq!(pair.one.count(told), usize::from(counts), "{case:?}");
    }
}
