//! Counterparties, as far as they must be known again after a restart.

use lockstep_core::ids::NodeId;
use lockstep_proto::v1;
use prost::Message;

use crate::{
    epoch::JournalHead,
    error::{Damage, Refusal, StoreError},
    row_source::RowSource,
    table::Table,
    write_set::WriteSet,
};

/// A counterparty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredContact {
    /// Its node key.
    pub node_id: NodeId,
    /// Its transport identity, as bytes.
    pub peer_id: Vec<u8>,
    /// Where it may be found: multiaddresses, as bytes.
    pub addresses: Vec<Vec<u8>>,
    /// The latest head of its journal that it has shown.
    pub head: Option<JournalHead>,
}

impl WriteSet {
    /// Writes a contact, or what is new about it.
    ///
    /// # Errors
    /// When it is too large.
    pub fn put_contact(&mut self, contact: &StoredContact) -> Result<(), Refusal> {
        let row = v1::ContactRow {
            peer_id: contact.peer_id.clone(),
            addresses: contact.addresses.clone(),
            head: contact.head.map(|head| v1::JournalHead {
                journal_id: head.journal_id.to_vec(),
                epoch: head.epoch,
                incarnation: head.incarnation.to_vec(),
            }),
        };
        self.put(Table::Contact, contact.node_id.0.to_vec(), row.encode_to_vec())
    }

    /// Forgets a contact.
    pub fn remove_contact(&mut self, node_id: NodeId) {
        self.remove(Table::Contact, node_id.0.to_vec());
    }
}

/// Every contact.
///
/// # Errors
/// When a row cannot be read.
pub fn all(source: &impl RowSource) -> Result<Vec<StoredContact>, StoreError> {
    let rows = source.scan(Table::Contact, &[])?;
    rows.iter()
        .map(|(key, value)| {
            let damage = || Damage::Row { table: Table::Contact, key: key.clone() };
            Ok(read(key, value).ok_or_else(damage)?)
        })
        .collect()
}

fn read(key: &[u8], value: &[u8]) -> Option<StoredContact> {
    let row = v1::ContactRow::decode(value).ok()?;
    let head = match row.head {
        None => None,
        Some(head) => Some(JournalHead {
            journal_id: head.journal_id.try_into().ok()?,
            epoch: head.epoch,
            incarnation: head.incarnation.try_into().ok()?,
        }),
    };
    let node_id = NodeId(key.try_into().ok()?);
    Some(StoredContact { node_id, peer_id: row.peer_id, addresses: row.addresses, head })
}
