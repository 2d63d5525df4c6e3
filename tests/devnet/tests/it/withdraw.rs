//! Money from the rollup to L1.

use crate::scene::{OWNER, PAYER, Scene, address};
use crate::token::TokenPair;
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolValue;
use lockstep_bridge::courier::TransferView;
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::optimism::memo::WithdrawMemo;
use lockstep_bridge::order::WithdrawOrder;
use lockstep_bridge::rollup::Rollup;
use lockstep_bridge::step::Waiting;
use lockstep_core::money::Amount;
use lockstep_core::transfer::{Location, TransferStage, WithdrawStage};
use lockstep_devnet::optimism::{PORTAL, ether};

const RECIPIENT: Address = Address::repeat_byte(0x77);

fn order(name: u8, amount: U256) -> WithdrawOrder {
    WithdrawOrder {
        id: B256::repeat_byte(name),
        owner: address(OWNER),
        prover: address(PAYER),
        recipient: RECIPIENT,
        l2_token: Address::ZERO,
        amount: Amount::from_u256(amount),
    }
}

pub(crate) fn is_at(stage: WithdrawStage) -> impl Fn(&TransferView) -> bool {
    move |view| view.transfer.stage == TransferStage::Withdraw(stage)
}

pub(crate) fn is_proven(view: &TransferView) -> bool {
    matches!(view.transfer.stage, TransferStage::Withdraw(WithdrawStage::Proven { .. }))
}

/// A withdrawal that is final on the rollup. Coin must have come over the bridge first, or L1 could not pay.
pub(crate) async fn initiated(scene: &mut Scene, name: u8, amount: U256) -> WithdrawOrder {
    let terms = scene.terms(name, Address::ZERO);
    let fund = scene.order(0xf0 | name, scene.open(terms, ether(20)), Address::ZERO);
    scene.begin(&fund).await.unwrap();
    let order = order(name, amount);
    let start = scene.adapter.withdraw(&order).await.unwrap();
    scene.courier.begin(start).await.unwrap();
    scene.until(order.id, |view| view.next.waiting == Waiting::ForRoot).await;
    order
}

#[tokio::test]
async fn p91_a_withdrawal_is_proven_waited_for_and_paid_over_a_kill_at_every_stage() {
    let mut scene = Scene::start().await;
    let order = initiated(&mut scene, 1, ether(4)).await;
    let view = scene.courier.view(order.id).unwrap();
    assert_eq!(view.transfer.location(), Location::InFlight);
    scene.kill_and_restart().await;
    let game = scene.network.propose().await;
    scene.until(order.id, is_at(WithdrawStage::Provable)).await;
    // The proof is on disk now: it is of use even if no endpoint knows the block any more.
    let memo = WithdrawMemo::abi_decode(&scene.kept(order.id).memo).unwrap();
    assert!(!memo.proof.is_empty() && memo.game == game.address);
    scene.kill_and_restart().await;
    let view = scene.until(order.id, is_proven).await;
    let TransferStage::Withdraw(WithdrawStage::Proven { finalizable_at }) = view.transfer.stage
    else {
        panic!("proven");
    };
    let clock = scene.network.clock(game).await;
    let now = scene.network.l1.header(lockstep_chain::rpc::BlockTag::Latest).await;
    assert!(finalizable_at.0 > now.point().timestamp.0 + clock / 2, "the game's clock counts");
    scene.kill_and_restart().await;
    for _ in 0..3 {
        scene.turn().await;
        assert!(is_proven(&scene.courier.view(order.id).unwrap()), "not before its time");
    }
    // Nobody else settles the game: the node does.
    scene.network.warp(clock + 60).await;
    scene.until(order.id, |view| !is_proven(view)).await;
    scene.kill_and_restart().await;
    let view = scene.until(order.id, is_at(WithdrawStage::Done)).await;
    assert_eq!(view.transfer.location(), Location::Destination);
    assert_eq!(scene.network.l1.balance(RECIPIENT).await, ether(4));
}

