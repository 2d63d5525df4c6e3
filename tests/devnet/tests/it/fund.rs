//! Money from L1 into channels.

use crate::scene::{OTHER, OWNER, PAYER, Scene, address};
use alloy_primitives::{Address, B256, Bytes, U256};
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::order::FundOrder;
use lockstep_bridge::rollup::Rollup;
use lockstep_chain::rpc::BlockTag;
use lockstep_core::entry::EntryCall;
use lockstep_core::ids::Side;
use lockstep_core::money::Amount;
use lockstep_core::transfer::{DepositStage, Location, RecoverAction, TransferStage};
use lockstep_devnet::optimism::ether;
use serde_json::json;

fn is_at(stage: DepositStage) -> impl Fn(&lockstep_bridge::courier::TransferView) -> bool {
    move |view| view.transfer.stage == TransferStage::Deposit(stage)
}

#[tokio::test]
async fn p85_one_l1_transaction_opens_a_channel_and_counts_only_once_all_is_final() {
    let mut scene = Scene::start().await;
    let terms = scene.terms(1, Address::ZERO);
    let order = scene.order(1, scene.open(terms, ether(2)), Address::ZERO);
    let before = scene.network.l1.balance(address(PAYER)).await;
    let view = scene.begin(&order).await.unwrap();
    assert_eq!(view.transfer.location(), Location::Source);
    scene.until(order.id, is_at(DepositStage::Sent)).await;
    let sent = scene.courier.view(order.id).unwrap().transfer;
    assert_eq!(sent.location(), Location::InFlight);
    // The rollup has it already; it does not count before L1 and the rollup are final.
    let caused = scene.adapter.caused_by(sent.key.unwrap().tx).await.unwrap();
    assert!(scene.network.l2.receipt(caused[0]).await.is_some());
    let block = scene.network.l1.receipt(sent.key.unwrap().tx).await.unwrap().block_number().0;
    while scene.network.l1.header(BlockTag::Finalized).await.number() < block {
        assert!(is_at(DepositStage::Sent)(&scene.courier.view(order.id).unwrap()));
        scene.turn().await;
    }
    let view = scene.until(order.id, is_at(DepositStage::Credited)).await;
    assert_eq!(view.transfer.location(), Location::Destination);
    let stored = scene.stored(order.channel_id).await;
    assert_eq!((stored.status, U256::from(stored.deposit1)), (2, ether(2)));
    let after = scene.network.l1.balance(address(PAYER)).await;
    let key = view.transfer.key.unwrap();
    let receipt = scene.network.l1.receipt(key.tx).await.unwrap();
    assert!(
        before - after > ether(2) && before - after < ether(2) + U256::from(10).pow(U256::from(16))
    );
    assert!(receipt.is_success());
    // P86: the same order again moves nothing.
    let again = scene
        .courier
        .begin(
            scene
                .adapter
                .fund(&FundOrder {
                    call: EntryCall::Deposit {
                        terms,
                        side: Side::One,
                        amount: Amount::from_u256(ether(2)),
                    },
                    ..order.clone()
                })
                .await
                .unwrap(),
        )
        .await
        .unwrap();
    assert_eq!(again.transfer.key, view.transfer.key);
    assert_eq!(scene.network.l1.balance(address(PAYER)).await, after);
}

#[tokio::test]
async fn p86_a_node_killed_at_every_stage_funds_exactly_once() {
    let mut scene = Scene::start().await;
    let terms = scene.terms(2, Address::ZERO);
    let order = scene.order(2, scene.open(terms, ether(1)), Address::ZERO);
    scene.begin(&order).await.unwrap();
    for _ in 0..30 {
        scene.kill_and_restart().await;
        scene.turn().await;
        if is_at(DepositStage::Credited)(&scene.courier.view(order.id).unwrap()) {
            break;
        }
    }
    let view = scene.courier.view(order.id).unwrap();
    assert!(is_at(DepositStage::Credited)(&view), "{view:?}");
    assert_eq!(U256::from(scene.stored(order.channel_id).await.deposit1), ether(1));
    assert_eq!(scene.network.derived().len(), 1);
}

