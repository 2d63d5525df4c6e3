//! An RPC endpoint in front of an honest node that keeps a strict pool of transactions, and that can stall,
//! lie, forget, or serve another chain.
//!
//! A local chain takes any replacement and drops what pays too little. Real pools do neither: [`pool`] refuses
//! a replacement below ten per cent, and lets what is underpriced wait until the base fee falls.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::json_rpc;

#[path = "../../../node/chain/tests/it/forgery.rs"]
mod forgery;
pub mod pool;

pub use forgery::Forgery;
use pool::Pool;
pub use pool::PoolEvent;

/// How often what waits in the pool is looked at.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// What the endpoint does. Honest by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Takes requests and never answers.
    pub stalls: bool,
    /// Answers everything with an error.
    pub is_down: bool,
    /// Takes transactions, and forgets them.
    pub swallows: bool,
    /// Shows no logs; receipts are honest.
    pub hides_logs: bool,
    /// Shows no receipts.
    pub hides_receipts: bool,
    /// Says that every transaction has landed.
    pub fakes_receipts: bool,
    /// Shows nothing newer than this block.
    pub head: Option<u64>,
    /// Says that it serves this chain.
    pub chain_id: Option<u64>,
    /// Lets nothing out of its pool, whatever it pays.
    pub holds: bool,
    /// How long it takes for each answer.
    pub delay: Duration,
    /// What every call takes, as it says. Units: gas.
    pub gas: Option<u64>,
    /// What it says of the newest block.
    pub head_lie: Option<Forgery>,
}

struct Shared {
    upstream: String,
    rules: Mutex<Rules>,
    pool: tokio::sync::Mutex<Pool>,
    asked: Mutex<BTreeMap<String, u64>>,
}

/// A running endpoint; gone when it is dropped.
pub struct Proxy {
    /// Its address.
    pub url: String,
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Proxy {
    /// Stands in front of a node.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            rules: Mutex::default(),
            pool: tokio::sync::Mutex::default(),
            asked: Mutex::default(),
        });
        let (serving, flushing) = (shared.clone(), shared.clone());
        let serve = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = serving.clone();
                tokio::spawn(async move { shared.serve(stream).await });
            }
        });
        let flush = tokio::spawn(async move {
            loop {
                flushing.flush().await;
                tokio::time::sleep(FLUSH_EVERY).await;
            }
        });
        Self { url, shared, tasks: [serve, flush] }
    }

    /// From now on it does this.
    pub fn rule(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut lock(&self.shared.rules));
    }

    /// From now on it is honest.
    pub fn be_honest(&self) {
        self.rule(|rules| *rules = Rules::default());
    }

    /// What has happened in its pool, oldest first.
    pub async fn pool_log(&self) -> Vec<PoolEvent> {
        self.shared.pool.lock().await.log().to_vec()
    }

    /// Forgets what waits in its pool, and has the node forget it.
    pub async fn evict_all(&self) -> usize {
        let evicted = self.shared.pool.lock().await.evict_all();
        for hash in &evicted {
            // The node may not have got it yet.
            drop(
                json_rpc::ask(&self.shared.upstream, "anvil_dropTransaction", json!([hash])).await,
            );
        }
        evicted.len()
    }

    /// How often a method was asked for.
    pub fn asked(&self, method: &str) -> u64 {
        lock(&self.shared.asked).get(method).copied().unwrap_or(0)
    }
}

impl Shared {
    fn rules(&self) -> Rules {
        lock(&self.rules).clone()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let Some(body) = json_rpc::read(&mut stream).await else { return };
        let Ok(request) = serde_json::from_slice::<Value>(&body) else { return };
        let answer = match request.as_array() {
            Some(batch) => {
                let mut answers = Vec::new();
                for one in batch {
                    answers.push(self.answer(one).await);
                }
                Value::Array(answers)
            }
            None => self.answer(&request).await,
        };
        json_rpc::write(&mut stream, "HTTP/1.1 200 OK", &answer.to_string()).await;
    }

