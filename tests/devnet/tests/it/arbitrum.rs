//! Arbitrum.

mod deposit;
mod force;
mod kit;
mod network;
mod node;
mod sdk;
mod withdraw;
