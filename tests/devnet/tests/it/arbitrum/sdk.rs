//! Arbitrum's own SDK, unmodified, is asked about transfers of ours and must say what we say.

use super::kit::{DEPOSIT, World};
use alloy_primitives::{Address, B256};
use lockstep_bridge::arbitrum::abi::ARB_SYS;
use lockstep_bridge::rollup::Rollup;
use lockstep_core::transfer::{DepositStage, RecoverAction, TransferStage, WithdrawStage};
use lockstep_devnet::arbitrum::package;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

const ETHER: Address = Address::ZERO;

fn network_of(world: &World) -> Value {
    let (contracts, tokens) = (world.network.contracts, world.network.tokens);
    json!({
        "l1": world.network.l1.url(), "l2": world.network.url(),
        "l1ChainId": world.network.settings.l1_chain_id,
        "l2ChainId": world.network.settings.l2_chain_id,
        "confirmBlocks": world.network.settings.confirm_blocks,
        "bridge": contracts.bridge, "inbox": contracts.inbox, "outbox": contracts.outbox,
        "rollup": contracts.rollup, "sequencerInbox": contracts.sequencer_inbox,
        "weth": contracts.stake_token, "proxyAdmin": contracts.proxy_admin,
        "l1Router": tokens.l1_router, "l1Gateway": tokens.l1_gateway,
        "l2Router": tokens.l2_router, "l2Gateway": tokens.l2_gateway,
    })
}

/// What the SDK says of a transaction.
async fn sdk(world: &World, kind: &str, tx: B256) -> Value {
    let question = json!({"network": network_of(world), "kind": kind, "tx": tx}).to_string();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = Command::new("node")
            .arg(package::folder().join("sdk.cjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(question.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn hash(value: &Value) -> B256 {
    serde_json::from_value(value.clone()).unwrap()
}

#[tokio::test]
async fn the_official_sdk_agrees_about_a_deposit_that_went_through() {
    let mut world = World::start().await;
    let channel = world.channel(1, ETHER);
    let id = world.fund(&world.open_order(&channel, ETHER)).await;
    let tx = world.sender.tx_to(world.network.contracts.inbox);
    let ours = world.rollup.caused_by(tx).await.unwrap();
    let theirs = sdk(&world, "deposit", tx).await;
    assert_eq!(theirs[0]["status"], "NOT_YET_CREATED");
    assert_eq!(hash(&theirs[0]["id"]), ours[0], "known before the rollup has it");
    world.until(id, TransferStage::Deposit(DepositStage::Credited)).await;
    let theirs = sdk(&world, "deposit", tx).await;
    let ours = world.rollup.caused_by(tx).await.unwrap();
    assert_eq!(theirs[0]["status"], "REDEEMED");
    assert_eq!(ours, [hash(&theirs[0]["id"]), hash(&theirs[0]["redeem"])]);
}

#[tokio::test]
async fn the_official_sdk_agrees_about_a_deposit_that_had_to_be_run_again() {
    let mut world = World::start().await;
    world.network.turn(|knobs| knobs.auto_redeem_gas = Some(45_000)).await;
    let channel = world.channel(1, ETHER);
    let id = world.fund(&world.open_order(&channel, ETHER)).await;
    let tx = world.sender.tx_to(world.network.contracts.inbox);
    world.network.finalize_l1().await;
    assert_eq!(sdk(&world, "deposit", tx).await[0]["status"], "FUNDS_DEPOSITED_ON_CHILD");
    let redeem = TransferStage::Deposit(DepositStage::FailedRecoverable(RecoverAction::Redeem));
    world.until(id, redeem).await;
    world.until(id, TransferStage::Deposit(DepositStage::Credited)).await;
    assert_eq!(sdk(&world, "deposit", tx).await[0]["status"], "REDEEMED");
}

#[tokio::test]
async fn the_official_sdk_agrees_about_a_token_deposit() {
    let mut world = World::start().await;
    let l2_token = world.l2_token().await;
    world.grant_token(DEPOSIT).await;
    let channel = world.channel(1, l2_token);
    let id = world.fund(&world.open_order(&channel, world.network.tokens.token)).await;
    world.until(id, TransferStage::Deposit(DepositStage::Credited)).await;
    let tx = world.sender.tx_to(world.network.tokens.l1_router);
    let theirs = sdk(&world, "deposit", tx).await;
    assert_eq!(theirs[0]["status"], "REDEEMED");
    let ours = world.rollup.caused_by(tx).await.unwrap();
    assert_eq!(ours, [hash(&theirs[0]["id"]), hash(&theirs[0]["redeem"])]);
}

#[tokio::test]
async fn the_official_sdk_agrees_about_every_stage_of_a_withdrawal() {
    let mut world = World::start().await;
    let order = world.withdraw_order(ETHER, DEPOSIT);
    let start = world.rollup.withdraw(&order).await.unwrap();
    world.courier.begin(start).await.unwrap();
    let tx = world.sender.tx_to(ARB_SYS);
    let stage = TransferStage::Withdraw;
    world.until(order.id, stage(WithdrawStage::Initiated)).await;
    assert_eq!(sdk(&world, "withdrawal", tx).await["status"], "UNCONFIRMED");
    let asserted = world.network.assert_state().await;
    world.until(order.id, stage(WithdrawStage::Proposed)).await;
    assert_eq!(sdk(&world, "withdrawal", tx).await["status"], "UNCONFIRMED");
    world.network.confirm(&asserted).await;
    assert_eq!(sdk(&world, "withdrawal", tx).await["status"], "CONFIRMED");
    world.until(order.id, stage(WithdrawStage::Done)).await;
    assert_eq!(sdk(&world, "withdrawal", tx).await["status"], "EXECUTED");
}
