//! A peer that speaks the wire protocol by hand and does what it likes with it.
//!
//! Nothing here uses the sending code of the node, which would refuse to misbehave: links are made from
//! libp2p's own parts and end in raw bytes. In reading order: [`place`] (where it comes from), [`link`]
//! (multiplexed connections and streams), [`frames`] (yamux by hand), [`identity`], [`greeting`] (the
//! signed handshake, and lies in it), [`message`] (what it says once it is in), [`identify`], [`attack`]
//! (everything it does).

pub mod attack;
pub mod frames;
pub mod greeting;
pub mod identify;
pub mod identity;
pub mod link;
pub mod message;
pub mod place;

use libp2p::PeerId;
use lockstep_core::ids::{ChannelId, Domain, NodeId};
use std::net::SocketAddr;

/// A node under attack, as strangers know it.
#[derive(Clone, Debug)]
pub struct Aim {
    /// Where it listens for TCP.
    pub at: SocketAddr,
    /// Its transport identity.
    pub peer_id: PeerId,
    /// Its node key.
    pub node_id: NodeId,
    /// The chain and contract that it works with.
    pub domain: Domain,
    /// Channels that it has with others.
    pub channels: Vec<ChannelId>,
}
