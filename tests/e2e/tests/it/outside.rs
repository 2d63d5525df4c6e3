//! Channels driven from outside of our own code, as anybody's program would drive them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lockstep_e2e::channel::Pair;
use lockstep_e2e::node::Node;
use lockstep_e2e::patiently;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn viem_alone_leads_a_channel_through_its_life() {
    let mut pair = Pair::start().await;
    let mut command = Command::new("node");
    command.arg(file("tests/e2e/outside/life.mjs")).arg(&pair.world().anvil.url);
    for node in [&pair.one, &pair.two] {
        let (address, token) = node.caller().place().expect("it serves");
        command.arg(format!("{address} {token}"));
    }
    let said = run(command).await;
    said.lines().last().expect("the channel's id").clone_into(&mut pair.id);
    pair.assert_settled(10_u128.pow(18), 24 * 10_u128.pow(17)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cast_rpc_alone_leads_a_channel_through_its_life() {
    let mut pair = Pair::start().await;
    let (one, two) = (Cast::to(&pair.one), Cast::to(&pair.two));
    let invite = two.ask("createInvite", "{}").await["invite"].take();
    let offered = one.ask("openChannel", &json!([invite, "1000", "500"]).to_string()).await;
    let id = offered["channelId"].as_str().expect("an id").to_owned();
    let of_channel = json!([id]).to_string();
    let is_offered = |it: &Value| it.as_array().is_some_and(|offers| offers.len() == 1);
    two.until("listPendingOpens", "[]", is_offered).await;
    two.ask("joinChannel", &of_channel).await;
    for side in [&one, &two] {
        let is_open = |it: &Value| it["capacity"] == "1500" && it["isConnected"] == true;
        side.until("getChannel", &of_channel, is_open).await;
    }
    let paid = one.ask("pay", &json!({"channelId": id, "amount": "300"}).to_string()).await;
    assert_eq!(paid["state"], "final");
    let paid = two.ask("pay", &json!({"channelId": id, "amount": "750"}).to_string()).await;
    assert_eq!(paid["state"], "final");
    let refused = one.try_ask("pay", &json!({"channelId": id, "amount": "1451"}).to_string()).await;
    let refused = refused.expect_err("it is more than there is");
    assert!(refused.contains("-32025"), "{refused}");
    two.ask("closeChannel", &of_channel).await;
    one.until("getChannel", &of_channel, |it| !it["settled"].is_null()).await;
    pair.id = id;
    pair.assert_settled(1_450, 50).await;
}

/// `cast rpc`, with a node's address and token.
struct Cast {
    address: String,
    token: String,
}

impl Cast {
    fn to(node: &Node) -> Self {
        let (address, token) = node.caller().place().expect("it serves");
        Self { address, token }
    }

    async fn try_ask(&self, method: &str, params: &str) -> Result<Value, String> {
        let mut command = Command::new(file("contracts/script/tool.sh"));
        command.args(["cast", "rpc", "--raw", "--rpc-url", &format!("http://{}", self.address)]);
        command.args(["--rpc-headers", &format!("Authorization: Bearer {}", self.token)]);
        command.args([&format!("lockstep_{method}"), params]);
        let output = ended(command).await;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    }

    async fn ask(&self, method: &str, params: &str) -> Value {
        let answer = self.try_ask(method, params).await;
        answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"))
    }

    async fn until(&self, method: &str, params: &str, is_so: impl Fn(&Value) -> bool) {
        patiently("the answer", async || is_so(&self.ask(method, params).await).then_some(()))
            .await;
    }
}

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

async fn ended(mut command: Command) -> Output {
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    output.expect("no panic").expect("it is installed: run 'make setup' first")
}

async fn run(command: Command) -> String {
    let output = ended(command).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}
