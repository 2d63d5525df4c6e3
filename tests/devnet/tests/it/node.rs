//! Whole nodes as anybody runs them: a channel funded from L1 with one transaction, paid in, closed, and the
//! money back on L1, with the node killed on the way.

use crate::token::TokenPair;
use alloy_primitives::{Address, Bytes, U256};
use lockstep_devnet::optimism::{L1_CHAIN_ID, L2_CHAIN_ID, Optimism, SYSTEM_CONFIG, ether};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const RECIPIENT: Address = Address::repeat_byte(0x77);
/// Between two blocks of L1.
const TICK: Duration = Duration::from_millis(600);
/// Between two looks, and how many of them are far too many.
const LOOK: Duration = Duration::from_millis(200);
const LOOKS: u32 = 900;

/// A `lockstep` process that is killed with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Where a node's two chains are.
pub(crate) struct Place<'a> {
    /// The kind of rollup, as configurations name it.
    pub(crate) kind: &'static str,
    /// Chain id of the rollup.
    pub(crate) l2_chain_id: u64,
    /// Where L1 is reached.
    pub(crate) l1: &'a str,
    /// Where the rollup is reached.
    pub(crate) l2: &'a str,
}

/// A node with a folder of its own.
pub(crate) struct Node {
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    pub(crate) account: Address,
    process: Option<Process>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.process = None;
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!("--- {} ---", self.folder.display());
            tail.into_iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// The program, built beside this test.
fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let binary = own.parent().and_then(Path::parent).unwrap().join("lockstep");
    let place = binary.display();
    assert!(binary.is_file(), "{place} is missing: 'cargo build -p lockstep' makes it");
    binary
}

impl Node {
    pub(crate) async fn init(folder: &Path, name: &str, place: &Place<'_>) -> Self {
        let own = folder.join(name);
        fs::create_dir(&own).unwrap();
        let password = own.join("password");
        let mut open = fs::OpenOptions::new();
        let mut file = open.write(true).create(true).mode(0o600).open(&password).unwrap();
        file.write_all(b"correct horse battery\n").unwrap();
        let bridge = folder.join("bridge.toml");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let &Place { kind, l2_chain_id, l1, l2 } = place;
        let text = |path: &Path| path.display().to_string();
        let environment = vec![
            ("LOCKSTEP_NETWORK", format!("{kind}-local")),
            ("LOCKSTEP_DATA_DIR", text(&own.join("data"))),
            ("LOCKSTEP_PASSWORD_FILE", text(&password)),
            ("LOCKSTEP_CHAIN_KIND", kind.to_owned()),
            ("LOCKSTEP_CHAIN_ID", l2_chain_id.to_string()),
            // The same chain twice: a real network has two operators.
            ("LOCKSTEP_CHAIN_ENDPOINTS", format!("{l2},{}", l2.replace("127.0.0.1", "localhost"))),
            ("LOCKSTEP_CHAIN_DEPLOYMENTS", text(&folder.join("deployments"))),
            ("LOCKSTEP_BRIDGE_ENDPOINTS", l1.to_owned()),
            ("LOCKSTEP_BRIDGE_FILE", text(&bridge)),
            ("LOCKSTEP_RPC_LISTEN", "127.0.0.1:0".to_owned()),
            ("LOCKSTEP_P2P_LISTEN", format!("/ip4/127.0.0.1/tcp/{port}")),
            ("LOCKSTEP_P2P_NAT", "false".to_owned()),
            ("LOCKSTEP_KEYS_ALLOW_SWAP", "true".to_owned()),
            ("LOCKSTEP_CHANNEL_ACCEPT", "always".to_owned()),
            ("HOME", text(folder)),
        ];
        let mut node = Self { folder: own, environment, account: Address::ZERO, process: None };
        let words = text(&node.folder.join("words"));
        let made = node.cli(&["init", "--yes", "--words-to", &words]).await;
        node.account = made["account"].as_str().and_then(|it| it.parse().ok()).expect("an account");
        node
    }

    /// From its next start on it takes this token, told as its configuration has it.
    pub(crate) fn take_token(&mut self, token: &str) {
        self.environment.push(("LOCKSTEP_CHANNEL_TOKENS", token.to_owned()));
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOCKSTEP_")) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned()).stdin(Stdio::null());
        command
    }

    pub(crate) async fn try_cli(&self, words: &[&str]) -> Result<Value, String> {
        let mut command = self.command();
        command.args(words).arg("--json");
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        if !output.status.success() {
            return Err(err);
        }
        let line = out.trim().lines().last().unwrap_or("null");
        serde_json::from_str(line).map_err(|error| format!("{error}: {out} {err}"))
    }

