//! The network side from outside: real swarms on loopback, hostile peers, and the formats.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub, clippy::as_conversions, clippy::let_underscore_must_use)]
#![allow(clippy::print_stdout, clippy::arithmetic_side_effects, clippy::wildcard_enum_match_arm)]

mod fixture;
mod handshake;
mod hostile;
mod invite;
mod mallory;
mod memory;
mod node;
mod pair;
mod relay;
mod tower;
mod wire;
