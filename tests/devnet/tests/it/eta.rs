//! When the next step of a transfer is expected, and its money: as the chains have it, and right.

use crate::scene::{Scene, address};
use crate::withdraw::{initiated, is_at, is_proven};
use alloy_primitives::{Address, U256};
use alloy_sol_types::SolValue;
use lockstep_bridge::optimism::abi::{IDisputeGame, IPortal};
use lockstep_bridge::optimism::memo::WithdrawMemo;
use lockstep_bridge::optimism::withdrawal::withdrawal_hash;
use lockstep_bridge::step::Waiting;
use lockstep_chain::rpc::BlockTag;
use lockstep_core::transfer::{DepositStage, TransferStage, WithdrawStage};
use lockstep_devnet::chain::LocalChain;
use lockstep_devnet::optimism::{Game, PORTAL, ether};

async fn time_of(chain: &LocalChain, tag: BlockTag) -> u64 {
    chain.header(tag).await.point().timestamp.0
}

/// Units: seconds between the newest block and the newest final one.
async fn lag(chain: &LocalChain) -> u64 {
    time_of(chain, BlockTag::Latest).await - time_of(chain, BlockTag::Finalized).await
}

async fn created(scene: &Scene, game: Game) -> u64 {
    scene.network.l1.read(game.address, &IDisputeGame::createdAtCall {}).await
}

#[tokio::test]
async fn money_from_l1_tells_when_l1_is_final_and_when_it_is_in_the_channel() {
    let mut scene = Scene::start().await;
    let terms = scene.terms(1, Address::ZERO);
    let order = scene.order(1, scene.open(terms, ether(1)), Address::ZERO);
    let (l1_lag, l2_lag) = (lag(&scene.network.l1).await, lag(&scene.network.l2).await);
    let now = time_of(&scene.network.l1, BlockTag::Latest).await;
    let ordered = scene.begin(&order).await.unwrap().next;
    assert_eq!(ordered.arrives_at.unwrap().0, now + l1_lag + l2_lag, "before a block holds it");

    let sent = |stage| move |view: &_| is_deposit(view, stage);
    let view = scene.until(order.id, sent(DepositStage::Sent)).await;
    let block = scene.network.l1.receipt(view.transfer.key.unwrap().tx).await.unwrap();
    let block = BlockTag::Number(block.block_number().0);
    let is_final = time_of(&scene.network.l1, block).await + l1_lag;
    assert_eq!(view.next.waiting, Waiting::ForL1Finality);
    assert_eq!(view.next.expected_at.unwrap().0, is_final);
    assert_eq!(view.next.arrives_at.unwrap().0, is_final + l2_lag);

    // And so it comes, to within one block of L1.
    scene.until(order.id, |view| !is_deposit(view, DepositStage::Sent)).await;
    let now = time_of(&scene.network.l1, BlockTag::Latest).await;
    assert!(now.abs_diff(is_final) <= 12, "{now} {is_final}");
}

fn is_deposit(view: &lockstep_bridge::courier::TransferView, stage: DepositStage) -> bool {
    view.transfer.stage == TransferStage::Deposit(stage)
}

#[tokio::test]
async fn a_withdrawal_tells_the_next_root_the_clock_of_its_game_and_when_l1_pays() {
    let mut scene = Scene::start().await;
    let older = scene.network.propose().await;
    scene.network.ticks(5).await;
    let newer = scene.network.propose().await;
    let order = initiated(&mut scene, 1, ether(1)).await;
    let l1 = &scene.network.l1;
    let maturity: U256 = l1.read(PORTAL, &IPortal::proofMaturityDelaySecondsCall {}).await;
    let gap: U256 = l1.read(PORTAL, &IPortal::disputeGameFinalityDelaySecondsCall {}).await;
    let (maturity, gap) = (maturity.to::<u64>(), gap.to::<u64>());
    let clock = scene.network.clock(newer).await;

    // Roots come as far apart as the last two did.
    let pace = created(&scene, newer).await - created(&scene, older).await;
    let now = time_of(&scene.network.l1, BlockTag::Latest).await;
    let next = scene.courier.view(order.id).unwrap().next;
    let due = (created(&scene, newer).await + pace).max(now);
    assert_eq!((next.waiting, next.expected_at.unwrap().0), (Waiting::ForRoot, due));
    assert_eq!(next.arrives_at.unwrap().0, due + maturity.max(clock + gap));

    let game = scene.network.propose().await;
    scene.until(order.id, is_proven).await;
    let view = scene.until(order.id, |view| view.next.waiting == Waiting::ForJudgement).await;
    let memo = WithdrawMemo::abi_decode(&scene.kept(order.id).memo).unwrap();
    let hash = withdrawal_hash(&memo.withdrawal);
    let call = IPortal::provenWithdrawalsCall { withdrawalHash: hash, submitter: memo.prover };
    assert_eq!(memo.prover, address(crate::scene::PAYER));
    let proven_at = scene.network.l1.read(PORTAL, &call).await.timestamp;
    let payable = (proven_at + maturity).max(created(&scene, game).await + clock + gap);
    assert_eq!(view.next.expected_at.unwrap().0, payable);
    let arrives = view.next.arrives_at.unwrap().0;
    assert_eq!(arrives, payable + lag(&scene.network.l1).await);

    // A minute before its game's clock is over the portal pays nothing; at the time that was told it does.
    let now = time_of(&scene.network.l1, BlockTag::Latest).await;
    scene.network.warp(payable - now - 120).await;
    scene.turn().await;
    assert!(is_proven(&scene.courier.view(order.id).unwrap()));
    scene.network.warp(120).await;
    scene.until(order.id, is_at(WithdrawStage::Done)).await;
    let now = time_of(&scene.network.l1, BlockTag::Latest).await;
    assert!(now >= payable && now <= arrives + 300, "{now} {arrives}");
}
