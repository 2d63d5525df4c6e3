//! Network namespaces: machines without a network but the links that a test lays between them.
//!
//! They need root and `ip`. Where that is not to be had, a test says by name that it was not run
//! ([`Denied::skip`]); in CI it fails instead.

use std::io;
use std::net::Ipv4Addr;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use thiserror::Error;

/// Why there are no namespaces.
#[derive(Debug, Error)]
pub enum Denied {
    /// There is no `ip`.
    #[error("ip can't be run")]
    NoTool(#[from] io::Error),
    /// It did not do what it was told.
    #[error("{command}: {said}")]
    Refused {
        /// What.
        command: String,
        /// What it said.
        said: String,
    },
}

impl Denied {
    /// Says that a test is not run, or fails it where every test must run.
    ///
    /// # Panics
    /// In CI.
    pub fn skip(&self, test: &str) {
        assert!(std::env::var_os("CI").is_none(), "{test} can't be run in CI: {self}");
        println!("1 test skipped: {test} ({self})");
    }
}

/// A namespace with its own links and processes. It is deleted when this is dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = ip(&["netns", "delete", &self.name]) {
            eprintln!("namespace {} is left: {error}", self.name);
        }
    }
}

/// Numbers that tell namespaces and links of one process apart.
static NEXT: AtomicU32 = AtomicU32::new(0);

fn unique() -> u32 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Namespace {
    /// A new one, with nothing but its loopback.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn new() -> Result<Self, Denied> {
        let name = format!("lockstep-{}-{}", std::process::id(), unique());
        ip(&["netns", "add", &name])?;
        let namespace = Self { name };
        ip(&["-n", &namespace.name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// The words before a command that make it run here.
    pub fn enter(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).to_vec()
    }

    /// Lays a link to another namespace: `own` is our end, `other` its end, both in one network of 256.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn link(&self, own: Ipv4Addr, other_end: &Self, other: Ipv4Addr) -> Result<Link, Denied> {
        let number = unique();
        // The kernel takes 15 letters.
        let ours = format!("ls{}a{number}", std::process::id() % 100_000);
        let theirs = format!("ls{}b{number}", std::process::id() % 100_000);
        let (here, there) = (self.name.as_str(), other_end.name.as_str());
        let veth = ["link", "add", &ours, "netns", here, "type", "veth", "peer", "name", &theirs];
        ip(&[&veth[..], &["netns", there]].concat())?;
        for (namespace, device, address) in [(here, &ours, own), (there, &theirs, other)] {
            let address = format!("{address}/24");
            ip(&["-n", namespace, "address", "add", &address, "dev", device])?;
            ip(&["-n", namespace, "link", "set", device, "up"])?;
        }
        Ok(Link { namespace: here.to_owned(), device: ours })
    }
}

/// A link between two namespaces. It goes when one of them does.
#[derive(Debug)]
pub struct Link {
    namespace: String,
    device: String,
}

impl Link {
    /// Cuts it, as if the cable were pulled.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn cut(&self) -> Result<(), Denied> {
        self.set("down")
    }

    /// Mends it.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn mend(&self) -> Result<(), Denied> {
        self.set("up")
    }

    fn set(&self, state: &str) -> Result<(), Denied> {
        ip(&["-n", &self.namespace, "link", "set", &self.device, state])
    }
}

fn ip(words: &[&str]) -> Result<(), Denied> {
    let Output { status, stderr, .. } = Command::new("ip").args(words).output()?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&stderr).trim().to_owned();
    Err(Denied::Refused { command: format!("ip {}", words.join(" ")), said })
}
