//! One table of what a peer must not say: each line gets an answer of the right class, and changes nothing.

use crate::kit::*;
use alloy_primitives::{Address, B256};
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::ErrorClass;
use lockstep_core::gap::{MAX_ASKED_VERSION_GAP, MAX_VERSION_GAP};
use lockstep_core::ids::{ChannelId, Domain, Sequence, Side, Version};
use lockstep_core::lock::{Lock, MAX_LOCKS, locked_sums, locks_root};
use lockstep_core::message::{PeerMessage, Proposal, ReestablishBody, RejectReason, SignedState};
use lockstep_core::money::Net;
use lockstep_core::signature::StateSignature;
use lockstep_core::state::{PartialWithdraw, State};
use lockstep_core::update::{MAX_PENDING_UPDATES, Update};

const OTHER_CHAIN: Domain = Domain::Evm { chain_id: 1, contract: Address::repeat_byte(0xcc) };
const OTHER_CONTRACT: Domain =
    Domain::Evm { chain_id: 31_337, contract: Address::repeat_byte(0xcd) };
const OTHER_CHANNEL: ChannelId = ChannelId(B256::repeat_byte(0x77));

/// What comes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// An error of this class.
    Error(ErrorClass),
    /// A no, by the protocol's own words for it.
    Rejected(RejectReason),
    /// The answer that was given before.
    AnsweredAgain,
    /// Nothing at all.
    Silence,
}

const FAULT: Verdict = Verdict::Error(ErrorClass::PeerFault);
const REFUSED: Verdict = Verdict::Error(ErrorClass::Refused);

/// Two payments are behind both, and a third is proposed and not delivered.
struct Scene {
    pair: Pair,
    overtaken: PeerMessage,
    newest: PeerMessage,
    first: State,
    next: Proposal,
}

fn scene() -> Scene {
    let mut pair = Pair::open();
    pair.one.pay(10).unwrap();
    pair.exchange();
    let first = pair.one.channel.parts().base.as_ref().unwrap().state;
    pair.one.pay(20).unwrap();
    let overtaken = pair.one.outbox.front().cloned().unwrap();
    pair.exchange();
    pair.two.pay(3).unwrap();
    pair.deliver(Side::Two);
    let newest = pair.one.outbox.front().cloned().unwrap();
    pair.exchange();
    pair.one.pay(5).unwrap();
    let Some(PeerMessage::Propose { proposal, .. }) = pair.one.outbox.pop_back() else {
        panic!("a proposal")
    };
    Scene { pair, overtaken, newest, first, next: proposal }
}

#[track_caller]
fn check(what: &str, to: Side, message: &PeerMessage, pair: &mut Pair, expected: Verdict) {
    let node = pair.node(to);
    node.outbox.clear();
    let (before, record) = (node.channel.parts().clone(), node.backup());
    let verdict = match node.peer(message.clone()) {
        Err(error) => Verdict::Error(error.class()),
        Ok(()) => match node.outbox.pop_front() {
            None => Verdict::Silence,
            Some(
                PeerMessage::Reject { reason, .. }
                | PeerMessage::Refuse { reason, .. }
                | PeerMessage::WithdrawReject { reason, .. },
            ) => Verdict::Rejected(reason),
            Some(PeerMessage::Accept { .. }) => Verdict::AnsweredAgain,
            Some(other) => panic!("{what}: {other:?}"),
        },
    };
    assert_eq!(verdict, expected, "{what}");
    assert_eq!(*node.channel.parts(), before, "{what} changes the channel");
    assert_eq!(node.backup(), record, "{what} is written");
}

fn signed_for(domain: Domain, proposal: Proposal) -> PeerMessage {
    let digest = SigningDomain::new(domain).state(&proposal.state);
    PeerMessage::Propose { proposal, signature: sign(Side::One, digest) }
}

fn bent(next: &Proposal, harm: impl FnOnce(&mut Proposal)) -> PeerMessage {
    let mut proposal = next.clone();
    harm(&mut proposal);
    signed_for(DOMAIN, proposal)
}

