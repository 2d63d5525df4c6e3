//! A channel's record as rows: which part is where, and which rows a step changes.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use lockstep_core::{
    ids::{ChannelId, Digest, InvoiceId, Sequence, Version},
    record::{
        ChannelRecord, ChannelSetup, Equivocation, Guard, Marks, PendingUpdate, RecordParts,
        Withdrawal,
    },
};
use lockstep_proto::v1;
use prost::Message;

use crate::{
    convert::{self, Malformed, Stored},
    error::{Damage, StoreError},
    row_source::RowSource,
    table::{Table, number_of_key, numbered_key},
    write_set::WriteSet,
};

/// The tables that hold a channel's record, except for the guard.
const RECORD_TABLES: [Table; 7] = [
    Table::Setup,
    Table::Record,
    Table::Evidence,
    Table::InFlight,
    Table::Pending,
    Table::Invoice,
    Table::Secret,
];

/// Updates that share a value: a payment then rewrites one or two values, whatever waits besides it.
pub(crate) const UPDATES_PER_ROW: u64 = 64;

/// Suffix of the newest co-signed state in [`Table::Evidence`].
const BASE: u8 = 0;
/// Suffix of the proof of equivocation in [`Table::Evidence`].
const EQUIVOCATION: u8 = 1;

/// Suffix of our own updates in [`Table::Pending`].
pub(crate) const OWN: u8 = 0;
/// Suffix of the counterparty's updates in [`Table::Pending`].
const PEER: u8 = 1;

/// What must change on disk so that `record` is what is there.
///
/// # Errors
/// When the rows that are there cannot be read, or a value is too large.
pub(crate) fn changes(
    source: &impl RowSource,
    record: &ChannelRecord,
) -> Result<WriteSet, StoreError> {
    let channel = record.channel_id().0.0;
    let mut wanted = values_of(record.parts());
    let mut set = WriteSet::default();
    for table in RECORD_TABLES {
        for (key, value) in source.scan(table, &channel)? {
            let place = (table, key);
            match wanted.get(&place) {
                Some(new) if *new == value => {
                    wanted.remove(&place);
                }
                Some(_) => {}
                None => set.remove(table, place.1),
            }
        }
    }
    for ((table, key), value) in wanted {
        set.put(table, key, value)?;
    }
    if let Some(oldest) = record.parts().guard.bound.keys().next() {
        set.retire(channel, oldest.0);
    }
    Ok(set)
}

/// Removes a channel's record, and what its guard holds. The highest version that was bound stays, and what proves
/// that the counterparty signed two states of one version.
///
/// # Errors
/// When the rows cannot be read.
pub(crate) fn remove_all(
    source: &impl RowSource,
    id: ChannelId,
    set: &mut WriteSet,
) -> Result<(), StoreError> {
    let channel = id.0.0;
    for table in RECORD_TABLES {
        for (key, _) in source.scan(table, &channel)? {
            if table != Table::Evidence || key.last() != Some(&EQUIVOCATION) {
                set.remove(table, key);
            }
        }
    }
    set.retire(channel, u64::MAX);
    Ok(())
}

/// Everything that a record is on disk, but for the digests, which are the guard's.
fn values_of(parts: &RecordParts) -> BTreeMap<(Table, Vec<u8>), Vec<u8>> {
    let channel = parts.setup.channel_id().0.0;
    let mut values = BTreeMap::new();
    let mut put = |table, suffix: &[u8], value| {
        values.insert((table, [channel.as_slice(), suffix].concat()), value);
    };
    put(Table::Setup, &[], parts.setup.encode());
    put(Table::Record, &[], channel_row(parts).encode_to_vec());
    if let Some(base) = &parts.base {
        put(Table::Evidence, &[BASE], base.encode());
    }
    if let Some(proof) = &parts.equivocation {
        put(Table::Evidence, &[EQUIVOCATION], proof.encode());
    }
    for proposal in &parts.in_flight {
        let version = proposal.state.version.0.to_be_bytes();
        put(Table::InFlight, &version, proposal.encode());
    }
    for (whose, pending) in [(OWN, &parts.own_pending), (PEER, &parts.peer_pending)] {
        for (range, row) in pending_rows(pending) {
            let range = range.to_be_bytes();
            put(Table::Pending, &[&[whose], range.as_slice()].concat(), row.encode_to_vec());
        }
    }
    for (id, invoice) in &parts.invoices {
        put(Table::Invoice, id.0.as_slice(), invoice.encode());
    }
    for (hash, secret) in &parts.secrets {
        put(Table::Secret, hash.as_slice(), secret.encode());
    }
    values
}

