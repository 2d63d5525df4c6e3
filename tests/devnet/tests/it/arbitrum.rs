//! Arbitrum.

mod deposit;
mod force;
mod kit;
mod network;
mod sdk;
mod withdraw;
