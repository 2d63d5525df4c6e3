//! Every option of the node: one field each. The doc comment is the option's documentation everywhere.

use lockstep_rpc::server::{Guests, ServerConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// The node's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Money between L1 and the rollup.
    pub bridge: BridgeOptions,
    /// The chain and how it is reached.
    pub chain: ChainOptions,
    /// Channels: what is offered and what is taken.
    pub channel: ChannelOptions,
    /// The journal.
    pub journal: JournalOptions,
    /// Keys.
    pub keys: KeyOptions,
    /// What is written about what happens.
    pub log: LogOptions,
    /// Figures and health for monitoring.
    pub metrics: MetricsOptions,
    /// Links to other nodes.
    pub p2p: P2pOptions,
    /// The JSON-RPC interface.
    pub rpc: RpcOptions,
    /// Watchtowers of others, which answer while this node is away.
    pub towers: TowerOptions,
}

/// Strangers can make these libraries talk, so that they say nothing but errors.
const DEFAULT_LEVEL: &str =
    "info,libp2p=error,libp2p_identify=error,libp2p_relay=error,yamux=off,quinn=off";

/// A kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChainKind {
    /// Ethereum itself.
    Ethereum,
    /// An OP Stack chain.
    Optimism,
    /// An Arbitrum chain.
    Arbitrum,
    /// A ZKsync chain.
    Zksync,
    /// Polygon PoS.
    Polygon,
    /// A local chain for development.
    Development,
}

/// The chain and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChainOptions {
    /// Kind of network: ethereum, optimism, arbitrum, zksync, polygon or development. Without it the kind
    /// follows from the chain id, where that is known.
    pub kind: Option<ChainKind>,
    /// The chain's id. The node refuses to work if an endpoint is on another chain.
    pub id: Option<u64>,
    /// JSON-RPC endpoints of the chain, http or https. Money counts only on the word of two of them, so a real
    /// network needs at least two that are run by different people.
    pub endpoints: Vec<String>,
    /// A folder with deployment records of the contract, besides those that come with the node.
    pub deployments: Option<PathBuf>,
    /// Short name of the chain's own coin.
    pub symbol: String,
    /// Decimal places of the chain's own coin.
    pub decimals: u8,
    /// Accounts that send transactions. More than one keeps a stuck transaction from holding up other channels;
    /// each needs coins for gas. The first one also owns our side of new channels.
    pub senders: u32,
    /// The most that one transaction may cost in fees, in base units of the chain's own coin. To save a channel
    /// in that coin, up to half of our balance in it, if that is more.
    pub max_call_cost: String,
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self {
            kind: None,
            id: None,
            endpoints: Vec::new(),
            deployments: None,
            symbol: "ETH".to_owned(),
            decimals: 18,
            senders: 1,
            // 0.05 ETH: a challenge of 150,000 gas at about 300 gwei.
            max_call_cost: "50000000000000000".to_owned(),
        }
    }
}

/// Money between L1 and the rollup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BridgeOptions {
    /// JSON-RPC endpoints of L1, http or https, at least two that are run by different people. Without any, the
    /// node neither funds channels from L1 nor withdraws to it.
    pub endpoints: Vec<String>,
    /// A file that says how the rollup is bridged, instead of the one that comes with the node.
    pub file: Option<PathBuf>,
}

/// What to do with a channel that another node offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AcceptPolicy {
    /// Wait for the operator's `lockstep join`.
    #[default]
    Ask,
    /// Accept what asks us for no deposit and is within the limits.
    Always,
    /// Accept nothing.
    Never,
}

/// Channels: what is offered and what is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelOptions {
    /// What to do with a channel that another node offers: ask waits for `lockstep join`, always accepts what
    /// asks us for no deposit, never accepts nothing.
    pub accept: AcceptPolicy,
    /// Account that owns our side of new channels and gets their money, such as a hardware wallet or a contract.
    /// Without it the node's own account, which pays for gas and into channels in any case.
    pub owner: Option<String>,
    /// Challenge period of channels that we open, in seconds. Without it, the least that the contract takes.
    pub challenge_period: Option<u32>,
    /// The longest challenge period that we accept, in seconds. Without it, the most that the contract takes.
    pub max_challenge_period: Option<u32>,
    /// The least that another node must bring to a channel that it offers, in base units.
    pub min_counterparty_deposit: String,
    /// The most of our own money in one channel, in base units. Without it there is no limit.
    pub max_own_deposit: Option<String>,
    /// Tokens that we take besides the chain's own coin, each as SYMBOL:ADDRESS:DECIMALS.
    pub tokens: Vec<String>,
    /// A peer that owes an answer this long counts as silent, in milliseconds.
    pub peer_timeout_millis: u64,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            accept: AcceptPolicy::Ask,
            owner: None,
            challenge_period: None,
            max_challenge_period: None,
            min_counterparty_deposit: "0".to_owned(),
            max_own_deposit: None,
            tokens: Vec::new(),
            peer_timeout_millis: 30_000,
        }
    }
}

/// Keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeyOptions {
    /// File with the password of the seed, for a node that starts by itself. Only its owner may read it.
    /// `LOCKSTEP_PASSWORD_FILE` says the same.
    pub password_file: Option<PathBuf>,
    /// Run even if keys can't be kept out of swap. Then a copy of them may stay on the disk.
    pub allow_swap: bool,
}

