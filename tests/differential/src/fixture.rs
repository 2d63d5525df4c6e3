//! The contracts that play the world around the channel contract. Source: `fixtures/Fixtures.sol`.
#![allow(missing_docs, reason = "generated from the ABI")]

use alloy_primitives::Bytes;
use serde_json::Value;

alloy_sol_types::sol!(
    #[sol(all_derives)]
    FixtureToken,
    "fixtures/FixtureToken.json"
);

alloy_sol_types::sol!(
    #[sol(all_derives)]
    FixtureResolver,
    "fixtures/FixtureResolver.json"
);

alloy_sol_types::sol!(
    #[sol(all_derives)]
    FixtureWallet,
    "fixtures/FixtureWallet.json"
);

/// Creation code of a fixture.
fn code(json: &str) -> Bytes {
    let file: Value = serde_json::from_str(json).expect("a committed file");
    file["bytecode"].as_str().expect("bytecode").parse().expect("hexadecimal")
}

/// Creation code of the token, without its argument.
pub(crate) fn token_code() -> Bytes {
    code(include_str!("../fixtures/FixtureToken.json"))
}

/// Creation code of the resolver.
pub(crate) fn resolver_code() -> Bytes {
    code(include_str!("../fixtures/FixtureResolver.json"))
}

/// Creation code of the wallet.
pub(crate) fn wallet_code() -> Bytes {
    code(include_str!("../fixtures/FixtureWallet.json"))
}
