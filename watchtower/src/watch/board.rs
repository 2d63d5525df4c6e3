//! How a watch stands, for whoever asks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lockstep_core::time::BlockTimestamp;
use lockstep_p2p::tower::message::ChainHealth;

/// How the watch stands, for whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Option<(ChainHealth, BlockTimestamp)>>>, Arc<AtomicBool>);

impl Board {
    /// The last look; none before the first.
    pub fn health(&self) -> Option<ChainHealth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|(health, _)| health)
    }

    /// The chain's own time at the last look: what promises are dated by.
    pub fn time(&self) -> Option<BlockTimestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|(_, time)| time)
    }

    /// Whether an answer that must go through L1 does not get through.
    pub fn is_escape_failing(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }

    pub(super) fn set_escape_failing(&self, is_failing: bool) {
        self.1.store(is_failing, Ordering::Relaxed);
    }

    /// The chain can't be asked now; what was seen last stands.
    pub(super) fn lost(&self) {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((health, _)) = board.as_mut() {
            health.is_following = false;
        }
    }

    pub(super) fn set(&self, health: ChainHealth, time: BlockTimestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((health, time));
    }
}
