//! Very many closes at once.

use std::collections::BTreeSet;
use std::time::Duration;

use alloy_primitives::{B256, U256};
use lockstep_p2p::tower::message::ActedStage;
use lockstep_watchtower::intake::Policy;
use lockstep_watchtower::news::News;
use serde_json::json;

use crate::anvil::FINALITY;
use crate::kit::{Client, Heard, LOOK, acted, domain, leave, policy, sent, tower_with};
use crate::scene::{Channel, Scene};

/// Channels. More or fewer of them: `CLOSES=100`.
const CLOSES: u64 = 1_000;
/// Gas of a block, as Ethereum has it; a cheat's block is larger. Source: mainnet in 2026.
const BLOCK_GAS: u64 = 60_000_000;
/// How long a thousand of anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

fn channel(scene: &Scene, number: u64) -> Channel {
    let mut channel = scene.channel(1);
    channel.terms.salt = B256::from(U256::from(number));
    channel.id = channel.terms.channel_id(domain(scene));
    channel
}

/// Channels that are open on the chain, and money for their closes.
pub async fn open_all(scene: &Scene, closes: u64) -> Vec<Channel> {
    gas_of_blocks(scene, 4_000_000_000).await;
    let balance = U256::from(10).pow(U256::from(24));
    scene.anvil.ask("anvil_setBalance", (scene.owner1, balance)).await;
    let channels: Vec<Channel> = (1..=closes).map(|number| channel(scene, number)).collect();
    for channel in &channels {
        scene.send_open(channel).await;
    }
    scene.anvil.mine(1).await;
    channels
}

/// Whoever has many channels, and leaves them quickly.
pub fn generous() -> Policy {
    Policy { puts_per_minute: u32::MAX, slots: u32::MAX, ..policy() }
}

async fn gas_of_blocks(scene: &Scene, gas: u64) {
    scene.anvil.ask("evm_setBlockGasLimit", (U256::from(gas),)).await;
}

async fn until(what: &str, heard: &Heard, is_so: impl Fn(&Heard) -> bool) {
    let waiting = async {
        while !is_so(heard) {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what}: {:?}", acted(heard));
}

fn transactions(heard: &Heard, stage: ActedStage) -> BTreeSet<B256> {
    let heard = heard.lock().unwrap();
    let txs = heard.iter().filter_map(|news| match news {
        News::Acted(acted) if acted.stage == stage => acted.tx_hash,
        News::Acted(_)
        | News::Failed { .. }
        | News::HalfOfWindow { .. }
        | News::EscapeFails { .. }
        | News::EscapeWorks { .. }
        | News::Chain(_) => None,
    });
    txs.collect()
}

/// Closes every channel with an old state in one block, and waits until all are answered, finally; with how many
/// transactions, and how many blocks until the last of them was in one.
pub async fn close_all(scene: &Scene, channels: &[Channel], heard: &Heard) -> (u64, u64) {
    for channel in channels {
        scene.send_close(channel, 3).await;
    }
    scene.anvil.mine(1).await;
    let first = scene.anvil.ask("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(first["transactions"].as_array().unwrap().len(), channels.len(), "one block");
    gas_of_blocks(scene, BLOCK_GAS).await;
    let count = channels.len();
    let all = move |stage| move |heard: &Heard| acted(heard).get(&stage) == Some(&count);
    until("all are answered", heard, all(ActedStage::Sent)).await;
    let mut blocks = 0;
    loop {
        scene.anvil.mine(1).await;
        blocks += 1;
        let mut open = 0;
        for channel in channels {
            open += usize::from(scene.stored(channel).await.version != 7);
        }
        if open == 0 {
            break;
        }
        assert!(blocks < 20, "{open} closes are not answered");
    }
    until("all are seen in blocks", heard, all(ActedStage::Included)).await;
    scene.anvil.mine(FINALITY).await;
    until("all are final", heard, all(ActedStage::Final)).await;
    let used = sent(scene).await;
    assert_eq!(u64::try_from(transactions(heard, ActedStage::Included).len()).unwrap(), used);
    assert_eq!(used, u64::try_from(count.div_ceil(160)).unwrap(), "a batch has 160 rows");
    (used, blocks)
}

/// How many closes a test is to make.
pub fn closes_from_env(usual: u64) -> u64 {
    std::env::var("CLOSES").map_or(usual, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn p70_p71_a_thousand_stale_closes_in_one_block_are_all_answered_in_a_few_transactions() {
    let scene = Scene::start().await;
    let channels = open_all(&scene, closes_from_env(CLOSES)).await;
    let dir = tempfile::tempdir().unwrap();
    let (tower, address, heard) = tower_with(&scene, dir.path(), generous(), None).await;
    let client = Client::connect(&address, 1).await;
    for channel in &channels {
        leave(&client, &scene, channel, 7).await;
    }
    drop(client);
    let (used, blocks) = close_all(&scene, &channels, &heard).await;
    println!("{used} transactions, {blocks} blocks until the last is included");
    tower.stop().await;
}
