//! JSON-RPC over HTTP, one request for each connection.

use serde_json::{Value, json};
use tokio::net::TcpStream;

#[path = "../../../node/chain/tests/it/http.rs"]
mod http;

pub(crate) use http::{read, write};

/// Asks one thing, at an address like `http://127.0.0.1:8545`.
///
/// # Errors
/// What the other end says, or that it says nothing.
pub async fn ask(url: &str, method: &str, params: Value) -> Result<Value, String> {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let mut answer = forward(url, &request).await.ok_or("no answer")?;
    match answer.get("error") {
        Some(error) => Err(error.to_string()),
        None => Ok(answer["result"].take()),
    }
}

/// Hands a request or a batch to a server and gives its answer back.
pub async fn forward(url: &str, request: &Value) -> Option<Value> {
    let host = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await.ok()?;
    let head = format!("POST / HTTP/1.1\r\nHost: {host}");
    write(&mut stream, &head, &request.to_string()).await;
    let body = read(&mut stream).await?;
    serde_json::from_slice(&body).ok()
}
