//! Nothing grows without a bound, and nobody holds on to anything for ever.

use crate::fake::{Fake, Host};
use crate::http::post;
use crate::web_socket::{Message, WebSocket};
use lockstep_rpc::types::EventKind;
use serde_json::json;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

const STATUS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"lockstep_status"}"#;

#[tokio::test]
async fn p60_a_request_that_is_too_large_is_refused() {
    let host = Host::with(Fake::default(), |config| config.max_request_bytes = 2_000).await;
    let address = host.server.address();
    let padding = "x".repeat(3_000);
    let large = json!({ "jsonrpc": "2.0", "id": 1, "method": "lockstep_status", "x": padding });
    let response = post(address, &host.admin, &large.to_string()).await;
    assert_eq!(response.status, 413, "{response:?}");

    let mut socket = WebSocket::connect(address, &host.admin).await.unwrap();
    socket.send(&large.to_string()).await.unwrap();
    let Message::Text(answer) = socket.receive().await else { panic!("closed") };
    assert_eq!(answer["error"]["code"], -32_007, "{answer}");
    assert_eq!(host.fake.take_asked(), []);
}

#[tokio::test]
async fn a_batch_that_is_too_long_is_refused_as_a_whole() {
    let host = Host::with(Fake::default(), |config| config.max_batch = 3).await;
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "lockstep_status" });
    let batch = json!([call, call, call, call]).to_string();
    let answer = post(host.server.address(), &host.admin, &batch).await.json();
    assert_eq!(answer["error"]["code"], -32_010, "{answer}");
    assert_eq!(host.fake.take_asked(), []);
}

#[tokio::test]
async fn connections_are_counted_and_free_again_when_they_end() {
    let two = NonZeroU32::new(2).unwrap();
    let host = Host::with(Fake::default(), |config| config.max_connections = two).await;
    let address = host.server.address();
    let idle = TcpStream::connect(address).await.unwrap();
    let socket = WebSocket::connect(address, &host.admin).await.unwrap();

    // The third is closed without an answer.
    let mut third = TcpStream::connect(address).await.unwrap();
    assert_eq!(third.read(&mut [0; 1]).await.unwrap_or(0), 0);

    // A seat comes free as soon as the server notices.
    drop(socket);
    drop(idle);
    loop {
        if WebSocket::connect(address, &host.admin).await.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn subscriptions_of_one_connection_are_counted() {
    let host = Host::start().await;
    let mut socket = WebSocket::connect(host.server.address(), &host.admin).await.unwrap();
    for id in 0..16 {
        let answer = socket.call(id, "lockstep_subscribe", json!(["payments"])).await;
        assert!(answer["error"].is_null(), "{answer}");
    }
    let answer = socket.call(16, "lockstep_subscribe", json!(["payments"])).await;
    assert_eq!(answer["error"]["code"], -32_006, "{answer}");
}

#[tokio::test]
async fn calls_at_once_are_counted_over_all_connections() {
    let mut fake = Fake::default();
    fake.peer = Semaphore::new(0);
    let host = Host::with(fake, |config| config.max_calls = 2).await;
    let mut socket = WebSocket::connect(host.server.address(), &host.admin).await.unwrap();
    for id in [1, 2] {
        let waiting =
            json!({ "jsonrpc": "2.0", "id": id, "method": "lockstep_connect", "params": ["a"] });
        socket.send(&waiting.to_string()).await.unwrap();
    }
    while host.fake.asked() < 2 {
        tokio::task::yield_now().await;
    }
    let mut other = WebSocket::connect(host.server.address(), &host.admin).await.unwrap();
    let busy = other.call(3, "lockstep_status", json!([])).await;
    assert_eq!(busy["error"]["code"], -32_052, "{busy}");
    // The operator still comes through.
    let tokens = other.call(5, "lockstep_listTokens", json!([])).await;
    assert!(tokens["error"].is_null(), "{tokens}");

    host.fake.peer.add_permits(2);
    for _ in [1, 2] {
        assert!(matches!(socket.receive().await, Message::Text(_)));
    }
    let answer = other.call(4, "lockstep_status", json!([])).await;
    assert_eq!(answer["result"]["state"], "ready");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_closed() {
    let host = Host::start().await;
    let mut stream = TcpStream::connect(host.server.address()).await.unwrap();
    let started = tokio::time::Instant::now();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(started.elapsed() <= Duration::from_secs(31));

    // One call does not buy a seat for ever.
    let mut stream = TcpStream::connect(host.server.address()).await.unwrap();
    let address = host.server.address();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n{STATUS}",
        STATUS.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let started = tokio::time::Instant::now();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 401"));
    assert!(started.elapsed() <= Duration::from_secs(121));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_reads_nothing_is_cut_off_and_fills_no_memory() {
    let host = Host::start().await;
    let address = host.server.address();
    let mut slow = WebSocket::connect(address, &host.read).await.unwrap();
    let answer = slow.call(1, "lockstep_subscribe", json!(["payments", 0])).await;
    assert!(answer["error"].is_null(), "{answer}");
    // Far more than the sockets between the two hold.
    const COUNT: u64 = 200_000;
    host.fake.happen(EventKind::Payments, COUNT);

    // The paused clock jumps on as soon as nobody can do anything.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut read = 0;
    while let Message::Text(_) = slow.receive().await {
        read += 1;
    }
    assert!(read < COUNT, "the subscription went on to its end");
    // What was read from the history is what the sockets took, and a page.
    let pages = host.fake.take_asked().len();
    assert!(u64::try_from(pages).unwrap() * 64 < COUNT / 2, "{pages} pages");

    // Others are served as before, and what was missed is still there.
    let mut quick = WebSocket::connect(address, &host.read).await.unwrap();
    quick.call(1, "lockstep_subscribe", json!(["payments", COUNT - 1])).await;
    let Message::Text(event) = quick.receive().await else { panic!("closed") };
    assert_eq!(event["params"]["result"]["index"], COUNT - 1);
}
