//! The channel protocol as a pure state machine: it decides, others carry out.
//!
//! This crate holds the rules of a payment channel between two nodes and of its contract. It must never
//! read a clock, draw a random number, open a file or a socket, start a thread, log, or hold a key. Time
//! and randomness are inputs; what is to be done comes out as data, and only after it is durable.
//!
//! In reading order: [`ids`], [`money`], [`time`], [`terms`], [`state`], [`lock`], [`update`],
//! [`digest`], [`signature`], [`adjudicator`], [`message`], [`chain`], [`entry`], [`record`], [`request`],
//! [`output`], [`commit`], [`input`], [`channel`], `change`, `phase`, `reestablish`, `recovery`, [`gap`],
//! [`dispute`], `duty`, [`exposure`], [`protection`], [`appointment`], [`receipt`], [`possession`], [`forward`],
//! [`transfer`].

pub mod adjudicator;
pub mod appointment;
mod balance;
pub mod chain;
mod change;
pub mod channel;
pub mod commit;
pub mod digest;
pub mod dispute;
mod draft;
mod duty;
pub mod entry;
pub mod error;
pub mod exposure;
pub mod forward;
pub mod gap;
pub mod ids;
pub mod input;
pub mod lock;
pub mod message;
pub mod money;
pub mod output;
mod phase;
pub mod possession;
pub mod protection;
pub mod receipt;
pub mod record;
mod recovery;
mod reestablish;
pub mod request;
mod rules;
mod session;
pub mod signature;
pub mod state;
pub mod terms;
pub mod time;
pub mod transfer;
pub mod update;

pub use draft::hash_of;
pub use gap::{MAX_FINAL_VERSION_GAP, MAX_VERSION_GAP, RESTORE_GAP};
pub use phase::closing::FINAL_GRACE_SECS;
pub use phase::open::withdraw::WITHDRAW_TTL_SECS;
pub use phase::opening::{accept_open, request_open};

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod fixture;
