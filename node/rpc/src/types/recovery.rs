//! Backups, proof files, and coming back from a loss.

use super::channel::Channel;
use super::value::ChannelIdText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks for the evidence of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportProof {
    /// Which channel.
    pub channel_id: ChannelIdText,
    /// The proof that the counterparty signed two states of one version, not the newest state.
    pub equivocation: Option<bool>,
}

/// The evidence of a channel, which anyone can bring to the chain without our software.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// Which channel.
    pub channel_id: ChannelIdText,
    /// The version that it proves.
    pub version: u64,
    /// The contents of the proof file.
    pub proof: serde_json::Value,
}

/// Writes an encrypted backup into the `backups` folder of the data folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backup {
    /// Name of the file; none lets the node choose. Shape: letters, digits, `.`, `-`, `_`; at most 64.
    pub file_name: Option<String>,
}

/// A backup that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupReport {
    /// Where, on the node's machine.
    pub path: String,
    /// Units: bytes.
    pub size_bytes: u64,
    /// Channels in it.
    pub channels: u32,
}

/// Takes in what others still know about channels that this node has lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recover {
    /// The counterparty's invite: it is asked for the channels it has with us.
    pub invite: Option<String>,
    /// The contents of a proof file.
    pub proof: Option<serde_json::Value>,
    /// Ask every tower of this node for the newest state of each channel that it has or has lost.
    pub from_towers: Option<bool>,
    /// How long to wait for the counterparty; none is 30 seconds. Units: milliseconds.
    pub wait_millis: Option<u64>,
}

/// What was recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoverReport {
    /// The channels, each marked as restored: it adopts the newest state that it is shown and only closes.
    pub channels: Vec<Channel>,
    /// What could not be recovered, and what to do.
    pub warnings: Vec<String>,
}
