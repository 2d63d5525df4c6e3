//! The node itself: who it is and how it is.

use super::asset::{Asset, AssetBalance};
use super::channel::Waiting;
use super::value::{AccountText, AmountText, ChannelIdText, NodeKeyText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What does not change while the node runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// Version of the software.
    pub version: String,
    /// Name of the network, as in the configuration.
    pub network: String,
    /// The chain's id: a decimal EIP-155 number, or a felt in hex on StarkNet.
    pub chain_id: String,
    /// The contract that holds the channels.
    pub contract: AccountText,
    /// Our node key.
    pub node_id: NodeKeyText,
    /// Our libp2p peer id.
    pub peer_id: String,
    /// Addresses at which others reach us.
    pub addresses: Vec<String>,
    /// The account that pays for gas and into channels.
    pub account: AccountText,
    /// The account that owns our side of new channels and gets their money: the same, unless the operator said so.
    pub owner: AccountText,
    /// Tokens that this node knows; the chain's own coin is the first.
    pub assets: Vec<Asset>,
    /// The least and the most challenge period that the contract takes. Units: seconds.
    pub challenge_period_bounds: (u32, u32),
    /// The challenge period of channels that we open without saying one. Units: seconds.
    pub challenge_period: u32,
}

/// Whether the node can do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NodeState {
    /// It reads its journal or catches up with the chain.
    Starting,
    /// It does everything.
    Ready,
    /// It works, and somebody should look at `alarms`.
    Degraded,
    /// It signs nothing more, since its journal failed; it still watches and answers closes.
    SigningStopped,
    /// It is on its way down.
    Stopping,
}

/// How the node is, from memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Whether it can do its work.
    pub state: NodeState,
    /// Since when it runs. Units: seconds since 1970.
    pub started_at: u64,
    /// What it knows of the chain.
    pub chain: ChainStatus,
    /// Peers that are connected now.
    pub connected_peers: u32,
    /// Towers of this node, and how many of them have a link.
    pub towers: TowerCounts,
    /// Channels by phase.
    pub channels: ChannelCounts,
    /// Offers of others that wait for `lockstep_joinChannel` or `lockstep_rejectChannel`.
    pub pending_opens: u32,
    /// What is ours, by token.
    pub balances: Vec<AssetBalance>,
    /// Our accounts on the chain.
    pub accounts: Vec<AccountBalance>,
    /// What the node waits for, soonest first.
    pub waiting: Vec<Waiting>,
    /// What somebody should look at, worst first.
    pub alarms: Vec<Alarm>,
}

/// What the node knows of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainStatus {
    /// The newest block seen; none before the first.
    pub head_number: Option<u64>,
    /// Its timestamp. Units: seconds since 1970.
    pub head_timestamp: Option<u64>,
    /// The newest finalized block.
    pub finalized_number: Option<u64>,
    /// Up to which finalized block everything is in the journal.
    pub processed_number: Option<u64>,
    /// The endpoints.
    pub endpoints: Vec<EndpointStatus>,
}

/// One endpoint of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointStatus {
    /// Scheme and host; the path may hold a key and is left out.
    pub name: String,
    /// Whether its last answer was good.
    pub is_healthy: bool,
    /// What was wrong with its last answer.
    pub problem: Option<String>,
}

/// Towers of this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TowerCounts {
    /// How many there are.
    pub known: u32,
    /// How many have a link.
    pub connected: u32,
}

/// How many channels there are, by phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelCounts {
    /// The sides talk about terms.
    pub opening: u32,
    /// Agreed, and not yet final on the chain.
    pub funding: u32,
    /// Payments flow.
    pub open: u32,
    /// Both sides close together.
    pub closing: u32,
    /// A close was seen on the chain.
    pub disputed: u32,
    /// The contract has paid.
    pub settled: u32,
    /// Of those not settled: sign nothing more.
    pub frozen: u32,
    /// Of those not settled: have lost data and only close.
    pub restored: u32,
}

/// An account of ours on the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountBalance {
    /// Which.
    pub account: AccountText,
    /// What it is for: `owner` or `sender`.
    pub role: String,
    /// The token.
    pub asset: Asset,
    /// What it held at `block_number`; none as long as the chain was not asked yet.
    pub balance: Option<AmountText>,
    /// When that was.
    pub block_number: Option<u64>,
}

/// Something that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    /// A word for machines, such as `endpointsDisagree`.
    pub kind: String,
    /// What happened, what is safe, what to do.
    pub message: String,
    /// The channel that it is about.
    pub channel_id: Option<ChannelIdText>,
    /// Since when. Units: seconds since 1970.
    pub since: u64,
}
