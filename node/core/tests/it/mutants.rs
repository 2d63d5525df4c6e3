//! What a run of cargo-mutants found untested: each test fails on a small change that all others let pass.

use crate::kit::*;
use crate::lock::lock;
use alloy_primitives::B256;
use lockstep_core::chain::{
    ChainFact, ChannelStatus, CloseMode, CloseSighting, EventPosition, StoredPoint,
};
use lockstep_core::channel::is_over;
use lockstep_core::error::ProtocolError;
use lockstep_core::forward::{OutLock, out_lock};
use lockstep_core::ids::{Sequence, Side, Version};
use lockstep_core::input::Command;
use lockstep_core::message::PeerMessage;
use lockstep_core::money::{Amount, Net};
use lockstep_core::output::Notice;
use lockstep_core::record::{Dispute, Phase, RecordParts, Settlement};
use lockstep_core::request::SigningContent;
use lockstep_core::state::PartialWithdraw;
use lockstep_core::time::{BlockTimestamp, Finality};
use lockstep_core::update::{Action, MAX_UPDATES_BYTES, Memo, Payment};

const SECRET: B256 = B256::repeat_byte(9);

fn order(action: Action) -> Command {
    Command::Update(vec![action])
}

fn closing(version: u64) -> ChainFact {
    ChainFact::Closing {
        point: StoredPoint { version: Version(version), ..StoredPoint::default() },
        closes_at: BlockTimestamp(9_000),
        initiator: Side::Two,
        evidence: None,
    }
}

#[test]
fn a_hash_is_locked_once_whether_its_lock_waits_or_is_agreed_on() {
    for side in [Side::One, Side::Two] {
        let mut pair = Pair::open();
        let offer = || order(lock(SECRET, 40, 2_000, side == Side::One));
        pair.node(side).command(offer()).unwrap();
        assert!(pair.node(side).command(offer()).is_err(), "it waits");
        pair.exchange();
        pair.assert_in_step();
        assert!(pair.node(side).command(offer()).is_err(), "it is agreed on");
    }
}

#[test]
fn p46_a_lost_state_without_its_locks_is_no_base() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.exchange();
    let backup = pair.two.backup();
    pair.one.command(order(lock(SECRET, 40, 2_000, true))).unwrap();
    pair.exchange();
    pair.two.restore(backup.clone());
    pair.connect_without_delivery();
    let mut shown = pair.one.outbox.pop_front().unwrap();
    let PeerMessage::Reestablish(body) = &mut shown else { panic!("a connection begins so") };
    body.newest.as_mut().unwrap().locks.clear();
    pair.two.peer(shown).unwrap();
    let parts = pair.two.channel.parts();
    assert!(parts.marks.restored.is_some());
    assert_eq!(parts.base, backup.parts().base);
}

#[test]
fn p46_what_was_in_flight_in_a_backup_is_replaced_by_what_is_shown() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    let backup = pair.one.backup();
    assert!(!backup.parts().in_flight.is_empty());
    pair.exchange();
    pair.one.pay(10).unwrap();
    pair.exchange();
    pair.one.restore(backup);
    pair.connect();
    assert!(pair.one.channel.parts().in_flight.is_empty());
}

#[test]
fn p85_money_that_is_only_seen_is_no_money_yet() {
    let mut pair = Pair::open();
    let before = pair.one.channel.parts().chain.deposits;
    let funded = ChainFact::Funded { side: Side::One, amount: amount(500) };
    pair.one.fact(5, Finality::Seen, funded.clone());
    assert_eq!(pair.one.channel.parts().chain.deposits, before);
    pair.one.fact(6, Finality::Final, funded);
    assert_ne!(pair.one.channel.parts().chain.deposits, before);
}

#[test]
fn a_close_is_told_once_and_again_only_when_it_stands_at_another_version() {
    let mut pair = Pair::open();
    let told = |notice: &Notice| matches!(notice, Notice::CloseSeen { .. });
    pair.one.fact(10, Finality::Seen, closing(0));
    pair.one.fact(10, Finality::Final, closing(0));
    assert_eq!(pair.one.count(told), 1);
    pair.one.fact(12, Finality::Seen, closing(3));
    assert_eq!(pair.one.count(told), 2);
    let Phase::Disputed(dispute) = &pair.one.channel.parts().phase else { panic!("a dispute") };
    assert_eq!(dispute.sighting.first_seen, point(10), "however often it was seen since");
}

#[test]
fn p57_the_finalized_block_never_goes_back() {
    let mut pair = Pair::open();
    pair.one.finalized(10);
    pair.one.finalized(5);
    assert_eq!(pair.one.channel.parts().chain.finalized, point(10));
    pair.one.finalized(11);
    assert_eq!(pair.one.channel.parts().chain.finalized, point(11));
}