/// The part of a record that is one small value.
fn channel_row(parts: &RecordParts) -> v1::ChannelRow {
    v1::ChannelRow {
        phase: Some(convert::phase_to(&parts.phase)),
        frozen: convert::freeze_to(parts.marks.frozen),
        restored: convert::restore_to(parts.marks.restored),
        highest_bound: parts.guard.highest.0,
        bound_versions: parts.guard.bound.keys().map(|version| version.0).collect(),
        base_sequences: Some(parts.base_sequences.to_proto()),
        own_sequence: parts.own_sequence.0,
        peer_sequence: parts.peer_sequence.0,
        withdrawal: parts.withdrawal.as_ref().map(Stored::to_proto),
        chain: Some(parts.chain.to_proto()),
    }
}

/// Pending updates by range of sequences, so that taking some out in front leaves the rest alone.
fn pending_rows(pending: &[PendingUpdate]) -> BTreeMap<u64, v1::PendingRow> {
    let mut rows: BTreeMap<u64, v1::PendingRow> = BTreeMap::new();
    for update in pending {
        let range = update.update.sequence.0.checked_div(UPDATES_PER_ROW).unwrap_or_default();
        rows.entry(range).or_default().updates.push(update.to_proto());
    }
    rows
}

/// Reads a record, and checks all of it.
///
/// # Errors
/// When rows cannot be read or do not make a record.
pub(crate) fn read(
    source: &impl RowSource,
    id: ChannelId,
) -> Result<Option<ChannelRecord>, StoreError> {
    let reader = Reader { source, channel: id.0.0 };
    let Some(setup) = source.get(Table::Setup, &reader.channel)? else { return Ok(None) };
    let setup = reader.check(ChannelSetup::decode(&setup))?;
    if setup.channel_id() != id {
        return Err(reader.damaged());
    }
    let record = ChannelRecord::from_parts(reader.parts(setup)?);
    record.map(Some).map_err(|_| reader.damaged())
}

/// What proves that the counterparty signed two states of one version, also after its channel was removed.
///
/// # Errors
/// When the row cannot be read.
pub(crate) fn equivocation(
    source: &impl RowSource,
    id: ChannelId,
) -> Result<Option<Equivocation>, StoreError> {
    Reader { source, channel: id.0.0 }.evidence(EQUIVOCATION)
}

/// Reads the rows of one channel.
struct Reader<'a, S> {
    source: &'a S,
    channel: [u8; 32],
}

