//! Money between L1 and rollups: funding a channel from L1, withdrawing to L1, forced inclusion.
//!
//! It never holds a key, never stores anything by itself, and never sends: what must be kept and what must be
//! sent is handed to the consumer's ports, and a transaction is made durable before it leaves (P86). It
//! believes no single endpoint about money (P96). What a transfer is and how it may go on is core's
//! `transfer`; this crate sees what has happened and says what is next.
//!
//! In reading order: [`rollup`] what every rollup's adapter can do; [`step`] and [`order`] the words it uses;
//! [`port`] what is needed from outside; [`courier`] that carries transfers through; [`escape`] the way past a sequencer, and [`way`] its
//! task; [`reading`] contracts read
//! on a quorum's word; `eta` when things are expected; [`network`] entry contracts as data; one module per rollup: [`optimism`], [`arbitrum`]; [`error`].
#![cfg_attr(not(test), warn(missing_debug_implementations))]

pub mod arbitrum;
pub mod courier;
pub mod error;
pub mod escape;
mod eta;
pub mod network;
pub mod optimism;
pub mod order;
pub mod port;
pub mod reading;
pub mod rollup;
pub mod step;
pub mod way;
