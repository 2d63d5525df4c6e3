//! The text of a token.

use super::{Grant, TokenError};
use crate::method::Scope;
use crate::types::{AccountText, AmountText, Text};
use alloy_primitives::hex;

const PREFIX: &str = "lockstep";
const SECRET_BYTES: usize = 32;

/// A new token for a grant.
pub(super) fn generate(grant: Grant) -> Result<String, TokenError> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|_| TokenError::Randomness)?;
    let secret = hex::encode(secret);
    let scope = grant.scope().name();
    Ok(match grant {
        Grant::Read | Grant::Admin => format!("{PREFIX}_{scope}_{secret}"),
        Grant::Pay { asset, limit } => {
            format!("{PREFIX}_{scope}_{}_{}_{secret}", Text(limit), Text(asset))
        }
    })
}

/// What the text of a token file allows; none if it is no token.
pub(super) fn grant_of(text: &str) -> Option<Grant> {
    let parts: Vec<&str> = text.split('_').collect();
    let (prefix, scope, rest) = match parts.as_slice() {
        [prefix, scope, rest @ ..] => (*prefix, *scope, rest),
        [] | [_] => return None,
    };
    let secret = rest.last()?;
    let is_secret =
        secret.len() == SECRET_BYTES * 2 && secret.bytes().all(|byte| byte.is_ascii_hexdigit());
    if prefix != PREFIX || !is_secret {
        return None;
    }
    match rest {
        [_] if scope == Scope::Admin.name() => Some(Grant::Admin),
        [_] if scope == Scope::Read.name() => Some(Grant::Read),
        [limit, asset, _] if scope == Scope::Pay.name() => {
            let limit: AmountText = limit.parse().ok()?;
            let asset: AccountText = asset.parse().ok()?;
            Some(Grant::Pay { asset: asset.0, limit: limit.0 })
        }
        [..] => None,
    }
}
