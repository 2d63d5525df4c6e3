//! What the operator sets: flags, then the environment, then `tower.toml`, then the defaults.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lockstep_chain::profile::Network;
use lockstep_core::error::ErrorClass;
use lockstep_core::money::Amount;
use serde::Deserialize;
use thiserror::Error;

use crate::intake::Policy;

/// Name of the file in the data folder.
pub const FILE: &str = "tower.toml";
/// Accounts that send on each chain, where nothing else is said: one that is stuck delays a quarter.
const LANES: u32 = 4;
/// The most that one challenge may cost, where nothing else is said. Units: wei.
const MAX_FEE_WEI: u64 = 50_000_000_000_000_000;

/// The settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where clients are served. Shape: multiaddrs.
    pub listen: Vec<String>,
    /// Addresses that are reachable from outside. Shape: multiaddrs.
    pub external: Vec<String>,
    /// Where the operator's own questions are answered: metrics, health, and what the commands ask.
    pub admin: SocketAddr,
    /// File with the password of the keys.
    pub password_file: Option<PathBuf>,
    /// Whether keys may be written to a swap device.
    pub allow_swap: bool,
    /// Channels with a shorter challenge period are refused. Units: seconds.
    pub min_window_secs: u32,
    /// How long a receipt holds. Units: seconds.
    pub receipt_secs: u32,
    /// Channels that one client may have.
    pub slots: u32,
    /// Appointments of one client in a minute.
    pub puts_per_minute: u32,
    /// Whether to leave the first part of a window to other towers.
    pub stagger: bool,
    /// Between two heartbeats. Units: seconds.
    pub heartbeat_secs: u64,
    /// Memory for the store's page cache. Units: mebibytes.
    pub cache_mib: u64,
    /// Where alarms go, besides the log. Shape: an `http` or `https` URL.
    pub webhook: Option<String>,
    /// File with the secret that signs them: the bytes of its first line.
    pub webhook_secret_file: Option<PathBuf>,
    /// Log filter.
    pub log: String,
    /// The chains to watch.
    pub chain: Vec<ChainConfig>,
}

/// One chain.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// Its RPC endpoints; at least two of different providers, but for a development chain.
    pub endpoints: Vec<String>,
    /// Kind of network, as the node's `chain.kind` has it. Without it the kind follows from the chain id, where
    /// that is known.
    pub kind: Option<Network>,
    /// The record of the contracts' deployment.
    pub deployment: PathBuf,
    /// Accounts that send.
    #[serde(default = "lanes")]
    pub lanes: u32,
    /// The most that one challenge may cost. Units: wei.
    #[serde(default = "max_fee")]
    pub max_fee_wei: u64,
    /// The L1 that the chain settles on: the way for answers that its sequencer does not take.
    pub l1: Option<L1Config>,
}

/// The L1 of a rollup.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Config {
    /// Its RPC endpoints; at least two of different providers.
    pub endpoints: Vec<String>,
    /// Kind of network. Without it the kind follows from the chain id, where that is known.
    pub kind: Option<Network>,
    /// How the rollup is bridged: a file as `deploy/networks` has them.
    pub network: PathBuf,
    /// The most that one forced answer may cost. Units: wei.
    #[serde(default = "max_fee")]
    pub max_fee_wei: u64,
}

impl L1Config {
    /// The budget of one forced answer.
    pub fn max_cost(&self) -> Amount {
        Amount::from(self.max_fee_wei)
    }
}

fn lanes() -> u32 {
    LANES
}

fn max_fee() -> u64 {
    MAX_FEE_WEI
}

impl ChainConfig {
    /// The budget of one challenge.
    pub fn max_cost(&self) -> Amount {
        Amount::from(self.max_fee_wei)
    }
}

