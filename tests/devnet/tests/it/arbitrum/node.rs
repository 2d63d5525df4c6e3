//! Whole nodes as anybody runs them: a channel funded from L1 with one transaction, paid in, closed, and the money
//! back on L1, with the node killed on the way.

use crate::node::{Node, Place, open_from_l1, pay_and_close, wei};
use crate::token::transferCall;
use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{SolCall, SolValue};
use lockstep_bridge::arbitrum::abi::IL1GatewayRouter;
use lockstep_chain::token::IERC20;
use lockstep_devnet::arbitrum::{Network, Settings, TokenBridge};
use lockstep_devnet::chain::LocalChain;
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

const RECIPIENT: Address = Address::repeat_byte(0x77);
/// Between two blocks of the rollup.
const TICK: Duration = Duration::from_millis(500);

fn ether(count: u64) -> U256 {
    U256::from(count) * U256::from(10).pow(U256::from(18))
}

/// The rollup makes blocks by itself, as L1 does.
fn run(network: Arc<Network>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            network.l2.ask("evm_mine", json!([])).await;
            network.catch_up().await;
            tokio::time::sleep(TICK).await;
        }
    })
}

/// Two nodes on a rollup that makes blocks by itself; alice has coins on L1.
struct Scene {
    network: Arc<Network>,
    ticking: tokio::task::JoinHandle<()>,
    alice: Node,
    bob: Node,
    /// Alice's account on L1.
    account: Address,
    /// The last to go: a node that fails shows its log, which is in it.
    _folder: tempfile::TempDir,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

async fn network() -> Arc<Network> {
    Arc::new(Network::start(Settings { l1_block_secs: Some(1), ..Settings::default() }).await)
}

impl Scene {
    /// With a token of the rollup that both take, where one is named.
    async fn start(network: Arc<Network>, token: Option<Address>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (l1_id, l2_id) = (network.settings.l1_chain_id, network.settings.l2_chain_id);
        let (inbox, router) = (network.contracts.inbox, network.tokens.l1_router);
        let bridge = format!(
            "stack = \"arbitrum\"\nl1-chain-id = {l1_id}\nl2-chain-id = {l2_id}\nentry = \"{inbox}\"\n\
             token-router = \"{router}\"\nsource = \"the local network\"\ndate = \"2026-11-23\"\n"
        );
        fs::write(folder.path().join("bridge.toml"), bridge).unwrap();
        fs::create_dir(folder.path().join("deployments")).unwrap();
        let (l1, l2) = (network.l1.url(), network.url());
        let place = Place { kind: "arbitrum", l2_chain_id: l2_id, l1, l2 };
        let mut alice = Node::init(folder.path(), "alice", &place).await;
        let mut bob = Node::init(folder.path(), "bob", &place).await;
        for node in [&mut alice, &mut bob] {
            network.l2.set_balance(node.account, ether(1)).await;
            if let Some(token) = token {
                node.take_token(&format!("TUSD:{token}:6"));
            }
        }
        let ticking = run(network.clone());
        alice.cli(&["deploy", "--yes"]).await;
        bob.start().await;
        alice.start().await;
        let is_ready = |all: &Value| all[0]["l1Account"].is_string();
        let report = alice.until(&["networks"], "a checked bridge", is_ready).await;
        assert!(wei(&report[0]["challengeFee"]) > U256::ZERO);
        let account: Address = report[0]["l1Account"].as_str().unwrap().parse().unwrap();
        network.l1.set_balance(account, ether(10)).await;
        Self { _folder: folder, network, ticking, alice, bob, account }
    }

