//! Money between L1 and the rollup.

use super::{AccountText, AmountText, Asset, ChannelIdText, HashText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Funds a channel from L1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fund {
    /// The channel: one that is open, or one whose open waits for our money.
    pub channel_id: ChannelIdText,
    /// How much; none is what the open has promised.
    pub amount: Option<AmountText>,
    /// The token on L1; none is the chain's own coin.
    pub l1_token: Option<AccountText>,
    /// A name of the caller's own: the same name again is the same transfer.
    ///
    /// Shape: 1 to 64 characters.
    pub idempotency_key: Option<String>,
}

/// Takes money of this node's account on the rollup to L1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WithdrawToL1 {
    /// How much.
    pub amount: AmountText,
    /// The token on the rollup; none is the chain's own coin.
    pub token: Option<AccountText>,
    /// Who gets it on L1; none is this node's own account there.
    pub recipient: Option<AccountText>,
    /// A name of the caller's own: the same name again is the same transfer.
    ///
    /// Shape: 1 to 64 characters.
    pub idempotency_key: Option<String>,
}

/// Which way money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TransferDirection {
    /// From L1 into a channel on the rollup.
    In,
    /// From the rollup to L1.
    Out,
}

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TransferState {
    /// Kept, nothing is on a chain.
    Planned,
    /// In a block of the chain that it starts on.
    Sent,
    /// That block is final.
    SourceFinal,
    /// At an account or box of ours on the rollup.
    Delivered,
    /// In the channel, finally.
    Credited,
    /// The delivery failed; the node runs it again, or fetches the money.
    Failed,
    /// The money is at our account on the rollup.
    Refunded,
    /// A root on L1 holds the withdrawal.
    Proposed,
    /// The proof is checked and kept, and is being sent.
    Provable,
    /// The proof is on L1; a waiting time runs.
    Proven,
    /// The waiting time is over; the payout is being sent.
    Finalizable,
    /// Paid on L1, finally.
    Done,
    /// The transaction never made it; the money never left.
    Abandoned,
}

/// A transfer between L1 and the rollup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// Its name.
    pub transfer_id: HashText,
    /// Which way.
    pub direction: TransferDirection,
    /// The channel that it funds.
    pub channel_id: Option<ChannelIdText>,
    /// How much.
    pub amount: AmountText,
    /// Of what, as the chain that it starts on names it.
    pub asset: Asset,
    /// How far it has come.
    pub state: TransferState,
    /// What it waits for, in words.
    pub waits_for: String,
    /// When that is expected on the chain's clock, if it can be read. Units: seconds since 1970.
    pub expected_at: Option<u64>,
    /// When the money is at its destination, on the chain's clock, if all goes on as it does now. Units: seconds
    /// since 1970.
    pub arrives_at: Option<u64>,
    /// Whether nothing more can happen.
    pub is_over: bool,
    /// The transaction that started it.
    pub transaction: Option<HashText>,
}

/// A network as it is now, every number read from its chains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkReport {
    /// Its name.
    pub network: String,
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// Chain id of the rollup.
    pub chain_id: u64,
    /// Units: milliseconds between blocks of the rollup, lately.
    pub block_millis: u64,
    /// Units: wei per gas on the rollup.
    pub gas_price: AmountText,
    /// Units: wei per gas on L1.
    pub l1_gas_price: AmountText,
    /// What the data of one challenge costs. Units: wei.
    pub challenge_data_fee: AmountText,
    /// What opening a channel costs on the rollup now. Units: wei.
    pub open_fee: AmountText,
    /// What one challenge costs on the rollup now, its data included. Units: wei.
    pub challenge_fee: AmountText,
    /// What closing a channel costs on the rollup now. Units: wei.
    pub close_fee: AmountText,
    /// Coin that L1 holds for the rollup. Units: wei.
    pub locked: AmountText,
    /// Whether the bridge says that it is paused.
    pub is_paused: bool,
    /// Units: seconds from a proof on L1 to its payout, at least.
    pub withdraw_secs: u64,
    /// Units: seconds within which L1 can force a call in; none if it can't.
    pub force_secs: Option<u64>,
    /// The smallest challenge period with which a victim is safe. Units: seconds.
    pub least_challenge_secs: u64,
    /// This node's account on L1, which pays for transfers.
    pub l1_account: AccountText,
    /// What that account holds. Units: wei.
    pub l1_balance: AmountText,
}
