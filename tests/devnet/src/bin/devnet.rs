//! A local network for people: starts it, says where it is, makes blocks until ctrl-c.

use lockstep_devnet::optimism::{
    L1_BRIDGE, L1_CHAIN_ID, L2_CHAIN_ID, Optimism, PORTAL, Ports, SYSTEM_CONFIG,
};
use std::process::ExitCode;
use std::time::Duration;

/// Well-known keys of every local chain; each account holds 10,000 coins on both.
const ACCOUNTS: [(&str, &str); 2] = [
    (
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    ),
    (
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    ),
];

/// A root is proposed on L1 once in so many ticks, as a real proposer does once an hour.
const TICKS_PER_ROOT: u64 = 30;

#[tokio::main]
async fn main() -> ExitCode {
    let kind = std::env::args().nth(1).unwrap_or_else(|| "optimism".to_owned());
    match kind.as_str() {
        "optimism" => {}
        "arbitrum" => {
            return tokio::select! {
                () = lockstep_devnet::arbitrum::live() => ExitCode::FAILURE,
                _ = tokio::signal::ctrl_c() => ExitCode::SUCCESS,
            };
        }
        _ => {
            eprintln!("there is no local network of kind {kind}: 'optimism' and 'arbitrum' are");
            return ExitCode::FAILURE;
        }
    }
    let network = Optimism::start_at(Ports { l1: 8_545, l2: 9_545 }).await;
    println!("OP Stack network, real contracts, one L1 block a second (ctrl-c ends it)");
    println!("  L1      chain {L1_CHAIN_ID}  {}", network.l1.url());
    println!("  rollup  chain {L2_CHAIN_ID}  {}", network.l2.url());
    println!("  SystemConfig   {SYSTEM_CONFIG}");
    println!("  Portal         {PORTAL}");
    println!("  StandardBridge {L1_BRIDGE}");
    for (address, key) in ACCOUNTS {
        println!("  account {address}  key {key}");
    }
    tokio::select! {
        () = live(network) => ExitCode::FAILURE,
        _ = tokio::signal::ctrl_c() => ExitCode::SUCCESS,
    }
}

async fn live(mut network: Optimism) {
    let mut ticks = 0;
    loop {
        network.tick().await;
        ticks += 1;
        if ticks % TICKS_PER_ROOT == 0 {
            let game = network.propose().await;
            println!("root of rollup block {} proposed: game {}", game.block, game.address);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
