//! Links of the tower protocol: transports, admission, and its streams; nothing else runs on them.

use std::collections::BTreeSet;
use std::sync::Arc;

use libp2p::swarm::NetworkBehaviour;
use libp2p::{Swarm, relay};

use crate::admission::{self, Admission};
use crate::config::TransportIdentity;
use crate::listen::{Places, listen};
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

/// A swarm of it.
///
/// # Errors
/// [`StartError`]; nothing runs then.
pub(super) fn build(
    identity: &TransportIdentity,
    limits: &TowerLimits,
    stream: stream::Behaviour,
    clock: &Arc<dyn Clock>,
    places: Places,
) -> Result<Swarm<Behaviour>, StartError> {
    let (transport, relay_client) = links(identity.keypair(), limits.times.transport)?;
    let table = Admission::new(limits.connections, limits.times, BTreeSet::new(), clock.now());
    let admission = admission::Behaviour::new(table, Arc::clone(clock));
    let behaviour = Behaviour { admission, stream, relay_client };
    listen(transport, behaviour, identity.peer_id(), limits.times.idle, places)
}
