//! Tokens as people know them.

use super::value::{AccountText, AmountText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    /// Its contract; zero is the chain's own coin.
    pub token: AccountText,
    /// Its short name, from the configuration.
    pub symbol: String,
    /// Decimal places between one whole token and its base unit.
    pub decimals: u8,
}

/// What is ours of one token, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssetBalance {
    /// The token.
    pub asset: Asset,
    /// Ours in all channels that are not settled.
    pub in_channels: AmountText,
    /// What of that can be paid away now.
    pub spendable: AmountText,
    /// The counterparties' part of those channels, which could be paid to us.
    pub receivable: AmountText,
    /// What an old state could take while this node is away: no tower holds the newest.
    pub unprotected: AmountText,
    /// Payouts that the contract could not deliver and that wait to be fetched.
    pub credit: AmountText,
}
