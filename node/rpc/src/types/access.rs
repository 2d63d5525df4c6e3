//! Access tokens, and the request for a subscription.

use super::event::EventKind;
use super::value::{AccountText, AmountText};
use crate::method::Scope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks for a new access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateAccessToken {
    /// What to call it. Shape: lower-case letters, digits and `-`; 1 to 32.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// The most that it may pay in all, for the scope `pay` only, and needed there.
    pub limit: Option<AmountText>,
    /// The token that it may pay; none is the chain's own coin.
    pub asset: Option<AccountText>,
}

/// Names an access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessTokenCall {
    /// Which.
    pub name: String,
}

/// An access token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessToken {
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// The most that it may pay in all.
    pub limit: Option<AmountText>,
    /// The token that it may pay.
    pub asset: Option<AccountText>,
}

/// A new access token: shown once, and in its file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewAccessToken {
    /// What it is.
    pub token: AccessToken,
    /// What goes after `Authorization: Bearer`.
    pub secret: String,
    /// The file that holds it, on the node's machine.
    pub path: String,
}

impl std::fmt::Debug for NewAccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewAccessToken").field("token", &self.token).finish_non_exhaustive()
    }
}

/// Asks for all events of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscribe {
    /// Which line of events.
    pub kind: EventKind,
    /// From this index on; none begins with what happens next.
    pub from_index: Option<u64>,
}