    /// To the recipient on L1, over a kill at every stage.
    async fn withdraw(&mut self, amount: &str) {
        let (alice, network) = (&mut self.alice, &self.network);
        let to = RECIPIENT.to_string();
        alice.cli(&["withdraw", "--to", "l1", amount, "--recipient", &to]).await;
        let find = |all: &Value, test: &dyn Fn(&Value) -> bool| {
            let out = all.as_array().and_then(|all| all.iter().find(|it| it["direction"] == "out"));
            out.is_some_and(test)
        };
        let is = |state: &'static str| move |all: &Value| find(all, &|it| it["state"] == state);
        alice.kill_and_restart().await;
        let waits = |all: &Value| {
            find(all, &|it| it["waitsFor"].as_str().unwrap_or_default().contains("a root on L1"))
        };
        alice.until(&["transfers"], "final on the rollup", waits).await;
        let asserted = network.assert_state().await;
        alice.kill_and_restart().await;
        alice.until(&["transfers"], "proposed", is("proposed")).await;
        network.confirm(&asserted).await;
        alice.kill_and_restart().await;
        alice.until(&["transfers"], "paid on L1", is("done")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p86_p90_from_l1_into_a_channel_and_back_to_l1_with_real_nodes() {
    let mut scene = Scene::start(network().await, None).await;
    // The first attempt runs out of gas: the node runs the ticket again by itself.
    scene.network.turn(|knobs| knobs.auto_redeem_gas = Some(45_000)).await;
    let channel = open_from_l1(&mut scene.alice, &scene.bob, "2ETH", &[]).await;
    pay_and_close(&scene.alice, &scene.bob, &channel, "0.5ETH").await;
    let after = scene.network.l2.balance(scene.bob.account).await;
    assert_eq!(after, ether(1) + ether(1) / U256::from(2), "bob has what he was paid");
    scene.withdraw("1ETH").await;
    assert_eq!(scene.network.l1.balance(RECIPIENT).await, ether(1));
}

/// Carries some of the network's token over its gateway, as anybody's wallet does; the first time makes its form
/// on the rollup.
async fn carry(network: &Network, to: Address, amount: U256) -> Address {
    let TokenBridge { l1_router, l1_gateway, token, .. } = network.tokens;
    let allow = IERC20::approveCall { spender: l1_gateway, amount };
    send_l1(network, token, U256::ZERO, allow.abi_encode()).await;
    let submission = ether(1) / U256::from(100);
    let call = IL1GatewayRouter::outboundTransferCustomRefundCall {
        token,
        refundTo: network.owner,
        to,
        amount,
        maxGas: U256::from(2_000_000),
        gasPriceBid: U256::from(1_000_000_000),
        data: (submission, Bytes::new()).abi_encode_params().into(),
    };
    let value = submission + call.maxGas * call.gasPriceBid;
    send_l1(network, l1_router, value, call.abi_encode()).await;
    network.finalize_l1().await;
    let call = IL1GatewayRouter::calculateL2TokenAddressCall { token };
    let l2_token = network.l1.read(l1_router, &call).await;
    assert_eq!(held(&network.l2, l2_token, to).await, amount);
    l2_token
}

async fn send_l1(network: &Network, to: Address, value: U256, data: Vec<u8>) {
    let sent = network.l1.send_as(network.owner, Some(to), value, data.into()).await;
    assert!(network.l1.landed(sent).await.is_success());
}

async fn held(chain: &LocalChain, token: Address, account: Address) -> U256 {
    chain.read(token, &IERC20::balanceOfCall { account }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn p86_p90_p97_a_token_goes_from_l1_into_a_channel_and_back_to_l1_with_real_nodes() {
    let network = network().await;
    let l1_token = network.tokens.token;
    let l2_token = carry(&network, Address::repeat_byte(0x71), U256::from(1)).await;
    let mut scene = Scene::start(network, Some(l2_token)).await;
    let give = transferCall { to: scene.account, amount: U256::from(2_000_000) };
    send_l1(&scene.network, l1_token, U256::ZERO, give.abi_encode()).await;

    let name = l1_token.to_string();
    let flags = ["--l1-token", &name];
    let channel = open_from_l1(&mut scene.alice, &scene.bob, "1.5TUSD", &flags).await;
    let told = &scene.alice.cli(&["transfers"]).await[0];
    assert_eq!((&told["asset"]["symbol"], &told["amount"]), (&"TUSD".into(), &"1500000".into()));
    let left = held(&scene.network.l1, l1_token, scene.account).await;
    assert_eq!(left, U256::from(500_000), "exactly the deposit has left L1");

    pay_and_close(&scene.alice, &scene.bob, &channel, "0.499999TUSD").await;
    let (alice, bob) = (scene.alice.account, scene.bob.account);
    assert_eq!(held(&scene.network.l2, l2_token, alice).await, U256::from(1_000_001));
    assert_eq!(held(&scene.network.l2, l2_token, bob).await, U256::from(499_999));

    scene.withdraw("1.000001TUSD").await;
    assert_eq!(held(&scene.network.l1, l1_token, RECIPIENT).await, U256::from(1_000_001));
    assert_eq!(held(&scene.network.l2, l2_token, alice).await, U256::ZERO);
}
