//! HTTP by hand.

use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }
}

/// Sends one request with exactly these headers and reads to the end.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("{method} / HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    // A server that refuses early may close before all is sent.
    let sent = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer).await;
    assert!(!answer.is_empty(), "no answer: {sent:?}, {read:?}");
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// Posts a body as a caller with a token would.
pub(crate) async fn post(address: SocketAddr, token: &str, body: &str) -> Response {
    let authorization = format!("Bearer {token}");
    let host = address.to_string();
    let headers = [
        ("host", host.as_str()),
        ("content-type", "application/json"),
        ("authorization", &authorization),
    ];
    send(address, "POST", &headers, body).await
}

/// Calls a method; the whole answer.
pub(crate) async fn call(address: SocketAddr, token: &str, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let response = post(address, token, &body.to_string()).await;
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}
