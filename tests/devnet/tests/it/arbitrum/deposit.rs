//! Money in.

use super::kit::{Channel, DEPOSIT, World};
use alloy_primitives::{Address, B256, Bytes, U256};
use lockstep_bridge::arbitrum::abi::{ARB_RETRYABLE_TX, IArbRetryableTx};
use lockstep_bridge::arbitrum::keeper::KEEPALIVE_MARGIN_SECS;
use lockstep_bridge::arbitrum::submission::HeadRoom;
use lockstep_bridge::arbitrum::ticket::LIFETIME_SECS;
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::rollup::Rollup;
use lockstep_bridge::step::{Layer, Waiting};
use lockstep_core::entry::EntryCall;
use lockstep_core::ids::Side;
use lockstep_core::money::Amount;
use lockstep_core::transfer::{DepositStage, Location, RecoverAction, TransferStage};
use lockstep_devnet::arbitrum::Settings;
use serde_json::json;

const ETHER: Address = Address::ZERO;
const CREDITED: TransferStage = TransferStage::Deposit(DepositStage::Credited);
const SENT: TransferStage = TransferStage::Deposit(DepositStage::Sent);
const PLANNED: TransferStage = TransferStage::Deposit(DepositStage::Planned);

fn failed(action: RecoverAction) -> TransferStage {
    TransferStage::Deposit(DepositStage::FailedRecoverable(action))
}

async fn assert_open(world: &World, channel: &Channel, deposit: u64) {
    let stored = world.stored(channel).await;
    assert_eq!(stored.status, 2, "active");
    let held = world.network.l2.balance(world.contracts.channel).await;
    assert_eq!(held, U256::from(deposit));
}

/// The id of the only ticket.
async fn only_ticket(world: &World) -> alloy_primitives::B256 {
    use alloy::rpc::types::Filter;
    use alloy_sol_types::SolEvent;
    let filter = Filter::new().from_block(0).address(ARB_RETRYABLE_TX);
    let filter = filter.event_signature(IArbRetryableTx::TicketCreated::SIGNATURE_HASH);
    let logs = world.network.l2.endpoint().logs(&filter).await.unwrap();
    assert_eq!(logs.len(), 1);
    logs[0].topics()[1]
}

#[tokio::test]
async fn one_l1_transaction_opens_a_channel_with_exactly_its_deposit() {
    let mut world = World::start().await;
    let channel = world.channel(1, ETHER);
    let id = world.fund(&world.open_order(&channel, ETHER)).await;
    let seen = world.until(id, CREDITED).await;
    assert_eq!(seen, [PLANNED, CREDITED]);
    assert_eq!(world.sender.count(), 1);
    assert_open(&world, &channel, DEPOSIT).await;
}

#[tokio::test]
async fn p85_nothing_is_delivered_before_l1_is_final_nor_credited_before_the_rollup_is() {
    let mut world = World::start().await;
    let channel = world.channel(1, ETHER);
    let id = world.fund(&world.open_order(&channel, ETHER)).await;
    world.look_for(id, SENT).await;
    assert_eq!(world.courier.view(id).unwrap().next.waiting, Waiting::ForL1Finality);
    assert_eq!(world.stored(&channel).await.status, 0, "the rollup knows nothing yet");
    // L1 becomes final, and the rollup delivers, but no batch of it is on L1.
    world.network.turn(|knobs| knobs.posts_batches = false).await;
    world.network.finalize_l1().await;
    world.look_for(id, TransferStage::Deposit(DepositStage::L1Final)).await;
    assert_open(&world, &channel, DEPOSIT).await;
    assert_eq!(world.courier.view(id).unwrap().next.waiting, Waiting::ForL2Finality);
    assert_eq!(world.courier.view(id).unwrap().transfer.location(), Location::InFlight);
    world.network.turn(|knobs| knobs.posts_batches = true).await;
    world.until(id, CREDITED).await;
}

#[tokio::test]
async fn an_open_channel_is_topped_up_in_one_transaction() {
    let mut world = World::start().await;
    let channel = world.channel(1, ETHER);
    let id = world.fund(&world.open_order(&channel, ETHER)).await;
    world.until(id, CREDITED).await;
    let amount = Amount::from_u256(U256::from(77));
    let call = EntryCall::Deposit { terms: channel.terms, side: Side::Two, amount };
    let id = world.fund(&world.order(&channel, call, ETHER)).await;
    world.until(id, CREDITED).await;
    assert_open(&world, &channel, DEPOSIT + 77).await;
}

