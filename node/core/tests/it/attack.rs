//! Attacks by a peer that knows the rules: each would once have frozen or stalled the honest side.

use crate::kit::*;
use lockstep_core::chain::ChainFact;
use lockstep_core::ids::{Side, Version};
use lockstep_core::message::PeerMessage;
use lockstep_core::money::{Amount, Deposits};
use lockstep_core::time::Finality;

/// The chain has paid out the one withdrawal of the proposer, which leaves these deposits.
fn land_withdrawal(node: &mut Node, block: u64, left: [u64; 2]) {
    let version = node.channel.parts().withdrawal.unwrap().withdraw.version;
    let [one, two] = left.map(amount);
    let deposits = Deposits::default().deposited(Side::One, one).unwrap();
    let deposits = deposits.deposited(Side::Two, two).unwrap();
    node.fact(block, Finality::Final, ChainFact::PartialWithdrawn { version, deposits });
}

#[test]
fn p66_withdrawals_that_are_over_take_no_room_from_payments() {
    let mut pair = Pair::open();
    for round in 1..=100u64 {
        let ask = PeerMessage::WithdrawRequest { out1: Amount::ZERO, out2: amount(1) };
        pair.one.peer(ask).unwrap();
        land_withdrawal(&mut pair.one, 20 + round, [DEPOSIT, DEPOSIT - round]);
    }
    assert_eq!(pair.one.channel.parts().guard.bound.len(), 0);
    assert_eq!(pair.one.channel.parts().guard.highest, Version(100));
    for _ in 0..64 {
        pair.one.pay(1).unwrap();
    }
    assert_eq!(pair.one.channel.parts().guard.bound.len(), 64);
}
