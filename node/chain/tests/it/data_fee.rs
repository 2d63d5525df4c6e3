//! What rollups take for data beside gas. Contracts with the predeploys' functions stand at their addresses.

use crate::disk::{Disk, LANES, RICH, order, stale_close};
use crate::scene::{Scene, key, profile};
use alloy_primitives::{Address, U256, address};
use lockstep_chain::alarm::Alarm;
use lockstep_chain::endpoint::Endpoint;
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::port::LocalAccount;
use lockstep_chain::profile::{DataFee, Network, Profile};
use lockstep_chain::submitter::{Submitter, SubmitterEvent as Event, estimate};
use lockstep_core::chain::ChainCall;
use std::sync::Arc;

const ORACLE: Address = address!("420000000000000000000000000000000000000F");
const NODE_INTERFACE: Address = address!("00000000000000000000000000000000000000C8");
/// Units: wei; as the stub has it.
const FEE_PER_BYTE: u64 = 1_000_000_000_000;

async fn put(scene: &Scene, at: Address, code: &str) {
    scene.anvil.ask("anvil_setCode", (at, code.trim())).await;
}

fn endpoints(scene: &Scene, network: Network, data_fee: DataFee) -> Endpoints {
    let endpoint = Endpoint::new(&scene.anvil.url, crate::anvil::limits()).unwrap();
    let profile = Profile { network, data_fee, ..profile(1) };
    Endpoints::new(vec![endpoint], profile).unwrap()
}

fn submitter(scene: &Scene, endpoints: Endpoints, disk: &Disk) -> Submitter<Disk> {
    let account = LocalAccount::from_secret(&[LANES[0]; 32]).unwrap();
    Submitter::new(endpoints, scene.contracts, disk.clone(), vec![Arc::new(account)]).unwrap()
}

#[tokio::test]
async fn the_op_stack_s_fee_for_data_counts_in_the_estimate_and_in_what_an_account_must_hold() {
    let scene = Scene::start().await;
    put(&scene, ORACLE, include_str!("../fixtures/OracleStub.hex")).await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let plain = endpoints(&scene, Network::Development, DataFee::None);
    let rollup = endpoints(&scene, Network::Optimism, DataFee::OptimismOracle);
    let account = key(LANES[0]).address();
    let calls = [ChainCall::Challenge(channel.evidence(5, 20)), ChainCall::Close];
    let cost = async |endpoints: &Endpoints| {
        estimate(endpoints, &scene.contracts, account, &channel.terms, &calls).await.unwrap()
    };
    let (without, with) = (cost(&plain).await, cost(&rollup).await);
    assert_eq!(without.gas, with.gas);
    assert!(!with.is_simulated, "the settlement can't be simulated before its time");
    let fee = with.most.to_u256() - without.most.to_u256();
    // Two calls of at least 200 bytes beside their envelopes.
    assert!(
        fee > U256::from(FEE_PER_BYTE * 400) && fee < U256::from(FEE_PER_BYTE * 2_000),
        "{fee}"
    );
    // Enough for the gas, not for the data.
    let gas = without.most.to_u256();
    scene.anvil.ask("anvil_setBalance", (account, gas)).await;
    let disk = Disk::default();
    let mut sender = submitter(&scene, rollup, &disk);
    sender.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    let events = sender.step().await.unwrap();
    let is_empty = |e: &Event| matches!(e, Event::Alarm(Alarm::AccountEmpty { .. }));
    assert!(events.iter().any(is_empty), "{events:?}");
    scene.anvil.fund(account).await;
    sender.step().await.unwrap();
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.version, 5);
}

#[tokio::test]
async fn arbitrum_s_share_for_data_goes_into_the_gas_limit() {
    let scene = Scene::start().await;
    put(&scene, NODE_INTERFACE, include_str!("../fixtures/NodeInterfaceStub.hex")).await;
    let (channel, closes_at) = stale_close(&scene, 1).await;
    let plain = endpoints(&scene, Network::Development, DataFee::None);
    let rollup = endpoints(&scene, Network::Arbitrum, DataFee::ArbitrumNode);
    let account = key(LANES[0]).address();
    let calls = [ChainCall::Challenge(channel.evidence(5, 20))];
    let cost = async |endpoints: &Endpoints| {
        estimate(endpoints, &scene.contracts, account, &channel.terms, &calls).await.unwrap()
    };
    let (without, with) = (cost(&plain).await, cost(&rollup).await);
    let share = with.gas - without.gas;
    // A hundred for each of some hundred bytes.
    assert!((30_000..100_000).contains(&share), "{share}");
    scene.anvil.fund(account).await;
    let disk = Disk::default();
    let mut sender = submitter(&scene, rollup, &disk);
    sender.submit(order(&channel, channel.challenge(5, closes_at), RICH)).await.unwrap();
    sender.step().await.unwrap();
    scene.anvil.mine(1).await;
    assert_eq!(scene.stored(&channel).await.version, 5);
}

#[tokio::test]
async fn p78_accounts_that_could_not_pay_for_closing_every_channel_at_once_are_named() {
    let scene = Scene::start().await;
    let disk = Disk::default();
    let plain = endpoints(&scene, Network::Development, DataFee::None);
    let sender = submitter(&scene, plain, &disk);
    let account = key(LANES[0]).address();
    // About 310,000 gas each, at twenty times a base fee of 1 gwei: six thousandths of a coin.
    scene.anvil.ask("anvil_setBalance", (account, U256::from(RICH))).await;
    assert!(sender.reserve(3).await.unwrap().is_none());
    let alarm = sender.reserve(300).await.unwrap().expect("it is not enough");
    let Alarm::ReserveLow { needed, balance } = alarm else { panic!("{alarm:?}") };
    assert!(needed > balance && balance == U256::from(RICH));
}
