//! A local chain of its own for each test: a free port, blocks only when asked for, killed on drop.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use lockstep_chain::endpoint::{Endpoint, RequestLimits};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Blocks from a fact's block until it is final.
pub(crate) const FINALITY: u64 = 2;

pub(crate) struct Anvil {
    child: Child,
    pub(crate) url: String,
    pub(crate) rpc: Endpoint,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // It outlives a crashed parent otherwise.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub(crate) fn limits() -> RequestLimits {
    let (timeout, backoff) = (Duration::from_secs(10), Duration::from_millis(10));
    RequestLimits { timeout, retries: 1, backoff }
}

impl Anvil {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(options: &[&str]) -> Self {
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let mut tools = folders.map(|folder| folder.join("contracts/script/tool.sh"));
        let tool = tools.find(|tool| tool.exists()).expect("a crate of this repository");
        let mut child = Command::new(tool)
            .args(["anvil", "--port", "0", "--no-mining", "--slots-in-an-epoch", "1"])
            .args(["--order", "fifo", "--base-fee", "1000000000"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil starts: run 'make setup' first");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let address = loop {
            let line = lines.next().expect("anvil says where it listens").expect("text");
            if let Some(address) = line.strip_prefix("Listening on ") {
                break address.trim().to_owned();
            }
        };
        // Its log must be read, or it blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://{address}");
        let rpc = Endpoint::new(&url, limits()).expect("address");
        Self { child, url, rpc }
    }

    pub(crate) async fn ask<P: serde::Serialize>(&self, method: &'static str, params: P) -> Value {
        let params = serde_json::to_value(params).expect("parameters");
        self.rpc.request::<Value, Value>(method, params).await.unwrap_or_else(|error| {
            panic!("{method}: {error}: {:?}", error.cause);
        })
    }

    pub(crate) async fn mine(&self, blocks: u64) {
        self.ask("anvil_mine", (U64::from(blocks),)).await;
    }

    pub(crate) async fn reorg(&self, depth: u64) {
        self.ask("anvil_reorg", json!([depth, []])).await;
    }

    pub(crate) async fn account(&self, index: usize) -> Address {
        let accounts = self.ask("eth_accounts", json!([])).await;
        serde_json::from_value(accounts[index].clone()).expect("an address")
    }

    pub(crate) async fn send(&self, from: Address, to: Address, value: u64, data: Bytes) -> B256 {
        let gas = U64::from(3_000_000);
        let value = U256::from(value);
        let transaction = json!({"from": from, "to": to, "value": value, "data": data, "gas": gas,
            "maxFeePerGas": U256::from(100_000_000_000_u64), "maxPriorityFeePerGas": U256::from(1_000)});
        let hash = self.ask("eth_sendTransaction", (transaction,)).await;
        serde_json::from_value(hash).expect("a hash")
    }

    pub(crate) async fn must_succeed(&self, tx: B256) {
        let receipt = self.rpc.receipt(tx).await.unwrap().expect("it is mined");
        assert!(receipt.is_success(), "{tx} failed");
    }

    pub(crate) async fn fund(&self, account: Address) {
        let balance = U256::from(10).pow(U256::from(20));
        self.ask("anvil_setBalance", (account, balance)).await;
    }

    pub(crate) async fn spike(&self, base_fee: u64) {
        self.ask("anvil_setNextBlockBaseFeePerGas", (U256::from(base_fee),)).await;
    }
}
