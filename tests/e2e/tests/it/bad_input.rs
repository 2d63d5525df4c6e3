//! What can't be meant: one line that says what is wrong, one that says what to do, an exit code, and nothing
//! half-done.

use alloy_primitives::U256;
use lockstep_e2e::channel::Pair;
use lockstep_e2e::node::{Ended, Node, Options};
use lockstep_e2e::world::World;
use serde_json::{Value, json};

/// It will not work without a change.
const REFUSED: i32 = 3;
/// It may work later.
const TRANSIENT: i32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_can_not_be_carried_out_are_refused_with_what_to_do_and_change_nothing() {
    let pair = Pair::open("1000", "500").await;
    let Pair { one, two, id } = &pair;
    let before = [memory_of(one).await, memory_of(two).await];
    let unreachable = gone(&pair).await;
    let foreign = foreign_invite(&pair).await;
    let own = one.invite().await;
    let theirs = two.invite().await;
    let mut damaged = theirs.clone();
    damaged.replace_range(40..41, if &theirs[40..41] == "q" { "p" } else { "q" });
    let nobody = format!("0x{}", "01".repeat(32));
    let expired = expired_invoice(&pair).await;
    let ours = one.cli(&["invoice", id, "5wei"]).await.expect_done();
    let ours = ours["invoice"].as_str().expect("text");

    let fees = fees_of(&pair).await;
    for (words, code, what) in [
        (&["open", "lockstep:nonsense", "1wei"][..], REFUSED, "invite"),
        (&["open", &damaged, "1wei"], REFUSED, "invite"),
        (&["connect", &damaged], REFUSED, "invite"),
        (&["open", &own, "1wei"], REFUSED, "itself"),
        (&["open", &foreign, "1wei"], REFUSED, "network"),
        (&["open", &unreachable, "1wei"], TRANSIENT, "reach"),
        (&["open", &theirs, "101ETH"], REFUSED, "101 ETH"),
        (&["open", &theirs, "0.0000000000000000001ETH"], REFUSED, "18"),
        (&["pay", id, "0.0000000000000000001ETH"], REFUSED, "18"),
        (&["pay", id, "5"], REFUSED, "unit"),
        (&["pay", id, "-5wei"], 2, "-5"),
        (&["pay", id, "0wei"], REFUSED, "zero"),
        (&["pay", id, "1001wei"], REFUSED, "0.000000000000001 ETH"),
        (&["pay", &nobody, "1wei"], REFUSED, "channel"),
        (&["pay", &expired], REFUSED, "time is over"),
        (&["pay", ours], REFUSED, "own"),
        (&["pay", "lsi1garbage"], REFUSED, "invoice"),
        (&["withdraw", id, "1001wei"], REFUSED, "0.000000000000001 ETH"),
        (&["deposit", id, "101ETH"], REFUSED, "101 ETH"),
        (&["join", &nobody], REFUSED, "0101"),
        (&["close", &nobody], REFUSED, "channel"),
        (&["force-close", &nobody, "--yes"], REFUSED, "channel"),
        (&["recover", "--from-backup", "nothing.backup"], REFUSED, "nothing.backup"),
    ] {
        let ended = one.say(words).await;
        assert_refused(words, &ended, code, what);
    }
    assert_eq!([memory_of(one).await, memory_of(two).await], before);
    assert_eq!(fees_of(&pair).await, fees);
    one.pay(id, "1000").await;
    pair.until_balances(0, 1_500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_can_not_be_right_does_not_start() {
    let (world, mut node) = World::start().await;
    let data_dir = node.data_dir();
    let files = || {
        let entries = std::fs::read_dir(&data_dir).expect("a folder");
        let mut names: Vec<_> = entries.map(|it| it.expect("an entry").file_name()).collect();
        // A journal with nothing in it may be there: it is opened before anybody is asked.
        names.retain(|name| name != "journal");
        names.sort();
        names
    };
    let before = files();
    let wrong = world.folder().join("wrong.password");
    std::fs::copy(world.folder().join("node0.password"), &wrong).expect("a file");
    std::fs::write(&wrong, "incorrect horse battery\n").expect("a file");
    let wrong = wrong.display().to_string();
    let folder = world.folder().join("nothing");
    std::fs::create_dir(&folder).expect("a folder");
    let folder = folder.display().to_string();
    for (flags, code, what) in [
        (&["--keys-password-file", &wrong][..], REFUSED, "password"),
        (&["--chain-id", "31338"], REFUSED, "31338"),
        (&["--chain-deployments", &folder], REFUSED, "deploy"),
        (&["--chain-endpoints", "ftp://127.0.0.1:1"], REFUSED, "http"),
        (&["--rpc-listen", "0.0.0.0:0"], REFUSED, "others can reach"),
        (&["--no-such-flag"], 2, "--no-such-flag"),
    ] {
        assert_does_not_start(&mut node, flags, code, what).await;
        assert_eq!(files(), before, "{flags:?}");
    }
    let again = node.say(&["init", "--yes"]).await;
    assert_refused(&["init"], &again, REFUSED, "holds a node already");
    let unborn = node.say(&["status", "--data-dir", &folder]).await;
    assert_refused(&["status"], &unborn, REFUSED, "holds no node");
    let asleep = node.say(&["status"]).await;
    assert_refused(&["status"], &asleep, TRANSIENT, "node");

    node.start().await;
    let mut second = node.twin();
    assert_does_not_start(&mut second, &[], REFUSED, "another node").await;
    let status = node.ask("lockstep_status", json!([])).await;
    assert_eq!(status["state"], "ready", "{status}");
    node.stop().await;
    node.start().await;
}

fn assert_refused(words: &[&str], ended: &Ended, code: i32, what: &str) {
    assert_eq!(ended.code, code, "{words:?}: {ended:?}");
    assert_eq!(ended.stdout, "", "{words:?}");
    let lines: Vec<_> = ended.stderr.lines().collect();
    let errors: Vec<_> = lines.iter().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{words:?}: {}", ended.stderr);
    assert!(errors[0].contains(what), "{words:?}: {}", ended.stderr);
    let helps = ["safe: ", "to do: ", "Usage: ", "For more information"];
    let has_help = lines.iter().any(|line| helps.iter().any(|help| line.starts_with(help)));
    assert!(has_help, "{words:?}: {}", ended.stderr);
}

async fn assert_does_not_start(node: &mut Node, flags: &[&str], code: i32, what: &str) {
    let before = node.log_text().len();
    node.launch(flags);
    let ended = node.ends().await;
    let said = node.log_text()[before..].to_owned();
    assert_eq!(ended, code, "{flags:?}: {said}");
    let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{flags:?}: {said}");
    assert!(errors[0].contains(what), "{flags:?}: {said}");
}

/// What both have paid for gas.
async fn fees_of(pair: &Pair) -> [U256; 2] {
    let world = pair.world();
    [world.fees_of(pair.one.account()).await, world.fees_of(pair.two.account()).await]
}

/// What a node remembers of channels and payments.
async fn memory_of(node: &Node) -> (Value, Vec<Value>) {
    let mut channels = node.ask("lockstep_listChannels", json!({"includeSettled": true})).await;
    for channel in channels["channels"].as_array_mut().expect("channels") {
        assert_eq!(channel["problem"], Value::Null);
        // What comes and goes with the link and with time.
        channel.as_object_mut().expect("a channel").remove("waiting");
    }
    (channels, node.payments().await)
}

/// An invite of a node that has stopped.
async fn gone(pair: &Pair) -> String {
    let mut node = pair.one.world().poor_node(&Options::default()).await;
    node.start().await;
    let invite = node.invite().await;
    node.stop().await;
    invite
}

/// An invite of a node that uses another contract on the same chain.
async fn foreign_invite(pair: &Pair) -> String {
    let mut node = pair.one.world().node(&Options::default()).await;
    let folder = pair.world().folder().join("other");
    std::fs::create_dir(&folder).expect("a folder");
    node.set("LOCKSTEP_CHAIN_DEPLOYMENTS", folder.display().to_string());
    node.cli(&["deploy", "--yes", "--salt", "1"]).await.expect_done();
    node.start().await;
    node.invite().await
}

/// An invoice of the other side that nobody has paid in time.
async fn expired_invoice(pair: &Pair) -> String {
    let call = json!({"channelId": pair.id, "amount": "5", "expirySecs": 1});
    let invoice = pair.two.ask("lockstep_createInvoice", call).await["invoice"].take();
    pair.world().pass(100).await;
    for node in [&pair.one, &pair.two] {
        let is_over = |it: &Value| it["state"] == "expired";
        node.until("lockstep_decodeInvoice", json!([invoice]), "end of its time", is_over).await;
    }
    invoice.as_str().expect("text").to_owned()
}