    async fn answer(&self, request: &Value) -> Value {
        let rules = self.rules();
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        *lock(&self.asked).entry(method.clone()).or_default() += 1;
        if rules.stalls {
            // Until whoever asked gives up and hangs up.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(rules.delay).await;
        let id = &request["id"];
        let outcome = self.outcome(&method, request, &rules).await;
        match outcome {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
        }
    }

    async fn outcome(&self, method: &str, request: &Value, rules: &Rules) -> Result<Value, Value> {
        let first = &request["params"][0];
        match method {
            _ if rules.is_down => Err(json!({"code": -32_005, "message": "over the limit"})),
            "eth_chainId" if rules.chain_id.is_some() => {
                Ok(json!(format!("{:#x}", rules.chain_id.unwrap_or_default())))
            }
            "eth_estimateGas" if rules.gas.is_some() => {
                Ok(json!(format!("{:#x}", rules.gas.unwrap_or_default())))
            }
            "eth_getBlockByNumber" if *first == "latest" => {
                let mut block = self.ask(request, rules).await?;
                if let Some(lie) = rules.head_lie {
                    forgery::forge(&mut block, lie);
                }
                Ok(block)
            }
            "eth_getLogs" if rules.hides_logs => Ok(json!([])),
            "eth_getTransactionReceipt" if rules.fakes_receipts => Ok(fake_receipt(first)),
            "eth_getTransactionReceipt" if rules.hides_receipts => Ok(Value::Null),
            "eth_getBlockReceipts" if rules.hides_receipts => Ok(json!([])),
            "eth_sendRawTransaction" if rules.swallows => Ok(pool::hash_of(first)),
            "eth_sendRawTransaction" => self.take(first).await,
            "eth_getTransactionByHash" => {
                let found = self.ask(request, rules).await?;
                let waits = self.pool.lock().await.find(first);
                Ok(if found.is_null() { waits } else { found })
            }
            _ => self.ask(request, rules).await,
        }
    }

    /// A transaction for the pool.
    async fn take(&self, raw: &Value) -> Result<Value, Value> {
        let refuse = |message: &str| json!({"code": -32_000, "message": message});
        let transaction = pool::read(raw).ok_or_else(|| refuse("transaction cannot be read"))?;
        let params = json!([transaction.sender, "latest"]);
        let count = json_rpc::ask(&self.upstream, "eth_getTransactionCount", params).await;
        let next = count.ok().and_then(|count| pool::number(&count)).unwrap_or(0);
        let hash = transaction.hash;
        self.pool
            .lock()
            .await
            .take(transaction, next)
            .map_err(|refusal| refuse(refusal.as_str()))?;
        self.flush().await;
        Ok(json!(hash))
    }

    /// Hands what pays enough to the node.
    async fn flush(&self) {
        if self.rules().holds {
            return;
        }
        let pending =
            json_rpc::ask(&self.upstream, "eth_getBlockByNumber", json!(["pending", false]));
        let Ok(block) = pending.await else { return };
        let Some(base_fee) = pool::number(&block["baseFeePerGas"]) else { return };
        let mut pool = self.pool.lock().await;
        for raw in pool.ready(u128::from(base_fee)) {
            // What the node does not take now is offered again next time.
            let taken = json_rpc::ask(&self.upstream, "eth_sendRawTransaction", json!([raw])).await;
            pool.note_offered(&raw, taken.is_ok());
        }
        let senders = pool.senders();
        for sender in senders {
            let params = json!([sender, "latest"]);
            let count = json_rpc::ask(&self.upstream, "eth_getTransactionCount", params).await;
            if let Some(next) = count.ok().and_then(|count| pool::number(&count)) {
                pool.forget_used(sender, next);
            }
        }
    }

    async fn ask(&self, request: &Value, rules: &Rules) -> Result<Value, Value> {
        let mut request = request.clone();
        if let Some(head) = rules.head {
            freeze(&mut request["params"], head);
        }
        let answer = json_rpc::forward(&self.upstream, &request).await;
        let mut answer = answer.ok_or_else(|| json!({"code": -32_603, "message": "no node"}))?;
        match answer.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(answer["result"].take()),
        }
    }
}

/// Replaces the names of newer blocks by a number.
fn freeze(params: &mut Value, head: u64) {
    let names = ["latest", "pending", "safe", "finalized"];
    match params {
        Value::String(name) if names.contains(&name.as_str()) => {
            *params = json!(format!("{head:#x}"));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| freeze(item, head)),
        Value::Object(fields) => fields.values_mut().for_each(|field| freeze(field, head)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn fake_receipt(hash: &Value) -> Value {
    json!({"transactionHash": hash, "blockHash": format!("0x{}", "22".repeat(32)),
        "blockNumber": "0x1", "status": "0x1", "gasUsed": "0x5208", "logs": []})
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