#[tokio::test]
async fn p90_a_bid_below_the_base_fee_is_run_again_by_us_and_nothing_is_lost() {
    let room = HeadRoom { price_percent: 0, ..HeadRoom::default() };
    let mut world = World::start_with(Settings::default(), room).await;
    let channel = world.channel(1, ETHER);
    let id = world.fund(&world.open_order(&channel, ETHER)).await;
    // The base fee moves between the estimate and the inclusion.
    world.network.turn(|knobs| knobs.base_fee *= 3).await;
    let seen = world.until(id, CREDITED).await;
    let redeem = failed(RecoverAction::Redeem);
    assert_eq!(seen, [PLANNED, redeem, CREDITED]);
    assert_eq!(world.sender.count(), 2, "one redeem and no more");
    assert_open(&world, &channel, DEPOSIT).await;
}

#[tokio::test]
async fn p90_an_attempt_that_ran_out_of_gas_is_made_again_with_enough() {
    let mut world = World::start().await;
    world.network.turn(|knobs| knobs.auto_redeem_gas = Some(45_000)).await;
    let channel = world.channel(1, ETHER);
    let id = world.fund(&world.open_order(&channel, ETHER)).await;
    let seen = world.until(id, CREDITED).await;
    assert_eq!(seen, [PLANNED, failed(RecoverAction::Redeem), CREDITED]);
    assert_open(&world, &channel, DEPOSIT).await;
}

#[tokio::test]
async fn p90_a_call_that_fails_is_kept_alive_before_a_week_is_over_and_run_once_it_can() {
    let mut world = World::start().await;
    let channel = world.channel(1, ETHER);
    let id = world.fund(&world.open_order(&channel, ETHER)).await;
    let contract = world.contracts.channel;
    let code = world.network.l2.endpoint().code(contract).await.unwrap();
    world.network.l2.ask("anvil_setCode", json!([contract, "0xfe"])).await;
    world.until(id, failed(RecoverAction::Redeem)).await;
    world.until_quiet().await;
    assert_eq!(world.sender.count(), 1, "an attempt that would fail is not paid for");
    assert_eq!(world.courier.view(id).unwrap().transfer.location(), Location::Refundable);

    world.network.pass_l2_time(LIFETIME_SECS - KEEPALIVE_MARGIN_SECS + 60).await;
    world.until_quiet().await;
    assert_eq!(world.sender.count(), 2, "kept alive once");
    world.network.pass_l2_time(KEEPALIVE_MARGIN_SECS + 60).await;
    world.until_quiet().await;
    assert_eq!(world.stage(id), failed(RecoverAction::Redeem), "older than a week, and alive");

    world.network.l2.ask("anvil_setCode", json!([contract, code])).await;
    world.until(id, CREDITED).await;
    assert_open(&world, &channel, DEPOSIT).await;
}

#[tokio::test]
async fn p88_a_ticket_that_expired_is_labelled_and_not_forgotten() {
    let mut world = World::start().await;
    let channel = world.channel(1, ETHER);
    let id = world.fund(&world.open_order(&channel, ETHER)).await;
    world.network.l2.ask("anvil_setCode", json!([world.contracts.channel, "0xfe"])).await;
    world.until(id, failed(RecoverAction::Redeem)).await;
    // The node was off for more than a week.
    world.network.pass_l2_time(LIFETIME_SECS + 60).await;
    let expired = TransferStage::Deposit(DepositStage::Expired(RecoverAction::Cancel));
    world.until(id, expired).await;
    assert_eq!(world.courier.view(id).unwrap().transfer.location(), Location::Refundable);
    assert_eq!(world.courier.view(id).unwrap().next.waiting, Waiting::ForOperator);
}

#[tokio::test]
async fn a_ticket_that_somebody_else_ran_is_credited_without_paying_again() {
    let mut world = World::start().await;
    world.network.turn(|knobs| knobs.auto_redeem_gas = Some(45_000)).await;
    let channel = world.channel(1, ETHER);
    let id = world.fund(&world.open_order(&channel, ETHER)).await;
    world.network.finalize_l1().await;
    let stranger = Address::repeat_byte(0xee);
    world.network.l2.set_balance(stranger, U256::from(10).pow(U256::from(19))).await;
    let call = IArbRetryableTx::redeemCall { ticketId: only_ticket(&world).await };
    assert!(world.send_l2(stranger, ARB_RETRYABLE_TX, &call).await.is_success());
    world.until(id, CREDITED).await;
    assert_eq!(world.sender.count(), 1);
    assert_open(&world, &channel, DEPOSIT).await;
}