#[test]
fn p12_a_settlement_whose_locks_we_lost_is_over_only_when_somebody_resolved_them() {
    let pair = Pair::open();
    let mut parts = pair.one.channel.parts().clone();
    let mut settlement = Settlement {
        version: Version(3),
        mode: CloseMode::Unilateral,
        paid1: Amount::ZERO,
        paid2: Amount::ZERO,
        held1: amount(40),
        held2: Amount::ZERO,
        locks: vec![],
        resolved: 0,
        returned: 0,
        position: EventPosition::default(),
        is_final: true,
        interrupted: None,
    };
    parts.chain.status = ChannelStatus::Closed;
    parts.phase = Phase::Settled(settlement.clone());
    assert!(!is_over(&parts));
    settlement.resolved = 1;
    parts.phase = Phase::Settled(settlement);
    assert!(is_over(&parts));
}

#[test]
fn p41_what_a_final_state_leaves_out_has_failed_and_is_told() {
    let mut pair = Pair::open();
    pair.two.pay(5).unwrap();
    pair.two.outbox.clear();
    pair.one.command(Command::Close).unwrap();
    pair.exchange();
    assert_eq!(pair.two.count(|notice| matches!(notice, Notice::Failed { .. })), 1);
    assert!(pair.two.channel.parts().own_pending.is_empty());
}

#[test]
fn a_channel_that_drains_still_lets_go_of_locks_and_of_nothing_else() {
    let mut pair = Pair::open();
    pair.two.command(order(lock(SECRET, 40, 2_000, false))).unwrap();
    pair.exchange();
    pair.one.command(Command::Close).unwrap();
    assert_eq!(pair.one.pay(1), Err(ProtocolError::WrongPhase));
    let hash = lockstep_core::hash_of(SECRET);
    pair.one.command(order(Action::FailLock { hash })).unwrap();
    pair.exchange();
    assert!(pair.one.channel.parts().base.as_ref().unwrap().locks.is_empty());
}

#[test]
fn p60_intents_travel_in_messages_within_the_limit() {
    let mut pair = Pair::open();
    let memo = Memo::new(vec![7; 64]).unwrap();
    let payment = Payment { amount: amount(1), memo, invoice: None };
    let many = vec![Action::Pay(payment); 900];
    pair.two.command(Command::Update(many)).unwrap();
    let mut sizes = vec![];
    for message in &pair.two.outbox {
        if let PeerMessage::Intent { updates } = message {
            sizes
                .push(updates.iter().map(lockstep_core::update::Update::size_bound).sum::<usize>());
        }
    }
    assert!(sizes.len() > 1, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= MAX_UPDATES_BYTES), "{sizes:?}");
    pair.exchange();
    pair.assert_in_step();
    assert_eq!(pair.one.own(), amount(DEPOSIT + 900));
}

fn disputed(pair: &Pair, locks_root: B256) -> RecordParts {
    let mut parts = pair.one.channel.parts().clone();
    let sighting = CloseSighting {
        point: StoredPoint { version: Version(3), locks_root, ..StoredPoint::default() },
        closes_at: BlockTimestamp(9_000),
        initiator: Side::Two,
        position: EventPosition::default(),
        first_seen: point(10),
        finality: Finality::Seen,
    };
    parts.phase = Phase::Disputed(Dispute { sighting, interrupted: None });
    parts
}

#[test]
fn p44_a_close_at_locks_that_we_do_not_know_may_hold_any_lock() {
    let mut pair = Pair::open();
    let hash = lockstep_core::hash_of(SECRET);
    assert_eq!(out_lock(&disputed(&pair, B256::ZERO), hash), OutLock::Gone);
    assert_eq!(out_lock(&disputed(&pair, B256::repeat_byte(8)), hash), OutLock::MayBeSettled);
    pair.one.command(order(lock(B256::repeat_byte(7), 40, 2_000, true))).unwrap();
    pair.exchange();
    let ours = pair.one.channel.parts().base.as_ref().unwrap().state.locks_root;
    assert_eq!(out_lock(&disputed(&pair, ours), hash), OutLock::Gone, "we know each of these");
    assert_eq!(
        out_lock(&disputed(&pair, B256::ZERO), hash),
        OutLock::Gone,
        "it stands at no locks"
    );
}

#[test]
fn p47_a_connection_begins_with_how_far_each_line_is_known() {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.one.pay(10).unwrap();
    pair.exchange();
    pair.two.pay(5).unwrap();
    pair.exchange();
    pair.connect_without_delivery();
    for node in [&pair.one, &pair.two] {
        let Some(PeerMessage::Reestablish(body)) = node.outbox.front() else {
            panic!("a connection begins so")
        };
        assert_eq!((body.sequence1, body.sequence2), (Sequence(2), Sequence(1)));
    }
}

#[test]
fn p31_what_takes_a_version_says_which() {
    let withdraw = PartialWithdraw {
        channel_id: terms().channel_id(DOMAIN),
        version: Version(7),
        net: Net::default(),
        locked1: Amount::ZERO,
        locked2: Amount::ZERO,
        locks_root: B256::ZERO,
        out1: amount(1),
        out2: Amount::ZERO,
        deadline: BlockTimestamp(9),
    };
    assert_eq!(SigningContent::PartialWithdraw(withdraw).version(), Some(Version(7)));
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.exchange();
    let state = pair.one.channel.parts().base.as_ref().unwrap().state;
    assert_eq!(SigningContent::State(state).version(), Some(Version(1)));
}
