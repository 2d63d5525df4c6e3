//! The formulas against what Arbitrum One really did.

use super::alias::unaliased;
use super::delayed::DelayedMessage;
use super::ether_deposit::EtherDeposit;
use super::exit::Exit;
use super::redeem::Redeem;
use super::send_tree::{proof, root, root_from_proof};
use super::ticket::{Origin, Ticket, escrow_of};
use alloy_primitives::{Address, B256, Bytes, U256, address, b256, keccak256};
use serde::de::DeserializeOwned;
use serde_json::Value;

fn facts() -> Value {
    serde_json::from_str(include_str!("../../../../tests/vectors/arbitrum.json")).expect("json")
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("a value of the vectors")
}

fn number(value: &Value) -> U256 {
    U256::from_str_radix(value.as_str().expect("text"), 10).expect("a decimal number")
}

fn origin(facts: &Value, message: &Value) -> Origin {
    let l1_base_fee = message.get("l1BaseFee").map(number).unwrap_or_default();
    Origin {
        chain_id: read(&facts["chainId"]),
        message_number: number(&message["messageNumber"]),
        sender: read(&message["sender"]),
        l1_base_fee,
    }
}

fn mainnet_ticket(fact: &Value) -> Ticket {
    Ticket {
        to: read(&fact["to"]),
        call_value: number(&fact["callValue"]),
        deposit_value: number(&fact["depositValue"]),
        max_submission_cost: number(&fact["maxSubmissionCost"]),
        excess_refund: read(&fact["excessRefund"]),
        call_value_refund: read(&fact["callValueRefund"]),
        gas_limit: number(&fact["gasLimit"]),
        max_fee_per_gas: number(&fact["maxFeePerGas"]),
        data: read(&fact["data"]),
    }
}

fn mainnet_exit(fact: &Value) -> Exit {
    Exit {
        position: number(&fact["position"]).to::<u64>(),
        l2_sender: read(&fact["l2Sender"]),
        to: read(&fact["to"]),
        l2_block: number(&fact["l2Block"]),
        l1_block: number(&fact["l1Block"]),
        l2_timestamp: number(&fact["l2Timestamp"]),
        value: number(&fact["value"]),
        data: read(&fact["data"]),
    }
}

fn message_of(ticket: &Ticket) -> Vec<u8> {
    let account = |account: Address| account.into_word().0;
    let words = [
        account(ticket.to),
        ticket.call_value.to_be_bytes(),
        ticket.deposit_value.to_be_bytes(),
        ticket.max_submission_cost.to_be_bytes(),
        account(ticket.excess_refund),
        account(ticket.call_value_refund),
        ticket.gas_limit.to_be_bytes(),
        ticket.max_fee_per_gas.to_be_bytes(),
        U256::from(ticket.data.len()).to_be_bytes(),
    ];
    [words.concat(), ticket.data.to_vec()].concat()
}

#[test]
fn a_ticket_has_the_id_that_mainnet_gave_it() {
    let facts = facts();
    let fact = &facts["ticket"];
    let ticket = mainnet_ticket(fact);
    assert_eq!(ticket.id(&origin(&facts, fact)), read::<B256>(&fact["id"]));
}

#[test]
fn ether_from_l1_has_the_hash_that_mainnet_gave_it() {
    let facts = facts();
    let fact = &facts["etherDeposit"];
    let deposit = EtherDeposit { to: read(&fact["to"]), value: number(&fact["value"]) };
    assert_eq!(deposit.hash(&origin(&facts, fact)), read::<B256>(&fact["hash"]));
    // A plain account gets it itself, though the bridge writes the alias as the sender.
    assert_eq!(unaliased(read(&fact["sender"])), deposit.to);
    let message = [deposit.to.as_slice(), &deposit.value.to_be_bytes::<32>()].concat();
    assert_eq!(EtherDeposit::from_message(&message), Some(deposit));
    assert_eq!(EtherDeposit::from_message(&message[..51]), None);
    assert_eq!(EtherDeposit::from_message(&[]), None);
}

#[test]
fn a_message_to_l1_has_the_hash_that_mainnet_gave_it() {
    let facts = facts();
    let fact = &facts["exit"];
    let exit = mainnet_exit(fact);
    assert_eq!(exit.item_hash(), read::<B256>(&fact["itemHash"]));
    let neighbours: Vec<B256> = read(&fact["proof"]);
    // Eight levels have 256 places, so 121 is inside, and half as many levels have no such place.
    assert!(root_from_proof(exit.leaf(), exit.position, &neighbours).is_some());
    assert_eq!(root_from_proof(exit.leaf(), exit.position, &neighbours[..4]), None);
}

#[test]
fn each_field_of_a_ticket_changes_its_id() {
    let facts = facts();
    let fact = &facts["ticket"];
    let (ticket, at) = (mainnet_ticket(fact), origin(&facts, fact));
    let other = address!("00000000000000000000000000000000000000aa");
    let one = U256::from(1);
    let t = ticket.clone();
    let changed = [
        Ticket { to: other, ..t.clone() },
        Ticket { call_value: one, ..t.clone() },
        Ticket { deposit_value: one, ..t.clone() },
        Ticket { max_submission_cost: one, ..t.clone() },
        Ticket { excess_refund: other, ..t.clone() },
        Ticket { call_value_refund: other, ..t.clone() },
        Ticket { gas_limit: one, ..t.clone() },
        Ticket { max_fee_per_gas: one, ..t.clone() },
        Ticket { data: Bytes::new(), ..t },
    ];
    for changed in changed {
        assert_ne!(changed.id(&at), ticket.id(&at), "{changed:?}");
    }
    let origins = [
        Origin { chain_id: 42_170, ..at },
        Origin { message_number: one, ..at },
        Origin { sender: other, ..at },
        Origin { l1_base_fee: one, ..at },
    ];
    for origin in origins {
        assert_ne!(ticket.id(&origin), ticket.id(&at), "{origin:?}");
    }
}

