//! Events: without a gap, without a queue.

use crate::fake::{Fake, Host};
use crate::http::call;
use crate::web_socket::{Message, WebSocket};
use lockstep_rpc::types::EventKind;
use serde_json::{Value, json};

async fn subscribe(socket: &mut WebSocket, params: Value) -> Value {
    let answer = socket.call(1, "lockstep_subscribe", params).await;
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

/// The index of the next event.
async fn next_index(socket: &mut WebSocket) -> u64 {
    match socket.receive().await {
        Message::Text(message) => {
            assert_eq!(message["method"], "lockstep_subscription", "{message}");
            message["params"]["result"]["index"].as_u64().unwrap()
        }
        Message::Closed => panic!("closed"),
    }
}

async fn check_indexes(socket: &mut WebSocket, expected: impl Iterator<Item = u64>) {
    for index in expected {
        assert_eq!(next_index(socket).await, index);
    }
}

#[tokio::test]
async fn what_was_missed_comes_first_and_then_what_happens() {
    let host = Host::start().await;
    host.fake.happen(EventKind::Payments, 200);
    let mut socket = WebSocket::connect(host.server.address(), &host.read).await.unwrap();
    subscribe(&mut socket, json!(["payments", 10])).await;
    check_indexes(&mut socket, 10..200).await;
    host.fake.happen(EventKind::Payments, 70);
    host.fake.happen(EventKind::Channels, 3);
    check_indexes(&mut socket, 200..270).await;
}

#[tokio::test]
async fn a_caller_that_comes_back_goes_on_where_it_was() {
    let host = Host::start().await;
    let address = host.server.address();
    let mut socket = WebSocket::connect(address, &host.read).await.unwrap();
    subscribe(&mut socket, json!({ "kind": "disputes", "fromIndex": 0 })).await;
    host.fake.happen(EventKind::Disputes, 5);
    check_indexes(&mut socket, 0..3).await;
    drop(socket);
    host.fake.happen(EventKind::Disputes, 5);

    let mut socket = WebSocket::connect(address, &host.read).await.unwrap();
    subscribe(&mut socket, json!(["disputes", 3])).await;
    check_indexes(&mut socket, 3..10).await;
    host.fake.happen(EventKind::Disputes, 1);
    check_indexes(&mut socket, 10..11).await;
}

#[tokio::test]
async fn without_an_index_only_what_happens_next_comes() {
    let host = Host::start().await;
    host.fake.happen(EventKind::Channels, 4);
    let mut socket = WebSocket::connect(host.server.address(), &host.read).await.unwrap();
    let id = subscribe(&mut socket, json!(["channels"])).await;
    host.fake.happen(EventKind::Channels, 2);
    check_indexes(&mut socket, 4..6).await;

    let ended = socket.call(2, "lockstep_unsubscribe", json!([id])).await;
    assert_eq!(ended["result"], true);
    host.fake.happen(EventKind::Channels, 2);
    assert!(socket.is_quiet().await);
    let again = socket.call(3, "lockstep_unsubscribe", json!([id])).await;
    assert_eq!(again["result"], false);
}

#[tokio::test]
async fn the_same_events_can_be_fetched_by_page() {
    let host = Host::start().await;
    host.fake.happen(EventKind::Payments, 7);
    let address = host.server.address();
    let page = call(address, &host.read, "lockstep_listEvents", json!(["payments", 2, 3])).await;
    let indexes: Vec<u64> = page["result"]["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indexes, [2, 3, 4]);
    assert_eq!(page["result"]["nextIndex"], 5);
    assert_eq!(page["result"]["events"][0]["body"]["type"], "channel");
}

#[tokio::test]
async fn an_index_that_can_not_be_served_is_refused_before_anything_is_sent() {
    let host = Host::with(Fake::pruned(5), |_| {}).await;
    host.fake.happen(EventKind::Payments, 9);
    let mut socket = WebSocket::connect(host.server.address(), &host.read).await.unwrap();
    for (params, code) in [
        (json!(["payments", 4]), -32_042),
        (json!(["payments", 10]), -32_020),
        (json!(["weather", 0]), -32_602),
        (json!([]), -32_602),
    ] {
        let answer = socket.call(1, "lockstep_subscribe", params.clone()).await;
        assert_eq!(answer["error"]["code"], code, "{params}: {answer}");
    }
    assert!(socket.is_quiet().await);
    subscribe(&mut socket, json!(["payments", 5])).await;
    check_indexes(&mut socket, 5..9).await;
}

#[tokio::test]
async fn a_web_socket_needs_a_token_and_loses_its_rights_with_it() {
    let host = Host::start().await;
    let address = host.server.address();
    let refused = WebSocket::connect(address, "nonsense").await.err().unwrap();
    assert_eq!(refused, "HTTP/1.1 401 Unauthorized");

    let made = call(address, &host.admin, "lockstep_createToken", json!(["viewer", "read"])).await;
    let secret = made["result"]["secret"].as_str().unwrap();
    let mut socket = WebSocket::connect(address, secret).await.unwrap();
    subscribe(&mut socket, json!(["payments", 0])).await;
    host.fake.happen(EventKind::Payments, 1);
    check_indexes(&mut socket, 0..1).await;

    call(address, &host.admin, "lockstep_revokeToken", json!(["viewer"])).await;
    host.fake.happen(EventKind::Payments, 1);
    let Message::Text(end) = socket.receive().await else { panic!("closed") };
    assert_eq!(end["params"]["error"]["code"], -32_080, "{end}");
    let answer = socket.call(2, "lockstep_status", json!([])).await;
    assert_eq!(answer["error"]["code"], -32_080);
}
