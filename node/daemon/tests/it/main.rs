//! Two engines in one process, over loopback, with a real chain: everything but the processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a broken assumption of a test shows as its failure"
)]

#[allow(dead_code, reason = "the chain's own tests use all of it")]
#[path = "../../../chain/tests/it/anvil.rs"]
mod anvil;
mod breakdown;
mod chain;
mod check;
mod closing;
mod damage;
mod disk;
mod equivocation;
mod kit;
mod mishap;
mod opening;
mod payment;
mod peer;
mod possession;
#[allow(dead_code, reason = "the chain's own tests use all of it")]
#[path = "../../../chain/tests/it/proxy.rs"]
mod proxy;
mod recovery;
mod refusal;
mod retire;
#[allow(dead_code, reason = "the chain's own tests use all of it")]
#[path = "../../../chain/tests/it/scene.rs"]
mod scene;
mod tower;