#[test]
fn a_ticket_is_read_from_the_bridges_message_and_a_damaged_one_is_refused() {
    let facts = facts();
    let ticket = mainnet_ticket(&facts["ticket"]);
    let message = message_of(&ticket);
    assert_eq!(Ticket::from_message(&message), Ok(ticket));
    for cut in [0, 1, 287, 288, message.len() - 1] {
        assert!(Ticket::from_message(&message[..cut]).is_err(), "{cut} bytes");
    }
    assert!(Ticket::from_message(&[message, vec![0]].concat()).is_err());
}

#[test]
fn an_attempts_hash_is_keccak_of_its_type_and_fields() {
    // Written out by hand: 0x68, then an RLP list of 12 fields with empty strings for zeros.
    let ticket_id = b256!("face0b922e615b16ca20e4d7de668fa9f8010203b5dda69ebe433e7585821cf5");
    let from = address!("b4b8b6f88361f48403514059f1f16c8e78d61ffd");
    let redeem = Redeem {
        chain_id: 1,
        attempt: 0,
        from,
        gas_fee_cap: U256::from(0x80),
        gas: 0x0100,
        to: Address::ZERO,
        value: U256::ZERO,
        data: Bytes::from_static(&[0x7f]),
        ticket_id,
        refund_to: from,
        max_refund: U256::ZERO,
        submission_fee_refund: U256::ZERO,
    };
    let mut list = vec![0x01, 0x80, 0x94];
    list.extend_from_slice(from.as_slice());
    list.extend_from_slice(&[0x81, 0x80, 0x82, 0x01, 0x00, 0x80, 0x80, 0x7f, 0xa0]);
    list.extend_from_slice(ticket_id.as_slice());
    list.push(0x94);
    list.extend_from_slice(from.as_slice());
    list.extend_from_slice(&[0x80, 0x80]);
    let head = vec![0x68, 0xf8, u8::try_from(list.len()).expect("fits")];
    assert_eq!(redeem.hash(), keccak256([head, list].concat()));
    assert_ne!(Redeem { attempt: 1, ..redeem.clone() }.hash(), redeem.hash());
}

#[test]
fn the_escrow_of_a_ticket_follows_from_its_id() {
    let id = B256::repeat_byte(7);
    let preimage = [b"retryable escrow".as_slice(), &[7; 32]].concat();
    assert_eq!(escrow_of(id), Address::from_slice(&keccak256(preimage)[12..]));
}

#[test]
fn the_bridges_accumulator_binds_every_field_of_a_message_and_its_order() {
    let message = DelayedMessage {
        kind: 9,
        sender: Address::repeat_byte(1),
        block_number: 2,
        timestamp: 3,
        number: U256::from(4),
        base_fee: U256::from(5),
        data_hash: B256::repeat_byte(6),
    };
    let changed = [
        DelayedMessage { kind: 3, ..message },
        DelayedMessage { sender: Address::ZERO, ..message },
        DelayedMessage { block_number: 0, ..message },
        DelayedMessage { timestamp: 0, ..message },
        DelayedMessage { number: U256::ZERO, ..message },
        DelayedMessage { base_fee: U256::ZERO, ..message },
        DelayedMessage { data_hash: B256::ZERO, ..message },
    ];
    for changed in changed {
        assert_ne!(changed.hash(), message.hash(), "{changed:?}");
    }
    let before = B256::repeat_byte(8);
    assert_eq!(message.accumulate(before), keccak256([before, message.hash()].concat()));
}

#[test]
fn every_leaf_of_every_small_tree_is_proven_and_no_other() {
    let all: Vec<B256> = (0_u8..=40).map(B256::repeat_byte).map(keccak256).collect();
    for size in 1..=all.len() {
        let leaves = &all[..size];
        let expected = root(leaves);
        for (place, leaf) in leaves.iter().enumerate() {
            let position = u64::try_from(place).expect("small");
            let path = proof(leaves, position).expect("there is such a leaf");
            assert_eq!(
                root_from_proof(*leaf, position, &path),
                Some(expected),
                "{place} of {size}"
            );
            let (foreign, next) = (keccak256(leaf), position ^ 1);
            assert_ne!(root_from_proof(foreign, position, &path), Some(expected));
            if size > 1 {
                assert_ne!(root_from_proof(*leaf, next, &path), Some(expected));
            }
        }
        assert_eq!(proof(leaves, u64::try_from(size).expect("small")), None);
    }
    assert_eq!(root(&[]), B256::ZERO);
}

#[test]
fn a_subtree_without_leaves_is_a_zero_word_at_every_height() {
    let leaves: Vec<B256> = (1_u8..=5).map(B256::repeat_byte).collect();
    let hash = |left: B256, right: B256| keccak256([left, right].concat());
    let left = hash(hash(leaves[0], leaves[1]), hash(leaves[2], leaves[3]));
    let right = hash(hash(leaves[4], B256::ZERO), B256::ZERO);
    assert_eq!(root(&leaves), hash(left, right));
}
