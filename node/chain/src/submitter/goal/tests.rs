use super::*;
use alloy_primitives::{B256, U256};
use lockstep_core::chain::{Evidence, ObligationKind};
use lockstep_core::ids::{ChannelId, Version};
use lockstep_core::money::{Amount, Net};
use lockstep_core::state::{State, StateKind};

fn state(version: u64) -> State {
    State {
        channel_id: ChannelId(B256::ZERO),
        version: Version(version),
        kind: StateKind::Ordinary,
        net: Net::new(0).unwrap(),
        locked1: Amount::ZERO,
        locked2: Amount::ZERO,
        locks_root: B256::ZERO,
    }
}

fn check(call: &ChainCall, version: u64, stored: (u8, u64, u64), now: u64, expected: Goal) {
    let (status, stored_version, closes_at) = stored;
    let mut channel = Channel {
        status,
        deposit1: alloy_primitives::I256::ZERO,
        deposit2: alloy_primitives::I256::ZERO,
        version: stored_version,
        kind: 0,
        net: alloy_primitives::I256::ZERO,
        locksRoot: B256::ZERO,
        held1: U256::ZERO,
        held2: U256::ZERO,
        resolved: 1,
        closesAt: alloy_primitives::Uint::from(closes_at),
        initiatingSide: 1,
        withdrawVersion: 0,
        mode: 0,
    };
    if status == 4 {
        channel.held1 = U256::from(5);
    }
    let key = ObligationKey {
        channel_id: ChannelId(B256::ZERO),
        kind: ObligationKind::Challenge,
        version: Version(version),
        detail: B256::ZERO,
    };
    let stored = Stored { channel, secret_revealed_at: 0 };
    let found = judge(&key, call, &stored, BlockTimestamp(now));
    assert_eq!(found, expected, "{call:?} against {stored:?} at {now}");
}

fn evidence(version: u64) -> Evidence {
    Evidence { state: state(version), locks: vec![], signature1: None, signature2: None }
}

#[test]
fn p71_a_challenge_is_needed_only_while_an_older_version_stands() {
    let call = || ChainCall::Challenge(evidence(5));
    check(&call(), 5, (3, 4, 100), 99, Goal::Needed);
    check(&call(), 5, (3, 5, 100), 99, Goal::Met);
    check(&call(), 5, (3, 6, 100), 99, Goal::Met);
    check(&call(), 5, (4, 5, 100), 200, Goal::Met);
    check(&call(), 5, (4, 4, 100), 200, Goal::Moot);
}

#[test]
fn p72_a_challenge_of_a_close_that_is_gone_stays_armed() {
    check(&ChainCall::Challenge(evidence(5)), 5, (2, 4, 0), 99, Goal::NotYet);
}

#[test]
fn p09_a_challenge_is_pointless_from_the_deadline_on_and_a_close_before_it() {
    check(&ChainCall::Challenge(evidence(5)), 5, (3, 4, 100), 100, Goal::NotYet);
    check(&ChainCall::Close, 0, (3, 4, 100), 99, Goal::NotYet);
    check(&ChainCall::Close, 0, (3, 4, 100), 100, Goal::Needed);
    check(&ChainCall::Close, 0, (4, 4, 100), 100, Goal::Met);
}

#[test]
fn a_cooperative_close_also_ends_a_dispute() {
    let call = || ChainCall::CooperativeClose(evidence(5));
    check(&call(), 5, (2, 4, 0), 1, Goal::Needed);
    check(&call(), 5, (3, 4, 100), 1, Goal::Needed);
    check(&call(), 5, (4, 5, 0), 1, Goal::Met);
    check(&call(), 5, (4, 4, 0), 1, Goal::Moot);
}

#[test]
fn locks_are_resolved_once_and_only_after_the_close() {
    let call = |mask| ChainCall::ResolveLocks { locks: vec![], mask };
    check(&call(1), 5, (3, 5, 100), 1, Goal::NotYet);
    check(&call(1), 5, (4, 5, 100), 1, Goal::Met);
    check(&call(3), 5, (4, 5, 100), 1, Goal::Needed);
}

#[test]
fn p71_a_refusal_that_says_that_somebody_was_faster_is_no_trouble_and_any_other_is() {
    use lockstep_contracts::bindings::PaymentChannel as abi;
    let closed =
        |status| Revert::Channel(PaymentChannelErrors::WrongStatus(abi::WrongStatus { status }));
    let stale = |current| {
        Revert::Channel(PaymentChannelErrors::StaleVersion(abi::StaleVersion { current }))
    };
    let evidence = |version| Evidence {
        state: state(version),
        locks: vec![],
        signature1: None,
        signature2: None,
    };
    let challenge = ChainCall::Challenge(evidence(5));
    let finish = ChainCall::CooperativeClose(evidence(5));
    for (call, revert, expected) in [
        (&ChainCall::Close, closed(4), true),
        (&ChainCall::Close, closed(2), false),
        (&finish, closed(4), true),
        (&challenge, stale(5), true),
        (&challenge, stale(4), false),
        // Settled without ours: that is the worst that can be.
        (&challenge, closed(4), false),
        (&ChainCall::Close, Revert::Empty, false),
    ] {
        assert_eq!(is_overtaken(call, Version(5), &revert), expected, "{call:?} {revert:?}");
    }
}
