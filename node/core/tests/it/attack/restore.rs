//! A side that lost data, and a peer that knows it.

use super::*;
use lockstep_core::gap::{
    MAX_ASKED_VERSION_GAP, MAX_FINAL_VERSION_GAP, MAX_VERSION_GAP, MIN_LOST_VERSION_GAP,
    PROPOSER_RESTORE_GAP, RESTORE_GAP,
};
use lockstep_core::message::Proposal;
use lockstep_core::record::ClosingStage;
use lockstep_core::state::StateKind;

/// Paid both ways since the backup that one side goes on from.
fn pair_with_restored(side: Side) -> Pair {
    let mut pair = Pair::open();
    pair.one.pay(30).unwrap();
    pair.exchange();
    let backup = pair.node(side).backup();
    for _ in 0..3 {
        pair.two.pay(20).unwrap();
        pair.one.pay(5).unwrap();
        pair.exchange();
    }
    pair.node(side).restore(backup);
    pair.connect();
    assert!(pair.node(side).channel.parts().marks.restored.is_some());
    pair
}

fn is_signed(node: &Node) -> bool {
    matches!(node.channel.parts().phase, Phase::Closing(ClosingStage::FinalSigned { .. }))
}

fn close_refused(notice: &Notice) -> bool {
    matches!(notice, Notice::CloseRefused { .. })
}

#[test]
fn p46_a_restored_side_closes_together_after_payments_both_ways_that_it_lost() {
    for side in [Side::One, Side::Two] {
        let mut pair = pair_with_restored(side);
        pair.node(side).command(Command::Close).unwrap();
        pair.exchange();
        assert!(is_signed(&pair.one) && is_signed(&pair.two), "{side:?}");
        let mut world = World::new(pair);
        world.run_to_end();
        world.assert_paid(DEPOSIT + 15, DEPOSIT - 15);
    }
}

#[test]
fn p46_what_was_in_flight_to_a_side_that_lost_data_does_not_keep_it_from_closing() {
    let mut pair = pair_with_restored(Side::Two);
    pair.one.pay(1).unwrap();
    pair.exchange();
    pair.two.command(Command::Close).unwrap();
    pair.exchange();
    assert!(is_signed(&pair.one) && is_signed(&pair.two));
}

#[test]
fn p46_a_refused_final_state_is_told_once_and_signed_when_the_other_side_orders_the_close_too() {
    let mut pair = pair_with_restored(Side::Two);
    pair.one.command(Command::Close).unwrap();
    pair.exchange();
    assert!(!is_signed(&pair.one), "the restored side's operator has not ordered it");
    assert_eq!(pair.one.count(close_refused), 1);
    pair.connect();
    assert_eq!(pair.one.count(close_refused), 1);
    pair.two.command(Command::Close).unwrap();
    pair.exchange();
    assert!(is_signed(&pair.one) && is_signed(&pair.two));
}

#[test]
fn p46_a_final_state_below_what_a_side_may_have_lost_is_told_and_the_close_by_force_stays() {
    let mut pair = Pair::open();
    pair.one.pay(30).unwrap();
    pair.exchange();
    let backup = pair.two.backup();
    pair.one.command(Command::Close).unwrap();
    pair.two.restore(backup);
    pair.two.command(Command::MarkImported).unwrap();
    pair.two.command(Command::Close).unwrap();
    pair.connect();
    assert!(!is_signed(&pair.one) && !is_signed(&pair.two));
    assert_eq!(pair.one.count(close_refused), 1);
    pair.one.command(Command::ForceClose).unwrap();
    let mut world = World::new(pair);
    world.run_to_end();
    world.assert_paid(DEPOSIT - 30, DEPOSIT + 30);
}

#[test]
fn p46_a_final_state_that_is_not_what_a_restored_side_holds_is_refused() {
    let mut pair = pair_with_restored(Side::Two);
    pair.two.command(Command::Close).unwrap();
    let mut state = pair.two.channel.parts().base.as_ref().unwrap().state;
    state.version = Version(state.version.0 + 2 * RESTORE_GAP);
    state.kind = StateKind::Final;
    state.net = state.net.paid_by(Side::Two, amount(1)).unwrap();
    let proposal = Proposal {
        base_version: Version(1),
        state,
        locks: vec![],
        updates: vec![],
        intents_through: Sequence(u64::MAX),
        refused: vec![],
    };
    let signature = sign(Side::One, SigningDomain::new(DOMAIN).state(&state));
    let guard = pair.two.channel.parts().guard.clone();
    pair.two.peer(PeerMessage::Propose { proposal, signature }).unwrap();
    assert_eq!(pair.two.channel.parts().guard, guard);
    let answer = pair.two.outbox.pop_back();
    let reason = RejectReason::Mismatch;
    assert!(matches!(answer, Some(PeerMessage::Reject { reason: r, .. }) if r == reason));
}

#[test]
fn p31_p35_no_line_of_ordinary_states_jumps_to_where_a_restored_side_signs() {
    // As far as a peer may jump with every state: it takes this many to get there.
    let states = RESTORE_GAP / MAX_VERSION_GAP;
    assert!(states >= 1 << 30, "{states}");
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    let Some(PeerMessage::Propose { mut proposal, .. }) = pair.one.outbox.pop_front() else {
        panic!("a proposal")
    };
    proposal.state.version = Version(RESTORE_GAP + 1);
    let signature = sign(Side::One, SigningDomain::new(DOMAIN).state(&proposal.state));
    let result = pair.two.peer(PeerMessage::Propose { proposal, signature });
    assert!(result.is_err(), "{result:?}");
    assert_eq!(pair.two.channel.parts().guard.highest, Version(0));
}

