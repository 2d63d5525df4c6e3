//! P54 through the real program: it is let talk as much as it can, and none of what it says gives a secret away.

use std::fs;
use std::net::TcpListener;

use alloy_primitives::hex;
use lockstep_e2e::channel::Pair;
use lockstep_e2e::node::Node;
use lockstep_signer::KeyRing;
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::PinPolicy;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the nodes of these tests are unlocked with.
const PASSWORD: &str = "correct horse battery";
/// Where accounts of the test's chain begin: each chain has 64.
const ACCOUNTS: u32 = 64 * 31_337;
/// A run of so many bytes is enough to give a key away.
const RUN: usize = 8;

/// A key in every form that a formatter could give it.
fn forms(bytes: &[u8]) -> [String; 3] {
    let run = &bytes[..RUN];
    let list = run.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    [hex::encode(run), hex::encode_upper(run), list]
}

/// Everything that nobody but the node may know, in whatever form.
fn secrets(node: &Node) -> Vec<String> {
    let words = fs::read_to_string(node.words()).unwrap();
    let words: Vec<_> = words.split_whitespace().collect();
    let ring = KeyRing::new(&Phrase::parse(&words.join(" ")).unwrap(), PinPolicy::BestEffort);
    let ring = ring.unwrap();
    let seed = Phrase::parse(&words.join(" ")).unwrap().seed(PinPolicy::BestEffort).unwrap();
    let mut found = vec![PASSWORD.to_owned()];
    // One word may be a word of a sentence; two of them in a row are none.
    found.extend(words.windows(2).map(|pair| pair.join(" ")));
    found.extend(forms(seed.expose()));
    found.extend(forms(&*ring.transport_secret().unwrap()));
    assert_eq!(ring.account(ACCOUNTS).unwrap().address(), node.account(), "these are its keys");
    let account = (0..4).map(|number| ring.account(ACCOUNTS + number).unwrap());
    found.extend(account.flat_map(|account| forms(&*account.expose_secret())));
    for file in fs::read_dir(node.data_dir().join("tokens")).unwrap() {
        let token = fs::read_to_string(file.unwrap().path()).unwrap();
        let token = token.trim();
        if token.len() >= 2 * RUN && !token.contains(char::is_whitespace) {
            found.push(token.to_owned());
        }
    }
    found
}

async fn fetched(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn p54_a_node_that_logs_all_it_can_and_its_metrics_give_no_secret_away() {
    let mut pair = Pair::stopped().await;
    let metrics = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    pair.one.set("LOCKSTEP_METRICS_LISTEN", metrics.clone());
    for node in [&mut pair.one, &mut pair.two] {
        node.set("LOCKSTEP_LOG_LEVEL", "trace");
    }
    pair.run().await;
    pair.add_channel("100000", "100000", None).await;
    let Pair { one, two, id } = &pair;
    one.pay(id, "100").await;
    two.pay(id, "30").await;
    let invoice = json!({"channelId": id, "amount": "250", "memo": "for coffee"});
    let invoice = two.ask("lockstep_createInvoice", invoice).await["invoice"].take();
    one.ask("lockstep_pay", json!({"invoice": invoice})).await;
    // What is refused is logged, too.
    one.call("lockstep_pay", json!({"channelId": id, "amount": "999999999"})).await.unwrap_err();
    let said = one.cli(&["status"]).await;
    let shown = fetched(&metrics).await;
    assert!(shown.contains("lockstep_"), "{shown}");
    two.ask("lockstep_closeChannel", json!([id])).await;
    one.until_channel(id, "the end", |it| !it["settled"].is_null()).await;
    let account = pair.one.account().to_string().to_lowercase();
    pair.one.stop().await;
    pair.two.stop().await;
    let logs = [pair.one.log_text(), pair.two.log_text()];
    for node in [&pair.one, &pair.two] {
        let secrets = secrets(node);
        assert!(secrets.len() > 30, "there is a lot to look for");
        for secret in secrets {
            let texts = logs.iter().chain([&shown, &said.stdout, &said.stderr]);
            for (place, text) in texts.enumerate() {
                let line = text.lines().find(|line| line.contains(&secret));
                assert_eq!(line, None, "text {place} holds a secret");
            }
        }
    }
    // The search looks at real output: it is as detailed as it gets, and what may be shown is there.
    for log in &logs {
        assert!(log.contains(" TRACE ") && log.contains(" DEBUG "), "{}", log.len());
    }
    assert!(logs[0].to_lowercase().contains(&account), "{account}");
}
