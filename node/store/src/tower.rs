//! What a node knows of its watchtowers: who they are, what they promised, and what an older version of a
//! channel may cost.

use lockstep_core::{
    exposure::Floor,
    ids::{ChannelId, Digest, NodeId, Version},
    receipt::{Receipt, SignedReceipt},
    signature::StateSignature,
    time::BlockTimestamp,
};
use lockstep_proto::v1;
use prost::Message;

use crate::{
    convert::{amount, amount_bytes, gain, gain_bytes},
    error::{Damage, Refusal, StoreError},
    row_source::RowSource,
    table::Table,
    write_set::WriteSet,
};

const TOWER: u8 = 0;
const RECEIPT: u8 = 1;
const FLOOR: u8 = 2;

/// A watchtower that the node uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTower {
    /// Its key.
    pub key: NodeId,
    /// Its address, as it was pasted.
    pub address: String,
    /// Since when, by the node's own clock. Units: seconds since 1970.
    pub added_at_secs: u64,
}

/// The newest promise of one tower about one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredReceipt {
    /// The tower's key.
    pub tower: NodeId,
    /// The promise.
    pub signed: SignedReceipt,
}

/// All that is kept about towers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Towers {
    /// The towers.
    pub towers: Vec<StoredTower>,
    /// Their newest receipts.
    pub receipts: Vec<StoredReceipt>,
    /// Per channel, what an older version may cost.
    pub floors: Vec<(ChannelId, Floor)>,
}

impl WriteSet {
    /// Writes a tower.
    ///
    /// # Errors
    /// When it is too large.
    pub fn put_tower(&mut self, tower: &StoredTower) -> Result<(), Refusal> {
        let address = tower.address.clone();
        let row = v1::TowerRow { address, added_at_secs: tower.added_at_secs };
        self.put(Table::Tower, key(TOWER, &[&tower.key.0]), row.encode_to_vec())
    }

    /// Forgets a tower. Its receipts stay: they are evidence.
    pub fn remove_tower(&mut self, tower: NodeId) {
        self.remove(Table::Tower, key(TOWER, &[&tower.0]));
    }

    /// Writes a receipt over the one before it.
    ///
    /// # Errors
    /// Never for a receipt; the signature is that of every write.
    pub fn put_receipt(&mut self, stored: &StoredReceipt) -> Result<(), Refusal> {
        let receipt = &stored.signed.receipt;
        let row = v1::Receipt {
            tower: receipt.tower.to_vec(),
            channel_id: receipt.channel_id.0.to_vec(),
            version: receipt.version.0,
            state_hash: receipt.state_hash.0.to_vec(),
            valid_from_secs: receipt.valid_from.0,
            valid_until_secs: receipt.valid_until.0,
            min_window_secs: receipt.min_window,
            insured: amount_bytes(receipt.insured),
            beneficiary: receipt.beneficiary.to_vec(),
            withdraw_version: receipt.withdraw_version.0,
            signature: stored.signed.signature.0.to_vec(),
        };
        let key = key(RECEIPT, &[receipt.channel_id.0.as_slice(), &stored.tower.0]);
        self.put(Table::Tower, key, row.encode_to_vec())
    }

    /// Forgets a receipt: the tower has shown that it holds something else.
    pub fn remove_receipt(&mut self, channel_id: ChannelId, tower: NodeId) {
        self.remove(Table::Tower, key(RECEIPT, &[channel_id.0.as_slice(), &tower.0]));
    }

    /// Writes what an older version of a channel may cost.
    ///
    /// # Errors
    /// Never for a floor; the signature is that of every write.
    pub fn put_floor(&mut self, channel_id: ChannelId, floor: Floor) -> Result<(), Refusal> {
        let row = v1::FloorRow { through: floor.through.0, least: gain_bytes(floor.least) };
        self.put(Table::Tower, key(FLOOR, &[channel_id.0.as_slice()]), row.encode_to_vec())
    }
}

/// Everything about towers.
///
/// # Errors
/// When a row cannot be read.
pub fn all(source: &impl RowSource) -> Result<Towers, StoreError> {
    let mut towers = Towers::default();
    for (key, value) in source.scan(Table::Tower, &[])? {
        let damage = || Damage::Row { table: Table::Tower, key: key.clone() };
        let (kind, name) = key.split_first().ok_or_else(damage)?;
        match *kind {
            TOWER => towers.towers.push(read_tower(name, &value).ok_or_else(damage)?),
            RECEIPT => towers.receipts.push(read_receipt(name, &value).ok_or_else(damage)?),
            FLOOR => towers.floors.push(read_floor(name, &value).ok_or_else(damage)?),
            _ => return Err(damage().into()),
        }
    }
    Ok(towers)
}

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

fn read_tower(name: &[u8], value: &[u8]) -> Option<StoredTower> {
    let row = v1::TowerRow::decode(value).ok()?;
    let key = NodeId(name.try_into().ok()?);
    Some(StoredTower { key, address: row.address, added_at_secs: row.added_at_secs })
}

fn read_receipt(name: &[u8], value: &[u8]) -> Option<StoredReceipt> {
    let (channel, tower) = name.split_first_chunk::<32>()?;
    let row = v1::Receipt::decode(value).ok()?;
    let receipt = Receipt {
        tower: row.tower.as_slice().try_into().ok()?,
        channel_id: channel_id(&row.channel_id)?,
        version: Version(row.version),
        state_hash: Digest(row.state_hash.as_slice().try_into().ok()?),
        valid_from: BlockTimestamp(row.valid_from_secs),
        valid_until: BlockTimestamp(row.valid_until_secs),
        min_window: row.min_window_secs,
        insured: amount(&row.insured, "receipt.insured").ok()?,
        beneficiary: row.beneficiary.as_slice().try_into().ok()?,
        withdraw_version: Version(row.withdraw_version),
    };
    // A row says the same as its name.
    if receipt.channel_id.0.as_slice() != channel {
        return None;
    }
    let signature = StateSignature(row.signature.try_into().ok()?);
    let signed = SignedReceipt { receipt, signature };
    Some(StoredReceipt { tower: NodeId(tower.try_into().ok()?), signed })
}

fn read_floor(name: &[u8], value: &[u8]) -> Option<(ChannelId, Floor)> {
    let row = v1::FloorRow::decode(value).ok()?;
    let least = gain(&row.least, "floor.least").ok()?;
    Some((channel_id(name)?, Floor { through: Version(row.through), least }))
}

fn channel_id(bytes: &[u8]) -> Option<ChannelId> {
    Some(ChannelId(bytes.try_into().ok()?))
}
