//! A tower and its clients over loopback, on a real chain: everything but the process.
//!
//! Where each fault has its test, if not here:
//! - a tower that is offline or slow: `tests/e2e`, `tower`; one that lies, loses its disk or serves old data: the node's
//!   own tests, `tower` and `possession`;
//! - a client that cheats and drops the channel: `intake`; keys that change, a client that runs twice, two states of
//!   one version, a clock that is off: `odd`;
//! - endpoints that are down, lie, or stall: `fault`; a head that stands still: `lockstep-chain`, `disagree`;
//! - a sequencer that is down or leaves the tower out: `tests/devnet`, `tower`; one that back-dates: `escape`;
//! - dear blocks, transactions that are lost, reorganisations, both sides closing at once: `acting`, `fault`; node and
//!   tower answering at once: `tests/e2e`, `tower`; a thousand closes in one block: `crowd`, `load`;
//! - a kill at any moment: `process`.

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
