//! A state channel node.

pub mod bridge;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dev;
pub mod engine;
pub mod health;
pub mod keys;
pub mod metrics;
mod pace;
pub mod start;
