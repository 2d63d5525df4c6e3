//! What is kept, by its hashes and in memory: so that a root over a million channels needs no disk.
//!
//! It follows the store: whatever becomes durable is noted here, and a start reads everything once, beside
//! serving clients. Until that is done there is no root.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy_primitives::B256;
use lockstep_core::ids::ChannelId;
use lockstep_core::money::Amount;

use crate::record::Record;
use crate::store::{Changes, TowerStore, TowerStoreError};

/// Records that are read at a time.
const PAGE: usize = 1_024;

/// One record, by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Its channel.
    pub channel_id: ChannelId,
    /// Hash of the state with both signatures.
    pub record: B256,
    /// What is insured.
    pub insured: Amount,
    /// When a final block showed the channel closed. Units: seconds; zero while it is not.
    pub buried_at: u64,
}

#[derive(Debug, Default)]
struct Inner {
    rows: BTreeMap<ChannelId, Holding>,
    closed: BTreeSet<(u64, ChannelId)>,
    /// Forgotten while the start still reads: an older page must not bring them back.
    gone: BTreeSet<ChannelId>,
    is_complete: bool,
}

impl Inner {
    fn put(&mut self, holding: Holding) {
        let Holding { channel_id, buried_at, .. } = holding;
        if buried_at > 0 {
            self.closed.insert((buried_at, channel_id));
        }
        self.gone.remove(&channel_id);
        self.rows.insert(channel_id, holding);
    }
}

/// Everything that is kept, by its hashes.
#[derive(Debug, Default)]
pub struct Holdings(Mutex<Inner>);

impl Holdings {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what has become durable.
    pub(crate) fn note(&self, changes: &Changes) {
        let mut inner = self.inner();
        if let Some(record) = &changes.record {
            inner.put(Record::holding(record));
        }
        if let Some(channel_id) = changes.forgotten {
            if let Some(holding) = inner.rows.remove(&channel_id) {
                inner.closed.remove(&(holding.buried_at, channel_id));
            }
            if !inner.is_complete {
                inner.gone.insert(channel_id);
            }
        }
    }

    /// Reads everything that an earlier run left.
    ///
    /// # Errors
    /// [`TowerStoreError`]; it is not complete then.
    pub async fn load(&self, store: &TowerStore) -> Result<(), TowerStoreError> {
        let mut after = None;
        loop {
            let page = store.holdings(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.channel_id);
            let mut inner = self.inner();
            for holding in page {
                let id = holding.channel_id;
                // What was noted meanwhile is newer.
                if !inner.rows.contains_key(&id) && !inner.gone.contains(&id) {
                    inner.put(holding);
                }
            }
        }
        let mut inner = self.inner();
        inner.gone.clear();
        inner.is_complete = true;
        Ok(())
    }

    /// Everything, in the order of channels; none before all was read.
    pub fn all(&self) -> Option<Vec<Holding>> {
        let inner = self.inner();
        inner.is_complete.then(|| inner.rows.values().copied().collect())
    }

    /// How many channels; none before all was read.
    pub fn count(&self) -> Option<u64> {
        let inner = self.inner();
        let count = u64::try_from(inner.rows.len()).unwrap_or(u64::MAX);
        inner.is_complete.then_some(count)
    }

    /// Channels that a final block showed closed before a time. Units: seconds.
    pub fn closed_before(&self, time: u64) -> Vec<ChannelId> {
        let inner = self.inner();
        inner.closed.iter().take_while(|(at, _)| *at < time).map(|(_, id)| *id).collect()
    }
}
