//! Locks that a peer takes or takes back against the rules, in states that are consistent and well signed.

use super::*;
use crate::refusal::{assert_rejected, forged, proposal, with_locks};
use lockstep_core::message::Proposal;
use lockstep_core::money::Net;

const WRONG: B256 = B256::repeat_byte(8);
/// What the lock holds, and when it expires: see `locked`.
const HELD: u64 = 500;
const EXPIRY: u64 = 5_000;

/// What an honest side one would propose next; its content is still to be forged.
fn next(pair: &mut Pair) -> Proposal {
    pair.one.pay(1).unwrap();
    proposal(pair)
}

/// A proposal that does this to the only lock, and says what follows from it.
fn taking(good: &Proposal, action: &Action, net: u64) -> PeerMessage {
    forged(good.clone(), |bad| {
        bad.updates[0].action = action.clone();
        bad.state.net = Net::new(-i128::from(net)).unwrap();
        with_locks(bad, vec![]);
    })
}

#[test]
fn p36_a_lock_of_ours_is_not_settled_with_a_wrong_secret() {
    let mut pair = locked(Side::Two);
    let good = next(&mut pair);
    for (secret, hash) in [(WRONG, hash()), (WRONG, lockstep_core::hash_of(WRONG))] {
        let settled = taking(&good, &Action::SettleLock { hash, secret }, HELD);
        assert_rejected(&mut pair.two, settled, RejectReason::UnknownLock);
    }
    // The right one pays.
    let settled = taking(&good, &Action::SettleLock { hash: hash(), secret: SECRET }, HELD);
    pair.two.peer(settled).unwrap();
    assert_eq!(pair.two.own(), amount(DEPOSIT - HELD));
    assert!(pair.two.channel.parts().base.as_ref().unwrap().locks.is_empty());
}

#[test]
fn p36_a_proposer_takes_its_own_lock_back_neither_by_itself_nor_early() {
    let mut pair = locked(Side::One);
    let good = next(&mut pair);
    let failed = taking(&good, &Action::FailLock { hash: hash() }, 0);
    let settled = taking(&good, &Action::SettleLock { hash: hash(), secret: SECRET }, 0);
    let expired = taking(&good, &Action::ExpireLock { hash: hash() }, 0);
    assert_rejected(&mut pair.two, failed.clone(), RejectReason::UnknownLock);
    assert_rejected(&mut pair.two, settled, RejectReason::UnknownLock);
    pair.two.finalized(EXPIRY);
    assert_rejected(&mut pair.two, expired.clone(), RejectReason::LockRefused);
    pair.two.finalized(EXPIRY + 1);
    assert_rejected(&mut pair.two, failed, RejectReason::UnknownLock);
    pair.two.peer(expired).unwrap();
    assert!(pair.two.channel.parts().base.as_ref().unwrap().locks.is_empty());
}

/// Side two asks for this: it is refused, and every state that side one has signed holds the lock.
#[track_caller]
fn assert_refused(pair: &mut Pair, action: Action, expected: RejectReason) {
    let sequence = pair.one.channel.parts().peer_sequence.0 + 1;
    let (base, own) = (pair.one.channel.parts().base.clone().unwrap(), pair.one.own());
    pair.one.outbox.clear();
    pair.one.peer(intent(sequence, action)).unwrap();
    let answer = pair.one.outbox.pop_front();
    let refused = PeerMessage::Refuse { sequence: Sequence(sequence), reason: expected };
    assert_eq!(answer, Some(refused));
    let parts = pair.one.channel.parts();
    assert_eq!((parts.base.as_ref(), pair.one.own()), (Some(&base), own));
    assert!(parts.secrets.is_empty());
    // What goes out says that the intent is left out, and changes nothing.
    for proposal in &parts.in_flight {
        assert_eq!((proposal.state.net, &proposal.locks), (base.state.net, &base.locks));
    }
}

#[test]
fn p36_an_acceptor_takes_no_lock_of_ours_with_a_wrong_secret_and_none_of_its_own_back() {
    let mut pair = locked(Side::One);
    for hash in [hash(), lockstep_core::hash_of(WRONG)] {
        let settled = Action::SettleLock { hash, secret: WRONG };
        assert_refused(&mut pair, settled, RejectReason::UnknownLock);
    }
    let mut pair = locked(Side::Two);
    assert_refused(&mut pair, Action::FailLock { hash: hash() }, RejectReason::UnknownLock);
    let settled = Action::SettleLock { hash: hash(), secret: SECRET };
    assert_refused(&mut pair, settled, RejectReason::UnknownLock);
    pair.finalized(EXPIRY);
    assert_refused(&mut pair, Action::ExpireLock { hash: hash() }, RejectReason::LockRefused);
}
