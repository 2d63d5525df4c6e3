//! Watchtowers of others, and what they promised.

use super::value::{AccountText, AmountText, ChannelIdText, HashText, NodeKeyText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Uses a watchtower from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddTower {
    /// Its address, as `lockstep-watchtower info` prints it.
    pub address: String,
}

/// Names a watchtower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TowerCall {
    /// Its key.
    pub tower: NodeKeyText,
}

/// A watchtower and how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tower {
    /// Its key.
    pub tower: NodeKeyText,
    /// The address of its key, as receipts name it.
    pub signer: AccountText,
    /// Who and where, to paste elsewhere.
    pub address: String,
    /// Whether there is a link with it now.
    pub is_connected: bool,
    /// When it was last heard of. Units: seconds since 1970.
    pub heard_at: Option<u64>,
    /// Since when this node uses it. Units: seconds since 1970.
    pub added_at: u64,
    /// Live channels for which it holds all that matters.
    pub protected_channels: u32,
    /// Live channels in which an older version would cost something, were it alone.
    pub exposed_channels: u32,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// Chooses receipts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListReceipts {
    /// Only of this channel.
    pub channel_id: Option<ChannelIdText>,
}

/// The terms of a channel: what its id is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TermsView {
    /// Who opened it.
    pub participant1: AccountText,
    /// Who joined it.
    pub participant2: AccountText,
    /// Signs for participant 1.
    pub signer1: AccountText,
    /// Signs for participant 2.
    pub signer2: AccountText,
    /// The token.
    pub token: AccountText,
    /// Units: seconds.
    pub challenge_period: u32,
    /// Makes the id unlike any other.
    pub salt: HashText,
}

/// A tower's signed promise, with all that is needed to check it without any node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TowerReceipt {
    /// The chain's id, a decimal EIP-155 number.
    pub chain_id: String,
    /// The contract.
    pub contract: AccountText,
    /// The channel's terms.
    pub terms: TermsView,
    /// The channel.
    pub channel_id: ChannelIdText,
    /// The tower's key.
    pub tower: NodeKeyText,
    /// The address of its key.
    pub signer: AccountText,
    /// The version that it promised to show.
    pub version: u64,
    /// EIP-712 digest of the state.
    pub state_hash: HashText,
    /// First second at which a close must begin. Units: seconds since 1970, by the chain's clock.
    pub valid_from: u64,
    /// Last second at which a close must begin. Units: as above.
    pub valid_until: u64,
    /// The least challenge period that is promised for. Units: seconds.
    pub min_window: u32,
    /// What the tower stands for.
    pub insured: AmountText,
    /// Who is paid if it fails.
    pub beneficiary: AccountText,
    /// The last partial withdrawal that the tower had seen.
    pub withdraw_version: u64,
    /// By the tower's key, EIP-2098. Shape: `0x` and 128 hex digits.
    pub signature: String,
}
