//! What else the program offers to people and to the machine that runs it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use lockstep_e2e::channel::Pair;
use lockstep_e2e::node::binary;
use lockstep_e2e::patiently;
use lockstep_e2e::world::World;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_pays_at_a_rate_and_says_what_it_came_to() {
    let pair = Pair::open("1000", "0").await;
    let Pair { one, id, .. } = &pair;
    let words = ["stream", id, "3wei", "--rate", "100", "--count", "25"];
    let done = one.cli(&words).await.expect_done();
    assert_eq!((&done["payments"], &done["finalPayments"]), (&json!(25), &json!(25)), "{done}");
    assert_eq!((&done["failedPayments"], &done["total"]), (&json!(0), &json!("75")), "{done}");
    pair.until_balances(925, 75).await;
    // More than there is is refused as a whole.
    let words = ["stream", id, "400wei", "--rate", "100", "--count", "5"];
    let ended = one.cli(&words).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("nothing was paid"), "{ended:?}");
    pair.until_balances(925, 75).await;
    assert_eq!(one.payments().await.len(), 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn p46_a_proof_is_written_by_one_command_and_checked_by_another_without_a_node() {
    let mut pair = Pair::open("1000", "0").await;
    let id = pair.id.clone();
    pair.one.pay(&id, "100").await;
    let file = pair.one.world().folder().join("proof.json").display().to_string();
    let written = pair.one.cli(&["export-proof", &id, "--to", &file]).await.expect_done();
    // Nobody has signed two states of one version: there is nothing to give.
    let words = ["export-proof", &id, "--equivocation"];
    for words in [&words[..], &[&["check"], &words[..]].concat()] {
        let none = pair.one.cli(words).await;
        assert_eq!(none.code, 3, "{words:?}: {none:?}");
        assert!(none.stderr.contains("two states of one version"), "{words:?}: {none:?}");
    }
    pair.one.stop().await;
    let said = pair.one.cli(&["verify-proof", &file]).await.expect_done();
    assert_eq!((&said["proves"], &said["version"]), (&json!("state"), &written["version"]));
    assert_eq!(said["channelId"], json!(id));
    let text = fs::read_to_string(&file).expect("a proof");
    let changed = text.replace("\"net\": \"100\"", "\"net\": \"99\"");
    assert_ne!(changed, text);
    fs::write(&file, changed).expect("a file");
    let refused = pair.one.cli(&["verify-proof", &file]).await;
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.stderr.contains("proves nothing"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_would_happen_and_does_nothing() {
    let pair = Pair::open("1000", "500").await;
    let Pair { one, two, id } = &pair;
    let before =
        [one.channel(id).await["version"].clone(), two.channel(id).await["version"].clone()];
    for words in [
        &["check", "pay", id, "100wei"][..],
        &["check", "deposit", id, "100wei"],
        &["check", "withdraw", id, "100wei"],
        &["check", "close", id],
        &["check", "force-close", id],
        &["check", "token", "new", "shop", "--limit", "1ETH"],
        &["check", "token", "revoke", "read"],
        &["check", "node"],
        &["check", "stop"],
    ] {
        let ended = one.cli(words).await;
        assert_eq!(ended.code, 0, "{words:?}: {ended:?}");
    }
    for words in [
        &["check", "pay", id, "1001wei"][..],
        &["check", "token", "new", "read"],
        &["check", "token", "new", "Shop"],
        &["check", "token", "revoke", "admin"],
        &["check", "token", "revoke", "shop"],
        &["check", "init", "--yes"],
        &["check", "node", "--chain-endpoints", "ftp://127.0.0.1:1"],
    ] {
        let refused = one.cli(words).await;
        assert_eq!(refused.code, 3, "{words:?}: {refused:?}");
    }
    let tokens = one.cli(&["token", "list"]).await.expect_done();
    assert_eq!(tokens.as_array().map(Vec::len), Some(2), "{tokens}");
    let folder = one.world().folder().join("to-be").display().to_string();
    let (words, new) = (format!("{folder}.words"), ["check", "init", "--data-dir", &folder]);
    let would = one.cli(&[&new[..], &["--words-to", &words]].concat()).await.expect_done();
    assert!(would["steps"].to_string().contains(&words), "{would}");
    assert!(!std::path::Path::new(&folder).exists() && !std::path::Path::new(&words).exists());
    assert_eq!(one.payments().await, Vec::<Value>::new());
    assert_eq!(
        [one.channel(id).await["version"].clone(), two.channel(id).await["version"].clone()],
        before
    );
    assert_eq!(one.channel(id).await["close"], Value::Null);
    assert_eq!(one.ask("lockstep_status", json!([])).await["state"], "ready");
    one.pay(id, "1000").await;
    pair.until_balances(0, 1_500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_option_is_shown_with_its_value_and_who_said_so() {
    let (_world, node) = World::start().await;
    let shown = node.cli(&["config", "--p2p-nat", "true"]).await;
    let shown = shown.expect_done();
    let options = shown["options"].as_array().expect("options");
    let of = |key: &str| {
        let found = options.iter().find(|option| option["key"] == key);
        found.unwrap_or_else(|| panic!("{key} is no option"))
    };
    let nat = of("p2p.nat");
    assert_eq!((&nat["value"], &nat["env"]), (&json!(true), &json!("LOCKSTEP_P2P_NAT")));
    // The flag is stronger than the environment, which says no.
    assert_eq!(nat["source"], "flag");
    assert_eq!(of("rpc.listen")["source"], "environment");
    assert_eq!(of("log.level")["source"], "default");
    let sample = node.say(&["config", "sample"]).await;
    assert_eq!(sample.code, 0, "{sample:?}");
    for option in options {
        let key = option["key"].as_str().and_then(|key| key.split('.').next_back());
        let key = key.expect("a key");
        assert!(sample.stdout.contains(key), "{key} is not in the sample");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shell_gets_its_completions() {
    let (_world, node) = World::start().await;
    for shell in ["bash", "zsh", "fish"] {
        let said = node.say(&["completions", shell]).await;
        assert_eq!(said.code, 0, "{said:?}");
        for command in ["force-close", "export-proof", "recover"] {
            assert!(said.stdout.contains(command), "{shell} does not know {command}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_is_told_of_the_beginning_and_of_the_end() {
    let (world, mut node) = World::start().await;
    let path = world.folder().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(lockstep_e2e::PATIENCE)).expect("a limit");
    node.set("NOTIFY_SOCKET", path.display().to_string());
    let heard = || {
        let mut said = [0; 256];
        let len = socket.recv(&mut said).expect("a word");
        String::from_utf8_lossy(&said[..len]).into_owned()
    };
    node.start().await;
    assert!(heard().contains("READY=1"));
    node.stop().await;
    assert!(heard().contains("STOPPING=1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_interface_is_described_by_the_node_itself() {
    let (_world, mut node) = World::start().await;
    node.start().await;
    let described = node.ask("rpc.discover", json!([])).await;
    let committed = include_str!("../../../../docs/rpc/openrpc.json");
    let committed: Value = serde_json::from_str(committed).expect("JSON");
    assert_eq!(described["methods"], committed["methods"]);
}

#[test]
fn a_node_is_made_where_relative_paths_say_and_a_failure_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    write_password(&folder.join("secret"));
    let init = |words: &[&str]| -> Output {
        let mut command = lonely(folder);
        command.args(["init", "--data-dir", "mine", "--words-to", "mine.words"]).args(words);
        command.output().expect("it runs")
    };
    let names = || {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<_> = entries.map(|it| it.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    // The words have nowhere to go.
    fs::write(folder.join("mine.words"), "older words").expect("a file");
    let before = names();
    let refused = init(&[]);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert_eq!(names(), before);
    let kept = fs::read_to_string(folder.join("mine.words")).expect("a file");
    assert_eq!(kept, "older words");

    fs::remove_file(folder.join("mine.words")).expect("removed");
    let made = init(&[]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let words = fs::read_to_string(folder.join("mine.words")).expect("words");
    assert_eq!(words.split_whitespace().count(), 24);
    assert!(folder.join("mine/seed.json").is_file());
    assert_eq!(names(), ["mine", "mine.words", "secret"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_chain_ends_with_its_node_however_that_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let state = folder.join("mine/dev-chain.json").display().to_string();
    let keepers = async |count: usize| {
        patiently("the chain's processes", async || (running(&state) == count).then_some(())).await;
    };
    let mut node = start_dev(folder).await;
    // A keeper and the chain.
    keepers(2).await;
    node.0.kill().expect("killed");
    node.0.wait().expect("reaped");
    keepers(0).await;

    fs::remove_file(folder.join("mine/rpc.address")).expect("it was left there");
    let mut node = start_dev(folder).await;
    keepers(2).await;
    let stop = lonely(folder).args(["stop", "--data-dir", "mine"]).output().expect("it runs");
    assert_eq!(stop.status.code(), Some(0), "{stop:?}");
    let ended = node.0.wait().expect("reaped");
    assert!(ended.success(), "{ended:?}");
    keepers(0).await;
}

/// A process that is killed when a test fails.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// `lockstep node --dev`, once it serves.
async fn start_dev(folder: &Path) -> Guard {
    let mut command = lonely(folder);
    // In full: it is how the chain's processes are told from others'.
    command.args(["node", "--dev", "--rpc-listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(folder.join("mine"));
    command.args(["--p2p-listen", "/ip4/127.0.0.1/tcp/0", "--p2p-nat", "false"]);
    command.args(["--keys-allow-swap", "true", "--chain-endpoints", "http://127.0.0.1:0"]);
    let log = fs::File::create(folder.join("log")).expect("a log");
    let mut guard = Guard(command.stderr(log).spawn().expect("it starts"));
    patiently("the node serves", async || {
        let ended = guard.0.try_wait().expect("its state");
        let said = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(ended.is_none(), "it ended: {}", said());
        folder.join("mine/rpc.address").is_file().then_some(())
    })
    .await;
    guard
}

/// The program in a folder that is all it knows.
fn lonely(folder: &Path) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOCKSTEP_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).env("HOME", folder).stdin(Stdio::null());
    if folder.join("secret").is_file() {
        command.env("LOCKSTEP_PASSWORD_FILE", folder.join("secret"));
    }
    command
}

fn write_password(path: &Path) {
    let mut open = OpenOptions::new();
    let file = open.write(true).create_new(true).mode(0o600).open(path);
    file.expect("a file").write_all(b"correct horse battery\n").expect("written");
}

/// How many processes have been started with this text in their words.
fn running(text: &str) -> usize {
    let processes = fs::read_dir("/proc").expect("Linux").filter_map(Result::ok);
    // One that ends in between has no words any more.
    let words = processes.filter_map(|it| fs::read(it.path().join("cmdline")).ok());
    words.filter(|words| String::from_utf8_lossy(words).contains(text)).count()
}
