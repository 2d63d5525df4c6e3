//! The program itself: made, run, asked, killed.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use lockstep_core::ids::Side;
use lockstep_p2p::tower::{PutOutcome, TowerAddress};
use serde_json::Value;

use crate::anvil::FINALITY;
use crate::kit::{Client, LOOK, PATIENCE, appointment, mine_until};
use crate::scene::Scene;

/// Kills, one after the other, at moments that differ. More of them: `KILLS=100`.
const KILLS: u8 = 10;

struct Program {
    dir: tempfile::TempDir,
    child: Option<Child>,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Program {
    /// A new tower for a scene.
    fn make(scene: &Scene) -> Self {
        Self::make_with(scene, &[scene.anvil.url.as_str()], "")
    }

    /// The same over endpoints of one's choice, and with more settings.
    fn make_with(scene: &Scene, endpoints: &[&str], more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let password = dir.path().join("password");
        std::fs::write(&password, "correct horse\n").unwrap();
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
        let deployment = dir.path().join("dev.json");
        std::fs::write(&deployment, scene.deployment.to_json().unwrap()).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let settings = format!(
            "listen = [\"/ip4/127.0.0.1/tcp/0\"]\nadmin = \"{free}\"\npassword_file = {password:?}\n\
             allow_swap = true\nmin_window_secs = 1000\nstagger = false\nheartbeat_secs = 1\n\
             cache_mib = 16\n{more}[[chain]]\nendpoints = {endpoints:?}\ndeployment = {deployment:?}\nlanes = 2\n"
        );
        let program = Self { dir, child: None };
        let config = program.dir.path().join("settings.toml");
        std::fs::write(&config, settings).unwrap();
        let made = program.run(&["init", "--json"]);
        assert!(made.status.success(), "{made:?}");
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        assert_eq!(made["words"].as_str().unwrap().split(' ').count(), 24);
        program
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.path().join("tower")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep-watchtower"));
        command.args(words).arg("--data-dir").arg(self.data_dir());
        command.arg("--config").arg(self.dir.path().join("settings.toml"));
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn ask(&self, word: &str) -> Value {
        let answer = self.run(&[word, "--json"]);
        assert!(answer.status.success(), "{answer:?}");
        serde_json::from_slice(&answer.stdout).unwrap()
    }

    /// Starts it and waits until clients are served.
    async fn start(&mut self) -> TowerAddress {
        let file = self.data_dir().join("tower.address");
        if file.exists() {
            std::fs::remove_file(&file).unwrap();
        }
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.path().join("log"))
            .unwrap();
        let child = self.command(&["run"]).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.child = Some(child);
        let waiting = async {
            loop {
                if let Some(address) = address_in(&file) {
                    return address;
                }
                let ended = self.child.as_mut().unwrap().try_wait().unwrap();
                assert!(ended.is_none(), "{ended:?}: {}", self.log());
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("it serves clients")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// SIGKILL: nothing is written, closed or said any more.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

fn address_in(file: &Path) -> Option<TowerAddress> {
    let text = std::fs::read_to_string(file).ok()?;
    text.ends_with('\n').then(|| text.parse().unwrap())
}

async fn fund(scene: &Scene, info: &Value) {
    for lane in info["accounts"][0]["lanes"].as_array().unwrap() {
        scene.anvil.fund(lane.as_str().unwrap().parse().unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p70_p74_a_tower_that_is_killed_at_any_moment_of_an_answer_answers_every_close() {
    let kills = std::env::var("KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let scene = Scene::start().await;
    let mut program = Program::make(&scene);
    let mut address = program.start().await;
    fund(&scene, &program.ask("info")).await;
    for round in 0..kills {
        let channel = scene.open(round.wrapping_add(1)).await;
        let client = Client::connect(&address, 1).await;
        let left = appointment(&scene, &channel, 7, 20);
        let outcome = client.link.put(left, client.watch(&scene, &channel, Side::Two)).await;
        assert!(matches!(outcome, Ok(PutOutcome::Promised(_))), "{outcome:?}");
        scene.close(&channel, 3).await;
        // From at once to after the answer is in a block, in steps that no two rounds share.
        tokio::time::sleep(LOOK * u32::from(round) * 3).await;
        if round % 3 == 2 {
            scene.anvil.mine(1).await;
        }
        program.kill();
        if round % 2 == 1 {
            // What was seen becomes final while nobody looks.
            scene.anvil.mine(FINALITY + 1).await;
        }
        address = program.start().await;
        mine_until(&scene, "the answer", || async { scene.stored(&channel).await.version == 7 })
            .await;
    }
    let stats = program.ask("stats");
    assert_eq!(stats["channels"], kills);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_told_where_the_tower_is_what_it_holds_and_what_it_lacks() {
    let scene = Scene::start().await;
    let mut program = Program::make(&scene);
    let again = program.run(&["init"]);
    assert_eq!(again.status.code(), Some(3), "{again:?}");
    let unreached = program.run(&["stats"]);
    assert_eq!(unreached.status.code(), Some(4), "{unreached:?}");
    let said = String::from_utf8_lossy(&unreached.stderr).into_owned();
    assert!(said.contains("lockstep-watchtower run") && said.contains("--admin"), "{said}");
    let address = program.start().await;
    let info = program.ask("info");
    assert_eq!(info["address"], address.to_string());
    fund(&scene, &info).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    let left = appointment(&scene, &channel, 7, 20);
    client.link.put(left, client.watch(&scene, &channel, Side::Two)).await.unwrap();
    let stats = program.ask("stats");
    assert_eq!((&stats["channels"], &stats["clients"]), (&Value::from(1), &Value::from(1)));
    let listed = program.ask("appointments");
    assert_eq!(listed[0]["channelId"], channel.id.to_string());
    assert_eq!(listed[0]["version"], 7);
    assert_eq!(program.ask("clients")[0]["used"], 1);
    program.kill();
    let info = program.ask("info");
    assert_eq!(info["address"], address.to_string(), "the address is known while it is down");
    // Whoever may not read the token, or has lost it, still learns the address, and else what to do.
    std::fs::remove_file(program.data_dir().join("admin.token")).unwrap();
    assert_eq!(program.ask("info")["address"], address.to_string());
    let said = said_by(&program.run(&["clients"]));
    assert!(said.contains("admin.token") && said.contains("start the tower again"), "{said}");
}

fn said_by(refused: &Output) -> String {
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    String::from_utf8_lossy(&refused.stderr).into_owned()
}

#[test]
fn whoever_asks_where_there_is_no_tower_is_told_how_to_make_one_or_name_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    for word in ["info", "clients", "appointments", "stats"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep-watchtower"));
        let asked = command.arg(word).arg("--data-dir").arg(dir.path().join("none")).output();
        let said = said_by(&asked.unwrap());
        assert!(said.contains("lockstep-watchtower init") && said.contains("--data-dir"), "{said}");
    }
}

/// Takes one request after the other, and gives the bodies with their signatures.
async fn receiver() -> (String, tokio::sync::mpsc::Receiver<(String, String)>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, taken) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        let mut is_first = true;
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut text, mut part) = (Vec::new(), [0; 4_096]);
            let body = loop {
                let read = stream.read(&mut part).await.unwrap_or(0);
                text.extend_from_slice(&part[..read]);
                let whole = String::from_utf8_lossy(&text).into_owned();
                let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
                let field = |name: &str| {
                    head.lines().find_map(|line| {
                        let (key, value) = line.split_once(": ")?;
                        key.eq_ignore_ascii_case(name).then(|| value.to_owned())
                    })
                };
                let length: usize = field("content-length").unwrap().parse().unwrap();
                if body.len() >= length || read == 0 {
                    break (body.to_owned(), field("x-lockstep-signature").unwrap());
                }
            };
            // The first one is refused, and comes again.
            let status = if is_first { "503 Busy" } else { "204 No Content" };
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.ok();
            if !is_first && sender.send(body).await.is_err() {
                return;
            }
            is_first = false;
        }
    });
    (url, taken)
}

#[tokio::test(flavor = "multi_thread")]
async fn p70_p73_with_a_dead_endpoint_it_starts_and_answers_and_its_webhook_says_so_signed() {
    use hkdf::hmac::{Hmac, Mac};
    let scene = Scene::start().await;
    let (url, mut taken) = receiver().await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "a secret of the operator\n").unwrap();
    let more = format!("webhook = {url:?}\nwebhook_secret_file = {secret:?}\n");
    // Nobody listens there.
    let endpoints = ["http://127.0.0.1:9", scene.anvil.url.as_str()];
    let mut program = Program::make_with(&scene, &endpoints, &more);
    let address = program.start().await;
    fund(&scene, &program.ask("info")).await;
    let channel = scene.open(1).await;
    let client = Client::connect(&address, 1).await;
    let left = appointment(&scene, &channel, 7, 20);
    client.link.put(left, client.watch(&scene, &channel, Side::Two)).await.unwrap();
    scene.close(&channel, 3).await;
    mine_until(&scene, "the answer", || async { scene.stored(&channel).await.version == 7 }).await;
    scene.anvil.mine(FINALITY + 1).await;
    let mut last = 0;
    let waiting = async {
        loop {
            let (body, signature) = taken.recv().await.unwrap();
            let mut mac =
                <Hmac<sha2::Sha256> as Mac>::new_from_slice(b"a secret of the operator").unwrap();
            mac.update(body.as_bytes());
            let expected = alloy_primitives::hex::encode(mac.finalize().into_bytes());
            assert_eq!(signature, expected, "{body}");
            let said: Value = serde_json::from_str(&body).unwrap();
            let sequence = said["sequence"].as_u64().unwrap();
            assert!(sequence > last, "{body}");
            last = sequence;
            let is_of_channel = said["channelId"] == channel.id.to_string();
            if is_of_channel && said["stage"] == "final" {
                return said;
            }
        }
    };
    let said = tokio::time::timeout(PATIENCE, waiting).await;
    let said = said.unwrap_or_else(|_| panic!("it was not said: {}", program.log()));
    assert_eq!((&said["kind"], &said["version"]), (&Value::from("acted"), &Value::from(7)));
}
