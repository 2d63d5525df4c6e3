//! A withdrawal takes from one side's balance until it lands or expires: nobody's but its own wish.

use super::*;
use lockstep_core::WITHDRAW_TTL_SECS;

fn withdraw(out1: u64, out2: u64) -> Command {
    Command::Withdraw { out1: amount(out1), out2: amount(out2) }
}

/// The answer of side two to what side one offered last.
fn answer(pair: &mut Pair) -> Option<PeerMessage> {
    pair.two.outbox.clear();
    pair.deliver(Side::One);
    pair.two.outbox.pop_back()
}

fn is_refused(answer: Option<&PeerMessage>, reason: RejectReason) -> bool {
    matches!(answer, Some(PeerMessage::WithdrawReject { reason: given, .. }) if *given == reason)
}

#[test]
fn p36_a_withdrawal_of_our_money_that_we_did_not_ask_for_is_not_signed() {
    let mut pair = Pair::open();
    pair.one.command(withdraw(0, DEPOSIT)).unwrap();
    assert!(is_refused(answer(&mut pair).as_ref(), RejectReason::Policy));
    assert_eq!(pair.two.channel.spendable(), Ok(amount(DEPOSIT)));
    assert_eq!(pair.two.channel.parts().guard.highest, Version(0));
}

#[test]
fn p36_a_withdrawal_is_signed_once_for_each_time_that_it_was_asked_for_and_for_that_sum_alone() {
    let mut pair = Pair::open();
    pair.two.command(withdraw(0, 100)).unwrap();
    pair.two.outbox.clear();
    pair.one.command(withdraw(0, 101)).unwrap();
    assert!(is_refused(answer(&mut pair).as_ref(), RejectReason::Policy));
    // Asked for, refused, and offered all the same much later.
    let mut pair = Pair::open();
    pair.two.command(withdraw(0, 100)).unwrap();
    pair.two.outbox.clear();
    let reason = RejectReason::NotNow;
    pair.two.peer(PeerMessage::WithdrawReject { version: Version(0), reason }).unwrap();
    assert_eq!(pair.two.count(|n| matches!(n, Notice::WithdrawalRefused { .. })), 1);
    pair.one.command(withdraw(0, 100)).unwrap();
    assert!(is_refused(answer(&mut pair).as_ref(), RejectReason::Policy));
    // Asked for once, and offered a second time when the first one has landed.
    let mut pair = Pair::open();
    pair.two.command(withdraw(0, 100)).unwrap();
    pair.exchange();
    for side in [Side::One, Side::Two] {
        land_withdrawal(pair.node(side), 20, [DEPOSIT, DEPOSIT - 100]);
    }
    pair.one.command(withdraw(0, 100)).unwrap();
    assert!(is_refused(answer(&mut pair).as_ref(), RejectReason::Policy));
}

#[test]
fn p38_a_wish_to_withdraw_is_kept_over_a_connection_and_forgotten_by_a_restart() {
    let mut pair = Pair::open();
    pair.two.command(withdraw(0, 100)).unwrap();
    pair.connect();
    assert!(pair.one.channel.parts().withdrawal.unwrap().counterparty_signature.is_some());
    // The offer is lost after it was asked for: both sides say it again, and one withdrawal comes of it.
    let mut pair = Pair::open();
    pair.two.command(withdraw(0, 100)).unwrap();
    pair.deliver(Side::Two);
    pair.connect();
    assert!(pair.one.channel.parts().withdrawal.unwrap().counterparty_signature.is_some());
    assert_eq!(pair.one.channel.parts().guard.highest, Version(1));
    let mut pair = Pair::open();
    pair.two.command(withdraw(0, 100)).unwrap();
    pair.deliver(Side::Two);
    pair.two.restart();
    pair.two.finalized(3);
    pair.connect();
    assert_eq!(pair.two.channel.parts().withdrawal, None);
    // The operator asks again, and the same offer is taken.
    pair.two.command(withdraw(0, 100)).unwrap();
    pair.exchange();
    assert!(pair.one.channel.parts().withdrawal.unwrap().counterparty_signature.is_some());
    assert_eq!(pair.one.channel.parts().guard.highest, Version(1));
}

#[test]
fn p43_a_withdrawal_that_stays_outstanding_for_long_is_not_signed() {
    for (late, is_signed) in [(3_600, true), (3_601, false)] {
        let mut pair = Pair::open();
        pair.one.command(withdraw(100, 0)).unwrap();
        let offer = pair.one.outbox.pop_back();
        let Some(PeerMessage::WithdrawPropose { mut withdraw, .. }) = offer else {
            panic!("an offer")
        };
        withdraw.deadline = BlockTimestamp(3 + WITHDRAW_TTL_SECS + late);
        let digest = SigningDomain::new(DOMAIN).partial_withdraw(&withdraw);
        let signature = sign(Side::One, digest);
        pair.two.peer(PeerMessage::WithdrawPropose { withdraw, signature }).unwrap();
        assert_eq!(pair.two.channel.parts().withdrawal.is_some(), is_signed);
    }
}

#[test]
fn p35_a_withdrawal_is_no_way_round_the_gap_of_versions() {
    let mut pair = Pair::open();
    pair.one.command(withdraw(100, 0)).unwrap();
    let Some(PeerMessage::WithdrawPropose { mut withdraw, .. }) = pair.one.outbox.pop_back() else {
        panic!("an offer")
    };
    withdraw.version = Version(lockstep_core::MAX_VERSION_GAP + 1);
    let digest = SigningDomain::new(DOMAIN).partial_withdraw(&withdraw);
    let signature = sign(Side::One, digest);
    let result = pair.two.peer(PeerMessage::WithdrawPropose { withdraw, signature });
    assert!(matches!(result, Err(ProtocolError::VersionGap { .. })), "{result:?}");
}

#[test]
fn a_frozen_channel_does_not_sign_its_withdrawal_again_for_the_peer() {
    let mut pair = Pair::open();
    pair.one.command(withdraw(100, 0)).unwrap();
    let offer = pair.one.outbox.front().cloned().unwrap();
    pair.exchange();
    let reason = FreezeReason::Command;
    pair.two.command(Command::Freeze(reason)).unwrap();
    assert_eq!(pair.two.peer(offer), Err(ProtocolError::Frozen { reason }));
}
