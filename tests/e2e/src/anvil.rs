//! A local chain of its own for each test: a free port, killed on drop.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use alloy_primitives::{Address, U256};

use crate::json_rpc;

/// When blocks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mining {
    /// Every second, as a chain for development does.
    EverySecond,
    /// Only when a test says so.
    OnDemand,
}

/// A running chain.
pub struct Anvil {
    child: Child,
    /// Its address.
    pub url: String,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // It outlives a crashed parent otherwise.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Anvil {
    /// Starts a chain with two blocks to finality and a base fee of 1 gwei.
    ///
    /// # Panics
    /// When the pinned tools are not installed.
    pub fn start(mining: Mining) -> Self {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/script/tool.sh");
        let mut command = Command::new(tool);
        command.args(["anvil", "--port", "0", "--slots-in-an-epoch", "1", "--order", "fifo"]);
        command.args(["--base-fee", "1000000000"]);
        match mining {
            Mining::EverySecond => command.args(["--block-time", "1"]),
            Mining::OnDemand => command.arg("--no-mining"),
        };
        let mut child = command
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
        Self { child, url: format!("http://{address}") }
    }

    /// Asks one thing.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn ask(&self, method: &str, params: Value) -> Value {
        json_rpc::ask(&self.url, method, params)
            .await
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Makes blocks.
    pub async fn mine(&self, blocks: u64) {
        self.ask("anvil_mine", json!([format!("{blocks:#x}")])).await;
    }

    /// Makes the last blocks anew, without what was in them.
    pub async fn reorg(&self, depth: u64) {
        self.ask("anvil_reorg", json!([depth, []])).await;
    }

    /// Gives an account a hundred coins.
    pub async fn fund(&self, account: Address) {
        let hundred = U256::from(10).pow(U256::from(20));
        self.ask("anvil_setBalance", json!([account, hundred])).await;
    }

    /// What an account holds.
    ///
    /// # Panics
    /// When the answer is no number.
    pub async fn balance(&self, account: Address) -> U256 {
        let balance = self.ask("eth_getBalance", json!([account, "latest"])).await;
        serde_json::from_value(balance).expect("a number")
    }

    /// Number of the newest block.
    ///
    /// # Panics
    /// When the answer is no number.
    pub async fn head(&self) -> u64 {
        let head: U256 =
            serde_json::from_value(self.ask("eth_blockNumber", json!([])).await).expect("a number");
        head.to::<u64>()
    }

    /// What the next block charges at least, from when on nobody may pay less.
    pub async fn spike(&self, base_fee: u64) {
        self.ask("anvil_setNextBlockBaseFeePerGas", json!([format!("{base_fee:#x}")])).await;
    }
}
