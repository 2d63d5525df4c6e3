//! Links of the tower protocol: transports, admission, and its streams; nothing else runs on them.

use std::collections::BTreeSet;
use std::sync::Arc;

use libp2p::swarm::{Config as SwarmConfig, NetworkBehaviour};
use libp2p::{Multiaddr, Swarm, relay};

use crate::admission::{self, Admission};
use crate::config::TransportIdentity;
use crate::limits::MAX_NEGOTIATING_STREAMS;
use crate::network::StartError;
use crate::port::Clock;
use crate::stream;
use crate::tower::TowerLimits;
use crate::transport::links;

/// See the module. The first field decides first: what is not admitted reaches no other.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) admission: admission::Behaviour,
    pub(super) stream: stream::Behaviour,
    relay_client: relay::client::Behaviour,
}

/// A swarm that listens at these addresses.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub(super) fn build(
    identity: &TransportIdentity,
    limits: &TowerLimits,
    stream: stream::Behaviour,
    clock: &Arc<dyn Clock>,
    listen: Vec<Multiaddr>,
) -> Result<Swarm<Behaviour>, StartError> {
    let (transport, relay_client) = links(identity.keypair(), limits.times.transport)?;
    let table = Admission::new(limits.connections, limits.times, BTreeSet::new(), clock.now());
    let admission = admission::Behaviour::new(table, Arc::clone(clock));
    let config = SwarmConfig::with_tokio_executor()
        .with_idle_connection_timeout(limits.times.idle)
        .with_max_negotiating_inbound_streams(MAX_NEGOTIATING_STREAMS);
    let behaviour = Behaviour { admission, stream, relay_client };
    let mut swarm = Swarm::new(transport, behaviour, identity.peer_id(), config);
    for address in listen {
        if let Err(error) = swarm.listen_on(address.clone()) {
            return Err(StartError::Listen { address, source: Box::new(error) });
        }
    }
    Ok(swarm)
}
