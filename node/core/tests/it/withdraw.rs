//! Partial withdrawals.

use crate::kit::*;
use lockstep_core::error::ProtocolError;
use lockstep_core::exposure::Exposure;
use lockstep_core::ids::{Side, Version};
use lockstep_core::input::Command;
use lockstep_core::message::{PeerMessage, RejectReason};
use lockstep_core::money::{Amount, Gain};
use lockstep_core::output::Notice;

fn withdraw(out1: u64, out2: u64) -> Command {
    Command::Withdraw { out1: amount(out1), out2: amount(out2) }
}

#[test]
fn either_side_takes_money_out_and_payments_go_on() {
    for side in [Side::One, Side::Two] {
        let mut pair = Pair::open();
        pair.one.pay(30).unwrap();
        pair.exchange();
        let order = match side {
            Side::One => withdraw(100, 0),
            Side::Two => withdraw(0, 100),
        };
        pair.node(side).command(order).unwrap();
        pair.exchange();
        let mut world = World::new(pair);
        // Whoever takes out pays for it; the other side has nothing to bring.
        world.run_duties(side.other());
        assert_eq!(world.paid, [Amount::ZERO; 2]);
        world.run_duties(side);
        let paid = match side {
            Side::One => [amount(100), Amount::ZERO],
            Side::Two => [Amount::ZERO, amount(100)],
        };
        assert_eq!(world.paid, paid);
        world.pair.one.pay(5).unwrap();
        world.pair.exchange();
        world.pair.assert_in_step();
        world.pair.one.command(Command::Close).unwrap();
        world.pair.exchange();
        world.run_to_end();
        world.assert_paid(DEPOSIT - 35, DEPOSIT + 35);
    }
}

#[test]
fn a_side_that_was_paid_takes_out_more_than_it_put_in() {
    let mut pair = Pair::open();
    pair.one.pay(500).unwrap();
    pair.exchange();
    pair.two.command(withdraw(0, DEPOSIT + 400)).unwrap();
    pair.exchange();
    let mut world = World::new(pair);
    world.run_duties(Side::Two);
    assert_eq!(world.pair.two.own(), amount(100));
    world.pair.two.command(Command::ForceClose).unwrap();
    world.run_to_end();
    world.assert_paid(DEPOSIT - 500, DEPOSIT + 500);
}

#[test]
fn p43_while_a_withdrawal_is_outstanding_states_are_valid_with_and_without_it() {
    let mut pair = Pair::open();
    pair.one.command(withdraw(DEPOSIT - 10, 0)).unwrap();
    pair.exchange();
    assert_eq!(pair.one.channel.spendable(), Ok(amount(10)));
    let too_much = pair.one.pay(11);
    assert!(matches!(too_much, Err(ProtocolError::InsufficientFunds { .. })));
    pair.one.pay(10).unwrap();
    pair.exchange();
    pair.assert_in_step();
    let mut world = World::new(pair);
    // The newer state does not stop the withdrawal, nor the other way round.
    world.run_duties(Side::One);
    assert_eq!(world.paid[0], amount(DEPOSIT - 10));
    world.pair.one.command(Command::ForceClose).unwrap();
    world.run_to_end();
    world.assert_paid(DEPOSIT - 10, DEPOSIT + 10);
}

#[test]
fn p43_the_acceptor_does_not_sign_what_an_outstanding_withdrawal_would_break() {
    let mut pair = Pair::open();
    // Prepared before the withdrawal, on another record of side one.
    let backup = pair.one.backup();
    pair.one.command(withdraw(DEPOSIT - 10, 0)).unwrap();
    pair.exchange();
    let mut forked = Pair::open();
    forked.one.restore(backup);
    forked.one.finalized(4);
    for _ in 0..3 {
        forked.one.pay(11).unwrap();
    }
    let Some(newest) = forked.one.outbox.pop_back() else { panic!("a proposal") };
    pair.two.peer(newest).unwrap();
    let answer = pair.two.outbox.pop_back();
    let reason = RejectReason::WithdrawalOutstanding;
    assert!(
        matches!(answer, Some(PeerMessage::Reject { reason: given, .. }) if given == reason),
        "{answer:?}"
    );
}

#[test]
fn one_withdrawal_is_outstanding_at_most_and_none_while_something_is_in_flight() {
    let mut pair = Pair::open();
    pair.one.pay(1).unwrap();
    assert_eq!(pair.one.command(withdraw(5, 0)), Err(ProtocolError::InFlight));
    pair.exchange();
    pair.one.command(withdraw(5, 0)).unwrap();
    assert_eq!(pair.one.command(withdraw(5, 0)), Err(ProtocolError::WithdrawalOutstanding));
}

#[test]
fn a_withdrawal_ends_when_a_finalized_block_is_past_its_deadline() {
    let mut pair = Pair::open();
    pair.one.command(withdraw(DEPOSIT, 0)).unwrap();
    pair.exchange();
    assert_eq!(pair.one.channel.spendable(), Ok(Amount::ZERO));
    let deadline = 3 + lockstep_core::WITHDRAW_TTL_SECS;
    pair.finalized(deadline);
    assert_eq!(pair.one.channel.spendable(), Ok(Amount::ZERO));
    pair.finalized(deadline + 1);
    assert_eq!(pair.one.channel.spendable(), Ok(amount(DEPOSIT)));
    let expired = |notice: &Notice| matches!(notice, Notice::WithdrawalExpired { .. });
    assert_eq!((pair.one.count(expired), pair.two.count(expired)), (1, 1));
}

