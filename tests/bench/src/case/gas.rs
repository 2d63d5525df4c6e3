//! What the contract's functions cost, from the snapshots that the contract's own tests hold it to.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::object;
use crate::floor::Floor;
use crate::setting::Setting;

/// Reads the committed snapshot; `make contracts-gas-check` measures it anew and compares.
///
/// # Errors
/// If there is none.
pub fn run(_: &Setting, _: &Floor) -> Result<Value> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/snapshots/PaymentChannel.json");
    let text = std::fs::read_to_string(path).context("a snapshot of gas")?;
    Ok(object([("gas", serde_json::from_str(&text)?)]))
}
