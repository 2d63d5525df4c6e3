//! Transactions of an account: what they carry, and what may follow what.

use crate::kit::*;
use alloy_primitives::{Address, B256};
use lockstep_core::entry::{BridgeCall, Entry, EntryCall, EntryError, EntryEvent, EntryId, Offer};
use lockstep_core::ids::{AccountRef, ChainRef, Side};
use lockstep_core::money::Amount;

fn entry(call: EntryCall) -> Entry {
    let account = AccountRef::Evm(Address::repeat_byte(7));
    Entry::new(EntryId(B256::ZERO), account, call, amount(9))
}

fn signed(tx: u8, fee: u128) -> EntryEvent {
    let tx = B256::repeat_byte(tx);
    let offer = Offer { tx, max_fee_per_gas: fee, priority_fee_per_gas: 1 };
    EntryEvent::Signed { nonce: 4, gas_limit: 21_000, offer, raw: vec![2, 0] }
}

#[test]
fn what_leaves_the_account_is_the_token_and_amount_of_money_that_goes_in() {
    let terms = terms();
    let account = AccountRef::Evm(Address::repeat_byte(7));
    let paid = Some((terms.token, amount(5)));
    for (call, payment) in [
        (EntryCall::Open { terms, amount: amount(5), consent: None }, paid),
        (EntryCall::Join { terms, amount: amount(5) }, paid),
        (EntryCall::Deposit { terms, side: Side::One, amount: amount(5) }, paid),
        (EntryCall::CancelOpen { terms }, None),
        (EntryCall::TakeCredit { token: account, to: account, amount: amount(5) }, None),
    ] {
        assert_eq!(call.payment(), payment, "{call:?}");
        assert_eq!(call.bridge_chain(), None, "all of these are on the channels' chain");
    }
    let chain = ChainRef::Evm(1);
    let call = BridgeCall { chain, to: account, value: amount(5), data: vec![], least_gas: 0 };
    let call = EntryCall::Bridge(call);
    assert_eq!((call.bridge_chain(), call.payment()), (Some(chain), None));
}

#[test]
fn p76_an_entry_keeps_what_it_may_cost_and_the_gas_that_was_signed() {
    let fresh = entry(EntryCall::CancelOpen { terms: terms() });
    assert_eq!(fresh.max_cost(), amount(9));
    assert!(!fresh.is_over() && !fresh.has_failed());
    let sent = fresh.apply(signed(1, 10)).unwrap();
    assert_eq!(sent.signed().unwrap().gas_limit(), 21_000);
    assert!(!sent.is_over());
}

#[test]
fn p76_the_same_fee_may_be_offered_again_and_a_lower_one_not() {
    let sent = entry(EntryCall::CancelOpen { terms: terms() }).apply(signed(1, 10)).unwrap();
    let again = sent.apply(signed(2, 10)).unwrap();
    assert_eq!(again.signed().unwrap().offers().len(), 2);
    let refused = again.apply(signed(3, 9));
    assert_eq!(refused, Err(EntryError::FeeFell { offered: 9, highest: 10 }));
}

#[test]
fn what_is_at_risk_in_a_channel_is_our_least_balance_until_it_is_settled() {
    let mut pair = Pair::open();
    assert_eq!(pair.one.channel.parts().at_risk(), amount(DEPOSIT));
    pair.one.pay(30).unwrap();
    assert_eq!(pair.one.channel.parts().at_risk(), amount(DEPOSIT - 30), "it may be signed");
    pair.exchange();
    assert_eq!(pair.two.channel.parts().at_risk(), amount(DEPOSIT + 30));
    pair.two.command(lockstep_core::input::Command::ForceClose).unwrap();
    let mut world = World::new(pair);
    world.run_to_end();
    assert_eq!(world.pair.two.channel.parts().at_risk(), Amount::ZERO);
}
