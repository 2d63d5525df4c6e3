//! An endpoint between us and an honest node that can leave out logs, or say nothing.

use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
}

pub(crate) struct Proxy {
    pub(crate) url: String,
    lie: Arc<Mutex<Lie>>,
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
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (lie, upstream) = (*shared.lock().unwrap(), upstream.clone());
                tokio::spawn(async move { serve(stream, &upstream, lie).await });
            }
        });
        Self { url, lie, task }
    }

    pub(crate) fn set(&self, lie: Lie) {
        *self.lie.lock().unwrap() = lie;
    }
}

async fn serve(mut stream: TcpStream, upstream: &str, lie: Lie) {
    let Some(body) = read_message(&mut stream).await else { return };
    let request: Value = serde_json::from_slice(&body).unwrap();
    let answer = match request.as_array() {
        Some(batch) => {
            let mut answers = Vec::new();
            for one in batch {
                answers.push(answer(one, upstream, lie).await);
            }
            Value::Array(answers)
        }
        None => answer(&request, upstream, lie).await,
    };
    write_message(&mut stream, "HTTP/1.1 200 OK", &answer.to_string()).await;
}

async fn answer(request: &Value, upstream: &str, lie: Lie) -> Value {
    let method = request["method"].as_str().unwrap_or_default();
    let done = |result: Value| json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
    match (lie, method) {
        (Lie::Down, _) => json!({"jsonrpc": "2.0", "id": request["id"],
            "error": {"code": -32_005, "message": "over the limit"}}),
        (Lie::HideLogs | Lie::HideAll, "eth_getLogs") | (Lie::HideAll, "eth_getBlockReceipts") => {
            done(json!([]))
        }
        (Lie::ZeroCalls, "eth_call") => done(json!(format!("0x{}", "00".repeat(14 * 32)))),
        (Lie::Swallow, "eth_sendRawTransaction") => done(json!(format!("0x{}", "11".repeat(32)))),
        _ => {
            let mut stream = TcpStream::connect(upstream).await.unwrap();
            let head = format!("POST / HTTP/1.1\r\nHost: {upstream}");
            write_message(&mut stream, &head, &request.to_string()).await;
            let body = read_message(&mut stream).await.unwrap_or_default();
            serde_json::from_slice(&body).unwrap_or(Value::Null)
        }
    }
}

async fn write_message(stream: &mut TcpStream, head: &str, body: &str) {
    let length = body.len();
    let text = format!(
        "{head}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let _sent = stream.write_all(text.as_bytes()).await;
}

async fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8_192];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length?.trim().parse().ok()?;
            if bytes.len() >= end + 4 + length {
                return Some(bytes[end + 4..end + 4 + length].to_vec());
            }
        }
        let read = stream.read(&mut buffer).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..read]);
    }
}
