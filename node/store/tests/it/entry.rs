//! Payments into the contract and origins of closes: every variant comes back, none rides in a backup.

use alloy_primitives::{Address, B256};
use lockstep_core::{
    chain::CloseOrigin,
    entry::{BridgeCall, Entry, EntryCall, EntryId, EntryStage, Offer, SignedEntry},
    ids::{AccountRef, ChainRef, Side},
    money::Amount,
    state::Open,
    time::{BlockNumber, BlockTimestamp},
};
use lockstep_store::{convert::Stored, port, table::Table, write_set::WriteSet};

use crate::scene::{Scene, channel};

const TX: B256 = B256::repeat_byte(0x77);

fn calls() -> Vec<EntryCall> {
    let ours = channel(1);
    let terms = ours.parts(1, 0).setup.terms;
    let amount = Amount::from(7_u64);
    let open = Open {
        channel_id: ours.id(),
        min_deposit1: Amount::from(5_u64),
        deadline: BlockTimestamp(77),
    };
    let by = ours.sign(Side::Two, ours.digest(1, 0));
    let other = AccountRef::Evm(Address::repeat_byte(8));
    vec![
        EntryCall::Open { terms, amount, consent: None },
        EntryCall::Open { terms, amount, consent: Some((open, by)) },
        EntryCall::Join { terms, amount: Amount::ZERO },
        EntryCall::Deposit { terms, side: Side::Two, amount: Amount::MAX },
        EntryCall::CancelOpen { terms },
        EntryCall::TakeCredit { token: AccountRef::Evm(Address::ZERO), to: other, amount },
        EntryCall::Approve { token: other, spender: other, amount },
        EntryCall::Bridge(BridgeCall {
            chain: ChainRef::Evm(u64::MAX),
            to: other,
            value: Amount::MAX,
            data: vec![7; 900],
            least_gas: u64::MAX,
        }),
    ]
}

fn stages() -> Vec<EntryStage> {
    let offer = |tx, fee| Offer { tx, max_fee_per_gas: fee, priority_fee_per_gas: 0 };
    let offers = vec![offer(B256::repeat_byte(1), 9), offer(TX, u128::MAX)];
    let signed = SignedEntry::from_parts(u64::MAX, 90_000, offers, vec![0; 900]).unwrap();
    let (tx, block) = (TX, BlockNumber(9));
    vec![
        EntryStage::Wanted,
        EntryStage::Signed(signed.clone()),
        EntryStage::Included { signed, tx, block },
        EntryStage::Done { tx, block },
        EntryStage::Reverted { tx, block },
        EntryStage::Displaced { nonce: 0 },
    ]
}

fn entries() -> Vec<Entry> {
    let from = AccountRef::Evm(Address::repeat_byte(6));
    let mut entries = Vec::new();
    for (number, call) in (0_u8..).zip(calls()) {
        for (other, stage) in (0_u8..).zip(stages()) {
            let id = EntryId(B256::repeat_byte(number * 16 + other));
            let call = call.clone();
            entries.push(Entry::from_parts(id, from, call, Amount::from(u64::MAX), stage));
        }
    }
    entries
}

#[test]
fn p86_entries_come_back_from_disk_with_all_that_was_signed_for_them() {
    let scene = Scene::new();
    let mut set = WriteSet::default();
    for entry in entries() {
        set.put_entry(&entry).unwrap();
    }
    scene.open().engine_mut().write(&set).unwrap();
    let mut journal = scene.open();
    assert_eq!(port::all_entries(journal.engine()).unwrap(), entries());
    let mut set = WriteSet::default();
    set.remove_entry(entries()[0].id());
    journal.engine_mut().write(&set).unwrap();
    assert_eq!(port::all_entries(journal.engine()).unwrap(), entries()[1..]);
}

#[test]
fn p47_a_backup_carries_no_entry_that_may_have_been_paid_since() {
    assert!(!Table::Entry.is_in_backup());
}

#[test]
fn origins_of_closes_come_back_from_disk_until_they_are_forgotten() {
    let scene = Scene::new();
    let origin = |tx, nonce| CloseOrigin {
        channel_id: channel(1).id(),
        transaction: B256::repeat_byte(tx),
        sender: AccountRef::Evm(Address::repeat_byte(3)),
        nonce,
        seen_at: BlockNumber(12),
    };
    let (one, two) = (origin(1, Some(0)), origin(2, None));
    let mut set = WriteSet::default();
    set.put_origin(&two).unwrap();
    set.put_origin(&one).unwrap();
    scene.open().engine_mut().write(&set).unwrap();
    let mut journal = scene.open();
    assert_eq!(port::all_origins(journal.engine()).unwrap(), [one, two]);
    let mut set = WriteSet::default();
    set.remove_origin(&one);
    journal.engine_mut().write(&set).unwrap();
    assert_eq!(port::all_origins(journal.engine()).unwrap(), [two]);
}

#[test]
fn p67_no_cut_or_changed_entry_makes_the_decoder_panic_or_guess() {
    for entry in entries() {
        let bytes = entry.encode();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x41;
            for candidate in [&bytes[..place], &changed] {
                if let Ok(value) = Entry::decode(candidate) {
                    assert_eq!(Entry::decode(&value.encode()), Ok(value));
                }
            }
        }
    }
    let empty = SignedEntry::from_parts(1, 1, Vec::new(), vec![1]);
    assert!(empty.is_err(), "a signed entry without a transaction");
}