#[tokio::test]
async fn p88_an_l1_reorganisation_changes_the_hash_on_the_rollup_and_loses_nothing() {
    let mut scene = Scene::start().await;
    let terms = scene.terms(3, Address::ZERO);
    let order = scene.order(3, scene.open(terms, ether(1)), Address::ZERO);
    scene.begin(&order).await.unwrap();
    let view = scene.until(order.id, is_at(DepositStage::Sent)).await;
    let key = view.transfer.key.unwrap();
    let first = scene.adapter.caused_by(key.tx).await.unwrap();
    assert_eq!(first, scene.network.derived());
    let mined = scene.network.l1.receipt(key.tx).await.unwrap().block_number().0;
    let depth = scene.network.l1.head().await + 1 - mined;
    scene.network.reorg_l1(depth).await;
    assert!(scene.network.l1.receipt(key.tx).await.is_none());
    // Its block is gone: the money is where it came from, until the same bytes land again.
    scene.until(order.id, is_at(DepositStage::Planned)).await;
    scene.until(order.id, is_at(DepositStage::Credited)).await;
    let key = scene.courier.view(order.id).unwrap().transfer.key.unwrap();
    let second = scene.adapter.caused_by(key.tx).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(U256::from(scene.stored(order.channel_id).await.deposit1), ether(1));
}

#[tokio::test]
async fn p87_the_money_of_a_failed_delivery_is_found_and_fetched() {
    let mut scene = Scene::start().await;
    let terms = scene.terms(4, Address::ZERO);
    let good = scene.order(4, scene.open(terms, ether(3)), Address::ZERO);
    let mut start = scene.adapter.fund(&good).await.unwrap();
    // A deposit of too little gas: the call fails on the rollup, the coin stays with its payer there.
    let short = lockstep_bridge::optimism::abi::IPortal::depositTransactionCall {
        to: scene.contracts.channel,
        value: ether(3),
        gasLimit: 45_000,
        isCreation: false,
        data: lockstep_chain::call::encode_entry(&scene.contracts, &good.call).unwrap().data,
    };
    start.call.data = alloy_sol_types::SolCall::abi_encode(&short).into();
    scene.courier.begin(start).await.unwrap();
    let failed = DepositStage::FailedRecoverable(RecoverAction::Replay);
    let view = scene.until(good.id, is_at(failed)).await;
    assert_eq!(view.transfer.location(), Location::Refundable);
    assert_eq!(scene.network.l2.balance(address(PAYER)).await, ether(3));
    scene.kill_and_restart().await;
    let view = scene.until(good.id, is_at(DepositStage::Credited)).await;
    assert_eq!(view.transfer.location(), Location::Destination);
    assert_eq!(U256::from(scene.stored(good.channel_id).await.deposit1), ether(3));
    assert_eq!(scene.network.l2.balance(address(PAYER)).await, U256::ZERO);
}

#[tokio::test]
async fn p89_what_can_never_be_delivered_goes_to_the_refund_account() {
    let mut scene = Scene::start().await;
    let terms = scene.terms(5, Address::ZERO);
    let order = scene.order(5, scene.open(terms, ether(3)), Address::ZERO);
    let mut start = scene.adapter.fund(&order).await.unwrap();
    // A call that the contract always refuses, as if it had changed under way.
    let (value, garbage) = (ether(3), vec![1, 2, 3, 4]);
    let call = lockstep_bridge::optimism::abi::IPortal::depositTransactionCall {
        to: scene.contracts.channel,
        value,
        gasLimit: 100_000,
        isCreation: false,
        data: garbage.clone().into(),
    };
    start.call.data = alloy_sol_types::SolCall::abi_encode(&call).into();
    start.record.memo = scene.with_call(&start.record.memo, garbage);
    scene.courier.begin(start).await.unwrap();
    let failed = DepositStage::FailedRecoverable(RecoverAction::ClaimFailed);
    scene.until(order.id, is_at(failed)).await;
    let before = scene.network.l2.balance(address(OWNER)).await;
    scene.until(order.id, is_at(DepositStage::Refunded)).await;
    assert_eq!(scene.network.l2.balance(address(OWNER)).await - before, ether(3));
    assert_eq!(scene.network.l2.balance(address(PAYER)).await, U256::ZERO);
}

/// A wallet that makes any call: the address in the first word, the calldata behind it.
const WALLET: [u8; 34] =
    alloy_primitives::hex!("6020360380602060003760006000826000346000355af115601c57005b60006000fd");

