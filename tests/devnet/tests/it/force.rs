//! Past a sequencer that stands still or leaves somebody out.

use crate::scene::{OWNER, PAYER, PERIOD, Scene, address};
use alloy_primitives::{Address, Bytes, U256};
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::order::ForceOrder;
use lockstep_bridge::rollup::Rollup;
use lockstep_chain::call::encode;
use lockstep_core::chain::ChainCall;
use lockstep_core::terms::Terms;
use lockstep_core::transfer::{DepositStage, TransferStage};
use lockstep_devnet::optimism::ether;

const CLOSING: u8 = 3;
const CLOSED: u8 = 4;

/// A channel whose owner has begun to close it at an old version.
async fn closing(scene: &mut Scene, salt: u8) -> Terms {
    let terms = scene.terms(salt, Address::ZERO);
    let order = scene.order(salt, scene.open(terms, ether(1)), Address::ZERO);
    scene.begin(&order).await.unwrap();
    let credited = TransferStage::Deposit(DepositStage::Credited);
    scene.until(order.id, |view| view.transfer.stage == credited).await;
    let stale = ChainCall::InitiateClose(Some(scene.evidence(&terms, 1)));
    let (to, data) = encode(&scene.contracts, &terms, &stale, None).unwrap();
    let receipt = scene.network.send_l2(address(OWNER), Some(to), U256::ZERO, data).await;
    assert!(receipt.is_success());
    assert_eq!(scene.stored(order.channel_id).await.status, CLOSING);
    terms
}

async fn force(scene: &mut Scene, to: Address, data: Bytes) {
    let order = ForceOrder { payer: address(PAYER), to, data, usual_gas: 500_000 };
    let call = scene.adapter.force(&order).await.unwrap();
    let receipt = scene.network.send_l1(address(PAYER), Some(call.to), call.value, call.data).await;
    assert!(receipt.is_success());
    let caused = scene.adapter.caused_by(receipt.transaction_hash).await.unwrap();
    assert_eq!(caused.len(), 1);
    assert!(scene.network.l2.landed(caused[0]).await.is_success(), "the forced call works");
}

#[tokio::test]
async fn p77_a_stale_close_is_answered_from_l1_while_the_sequencer_stands_still() {
    let mut scene = Scene::start().await;
    let terms = closing(&mut scene, 1).await;
    scene.network.knobs.is_sequencer_stopped = true;
    let challenge = ChainCall::Challenge(scene.evidence(&terms, 5));
    let (to, data) = encode(&scene.contracts, &terms, &challenge, None).unwrap();
    // An account without any coin on the rollup.
    assert_eq!(scene.network.l2.balance(address(PAYER)).await, U256::ZERO);
    force(&mut scene, to, data).await;
    let stored = scene.stored(scene.id_of(&terms)).await;
    assert_eq!((stored.status, stored.version), (CLOSING, 5));

    // The close itself can be finished so, too.
    scene.network.warp(u64::from(PERIOD) + 60).await;
    let (to, data) = encode(&scene.contracts, &terms, &ChainCall::Close, None).unwrap();
    force(&mut scene, to, data).await;
    assert_eq!(scene.stored(scene.id_of(&terms)).await.status, CLOSED);
}

#[tokio::test]
async fn p77_a_censored_account_is_heard_through_l1_with_many_challenges_at_once() {
    let mut scene = Scene::start().await;
    let terms = [closing(&mut scene, 2).await, closing(&mut scene, 3).await];
    scene.network.knobs.censored.insert(address(PAYER));
    let items: Vec<_> = terms.iter().map(|terms| scene.challenge_item(terms, 7)).collect();
    let call = lockstep_contracts::bindings::PaymentChannel::challengeCloseBatchCall { items };
    let data = alloy_sol_types::SolCall::abi_encode(&call).into();
    let to = scene.contracts.channel;
    force(&mut scene, to, data).await;
    for terms in terms {
        assert_eq!(scene.stored(scene.id_of(&terms)).await.version, 7);
    }
}

#[tokio::test]
async fn a_close_can_be_begun_from_l1_by_whoever_holds_the_signed_intent_or_is_the_owner() {
    let mut scene = Scene::start().await;
    let terms = scene.terms(4, Address::ZERO);
    let order = scene.order(4, scene.open(terms, ether(1)), Address::ZERO);
    scene.begin(&order).await.unwrap();
    let credited = TransferStage::Deposit(DepositStage::Credited);
    scene.until(order.id, |view| view.transfer.stage == credited).await;
    scene.network.knobs.is_sequencer_stopped = true;
    let call = ChainCall::InitiateClose(Some(scene.evidence(&terms, 4)));
    let intent = scene.intent(&terms);
    let (to, data) = encode(&scene.contracts, &terms, &call, Some(&intent)).unwrap();
    force(&mut scene, to, data).await;
    let stored = scene.stored(order.channel_id).await;
    assert_eq!((stored.status, stored.version), (CLOSING, 4));
}

#[tokio::test]
async fn a_call_that_l1_can_not_carry_is_refused() {
    let scene = Scene::start().await;
    let order =
        ForceOrder { payer: address(PAYER), to: address(OWNER), data: Bytes::new(), usual_gas: 0 };
    let cheap = scene.adapter.force(&order).await.unwrap();
    assert_eq!(cheap.value, U256::ZERO);
    // The contract refuses garbage, so there is no estimate, and what it usually takes is too much.
    let to = scene.contracts.channel;
    let order = ForceOrder { to, data: vec![1; 4].into(), usual_gas: 17_000_000, ..order };
    let refused = scene.adapter.force(&order).await;
    assert!(matches!(refused, Err(BridgeError::TooLargeToForce { .. })), "{refused:?}");
}
