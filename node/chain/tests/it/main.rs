//! The chain side against real local chains.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail by panicking"
)]

mod anvil;
mod batch;
mod data_fee;
mod disagree;
mod disk;
mod entry;
mod follower;
mod lies;
mod noise;
mod proxy;
mod rival;
mod scene;
mod secret;
mod submitter;
