//! A `lockstep` process: its folder, its command line and its interface, as anybody would use them.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::chain::Chain;
use crate::setting::Setting;
use crate::watch::Watch;

/// Challenge period of the channels. Units: seconds.
pub const PERIOD: u32 = 600;
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The part of a log that an error shows. Units: bytes.
const LOG_TAIL: usize = 4_000;

/// A node; its process ends with it.
pub struct Node {
    name: String,
    folder: PathBuf,
    binary: PathBuf,
    environment: Vec<(&'static str, String)>,
    process: Option<Child>,
    /// Where others reach it. Units: a TCP port.
    pub port: u16,
    /// Its account on the chain.
    pub account: String,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Node {
    /// Makes a node with `lockstep init`, with money on the chain.
    ///
    /// # Errors
    /// If the command fails.
    pub fn make(setting: &Setting, chain: &Chain, folder: &Path, name: &str) -> Result<Self> {
        let password = folder.join("password");
        let mut open = OpenOptions::new();
        let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(&password)?;
        file.write_all(b"correct horse battery\n")?;
        fs::create_dir_all(folder.join("deployments"))?;
        let port = free_port()?;
        let text = |path: PathBuf| path.display().to_string();
        let environment = vec![
            ("HOME", text(folder.to_owned())),
            ("LOCKSTEP_DATA_DIR", text(folder.join(name))),
            ("LOCKSTEP_PASSWORD_FILE", text(password)),
            ("LOCKSTEP_CHAIN_ENDPOINTS", format!("http://{}", chain.host)),
            ("LOCKSTEP_CHAIN_DEPLOYMENTS", text(folder.join("deployments"))),
            ("LOCKSTEP_RPC_LISTEN", "127.0.0.1:0".to_owned()),
            ("LOCKSTEP_RPC_MAX_CONNECTIONS", "256".to_owned()),
            ("LOCKSTEP_P2P_LISTEN", format!("/ip4/127.0.0.1/tcp/{port}")),
            ("LOCKSTEP_P2P_NAT", "false".to_owned()),
            ("LOCKSTEP_KEYS_ALLOW_SWAP", "true".to_owned()),
            ("LOCKSTEP_CHANNEL_CHALLENGE_PERIOD", PERIOD.to_string()),
            ("LOCKSTEP_LOG_LEVEL", "warn".to_owned()),
        ];
        let (name, binary) = (name.to_owned(), setting.binary.clone());
        let folder = folder.to_owned();
        let account = String::new();
        let mut node = Self { name, folder, binary, environment, process: None, port, account };
        let words = node.words().display().to_string();
        let made = node.cli(&["init", "--yes", "--words-to", &words])?;
        node.account = made["account"].as_str().context("an account")?.to_owned();
        chain.fund(&node.account)?;
        Ok(node)
    }

    /// Its data folder.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The file of its seed words.
    #[must_use]
    pub fn words(&self) -> PathBuf {
        self.folder.join(format!("{}.words", self.name))
    }

    /// From the next start on.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.environment.push((name, value.into()));
    }

    /// Its process.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pid(&self) -> Result<u32> {
        self.process.as_ref().map(Child::id).context("it does not run")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        // Nothing of the machine may change what a node does.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOCKSTEP_")) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// A command as a person would type it, answered in JSON.
    ///
    /// # Errors
    /// If it fails.
    pub fn cli(&self, words: &[&str]) -> Result<Value> {
        let output = self.command().args(words).arg("--json").output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {}: {said}", self.name, words.join(" "));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.trim().lines().last().unwrap_or("null");
        serde_json::from_str(line).context("an answer in JSON")
    }

    /// Starts the process; the time until it serves and knows the chain. Units: seconds.
    ///
    /// # Errors
    /// If it ends instead.
    pub fn start(&mut self) -> Result<f64> {
        ensure!(self.process.is_none(), "it runs already");
        let _old = fs::remove_file(self.data_dir().join("rpc.address"));
        let log = OpenOptions::new().append(true).create(true).open(self.log())?;
        let errors = log.try_clone()?;
        let watch = Watch::start();
        let child = self.command().arg("node").stdout(log).stderr(errors).spawn()?;
        self.process = Some(child);
        loop {
            if self.is_ready() {
                return Ok(watch.secs());
            }
            let code = self.process.as_mut().and_then(|child| child.try_wait().transpose());
            if code.is_some() || watch.elapsed() > PATIENCE {
                bail!("{} does not start: {code:?}\n{}", self.name, self.log_tail());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_ready(&self) -> bool {
        let status = self.caller().and_then(|mut caller| caller.call("lockstep_status", json!([])));
        status.is_ok_and(|status| {
            let state = &status["state"];
            (state == "ready" || state == "degraded")
                && status["chain"]["processedNumber"].is_number()
        })
    }

    /// Stops in order.
    ///
    /// # Errors
    /// If it does not end well.
    pub fn stop(&mut self) -> Result<()> {
        self.call("lockstep_stop", json!([]))?;
        let mut child = self.process.take().context("it does not run")?;
        let watch = Watch::start();
        loop {
            if let Some(status) = child.try_wait()? {
                ensure!(status.success(), "{} ended with {status}", self.name);
                return Ok(());
            }
            if watch.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                bail!("{} does not end", self.name);
            }
            thread::sleep(LOOK);
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _killed = child.kill();
            let _reaped = child.wait();
        }
    }

    /// A new connection to its interface.
    ///
    /// # Errors
    /// If it does not serve.
    pub fn caller(&self) -> Result<Caller> {
        let host = fs::read_to_string(self.data_dir().join("rpc.address"))?;
        let token = fs::read_to_string(self.data_dir().join("tokens/admin.token"))?;
        Caller::connect(host.trim(), Some(token.trim()))
    }

    /// One call.
    ///
    /// # Errors
    /// What the node says.
    pub fn call(&self, method: &str, params: Value) -> Result<Value> {
        self.caller()?.call(method, params).with_context(|| self.name.clone())
    }

    /// Calls until the answer is as it should be.
    ///
    /// # Errors
    /// If it does not become so.
    pub fn until(
        &self,
        method: &str,
        params: &Value,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let watch = Watch::start();
        loop {
            let answer = self.call(method, params.clone());
            match answer {
                Ok(answer) if is_so(&answer) => return Ok(answer),
                answer if watch.elapsed() > PATIENCE => {
                    bail!("{}: {method} stays {answer:?}\n{}", self.name, self.log_tail())
                }
                _ => thread::sleep(LOOK),
            }
        }
    }

    /// A link to it.
    ///
    /// # Errors
    /// If it makes none.
    pub fn invite(&self) -> Result<String> {
        let is_found = |info: &Value| info["addresses"].as_array().is_some_and(|it| !it.is_empty());
        self.until("lockstep_getInfo", &json!([]), is_found)?;
        let invite = self.call("lockstep_createInvite", json!({}))?;
        Ok(invite["invite"].as_str().context("text")?.to_owned())
    }

    /// Units: bytes of memory that its process holds now.
    ///
    /// # Errors
    /// If it does not run.
    pub fn memory_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.context("VmRSS")?.parse::<u64>()? * 1_024)
    }

    /// Units: seconds of processor time that its process has used.
    ///
    /// # Errors
    /// If it does not run.
    #[allow(clippy::cast_precision_loss)]
    pub fn busy_secs(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()?))?;
        // The name of the program may hold anything, so count from behind it.
        let (_, rest) = stat.rsplit_once(')').context("a name")?;
        let fields: Vec<_> = rest.split_whitespace().collect();
        let ticks = |at: usize| -> Result<u64> { Ok(fields.get(at).context("a field")?.parse()?) };
        // A tick is 10 ms on every Linux that there is.
        Ok((ticks(11)? + ticks(12)?) as f64 / 100.0)
    }

    fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// The end of what it has logged.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = fs::read(self.log()).unwrap_or_default();
        let tail = &text[text.len().saturating_sub(LOG_TAIL)..];
        String::from_utf8_lossy(tail).into_owned()
    }
}

/// A port that nobody uses and that was not given out before, below those that the system gives away by itself.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 1_000)? * 20;
    (0..2_000)
        .map(|_| first.saturating_add(NEXT.fetch_add(1, Ordering::Relaxed)))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("a free port")
}
