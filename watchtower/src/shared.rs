//! What the parts of a tower share: the store, and who may change a channel's record now.

use std::sync::Arc;

use lockstep_core::ids::ChannelId;
use tokio::sync::{Mutex, MutexGuard};

use crate::holding::Holdings;
use crate::store::{Changes, TowerStore, TowerStoreError};

/// Locks over channels; two channels that share one only wait for each other.
const STRIPES: usize = 256;

/// See the module.
pub struct Shared {
    /// What is kept.
    pub store: TowerStore,
    /// The same by its hashes.
    pub holdings: Arc<Holdings>,
    stripes: Vec<Mutex<()>>,
    spare: Mutex<()>,
}

impl Shared {
    /// Around a store.
    pub fn new(store: TowerStore) -> Self {
        let stripes = std::iter::repeat_with(Mutex::default).take(STRIPES).collect();
        let holdings = Arc::default();
        Self { store, holdings, stripes, spare: Mutex::default() }
    }

    /// Makes changes durable, all or none.
    ///
    /// # Errors
    /// [`TowerStoreError`]; then nothing may be promised.
    pub async fn write(&self, changes: Changes) -> Result<(), TowerStoreError> {
        self.store.write(&changes).await?;
        self.holdings.note(&changes);
        Ok(())
    }

    /// Waits until nobody else changes what is kept of this channel.
    pub async fn lock(&self, channel_id: ChannelId) -> MutexGuard<'_, ()> {
        let stripe = channel_id.0.last().map(|byte| usize::from(*byte));
        let stripe = stripe.and_then(|index| self.stripes.get(index));
        stripe.unwrap_or(&self.spare).lock().await
    }
}
