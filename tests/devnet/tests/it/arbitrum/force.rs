//! The sequencer is down or does not want us.

use super::kit::{Channel, World, key};
use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::signers::SignerSync;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use lockstep_bridge::arbitrum::abi::ISequencerInbox;
use lockstep_bridge::arbitrum::alias::alias_of;
use lockstep_bridge::arbitrum::forcing::Inclusion;
use lockstep_bridge::arbitrum::submission::HeadRoom;
use lockstep_bridge::escape::{Escape, Owed};
use lockstep_bridge::order::ForceOrder;
use lockstep_bridge::port::Postman;
use lockstep_bridge::rollup::Rollup;
use lockstep_bridge::step::{Call, StepKind};
use lockstep_chain::call::encode;
use lockstep_core::chain::{ChainCall, Evidence};
use lockstep_core::digest::SigningDomain;
use lockstep_core::entry::{EntryId, EntryStage};
use lockstep_core::ids::Version;
use lockstep_core::money::{Amount, Net};
use lockstep_core::signature::StateSignature;
use lockstep_core::state::{State, StateKind};
use lockstep_core::time::BlockTimestamp;
use lockstep_core::transfer::{DepositStage, TransferStage};
use lockstep_devnet::arbitrum::Settings;
use std::sync::Arc;

fn evidence(channel: &Channel, version: u64) -> Evidence {
    let state = State {
        channel_id: channel.id,
        version: Version(version),
        kind: StateKind::Ordinary,
        net: Net::new(5).unwrap(),
        locked1: Amount::ZERO,
        locked2: Amount::ZERO,
        locks_root: B256::ZERO,
    };
    let digest = SigningDomain::new(channel.domain).state(&state);
    let sign = |byte: u8| StateSignature(key(byte).sign_hash_sync(&digest.0).unwrap().as_erc2098());
    let (signature1, signature2) = (Some(sign(0x11)), Some(sign(0x22)));
    Evidence { state, locks: vec![], signature1, signature2 }
}

async fn send(world: &World, from: Address, call: Call) -> B256 {
    let tx = world.network.l1.send_as(from, Some(call.to), call.value, call.data).await;
    assert!(world.network.l1.landed(tx).await.is_success());
    tx
}

/// The message is refused before the delay is over and goes in after it, whoever sends the call.
async fn force_in(world: &World, l1_tx: B256) {
    let Inclusion::TooSoon { block } = world.rollup.inclusion(l1_tx).await.unwrap() else {
        panic!("the sequencer has its delay");
    };
    let head = world.network.l1.head().await;
    assert!(block > head);
    world.network.mine_l1(block - head).await;
    let Inclusion::Due(call) = world.rollup.inclusion(l1_tx).await.unwrap() else {
        panic!("the delay is over");
    };
    let stranger = Address::repeat_byte(0xee);
    world.network.l1.set_balance(stranger, U256::from(10).pow(U256::from(18))).await;
    send(world, stranger, call).await;
    assert_eq!(world.rollup.inclusion(l1_tx).await.unwrap(), Inclusion::Read);
    world.network.catch_up().await;
}

/// A channel that side 2 has begun to close at version 1.
async fn closing(world: &mut World) -> Channel {
    let channel = world.channel(1, Address::ZERO);
    let id = world.fund(&world.open_order(&channel, Address::ZERO)).await;
    world.until(id, TransferStage::Deposit(DepositStage::Credited)).await;
    let stale = ChainCall::InitiateClose(Some(evidence(&channel, 1)));
    let (to, data) = encode(&world.contracts, &channel.terms, &stale, None).unwrap();
    world.network.l2.set_balance(world.theirs, U256::from(10).pow(U256::from(18))).await;
    let tx = world.network.l2.send_as(world.theirs, Some(to), U256::ZERO, data).await;
    assert!(world.network.l2.landed(tx).await.is_success());
    assert_eq!(world.stored(&channel).await.version, 1);
    channel
}

async fn answer_a_stale_close(settings: Settings) {
    let mut world = World::start_with(settings, HeadRoom::default()).await;
    let channel = closing(&mut world).await;
    world.network.turn(|knobs| knobs.is_paused = true).await;
    let challenge = ChainCall::Challenge(evidence(&channel, 2));
    let (to, data) = encode(&world.contracts, &channel.terms, &challenge, None).unwrap();
    let order = ForceOrder { payer: world.payer, to, data, usual_gas: 200_000 };
    let call = world.rollup.force(&order).await.unwrap();
    let l1_tx = send(&world, world.payer, call).await;
    world.network.finalize_l1().await;
    assert_eq!(world.stored(&channel).await.version, 1, "the sequencer reads nothing");
    force_in(&world, l1_tx).await;
    assert_eq!(world.stored(&channel).await.version, 2);
    let caused = world.rollup.caused_by(l1_tx).await.unwrap();
    assert_eq!(caused.len(), 2, "the ticket and its attempt");
    for hash in caused {
        assert!(world.endpoint.receipt(hash).await.unwrap().unwrap().is_success());
    }
}

