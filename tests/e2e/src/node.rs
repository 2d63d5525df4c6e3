//! A `lockstep` process: its folder, its command line and its JSON-RPC interface, as anybody would use them.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use alloy_primitives::Address;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::dice::Dice;
use crate::world::World;
use crate::{json_rpc, patiently};

/// The part of a log that a failed test shows. Units: bytes.
const LOG_TAIL: i64 = 6_000;
/// Challenge period of the channels that are opened. Units: seconds.
pub const PERIOD: u64 = 600;

/// How a node differs from others.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The chain as it sees it; none is the chain itself.
    pub endpoint: Option<String>,
    /// Environment variables.
    pub more: Vec<(&'static str, String)>,
    /// Seed words of a node that is gone.
    pub words: Option<PathBuf>,
    /// The command that runs it and what follows it, such as one that enters a network namespace.
    pub within: Vec<String>,
}

/// A node; its process is killed with it, also by a test that fails.
pub struct Node {
    world: Arc<World>,
    name: String,
    account: Address,
    environment: Vec<(&'static str, String)>,
    within: Vec<String>,
    process: Option<Process>,
}

/// A running program; killed by its id when it is dropped, whatever drops it.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "{signal}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.name, self.log_tail());
        }
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code.
    pub code: i32,
    /// What it answered.
    pub stdout: String,
    /// What it told people.
    pub stderr: String,
}

impl Ended {
    /// # Panics
    /// When it was not done.
    pub fn expect_done(self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        let line = self.stdout.trim().lines().last().unwrap_or("null");
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The node's program, built beside this test.
///
/// # Panics
/// When it is not there.
pub fn binary() -> PathBuf {
    program("lockstep")
}

/// A program that is built beside this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the test's own program");
    // target/debug/deps/it-0123 -> target/debug
    let folder = own.parent().and_then(Path::parent).expect("a target folder");
    let binary = folder.join(name);
    let place = binary.display();
    assert!(binary.is_file(), "{place} is missing: 'cargo build --bin {name}' makes it");
    binary
}

impl Node {
    /// Makes a node with `lockstep init`.
    pub(crate) async fn init(world: Arc<World>, name: &str, options: &Options) -> Self {
        let folder = world.folder();
        let password = folder.join(format!("{name}.password"));
        let mut open = OpenOptions::new();
        let file = open.write(true).create(true).truncate(true).mode(0o600).open(&password);
        file.expect("a file").write_all(b"correct horse battery\n").expect("written");
        let text = |path: PathBuf| path.display().to_string();
        let endpoint = options.endpoint.clone().unwrap_or_else(|| world.anvil.url.clone());
        let mut environment = vec![
            ("LOCKSTEP_DATA_DIR", text(folder.join(name))),
            ("LOCKSTEP_PASSWORD_FILE", text(password)),
            ("LOCKSTEP_CHAIN_ENDPOINTS", endpoint),
            ("LOCKSTEP_CHAIN_DEPLOYMENTS", text(world.deployments())),
            ("LOCKSTEP_RPC_LISTEN", "127.0.0.1:0".to_owned()),
            ("LOCKSTEP_P2P_LISTEN", format!("/ip4/127.0.0.1/tcp/{}", free_port())),
            ("LOCKSTEP_P2P_NAT", "false".to_owned()),
            ("LOCKSTEP_KEYS_ALLOW_SWAP", "true".to_owned()),
            ("LOCKSTEP_CHANNEL_CHALLENGE_PERIOD", PERIOD.to_string()),
            ("HOME", text(folder.to_owned())),
        ];
        environment.extend(options.more.iter().cloned());
        let name = name.to_owned();
        let (account, within) = (Address::ZERO, options.within.clone());
        let mut node = Self { world, name, account, environment, within, process: None };
        let words = node.words().display().to_string();
        let made = match &options.words {
            None => node.cli(&["init", "--yes", "--words-to", &words]).await,
            Some(file) => {
                fs::copy(file, &words).expect("words");
                node.cli(&["init", "--yes", "--restore", &words]).await
            }
        };
        let made = made.expect_done();
        node.account = made["account"].as_str().and_then(|it| it.parse().ok()).expect("an account");
        node
    }

    /// A new node of the same words, without anything else.
    pub async fn reborn(&self) -> Self {
        let options = Options { words: Some(self.words()), ..Options::default() };
        self.world.poor_node(&options).await
    }

    /// Its data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.world.folder().join(&self.name)
    }

    /// The file of its seed words.
    pub fn words(&self) -> PathBuf {
        self.world.folder().join(format!("{}.words", self.name))
    }

    /// Owner of its side of channels.
    pub fn account(&self) -> Address {
        self.account
    }