fn crowd(count: usize) -> Vec<Lock> {
    let lockstep_core::update::Action::AddLock(lock) =
        crate::lock::lock(B256::repeat_byte(9), 1, 2_000, true)
    else {
        unreachable!("it is a lock")
    };
    let hash = |number: usize| B256::left_padding_from(&number.to_be_bytes());
    (1..=count).map(|number| Lock { hash: hash(number), ..lock }).collect()
}

#[test]
fn p36_nothing_bad_that_a_proposer_says_changes_the_acceptor() {
    let Scene { mut pair, overtaken, newest, first, next } = scene();
    let far = Version(next.state.version.0 + MAX_VERSION_GAP);
    let oversized = bent(&next, |bad| {
        bad.locks = crowd(MAX_LOCKS + 1);
        (bad.state.locked1, bad.state.locked2) = locked_sums(&bad.locks).unwrap();
        bad.state.locks_root = locks_root(&bad.locks);
    });
    let endless = |bad: &mut Proposal| {
        bad.refused = vec![Sequence(1); MAX_PENDING_UPDATES + 1];
    };
    let withdraw = PartialWithdraw {
        channel_id: next.state.channel_id,
        version: next.state.version,
        net: next.state.net,
        locked1: amount(0),
        locked2: amount(0),
        locks_root: B256::ZERO,
        out1: amount(1),
        out2: amount(0),
        deadline: lockstep_core::time::BlockTimestamp(5_000),
    };
    let of_another_type = PeerMessage::Propose {
        proposal: next.clone(),
        signature: sign(Side::One, SigningDomain::new(DOMAIN).partial_withdraw(&withdraw)),
    };
    let zeros = PeerMessage::Propose { proposal: next.clone(), signature: StateSignature([0; 64]) };
    let table = [
        (
            "malformed: another root",
            bent(&next, |bad| bad.state.locks_root = B256::ZERO ^ B256::repeat_byte(1)),
            FAULT,
        ),
        ("malformed: on itself", bent(&next, |bad| bad.base_version = bad.state.version), FAULT),
        (
            "malformed: updates fall",
            bent(&next, |bad| bad.updates.extend(next.updates.clone())),
            FAULT,
        ),
        ("oversized: locks", oversized, FAULT),
        ("oversized: refusals", bent(&next, endless), FAULT),
        ("replayed: overtaken", overtaken, REFUSED),
        ("replayed: the newest", newest, Verdict::AnsweredAgain),
        ("cross-channel", bent(&next, |bad| bad.state.channel_id = OTHER_CHANNEL), FAULT),
        ("cross-chain", signed_for(OTHER_CHAIN, next.clone()), FAULT),
        ("cross-contract", signed_for(OTHER_CONTRACT, next.clone()), FAULT),
        ("cross-type", of_another_type, FAULT),
        ("unsigned", zeros, FAULT),
        (
            "stale",
            bent(&next, |bad| {
                bad.state.version = first.version;
                bad.base_version = Version::ZERO;
            }),
            REFUSED,
        ),
        ("too far", bent(&next, |bad| bad.state.version = far), FAULT),
        (
            "contradictory: money",
            bent(&next, |bad| {
                bad.state.net = Net::new(bad.state.net.get() - 1).unwrap();
            }),
            Verdict::Rejected(RejectReason::Mismatch),
        ),
        (
            "of the wrong side: accept",
            PeerMessage::Accept {
                version: next.state.version,
                signature: sign(Side::One, SigningDomain::new(DOMAIN).state(&next.state)),
            },
            FAULT,
        ),
        ("of the wrong side: intent", PeerMessage::Intent { updates: next.updates.clone() }, FAULT),
        ("of the wrong side: close", PeerMessage::CloseRequest { min_version: Version(1) }, FAULT),
        (
            "of the wrong side: withdraw",
            PeerMessage::WithdrawRequest { out1: amount(0), out2: amount(1) },
            FAULT,
        ),
    ];
    for (what, message, expected) in &table {
        check(what, Side::Two, message, &mut pair, *expected);
    }
    // And what is as it should be is still signed.
    pair.two.peer(signed_for(DOMAIN, next.clone())).unwrap();
    assert_eq!(pair.two.channel.version(), next.state.version);
}

