//! The node's JSON-RPC 2.0 interface: what can be asked, by whom, and how it is answered.
//!
//! It decides nothing about money: it reads requests, checks tokens and limits, and hands typed calls to a
//! [`Backend`]. It must never hold a key, wait without a bound, or queue without one.
//!
//! Reading order: [`types`] what travels, [`failure`] what can go wrong, [`backend`] who answers.

pub mod access;
pub mod api;
pub mod backend;
pub mod client;
pub mod failure;
pub mod method;
pub mod openrpc;
mod params;
pub mod server;
pub mod types;

pub use backend::{Answer, Backend, Spender, SpendingLimit};
pub use failure::{Failure, FailureKind};
