//! An endpoint between us and an honest node that can leave out logs, or say nothing.

use alloy_primitives::Bytes;
use alloy_sol_types::SolCall;
use lockstep_contracts::bindings::PaymentChannel as abi;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};

#[path = "forgery.rs"]
mod forgery;
#[path = "http.rs"]
mod http;

use forgery::{Forgery, forge};

/// What it does to answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    /// `eth_getLogs` is empty; receipts are honest.
    HideLogs,
    /// Neither logs nor receipts show anything.
    HideAll,
    /// Every contract is as it was before: calls return zeros.
    ZeroCalls,
    /// Transactions are swallowed.
    Swallow,
    /// Every answer is an error.
    Down,
    /// Every transaction has landed, and succeeded, in a block that nobody knows.
    FakeReceipts,
    /// No transaction has landed.
    NoReceipts,
    /// Every account has sent this many transactions.
    Nonce(u64),
    /// It has every transaction, and hands on none.
    KnowsAll,
    /// Every account is empty.
    NoMoney,
    /// Every call takes no more than a transfer.
    CheapGas,
    /// A tip is a coin per gas.
    DearTip,
    /// Every call takes fifty times what it takes.
    DearGas,
    /// The newest block is in the far future, and every call would succeed.
    Early,
    /// Every channel is closing at this version, as the newest block has it.
    Closing(u64),
    /// Every request is taken, and none is answered.
    Silent,
    /// Whoever asks for logs waits for ever.
    SilentLogs,
    /// The newest block is far ahead, costs nothing, and was long ago.
    FarHead,
    /// The newest block costs a fortune and is in the far future; every account is rich.
    DearHead,
}

pub(crate) struct Proxy {
    pub(crate) url: String,
    lie: Arc<Mutex<Lie>>,
    asked: Arc<AtomicUsize>,
    #[allow(dead_code, reason = "tests of other crates count them")]
    closes: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(crate) async fn start(upstream: &str, lie: Lie) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let lie = Arc::new(Mutex::new(lie));
        let (shared, upstream) = (lie.clone(), upstream.trim_start_matches("http://").to_owned());
        let asked = Arc::new(AtomicUsize::new(0));
        let (counter, closes) = (asked.clone(), Arc::new(AtomicUsize::new(0)));
        let closed = closes.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let (lie, upstream) = (*shared.lock().unwrap(), upstream.clone());
                let closed = closed.clone();
                tokio::spawn(async move { serve(stream, &upstream, lie, &closed).await });
            }
        });
        Self { url, lie, asked, closes, task }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// How often it has shown a close that is none to whoever asked for many channels at once.
    #[allow(dead_code, reason = "tests of other crates count them")]
    pub(crate) fn false_closes(&self) -> usize {
        self.closes.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, lie: Lie) {
        *self.lie.lock().unwrap() = lie;
    }
}

async fn serve(mut stream: TcpStream, upstream: &str, lie: Lie, closes: &AtomicUsize) {
    let Some(body) = http::read(&mut stream).await else { return };
    let request: Value = serde_json::from_slice(&body).unwrap();
    let answer = match request.as_array() {
        Some(batch) => {
            let mut answers = Vec::new();
            for one in batch {
                answers.push(answer(one, upstream, lie).await);
                closes.fetch_add(is_false_close(one, lie).into(), Ordering::Relaxed);
            }
            Value::Array(answers)
        }
        None => answer(&request, upstream, lie).await,
    };
    http::write(&mut stream, "HTTP/1.1 200 OK", &answer.to_string()).await;
}