#[tokio::test]
async fn p91_a_token_is_paid_on_l1_to_the_last_unit_over_a_kill_at_every_stage() {
    let mut scene = Scene::start().await;
    let (held, out) = (U256::from(10_000), U256::from(7_001));
    let pair = TokenPair::make(&mut scene.network, address(PAYER), held).await;
    pair.carry(&mut scene.network, address(PAYER), address(OWNER), held).await;
    let order = WithdrawOrder { l2_token: pair.l2, ..order(9, out) };
    let much = WithdrawOrder { amount: Amount::from_u256(held + U256::ONE), ..order };
    let refused = scene.adapter.withdraw(&much).await;
    assert!(matches!(refused, Err(BridgeError::NoFunds { .. })), "{refused:?}");

    let start = scene.adapter.withdraw(&order).await.unwrap();
    scene.courier.begin(start).await.unwrap();
    scene.kill_and_restart().await;
    scene.until(order.id, |view| view.next.waiting == Waiting::ForRoot).await;
    assert_eq!(pair.on_l2(&scene.network, address(OWNER)).await, held - out);
    let game = scene.network.propose().await;
    scene.kill_and_restart().await;
    scene.until(order.id, is_proven).await;
    assert_eq!(pair.on_l1(&scene.network, RECIPIENT).await, U256::ZERO);
    scene.kill_and_restart().await;
    scene.network.resolve(game).await;
    let view = scene.until(order.id, is_at(WithdrawStage::Done)).await;
    assert_eq!(view.transfer.location(), Location::Destination);
    assert_eq!(pair.on_l1(&scene.network, RECIPIENT).await, out);
    assert_eq!(pair.on_l2(&scene.network, address(OWNER)).await, held - out);
}

#[tokio::test]
async fn p91_a_game_that_dies_after_the_proof_is_replaced_by_another() {
    let mut scene = Scene::start().await;
    let order = initiated(&mut scene, 2, ether(1)).await;
    let first = scene.network.propose().await;
    scene.until(order.id, is_proven).await;
    scene.network.blacklist(first).await;
    scene.until(order.id, is_at(WithdrawStage::Initiated)).await;
    let view = scene.courier.view(order.id).unwrap();
    assert_eq!(view.transfer.location(), Location::InFlight);
    scene.kill_and_restart().await;
    let second = scene.network.propose().await;
    scene.until(order.id, is_proven).await;
    scene.network.resolve(second).await;
    scene.until(order.id, is_at(WithdrawStage::Done)).await;
    assert_eq!(scene.network.l1.balance(RECIPIENT).await, ether(1));
}

#[tokio::test]
async fn p96_a_wrong_root_on_l1_is_not_proven_against() {
    let mut scene = Scene::start().await;
    let order = initiated(&mut scene, 3, ether(1)).await;
    let block = scene.network.l2.header(lockstep_chain::rpc::BlockTag::Finalized).await.number();
    scene.network.propose_root(block, B256::repeat_byte(0xbd)).await;
    for _ in 0..4 {
        scene.turn().await;
    }
    let view = scene.courier.view(order.id).unwrap();
    assert!(is_at(WithdrawStage::Initiated)(&view), "{view:?}");
    let right = scene.network.propose().await;
    scene.until(order.id, is_proven).await;
    scene.network.resolve(right).await;
    scene.until(order.id, is_at(WithdrawStage::Done)).await;
}

#[tokio::test]
async fn p88_a_pause_of_the_bridge_delays_a_payout_and_loses_no_proof() {
    let mut scene = Scene::start().await;
    let order = initiated(&mut scene, 4, ether(1)).await;
    let game = scene.network.propose().await;
    scene.until(order.id, is_proven).await;
    scene.network.resolve(game).await;
    scene.network.pause().await;
    let view = scene.until(order.id, |view| view.next.waiting == Waiting::ForUnpause).await;
    assert!(view.transfer.stage != TransferStage::Withdraw(WithdrawStage::Initiated));
    scene.network.unpause().await;
    scene.until(order.id, is_at(WithdrawStage::Done)).await;
    assert_eq!(scene.network.l1.balance(RECIPIENT).await, ether(1));
}

#[tokio::test]
async fn a_withdrawal_that_can_not_be_right_is_refused_before_anything_is_sent() {
    let scene = Scene::start().await;
    let to_contract = WithdrawOrder { recipient: PORTAL, ..order(5, ether(1)) };
    let refused = scene.adapter.withdraw(&to_contract).await;
    assert!(matches!(refused, Err(BridgeError::ContractRecipient { .. })), "{refused:?}");
    let refused = scene.adapter.withdraw(&order(5, U256::from(1_000))).await;
    assert!(matches!(refused, Err(BridgeError::BelowFee { .. })), "{refused:?}");
    let refused = scene.adapter.withdraw(&order(5, ether(1_000))).await;
    assert!(matches!(refused, Err(BridgeError::NoFunds { .. })), "{refused:?}");
    let other = WithdrawOrder { l2_token: scene.contracts.channel, ..order(5, ether(1)) };
    let refused = scene.adapter.withdraw(&other).await;
    assert!(matches!(refused, Err(BridgeError::WrongToken { .. })), "{refused:?}");
}
