//! Local networks made of real bridge contracts: an L1 and a rollup, for tests and for people.
//!
//! [`chain`] is one local chain: a process that never outlives its parent, and what it is asked. A module per
//! kind of rollup builds a network of two of them: [`optimism`], [`arbitrum`].
//! [`control`] takes orders for the former from a terminal or a pipe. None of this is part of a product.

pub mod arbitrum;
pub mod chain;
pub mod control;
pub mod optimism;
