//! Peers of a Lockstep node: one authenticated, bounded, ordered stream of messages to each.
//!
//! This crate finds counterparties, proves who they are, and carries messages between bytes and core
//! types. It must never hold a channel key, decide what a message does to a channel, keep anything about
//! a stranger on disk, or hold more memory than [`limits::Limits::memory_ceiling_bytes`] says.
//!
//! In reading order: [`network`] (the handle), [`event`], [`config`], [`port`], [`contact`], [`limits`];
//! `service` (the task that owns the swarm), `session` (one peer's task), [`handshake`], [`frame`],
//! [`codec`], [`convert`]; `admission`, `budget`, `token_bucket`, `backoff`; `behaviour`, `listen`, `observed`,
//! `stream`, `transport`, `muxer`; [`invite`]; [`tower`] (nodes and watchtowers).

mod admission;
mod backoff;
mod behaviour;
mod budget;
pub mod codec;
pub mod config;
pub mod contact;
pub mod convert;
pub mod event;
pub mod frame;
pub mod handshake;
pub mod invite;
pub mod limits;
mod listen;
mod muxer;
pub mod network;
mod observed;
pub mod port;
mod service;
pub mod session;
mod stream;
mod token_bucket;
pub mod tower;
mod transport;

pub use admission::{ConnectionCounts, NotAdmitted};
pub use config::{NetworkConfig, Ports, TransportIdentity};
pub use contact::{ConnectError, Contact, ContactError};
pub use event::{Event, Received};
pub use libp2p::{Multiaddr, PeerId};
pub use network::{Counts, Events, Network, StartError};
pub use session::{SendError, Session, SessionEnd, SessionId};
pub use stream::PROTOCOL;
pub use transport::TransportError;
