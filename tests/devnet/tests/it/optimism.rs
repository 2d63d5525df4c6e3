use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolCall;
use lockstep_bridge::optimism::abi::IPortal;
use lockstep_bridge::optimism::deposit::deposits_of;
use lockstep_devnet::optimism::{Optimism, PORTAL, ether};

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
