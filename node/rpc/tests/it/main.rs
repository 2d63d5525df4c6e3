//! The server as callers see it: bytes over sockets, with a node behind it that only remembers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a broken assumption of a test shows as its failure"
)]

mod calls;
mod client;
mod door;
mod fake;
mod http;
mod limits;
mod openrpc;
mod subscription;
mod web_socket;