    pub(crate) async fn cli(&self, words: &[&str]) -> Value {
        self.try_cli(words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub(crate) async fn start(&mut self) {
        let open =
            || fs::OpenOptions::new().append(true).create(true).open(self.folder.join("log"));
        let mut command = self.command();
        command.arg("node").stdout(open().unwrap()).stderr(open().unwrap());
        self.process = Some(Process(command.spawn().unwrap()));
        self.until(&["status"], "serving", |status| status["chain"]["processedNumber"].is_number())
            .await;
    }

    /// SIGKILL, then another life.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.process = None;
        let _removed = fs::remove_file(self.folder.join("data/rpc.address"));
        self.start().await;
    }

    pub(crate) async fn until(
        &self,
        words: &[&str],
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut last = Value::Null;
        for _ in 0..LOOKS {
            match self.try_cli(words).await {
                Ok(answer) if is_so(&answer) => return answer,
                Ok(answer) => last = answer,
                Err(error) => last = Value::String(error),
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("never {what}: {last:#}");
    }
}

pub(crate) fn wei(value: &Value) -> U256 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("wei: {value}"))
}

/// The network, which makes blocks by itself.
fn run(network: Optimism) -> (Arc<Mutex<Optimism>>, tokio::task::JoinHandle<()>) {
    let network = Arc::new(Mutex::new(network));
    let shared = Arc::clone(&network);
    let task = tokio::spawn(async move {
        loop {
            shared.lock().await.tick().await;
            tokio::time::sleep(TICK).await;
        }
    });
    (network, task)
}

/// A channel whose money comes from L1 with one transaction, over a kill.
pub(crate) async fn open_from_l1(
    alice: &mut Node,
    bob: &Node,
    amount: &str,
    flags: &[&str],
) -> String {
    let invite = bob.cli(&["invite"]).await["invite"].as_str().unwrap().to_owned();
    let channel = alice.cli(&["open", &invite, amount, "--no-wait"]).await;
    let channel = channel["channelId"].as_str().unwrap().to_owned();
    let fund = [&["fund", &channel], flags].concat();
    alice.until(&fund, "funded", Value::is_object).await;
    assert!(alice.try_cli(&fund).await.is_err(), "it is on its way already");
    alice.kill_and_restart().await;
    alice.until(&["transfers"], "credited", |all| all[0]["state"] == "credited").await;
    for node in [&*alice, bob] {
        node.until(&["channels", &channel], "open", |it| it["phase"] == "open").await;
    }
    channel
}

pub(crate) async fn pay_and_close(alice: &Node, bob: &Node, channel: &str, amount: &str) {
    alice.cli(&["pay", channel, amount]).await;
    alice.cli(&["close", channel, "--no-wait"]).await;
    for node in [alice, bob] {
        node.until(&["channels", channel], "settled", |it| it["phase"] == "settled").await;
    }
}

/// Two nodes on a network that makes blocks by itself; alice has coins on L1.
struct Scene {
    network: Arc<Mutex<Optimism>>,
    ticking: tokio::task::JoinHandle<()>,
    alice: Node,
    bob: Node,
    /// Alice's account on L1.
    account: Address,
    /// The last to go: a node that fails shows its log, which is in it.
    _folder: tempfile::TempDir,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

impl Scene {
    /// With a token that both take, where one is named.
    async fn start(network: Optimism, token: Option<TokenPair>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bridge = format!(
            "stack = \"optimism\"\nl1-chain-id = {L1_CHAIN_ID}\nl2-chain-id = {L2_CHAIN_ID}\n\
             entry = \"{SYSTEM_CONFIG}\"\nsource = \"the local network\"\ndate = \"2026-11-23\"\n"
        );
        fs::write(folder.path().join("bridge.toml"), bridge).unwrap();
        fs::create_dir(folder.path().join("deployments")).unwrap();
        let place = Place {
            kind: "optimism",
            l2_chain_id: L2_CHAIN_ID,
            l1: network.l1.url(),
            l2: network.l2.url(),
        };
        let mut alice = Node::init(folder.path(), "alice", &place).await;
        let mut bob = Node::init(folder.path(), "bob", &place).await;
        for node in [&mut alice, &mut bob] {
            network.l2.set_balance(node.account, ether(1)).await;
            if let Some(TokenPair { l2, .. }) = token {
                node.take_token(&format!("TUSD:{l2}:6"));
            }
        }
        let (network, ticking) = run(network);
        alice.cli(&["deploy", "--yes"]).await;
        bob.start().await;
        alice.start().await;

        let is_ready = |all: &Value| all[0]["l1Account"].is_string();
        let report = alice.until(&["networks"], "a checked bridge", is_ready).await;
        assert_eq!(report[0]["chainId"], L2_CHAIN_ID);
        assert!(wei(&report[0]["challengeFee"]) > wei(&report[0]["challengeDataFee"]));
        let account: Address = report[0]["l1Account"].as_str().unwrap().parse().unwrap();
        assert_ne!(account, alice.account, "P98: another account per chain");
        network.lock().await.l1.set_balance(account, ether(10)).await;
        Self { _folder: folder, network, ticking, alice, bob, account }
    }

