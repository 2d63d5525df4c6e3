//! The channel protocol as a pure state machine: it decides, others carry out.
//!
//! This crate holds the rules of a payment channel between two nodes and of its contract. It must never
//! read a clock, draw a random number, open a file or a socket, start a thread, log, or hold a key. Time
//! and randomness are inputs; what is to be done comes out as data, and only after it is durable.
//!
//! In reading order: [`ids`], [`money`], [`time`], [`terms`], [`state`], [`lock`], [`update`],
//! [`digest`], [`signature`], [`adjudicator`], [`message`], [`chain`], [`record`], [`request`], [`output`], [`commit`], [`transfer`].

pub mod adjudicator;
pub mod chain;
pub mod commit;
pub mod digest;
pub mod error;
pub mod ids;
pub mod lock;
pub mod message;
pub mod money;
pub mod output;
pub mod record;
pub mod request;
pub mod signature;
pub mod state;
pub mod terms;
pub mod time;
pub mod transfer;
pub mod update;

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod fixture;
