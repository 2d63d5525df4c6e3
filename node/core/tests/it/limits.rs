//! Numbers that both sides, a tower or the contract rely on: another one here is another protocol.

use crate::kit::*;
use alloy_primitives::{B256, I256};
use lockstep_core::appointment::{MAX_SEALED_LOCKS_BYTES, SealedLocks};
use lockstep_core::gap;
use lockstep_core::ids::{ChannelId, Digest, Sequence, Version};
use lockstep_core::input::Command;
use lockstep_core::lock::{MAX_EXPIRY, MAX_LOCKS};
use lockstep_core::message::PeerMessage;
use lockstep_core::money::{Amount, Deposit, Net, RawNet};
use lockstep_core::record::MAX_SECRETS;
use lockstep_core::terms::MAX_LOCK_EXPIRY_SECS;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::update::{Action, MAX_UPDATES_BYTES, Memo, Payment, Update};

#[test]
fn p46_versions_before_and_after_a_loss_keep_their_ranges() {
    let power = |bits: u32| 1u64 << bits;
    assert_eq!(gap::MAX_VERSION_GAP, power(10));
    assert_eq!(gap::RESTORE_GAP, power(40));
    assert_eq!(gap::MAX_ASKED_VERSION_GAP, power(44));
    assert_eq!(gap::MIN_LOST_VERSION_GAP, power(45));
    assert_eq!(gap::PROPOSER_RESTORE_GAP, power(46));
    assert_eq!(gap::MAX_FINAL_VERSION_GAP, power(52));
}

#[test]
fn p60_a_sealed_list_of_locks_has_4_kib() {
    assert_eq!(MAX_SEALED_LOCKS_BYTES, 4_096);
    let sealed = SealedLocks::new(vec![1, 2, 3]).unwrap();
    assert_eq!(sealed.as_bytes(), [1, 2, 3]);
}

#[test]
fn p25_an_expiry_fits_40_bits_and_nothing_more() {
    assert_eq!(MAX_EXPIRY, 0xff_ffff_ffff);
}

#[test]
fn p45_there_is_room_for_the_secrets_of_four_lists_of_locks() {
    assert_eq!((MAX_LOCKS, MAX_SECRETS), (32, 128));
}

#[test]
fn money_is_locked_for_two_days_at_most() {
    assert_eq!(MAX_LOCK_EXPIRY_SECS, 172_800);
}

#[test]
fn p43_a_withdrawal_lands_within_a_day() {
    assert_eq!(lockstep_core::WITHDRAW_TTL_SECS, 86_400);
}

#[test]
fn what_an_adapter_keeps_with_a_transfer_has_96_kib() {
    assert_eq!(lockstep_core::transfer::MAX_MEMO_BYTES, 98_304);
}

#[test]
fn p60_updates_leave_8_kib_of_a_frame_to_the_rest_of_a_message() {
    assert_eq!(MAX_UPDATES_BYTES, 64 * 1_024 - 8 * 1_024);
}

#[test]
fn p07_deposits_and_locked_sums_end_exactly_at_the_contract_s_widths() {
    let below = |bits: u32| Amount::from((1u128 << bits) - 1);
    let beyond = |bits: u32| Amount::from(1u128 << bits);
    assert!(Deposit::from_amount(below(119)).is_ok());
    assert!(Deposit::from_amount(beyond(119)).is_err());
    assert!(below(112).checked_locked().is_ok());
    assert!(beyond(112).checked_locked().is_err());
    assert_eq!([-3, 0, 4].map(|value| Net::new(value).unwrap().get()), [-3, 0, 4]);
}

#[test]
fn numbers_are_printed_as_people_write_them() {
    assert_eq!(Version(7).to_string(), "7");
    assert_eq!(Sequence(8).to_string(), "8");
    assert_eq!(BlockTimestamp(9).to_string(), "9");
    assert_eq!(amount(1_000).to_string(), "1000");
    let minus = I256::try_from(-3i64).unwrap();
    assert_eq!(RawNet::from_i256(minus).to_string(), "-3");
    let word = format!("0x{}", "05".repeat(32));
    assert_eq!(ChannelId(B256::repeat_byte(5)).to_string(), word);
    assert_eq!(Digest(B256::repeat_byte(5)).to_string(), word);
}

fn payment(memo: usize) -> Action {
    let memo = Memo::new(vec![7; memo]).unwrap();
    Action::Pay(Payment { amount: amount(1), memo, invoice: None })
}

/// Payments that fill a message to its last byte, and one more.
fn one_too_many() -> Vec<Action> {
    let size =
        |action: &Action| Update { sequence: Sequence(1), action: action.clone() }.size_bound();
    let mut room = MAX_UPDATES_BYTES;
    let mut actions = vec![];
    while room >= size(&payment(64)) {
        actions.push(payment(64));
        room -= size(&payment(64));
    }
    actions.push(payment(room - size(&payment(0))));
    assert_eq!(actions.iter().map(size).sum::<usize>(), MAX_UPDATES_BYTES);
    actions.push(payment(0));
    actions
}

#[test]
fn p60_a_message_of_intents_is_filled_to_its_last_byte() {
    let mut pair = Pair::open();
    let actions = one_too_many();
    let most = actions.len() - 1;
    pair.two.command(Command::Update(actions)).unwrap();
    let counts: Vec<usize> = pair
        .two
        .outbox
        .iter()
        .filter_map(|message| match message {
            PeerMessage::Intent { updates } => Some(updates.len()),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [most, 1]);
}

#[test]
fn p60_a_proposal_is_filled_to_its_last_byte() {
    let mut pair = Pair::open();
    let actions = one_too_many();
    let most = actions.len() - 1;
    pair.one.command(Command::Update(actions)).unwrap();
    let Some(PeerMessage::Propose { proposal, .. }) = pair.one.outbox.front() else {
        panic!("a proposal")
    };
    assert_eq!(proposal.updates.len(), most);
    pair.exchange();
    pair.assert_in_step();
}