    /// To the recipient on L1, over a kill at every stage.
    async fn withdraw(&mut self, amount: &str) {
        let alice = &mut self.alice;
        let to = RECIPIENT.to_string();
        alice.cli(&["withdraw", "--to", "l1", amount, "--recipient", &to]).await;
        let find = |all: &Value, test: &dyn Fn(&Value) -> bool| {
            let out = all.as_array().and_then(|all| all.iter().find(|it| it["direction"] == "out"));
            out.is_some_and(test)
        };
        let waits = |what: &'static str| {
            move |all: &Value| find(all, &|it| it["waitsFor"].as_str().unwrap().contains(what))
        };
        alice.kill_and_restart().await;
        alice.until(&["transfers"], "final on the rollup", waits("a root on L1")).await;
        let game = self.network.lock().await.propose().await;
        alice.kill_and_restart().await;
        let proven = |all: &Value| find(all, &|it| it["state"] == "proven");
        alice.until(&["transfers"], "proven", proven).await;
        self.network.lock().await.resolve(game).await;
        alice.kill_and_restart().await;
        let done = |all: &Value| find(all, &|it| it["state"] == "done" && it["isOver"] == true);
        alice.until(&["transfers"], "paid on L1", done).await;
    }
}

#[tokio::test]
async fn p86_p87_p91_from_l1_into_a_channel_and_back_to_l1_with_real_nodes() {
    let mut scene = Scene::start(Optimism::start().await, None).await;
    // More than alice has on the rollup: it comes from L1, with one transaction.
    let channel = open_from_l1(&mut scene.alice, &scene.bob, "2ETH", &[]).await;
    let spent = ether(10) - scene.network.lock().await.l1.balance(scene.account).await;
    assert!(spent > ether(2) && spent < ether(2) + ether(1) / U256::from(100), "{spent}");

    pay_and_close(&scene.alice, &scene.bob, &channel, "0.5ETH").await;
    let after = scene.network.lock().await.l2.balance(scene.bob.account).await;
    // Whoever was quicker has paid for the close.
    let due = ether(1) + ether(1) / U256::from(2);
    assert!(after <= due && due - after < ether(1) / U256::from(1_000), "{after}");

    scene.withdraw("1ETH").await;
    assert_eq!(scene.network.lock().await.l1.balance(RECIPIENT).await, ether(1));
}

#[tokio::test]
async fn p86_p91_p97_a_token_goes_from_l1_into_a_channel_and_back_to_l1_with_real_nodes() {
    let holder = Address::repeat_byte(0x71);
    let mut network = Optimism::start().await;
    network.l1.set_balance(holder, ether(1)).await;
    let held = U256::from(2_000_000);
    let pair = TokenPair::make(&mut network, holder, held).await;
    let mut scene = Scene::start(network, Some(pair)).await;
    pair.give(&mut *scene.network.lock().await, holder, scene.account, held).await;

    let l1_token = pair.l1.to_string();
    let flags = ["--l1-token", &l1_token];
    let channel = open_from_l1(&mut scene.alice, &scene.bob, "1.5TUSD", &flags).await;
    let told = &scene.alice.cli(&["transfers"]).await[0];
    assert_eq!((&told["asset"]["symbol"], &told["amount"]), (&"TUSD".into(), &"1500000".into()));
    let left = pair.on_l1(&*scene.network.lock().await, scene.account).await;
    assert_eq!(left, U256::from(500_000), "exactly the deposit has left L1");

    pay_and_close(&scene.alice, &scene.bob, &channel, "0.499999TUSD").await;
    let (alice, bob) = (scene.alice.account, scene.bob.account);
    let shares = async |network: &Optimism| {
        [pair.on_l2(network, alice).await, pair.on_l2(network, bob).await]
    };
    let after = shares(&*scene.network.lock().await).await;
    assert_eq!(after, [U256::from(1_000_001), U256::from(499_999)]);

    scene.withdraw("1.000001TUSD").await;
    let network = scene.network.lock().await;
    assert_eq!(pair.on_l1(&network, RECIPIENT).await, U256::from(1_000_001));
    assert_eq!(shares(&network).await, [U256::ZERO, U256::from(499_999)]);
}

/// The newest state that a node can bring to the chain, and the call that starts a close with it.
async fn close_of(node: &Node, channel: &str, name: &str) -> (Address, Bytes) {
    let file = node.folder.join(name);
    node.cli(&["export-proof", channel, "--to", &file.display().to_string()]).await;
    let proof: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let calls = proof["calls"].as_array().unwrap();
    let starts = |call: &&Value| call["function"].as_str().unwrap().starts_with("initiateClose");
    let data = calls.iter().find(starts).unwrap()["calldata"].as_str().unwrap();
    let contract = proof["chain"]["contract"].as_str().unwrap();
    (contract.parse().unwrap(), data.parse().unwrap())
}

#[tokio::test]
async fn p77_sequencer_stopped_a_node_answers_a_stale_close_from_l1_and_finishes_it_there() {
    let mut scene = Scene::start(Optimism::start().await, None).await;
    let channel = open_from_l1(&mut scene.alice, &scene.bob, "2ETH", &[]).await;
    scene.alice.cli(&["pay", &channel, "0.1ETH"]).await;
    let (contract, stale) = close_of(&scene.alice, &channel, "old").await;
    scene.bob.until(&["channels", &channel], "paid", |it| it["version"].as_u64() >= Some(1)).await;
    scene.bob.cli(&["pay", &channel, "0.05ETH"]).await;
    scene.alice.cli(&["pay", &channel, "0.01ETH"]).await;
    let newest = scene.alice.cli(&["channels", &channel]).await["version"].as_u64().unwrap();
    // Bob goes away, and somebody closes for him with what is old; then the sequencer stands still.
    scene.bob.process = None;
    let account = scene.account;
    let used = async |network: &Optimism, on_l1: bool| {
        let (chain, account) =
            if on_l1 { (&network.l1, account) } else { (&network.l2, scene.alice.account) };
        let asked = serde_json::json!([account, "latest"]);
        let count = chain.ask("eth_getTransactionCount", asked).await;
        u64::from_str_radix(count.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    };
    let (on_l1, on_l2, had) = {
        let mut network = scene.network.lock().await;
        network.knobs.is_sequencer_stopped = true;
        let had = network.l2.balance(scene.alice.account).await;
        let before = (used(&network, true).await, used(&network, false).await, had);
        network.knobs.censored.insert(scene.alice.account);
        network.knobs.is_sequencer_stopped = false;
        let receipt = network.send_l2(scene.bob.account, Some(contract), U256::ZERO, stale).await;
        assert!(receipt.is_success());
        network.knobs.is_sequencer_stopped = true;
        before
    };
    let closing = |it: &Value| it["close"]["isStale"] == true;
    let seen = scene.alice.until(&["channels", &channel], "closing", closing).await;
    let period = seen["challengePeriod"].as_u64().unwrap();
    scene.network.lock().await.warp(period / 4 + 60).await;
    let mut answered = 0;
    for _ in 0..LOOKS {
        answered = used(&*scene.network.lock().await, true).await - on_l1;
        if answered > 0 {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    assert_eq!(answered, 1, "one answer, once");
    let is_answered = |it: &Value| it["close"]["version"].as_u64() == Some(newest);
    scene.alice.until(&["channels", &channel], "answered", is_answered).await;
    // The window ends, and the close is finished from L1, too.
    scene.network.lock().await.warp(period).await;
    // What has no deadline waits an hour for the sequencer, by L1's clock.
    for _ in 0..20 {
        tokio::time::sleep(LOOK * 5).await;
        scene.network.lock().await.warp(600).await;
    }
    scene.alice.until(&["channels", &channel], "settled", |it| it["phase"] == "settled").await;
    let network = scene.network.lock().await;
    assert_eq!(used(&network, false).await, on_l2, "nothing went through the sequencer");
    let share = ether(194) / U256::from(100);
    assert_eq!(network.l2.balance(scene.alice.account).await - had, share, "by the newest state");
}
