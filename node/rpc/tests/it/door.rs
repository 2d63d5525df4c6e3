//! Who may come in.

use crate::fake::{CHANNEL, Fake, Host};
use crate::http::{call, post, send};
use lockstep_rpc::access::Tokens;
use lockstep_rpc::openrpc;
use lockstep_rpc::server::{Server, ServerConfig, ServerError};
use serde_json::{Value, json};
use std::sync::Arc;

const STATUS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"lockstep_status"}"#;

/// The HTTP status of a call with these headers, and its error's code.
async fn check(host: &Host, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    let response = send(host.server.address(), "POST", &all, STATUS).await;
    (response.status, response.json()["error"]["code"].clone())
}

#[tokio::test]
async fn without_a_valid_token_nothing_is_answered() {
    let host = Host::start().await;
    let local = ("host", "127.0.0.1");
    let changed = host.admin.replace('a', "b");
    for authorization in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {changed}"),
        format!("Basic {}", host.admin),
        host.admin.clone(),
        format!("Bearer {}x", host.admin),
    ] {
        let answer = check(&host, &[local, ("authorization", &authorization)]).await;
        assert_eq!(answer, (401, json!(-32_080)), "{authorization}");
    }
    assert_eq!(check(&host, &[local]).await, (401, json!(-32_080)));
    assert_eq!(host.fake.take_asked(), []);

    let valid = format!("Bearer {}", host.admin);
    assert_eq!(check(&host, &[local, ("authorization", &valid)]).await, (200, Value::Null));
}

#[tokio::test]
async fn a_token_opens_exactly_the_methods_of_its_scope() {
    let (host, payer) = Host::with_payer().await;
    let document = openrpc::document();
    for (token, scopes) in [(&host.read, ["read", "read"]), (&payer, ["read", "pay"])] {
        for method in document["methods"].as_array().unwrap() {
            let name = method["name"].as_str().unwrap();
            if name.ends_with("subscribe") {
                continue;
            }
            let answer = call(host.server.address(), token, name, json!([])).await;
            let is_forbidden = answer["error"]["code"] == -32_081;
            let may = scopes.contains(&method["x-scope"].as_str().unwrap());
            assert_eq!(is_forbidden, !may, "{name}: {answer}");
        }
    }
    let asked = host.fake.take_asked();
    assert!(!asked.iter().any(|(name, _)| ["stop", "backup", "open_channel"].contains(name)));
}

#[tokio::test]
async fn a_page_that_rebinds_its_name_to_this_machine_is_kept_out() {
    let host = Host::start().await;
    let valid = format!("Bearer {}", host.admin);
    let token = ("authorization", valid.as_str());
    let port = host.server.address().port();
    for foreign in ["evil.example".to_owned(), format!("evil.example:{port}"), String::new()] {
        let answer = check(&host, &[("host", &foreign), token]).await;
        assert_eq!(answer, (403, json!(-32_081)), "{foreign}");
    }
    let local = ("host", "localhost");
    for origin in ["https://evil.example", "null", "http://localhost", "http://127.0.0.1"] {
        let answer = check(&host, &[local, ("origin", origin), token]).await;
        assert_eq!(answer, (403, json!(-32_081)), "{origin}");
    }
    assert_eq!(host.fake.take_asked(), []);
}

#[tokio::test]
async fn a_page_that_the_operator_named_may_call_and_read() {
    let page = "https://pay.example.org";
    let host = Host::with(Fake::default(), |config| {
        config.guests.origins.insert(page.to_owned());
        config.guests.hosts.insert("node.example.org".to_owned());
    })
    .await;
    let valid = format!("Bearer {}", host.admin);
    let headers = [("host", "node.example.org"), ("origin", page)];

    let preflight = send(host.server.address(), "OPTIONS", &headers, "").await;
    assert_eq!(preflight.status, 204);
    assert!(preflight.head.contains("access-control-allow-headers: authorization, content-type"));

    let token = ("authorization", valid.as_str());
    let all = [headers[0], headers[1], token, ("content-type", "application/json")];
    let answer = send(host.server.address(), "POST", &all, STATUS).await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains(&format!("access-control-allow-origin: {page}")), "{answer:?}");
}

#[tokio::test]
async fn the_rest_of_http_is_not_served() {
    let host = Host::start().await;
    let valid = format!("Bearer {}", host.admin);
    let headers = [("host", "localhost"), ("authorization", valid.as_str())];
    let get = send(host.server.address(), "GET", &headers, "").await;
    assert_eq!(get.status, 405);
    let text = [headers[0], headers[1], ("content-type", "text/plain")];
    assert_eq!(send(host.server.address(), "POST", &text, STATUS).await.status, 415);
}

#[tokio::test]
async fn another_address_than_loopback_is_refused_unless_it_is_allowed() {
    let host = Host::start().await;
    let tokens = Arc::new(Tokens::load(host.folder.path()).unwrap());
    let mut config = ServerConfig::new("0.0.0.0:0".parse().unwrap());
    let start = |config| Server::start(config, Arc::clone(&tokens), Arc::clone(&host.fake));
    let refused = start(config.clone()).await.unwrap_err();
    assert_eq!(refused, ServerError::NotLoopback { address: config.listen });
    config.allow_remote = true;
    start(config).await.unwrap().stop().await;

    let taken = start(ServerConfig::new(host.server.address())).await.unwrap_err();
    assert!(taken.to_string().contains("can't listen on 127.0.0.1"), "{taken}");
}

#[tokio::test]
async fn a_server_that_stops_finishes_what_it_began_and_takes_no_more() {
    let host = Host::start().await;
    let address = host.server.address();
    call(address, &host.admin, "lockstep_getChannel", json!([CHANNEL])).await;
    assert_eq!(post(address, &host.admin, STATUS).await.status, 200);
    host.server.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
