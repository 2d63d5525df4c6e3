//! What the tower keeps, in the journal's own table of appointments: group commit, one `fdatasync` before
//! anything is promised, every value sealed.
//!
//! One record per channel, one reference per account and channel. Which kind a row is, its first byte says.

use std::sync::Arc;

use lockstep_core::appointment::SealedLocks;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{ChannelId, NodeId};
use lockstep_store::engine::Engine;
use lockstep_store::error::StoreError;
use lockstep_store::table::Table;
use lockstep_store::write_set::WriteSet;
use lockstep_store::writer::{CommitError, JournalHandle};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::holding::Holding;
use crate::record::{Account, KeptClose, Record, Reference, Unreadable};
use crate::seal::{RowKey, SealError};

mod duty;

/// The kinds of rows.
#[derive(Clone, Copy)]
enum Kind {
    Record,
    Locks,
    Reference,
    Watcher,
    Account,
    Close,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Record => 1,
            Self::Locks => 2,
            Self::Reference => 3,
            Self::Watcher => 4,
            Self::Account => 5,
            Self::Close => 6,
        }
    }

    fn key(self, parts: &[&[u8]]) -> Vec<u8> {
        std::iter::once(self.byte()).chain(parts.concat()).collect()
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, Error)]
pub enum TowerStoreError {
    /// The journal did not take it.
    #[error("the journal did not take it")]
    Commit(#[from] CommitError),
    /// The journal can't be read.
    #[error("the journal cannot be read")]
    Read(#[from] StoreError),
    /// A value is larger than a row.
    #[error("a row is too large")]
    TooLarge,
    /// A row does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A row means nothing.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The journal's thread is gone.
    #[error("the journal is closed")]
    Closed,
}

impl TowerStoreError {
    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Commit(error) => error.class(),
            Self::Read(error) => error.class(),
            Self::TooLarge => ErrorClass::Refused,
            Self::Seal(_) | Self::Unreadable(_) | Self::Closed => ErrorClass::Fatal,
        }
    }
}

/// What is known about one channel for one account, read at one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// What is kept of the channel.
    pub record: Option<Record>,
    /// The account's interest in it.
    pub reference: Option<Reference>,
    /// The account.
    pub account: Option<Account>,
}

/// Changes that become durable together.
#[derive(Debug, Default)]
pub struct Changes {
    /// The record of a channel.
    pub record: Option<Record>,
    /// New sealed locks of that record's channel; none leaves them as they are.
    pub locks: Option<SealedLocks>,
    /// An account's interest in a channel.
    pub reference: Option<(NodeId, ChannelId, Reference)>,
    /// An account.
    pub account: Option<(NodeId, Account)>,
    /// An interest that ends.
    pub dropped: Option<(NodeId, ChannelId)>,
    /// A channel of which nothing is kept any more.
    pub forgotten: Option<ChannelId>,
}

/// Numbers about what is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Channels.
    pub channels: u64,
    /// Accounts.
    pub accounts: u64,
    /// Closes that are not over.
    pub closes: u64,
}

/// The tower's store; cheap to clone.
#[derive(Clone)]
pub struct TowerStore {
    journal: JournalHandle,
    key: Arc<RowKey>,
}

impl TowerStore {
    /// On a running journal.
    pub fn new(journal: JournalHandle, key: RowKey) -> Self {
        Self { journal, key: Arc::new(key) }
    }

