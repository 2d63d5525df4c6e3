//! Arbitrum.

mod network;
