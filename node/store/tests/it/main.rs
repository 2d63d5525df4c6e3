//! The journal under faults: what is acknowledged stays, what is not acknowledged harms nobody.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "a broken assumption of a test shows as its failure"
)]

mod backup;
mod convert;
mod durability;
mod entry;
mod feed;
mod golden;
mod guard;
mod handover;
mod history;
mod model;
mod processes;
mod proof;
mod prune;
mod reopen;
mod scene;
mod tower;
mod writer;

/// The queue of the journal thread, as it ships, on the model checker's locks.
#[path = "../../src/writer/queue.rs"]
mod queue;

mod sync {
    pub(super) use shuttle::sync::{Condvar, Mutex, MutexGuard};
}
