//! What a node and a watchtower say to each other, over connections of their own.
//!
//! A client's connections with towers have their own transport identity and, for each tower, their own
//! session key: towers can neither link a client to the node that its peers know, nor compare notes by it.
//! The frames are smaller than between peers, and a tower speaks to strangers all day, so it has limits of
//! its own.
//!
//! In reading order: [`message`] (what is said), [`address`], [`limits`], [`convert`] and `wire` (frames),
//! [`server`] (a tower's end), [`client`] (a node's end).

pub mod address;
pub mod client;
pub mod convert;
pub mod limits;
pub mod message;
pub mod server;
mod swarm;
mod wire;

use libp2p::swarm::StreamProtocol;

pub use address::{AddressError, TowerAddress};
pub use client::{CallError, Pushes, PutOutcome, TowerClient, TowerLink, TowerOrder};
pub use limits::TowerLimits;
pub use server::{Answer, ServerConfig, ServerCounts, TowerRequest, TowerRequests, TowerServer};

/// The name of the protocol.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/lockstep/tower/1");