    /// What is known about one channel for one account.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn view(
        &self,
        account: NodeId,
        channel_id: ChannelId,
    ) -> Result<View, TowerStoreError> {
        let record = Kind::Record.key(&[&channel_id.0.0]);
        let reference = Kind::Reference.key(&[&account.0, &channel_id.0.0]);
        let row = Kind::Account.key(&[&account.0]);
        let rows = self.get(vec![record, reference, row]).await?;
        let [record, reference, account] =
            <[Option<Vec<u8>>; 3]>::try_from(rows).map_err(|_| TowerStoreError::Closed)?;
        Ok(View {
            record: record.map(|bytes| Record::decode(&bytes)).transpose()?,
            reference: reference.map(|bytes| Reference::decode(&bytes)).transpose()?,
            account: account.map(|bytes| Account::decode(&bytes)).transpose()?,
        })
    }

    /// What is kept of a channel.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn record(&self, channel_id: ChannelId) -> Result<Option<Record>, TowerStoreError> {
        let rows = self.get(vec![Kind::Record.key(&[&channel_id.0.0])]).await?;
        let bytes = rows.into_iter().next().flatten();
        Ok(bytes.map(|bytes| Record::decode(&bytes)).transpose()?)
    }

    /// The sealed locks of a channel's record.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn locks(&self, channel_id: ChannelId) -> Result<SealedLocks, TowerStoreError> {
        let rows = self.get(vec![Kind::Locks.key(&[&channel_id.0.0])]).await?;
        let bytes = rows.into_iter().next().flatten().unwrap_or_default();
        SealedLocks::new(bytes).ok_or(TowerStoreError::Unreadable(Unreadable))
    }

    /// An account.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn account(&self, account: NodeId) -> Result<Option<Account>, TowerStoreError> {
        let rows = self.get(vec![Kind::Account.key(&[&account.0])]).await?;
        let bytes = rows.into_iter().next().flatten();
        Ok(bytes.map(|bytes| Account::decode(&bytes)).transpose()?)
    }

    /// The accounts that refer to a channel.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn watchers(&self, channel_id: ChannelId) -> Result<Vec<NodeId>, TowerStoreError> {
        let prefix = Kind::Watcher.key(&[&channel_id.0.0]);
        let rows = self.read(move |engine| engine.scan(Table::Appointment, &prefix)).await?;
        let accounts = rows.iter().filter_map(|(key, _)| key.last_chunk::<33>());
        Ok(accounts.map(|account| NodeId(*account)).collect())
    }

    /// The channels that an account refers to, in order, after one of them.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn channels_of(
        &self,
        account: NodeId,
        after: Option<ChannelId>,
        limit: usize,
    ) -> Result<Vec<ChannelId>, TowerStoreError> {
        let prefix = Kind::Reference.key(&[&account.0]);
        self.page_of_ids(prefix, after, limit).await
    }

    /// The channels of which a record is kept, in order, after one of them.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn channels(
        &self,
        after: Option<ChannelId>,
        limit: usize,
    ) -> Result<Vec<ChannelId>, TowerStoreError> {
        self.page_of_ids(Kind::Record.key(&[]), after, limit).await
    }

    async fn page_of_ids(
        &self,
        prefix: Vec<u8>,
        after: Option<ChannelId>,
        limit: usize,
    ) -> Result<Vec<ChannelId>, TowerStoreError> {
        let mut from = prefix.clone();
        if let Some(after) = after {
            from.extend(after.0);
            // The first key that is greater.
            from.push(0);
        }
        let rows =
            self.read(move |engine| engine.page(Table::Appointment, &prefix, &from, limit)).await?;
        let ids = rows.iter().filter_map(|(key, _)| key.last_chunk::<32>());
        Ok(ids.map(|id| ChannelId((*id).into())).collect())
    }

    /// Records in order, after a channel.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn records(
        &self,
        after: Option<ChannelId>,
        limit: usize,
    ) -> Result<Vec<Record>, TowerStoreError> {
        let rows = self.page_of_records(after, limit).await?;
        rows.into_iter().map(|value| Ok(Record::decode(&value)?)).collect()
    }

    async fn page_of_records(
        &self,
        after: Option<ChannelId>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, TowerStoreError> {
        let prefix = Kind::Record.key(&[]);
        let mut from = prefix.clone();
        if let Some(after) = after {
            from.extend(after.0);
            from.push(0);
        }
        let rows =
            self.read(move |engine| engine.page(Table::Appointment, &prefix, &from, limit)).await?;
        rows.iter().map(|(key, value)| Ok(self.key.open(key, value)?)).collect()
    }

    /// Records by their hashes, in order, after a channel.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn holdings(
        &self,
        after: Option<ChannelId>,
        limit: usize,
    ) -> Result<Vec<Holding>, TowerStoreError> {
        let rows = self.page_of_records(after, limit).await?;
        let holding = |value: Vec<u8>| Ok(Record::decode_holding(&value)?);
        rows.into_iter().map(holding).collect()
    }

    /// Every close that was seen and is not over.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn closes(&self) -> Result<Vec<(ChannelId, KeptClose)>, TowerStoreError> {
        let prefix = Kind::Close.key(&[]);
        let rows = self.read(move |engine| engine.scan(Table::Appointment, &prefix)).await?;
        let mut closes = Vec::with_capacity(rows.len());
        for (key, value) in rows {
            let id = key.last_chunk::<32>().ok_or(TowerStoreError::Unreadable(Unreadable))?;
            let close = KeptClose::decode(&self.key.open(&key, &value)?)?;
            closes.push((ChannelId((*id).into()), close));
        }
        Ok(closes)
    }

    /// How much is kept. Every row is counted; where the number of channels is known already it is given.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn totals(&self, channels: Option<u64>) -> Result<Totals, TowerStoreError> {
        self.read(move |engine| {
            let count = |kind: Kind| count(engine, &kind.key(&[]));
            Ok(Totals {
                channels: channels.map_or_else(|| count(Kind::Record), Ok)?,
                accounts: count(Kind::Account)?,
                closes: count(Kind::Close)?,
            })
        })
        .await
    }

    /// Every account with what it has, for the operator.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn accounts(&self) -> Result<Vec<(NodeId, Account)>, TowerStoreError> {
        let prefix = Kind::Account.key(&[]);
        let rows = self.read(move |engine| engine.scan(Table::Appointment, &prefix)).await?;
        let mut accounts = Vec::with_capacity(rows.len());
        for (key, value) in rows {
            let id = key.last_chunk::<33>().ok_or(TowerStoreError::Unreadable(Unreadable))?;
            accounts.push((NodeId(*id), Account::decode(&self.key.open(&key, &value)?)?));
        }
        Ok(accounts)
    }

    /// Makes changes durable, all or none.
    ///
    /// # Errors
    /// [`TowerStoreError`]; then nothing may be promised.
    pub(crate) async fn write(&self, changes: &Changes) -> Result<(), TowerStoreError> {
        let mut set = WriteSet::default();
        if let Some(record) = &changes.record {
            let id = crate::record::channel_of(record);
            self.put(&mut set, Kind::Record.key(&[&id.0.0]), &record.encode())?;
            if let Some(locks) = &changes.locks {
                let key = Kind::Locks.key(&[&id.0.0]);
                if locks.as_bytes().is_empty() {
                    set.remove(Table::Appointment, key);
                } else {
                    self.put(&mut set, key, locks.as_bytes())?;
                }
            }
        }
        if let Some((account, id, reference)) = &changes.reference {
            let key = Kind::Reference.key(&[&account.0, &id.0.0]);
            self.put(&mut set, key, &reference.encode())?;
            self.put(&mut set, Kind::Watcher.key(&[&id.0.0, &account.0]), &[])?;
        }
        if let Some((id, account)) = &changes.account {
            self.put(&mut set, Kind::Account.key(&[&id.0]), &account.encode())?;
        }
        if let Some((account, id)) = &changes.dropped {
            set.remove(Table::Appointment, Kind::Reference.key(&[&account.0, &id.0.0]));
            set.remove(Table::Appointment, Kind::Watcher.key(&[&id.0.0, &account.0]));
        }
        if let Some(id) = &changes.forgotten {
            for kind in [Kind::Record, Kind::Locks, Kind::Close] {
                set.remove(Table::Appointment, kind.key(&[&id.0.0]));
            }
        }
        self.commit(set).await
    }

    /// Keeps a close that was seen.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn put_close(
        &self,
        channel_id: ChannelId,
        close: &KeptClose,
    ) -> Result<(), TowerStoreError> {
        let mut set = WriteSet::default();
        self.put(&mut set, Kind::Close.key(&[&channel_id.0.0]), &close.encode())?;
        self.commit(set).await
    }

    /// A close is over, or gone for good.
    ///
    /// # Errors
    /// [`TowerStoreError`].
    pub async fn remove_close(&self, channel_id: ChannelId) -> Result<(), TowerStoreError> {
        let mut set = WriteSet::default();
        set.remove(Table::Appointment, Kind::Close.key(&[&channel_id.0.0]));
        self.commit(set).await
    }

    fn put(&self, set: &mut WriteSet, key: Vec<u8>, value: &[u8]) -> Result<(), TowerStoreError> {
        let sealed = self.key.seal(&key, value)?;
        set.put(Table::Appointment, key, sealed).map_err(|_| TowerStoreError::TooLarge)
    }

    async fn get(&self, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>, TowerStoreError> {
        let rows = self
            .read(move |engine| {
                let read = |key: Vec<u8>| {
                    let value = engine.get(Table::Appointment, &key)?;
                    Ok((key, value))
                };
                keys.into_iter().map(read).collect::<Result<Vec<_>, StoreError>>()
            })
            .await?;
        rows.into_iter()
            .map(|(key, value)| Ok(value.map(|value| self.key.open(&key, &value)).transpose()?))
            .collect()
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Engine) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, TowerStoreError> {
        let (reply, answer) = oneshot::channel();
        self.journal.read(move |journal| {
            // Whoever asked may be gone.
            drop(reply.send(read(journal.engine())));
        })?;
        Ok(answer.await.map_err(|_| TowerStoreError::Closed)??)
    }

    async fn commit(&self, set: WriteSet) -> Result<(), TowerStoreError> {
        let (reply, answer) = oneshot::channel();
        self.journal.write(
            set,
            Box::new(move |outcome| {
                // Whoever asked may be gone.
                drop(reply.send(outcome));
            }),
        )?;
        Ok(answer.await.map_err(|_| TowerStoreError::Closed)??)
    }
}

/// Rows that are counted at a time, so that a count holds no more than so many in memory.
const COUNTED_AT_ONCE: usize = 4_096;

fn count(engine: &Engine, prefix: &[u8]) -> Result<u64, StoreError> {
    let (mut total, mut from) = (0_u64, prefix.to_vec());
    loop {
        let rows = engine.page(Table::Appointment, prefix, &from, COUNTED_AT_ONCE)?;
        let Some((last, _)) = rows.last() else { return Ok(total) };
        total = total.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
        from = last.iter().copied().chain([0]).collect();
    }
}
