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

mod durability;
mod guard;
mod reopen;
mod scene;
