//! The network for people: starts it, says where it is, posts, asserts and confirms until it is stopped.

use super::{Asserted, Network, Settings};
use std::time::Duration;

/// Well-known keys of every local chain; each account holds 10,000 coins on both.
const ACCOUNTS: [(&str, &str); 2] = [
    (
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    ),
    (
        "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    ),
];

/// Seconds between two assertions.
const ASSERTION_SECS: u32 = 30;

/// Runs for ever.
pub async fn live() {
    let settings =
        Settings { l1_port: 8_545, l2_port: 9_545, l1_block_secs: Some(1), ..Settings::default() };
    let network = Network::start(settings).await;
    let (contracts, tokens) = (network.contracts, network.tokens);
    println!("Arbitrum network, real contracts on L1, one L1 block a second (ctrl-c ends it)");
    println!("  L1      chain {}  {}", settings.l1_chain_id, network.l1.url());
    println!("  rollup  chain {}  {}", settings.l2_chain_id, network.url());
    println!("  Inbox          {}", contracts.inbox);
    println!("  Outbox         {}", contracts.outbox);
    println!("  SequencerInbox {}", contracts.sequencer_inbox);
    println!("  GatewayRouter  {}", tokens.l1_router);
    println!("  token          {}  (all of it with {})", tokens.token, network.owner);
    for (address, key) in ACCOUNTS {
        println!("  account {address}  key {key}");
    }
    println!(
        "  knobs, as calls of the rollup's JSON-RPC: devnet_pause [bool], devnet_baseFee [wei],"
    );
    println!("  devnet_autoRedeemGas [gas or null]");
    let mut waiting: Option<Asserted> = None;
    loop {
        for _ in 0..ASSERTION_SECS {
            network.catch_up().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        if let Some(asserted) = waiting.take() {
            network.confirm(&asserted).await;
            println!("assertion {} confirmed", asserted.hash);
        }
        waiting = Some(network.assert_state().await);
    }
}