    /// Its process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").0.id()
    }

    /// Where it lives.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// From the next start on.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.environment.push((name, value.into()));
    }

    fn command(&self) -> Command {
        let mut words = self.within.iter().map(PathBuf::from).chain([binary()]);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words);
        // Nothing of the machine that the test runs on may change what a node does.
        let own = std::env::vars().filter(|(name, _)| name.starts_with("LOCKSTEP_"));
        for (name, _) in own {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// Begins to run; it need not serve yet when this returns.
    ///
    /// # Panics
    /// When it runs already.
    pub fn launch(&mut self, flags: &[&str]) {
        assert!(self.process.is_none(), "it runs already");
        let log = OpenOptions::new().append(true).create(true).open(self.log()).expect("a log");
        let errors = log.try_clone().expect("a log");
        let mut command = self.command();
        command.arg("node").args(flags).stdout(log).stderr(errors);
        self.process = Some(Process(command.spawn().expect("it starts")));
    }

    /// Runs, until it serves and knows the chain.
    pub async fn start(&mut self) {
        self.start_with(&[]).await;
    }

    /// The same, with flags of `lockstep node`.
    pub async fn start_with(&mut self, flags: &[&str]) {
        self.launch(flags);
        self.serves().await;
    }

    /// Waits until it serves and knows the chain.
    ///
    /// # Panics
    /// When it ends instead.
    pub async fn serves(&mut self) {
        let mut process = self.process.take().expect("it was started");
        patiently("the node serves", async || {
            let code = process.0.try_wait().expect("its state");
            assert!(code.is_none(), "{} ended with {code:?}\n{}", self.name, self.log_tail());
            let status = self.call("lockstep_status", json!([])).await.ok()?;
            let is_ready = status["state"] == "ready" || status["state"] == "degraded";
            (is_ready && status["chain"]["processedNumber"].is_number()).then_some(())
        })
        .await;
        self.process = Some(process);
    }

    /// Lets its process stand still: it keeps its connections, and says nothing.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets its process go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        self.process.as_ref().expect("it runs").signal(signal);
    }

    /// SIGKILL, as a power cut of the process alone.
    pub fn kill(&mut self) {
        if self.process.take().is_some() {
            // Else callers would take whoever listens there next for this node.
            let _removed = fs::remove_file(self.data_dir().join("rpc.address"));
        }
    }

    /// Stops in order.
    ///
    /// # Panics
    /// When it does not end well.
    pub async fn stop(&mut self) {
        self.cli(&["stop"]).await.expect_done();
        let code = self.ends().await;
        assert_eq!(code, 0, "{}", self.log_tail());
    }

    /// Waits for the end of its process, and answers with the exit code.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn ends(&mut self) -> i32 {
        let mut process = self.process.take().expect("it runs");
        let ended = patiently("it ends", async || process.0.try_wait().expect("its state")).await;
        let code = ended.code();
        code.expect("an exit code")
    }

    fn log(&self) -> PathBuf {
        self.world.folder().join(format!("{}.log", self.name))
    }

    /// The same data folder, for a second process.
    pub fn twin(&self) -> Self {
        let environment = self.environment.clone();
        let (world, name) = (self.world.clone(), self.name.clone());
        let within = self.within.clone();
        Self { world, name, account: self.account, environment, within, process: None }
    }

    /// All that it has logged.
    pub fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// The end of what it has logged.
    pub fn log_tail(&self) -> String {
        let Ok(mut file) = File::open(self.log()) else { return String::new() };
        // A short log has no such place, and is read from its beginning.
        let _ended = file.seek(SeekFrom::End(-LOG_TAIL));
        std::io::read_to_string(file).unwrap_or_default()
    }

    /// A command as a person would type it, answered in JSON.
    pub async fn cli(&self, words: &[&str]) -> Ended {
        let mut command = self.command();
        command.args(words).arg("--json");
        run(command).await
    }

    /// A command as a person would type it, answered for people.
    pub async fn say(&self, words: &[&str]) -> Ended {
        let mut command = self.command();
        command.args(words);
        run(command).await
    }

    /// Its interface, for whoever calls while the node is started and killed.
    pub fn caller(&self) -> Caller {
        Caller { data_dir: self.data_dir() }
    }

    /// As [`Caller::call`].
    ///
    /// # Errors
    /// What the node says, or null if it says nothing.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        self.caller().call(method, params).await
    }

    /// One call that must be done.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn ask(&self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params.clone()).await;
        answer.unwrap_or_else(|error| panic!("{}: {method} {params}: {error}", self.name))
    }

    /// Calls until the answer is as it should be, which it must be soon.
    ///
    /// # Panics
    /// When it does not become so.
    pub async fn until(
        &self,
        method: &str,
        params: Value,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let newest = std::cell::RefCell::new(Value::Null);
        let found = crate::try_patiently(async || {
            let answer = self.call(method, params.clone()).await.unwrap_or_else(|error| error);
            let found = is_so(&answer).then(|| answer.clone());
            newest.replace(answer);
            found
        })
        .await;
        found.unwrap_or_else(|| panic!("{}: no {what}: {:#}", self.name, newest.borrow()))
    }
}

/// The JSON-RPC interface of a node, whether it runs or not.
#[derive(Clone, Debug)]
pub struct Caller {
    data_dir: PathBuf,
}

impl Caller {
    /// Where it is, and the operator's token.
    pub fn place(&self) -> Option<(String, String)> {
        let address = fs::read_to_string(self.data_dir.join("rpc.address")).ok()?;
        let token = fs::read_to_string(self.data_dir.join("tokens/admin.token")).ok()?;
        Some((address.trim().to_owned(), token.trim().to_owned()))
    }

    /// One call.
    ///
    /// # Errors
    /// What the node says, or null if it says nothing.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        let (host, token) = self.place().ok_or(Value::Null)?;
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let head = format!("POST / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}");
        let mut stream = TcpStream::connect(&host).await.map_err(|_| Value::Null)?;
        json_rpc::write(&mut stream, &head, &request.to_string()).await;
        let body = json_rpc::read(&mut stream).await.ok_or(Value::Null)?;
        let mut answer: Value = serde_json::from_slice(&body).map_err(|_| Value::Null)?;
        match answer.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(answer["result"].take()),
        }
    }
}

/// A port that a node keeps over restarts, so that others find it again. The system gives no such port to
/// anybody by itself.
pub(crate) fn free_port() -> u16 {
    let mut dice = Dice::new();
    loop {
        let port = 10_000 + u16::try_from(dice.below(20_000)).expect("a port");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub(crate) async fn run(mut command: Command) -> Ended {
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    let output = output.expect("no panic").expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended {
        // A signal has no code.
        code: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}