#[tokio::test]
async fn p89_money_that_a_contract_has_left_at_its_alias_is_found_and_only_that_contract_moves_it()
{
    let mut scene = Scene::start().await;
    let wallet = Address::repeat_byte(0x5a);
    scene.network.l1.ask("anvil_setCode", json!([wallet, Bytes::from(WALLET)])).await;
    let (portal, channel) = (lockstep_devnet::optimism::PORTAL, scene.contracts.channel);
    let through = |to: Address, data: Vec<u8>| -> Bytes {
        [to.into_word().as_slice(), &data].concat().into()
    };
    // The contract pays into the channel contract by itself, and the call fails on the rollup.
    let call = lockstep_bridge::optimism::abi::IPortal::depositTransactionCall {
        to: channel,
        value: ether(2),
        gasLimit: 100_000,
        isCreation: false,
        data: Bytes::from(vec![1, 2, 3, 4]),
    };
    let data = through(portal, alloy_sol_types::SolCall::abi_encode(&call));
    let sent = scene.network.send_l1(address(OTHER), Some(wallet), ether(2), data).await;
    assert!(sent.is_success());
    let alias = lockstep_bridge::optimism::deposit::aliased(wallet);
    assert_eq!(scene.network.l2.balance(alias).await, ether(2), "where the money is");

    let found = scene.adapter.alias_purse(wallet, address(OWNER)).await.unwrap();
    assert_eq!((found.alias, found.balance), (alias, ether(2)));
    let rescue = found.call.unwrap();
    assert_eq!((rescue.to, rescue.value), (portal, U256::ZERO));
    let before = scene.network.l2.balance(address(OWNER)).await;
    // The same call of a stranger moves a stranger's money, of which there is none.
    scene.network.l2.set_balance(address(0x54), ether(2)).await;
    scene.network.l1.set_balance(address(0x54), ether(1)).await;
    scene.network.send_l1(address(0x54), Some(portal), U256::ZERO, rescue.data.clone()).await;
    assert_eq!(scene.network.l2.balance(alias).await, ether(2));
    assert_eq!(scene.network.l2.balance(address(OWNER)).await, before + ether(2));

    let data = through(rescue.to, rescue.data.to_vec());
    let sent = scene.network.send_l1(address(OTHER), Some(wallet), U256::ZERO, data).await;
    assert!(sent.is_success());
    assert_eq!(scene.network.l2.balance(alias).await, U256::ZERO);
    assert_eq!(scene.network.l2.balance(address(OWNER)).await, before + ether(4));
    let found = scene.adapter.alias_purse(wallet, address(OWNER)).await.unwrap();
    assert!(found.balance.is_zero() && found.call.is_none());
}

#[tokio::test]
async fn p89_an_alias_is_looked_up_for_contracts_alone_and_pays_nobody_who_could_not_move_it() {
    let scene = Scene::start().await;
    let refused = scene.adapter.alias_purse(address(PAYER), address(OWNER)).await;
    assert!(matches!(refused, Err(BridgeError::NotContract { .. })), "{refused:?}");
    let portal = lockstep_devnet::optimism::PORTAL;
    let refused = scene.adapter.alias_purse(portal, scene.contracts.channel).await;
    assert!(matches!(refused, Err(BridgeError::ContractRefund { .. })), "{refused:?}");
    let refused = scene.adapter.alias_purse(portal, Address::ZERO).await;
    assert!(matches!(refused, Err(BridgeError::ContractRefund { .. })), "{refused:?}");
}

