//! What the chain's tasks keep across restarts, through the journal's own thread.

use super::error::ChainTaskError;
use lockstep_bridge::port::TransferStore;
use lockstep_chain::port::{ObligationStore, StoreFailed};
use lockstep_core::chain::{CloseOrigin, Cursor, Obligation};
use lockstep_core::entry::{Entry, EntryId};
use lockstep_core::ids::ChainRef;
use lockstep_core::transfer::TransferRecord;
use lockstep_store::engine::Engine;
use lockstep_store::error::{Refusal, StoreError};
use lockstep_store::port;
use lockstep_store::write_set::WriteSet;
use lockstep_store::writer::JournalHandle;
use tokio::sync::oneshot;

/// The journal as the chain's tasks use it.
#[derive(Clone)]
pub(crate) struct ChainStore {
    journal: JournalHandle,
    chain: ChainRef,
}

/// What an earlier run left.
pub(super) struct Kept {
    pub(super) cursor: Option<Cursor>,
    pub(super) obligations: Vec<Obligation>,
    pub(super) entries: Vec<Entry>,
    pub(super) origins: Vec<CloseOrigin>,
}

impl ChainStore {
    pub(crate) fn new(journal: JournalHandle, chain_id: u64) -> Self {
        Self { journal, chain: ChainRef::Evm(chain_id) }
    }

    /// Everything that an earlier run left.
    pub(super) async fn load(&self) -> Result<Kept, ChainTaskError> {
        let chain = self.chain;
        let read = move |engine: &Engine| -> Result<Kept, StoreError> {
            Ok(Kept {
                cursor: port::cursor(engine, chain)?,
                obligations: port::all_obligations(engine)?,
                entries: port::all_entries(engine)?
                    .into_iter()
                    .filter(|entry| entry.call().bridge_chain().is_none_or(|on| on == chain))
                    .collect(),
                origins: port::all_origins(engine)?,
            })
        };
        self.read(read).await
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Engine) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ChainTaskError> {
        let (reply, answer) = oneshot::channel();
        let asked = self.journal.read(move |journal| {
            // Whoever asked may be gone.
            drop(reply.send(read(journal.engine())));
        });
        asked.map_err(|_| ChainTaskError::JournalGone)?;
        Ok(answer.await.map_err(|_| ChainTaskError::JournalGone)??)
    }

    /// What an earlier run left of transfers: each of them, and their transactions on this chain.
    pub(crate) async fn load_bridge(
        &self,
    ) -> Result<(Vec<TransferRecord>, Vec<Entry>), ChainTaskError> {
        let chain = self.chain;
        let read = move |engine: &Engine| -> Result<_, StoreError> {
            let entries = port::all_entries(engine)?.into_iter();
            let own = entries.filter(|entry| entry.call().bridge_chain() == Some(chain));
            Ok((port::all_transfers(engine)?, own.collect()))
        };
        self.read(read).await
    }

    /// Moves the cursor, and forgets the origins of closes that are settled.
    pub(super) async fn put_cursor(
        &self,
        cursor: &Cursor,
        settled: &[CloseOrigin],
    ) -> Result<(), StoreFailed> {
        self.write(|set| {
            settled.iter().for_each(|origin| set.remove_origin(origin));
            set.put_cursor(self.chain, cursor)
        })
        .await
    }

    /// Keeps who sent a close.
    pub(super) async fn put_origin(&self, origin: &CloseOrigin) -> Result<(), StoreFailed> {
        self.write(|set| set.put_origin(origin)).await
    }

    async fn write(
        &self,
        fill: impl FnOnce(&mut WriteSet) -> Result<(), Refusal>,
    ) -> Result<(), StoreFailed> {
        let mut set = WriteSet::default();
        fill(&mut set).map_err(|_| StoreFailed)?;
        let (reply, answer) = oneshot::channel();
        let taken = self.journal.write(
            set,
            Box::new(move |outcome| {
                // Whoever asked may be gone.
                drop(reply.send(outcome));
            }),
        );
        taken.map_err(|_| StoreFailed)?;
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(error = %error, "the journal does not keep what the chain side needs");
                Err(StoreFailed)
            }
            Err(_) => Err(StoreFailed),
        }
    }
}

impl ObligationStore for ChainStore {
    async fn put(&self, obligation: &Obligation) -> Result<(), StoreFailed> {
        self.write(|set| set.put_obligation(obligation)).await
    }

    async fn put_all(&self, obligations: &[Obligation]) -> Result<(), StoreFailed> {
        self.write(|set| obligations.iter().try_for_each(|one| set.put_obligation(one))).await
    }

    async fn put_entry(&self, entry: &Entry) -> Result<(), StoreFailed> {
        self.write(|set| set.put_entry(entry)).await
    }

    async fn remove_entry(&self, id: EntryId) -> Result<(), StoreFailed> {
        self.write(|set| {
            set.remove_entry(id);
            Ok(())
        })
        .await
    }
}

impl TransferStore for ChainStore {
    async fn put(&self, record: &TransferRecord) -> Result<(), StoreFailed> {
        self.write(|set| set.put_transfer(record)).await
    }
}
