//! Heads that no chain has, each with a hash that is its own.
#![allow(unreachable_pub, reason = "tests of other crates tell the same lies")]

use alloy::consensus::Header;
use serde_json::{Value, json};

/// A lie about the newest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// It is far ahead, costs nothing, and was long ago.
    Far,
    /// It is far ahead, costs a fortune, and is in the far future.
    Dear,
    /// It is in the far future.
    Early,
}

/// Puts a lie into an honest answer about a block.
///
/// # Panics
/// When it is no block.
pub fn forge(block: &mut Value, forgery: Forgery) {
    let (base_fee, timestamp) = match forgery {
        Forgery::Far => (Some(0), 1_u64),
        Forgery::Dear => (Some(u64::MAX), 1 << 40),
        Forgery::Early => (None, 1 << 40),
    };
    if let Some(base_fee) = base_fee {
        block["number"] = json!(format!("{:#x}", 1_u64 << 60));
        block["baseFeePerGas"] = json!(format!("{base_fee:#x}"));
    }
    block["timestamp"] = json!(format!("{timestamp:#x}"));
    let header: Header = serde_json::from_value(block.clone()).expect("a block");
    block["hash"] = json!(header.hash_slow());
}
