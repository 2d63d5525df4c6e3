//! The protocol as a small abstract machine whose whole state space is searched.
//!
//! Proposer, acceptor, a network that loses, repeats and reorders, a contract with one window, and a tower
//! that may be out for a while; with a lock, with proposals in flight, with crashes. One search has an
//! adversary on one side, who also owns the network; the other has two honest sides. What is small here
//! is only the numbers: every order of events within them is looked at.
//!
//! It knows nothing of `lockstep-core`; the simulator drives that. This model says that the rules are
//! right, the simulator that the code follows them.
//!
//! In reading order: [`ledger`], [`plan`], [`node`], [`world`], [`action`], [`chain`], [`property`], [`size`].

pub mod action;
pub mod chain;
pub mod ledger;
pub mod node;
pub mod plan;
pub mod property;
pub mod size;
pub mod world;