/// Offers side two a final state this far above what it has bound; whether it signs.
fn signs_final(node: &mut Node, gap: u64) -> bool {
    let parts = node.channel.parts();
    let version = Version(parts.guard.highest.0 + gap);
    let base = parts.base.as_ref().unwrap();
    let state = State { version, kind: StateKind::Final, ..base.state };
    let proposal = Proposal {
        base_version: base.state.version,
        state,
        locks: vec![],
        updates: vec![],
        intents_through: parts.base_sequences.two,
        refused: vec![],
    };
    let signature = sign(Side::One, SigningDomain::new(DOMAIN).state(&state));
    let result = node.peer(PeerMessage::Propose { proposal, signature });
    let is_bound = node.channel.parts().guard.highest == version;
    assert!(is_bound || result.is_err() || node.outbox.len() == 1);
    node.outbox.clear();
    is_bound
}

#[test]
fn p31_p47_no_final_state_from_before_a_loss_stands_where_one_is_signed_after_it() {
    const {
        // How many versions may be lost; a backup that is older is of no use.
        let lost = MIN_LOST_VERSION_GAP;
        // Side two: what it signed before, above what it knew then, and after, above the same.
        assert!(MAX_VERSION_GAP < RESTORE_GAP);
        assert!(RESTORE_GAP + MAX_ASKED_VERSION_GAP < MIN_LOST_VERSION_GAP);
        // Side one, which after its loss starts at a version of its own.
        assert!(lost + MAX_ASKED_VERSION_GAP < PROPOSER_RESTORE_GAP);
        // And what side one starts with after a loss is taken by a side two that lost nothing.
        assert!(PROPOSER_RESTORE_GAP - lost >= MIN_LOST_VERSION_GAP);
    }
    let paid = || {
        let mut pair = Pair::open();
        pair.one.pay(30).unwrap();
        pair.exchange();
        pair
    };
    for (gap, expected) in [
        (1, true),
        (MAX_VERSION_GAP, true),
        (MAX_VERSION_GAP + 1, false),
        (RESTORE_GAP + 1, false),
        (MIN_LOST_VERSION_GAP - 1, false),
        (MIN_LOST_VERSION_GAP, true),
        (MAX_FINAL_VERSION_GAP, true),
        (MAX_FINAL_VERSION_GAP + 1, false),
    ] {
        assert_eq!(signs_final(&mut paid().two, gap), expected, "{gap}");
    }
    for (gap, expected) in
        [(1, true), (MAX_ASKED_VERSION_GAP, true), (MAX_ASKED_VERSION_GAP + 1, false)]
    {
        let mut two = paid().two;
        two.command(Command::MarkImported).unwrap();
        two.command(Command::Close).unwrap();
        two.outbox.clear();
        assert_eq!(signs_final(&mut two, gap), expected, "restored, {gap}");
    }
    for (gap, expected) in [(MAX_ASKED_VERSION_GAP, true), (MAX_ASKED_VERSION_GAP + 1, false)] {
        let mut one = paid().one;
        let min_version = Version(newest(&one) + gap);
        let result = one.peer(PeerMessage::CloseRequest { min_version });
        assert_eq!(result.is_ok(), expected, "asked for, {gap}: {result:?}");
    }
}

#[test]
fn p46_where_both_sides_lost_data_a_close_together_is_refused_and_told() {
    let mut pair = Pair::open();
    pair.one.pay(30).unwrap();
    pair.exchange();
    for side in [Side::One, Side::Two] {
        pair.node(side).command(Command::MarkImported).unwrap();
        pair.node(side).command(Command::Close).unwrap();
    }
    pair.connect();
    assert!(!is_signed(&pair.one) && !is_signed(&pair.two));
    assert_eq!(pair.one.count(close_refused), 1);
    pair.two.command(Command::ForceClose).unwrap();
    let mut world = World::new(pair);
    world.run_to_end();
    world.assert_paid(DEPOSIT - 30, DEPOSIT + 30);
}

#[test]
fn p46_a_close_that_the_other_side_orders_is_above_all_that_was_lost_even_if_nobody_asked_for_it() {
    let mut pair = Pair::open();
    pair.one.pay(30).unwrap();
    pair.exchange();
    let backup = pair.two.backup();
    for _ in 0..3 {
        pair.one.pay(5).unwrap();
        pair.exchange();
    }
    // Restored by the import, and then once more by what it is shown.
    pair.two.restore(backup.into_restored());
    pair.connect_without_delivery();
    let early = pair.two.outbox.front().cloned().unwrap();
    pair.exchange();
    // The link may reorder what it said before it was shown anything.
    pair.one.peer(early).unwrap();
    let highest = pair.two.channel.parts().guard.highest;
    assert!(highest > Version(RESTORE_GAP + 1), "{highest}");
    // The two operators order it at the same time.
    pair.two.command(Command::Close).unwrap();
    pair.one.command(Command::Close).unwrap();
    pair.exchange();
    assert!(is_signed(&pair.one) && is_signed(&pair.two));
}
