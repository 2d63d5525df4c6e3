//! A tower and its clients over loopback, on a real chain: everything but the process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    unreachable_pub,
    reason = "a broken assumption of a test shows as its failure"
)]

mod acting;
#[allow(dead_code, reason = "the chain's own tests use all of it")]
#[path = "../../../node/chain/tests/it/anvil.rs"]
mod anvil;
mod crowd;
mod escape;
mod fault;
mod intake;
mod kit;
mod load;
mod odd;
mod possession;
mod process;
#[allow(dead_code, reason = "the chain's own tests use all of it")]
#[path = "../../../node/chain/tests/it/proxy.rs"]
mod proxy;
#[allow(dead_code, reason = "the chain's own tests use all of it")]
#[path = "../../../node/chain/tests/it/scene.rs"]
mod scene;
