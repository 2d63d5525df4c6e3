//! What the signer promises to the rest of the node, through its public interface only.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "a broken assumption of a test shows as its failure"
)]

mod harden;
mod keystore;
mod leaks;
mod scene;
mod signing;
mod vectors;
