//! A watchtower: it keeps the newest state of channels for nodes that may be away, and answers whoever
//! closes one with an older state.
//!
//! It must never promise what is not on disk or what the contract would not take, never hold a key that
//! can spend a client's money, and never let one client's trouble delay another's answer.
//!
//! In reading order: [`record`] (what is kept of a channel), [`seal`], [`store`], [`look`] (what the chain
//! says at intake), [`holding`], [`intake`] (what clients ask), [`watch`] (closes, and answers to them), [`proof`]
//! (that it still has what it promised), [`news`], `beat` (what happens once a minute), [`tower`] (all of it, running); for the
//! stand-alone tower [`config`], [`run`], [`admin`] (what the operator asks), [`cli`], [`clock`].

pub mod admin;
mod beat;
pub mod cli;
pub mod clock;
pub mod config;
pub mod holding;
pub mod intake;
pub mod look;
pub mod news;
pub mod proof;
pub mod record;
pub mod run;
pub mod seal;
pub mod shared;
pub mod store;
pub mod tower;
pub mod watch;
