//! One local chain: an anvil process on a free port that ends with whoever started it, however that ends.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_sol_types::SolCall;
use lockstep_chain::endpoint::{Endpoint, EndpointError, RequestLimits};
use lockstep_chain::rpc::{At, BlockTag, CallRequest, Header, Receipt};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Runs a program and kills it once the pipe on standard input ends, which it does when the parent is gone,
/// even by SIGKILL.
const KEEPER: &str = r#""$@" </dev/null & chain=$!
trap 'kill "$chain" 2>/dev/null; wait "$chain" 2>/dev/null' EXIT
cat >/dev/null
"#;

/// How often a receipt is looked for before something is wrong.
const LOOKS: u32 = 400;
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Gas limit of what impersonated accounts send.
const GENEROUS_GAS: u64 = 12_000_000;

/// A running local chain.
#[derive(Debug)]
pub struct LocalChain {
    keeper: Child,
    endpoint: Endpoint,
    url: String,
}

impl Drop for LocalChain {
    fn drop(&mut self) {
        // The keeper kills the chain once its standard input ends.
        drop(self.keeper.stdin.take());
        let _reaped = self.keeper.wait();
    }
}

impl LocalChain {
    /// Starts anvil with these arguments, on a free port unless they name one.
    ///
    /// # Panics
    /// When the pinned tools are not installed.
    pub fn start(arguments: &[&str]) -> Self {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/script/tool.sh");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", KEEPER, "lockstep-devnet"]).arg(tool).arg("anvil");
        if !arguments.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.stderr(Stdio::null()).spawn().expect("/bin/sh starts");
        let stdout = keeper.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let address = loop {
            let line = lines.next().expect("anvil listens: run 'make setup' first").expect("text");
            if let Some(address) = line.strip_prefix("Listening on ") {
                break address.trim().to_owned();
            }
        };
        // Its log must be read, or it blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://{address}");
        let limits = RequestLimits { timeout: Duration::from_secs(60), ..RequestLimits::default() };
        let endpoint = Endpoint::new(&url, limits).expect("a local address");
        Self { keeper, endpoint, url }
    }

    /// Where it is reached.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process that ends the chain with its parent.
    pub fn keeper_id(&self) -> u32 {
        self.keeper.id()
    }

    /// The chain as one endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// What the chain refuses.
    pub async fn try_ask(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<Value, EndpointError> {
        let params = params.as_array().cloned().unwrap_or_default();
        self.endpoint.request(method, params).await
    }

    /// Asks one thing.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn ask(&self, method: &'static str, params: Value) -> Value {
        self.try_ask(method, params).await.unwrap_or_else(|error| fail(&error))
    }

    /// Number of the newest block.
    ///
    /// # Panics
    /// When the chain does not answer.
    pub async fn head(&self) -> u64 {
        self.header(BlockTag::Latest).await.number()
    }

    /// A header.
    ///
    /// # Panics
    /// When there is no such block.
    pub async fn header(&self, tag: BlockTag) -> Header {
        self.endpoint.header(tag, true).await.unwrap_or_else(|error| fail(&error))
    }

    /// Makes one block, with a time of its own.
    pub async fn mine_at(&self, timestamp: u64) {
        self.ask("evm_setNextBlockTimestamp", json!([timestamp])).await;
        self.ask("evm_mine", json!([])).await;
    }

    /// Gives an account native coin. Units: wei.
    pub async fn set_balance(&self, account: Address, wei: U256) {
        self.ask("anvil_setBalance", json!([account, wei])).await;
    }

    /// What an account holds. Units: wei.
    ///
    /// # Panics
    /// When the chain does not answer.
    pub async fn balance(&self, account: Address) -> U256 {
        self.endpoint.balance(account).await.unwrap_or_else(|error| fail(&error))
    }

    /// The receipt of a transaction, if a block holds it.
    ///
    /// # Panics
    /// When the chain does not answer.
    pub async fn receipt(&self, tx: B256) -> Option<Receipt> {
        self.endpoint.receipt(tx).await.unwrap_or_else(|error| fail(&error))
    }

    /// What a call returns.
    ///
    /// # Errors
    /// If it reverts.
    pub async fn call<C: SolCall>(
        &self,
        to: Address,
        call: &C,
    ) -> Result<C::Return, EndpointError> {
        let request = CallRequest::view(to, call.abi_encode().into());
        let answer = self.endpoint.call(&request, At::Latest).await?;
        Ok(C::abi_decode_returns(&answer).expect("the contract answers as its interface says"))
    }

    /// The same where it must not revert.
    ///
    /// # Panics
    /// When it does.
    pub async fn read<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        self.call(to, call).await.unwrap_or_else(|error| fail(&error))
    }

    /// Hands in a transaction of an account whose key nobody needs; it waits for a block.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn send_as(
        &self,
        from: Address,
        to: Option<Address>,
        value: U256,
        data: Bytes,
    ) -> B256 {
        self.ask("anvil_impersonateAccount", json!([from])).await;
        let gas = U64::from(GENEROUS_GAS);
        let call = json!({ "from": from, "to": to, "value": value, "data": data, "gas": gas });
        let sent = self.ask("eth_sendTransaction", json!([call])).await;
        serde_json::from_value(sent).expect("a hash")
    }

    /// Waits for the receipt of a transaction that a block must hold soon.
    ///
    /// # Panics
    /// When none does.
    pub async fn landed(&self, tx: B256) -> Receipt {
        for _ in 0..LOOKS {
            if let Some(receipt) = self.receipt(tx).await {
                return receipt;
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("no block holds {tx}");
    }
}

fn fail(error: &EndpointError) -> ! {
    panic!("{error}: {}", error.cause)
}