#[tokio::test]
async fn p95_what_can_not_be_right_is_refused_before_anything_is_sent() {
    let mut scene = Scene::start().await;
    let terms = scene.terms(6, Address::ZERO);
    let order = scene.order(6, scene.open(terms, ether(1)), Address::ZERO);
    let count = scene.network.l1.endpoint().nonce(address(PAYER), lockstep_chain::rpc::At::Latest);
    assert_eq!(count.await.unwrap(), 0);

    let deposit =
        EntryCall::Deposit { terms, side: Side::One, amount: Amount::from_u256(ether(1)) };
    let refused = scene.begin(&FundOrder { call: deposit, ..order.clone() }).await;
    assert!(matches!(refused, Err(BridgeError::ChannelNotOpen)), "{refused:?}");

    let EntryCall::Open { terms, amount, .. } = order.call.clone() else { panic!("an open") };
    let alone = EntryCall::Open { terms, amount, consent: None };
    let refused = scene.begin(&FundOrder { call: alone, ..order.clone() }).await;
    assert!(matches!(refused, Err(BridgeError::NotOwner { .. })), "{refused:?}");

    let contract = scene.contracts.channel;
    let refused = scene.begin(&FundOrder { refund_to: contract, ..order.clone() }).await;
    assert!(matches!(refused, Err(BridgeError::ContractRefund { .. })), "{refused:?}");

    let payer = lockstep_devnet::optimism::PORTAL;
    let refused = scene.begin(&FundOrder { payer, ..order.clone() }).await;
    assert!(matches!(refused, Err(BridgeError::ContractPayer { .. })), "{refused:?}");

    let dust = scene.open(terms, U256::from(1_000));
    let refused = scene.begin(&FundOrder { call: dust, ..order.clone() }).await;
    assert!(matches!(refused, Err(BridgeError::BelowFee { .. })), "{refused:?}");

    let much = scene.open(terms, ether(1_000_000));
    let refused = scene.begin(&FundOrder { call: much, ..order.clone() }).await;
    assert!(matches!(refused, Err(BridgeError::NoFunds { .. })), "{refused:?}");

    let l1_token = Address::repeat_byte(0x99);
    let refused = scene.begin(&FundOrder { l1_token, ..order.clone() }).await;
    assert!(matches!(refused, Err(BridgeError::WrongToken { .. })), "{refused:?}");

    scene.network.pause().await;
    let refused = scene.begin(&order).await;
    assert!(matches!(refused, Err(BridgeError::Paused)), "{refused:?}");
    scene.network.unpause().await;

    let count = scene.network.l1.endpoint().nonce(address(PAYER), lockstep_chain::rpc::At::Latest);
    assert_eq!(count.await.unwrap(), 0);
    assert!(scene.courier.view(B256::repeat_byte(6)).is_none());
}

#[tokio::test]
async fn p97_a_token_opens_a_channel_from_l1_and_counts_only_once_it_left_its_box() {
    let mut scene = Scene::start().await;
    let (l1_token, l2_token) = scene.token_pair().await;
    let terms = scene.terms(7, l2_token);
    let order = scene.order(7, scene.open(terms, U256::from(5_000)), l1_token);
    scene.begin(&order).await.unwrap();
    let view = scene.until(order.id, is_at(DepositStage::Delivered)).await;
    assert_eq!(view.transfer.location(), Location::Destination);
    assert_eq!(
        scene.stored(order.channel_id).await.status,
        0,
        "no channel before its box is emptied"
    );
    scene.kill_and_restart().await;
    scene.until(order.id, is_at(DepositStage::Credited)).await;
    let stored = scene.stored(order.channel_id).await;
    assert_eq!((stored.status, U256::from(stored.deposit1)), (2, U256::from(5_000)));

    // Top it up: the approval is used up, so it is given anew.
    let amount = Amount::from(700_u64);
    let call = EntryCall::Deposit { terms, side: Side::Two, amount };
    let more = scene.order(8, call, l1_token);
    scene.begin(&more).await.unwrap();
    scene.until(more.id, is_at(DepositStage::Credited)).await;
    let stored = scene.stored(order.channel_id).await;
    assert_eq!(U256::from(stored.deposit2), U256::from(700));

    // P95: another token that calls itself the bridge's own is not.
    let (_, stranger) = scene.token_pair().await;
    let wrong = scene.terms(9, stranger);
    let wrong = scene.order(9, scene.open(wrong, U256::from(5)), Address::repeat_byte(0x98));
    let refused = scene.begin(&wrong).await;
    assert!(matches!(refused, Err(BridgeError::WrongToken { .. })), "{refused:?}");
}

#[tokio::test]
async fn p99_an_upgraded_bridge_takes_no_new_money_and_still_carries_what_is_under_way() {
    let mut scene = Scene::start().await;
    let terms = scene.terms(10, Address::ZERO);
    let order = scene.order(10, scene.open(terms, ether(1)), Address::ZERO);
    scene.begin(&order).await.unwrap();
    scene.upgrade_portal().await;
    let terms = scene.terms(11, Address::ZERO);
    let late = scene.order(11, scene.open(terms, ether(1)), Address::ZERO);
    let refused = scene.begin(&late).await;
    assert!(matches!(refused, Err(BridgeError::Upgraded)), "{refused:?}");
    scene.until(order.id, is_at(DepositStage::Credited)).await;
}