#[test]
fn p36_nothing_bad_that_an_acceptor_says_changes_the_proposer() {
    let Scene { mut pair, first, next, .. } = scene();
    let digest = |domain| SigningDomain::new(domain).state(&next.state);
    let accept = |version, signature| PeerMessage::Accept { version, signature };
    let version = next.state.version;
    let reject = |version| PeerMessage::Reject {
        version,
        reason: RejectReason::Policy,
        update: None,
        base: Version::ZERO,
    };
    let updates = |first: u64, second: u64| PeerMessage::Intent {
        updates: [first, second]
            .map(|sequence| Update { sequence: Sequence(sequence), action: pay(1) })
            .to_vec(),
    };
    let crowd = (1..).map(|sequence| Update { sequence: Sequence(sequence), action: pay(1) });
    let crowd = PeerMessage::Intent { updates: crowd.take(MAX_PENDING_UPDATES + 2).collect() };
    let shown = |state: State, domain| {
        let digest = SigningDomain::new(domain).state(&state);
        PeerMessage::Reestablish(ReestablishBody {
            newest: Some(SignedState {
                state,
                locks: vec![],
                signature1: sign(Side::One, digest),
                signature2: sign(Side::Two, digest),
            }),
            highest_bound: Version::ZERO,
            sequence1: Sequence::ZERO,
            sequence2: Sequence(1),
        })
    };
    let newer = State { version: Version(version.0 + 1), ..next.state };
    let known = pair.one.channel.parts().peer_sequence.0;
    let table = [
        ("cross-chain", accept(version, sign(Side::Two, digest(OTHER_CHAIN))), FAULT),
        ("cross-contract", accept(version, sign(Side::Two, digest(OTHER_CONTRACT))), FAULT),
        ("by the wrong key", accept(version, sign(Side::One, digest(DOMAIN))), FAULT),
        ("unsigned", accept(version, StateSignature([0; 64])), FAULT),
        ("of no proposal", accept(newer.version, sign(Side::Two, digest(DOMAIN))), FAULT),
        ("stale", accept(first.version, sign(Side::Two, digest(DOMAIN))), Verdict::Silence),
        ("a no to nothing", reject(newer.version), FAULT),
        ("a stale no", reject(first.version), Verdict::Silence),
        ("malformed: sequences fall", updates(known + 2, known + 1), FAULT),
        ("replayed: an intent", updates(known.max(1), known.max(1)), FAULT),
        ("contradictory: an intent is missing", updates(known + 5, known + 6), REFUSED),
        ("oversized: intents", crowd, FAULT),
        (
            "cross-channel: shown",
            shown(State { channel_id: OTHER_CHANNEL, ..newer }, DOMAIN),
            FAULT,
        ),
        ("cross-chain: shown", shown(newer, OTHER_CHAIN), FAULT),
        (
            "too far: a close",
            PeerMessage::CloseRequest {
                min_version: Version(version.0 + MAX_ASKED_VERSION_GAP + 1),
            },
            FAULT,
        ),
        (
            "no withdrawal",
            PeerMessage::WithdrawAccept {
                version: newer.version,
                signature: sign(Side::Two, digest(DOMAIN)),
            },
            FAULT,
        ),
        ("of the wrong side", signed_for(DOMAIN, next.clone()), FAULT),
    ];
    for (what, message, expected) in &table {
        check(what, Side::One, message, &mut pair, *expected);
    }
    // And what is as it should be still counts.
    pair.one.peer(accept(version, sign(Side::Two, digest(DOMAIN)))).unwrap();
    assert_eq!(pair.one.channel.version(), version);
}
