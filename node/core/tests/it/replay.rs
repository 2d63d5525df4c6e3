//! Messages of an earlier session that come again after both sides have said what they hold: whoever kept a copy can
//! make nobody pay twice with it.

use crate::kit::*;
use lockstep_core::error::ProtocolError;
use lockstep_core::ids::{Side, Version};
use lockstep_core::message::PeerMessage;
use lockstep_core::output::Notice;

/// Updates by a side that a node has told to be final.
fn told(node: &Node, by: Side) -> usize {
    node.count(|notice| matches!(notice, Notice::Applied { id, .. } if id.payer == by))
}

fn reconnect(pair: &mut Pair, restarts: bool) {
    if restarts {
        pair.one.restart();
        pair.two.restart();
    }
    pair.connect();
}

/// What side 2 has paid, and the message that asked for it.
fn intent_of(pair: &mut Pair, value: u64) -> PeerMessage {
    pair.two.pay(value).unwrap();
    let intent = pair.two.outbox.back().cloned().unwrap();
    assert!(matches!(intent, PeerMessage::Intent { .. }), "{intent:?}");
    intent
}

#[test]
fn p37_an_intent_replayed_after_reconnect_changes_nothing_and_pays_nothing_twice() {
    for restarts in [false, true] {
        let mut pair = Pair::open();
        let intent = intent_of(&mut pair, 40);
        pair.exchange();
        pair.one.pay(7).unwrap();
        pair.exchange();
        reconnect(&mut pair, restarts);
        pair.assert_in_step();
        let before = pair.one.channel.parts().clone();
        for _ in 0..3 {
            pair.one.peer(intent.clone()).unwrap();
            assert!(pair.one.outbox.is_empty(), "{:?}", pair.one.outbox);
        }
        assert_eq!(*pair.one.channel.parts(), before, "{restarts}");
        // Nor does it count for a new one of the same amount that is under way.
        intent_of(&mut pair, 40);
        pair.one.peer(intent.clone()).unwrap();
        pair.deliver(Side::Two);
        pair.one.peer(intent).unwrap();
        pair.exchange();
        pair.assert_in_step();
        for node in [&pair.one, &pair.two] {
            assert_eq!((told(node, Side::Two), told(node, Side::One)), (2, 1), "{restarts}");
        }
        assert_eq!(pair.one.own(), amount(DEPOSIT + 40 + 40 - 7));
        assert_eq!(pair.two.own(), amount(DEPOSIT - 40 - 40 + 7));
    }
}

#[test]
fn p37_an_intent_of_a_lost_session_that_comes_from_its_sender_and_as_a_copy_pays_once() {
    for (restarts, is_proposed) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut pair = Pair::open();
        let intent = intent_of(&mut pair, 40);
        if is_proposed {
            // The proposer has it in a proposal that is lost with the connection.
            pair.deliver(Side::Two);
        }
        if restarts {
            pair.one.restart();
            pair.two.restart();
        }
        pair.connect_without_delivery();
        // Reestablish and what goes out again, with the copy before, between and after.
        pair.one.peer(intent.clone()).unwrap();
        while pair.deliver(Side::One) | pair.deliver(Side::Two) {
            pair.one.peer(intent.clone()).unwrap();
        }
        pair.assert_in_step();
        assert_eq!((told(&pair.one, Side::Two), told(&pair.two, Side::Two)), (1, 1));
        assert_eq!(pair.one.own(), amount(DEPOSIT + 40), "{restarts} {is_proposed}");
    }
}

#[test]
fn p37_a_proposal_replayed_after_reconnect_is_answered_as_before_or_not_at_all() {
    for restarts in [false, true] {
        let mut pair = Pair::open();
        let mut copies = vec![];
        for value in [7, 9] {
            pair.one.pay(value).unwrap();
            copies.push(pair.one.outbox.front().cloned().unwrap());
            pair.exchange();
        }
        reconnect(&mut pair, restarts);
        let before = pair.two.channel.parts().clone();
        let [old, newest] = copies.try_into().unwrap();
        let stale = ProtocolError::StaleVersion { version: Version(1), current: Version(2) };
        assert_eq!(pair.two.peer(old), Err(stale));
        assert!(pair.two.outbox.is_empty());
        pair.two.peer(newest).unwrap();
        let again = pair.two.outbox.back();
        assert!(matches!(again, Some(PeerMessage::Accept { version: Version(2), .. })));
        assert_eq!(*pair.two.channel.parts(), before);
        pair.exchange();
        pair.assert_in_step();
        assert_eq!((told(&pair.one, Side::One), told(&pair.two, Side::One)), (2, 2));
        assert_eq!(pair.two.own(), amount(DEPOSIT + 16), "{restarts}");
    }
}
