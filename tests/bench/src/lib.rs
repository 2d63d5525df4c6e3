//! How fast real nodes are on this machine, beside what this machine could do at best.
//!
//! Two `lockstep` processes, a local chain and a load that comes over JSON-RPC, as anybody's would. Every run
//! first measures the machine itself ([`floor`]): the figures of a run are to be read against those. Every case
//! also checks that all sums are exact, so that a fast node that loses money is no result.
//!
//! In reading order: [`watch`], [`stats`], [`floor`]; [`chain`], [`caller`], [`node`], [`proxy`], [`forge`],
//! [`pair`]; [`load`], [`case`], [`profile`]; [`report`], [`plot`], [`page`].
//! It must never be part of a product.

pub mod caller;
pub mod case;
pub mod chain;
pub mod floor;
pub mod forge;
pub mod load;
pub mod node;
pub mod page;
pub mod pair;
pub mod plot;
pub mod profile;
pub mod proxy;
pub mod report;
pub mod setting;
pub mod stats;
pub mod watch;
