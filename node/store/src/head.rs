//! The head row: sequence, checksum and epoch, rewritten by every group.

use lockstep_proto::v1;
use prost::Message;

use crate::{checksum::Checksum, disk::FileIdentity, epoch::JournalHead};

/// Key of the head row in [`Table::Meta`](crate::table::Table::Meta).
pub(crate) const HEAD_KEY: &[u8] = b"head";

/// What the head row says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) journal: JournalHead,
    /// How many groups were committed.
    pub(crate) sequence: u64,
    /// Of every row but this one.
    pub(crate) checksum: Checksum,
    /// The file that the database was written to.
    pub(crate) file: FileIdentity,
}

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        v1::HeadRow {
            head: Some(v1::JournalHead {
                journal_id: self.journal.journal_id.to_vec(),
                epoch: self.journal.epoch,
                incarnation: self.journal.incarnation.to_vec(),
            }),
            sequence: self.sequence,
            checksum: self.checksum.to_bytes().to_vec(),
            database_inode: self.file.inode,
            database_birth_nanos: self.file.birth_nanos,
        }
        .encode_to_vec()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let row = v1::HeadRow::decode(bytes).ok()?;
        let head = row.head?;
        Some(Self {
            journal: JournalHead {
                journal_id: head.journal_id.try_into().ok()?,
                epoch: head.epoch,
                incarnation: head.incarnation.try_into().ok()?,
            },
            sequence: row.sequence,
            checksum: Checksum::from_bytes(row.checksum.try_into().ok()?),
            file: FileIdentity { inode: row.database_inode, birth_nanos: row.database_birth_nanos },
        })
    }
}
