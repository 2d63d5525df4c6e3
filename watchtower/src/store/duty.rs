//! What is owed to chains, and how far they were followed.

use lockstep_chain::port::{ObligationStore, StoreFailed};
use lockstep_core::chain::{Cursor, Obligation, ObligationKey};
use lockstep_core::entry::{Entry, EntryId};
use lockstep_core::ids::ChainRef;
use lockstep_store::port;
use lockstep_store::write_set::WriteSet;

use super::{TowerStore, TowerStoreError};

impl TowerStore {
    /// How far a chain was followed.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn cursor(&self, chain: ChainRef) -> Result<Option<Cursor>, TowerStoreError> {
        self.read(move |engine| port::cursor(engine, chain)).await
    }

    /// Moves the cursor of a chain.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn put_cursor(
        &self,
        chain: ChainRef,
        cursor: &Cursor,
    ) -> Result<(), TowerStoreError> {
        let mut set = WriteSet::default();
        set.put_cursor(chain, cursor).map_err(|_| TowerStoreError::TooLarge)?;
        self.commit(set).await
    }

    /// Everything that is or was owed.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn obligations(&self) -> Result<Vec<Obligation>, TowerStoreError> {
        self.read(port::all_obligations).await
    }

    /// What was sent on L1.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn entries(&self) -> Result<Vec<Entry>, TowerStoreError> {
        self.read(port::all_entries).await
    }

    /// Forgets an obligation that has ended.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn remove_obligation(&self, key: &ObligationKey) -> Result<(), TowerStoreError> {
        let mut set = WriteSet::default();
        set.remove_obligation(key);
        self.commit(set).await
    }
}

impl ObligationStore for TowerStore {
    async fn put_all(&self, obligations: &[Obligation]) -> Result<(), StoreFailed> {
        let mut set = WriteSet::default();
        for obligation in obligations {
            set.put_obligation(obligation).map_err(|_| StoreFailed)?;
        }
        self.commit(set).await.map_err(|_| StoreFailed)
    }

    async fn put(&self, obligation: &Obligation) -> Result<(), StoreFailed> {
        let mut set = WriteSet::default();
        set.put_obligation(obligation).map_err(|_| StoreFailed)?;
        self.commit(set).await.map_err(|_| StoreFailed)
    }

    async fn put_entry(&self, entry: &Entry) -> Result<(), StoreFailed> {
        let mut set = WriteSet::default();
        set.put_entry(entry).map_err(|_| StoreFailed)?;
        self.commit(set).await.map_err(|_| StoreFailed)
    }

    async fn remove_entry(&self, id: EntryId) -> Result<(), StoreFailed> {
        let mut set = WriteSet::default();
        set.remove_entry(id);
        self.commit(set).await.map_err(|_| StoreFailed)
    }
}
