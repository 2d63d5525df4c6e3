//! Money out.

use super::kit::{DEPOSIT, World};
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_sol_types::{SolCall, SolError};
use lockstep_bridge::arbitrum::abi::{ARB_SYS, IArbSys, INodeInterface, IOutbox, NODE_INTERFACE};
use lockstep_bridge::arbitrum::payout::{execute_call, exit_in};
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::rollup::Rollup;
use lockstep_bridge::step::{Layer, Waiting};
use lockstep_chain::endpoint::RequestError;
use lockstep_chain::rpc::{At, CallRequest};
use lockstep_core::transfer::{DepositStage, Location, TransferStage, WithdrawStage};
use serde_json::json;

alloy_sol_types::sol! {
    interface IBridgeToken {
        function bridgeMint(address account, uint256 amount) external;
    }
}

const ETHER: Address = Address::ZERO;
const INITIATED: TransferStage = TransferStage::Withdraw(WithdrawStage::Initiated);
const PROPOSED: TransferStage = TransferStage::Withdraw(WithdrawStage::Proposed);
const FINALIZABLE: TransferStage = TransferStage::Withdraw(WithdrawStage::Finalizable);
const DONE: TransferStage = TransferStage::Withdraw(WithdrawStage::Done);
const RECIPIENT: Address = Address::repeat_byte(0xc1);

async fn others_withdraw(world: &World, times: u8) {
    for _ in 0..times {
        let call = IArbSys::withdrawEthCall { destination: Address::repeat_byte(0xdd) };
        assert!(world.send_l2(world.network.owner, ARB_SYS, &call).await.is_success());
    }
}

async fn begin(world: &mut World, token: Address, amount: u64) -> B256 {
    let order = world.withdraw_order(token, amount);
    let start = world.rollup.withdraw(&order).await.unwrap();
    world.courier.begin(start).await.unwrap();
    order.id
}

/// What L1 says to a call that it refuses.
async fn refusal(world: &World, to: Address, data: &Bytes) -> Bytes {
    let request = json!([{"from": world.payer, "to": to, "data": data}, "latest"]);
    let error = world.network.l1.try_ask("eth_call", request).await.unwrap_err();
    let RequestError::Refused { data: Some(data), .. } = error.cause else {
        panic!("no refusal: {error}");
    };
    data
}

#[tokio::test]
async fn ether_comes_out_to_the_last_wei_over_every_stage_and_only_once() {
    let mut world = World::start().await;
    others_withdraw(&world, 3).await;
    let id = begin(&mut world, ETHER, DEPOSIT).await;
    others_withdraw(&world, 2).await;
    world.until(id, INITIATED).await;
    world.until_quiet().await;
    assert_eq!(world.courier.view(id).unwrap().next.waiting, Waiting::ForRoot);
    let asserted = world.network.assert_state().await;
    world.until(id, PROPOSED).await;
    let next = world.courier.view(id).unwrap().next;
    assert_eq!(next.waiting, Waiting::ForJudgement);
    assert!(next.expected_at.is_some());
    assert_eq!(world.courier.view(id).unwrap().transfer.location(), Location::InFlight);
    // More messages after the root do not change the proof against it.
    others_withdraw(&world, 4).await;
    world.network.confirm(&asserted).await;
    let seen = world.until(id, DONE).await;
    assert_eq!(seen, [PROPOSED, FINALIZABLE, DONE]);
    assert_eq!(world.network.l1.balance(RECIPIENT).await, U256::from(DEPOSIT));
    assert_eq!(world.sender.count(), 2, "one transaction on each side");
    let outbox = world.network.contracts.outbox;
    let again = refusal(&world, outbox, &world.sender.call_to(outbox).data).await;
    assert_eq!(again[..4], IOutbox::AlreadySpent::SELECTOR);
}

