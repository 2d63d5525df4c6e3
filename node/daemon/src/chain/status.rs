//! The chain side at a glance, from memory.

use lockstep_chain::alarm::Alarm;
use lockstep_chain::endpoint::EndpointName;
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::error::ChainError;
use lockstep_chain::profile::Network;
use lockstep_core::chain::Obligation;
use lockstep_core::time::BlockPoint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Alarms that are remembered for display, newest last.
const MAX_ALARMS: usize = 32;

/// How an endpoint does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Its name, without its path.
    pub name: EndpointName,
    /// Whether its last requests were answered.
    pub is_healthy: bool,
}

/// What is known without asking anybody.
#[derive(Clone, Debug)]
pub struct ChainStatus {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Its kind.
    pub network: Network,
    /// The newest block that a quorum has reached.
    pub head: Option<BlockPoint>,
    /// The newest finalized block whose facts were handed over.
    pub finalized: Option<BlockPoint>,
    /// Whether the last look at the chain came through.
    pub is_following: bool,
    /// Why it did not.
    pub trouble: Option<Arc<ChainError>>,
    /// Each endpoint.
    pub endpoints: Vec<EndpointStatus>,
    /// Calls that are owed and not over.
    pub owed: Vec<Obligation>,
    /// What the last look at the chain was alarmed of.
    pub standing: Vec<Alarm>,
    /// What somebody should have looked at lately, newest last.
    pub alarms: Vec<Alarm>,
}

/// Where both tasks write, and everybody reads.
#[derive(Clone)]
pub(super) struct StatusBoard {
    status: Arc<Mutex<ChainStatus>>,
    is_blind: Arc<AtomicBool>,
}

impl StatusBoard {
    pub(super) fn new(chain_id: u64, endpoints: &Endpoints) -> Self {
        let status = Arc::new(Mutex::new(ChainStatus {
            chain_id,
            network: endpoints.profile().network,
            head: None,
            finalized: None,
            is_following: false,
            trouble: None,
            endpoints: Vec::new(),
            owed: Vec::new(),
            standing: Vec::new(),
            alarms: Vec::new(),
        }));
        let board = Self { status, is_blind: Arc::new(AtomicBool::new(false)) };
        board.note_endpoints(endpoints);
        board
    }

    pub(super) fn read(&self) -> ChainStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut ChainStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether the chain stands still, see [`super::ChainHandle::is_blind`].
    pub(super) fn is_blind(&self) -> bool {
        self.is_blind.load(Ordering::Relaxed)
    }

    pub(super) fn note_blind(&self, is_blind: bool) {
        self.is_blind.store(is_blind, Ordering::Relaxed);
    }

    pub(super) fn note_endpoints(&self, endpoints: &Endpoints) {
        let shown = endpoints.iter().map(|endpoint| EndpointStatus {
            name: endpoint.name().clone(),
            is_healthy: endpoint.is_healthy(),
        });
        let shown = shown.collect();
        self.change(|status| status.endpoints = shown);
    }

    pub(super) fn note_alarm(&self, alarm: &Alarm) {
        self.change(|status| {
            status.alarms.retain(|known| known != alarm);
            if status.alarms.len() >= MAX_ALARMS {
                status.alarms.remove(0);
            }
            status.alarms.push(alarm.clone());
        });
    }
}
