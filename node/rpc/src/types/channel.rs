//! Channels: what they look like and what can be ordered.

use super::asset::Asset;
use super::check::Cost;
use super::value::{AccountText, AmountText, ChannelIdText, HashText, NodeKeyText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a channel is in its life.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum ChannelPhase {
    /// The sides talk about terms; nothing is signed.
    Opening,
    /// Agreed; waiting for the chain.
    Funding,
    /// Payments flow.
    Open,
    /// Both sides close together.
    Closing,
    /// A close was seen on the chain.
    Disputed,
    /// The contract has paid.
    Settled,
}

/// Something that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// A word for machines, such as `finality`, `peer`, `challengePeriod`.
    pub kind: String,
    /// What is waited for, in one sentence.
    pub message: String,
    /// The channel that it is about.
    pub channel_id: Option<ChannelIdText>,
    /// Until when, by the chain's clock, where that is known. Units: seconds since 1970.
    pub until: Option<u64>,
}

/// A close that was seen on the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloseView {
    /// The version that it would settle at.
    pub version: u64,
    /// The end of the challenge period. Units: seconds since 1970, by the chain's clock.
    pub closes_at: u64,
    /// Whether we started it.
    pub is_ours: bool,
    /// Whether it is older than what we can prove, so that this node answers it.
    pub is_stale: bool,
}

/// One channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Its id.
    pub channel_id: ChannelIdText,
    /// Our side: 1 opened it and proposes, 2 joined and accepts.
    pub side: u8,
    /// The counterparty's node key.
    pub counterparty: NodeKeyText,
    /// Whether the counterparty is connected now.
    pub is_connected: bool,
    /// The token.
    pub asset: Asset,
    /// Where it is in its life.
    pub phase: ChannelPhase,
    /// Why it signs nothing more, if it does not.
    pub frozen: Option<String>,
    /// How it came out that data was lost, if so; then it only closes.
    pub restored: Option<String>,
    /// The newest version that both have signed, or that ours is bound to.
    pub version: u64,
    /// Deposits of both sides together, final ones only.
    pub capacity: AmountText,
    /// Ours, at the least, over all states that may count.
    pub own_balance: AmountText,
    /// What we can pay away now.
    pub spendable: AmountText,
    /// The counterparty's, so what could be paid to us.
    pub counterparty_balance: AmountText,
    /// What we brought in.
    pub own_deposit: AmountText,
    /// What the counterparty brought in.
    pub counterparty_deposit: AmountText,
    /// What an old state could take while this node is away: no tower holds the newest.
    pub unprotected: AmountText,
    /// Payments of ours that are not final yet.
    pub pending_payments: u64,
    /// Units: seconds.
    pub challenge_period: u32,
    /// A close that was seen on the chain.
    pub close: Option<CloseView>,
    /// What it was settled at: paid to us, paid to the counterparty.
    pub settled: Option<(AmountText, AmountText)>,
    /// What it waits for.
    pub waiting: Vec<Waiting>,
    /// The newest transaction of ours for it, if there is one.
    pub transaction: Option<HashText>,
    /// Why the last order for it failed, until the next one.
    pub problem: Option<String>,
}

/// Chooses channels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListChannels {
    /// Only with this counterparty.
    pub counterparty: Option<NodeKeyText>,
    /// Only after this channel, in order of id.
    pub after: Option<ChannelIdText>,
    /// How many at most; none is 100, the most is 500.
    pub limit: Option<u32>,
    /// Whether settled channels are listed, too.
    pub include_settled: Option<bool>,
}

/// Some channels, in order of id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelList {
    /// The channels.
    pub channels: Vec<Channel>,
    /// Whether more follow after the last.
    pub has_more: bool,
}

/// Names a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChannelCall {
    /// Which.
    pub channel_id: ChannelIdText,
}

/// Offers a channel to another node and opens it on the chain once that node agrees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenChannel {
    /// The other node's invite, or the node key of a peer that is known already.
    pub peer: String,
    /// What we bring; none takes it from the invite.
    pub deposit: Option<AmountText>,
    /// What the other node is asked to bring; none takes it from the invite, or nothing.
    pub counterparty_deposit: Option<AmountText>,
    /// The token; none takes it from the invite, or the chain's own coin.
    pub token: Option<AccountText>,
    /// Units: seconds; none takes it from the invite, or the node's own default.
    pub challenge_period: Option<u32>,
}

/// A channel that another node offers us and that waits for our operator. It is gone with a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingOpen {
    /// The id that it will have.
    pub channel_id: ChannelIdText,
    /// Who offers it.
    pub counterparty: NodeKeyText,
    /// The token.
    pub asset: Asset,
    /// What the other brings.
    pub counterparty_deposit: AmountText,
    /// What we are asked to bring.
    pub own_deposit: AmountText,
    /// Units: seconds.
    pub challenge_period: u32,
    /// When it came. Units: seconds since 1970.
    pub received_at: u64,
}

/// Accepts an offered channel, or joins one that is PENDING on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinChannel {
    /// Which.
    pub channel_id: ChannelIdText,
    /// What we bring; none is what the offer asks for.
    pub deposit: Option<AmountText>,
}

/// Declines an offered channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RejectChannel {
    /// Which.
    pub channel_id: ChannelIdText,
}

/// Takes back the deposit of a channel that the other side never joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelOpen {
    /// Which.
    pub channel_id: ChannelIdText,
}

/// Adds money to our side of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deposit {
    /// Which.
    pub channel_id: ChannelIdText,
    /// How much.
    pub amount: AmountText,
    /// The same key again gives the first call's answer and deposits nothing more. At most 64 characters.
    pub idempotency_key: Option<String>,
}

/// Takes money out of an open channel, with the counterparty's signature; it goes to our owner account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Withdraw {
    /// Which.
    pub channel_id: ChannelIdText,
    /// How much.
    pub amount: AmountText,
}

/// Fetches payouts that the contract could not deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CashCredit {
    /// The token; none is the chain's own coin.
    pub token: Option<AccountText>,
}

/// Closes without the counterparty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForceClose {
    /// Which.
    pub channel_id: ChannelIdText,
    /// Only says what it would do.
    pub dry_run: Option<bool>,
}

/// What a close without the counterparty means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForceCloseReport {
    /// The channel.
    pub channel: Channel,
    /// Whether the close was ordered; false for a dry run.
    pub is_ordered: bool,
    /// The version that we would show.
    pub version: u64,
    /// What you get, if the counterparty can show nothing newer.
    pub own_payout: AmountText,
    /// What the counterparty gets.
    pub counterparty_payout: AmountText,
    /// How long until the money can be paid, at the least. Units: seconds.
    pub wait_secs: u64,
    /// What the transactions cost together: to start and to settle.
    pub cost: Option<Cost>,
    /// What there is to know before it is ordered, such as that data was lost.
    pub warnings: Vec<String>,
}