#[tokio::test]
async fn the_beneficiary_alone_cancels_a_ticket_and_has_its_ether_back() {
    let mut world = World::start().await;
    let channel = world.channel(1, ETHER);
    let id = world.fund(&world.open_order(&channel, ETHER)).await;
    world.network.l2.ask("anvil_setCode", json!([world.contracts.channel, "0xfe"])).await;
    world.until(id, failed(RecoverAction::Redeem)).await;
    let record = world.record(id);
    let refused = world.rollup.cancel(&record, world.theirs).await.unwrap_err();
    assert!(matches!(refused, BridgeError::NotOwner { owner, .. } if owner == world.ours));

    let call = world.rollup.cancel(&record, world.ours).await.unwrap();
    let before = world.network.l2.balance(world.ours).await;
    let tx = world.network.l2.send_as(world.ours, Some(call.to), U256::ZERO, call.data).await;
    assert!(world.network.l2.landed(tx).await.is_success());
    world.until(id, TransferStage::Deposit(DepositStage::Refunded)).await;
    let receipt = world.network.l2.ask("eth_getTransactionReceipt", json!([tx])).await;
    let number = |field: &str| serde_json::from_value::<U256>(receipt[field].clone()).unwrap();
    let fee = number("gasUsed") * number("effectiveGasPrice");
    let after = world.network.l2.balance(world.ours).await;
    assert_eq!(after + fee, before + U256::from(DEPOSIT));
}

#[tokio::test]
async fn an_order_to_cancel_gives_up_a_kept_ticket_once_and_nothing_else() {
    let mut world = World::start().await;
    let channel = world.channel(1, ETHER);
    let id = world.fund(&world.open_order(&channel, ETHER)).await;
    // Before the rollup has it there is nothing to give up.
    let refused = world.courier.cancel(id).await.unwrap_err();
    assert!(matches!(refused, BridgeError::NotKept), "{refused}");
    let unknown = B256::repeat_byte(0xdd);
    let refused = world.courier.cancel(unknown).await.unwrap_err();
    assert!(matches!(refused, BridgeError::UnknownTransfer { id } if id == unknown), "{refused}");

    world.network.l2.ask("anvil_setCode", json!([world.contracts.channel, "0xfe"])).await;
    world.until(id, failed(RecoverAction::Redeem)).await;
    let sent = world.sender.count();
    world.courier.plan_cancel(id).await.unwrap();
    assert_eq!(world.sender.count(), sent, "a look sends nothing");
    let before = world.network.l2.balance(world.ours).await;
    world.courier.cancel(id).await.unwrap();
    assert_eq!(world.sender.count(), sent + 1);
    world.courier.cancel(id).await.unwrap_err();
    world.until(id, TransferStage::Deposit(DepositStage::Refunded)).await;
    assert_eq!(world.sender.count(), sent + 1, "it is sent once, and the ticket is not run again");
    assert!(world.network.l2.balance(world.ours).await > before, "its coin is back");
    let refused = world.courier.cancel(id).await.unwrap_err();
    assert!(matches!(refused, BridgeError::NotKept), "{refused}");
}

#[tokio::test]
async fn the_ticket_of_a_token_is_never_given_up_since_the_token_would_be_lost() {
    let mut world = World::start().await;
    world.grant_token(DEPOSIT).await;
    let l2_token = world.l2_token().await;
    let channel = world.channel(1, l2_token);
    world.network.turn(|knobs| knobs.auto_redeem_gas = Some(45_000)).await;
    let token = world.network.tokens.token;
    let id = world.fund(&world.open_order(&channel, token)).await;
    world.until(id, failed(RecoverAction::Redeem)).await;
    let refused = world.courier.cancel(id).await.unwrap_err();
    assert!(matches!(refused, BridgeError::CancelLoses), "{refused}");
    let delivered = TransferStage::Deposit(DepositStage::Delivered);
    let seen = world.until(id, CREDITED).await;
    assert!(seen.contains(&delivered), "{seen:?}");
}

#[tokio::test]
async fn p89_refunds_to_a_contract_are_refused_since_its_alias_has_no_key() {
    let world = World::start().await;
    let channel = world.channel(1, ETHER);
    let mut order = world.open_order(&channel, ETHER);
    order.refund_to = world.network.contracts.bridge;
    let refused = world.rollup.fund(&order).await.unwrap_err();
    assert!(matches!(refused, BridgeError::ContractRefund { .. }), "{refused}");
    // An account that has delegated to code (EIP-7702) is aliased too.
    let delegated = Address::repeat_byte(0x77);
    let code = Bytes::from([&[0xef, 0x01, 0x00], [0x11; 20].as_slice()].concat());
    world.network.l1.ask("anvil_setCode", json!([delegated, code])).await;
    order.refund_to = delegated;
    let refused = world.rollup.fund(&order).await.unwrap_err();
    assert!(matches!(refused, BridgeError::ContractRefund { .. }), "{refused}");
}