async fn answer(request: &Value, upstream: &str, lie: Lie) -> Value {
    let method = request["method"].as_str().unwrap_or_default();
    let done = |result: Value| json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
    if let ("eth_getBlockByNumber", Some(forgery)) = (method, forgery_of(lie))
        && request["params"][0] == "latest"
    {
        let mut answer = forward(request, upstream).await;
        forge(&mut answer["result"], forgery);
        return answer;
    }
    match (lie, method) {
        (Lie::Down, _) => json!({"jsonrpc": "2.0", "id": request["id"],
            "error": {"code": -32_005, "message": "over the limit"}}),
        (Lie::HideLogs | Lie::HideAll, "eth_getLogs") | (Lie::HideAll, "eth_getBlockReceipts") => {
            done(json!([]))
        }
        (Lie::ZeroCalls, "eth_call") => done(json!(format!("0x{}", "00".repeat(14 * 32)))),
        (Lie::FakeReceipts, "eth_getTransactionReceipt") => {
            let hash = &request["params"][0];
            done(json!({"transactionHash": hash, "blockHash": format!("0x{}", "22".repeat(32)),
                "blockNumber": "0x1", "status": "0x1", "gasUsed": "0x5208", "logs": []}))
        }
        (Lie::NoReceipts, "eth_getTransactionReceipt") => done(Value::Null),
        (Lie::Nonce(nonce), "eth_getTransactionCount") => done(json!(format!("{nonce:#x}"))),
        (Lie::KnowsAll, "eth_getTransactionByHash") => {
            let zero = format!("0x{}", "00".repeat(20));
            done(json!({"hash": request["params"][0], "from": zero, "to": zero, "input": "0x",
                "nonce": "0x0", "gas": "0x1", "value": "0x0"}))
        }
        (Lie::NoMoney, "eth_getBalance") => done(json!("0x0")),
        (Lie::CheapGas, "eth_estimateGas") => done(json!("0x5208")),
        (Lie::DearGas, "eth_estimateGas") => done(json!("0x3d0900")),
        (Lie::Early, "eth_estimateGas") => done(json!("0x186a0")),
        (Lie::Closing(version), "eth_call") if is_false_close(request, lie) => {
            let mut answer = forward(request, upstream).await;
            close(&mut answer["result"], version);
            answer
        }
        (Lie::Silent, _) | (Lie::SilentLogs, "eth_getLogs") => std::future::pending().await,
        (Lie::DearTip, "eth_maxPriorityFeePerGas") => done(json!("0xde0b6b3a7640000")),
        (Lie::DearHead, "eth_getBalance") => done(json!(format!("{:#x}", u128::MAX))),
        (Lie::Swallow | Lie::KnowsAll, "eth_sendRawTransaction") => {
            done(json!(format!("0x{}", "11".repeat(32))))
        }
        _ => forward(request, upstream).await,
    }
}

fn is_false_close(request: &Value, lie: Lie) -> bool {
    let is_status = request["method"] == "eth_call" && request["params"][1] == "latest";
    matches!(lie, Lie::Closing(_)) && is_status
}

fn forgery_of(lie: Lie) -> Option<Forgery> {
    match lie {
        Lie::FarHead => Some(Forgery::Far),
        Lie::DearHead => Some(Forgery::Dear),
        Lie::Early => Some(Forgery::Early),
        Lie::None
        | Lie::HideLogs
        | Lie::HideAll
        | Lie::ZeroCalls
        | Lie::Swallow
        | Lie::Down
        | Lie::FakeReceipts
        | Lie::NoReceipts
        | Lie::Nonce(_)
        | Lie::KnowsAll
        | Lie::NoMoney
        | Lie::CheapGas
        | Lie::DearTip
        | Lie::DearGas
        | Lie::Closing(_)
        | Lie::Silent
        | Lie::SilentLogs => None,
    }
}

async fn forward(request: &Value, upstream: &str) -> Value {
    let mut stream = TcpStream::connect(upstream).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nHost: {upstream}");
    http::write(&mut stream, &head, &request.to_string()).await;
    let body = http::read(&mut stream).await.unwrap_or_default();
    serde_json::from_slice(&body).unwrap_or(Value::Null)
}

/// A stored channel as a close would leave it.
fn close(result: &mut Value, version: u64) {
    let data: Bytes = serde_json::from_value(result.clone()).unwrap();
    let Some(mut channel) = lockstep_chain::decode::channel(&data) else { return };
    channel.status = 3;
    channel.version = version;
    channel.initiatingSide = 1;
    channel.closesAt = alloy_primitives::aliases::U40::from(1_u64 << 35);
    let data: Bytes = abi::channelOfCall::abi_encode_returns(&channel).into();
    *result = json!(data);
}
