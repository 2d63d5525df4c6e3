//! Being reachable through relays: a reservation at each, made again when it is lost.

use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use lockstep_core::time::EngineTime;

use super::Service;
use crate::backoff::Backoff;

/// One relay that we listen through.
#[derive(Debug)]
pub(super) struct Relay {
    address: Multiaddr,
    listener: Option<ListenerId>,
    backoff: Backoff,
    due: EngineTime,
}

impl Relay {
    /// `address` ends in the relay's peer id.
    pub(super) fn new(address: Multiaddr) -> Self {
        let address = address.with(Protocol::P2pCircuit);
        Self { address, listener: None, backoff: Backoff::default(), due: EngineTime(0) }
    }

    fn failed(&mut self, now: EngineTime, random: u64) {
        self.listener = None;
        let wait: Duration = self.backoff.failed(random);
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.due = EngineTime(now.0.saturating_add(wait));
    }
}

impl Service {
    /// Asks each relay that we do not listen through, when its time has come.
    pub(super) fn renew_relays(&mut self, now: EngineTime) {
        if self.awaits_listener {
            return;
        }
        let random = self.random();
        for relay in &mut self.relays {
            if relay.listener.is_some() || relay.due > now {
                continue;
            }
            match self.swarm.listen_on(relay.address.clone()) {
                Ok(listener) => relay.listener = Some(listener),
                Err(error) => {
                    relay.failed(now, random);
                    tracing::warn!(address = %relay.address, %error, "relay refused as an address");
                }
            }
        }
    }

    /// A listener is gone; if it was at a relay, it is made again later.
    pub(super) fn listener_closed(&mut self, listener: ListenerId) {
        self.awaits_listener = false;
        let (now, random) = (self.now(), self.random());
        for relay in &mut self.relays {
            if relay.listener == Some(listener) {
                relay.failed(now, random);
                tracing::info!(address = %relay.address, "reservation at relay lost");
            }
        }
    }

    /// We listen somewhere, or a relay has taken us in.
    pub(super) fn listener_confirmed(&mut self, listener: ListenerId) {
        self.awaits_listener = false;
        for relay in &mut self.relays {
            if relay.listener == Some(listener) {
                relay.backoff.succeeded();
            }
        }
    }
}
