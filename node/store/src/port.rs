//! What other parts of the node keep here: the chain follower's cursor, transactions that are owed,
//! payments into the contract, bridge transfers, and a watchtower's appointments.
//!
//! Each write goes into a [`WriteSet`], so that it rides in the same group as whatever it follows
//! from. A cursor must not move in an earlier group than the facts that it has passed.

use alloy_primitives::B256;
use lockstep_core::{
    chain::{CloseOrigin, Cursor, Obligation, ObligationKey},
    entry::{Entry, EntryId},
    ids::{ChainRef, ChannelId},
    transfer::TransferRecord,
};

use crate::{
    convert::{self, Stored},
    error::{Damage, Refusal, StoreError},
    row_source::RowSource,
    table::Table,
    write_set::WriteSet,
};

impl WriteSet {
    /// Moves the cursor of a chain.
    ///
    /// # Errors
    /// Never for a cursor; the signature is that of every write.
    pub fn put_cursor(&mut self, chain: ChainRef, cursor: &Cursor) -> Result<(), Refusal> {
        self.put(Table::Cursor, chain_key(chain), cursor.encode())
    }

    /// Writes what is owed and how far it has come.
    ///
    /// # Errors
    /// When it is too large.
    pub fn put_obligation(&mut self, obligation: &Obligation) -> Result<(), Refusal> {
        self.put(Table::Obligation, obligation_key(obligation.key()), obligation.encode())
    }

    /// Forgets an obligation that has ended.
    pub fn remove_obligation(&mut self, key: &ObligationKey) {
        self.remove(Table::Obligation, obligation_key(key));
    }

    /// Writes an entry, with everything that was signed for it.
    ///
    /// # Errors
    /// When it is too large.
    pub fn put_entry(&mut self, entry: &Entry) -> Result<(), Refusal> {
        self.put(Table::Entry, entry.id().0.to_vec(), entry.encode())
    }

    /// Forgets an entry: one that was never signed, or has ended.
    pub fn remove_entry(&mut self, id: EntryId) {
        self.remove(Table::Entry, id.0.to_vec());
    }

    /// Writes who sent a close.
    ///
    /// # Errors
    /// Never for an origin; the signature is that of every write.
    pub fn put_origin(&mut self, origin: &CloseOrigin) -> Result<(), Refusal> {
        self.put(Table::Origin, origin_key(origin), origin.encode())
    }

    /// Forgets who sent a close, once it is final or ruled out.
    pub fn remove_origin(&mut self, origin: &CloseOrigin) {
        self.remove(Table::Origin, origin_key(origin));
    }

    /// Writes a transfer and how far it has come.
    ///
    /// # Errors
    /// When it is too large.
    pub fn put_transfer(&mut self, record: &TransferRecord) -> Result<(), Refusal> {
        self.put(Table::Transfer, record.transfer.id.to_vec(), record.encode())
    }

    /// Writes what a watchtower keeps of a channel, in the watchtower's own encrypted form.
    ///
    /// # Errors
    /// When it is too large.
    pub fn put_appointment(&mut self, channel: ChannelId, bytes: Vec<u8>) -> Result<(), Refusal> {
        self.put(Table::Appointment, channel.0.to_vec(), bytes)
    }

    /// Forgets a channel's appointment.
    pub fn remove_appointment(&mut self, channel: ChannelId) {
        self.remove(Table::Appointment, channel.0.to_vec());
    }
}

/// How far a chain was followed.
///
/// # Errors
/// When the row cannot be read.
pub fn cursor(source: &impl RowSource, chain: ChainRef) -> Result<Option<Cursor>, StoreError> {
    let key = chain_key(chain);
    let value = source.get(Table::Cursor, &key)?;
    value.map(|value| decode(Table::Cursor, &key, &value)).transpose()
}

/// Every transaction that is or was owed for a channel.
///
/// # Errors
/// When a row cannot be read.
pub fn obligations(
    source: &impl RowSource,
    channel: ChannelId,
) -> Result<Vec<Obligation>, StoreError> {
    decode_all(source, Table::Obligation, channel.0.as_slice())
}

/// Every transaction that is or was owed.
///
/// # Errors
/// When a row cannot be read.
pub fn all_obligations(source: &impl RowSource) -> Result<Vec<Obligation>, StoreError> {
    decode_all(source, Table::Obligation, &[])
}

/// Every entry that is kept.
///
/// # Errors
/// When a row cannot be read.
pub fn all_entries(source: &impl RowSource) -> Result<Vec<Entry>, StoreError> {
    decode_all(source, Table::Entry, &[])
}

/// Who sent each close that is neither final nor ruled out.
///
/// # Errors
/// When a row cannot be read.
pub fn all_origins(source: &impl RowSource) -> Result<Vec<CloseOrigin>, StoreError> {
    decode_all(source, Table::Origin, &[])
}

/// A transfer by our own name for it.
///
/// # Errors
/// When the row cannot be read.
pub fn transfer(source: &impl RowSource, id: B256) -> Result<Option<TransferRecord>, StoreError> {
    let value = source.get(Table::Transfer, id.as_slice())?;
    value.map(|value| decode(Table::Transfer, id.as_slice(), &value)).transpose()
}

/// Every transfer.
///
/// # Errors
/// When a row cannot be read.
pub fn all_transfers(source: &impl RowSource) -> Result<Vec<TransferRecord>, StoreError> {
    decode_all(source, Table::Transfer, &[])
}

/// What a watchtower keeps of a channel.
///
/// # Errors
/// When the row cannot be read.
pub fn appointment(
    source: &impl RowSource,
    channel: ChannelId,
) -> Result<Option<Vec<u8>>, StoreError> {
    source.get(Table::Appointment, channel.0.as_slice())
}

fn chain_key(chain: ChainRef) -> Vec<u8> {
    match chain {
        ChainRef::Evm(chain_id) => [&[1], chain_id.to_be_bytes().as_slice()].concat(),
        ChainRef::Starknet(chain_id) => [&[2], chain_id.as_slice()].concat(),
    }
}

fn obligation_key(key: &ObligationKey) -> Vec<u8> {
    [key.channel_id.0.as_slice(), &convert::obligation_suffix(key)].concat()
}

fn origin_key(origin: &CloseOrigin) -> Vec<u8> {
    [origin.channel_id.0.as_slice(), origin.transaction.as_slice()].concat()
}

fn decode<T: Stored>(table: Table, key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    T::decode(value).map_err(|_| Damage::Row { table, key: key.to_vec() }.into())
}

fn decode_all<T: Stored>(
    source: &impl RowSource,
    table: Table,
    prefix: &[u8],
) -> Result<Vec<T>, StoreError> {
    let rows = source.scan(table, prefix)?;
    rows.iter().map(|(key, value)| decode(table, key, value)).collect()
}