impl<S: RowSource> Reader<'_, S> {
    fn parts(&self, setup: ChannelSetup) -> Result<RecordParts, StoreError> {
        let row = self.source.get(Table::Record, &self.channel)?.unwrap_or_default();
        let row = v1::ChannelRow::decode(row.as_slice()).map_err(|_| self.damaged())?;
        let phase = row.phase.ok_or_else(|| self.damaged())?;
        let marks = Marks {
            frozen: self.check(convert::freeze_from(row.frozen))?,
            restored: self.check(convert::restore_from(row.restored))?,
        };
        let bound = self.bound(&row.bound_versions)?;
        Ok(RecordParts {
            setup,
            phase: self.check(convert::phase_from(phase))?,
            marks,
            guard: Guard { highest: Version(row.highest_bound), bound },
            base: self.evidence(BASE)?,
            base_sequences: self.required(row.base_sequences)?,
            in_flight: self.values(Table::InFlight)?.into_values().collect(),
            own_pending: self.pending(OWN)?,
            peer_pending: self.pending(PEER)?,
            own_sequence: Sequence(row.own_sequence),
            peer_sequence: Sequence(row.peer_sequence),
            withdrawal: self.check(row.withdrawal.map(Withdrawal::from_proto).transpose())?,
            invoices: self.by_hash(self.values(Table::Invoice)?, InvoiceId)?,
            secrets: self.by_hash(self.values(Table::Secret)?, |hash| hash)?,
            chain: self.required(row.chain)?,
            equivocation: self.evidence(EQUIVOCATION)?,
        })
    }

    /// The digests that the record counts on are the guard's own; one that is missing is damage.
    fn bound(&self, versions: &[u64]) -> Result<BTreeMap<Version, Digest>, StoreError> {
        let mut bound = BTreeMap::new();
        for version in versions {
            let digest = self.source.get(Table::Guard, &numbered_key(&self.channel, *version))?;
            let digest: [u8; 32] =
                digest.and_then(|digest| digest.try_into().ok()).ok_or_else(|| self.damaged())?;
            bound.insert(Version(*version), Digest(B256::new(digest)));
        }
        Ok(bound)
    }

    fn evidence<T: Stored>(&self, suffix: u8) -> Result<Option<T>, StoreError> {
        let key = [self.channel.as_slice(), &[suffix]].concat();
        let value = self.source.get(Table::Evidence, &key)?;
        self.check(value.map(|value| T::decode(&value)).transpose())
    }

    fn pending(&self, whose: u8) -> Result<Vec<PendingUpdate>, StoreError> {
        let mut updates = Vec::new();
        let prefix = [self.channel.as_slice(), &[whose]].concat();
        for (key, value) in self.source.scan(Table::Pending, &prefix)? {
            let row = v1::PendingRow::decode(value.as_slice()).map_err(|_| self.damaged())?;
            let range = key.last_chunk::<8>().map(|range| u64::from_be_bytes(*range));
            for update in row.updates {
                let update = self.check(PendingUpdate::from_proto(update))?;
                if update.update.sequence.0.checked_div(UPDATES_PER_ROW) != range {
                    return Err(self.damaged());
                }
                updates.push(update);
            }
        }
        Ok(updates)
    }

    /// All values of a table, by key.
    fn values<T: Stored>(&self, table: Table) -> Result<BTreeMap<Vec<u8>, T>, StoreError> {
        let rows = self.source.scan(table, &self.channel)?;
        rows.into_iter().map(|(key, value)| Ok((key, self.check(T::decode(&value))?))).collect()
    }

    /// Values by the hash that their keys end with.
    fn by_hash<K: Ord, V>(
        &self,
        values: BTreeMap<Vec<u8>, V>,
        name: impl Fn(B256) -> K,
    ) -> Result<BTreeMap<K, V>, StoreError> {
        values
            .into_iter()
            .map(|(key, value)| {
                let hash = key.strip_prefix(self.channel.as_slice());
                let hash = hash.and_then(|hash| B256::try_from(hash).ok());
                Ok((name(hash.ok_or_else(|| self.damaged())?), value))
            })
            .collect()
    }

    fn required<T: Stored>(&self, proto: Option<T::Proto>) -> Result<T, StoreError> {
        let proto = proto.ok_or_else(|| self.damaged())?;
        self.check(T::from_proto(proto))
    }

    fn check<T>(&self, decoded: Result<T, Malformed>) -> Result<T, StoreError> {
        decoded.map_err(|malformed| {
            Damage::Record { channel: self.channel, malformed: Some(malformed) }.into()
        })
    }

    fn damaged(&self) -> StoreError {
        Damage::Record { channel: self.channel, malformed: None }.into()
    }
}

/// The channels that the store knows.
///
/// # Errors
/// When the rows cannot be read.
pub(crate) fn channel_ids(source: &impl RowSource) -> Result<Vec<ChannelId>, StoreError> {
    source
        .scan(Table::Setup, &[])?
        .into_iter()
        .map(|(key, _)| {
            let damage = || Damage::Row { table: Table::Setup, key: key.clone() };
            Ok(ChannelId(B256::try_from(key.as_slice()).map_err(|_| damage())?))
        })
        .collect()
}

/// The digests that the guard holds for a channel.
///
/// # Errors
/// When the rows cannot be read.
pub(crate) fn guard_of(
    source: &impl RowSource,
    id: ChannelId,
) -> Result<BTreeMap<Version, Digest>, StoreError> {
    let mut bound = BTreeMap::new();
    for (key, digest) in source.scan(Table::Guard, id.0.as_slice())? {
        let damage = || Damage::Row { table: Table::Guard, key: key.clone() };
        let version = number_of_key(&key).ok_or_else(damage)?;
        let digest = B256::try_from(digest.as_slice()).map_err(|_| damage())?;
        bound.insert(Version(version), Digest(digest));
    }
    Ok(bound)
}