#[test]
fn a_lost_answer_to_a_withdrawal_comes_again_after_a_reconnect() {
    let mut pair = Pair::open();
    pair.one.command(withdraw(5, 0)).unwrap();
    pair.deliver(Side::One);
    pair.connect();
    let mut world = World::new(pair);
    world.run_duties(Side::One);
    assert_eq!(world.paid[0], amount(5));
}

#[test]
fn a_peer_may_not_ask_for_our_money() {
    let mut pair = Pair::open();
    let ask = PeerMessage::WithdrawRequest { out1: amount(5), out2: amount(5) };
    pair.one.peer(ask).unwrap();
    assert_eq!(pair.one.channel.parts().withdrawal, None);
    let too_much = pair.two.command(withdraw(0, DEPOSIT + 1));
    assert!(matches!(too_much, Err(ProtocolError::Refusal(_))), "{too_much:?}");
}

#[test]
fn p78_a_peer_cannot_spend_our_gas_with_withdrawals_of_its_own() {
    let mut pair = Pair::open();
    pair.two.command(withdraw(0, 1)).unwrap();
    pair.exchange();
    assert!(pair.one.channel.parts().withdrawal.is_some(), "both have signed it");
    pair.one.restart();
    assert!(pair.one.duties.is_empty(), "{:?}", pair.one.duties);
    assert!(pair.two.duties.len() == 1, "{:?}", pair.two.duties);
}

#[test]
fn a_peer_that_does_not_sign_what_it_asked_for_cannot_hold_back_our_withdrawals() {
    let mut pair = Pair::open();
    let ask = || PeerMessage::WithdrawRequest { out1: Amount::ZERO, out2: amount(1) };
    pair.one.peer(ask()).unwrap();
    assert!(pair.one.channel.parts().withdrawal.is_some());
    let deadline = 3 + lockstep_core::WITHDRAW_TTL_SECS;
    pair.one.finalized(deadline + 1);
    assert_eq!(pair.one.channel.parts().withdrawal, None);
    pair.one.outbox.clear();
    pair.one.peer(ask()).unwrap();
    assert_eq!(pair.one.channel.parts().withdrawal, None);
    let answer = pair.one.outbox.pop_back();
    assert!(
        matches!(answer, Some(PeerMessage::WithdrawReject { reason: RejectReason::NotNow, .. })),
        "{answer:?}"
    );
    pair.one.command(withdraw(5, 0)).unwrap();
    // Later it may ask again.
    pair.one.finalized(deadline + 3 * lockstep_core::WITHDRAW_TTL_SECS);
    pair.one.peer(ask()).unwrap();
    assert!(pair.one.channel.parts().withdrawal.is_some());
}

/// What an older version would cost side two, which was paid 50 and takes 34 out.
fn exposed(exposure: &mut Exposure, pair: &Pair) -> [Amount; 2] {
    exposure.observe(pair.two.channel.parts()).unwrap();
    [Version::ZERO, Version(1)].map(|held| exposure.at(held))
}

#[test]
fn p82_what_an_older_version_would_cost_does_not_shrink_by_a_withdrawal_on_its_way() {
    let mut pair = Pair::open();
    pair.one.pay(50).unwrap();
    pair.exchange();
    let mut exposure = Exposure::new(Gain::ZERO);
    assert_eq!(exposed(&mut exposure, &pair), [amount(50), Amount::ZERO]);
    pair.two.command(withdraw(0, 34)).unwrap();
    pair.exchange();
    assert!(pair.two.channel.parts().withdrawal.is_some());
    assert_eq!(exposed(&mut exposure, &pair), [amount(50), Amount::ZERO]);
}

#[test]
fn p82_what_an_older_version_would_cost_stays_when_a_withdrawal_lands_or_expires() {
    for lands in [true, false] {
        let mut pair = Pair::open();
        pair.one.pay(50).unwrap();
        pair.exchange();
        let mut exposure = Exposure::new(Gain::ZERO);
        exposed(&mut exposure, &pair);
        pair.two.command(withdraw(0, 34)).unwrap();
        pair.exchange();
        pair.one.pay(7).unwrap();
        pair.exchange();
        assert_eq!(exposed(&mut exposure, &pair), [amount(57), amount(7)], "{lands}");
        let floor = exposure.floor();
        let mut world = World::new(pair);
        if lands {
            world.run_duties(Side::Two);
            assert_eq!(world.paid[1], amount(34));
        } else {
            world.pair.finalized(1_000_000);
        }
        let pair = world.pair;
        assert!(pair.two.channel.parts().withdrawal.is_none());
        assert_eq!(exposed(&mut exposure, &pair), [amount(57), amount(7)], "{lands}");
        // What was written before it landed says no less after a restart.
        let parts = pair.two.channel.parts();
        let resumed = Exposure::resume(parts, Some(floor)).unwrap();
        assert_eq!(resumed.at(Version::ZERO), amount(57), "{lands}");
        let unknown = Exposure::resume(parts, None).unwrap();
        assert!(unknown.at(Version::ZERO) >= amount(57), "{lands}");
    }
}
