//! The network itself, and which others the product takes it for.

use super::kit::{World, adapter, described};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;
use lockstep_bridge::arbitrum::abi::IInbox;
use lockstep_bridge::error::BridgeError;
use lockstep_bridge::network::BridgeNetwork;
use lockstep_bridge::rollup::Rollup;
use lockstep_chain::endpoint::{Endpoint, RequestLimits};
use lockstep_chain::rpc::BlockTag;
use lockstep_devnet::arbitrum::{Network, Settings, package};
use std::process::Command;

#[tokio::test]
async fn ether_from_l1_arrives_once_its_block_is_final_and_not_before() {
    let network = Network::start(Settings::default()).await;
    let user = network.owner;
    let before = network.l2.balance(user).await;
    let value = U256::from(5_000_000_000_u64);
    let call = IInbox::depositEthCall {}.abi_encode().into();
    let tx = network.l1.send_as(user, Some(network.contracts.inbox), value, call).await;
    assert!(network.l1.landed(tx).await.is_success());
    let rollup = Endpoint::new(network.url(), RequestLimits::default()).unwrap();
    assert_eq!(rollup.balance(user).await.unwrap(), before);
    network.finalize_l1().await;
    assert_eq!(rollup.balance(user).await.unwrap(), before + value);
    let caused = adapter(&network, described(&network)).caused_by(tx).await.unwrap();
    let receipt = rollup.receipt(caused[0]).await.unwrap().unwrap();
    assert!(receipt.is_success());
}

#[tokio::test]
async fn p93_another_chain_or_a_wrong_entry_is_refused_at_the_start() {
    let network = Network::start(Settings::default()).await;
    let right = described(&network);
    adapter(&network, right.clone()).check().await.unwrap();
    let refusal = async |bridge: BridgeNetwork| {
        adapter(&network, bridge).check().await.expect_err("it is another network")
    };
    let other = refusal(BridgeNetwork { l1_chain_id: 1, ..right.clone() }).await;
    assert!(matches!(other, BridgeError::WrongChain { expected: 1, .. }), "{other}");
    let other = refusal(BridgeNetwork { l2_chain_id: 42_161, ..right.clone() }).await;
    assert!(matches!(other, BridgeError::WrongChain { expected: 42_161, .. }), "{other}");
    let nobody = Address::repeat_byte(0x12);
    let other = refusal(BridgeNetwork { entry: nobody, ..right.clone() }).await;
    assert!(matches!(other, BridgeError::NoCode { .. }), "{other}");
    let pinned = Some(B256::repeat_byte(0x34));
    let other = refusal(BridgeNetwork { entry_code_hash: pinned, ..right.clone() }).await;
    assert!(matches!(other, BridgeError::OtherCode { .. }), "{other}");
    // A contract that is no inbox.
    let entry = network.contracts.stake_token;
    let other = refusal(BridgeNetwork { entry, ..right }).await;
    assert!(matches!(other, BridgeError::Chain { .. }), "{other}");
}

#[tokio::test]
async fn a_network_is_described_by_what_its_contracts_say() {
    let world = World::start().await;
    let report = world.rollup.report().await.unwrap();
    let settings = world.network.settings;
    assert_eq!(report.withdraw_secs, settings.confirm_blocks * 12);
    assert_eq!(report.force_secs, Some(settings.delay_blocks * 12));
    assert_eq!(report.vault, world.network.contracts.bridge);
    let head = world.endpoint.header(BlockTag::Latest, false).await.unwrap();
    assert_eq!(report.l2_base_fee, head.base_fee());
    assert!(!report.is_paused);
    let held = world.network.l1.balance(world.network.contracts.bridge).await;
    assert_eq!(report.locked, held);
}

#[test]
fn the_committed_precompiles_are_what_their_sources_compile_to() {
    let compiler = package::folder().join("compile.mjs");
    let output = Command::new("node").arg(compiler).arg("--check").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
