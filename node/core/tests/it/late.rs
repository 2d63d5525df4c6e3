//! What comes when a close is all but over: a final state that is co-signed late, and updates that a newer state of
//! ours would have left out.

use crate::kit::*;
use lockstep_core::adjudicator::{Call, PresentedIntent, PresentedState, Signatures};
use lockstep_core::chain::{ChainCall, ChainFact, CloseMode, StoredPoint};
use lockstep_core::ids::{Side, Version};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::{PeerMessage, RejectReason};
use lockstep_core::money::Amount;
use lockstep_core::output::Notice;
use lockstep_core::state::StateKind;
use lockstep_core::time::{BlockTimestamp, Finality};

const CLOSES_AT: BlockTimestamp = BlockTimestamp(1_000);

fn told(node: &Node) -> usize {
    node.count(|notice| matches!(notice, Notice::Applied { .. }))
}

fn closed(version: u64, paid1: u64, mode: CloseMode) -> ChainFact {
    ChainFact::Closed {
        version: Version(version),
        paid1: amount(paid1),
        paid2: amount(2 * DEPOSIT - paid1),
        held1: Amount::ZERO,
        held2: Amount::ZERO,
        mode,
    }
}

/// Side 2 has paid 40 and closed without that, and nobody has answered in time. A final state is with side 2, which
/// has signed it and not said so.
fn with_final_withheld() -> (Pair, PeerMessage) {
    let mut pair = Pair::open();
    pair.two.pay(40).unwrap();
    pair.exchange();
    pair.one.command(Command::Close).unwrap();
    pair.deliver(Side::One);
    let late = pair.two.outbox.pop_front().unwrap();
    assert!(matches!(late, PeerMessage::Accept { version: Version(2), .. }), "{late:?}");
    let closing = ChainFact::Closing {
        point: StoredPoint::default(),
        closes_at: CLOSES_AT,
        initiator: Side::Two,
        evidence: None,
    };
    pair.one.fact(20, Finality::Final, closing);
    pair.one.finalized(CLOSES_AT.0);
    pair.one.input(Input::Head(point(CLOSES_AT.0))).unwrap();
    pair.one.duties.clear();
    (pair, late)
}

#[test]
fn p12_a_final_state_that_is_co_signed_after_the_challenge_period_still_goes_to_the_contract() {
    let (mut pair, late) = with_final_withheld();
    let before = pair.one.channel.parts().clone();
    let had = told(&pair.one);
    pair.one.peer(late.clone()).unwrap();
    let duty = pair.one.duties.pop().expect("a call");
    let ChainCall::CooperativeClose(evidence) = duty.call() else { panic!("{duty:?}") };
    let signatures =
        Signatures { one: evidence.signature1.unwrap(), two: evidence.signature2.unwrap() };
    assert_eq!((evidence.state.version, evidence.state.kind), (Version(2), StateKind::Final));
    // The contract takes it, and pays what the close would have taken away.
    let mut chain = Pair::chain();
    let call = Call { sender: participant(Side::Two), now: BlockTimestamp(20) };
    let nothing = PresentedState::default();
    let step = chain.initiate_close(call, &nothing, &signatures, &PresentedIntent::NONE).unwrap();
    chain.apply(&step);
    let net = evidence.state.net.into();
    let settled = chain.cooperative_close(Version(2), net, &signatures).unwrap();
    assert_eq!(settled.payouts[0].amount, amount(DEPOSIT + 40));
    // Until it has, anybody may settle at what is stored there: nothing is counted, and nothing forgotten.
    assert_eq!(*pair.one.channel.parts(), before);
    assert_eq!(told(&pair.one), had);
    // P66: said again on the same connection, it makes no more work.
    for _ in 0..5 {
        pair.one.peer(late.clone()).unwrap();
    }
    assert!(pair.one.duties.is_empty(), "{:?}", pair.one.duties);
    // A crash forgets the call, and the next connection brings it again.
    pair.one.restart();
    pair.one.duties.clear();
    pair.one.peer(late).unwrap();
    assert_eq!(pair.one.duties.len(), 1);
    pair.one.fact(2_000, Finality::Final, closed(2, DEPOSIT + 40, CloseMode::Cooperative));
    assert!(lockstep_core::channel::is_over(pair.one.channel.parts()));
}

#[test]
fn p41_an_ordinary_state_or_a_settled_channel_gets_no_call_from_a_late_signature() {
    let (mut pair, late) = with_final_withheld();
    pair.one.fact(2_000, Finality::Final, closed(0, DEPOSIT, CloseMode::Unilateral));
    pair.one.duties.clear();
    pair.one.peer(late).unwrap();
    assert!(pair.one.duties.is_empty(), "{:?}", pair.one.duties);
}