/// The journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JournalOptions {
    /// A file, best on another disk, where the node notes how far its journal is. It shows when an old copy of
    /// the data folder is started. Without it the note is beside the data folder, in a file of the same name
    /// that ends in .anchor.
    pub anchor: Option<PathBuf>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object in a line.
    Json,
}

/// What is written about what happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogOptions {
    /// What is logged: error, warn, info, debug or trace, also by part, such as `info,lockstep_p2p=debug`. The default
    /// keeps libraries quiet that strangers on the network can make talk.
    pub level: String,
    /// How it is written to standard error: text or json.
    pub format: LogFormat,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { level: DEFAULT_LEVEL.to_owned(), format: LogFormat::Text }
    }
}

/// Figures and health for monitoring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsOptions {
    /// Address for `/metrics` (Prometheus) and `/health`, such as 127.0.0.1:9557. Without it there are none.
    #[schemars(with = "Option<String>")]
    pub listen: Option<SocketAddr>,
}

/// Links to other nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct P2pOptions {
    /// Multiaddresses to listen on; none for a node that only dials.
    pub listen: Vec<String>,
    /// Multiaddresses at which we are reached from outside, when the node can't find out by itself.
    pub external: Vec<String>,
    /// Relays to be reached through, each a multiaddress that ends in /p2p/PEER-ID.
    pub relays: Vec<String>,
    /// Be a relay for others.
    pub relay_server: bool,
    /// Find out whether we can be reached from outside, and punch through what is in the way.
    pub nat: bool,
    /// Find known peers on the local network. It tells everybody there that we are here.
    pub mdns: bool,
}

impl Default for P2pOptions {
    fn default() -> Self {
        Self {
            listen: vec![
                "/ip4/0.0.0.0/tcp/9555".to_owned(),
                "/ip4/0.0.0.0/udp/9555/quic-v1".to_owned(),
            ],
            external: Vec::new(),
            relays: Vec::new(),
            relay_server: false,
            nat: true,
            mdns: false,
        }
    }
}

/// When payments to this node wait for towers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TowerRule {
    /// Never without a tower, by the bound with one.
    #[default]
    Auto,
    /// Never.
    Async,
    /// While more than the bound would be unprotected.
    Bounded,
    /// Until so many towers hold everything before it.
    Quorum,
}

/// Watchtowers of others, which answer while this node is away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TowerOptions {
    /// When payments to this node wait for towers: async never, bounded while more than the bound would be
    /// unprotected, quorum until so many towers hold everything before it, auto is async until a tower is added
    /// and bounded from then on.
    pub policy: TowerRule,
    /// The bound of one channel, in base units. Without it the bound is a part of the channel's money.
    pub max_unprotected: Option<String>,
    /// The bound as a part of a channel's money, in parts per million.
    pub max_unprotected_ppm: u32,
    /// How many towers the quorum has.
    pub quorum: u8,
    /// How long a payment waits for the quorum before the bound holds instead, in milliseconds.
    pub patience_millis: u64,
    /// How long a payment to this node waits before it is declined, in milliseconds.
    pub hold_millis: u64,
    /// Channels that pay a tower, by id: they never wait for one.
    pub paying_channels: Vec<String>,
}

impl Default for TowerOptions {
    fn default() -> Self {
        Self {
            policy: TowerRule::Auto,
            max_unprotected: None,
            max_unprotected_ppm: 10_000,
            quorum: 2,
            patience_millis: 10_000,
            hold_millis: 15_000,
            paying_channels: Vec::new(),
        }
    }
}

/// The JSON-RPC interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RpcOptions {
    /// Address of the JSON-RPC interface, HTTP and WebSocket. Port 0 takes any free one; which it is stands in
    /// the file `rpc.address` of the data folder.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Listen on another address than loopback. Tokens travel unencrypted: put TLS in front of it.
    pub allow_remote: bool,
    /// Host names besides localhost under which callers may reach it.
    pub hosts: Vec<String>,
    /// Origins of web pages that may call it, such as https://pay.example.org.
    pub origins: Vec<String>,
    /// Connections at once.
    pub max_connections: u32,
    /// The largest request, in bytes.
    pub max_request_bytes: u32,
    /// Calls in one batch.
    pub max_batch: u32,
}

impl Default for RpcOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9556)),
            allow_remote: false,
            hosts: Vec::new(),
            origins: Vec::new(),
            max_connections: 64,
            max_request_bytes: 1024 * 1024,
            max_batch: 64,
        }
    }
}

impl RpcOptions {
    /// As the server takes them.
    pub fn to_server(&self) -> ServerConfig {
        let guests = Guests {
            hosts: self.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: self.origins.iter().cloned().collect(),
        };
        let mut server = ServerConfig::new(self.listen);
        server.allow_remote = self.allow_remote;
        server.guests = guests;
        server.max_connections = NonZeroU32::new(self.max_connections).unwrap_or(NonZeroU32::MIN);
        server.max_request_bytes = self.max_request_bytes;
        server.max_batch = self.max_batch;
        server
    }
}