#[tokio::test]
async fn a_stale_close_is_answered_though_the_sequencer_is_paused() {
    answer_a_stale_close(Settings::default()).await;
}

#[tokio::test]
async fn a_stale_close_is_answered_with_a_delay_buffer_too() {
    answer_a_stale_close(Settings { is_delay_buffered: true, ..Settings::default() }).await;
}

#[tokio::test]
async fn p77_what_is_owed_goes_through_the_delayed_inbox_and_is_forced_in_after_the_delay() {
    let mut world = World::start().await;
    let channel = closing(&mut world).await;
    world.network.turn(|knobs| knobs.is_paused = true).await;
    let challenge = ChainCall::Challenge(evidence(&channel, 2));
    let (to, data) = encode(&world.contracts, &channel.terms, &challenge, None).unwrap();
    let before = world.sender.count();
    let rollup: Arc<dyn Rollup> = world.rollup.clone();
    let mut escape = Escape::new(rollup, world.sender.clone(), world.payer);
    let name = B256::repeat_byte(9);
    let deadline = BlockTimestamp(u64::MAX);
    let owed = Owed { to, data, usual_gas: 200_000, deadline };
    assert!(escape.owe(name, owed.clone()));
    assert!(!escape.owe(name, owed), "one name is one call");
    assert!(escape.step().await.is_empty());
    world.network.finalize_l1().await;
    for _ in 0..3 {
        assert!(escape.step().await.is_empty());
    }
    assert_eq!(world.sender.count() - before, 1, "the sequencer still has its delay");
    let id = EntryId::bridge(name, StepKind::Force.number(), 0);
    let entry = world.sender.entry(id).await.unwrap().unwrap();
    let EntryStage::Done { tx: l1_tx, .. } = *entry.stage() else {
        panic!("L1 is final: {:?}", entry.stage());
    };
    let Inclusion::TooSoon { block } = world.rollup.inclusion(l1_tx).await.unwrap() else {
        panic!("the sequencer has its delay");
    };
    world.network.mine_l1(block - world.network.l1.head().await).await;
    for _ in 0..3 {
        assert!(escape.step().await.is_empty());
    }
    assert_eq!(world.sender.count() - before, 2, "the message, and what forces it in");
    world.network.mine_l1(1).await;
    world.network.catch_up().await;
    assert_eq!(world.stored(&channel).await.version, 2);
    assert!(escape.step().await.is_empty());
    assert_eq!(world.sender.count() - before, 2);
    escape.over(&name);
    assert!(escape.is_idle());
}

#[tokio::test]
async fn a_signed_transaction_that_is_forced_in_keeps_its_sender() {
    let world = World::start().await;
    let signer = key(0x33);
    let recipient = Address::repeat_byte(0x99);
    world.network.l2.set_balance(signer.address(), U256::from(10).pow(U256::from(18))).await;
    let unsigned = TxEip1559 {
        chain_id: world.network.settings.l2_chain_id,
        nonce: 0,
        gas_limit: 50_000,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 0,
        to: TxKind::Call(recipient),
        value: U256::from(123),
        access_list: Default::default(),
        input: Bytes::new(),
    };
    let signature = signer.sign_hash_sync(&unsigned.signature_hash()).unwrap();
    let raw = TxEnvelope::from(unsigned.into_signed(signature)).encoded_2718();

    world.network.turn(|knobs| knobs.is_paused = true).await;
    let refused = world.endpoint.send_raw(&Bytes::from(raw.clone())).await;
    assert!(refused.is_err(), "a paused sequencer takes nothing");
    let call = world.rollup.signed_message(&raw).await.unwrap();
    let l1_tx = send(&world, world.payer, call).await;
    assert_eq!(world.rollup.caused_by(l1_tx).await.unwrap(), [keccak256(&raw)]);
    world.network.finalize_l1().await;
    force_in(&world, l1_tx).await;
    let landed = world.endpoint.transaction(keccak256(&raw)).await.unwrap().unwrap();
    assert_eq!(landed.from, signer.address());
    assert_ne!(landed.from, alias_of(world.payer));
    assert_eq!(world.network.l2.balance(recipient).await, U256::from(123));
}

#[tokio::test]
async fn a_message_that_was_read_needs_no_force() {
    let world = World::start().await;
    let raw = [0xc0];
    let call = world.rollup.signed_message(&raw).await.unwrap();
    let l1_tx = send(&world, world.payer, call).await;
    assert!(matches!(world.rollup.inclusion(l1_tx).await.unwrap(), Inclusion::TooSoon { .. }));
    world.network.finalize_l1().await;
    world.network.assert_state().await;
    assert_eq!(world.rollup.inclusion(l1_tx).await.unwrap(), Inclusion::Read);
    assert_eq!(world.rollup.inclusion(B256::ZERO).await.unwrap(), Inclusion::Unsent);
    let read = ISequencerInbox::totalDelayedMessagesReadCall {};
    let read = world.network.l1.read(world.network.contracts.sequencer_inbox, &read).await;
    assert!(read > U256::ZERO);
}