#[test]
fn p40_what_the_settled_state_holds_is_told_although_a_newer_state_of_ours_left_it_out() {
    let mut pair = Pair::open();
    pair.two.pay(40).unwrap();
    pair.deliver(Side::Two);
    let proposed = pair.one.outbox.pop_front().unwrap();
    assert!(matches!(proposed, PeerMessage::Propose { .. }));
    let (version, reason) = (Version(1), RejectReason::Policy);
    let no = PeerMessage::Reject { version, reason, update: None, base: Version::ZERO };
    pair.one.peer(no).unwrap();
    // The final state leaves out what was refused; the other side may still sign what it refused.
    pair.one.command(Command::Close).unwrap();
    let newest = pair.one.channel.parts().in_flight.last().unwrap();
    assert_eq!((newest.state.version, newest.state.kind), (Version(2), StateKind::Final));
    assert_eq!(told(&pair.one), 0);
    pair.one.fact(20, Finality::Final, closed(1, DEPOSIT + 40, CloseMode::Unilateral));
    assert_eq!(told(&pair.one), 1);
}

/// One side has paid 40 in version 1, which the other side has signed and not said so. The close is certain at version 0,
/// and one endpoint shows a challenge with version 1. Then the window is over.
fn with_update_withheld(payer: Side) -> (Pair, PeerMessage) {
    let mut pair = Pair::open();
    pair.node(payer).pay(40).unwrap();
    if payer == Side::Two {
        pair.deliver(Side::Two);
    }
    pair.deliver(Side::One);
    let late = pair.two.outbox.pop_front().unwrap();
    assert!(matches!(late, PeerMessage::Accept { version: Version(1), .. }), "{late:?}");
    pair.one.fact(20, Finality::Final, closing(0));
    pair.one.fact(30, Finality::Seen, closing(1));
    pair.one.finalized(CLOSES_AT.0);
    pair.one.input(Input::Head(point(CLOSES_AT.0))).unwrap();
    (pair, late)
}

fn closing(version: u64) -> ChainFact {
    ChainFact::Closing {
        point: StoredPoint { version: Version(version), ..StoredPoint::default() },
        closes_at: CLOSES_AT,
        initiator: Side::Two,
        evidence: None,
    }
}

/// What side 1 has in the end, if version 1 is settled.
fn paid(payer: Side) -> u64 {
    if payer == Side::One { DEPOSIT - 40 } else { DEPOSIT + 40 }
}

fn failed(node: &Node) -> usize {
    node.count(|notice| matches!(notice, Notice::Failed { .. }))
}

#[test]
fn p40_p85_a_late_countersignature_is_nothing_yet_where_only_one_endpoint_shows_its_version() {
    for payer in [Side::One, Side::Two] {
        let (mut pair, late) = with_update_withheld(payer);
        let before = pair.one.channel.parts().clone();
        for _ in 0..3 {
            pair.one.peer(late.clone()).unwrap();
        }
        assert_eq!((told(&pair.one), failed(&pair.one)), (0, 0), "{payer:?}");
        assert_eq!(*pair.one.channel.parts(), before);
        // The endpoint had lied: it is settled without that. Our own payment has failed; theirs never was one.
        pair.one.fact(2_000, Finality::Final, closed(0, DEPOSIT, CloseMode::Unilateral));
        pair.one.peer(late).unwrap();
        let own = usize::from(payer == Side::One);
        assert_eq!((told(&pair.one), failed(&pair.one)), (0, own), "{payer:?}");
    }
}

#[test]
fn p40_p85_a_late_countersignature_is_told_once_by_the_settlement_at_its_version() {
    for (payer, restarts) in
        [(Side::One, false), (Side::One, true), (Side::Two, false), (Side::Two, true)]
    {
        let (mut pair, late) = with_update_withheld(payer);
        pair.one.peer(late.clone()).unwrap();
        if restarts {
            pair.one.restart();
        }
        // A settlement that is only seen is no more certain than the challenge was.
        let end = closed(1, paid(payer), CloseMode::Unilateral);
        pair.one.fact(2_000, Finality::Seen, end.clone());
        assert_eq!(told(&pair.one), 0, "{payer:?}");
        pair.one.fact(2_000, Finality::Final, end);
        assert_eq!((told(&pair.one), failed(&pair.one)), (1, 0), "{payer:?}");
        // It still makes the settled state the co-signed one, and is told no second time.
        pair.one.peer(late).unwrap();
        assert_eq!(pair.one.channel.version(), Version(1));
        assert_eq!((told(&pair.one), failed(&pair.one)), (1, 0), "{payer:?}");
    }
}

