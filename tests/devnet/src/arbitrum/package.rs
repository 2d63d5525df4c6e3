//! Contracts as their npm packages ship them: compiled, read at run time, never part of this repository.

use alloy_primitives::{Bytes, hex};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Core contracts of the rollup on L1.
pub(super) const NITRO: &str = "@arbitrum/nitro-contracts/build/contracts/src";
/// Gateways for tokens.
pub(super) const TOKEN_BRIDGE: &str =
    "@arbitrum/token-bridge-contracts/build/contracts/contracts/tokenbridge";
/// What both are deployed with.
pub(super) const OPEN_ZEPPELIN: &str = "@openzeppelin/contracts/build/contracts";
/// The only reader of blob hashes, written in Yul.
pub(super) const READER_4844: &str =
    "@arbitrum/nitro-contracts/out/yul/Reader4844.yul/Reader4844.json";
/// Who may upgrade the rollup.
pub(super) const UPGRADE_EXECUTOR: &str =
    "@offchainlabs/upgrade-executor/build/contracts/src/UpgradeExecutor.sol/UpgradeExecutor.json";

/// The folder that pins the packages.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("arbitrum")
}

/// Creation code of a contract of a package.
///
/// # Panics
/// When the packages are not installed.
pub(super) fn creation_code(path: &str) -> Bytes {
    let path = folder().join("node_modules").join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}: run scripts/devnet-arbitrum.sh first", path.display())
    });
    let artifact: Value = serde_json::from_str(&text).expect("a compiled contract");
    let code = &artifact["bytecode"];
    let code = code.as_str().or_else(|| code["object"].as_str()).expect("creation code");
    hex::decode(code).expect("linked code").into()
}

/// Runtime code of our own stand-in for a precompile.
pub(super) fn precompile(name: &str) -> Bytes {
    let path = folder().join("artifacts").join(format!("{name}.hex"));
    let text = fs::read_to_string(path).expect("the committed code");
    hex::decode(text.trim()).expect("hex").into()
}
