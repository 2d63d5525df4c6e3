//! A stand-alone `lockstep-watchtower`, as somebody else would run it.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use alloy_primitives::Address;
use serde_json::Value;

use crate::node::{Ended, Process, free_port, program, run};
use crate::patiently;
use crate::world::World;

/// A tower; its process is killed with it, also by a test that fails.
pub struct Tower {
    world: Arc<World>,
    name: String,
    process: Option<Process>,
    /// What clients paste.
    pub address: String,
    /// The account that pays for its answers.
    pub lane: Address,
}

impl Drop for Tower {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.file("log")).unwrap_or_default();
            eprintln!("--- {} ---\n{log}", self.name);
        }
    }
}

impl Tower {
    /// A new tower with money for fees, which serves clients. Its name must be its own in the world.
    ///
    /// # Panics
    /// When it does not come to serve them.
    pub async fn start(world: &Arc<World>, name: &str) -> Self {
        let (world, name) = (Arc::clone(world), name.to_owned());
        let (address, lane) = (String::new(), Address::ZERO);
        let mut tower = Self { world, name, process: None, address, lane };
        let password = tower.file("password");
        fs::write(&password, "correct horse battery\n").expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&password, mode).expect("its own");
        let mut records = fs::read_dir(tower.world.deployments()).expect("records");
        let record = records.next().expect("a record").expect("a record").path();
        let (p2p, admin, chain) = (free_port(), free_port(), &tower.world.anvil.url);
        let settings = format!(
            "listen = [\"/ip4/127.0.0.1/tcp/{p2p}\"]\nadmin = \"127.0.0.1:{admin}\"\nallow_swap = true\n\
             min_window_secs = 60\nstagger = false\nheartbeat_secs = 1\ncache_mib = 16\n\
             [[chain]]\nendpoints = [{chain:?}]\ndeployment = {record:?}\nlanes = 1\n"
        );
        let words = tower.file("words").display().to_string();
        tower.ask(&["init", "--words-to", &words]).await;
        fs::write(tower.file("data").join("tower.toml"), settings).expect("written");
        tower.run().await;
        tower.world.anvil.fund(tower.lane).await;
        tower
    }

    /// Runs it, until it serves clients.
    ///
    /// # Panics
    /// When it does not.
    pub async fn run(&mut self) {
        let log =
            OpenOptions::new().append(true).create(true).open(self.file("log")).expect("a log");
        let mut command = self.command(&["run"]);
        command.stdout(Stdio::null()).stderr(log);
        self.process = Some(Process(command.spawn().expect("it starts")));
        let info = patiently("the tower serves", async || {
            let said = self.say(&["info"]).await;
            (said.code == 0).then(|| said.expect_done())
        })
        .await;
        self.address = info["address"].as_str().expect("an address").to_owned();
        let lane = &info["accounts"][0]["lanes"][0];
        self.lane = lane.as_str().and_then(|it| it.parse().ok()).expect("an account");
    }

    fn file(&self, what: &str) -> PathBuf {
        self.world.folder().join(format!("{}.{what}", self.name))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program("lockstep-watchtower"));
        let own = std::env::vars().filter(|(name, _)| name.starts_with("LOCKSTEP_"));
        for (name, _) in own {
            command.env_remove(name);
        }
        command.args(words).arg("--json").arg("--data-dir").arg(self.file("data"));
        command.arg("--password-file").arg(self.file("password")).stdin(Stdio::null());
        command
    }

    async fn say(&self, words: &[&str]) -> Ended {
        run(self.command(words)).await
    }

    /// A command as its operator would type it.
    ///
    /// # Panics
    /// When it is not done.
    pub async fn ask(&self, words: &[&str]) -> Value {
        self.say(words).await.expect_done()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if self.process.take().is_some() {
            // Else whoever asks takes the next tower that is started for one that serves.
            let _removed = fs::remove_file(self.file("data").join("tower.address"));
        }
    }

    /// It keeps its connections, and says nothing.
    ///
    /// # Panics
    /// When it does not run.
    pub fn freeze(&self) {
        self.process.as_ref().expect("it runs").signal("-STOP");
    }

    /// It goes on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn thaw(&self) {
        self.process.as_ref().expect("it runs").signal("-CONT");
    }

    /// Transactions that it has in blocks.
    ///
    /// # Panics
    /// When the chain's answer is no number.
    pub async fn sent(&self) -> u64 {
        let asked = serde_json::json!([self.lane, "latest"]);
        let count = self.world.anvil.ask("eth_getTransactionCount", asked).await;
        let count: alloy_primitives::U64 = serde_json::from_value(count).expect("a number");
        count.to::<u64>()
    }
}
