//! The network itself.

use alloy_primitives::U256;
use alloy_sol_types::SolCall;
use lockstep_bridge::arbitrum::abi::{ARB_SYS, IArbSys, IInbox};
use lockstep_devnet::arbitrum::{Network, Settings};

#[tokio::test]
async fn ether_from_l1_arrives_once_its_block_is_final_and_not_before() {
    let network = Network::start(Settings::default()).await;
    let user = network.owner;
    let before = network.l2.balance(user).await;
    let inbox = network.contracts.inbox;
    let value = U256::from(5_000_000_000_u64);
    let tx = network
        .l1
        .send_as(user, Some(inbox), value, IInbox::depositEthCall {}.abi_encode().into())
        .await;
    assert!(network.l1.landed(tx).await.is_success());
    let rollup =
        lockstep_chain::endpoint::Endpoint::new(network.url(), Default::default()).unwrap();
    assert_eq!(rollup.balance(user).await.unwrap(), before);
    network.finalize_l1().await;
    assert_eq!(rollup.balance(user).await.unwrap(), before + value);

    let call = IArbSys::withdrawEthCall { destination: user };
    let tx = network.l2.send_as(user, Some(ARB_SYS), value, call.abi_encode().into()).await;
    assert!(network.l2.landed(tx).await.is_success());
    let asserted = network.assert_state().await;
    network.confirm(&asserted).await;
}
