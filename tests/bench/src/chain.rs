//! A local chain for the nodes. It makes blocks fast while channels are opened, and one a second while things are
//! measured, as a rollup does.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::caller::Caller;
use crate::setting::Setting;

/// How often blocks come while something waits for the chain.
const FAST: Duration = Duration::from_millis(100);
/// How many looks at the clock make a slow block.
const SLOW_STEPS: u32 = 10;

/// A running chain; it ends with this.
pub struct Chain {
    child: Child,
    miner: Option<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
    is_fast: Arc<AtomicBool>,
    /// `host:port` of its interface.
    pub host: String,
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        if let Some(miner) = self.miner.take() {
            let _joined = miner.join();
        }
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Chain {
    /// Starts a chain with two blocks to finality.
    ///
    /// # Errors
    /// If the tools are not installed.
    pub fn start(setting: &Setting) -> Result<Self> {
        let mut command = Command::new(&setting.anvil);
        command.args(["anvil", "--port", "0", "--slots-in-an-epoch", "1", "--order", "fifo"]);
        command.args(["--base-fee", "1000000000", "--no-mining"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("anvil does not start: run `make setup` first")?;
        let stdout = child.stdout.take().context("its output")?;
        let mut lines = BufReader::new(stdout).lines();
        let host = loop {
            let line = lines.next().context("anvil says where it listens")??;
            if let Some(address) = line.strip_prefix("Listening on ") {
                break address.trim().to_owned();
            }
        };
        // Its log must be read, or it blocks on a full pipe.
        thread::spawn(move || lines.for_each(drop));
        let is_over = Arc::new(AtomicBool::new(false));
        let is_fast = Arc::new(AtomicBool::new(true));
        let miner = {
            let (host, is_over, is_fast) = (host.clone(), is_over.clone(), is_fast.clone());
            thread::spawn(move || mine(&host, &is_over, &is_fast))
        };
        Ok(Self { child, miner: Some(miner), is_over, is_fast, host })
    }

    /// Blocks come fast from now on, or one a second.
    pub fn hurry(&self, is_fast: bool) {
        self.is_fast.store(is_fast, Ordering::SeqCst);
    }

    /// Gives an account a thousand coins.
    ///
    /// # Errors
    /// If the chain does not answer.
    pub fn fund(&self, account: &str) -> Result<()> {
        let mut caller = Caller::connect(&self.host, None)?;
        let amount = format!("{:#x}", 1_000 * 10_u128.pow(18));
        caller.call("anvil_setBalance", json!([account, amount])).map(drop)
    }
}

fn mine(host: &str, is_over: &AtomicBool, is_fast: &AtomicBool) {
    let mut steps = 0;
    let mut caller = None;
    while !is_over.load(Ordering::SeqCst) {
        thread::sleep(FAST);
        steps += 1;
        if !is_fast.load(Ordering::SeqCst) && steps < SLOW_STEPS {
            continue;
        }
        steps = 0;
        if caller.is_none() {
            caller = Caller::connect(host, None).ok();
        }
        let mined = caller.as_mut().map(|caller| caller.call("anvil_mine", json!(["0x1"])));
        if !matches!(mined, Some(Ok(_))) {
            caller = None;
        }
    }
}