#[tokio::test]
async fn a_call_that_only_its_owner_may_make_is_refused_since_the_rollup_sees_an_alias() {
    let world = World::start().await;
    let channel = world.channel(1, ETHER);
    let amount = Amount::from_u256(U256::from(DEPOSIT));
    let open = EntryCall::Open { terms: channel.terms, amount, consent: None };
    let join = EntryCall::Join { terms: channel.terms, amount };
    for (call, owner) in [(open, world.ours), (join, world.theirs)] {
        let refused = world.rollup.fund(&world.order(&channel, call, ETHER)).await.unwrap_err();
        let is_owner =
            matches!(refused, BridgeError::NotOwner { owner: found, .. } if found == owner);
        assert!(is_owner, "{refused}");
    }
}

#[tokio::test]
async fn a_submission_fee_that_is_too_low_at_inclusion_moves_no_money() {
    let room = HeadRoom { submission_percent: 0, ..HeadRoom::default() };
    let mut world = World::start_with(Settings::default(), room).await;
    let channel = world.channel(1, ETHER);
    let start = world.rollup.fund(&world.open_order(&channel, ETHER)).await.unwrap();
    let id = start.record.transfer.id;
    let before = world.network.l1.balance(world.network.contracts.bridge).await;
    // L1's base fee moves before the block that holds the transaction.
    let fee = "0x12a05f200";
    world.network.l1.ask("anvil_setNextBlockBaseFeePerGas", json!([fee])).await;
    world.courier.begin(start).await.unwrap();
    world.until(id, TransferStage::Deposit(DepositStage::Abandoned)).await;
    assert_eq!(world.network.l1.balance(world.network.contracts.bridge).await, before);
}

#[tokio::test]
async fn a_reorganised_l1_block_takes_the_deposit_back_to_where_it_came_from() {
    let mut world = World::start().await;
    let channel = world.channel(1, ETHER);
    let id = world.fund(&world.open_order(&channel, ETHER)).await;
    world.look_for(id, SENT).await;
    world.network.l1.ask("anvil_reorg", json!([1, []])).await;
    world.look_for(id, PLANNED).await;
    assert_eq!(world.courier.view(id).unwrap().transfer.location(), Location::Source);
    world.network.finalize_l1().await;
    assert_eq!(world.stored(&channel).await.status, 0, "the rollup never heard of it");
}

#[tokio::test]
async fn two_deposits_of_one_account_in_one_block_open_two_channels() {
    let mut world = World::start().await;
    let (one, two) = (world.channel(1, ETHER), world.channel(2, ETHER));
    world.network.l1.ask("evm_setAutomine", json!([false])).await;
    let first = world.fund(&world.open_order(&one, ETHER)).await;
    let second = world.fund(&world.open_order(&two, ETHER)).await;
    world.network.l1.ask("evm_setAutomine", json!([true])).await;
    world.until(first, CREDITED).await;
    world.until(second, CREDITED).await;
    assert_eq!(world.stored(&one).await.status, 2);
    assert_open(&world, &two, 2 * DEPOSIT).await;
}

#[tokio::test]
async fn a_token_goes_over_its_gateway_into_the_box_and_from_there_to_the_channel() {
    let mut world = World::start().await;
    let tokens = world.network.tokens;
    let l2_token = world.l2_token().await;
    world.grant_token(DEPOSIT).await;
    let channel = world.channel(1, l2_token);
    let id = world.fund(&world.open_order(&channel, tokens.token)).await;
    let seen = world.until(id, CREDITED).await;
    let delivered = TransferStage::Deposit(DepositStage::Delivered);
    assert_eq!(seen, [PLANNED, delivered, CREDITED]);
    assert_eq!(world.sender.count(), 3, "approve, start, collect");
    let held = world.token_balance(Layer::L2, l2_token, world.contracts.channel).await;
    assert_eq!(held, U256::from(DEPOSIT));
    assert_eq!(world.stored(&channel).await.status, 2);
    let escrow = world.token_balance(Layer::L1, tokens.token, tokens.l1_gateway).await;
    assert_eq!(escrow, U256::from(DEPOSIT));
}

#[tokio::test]
async fn p95_a_token_that_is_not_the_bridges_own_form_is_refused() {
    let world = World::start().await;
    world.grant_token(DEPOSIT).await;
    let channel = world.channel(1, Address::repeat_byte(0x42));
    let order = world.open_order(&channel, world.network.tokens.token);
    let refused = world.rollup.fund(&order).await.unwrap_err();
    assert!(matches!(refused, BridgeError::WrongToken { .. }), "{refused}");
}
