//! What every task that owns a swarm begins and ends with, whatever it speaks.

use std::time::Duration;

use libp2p::swarm::{Config, NetworkBehaviour};
use libp2p::{Multiaddr, PeerId, Swarm};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::limits::MAX_NEGOTIATING_STREAMS;
use crate::network::StartError;
use crate::transport::Links;

/// Where a swarm can be reached.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Where it listens.
    pub(crate) listen: Vec<Multiaddr>,
    /// Addresses that the operator knows to be reachable from outside.
    pub(crate) external: Vec<Multiaddr>,
}

/// A swarm that listens. Connections that nothing uses for `idle` are closed.
///
/// # Errors
/// [`StartError::Listen`]; nothing runs then.
pub(crate) fn listen<B: NetworkBehaviour>(
    transport: Links,
    behaviour: B,
    local_peer: PeerId,
    idle: Duration,
    places: Places,
) -> Result<Swarm<B>, StartError> {
    let config = Config::with_tokio_executor()
        .with_idle_connection_timeout(idle)
        .with_max_negotiating_inbound_streams(MAX_NEGOTIATING_STREAMS);
    let mut swarm = Swarm::new(transport, behaviour, local_peer, config);
    for address in places.listen {
        if let Err(error) = swarm.listen_on(address.clone()) {
            return Err(StartError::Listen { address, source: Box::new(error) });
        }
    }
    for address in places.external {
        swarm.add_external_address(address);
    }
    Ok(swarm)
}

/// What a task tells, in one bounded queue, and its end.
#[derive(Debug)]
pub(crate) struct Feed<T> {
    pub(crate) queue: mpsc::Receiver<T>,
    pub(crate) task: JoinHandle<()>,
}

impl<T> Feed<T> {
    /// The next; none once the task has stopped and all is told.
    pub(crate) async fn next(&mut self) -> Option<T> {
        self.queue.recv().await
    }

    /// Takes no more, and waits until the task has stopped.
    pub(crate) async fn stopped(self) {
        drop(self.queue);
        if self.task.await.is_err() {
            tracing::error!("network task was torn down");
        }
    }
}
