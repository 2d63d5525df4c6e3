use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::eip2718::Encodable2718;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use lockstep_bridge::optimism::abi::IPortal;
use lockstep_bridge::optimism::deposit::deposits_of;
use lockstep_devnet::optimism::{L2_CHAIN_ID, Optimism, PORTAL, ether};
use serde_json::json;

const SENDER: Address = Address::repeat_byte(0x51);
const TARGET: Address = Address::repeat_byte(0x7a);

fn deposit(value: U256) -> Bytes {
    let (to, data) = (TARGET, Bytes::new());
    let call =
        IPortal::depositTransactionCall { to, value, gasLimit: 60_000, isCreation: false, data };
    call.abi_encode().into()
}

#[tokio::test]
async fn two_deposits_of_a_sender_in_one_block_arrive_in_order_with_the_predicted_hashes() {
    let mut network = Optimism::start().await;
    network.l1.set_balance(SENDER, ether(10)).await;
    let one = network.l1.send_as(SENDER, Some(PORTAL), ether(1), deposit(ether(1))).await;
    let two = network.l1.send_as(SENDER, Some(PORTAL), ether(2), deposit(ether(2))).await;
    network.tick().await;
    let receipts = [network.l1.landed(one).await, network.l1.landed(two).await];
    assert_eq!(receipts[0].block_hash, receipts[1].block_hash);
    let logs: Vec<_> = receipts.iter().flat_map(|receipt| &receipt.logs).collect();
    let predicted: Vec<_> =
        deposits_of(logs, PORTAL).unwrap().iter().map(|deposit| deposit.hash()).collect();
    assert_eq!(network.derived(), predicted);
    for hash in predicted {
        assert!(network.l2.landed(hash).await.is_success());
    }
    assert_eq!(network.l2.balance(TARGET).await, ether(3));
}

#[tokio::test]
async fn a_sequencer_that_stands_still_or_censors_stops_its_own_users_but_not_l1() {
    let mut network = Optimism::start().await;
    network.l2.set_balance(SENDER, ether(10)).await;
    network.l1.set_balance(SENDER, ether(10)).await;
    network.knobs.is_sequencer_stopped = true;
    let receipt = network.send_l1(SENDER, Some(PORTAL), ether(1), deposit(ether(1))).await;
    assert!(receipt.is_success());
    assert_eq!(network.l2.balance(TARGET).await, ether(1));
}

#[tokio::test]
async fn many_transactions_of_one_account_that_wait_together_are_all_included() {
    let mut network = Optimism::start().await;
    let wallet = crate::scene::key(0x53);
    network.l2.set_balance(wallet.address(), ether(10)).await;
    let mut hashes = Vec::new();
    for nonce in 0..5 {
        let raw = transfer(&wallet, nonce, ether(1));
        let sent = network.l2.ask("eth_sendRawTransaction", json!([raw])).await;
        hashes.push(serde_json::from_value(sent).unwrap());
    }
    network.tick().await;
    for hash in hashes {
        assert!(network.l2.landed(hash).await.is_success());
    }
    assert_eq!(network.l2.balance(TARGET).await, ether(5));
}

fn transfer(wallet: &PrivateKeySigner, nonce: u64, value: U256) -> Bytes {
    let plain = TxEip1559 {
        chain_id: L2_CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(TARGET),
        value,
        ..TxEip1559::default()
    };
    let signature = wallet.sign_hash_sync(&plain.signature_hash()).unwrap();
    plain.into_signed(signature).encoded_2718().into()
}

#[tokio::test]
async fn a_reorganised_l1_takes_the_deposit_back_and_gives_it_another_hash() {
    let mut network = Optimism::start().await;
    network.l1.set_balance(SENDER, ether(10)).await;
    network.send_l1(SENDER, Some(PORTAL), ether(1), deposit(ether(1))).await;
    let first = *network.derived().last().unwrap();
    network.reorg_l1(1).await;
    assert!(network.l2.receipt(first).await.is_none());
    assert_eq!(network.l2.balance(TARGET).await, U256::ZERO);
    network.send_l1(SENDER, Some(PORTAL), ether(1), deposit(ether(1))).await;
    let second = *network.derived().last().unwrap();
    assert_ne!(first, second);
    assert_eq!(network.l2.balance(TARGET).await, ether(1));
}

#[tokio::test]
async fn no_chain_outlives_the_process_that_started_it() {
    let network = Optimism::start().await;
    let keepers = [network.l1.keeper_id(), network.l2.keeper_id()];
    let children: Vec<String> = keepers
        .iter()
        .map(|id| std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap())
        .collect();
    let ids: Vec<&str> = children.iter().flat_map(|line| line.split_whitespace()).collect();
    assert!(ids.len() >= 2, "each keeper has a chain: {children:?}");
    drop(network);
    for id in ids {
        let name = std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        assert!(!name.contains("anvil"), "{id} still runs");
    }
}
