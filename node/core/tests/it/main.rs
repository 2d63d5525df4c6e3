//! The protocol through its public door: two channels, and whatever may happen between them.
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::panic, clippy::unreachable)]
#![allow(clippy::indexing_slicing, clippy::wildcard_enum_match_arm, missing_docs, unreachable_pub)]

mod kit;
mod payment;