#[tokio::test]
async fn a_token_comes_back_over_its_gateway_with_the_same_amount() {
    let mut world = World::start().await;
    let tokens = world.network.tokens;
    let l2_token = world.l2_token().await;
    world.grant_token(DEPOSIT).await;
    // The first deposit makes the token on the rollup and fills the gateway's escrow.
    let channel = world.channel(1, l2_token);
    let deposit = world.fund(&world.open_order(&channel, tokens.token)).await;
    world.until(deposit, TransferStage::Deposit(DepositStage::Credited)).await;
    let mint = IBridgeToken::bridgeMintCall { account: world.ours, amount: U256::from(900) };
    world.network.l2.set_balance(tokens.l2_gateway, U256::from(10).pow(U256::from(18))).await;
    assert!(world.send_l2(tokens.l2_gateway, l2_token, &mint).await.is_success());

    let id = begin(&mut world, l2_token, 900).await;
    world.until(id, INITIATED).await;
    let asserted = world.network.assert_state().await;
    world.until(id, PROPOSED).await;
    world.network.confirm(&asserted).await;
    world.until(id, DONE).await;
    let paid = world.token_balance(Layer::L1, tokens.token, RECIPIENT).await;
    assert_eq!(paid, U256::from(900));
    let left = world.token_balance(Layer::L2, l2_token, world.ours).await;
    assert_eq!(left, U256::ZERO);
    let escrow = world.token_balance(Layer::L1, tokens.token, tokens.l1_gateway).await;
    assert_eq!(escrow, U256::from(DEPOSIT - 900));
}

#[tokio::test]
async fn a_payout_that_somebody_else_made_is_seen_and_not_paid_for_again() {
    let mut world = World::start().await;
    let id = begin(&mut world, ETHER, DEPOSIT).await;
    world.until(id, INITIATED).await;
    let asserted = world.network.assert_state().await;
    world.until(id, PROPOSED).await;
    world.network.confirm(&asserted).await;
    let receipt = world.network.l2.receipt(world.sender.tx_to(ARB_SYS)).await.unwrap();
    let (exit, _) = exit_in(&receipt).unwrap();
    let call = INodeInterface::constructOutboxProofCall { size: 1, leaf: exit.position };
    let request = CallRequest::view(NODE_INTERFACE, call.abi_encode().into());
    let answer = world.endpoint.call(&request, At::Latest).await.unwrap();
    let proof = INodeInterface::constructOutboxProofCall::abi_decode_returns(&answer).unwrap();
    let site = world.rollup.site().await.unwrap();
    let call = execute_call(&site, &exit, &proof.proof);
    let stranger = world.network.owner;
    let tx = world.network.l1.send_as(stranger, Some(call.to), U256::ZERO, call.data).await;
    assert!(world.network.l1.landed(tx).await.is_success());
    world.until(id, DONE).await;
    assert_eq!(world.sender.count(), 1);
    assert_eq!(world.network.l1.balance(RECIPIENT).await, U256::from(DEPOSIT));
}

#[tokio::test]
async fn a_payout_that_would_fail_now_is_not_paid_for_and_made_later() {
    let mut world = World::start().await;
    let id = begin(&mut world, ETHER, DEPOSIT).await;
    world.until(id, INITIATED).await;
    let asserted = world.network.assert_state().await;
    world.until(id, PROPOSED).await;
    world.network.confirm(&asserted).await;
    let bridge = world.network.contracts.bridge;
    let held = world.network.l1.balance(bridge).await;
    world.network.l1.set_balance(bridge, U256::ZERO).await;
    world.until(id, FINALIZABLE).await;
    world.until_quiet().await;
    assert_eq!(world.courier.view(id).unwrap().next.waiting, Waiting::ForOperator);
    assert_eq!(world.sender.count(), 1, "nothing was sent to L1");
    world.network.l1.set_balance(bridge, held).await;
    world.until(id, DONE).await;
    assert_eq!(world.network.l1.balance(RECIPIENT).await, U256::from(DEPOSIT));
}

#[tokio::test]
async fn a_contract_is_refused_as_the_recipient_of_ether() {
    let world = World::start().await;
    let mut order = world.withdraw_order(ETHER, DEPOSIT);
    order.recipient = world.network.contracts.bridge;
    let refused = world.rollup.withdraw(&order).await.unwrap_err();
    assert!(matches!(refused, BridgeError::ContractRecipient { .. }), "{refused}");
}

#[tokio::test]
async fn p95_a_look_alike_that_names_the_same_token_is_not_withdrawn() {
    let world = World::start().await;
    let fake = Address::repeat_byte(0x66);
    // Answers every question with the token's address on L1.
    let token = hex::encode(world.network.tokens.token);
    let code = format!("0x73{token}5f5260205ff3");
    world.network.l2.ask("anvil_setCode", json!([fake, code])).await;
    let refused = world.rollup.withdraw(&world.withdraw_order(fake, 1)).await.unwrap_err();
    assert!(matches!(refused, BridgeError::WrongToken { .. }), "{refused}");
}
