//! Terms, limits and consent before there is a channel.

use crate::kit::*;
use alloy_primitives::{Address, B256};
use lockstep_core::chain::ChainFact;
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::ProtocolError;
use lockstep_core::ids::{Domain, NodeId, Side, Version};
use lockstep_core::input::Command;
use lockstep_core::message::{OpenConsent, OpenRequest, PeerMessage};
use lockstep_core::record::{Guard, OpeningStage, Phase, RecordError};
use lockstep_core::terms::{Features, PeriodBounds, Policy, TermsError};
use lockstep_core::time::{BlockTimestamp, Finality};

fn request() -> OpenRequest {
    let mut node = Node::requested();
    let Some(PeerMessage::OpenRequest(request)) = node.outbox.pop_front() else {
        panic!("an open begins with a request")
    };
    request
}

fn accept(policy: Policy) -> Result<(), ProtocolError> {
    let (peer, key, deadline) = (NodeId([1; 33]), signer_key(Side::Two), BlockTimestamp(10_000));
    lockstep_core::accept_open(&request(), peer, policy, key, deadline).map(drop)
}

#[test]
fn p34_nobody_asks_with_more_of_its_own_than_its_policy_allows() {
    for (max_own_deposit, is_allowed) in
        [(DEPOSIT - 1, false), (DEPOSIT, true), (DEPOSIT + 1, true)]
    {
        let policy = Policy { max_own_deposit: amount(max_own_deposit), ..policy() };
        let asked = lockstep_core::request_open(setup(Side::One, policy));
        assert_eq!(asked.is_ok(), is_allowed, "{max_own_deposit}");
        assert!(lockstep_core::request_open(setup(Side::Two, policy)).is_err(), "side 1 asks");
    }
}

#[test]
fn p34_consent_needs_enough_of_theirs_and_not_too_much_of_ours() {
    for (value, is_allowed) in [(DEPOSIT - 1, false), (DEPOSIT, true), (DEPOSIT + 1, true)] {
        let ours = Policy { max_own_deposit: amount(value), ..policy() };
        assert_eq!(accept(ours).is_ok(), is_allowed, "{value}");
    }
    for (value, is_allowed) in [(DEPOSIT - 1, true), (DEPOSIT, true), (DEPOSIT + 1, false)] {
        let theirs = Policy { min_counterparty_deposit: amount(value), ..policy() };
        assert_eq!(accept(theirs).is_ok(), is_allowed, "{value}");
    }
}

#[test]
fn p34_a_challenge_period_outside_the_policy_is_neither_asked_for_nor_accepted() {
    let bounds = |minimum, maximum| PeriodBounds { minimum, maximum };
    for (period, is_allowed) in [
        (bounds(PERIOD, PERIOD), true),
        (bounds(PERIOD + 1, BOUNDS.maximum), false),
        (bounds(BOUNDS.minimum, PERIOD - 1), false),
    ] {
        let policy = Policy { period, ..policy() };
        let asked = lockstep_core::request_open(setup(Side::One, policy)).map(drop);
        for result in [asked, accept(policy)] {
            let expected = if is_allowed {
                Ok(())
            } else {
                let (minimum, maximum) = (period.minimum, period.maximum);
                let outside = TermsError::PeriodOutOfBounds { period: PERIOD, minimum, maximum };
                Err(ProtocolError::Record(RecordError::Terms(outside)))
            };
            assert_eq!(result, expected, "{period:?}");
        }
    }
}

#[test]
fn p34_nothing_is_signed_for_a_channel_whose_opening_is_only_seen() {
    let mut open = Pair::open();
    open.one.pay(1).unwrap();
    let early = open.one.outbox.pop_front().unwrap();
    assert!(matches!(early, PeerMessage::Propose { .. }), "{early:?}");
    let opened = ChainFact::Opened { deposit1: amount(DEPOSIT), is_active: true };
    let mut pair = Pair::funding();
    for side in [Side::One, Side::Two] {
        let node = pair.node(side);
        node.fact(1, Finality::Seen, opened.clone());
        assert_eq!(node.pay(1), Err(ProtocolError::WrongPhase));
    }
    assert_eq!(pair.two.peer(early.clone()), Err(ProtocolError::WrongPhase));
    assert_eq!(pair.two.channel.parts().guard, Guard::default());
    // The same block, once it is final.
    for side in [Side::One, Side::Two] {
        pair.node(side).fact(1, Finality::Final, opened.clone());
    }
    pair.one.pay(1).unwrap();
    pair.two.peer(early).unwrap();
    assert_eq!(pair.two.channel.version(), Version(1));
}

