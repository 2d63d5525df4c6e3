//! A local network for people and programs: starts it, says where it is, makes blocks.
//!
//!   devnet [optimism | arbitrum]     on well-known ports, until ctrl-c; orders may be typed
//!   devnet optimism --piped          on free ports, told as one line of JSON; ends with its standard input

use lockstep_devnet::control::{Control, ORDERS, Proposer};
use lockstep_devnet::optimism::{Optimism, Ports};
use std::process::ExitCode;
use tokio::io::{AsyncBufReadExt, BufReader};

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

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["optimism"] => until_interrupted(for_people()).await,
        ["optimism", "--piped"] => {
            until_interrupted(piped()).await;
            ExitCode::SUCCESS
        }
        ["arbitrum"] => until_interrupted(lockstep_devnet::arbitrum::live()).await,
        _other => {
            eprintln!("usage: devnet [optimism [--piped] | arbitrum]");
            ExitCode::FAILURE
        }
    }
}

/// What ends by itself has failed; ctrl-c is how it should end.
async fn until_interrupted(network: impl Future<Output = ()>) -> ExitCode {
    tokio::select! {
        () = network => ExitCode::FAILURE,
        _ = tokio::signal::ctrl_c() => ExitCode::SUCCESS,
    }
}

async fn for_people() {
    let network = Optimism::start_at(Ports { l1: 8_545, l2: 9_545 }).await;
    let mut control = Control::new(network, Proposer::Steady);
    println!("OP Stack network, real contracts, one L1 block a second (ctrl-c ends it)");
    println!("{:#}", control.place());
    for (address, key) in ACCOUNTS {
        println!("  account {address}  key {key}");
    }
    println!("orders: {ORDERS}");
    control.run(BufReader::new(tokio::io::stdin()).lines()).await;
    // Without a terminal there are no orders; the network goes on.
    control.run_alone().await;
}

async fn piped() {
    let network = Optimism::start_at(Ports::default()).await;
    let mut control = Control::new(network, Proposer::Ordered);
    println!("{}", control.place());
    control.run(BufReader::new(tokio::io::stdin()).lines()).await;
}
