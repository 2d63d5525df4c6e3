//! A chain that mines, the contracts on it, and a folder that is gone in the end: where nodes live.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use alloy_primitives::{Address, Bytes, U256, hex};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::anvil::{Anvil, Mining};
use crate::json_rpc;
use crate::node::{Node, Options};
use crate::patiently;

/// How often a block is made. Each is a second of the chain's time.
const BLOCK: Duration = Duration::from_millis(100);
/// Gas that any call of a test gets.
const GAS: u64 = 3_000_000;

/// A chain, its contracts, and where nodes keep their files.
pub struct World {
    /// The chain.
    pub anvil: Anvil,
    folder: TempDir,
    miner: JoinHandle<()>,
    pace: Arc<Pace>,
    names: AtomicU64,
}

/// What the miner does.
#[derive(Default)]
struct Pace {
    is_paused: AtomicBool,
    /// Units: wei per gas; 0 where the chain decides.
    base_fee: AtomicU64,
}

impl Drop for World {
    fn drop(&mut self) {
        self.miner.abort();
    }
}

impl World {
    /// A chain that mines, and nothing on it.
    ///
    /// # Panics
    /// When there is no folder for it.
    pub fn bare() -> Self {
        let anvil = Anvil::start(Mining::OnDemand);
        let url = anvil.url.clone();
        let pace = Arc::new(Pace::default());
        let own = pace.clone();
        let miner = tokio::spawn(async move {
            loop {
                tokio::time::sleep(BLOCK).await;
                if own.is_paused.load(Ordering::SeqCst) {
                    continue;
                }
                let base_fee = own.base_fee.load(Ordering::SeqCst);
                if base_fee > 0 {
                    let fee = json!([format!("{base_fee:#x}")]);
                    drop(json_rpc::ask(&url, "anvil_setNextBlockBaseFeePerGas", fee).await);
                }
                // At the end of a test the chain may be gone already.
                drop(json_rpc::ask(&url, "anvil_mine", json!(["0x1"])).await);
            }
        });
        let folder = tempfile::Builder::new().prefix("lockstep-e2e-").tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("deployments")).expect("a folder");
        Self { anvil, folder, miner, pace, names: AtomicU64::new(0) }
    }

    /// A chain with the contracts, put there by a node's account with `lockstep deploy`.
    pub async fn start() -> (Arc<Self>, Node) {
        let world = Arc::new(Self::bare());
        let node = world.node(&Options::default()).await;
        node.cli(&["deploy", "--yes"]).await.expect_done();
        (world, node)
    }

    /// No more blocks, but for those that a test makes. One may be under way.
    pub async fn pause(&self) {
        self.pace.is_paused.store(true, Ordering::SeqCst);
        tokio::time::sleep(BLOCK * 3).await;
    }

    /// Blocks come by themselves again.
    pub fn go_on(&self) {
        self.pace.is_paused.store(false, Ordering::SeqCst);
    }

    /// Every block from now on costs this much. Units: wei per gas.
    pub fn pin_base_fee(&self, base_fee: u64) {
        self.pace.base_fee.store(base_fee, Ordering::SeqCst);
    }

    /// Files of this test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the records of the contracts are.
    pub fn deployments(&self) -> PathBuf {
        self.folder().join("deployments")
    }

    /// A new node with money on the chain, which does not run yet.
    pub async fn node(self: &Arc<Self>, options: &Options) -> Node {
        let node = self.poor_node(options).await;
        self.anvil.fund(node.account()).await;
        node
    }

    /// A new node without any money.
    pub async fn poor_node(self: &Arc<Self>, options: &Options) -> Node {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        Node::init(self.clone(), &format!("node{number}"), options).await
    }

    /// Lets time pass on the chain.
    pub async fn pass(&self, secs: u64) {
        self.anvil.ask("evm_increaseTime", json!([secs])).await;
        self.anvil.mine(1).await;
    }

    /// Sends a transaction in the name of any account, and waits until it is in a block. The account's owner may use
    /// the same nonce in the meantime: then it is sent again.
    ///
    /// # Panics
    /// When it reverts.
    pub async fn send_as(&self, from: Address, to: Option<Address>, data: &Bytes) -> Value {
        self.anvil.ask("anvil_impersonateAccount", json!([from])).await;
        let gas = format!("{GAS:#x}");
        let call = json!([{"from": from, "to": to, "data": data, "gas": gas}]);
        let hash = Cell::new(self.anvil.ask("eth_sendTransaction", call.clone()).await);
        let receipt = patiently("a receipt", async || {
            let asked = json!([hash.replace(Value::Null)]);
            let receipt = self.anvil.ask("eth_getTransactionReceipt", asked.clone()).await;
            let known = self.anvil.ask("eth_getTransactionByHash", asked.clone()).await;
            let is_lost = receipt.is_null() && known.is_null();
            hash.set(match is_lost {
                true => self.anvil.ask("eth_sendTransaction", call.clone()).await,
                false => asked[0].clone(),
            });
            (!receipt.is_null()).then_some(receipt)
        })
        .await;
        self.anvil.ask("anvil_stopImpersonatingAccount", json!([from])).await;
        assert_eq!(receipt["status"], "0x1", "{receipt}");
        receipt
    }

    /// Asks a contract.
    ///
    /// # Panics
    /// When it answers with something else than one number.
    pub async fn view(&self, to: Address, data: &[u8]) -> U256 {
        let call = json!([{"to": to, "data": hex::encode_prefixed(data)}, "latest"]);
        let answer = self.anvil.ask("eth_call", call).await;
        answer.as_str().expect("text").parse().expect("a number")
    }

    /// What an account has paid for gas, ever. Units: wei.
    ///
    /// # Panics
    /// When the chain's answers are no blocks.
    pub async fn fees_of(&self, account: Address) -> U256 {
        let number =
            |value: &Value| -> U256 { value.as_str().expect("text").parse().expect("hex") };
        let mut fees = U256::ZERO;
        for block in 0..=self.anvil.head().await {
            let block = json!([format!("{block:#x}")]);
            let receipts = self.anvil.ask("eth_getBlockReceipts", block).await;
            for receipt in receipts.as_array().expect("receipts") {
                let from: Address = receipt["from"].as_str().expect("text").parse().expect("hex");
                if from == account {
                    fees += number(&receipt["gasUsed"]) * number(&receipt["effectiveGasPrice"]);
                }
            }
        }
        fees
    }
}