#[test]
fn p37_the_same_request_gets_the_same_consent_and_another_one_none() {
    let mut pair = Pair::funding();
    let same = request();
    pair.two.outbox.clear();
    pair.two.peer(PeerMessage::OpenRequest(same.clone())).unwrap();
    pair.two.peer(PeerMessage::OpenRequest(same.clone())).unwrap();
    let (first, second) = (pair.two.outbox.pop_front(), pair.two.outbox.pop_front());
    assert!(matches!(first, Some(PeerMessage::OpenAccept { .. })), "{first:?}");
    assert_eq!(first, second);
    let mut terms = same.terms;
    terms.salt = B256::repeat_byte(6);
    let domain = Domain::Evm { chain_id: 31_338, contract: Address::repeat_byte(0xcc) };
    for other in [
        OpenRequest { terms, ..same.clone() },
        OpenRequest { domain, ..same.clone() },
        OpenRequest { deposit1: amount(DEPOSIT - 1), ..same.clone() },
        OpenRequest { deposit2: amount(DEPOSIT + 1), ..same.clone() },
    ] {
        let refused = pair.two.peer(PeerMessage::OpenRequest(other));
        assert_eq!(refused, Err(ProtocolError::WrongChannel));
        assert_eq!(pair.two.outbox.pop_front(), None);
    }
}

/// A node that asked for payments alone, and side 2's consent to that.
fn asked() -> (Node, OpenConsent) {
    let setup = lockstep_core::record::ChannelSetup {
        features: Features::LOCKS,
        ..setup(Side::One, policy())
    };
    let node = Node::create(lockstep_core::request_open(setup).unwrap(), Keys::default());
    let open = lockstep_core::state::Open {
        channel_id: node.channel.channel_id(),
        min_deposit1: amount(DEPOSIT),
        deadline: BlockTimestamp(10_000),
    };
    let signer_key = signer_key(Side::Two).to_compressed();
    (node, OpenConsent { open, features: Features::LOCKS, signer_key })
}

fn consent(node: &mut Node, consent: OpenConsent) -> Result<(), ProtocolError> {
    let signature = sign(Side::Two, SigningDomain::new(DOMAIN).open(&consent.open));
    node.peer(PeerMessage::OpenAccept { consent, signature })
}

#[test]
fn p34_consent_to_more_than_was_asked_for_is_none() {
    let (mut node, good) = asked();
    let mut dear = good.clone();
    dear.open.min_deposit1 = amount(DEPOSIT + 1);
    assert_eq!(consent(&mut node, dear), Err(ProtocolError::Malformed));
    let wide = OpenConsent { features: Features::ALL, ..good.clone() };
    assert_eq!(consent(&mut node, wide), Err(ProtocolError::Malformed));
    assert_eq!(node.channel.parts().phase, Phase::Opening(OpeningStage::Requested));
    consent(&mut node, good).unwrap();
    assert!(matches!(node.channel.parts().phase, Phase::Funding { .. }));
}

#[test]
fn what_a_channel_can_do_is_what_both_want() {
    for (wanted, allowed, both) in [
        (Features::ALL, Features::LOCKS, Features::LOCKS),
        (Features::PARTIAL_WITHDRAW, Features::ALL, Features::PARTIAL_WITHDRAW),
        (Features::PARTIAL_WITHDRAW, Features::LOCKS, Features::NONE),
    ] {
        let mut request = request();
        request.features = wanted;
        let policy = Policy { features: allowed, ..policy() };
        let (peer, key) = (NodeId([1; 33]), signer_key(Side::Two));
        let deadline = BlockTimestamp(10_000);
        let accepted = lockstep_core::accept_open(&request, peer, policy, key, deadline).unwrap();
        let node = Node::create(accepted, Keys::default());
        assert_eq!(node.channel.parts().setup.features, both);
    }
}

#[test]
fn features_travel_as_bits_and_an_unknown_bit_is_refused() {
    for known in [Features::NONE, Features::LOCKS, Features::PARTIAL_WITHDRAW, Features::ALL] {
        assert_eq!(Features::from_bits(known.bits()), Some(known));
    }
    let bits = [Features::LOCKS, Features::PARTIAL_WITHDRAW, Features::ALL].map(Features::bits);
    assert_eq!(bits, [1, 2, 3]);
    for unknown in [4, 5, 7, 1 << 63] {
        assert_eq!(Features::from_bits(unknown), None);
    }
    assert_eq!(Features::LOCKS.union(Features::PARTIAL_WITHDRAW), Features::ALL);
    assert_eq!(Features::LOCKS.union(Features::LOCKS), Features::LOCKS);
}

#[test]
fn p34_an_unanswered_offer_cannot_be_closed_by_force() {
    let mut node = Node::requested();
    assert_eq!(node.command(Command::ForceClose), Err(ProtocolError::WrongPhase));
}