#[test]
fn p40_p85_a_late_countersignature_counts_at_once_where_a_final_log_shows_its_version() {
    for payer in [Side::One, Side::Two] {
        let (mut pair, late) = with_update_withheld(payer);
        pair.one.fact(30, Finality::Final, closing(1));
        pair.one.peer(late.clone()).unwrap();
        assert_eq!((told(&pair.one), pair.one.channel.version()), (1, Version(1)), "{payer:?}");
        let end = closed(1, paid(payer), CloseMode::Unilateral);
        pair.one.fact(2_000, Finality::Final, end);
        assert_eq!((told(&pair.one), failed(&pair.one)), (1, 0), "{payer:?}");
        // After a restart it is not known what was final: the settlement tells.
        let (mut pair, late) = with_update_withheld(payer);
        pair.one.fact(30, Finality::Final, closing(1));
        pair.one.restart();
        pair.one.input(Input::Head(point(CLOSES_AT.0))).unwrap();
        pair.one.peer(late).unwrap();
        assert_eq!(told(&pair.one), 0, "{payer:?}");
        let end = closed(1, paid(payer), CloseMode::Unilateral);
        pair.one.fact(2_000, Finality::Final, end);
        assert_eq!((told(&pair.one), failed(&pair.one)), (1, 0), "{payer:?}");
    }
}

/// Side 2 has paid 40, closed without that, and still holds back its signature on the version that has it.
fn with_signature_held_back(closes_at: u64) -> (Pair, PeerMessage) {
    let mut pair = Pair::open();
    pair.two.pay(40).unwrap();
    pair.deliver(Side::Two);
    pair.deliver(Side::One);
    let late = pair.two.outbox.pop_front().unwrap();
    assert!(matches!(late, PeerMessage::Accept { version: Version(1), .. }), "{late:?}");
    let closing = ChainFact::Closing {
        point: StoredPoint::default(),
        closes_at: BlockTimestamp(closes_at),
        initiator: Side::Two,
        evidence: None,
    };
    pair.one.fact(20, Finality::Final, closing);
    (pair, late)
}

#[test]
fn p40_a_signature_that_is_held_back_until_the_window_all_but_ends_is_no_income() {
    let period = u64::from(Pair::open().one.channel.parts().setup.terms.challenge_period);
    let closes_at = 20 + period;
    let last_part = closes_at - period / 4;
    for (now, counts) in [(last_part - 1, 1_usize), (last_part, 0), (closes_at - 1, 0)] {
        let (mut pair, late) = with_signature_held_back(closes_at);
        pair.one.input(Input::Head(point(now))).unwrap();
        pair.one.peer(late).unwrap();
        assert_eq!(told(&pair.one), counts, "at {now} of {closes_at}");
        let is_shown =
            pair.one.duties.iter().any(|it| matches!(it.call(), ChainCall::Challenge(_)));
        assert_eq!(is_shown, counts == 1, "what counts is shown to the contract at once");
        // The settlement tells what became of it.
        let version = u64::try_from(counts).unwrap();
        let settled = closed(version, DEPOSIT + 40 * version, CloseMode::Unilateral);
        pair.one.fact(closes_at + 1, Finality::Final, settled);
        assert_eq!(told(&pair.one), counts);
    }
}

#[test]
fn p40_after_a_restart_a_late_signature_is_no_income_before_a_block_says_what_is_left_of_the_window()
 {
    let (mut pair, late) = with_signature_held_back(1_000_000);
    pair.one.restart();
    pair.one.peer(late.clone()).unwrap();
    assert_eq!(told(&pair.one), 0);
    pair.one.input(Input::Head(point(30))).unwrap();
    pair.one.peer(late).unwrap();
    assert_eq!(told(&pair.one), 1);
}

#[test]
fn p70_a_final_state_that_answers_a_close_has_the_deadline_of_that_close() {
    let mut pair = Pair::open();
    pair.one.pay(40).unwrap();
    pair.exchange();
    pair.one.command(Command::Close).unwrap();
    pair.exchange();
    pair.one.duties.clear();
    let closing = ChainFact::Closing {
        point: StoredPoint::default(),
        closes_at: CLOSES_AT,
        initiator: Side::Two,
        evidence: None,
    };
    pair.one.fact(20, Finality::Seen, closing);
    let answer =
        pair.one.duties.iter().find(|it| matches!(it.call(), ChainCall::CooperativeClose(_)));
    assert_eq!(answer.expect("an answer").deadline(), Some(CLOSES_AT));
}
