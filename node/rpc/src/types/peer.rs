//! Other nodes, and how we find each other.

use super::value::{AccountText, AmountText, NodeKeyText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Its node key.
    pub node_id: NodeKeyText,
    /// Its libp2p peer id.
    pub peer_id: String,
    /// Where it was reached, or will be tried.
    pub addresses: Vec<String>,
    /// Whether the link is up and both sides have proved who they are.
    pub is_connected: bool,
    /// Since when the link is up or down. Units: seconds since 1970.
    pub since: u64,
    /// Why it is not connected.
    pub problem: Option<String>,
    /// Channels with it that are not settled.
    pub channels: u32,
}

/// Asks for a link that a counterparty can use to find us.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateInvite {
    /// What the opener is asked to bring; none leaves the terms open.
    pub opener_deposit: Option<AmountText>,
    /// What we would bring. Needs `openerDeposit`.
    pub own_deposit: Option<AmountText>,
    /// The token of the deposits; none is the chain's own coin.
    pub token: Option<AccountText>,
    /// The challenge period that we suggest. Units: seconds; none is the node's own default.
    pub challenge_period: Option<u32>,
}

/// A link for a counterparty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invite {
    /// One line of text, `lockstep:...`.
    pub invite: String,
    /// The same as a QR code for a terminal, where it fits one.
    pub qr: Option<String>,
}

/// Names an invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InviteCall {
    /// The text of the invite.
    pub invite: String,
}

/// What an invite says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InviteDetails {
    /// The inviter's node key.
    pub node_id: NodeKeyText,
    /// The inviter's libp2p peer id.
    pub peer_id: String,
    /// Where the inviter listens.
    pub addresses: Vec<String>,
    /// The chain's id, as in `NodeInfo`.
    pub chain_id: String,
    /// The contract.
    pub contract: AccountText,
    /// Whether chain and contract are ours.
    pub is_our_network: bool,
    /// Whether it is our own invite.
    pub is_ours: bool,
    /// The token, if terms are given.
    pub token: Option<AccountText>,
    /// The challenge period, if terms are given. Units: seconds.
    pub challenge_period: Option<u32>,
    /// What the opener is asked to bring.
    pub opener_deposit: Option<AmountText>,
    /// What the inviter would bring.
    pub inviter_deposit: Option<AmountText>,
}

/// Names another node by its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeerCall {
    /// Its node key.
    pub node_id: NodeKeyText,
}

/// Connects to another node and remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connect {
    /// The other node's invite.
    pub invite: String,
    /// How long the node is looked for, again and again; none is 30 seconds, 0 does not wait. Units: milliseconds.
    pub wait_millis: Option<u64>,
}