impl Default for Config {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            listen: vec!["/ip4/0.0.0.0/tcp/9736".to_owned()],
            external: Vec::new(),
            admin: SocketAddr::from(([127, 0, 0, 1], 9_738)),
            password_file: None,
            allow_swap: false,
            min_window_secs: policy.min_window_secs,
            receipt_secs: policy.receipt_secs,
            slots: policy.slots,
            puts_per_minute: policy.puts_per_minute,
            stagger: true,
            heartbeat_secs: 60,
            cache_mib: 512,
            webhook: None,
            webhook_secret_file: None,
            log: "info".to_owned(),
            chain: Vec::new(),
        }
    }
}

/// Why there are no settings.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("configuration {} cannot be read", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no TOML, or has an option that does not exist.
    #[error("configuration {} cannot be understood", .path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
}

impl ConfigError {
    /// The operator changes something.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }
}

impl Config {
    /// Reads a file; the defaults where there is none.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(ConfigError::Unreadable { path: path.into(), source }),
        };
        toml::from_str(&text).map_err(|source| ConfigError::Malformed {
            path: path.into(),
            source: Box::new(source),
        })
    }

    /// What it says about clients.
    pub fn policy(&self) -> Policy {
        Policy {
            min_window_secs: self.min_window_secs,
            receipt_secs: self.receipt_secs,
            slots: self.slots,
            puts_per_minute: self.puts_per_minute,
        }
    }
}

/// A file to begin with.
pub const SAMPLE: &str = r#"# Settings of a Lockstep watchtower. What is commented out is the default.

# listen = ["/ip4/0.0.0.0/tcp/9736"]
# external = ["/dns4/tower.example/tcp/9736"]
# admin = "127.0.0.1:9738"
# min_window_secs = 43200
# receipt_secs = 2592000
# slots = 1000
# puts_per_minute = 600
# stagger = true
# webhook = "https://alarms.example/lockstep"
# webhook_secret_file = "webhook.secret"

# One section for each chain; at least two endpoints of different providers.
# [[chain]]
# endpoints = ["https://one.example", "https://two.example"]
# deployment = "deployments/optimism.json"
# lanes = 4
# max_fee_wei = 50000000000000000
# [chain.l1]
# endpoints = ["https://three.example", "https://four.example"]
# network = "networks/optimism.toml"
# max_fee_wei = 50000000000000000
"#;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_says_the_defaults() {
        let plain: Config = toml::from_str(SAMPLE).unwrap();
        assert!(plain.chain.is_empty());
        let spoken: String = SAMPLE
            .lines()
            .filter(|line| !line.contains("Settings of") && !line.contains("One section"))
            .map(|line| line.trim_start_matches("# ").to_owned() + "\n")
            .collect();
        let spoken: Config = toml::from_str(&spoken).unwrap();
        let default = Config::default();
        assert_eq!(spoken.listen, default.listen);
        assert_eq!(spoken.admin, default.admin);
        assert_eq!(spoken.min_window_secs, default.min_window_secs);
        assert_eq!(spoken.receipt_secs, default.receipt_secs);
        assert_eq!(
            (spoken.slots, spoken.puts_per_minute),
            (default.slots, default.puts_per_minute)
        );
        assert_eq!(spoken.stagger, default.stagger);
        assert_eq!((spoken.chain[0].lanes, spoken.chain[0].max_fee_wei), (LANES, MAX_FEE_WEI));
    }

    #[test]
    fn a_chain_that_nobody_knows_by_its_id_can_be_named_by_its_kind() {
        let chain = |kind: &str| {
            toml::from_str::<Config>(&format!("[[chain]]\nendpoints = []\ndeployment = ''\n{kind}"))
        };
        assert_eq!(chain("").unwrap().chain[0].kind, None);
        assert_eq!(chain("kind = 'optimism'").unwrap().chain[0].kind, Some(Network::Optimism));
        assert!(chain("kind = 'optimsm'").is_err());
    }

    #[test]
    fn an_option_that_does_not_exist_is_refused() {
        assert!(toml::from_str::<Config>("lisen = []").is_err());
        assert!(toml::from_str::<Config>("[[chain]]\nendpoints = []").is_err());
    }
}
