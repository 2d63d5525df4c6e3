//! One EVM chain as the node sees it: facts with their finality, and calls that must land.
//!
//! It never decides what a fact means or what is owed: core does. It never stores anything by itself: the
//! cursor and what is owed are handed to the consumer's ports. It knows no channel key. It believes one
//! endpoint's word about a threat and no single endpoint's word about money.
//!
//! In reading order: [`profile`] what differs from network to network; [`endpoint`], [`endpoints`], [`rpc`]
//! one node, several nodes, what they are asked; [`startup`] the right chain and exactly our code;
//! [`follower`] the stream of facts, with [`decode`] and [`convert`] from the contract's words to core's;
//! [`secret`] and [`opened`] what happened before anybody looked; [`clock`] the chain's time; [`submitter`] what must land, with [`call`] from core's words to the
//! contract's, and [`token`] for ERC-20; [`port`] what is needed from outside; [`alarm`] and [`error`] what can go wrong.
#![cfg_attr(not(test), warn(missing_debug_implementations))]

pub mod alarm;
pub mod call;
pub mod clock;
pub mod convert;
pub mod decode;
pub mod endpoint;
pub mod endpoints;
pub mod error;
pub mod follower;
pub mod opened;
pub mod port;
pub mod profile;
pub mod rpc;
pub mod secret;
pub mod startup;
pub mod submitter;
pub mod token;
