//! The tables of the store and how a row is named.

/// One key space of the store, kept in a tree of its own so that busy small rows do not share pages
/// with large ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The head row and the schema version.
    Meta,
    /// Which incarnation each past epoch had.
    Epoch,
    /// Signed-versions guard: channel and version to digest.
    Guard,
    /// Per channel, the highest version that was ever bound.
    Highest,
    /// The small, ever-changing part of each channel.
    Record,
    /// What a channel fixed when it was opened.
    Setup,
    /// The newest co-signed state with its locks, and proof of equivocation.
    Evidence,
    /// Proposals in flight, one value per version.
    InFlight,
    /// Updates that no co-signed state includes yet, one value per range of sequences.
    Pending,
    /// Invoices.
    Invoice,
    /// Secrets of locks.
    Secret,
    /// What each step told the user.
    History,
    /// How far each chain has been followed.
    Cursor,
    /// On-chain transactions we owe.
    Obligation,
    /// Bridge transfers.
    Transfer,
    /// A watchtower's appointments.
    Appointment,
    /// Payments into the contract.
    Entry,
    /// Who sent each close that was seen.
    Origin,
    /// Counterparties, and where they may be found.
    Contact,
    /// What was ordered under a name of the caller's, so that it is not done twice.
    Request,
    /// What happened, counted, over all channels.
    Feed,
    /// Towers, their receipts, and what an older version of a channel may cost.
    Tower,
}

impl Table {
    /// Every table, in the order of [`Table::index`].
    pub const ALL: [Self; 22] = [
        Self::Meta,
        Self::Epoch,
        Self::Guard,
        Self::Highest,
        Self::Record,
        Self::Setup,
        Self::Evidence,
        Self::InFlight,
        Self::Pending,
        Self::Invoice,
        Self::Secret,
        Self::History,
        Self::Cursor,
        Self::Obligation,
        Self::Transfer,
        Self::Appointment,
        Self::Entry,
        Self::Origin,
        Self::Contact,
        Self::Request,
        Self::Feed,
        Self::Tower,
    ];

    /// The tree's name on disk. Never changes for a table that was released.
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Epoch => "epoch",
            Self::Guard => "signed",
            Self::Highest => "highest",
            Self::Record => "record",
            Self::Setup => "setup",
            Self::Evidence => "evidence",
            Self::InFlight => "inflight",
            Self::Pending => "pending",
            Self::Invoice => "invoice",
            Self::Secret => "secret",
            Self::History => "history",
            Self::Cursor => "cursor",
            Self::Obligation => "obligation",
            Self::Transfer => "transfer",
            Self::Appointment => "appointment",
            Self::Entry => "entry",
            Self::Origin => "origin",
            Self::Contact => "contact",
            Self::Request => "request",
            Self::Feed => "feed",
            Self::Tower => "tower",
        }
    }

    /// The number that stands for the table in the store's checksum and in backups. Never changes.
    pub fn tag(self) -> u8 {
        match self {
            Self::Meta => 0,
            Self::Epoch => 1,
            Self::Guard => 2,
            Self::Highest => 3,
            Self::Record => 4,
            Self::Setup => 5,
            Self::Evidence => 6,
            Self::InFlight => 7,
            Self::Pending => 8,
            Self::Invoice => 9,
            Self::Secret => 10,
            Self::History => 11,
            Self::Cursor => 12,
            Self::Obligation => 13,
            Self::Transfer => 14,
            Self::Appointment => 15,
            Self::Entry => 16,
            Self::Origin => 17,
            Self::Contact => 18,
            Self::Request => 19,
            Self::Feed => 20,
            Self::Tower => 21,
        }
    }

    /// The table with this tag.
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.tag() == tag)
    }

    /// Position in [`Table::ALL`].
    pub(crate) fn index(self) -> usize {
        usize::from(self.tag())
    }

    /// Whether a backup carries the table. Epochs and the head belong to one life of one journal. An entry
    /// that a backup knows as unsent may have been paid since, so another life must not take it up.
    pub fn is_in_backup(self) -> bool {
        match self {
            Self::Meta | Self::Epoch | Self::Entry => false,
            Self::Guard
            | Self::Highest
            | Self::Record
            | Self::Setup
            | Self::Evidence
            | Self::InFlight
            | Self::Pending
            | Self::Invoice
            | Self::Secret
            | Self::History
            | Self::Cursor
            | Self::Obligation
            | Self::Transfer
            | Self::Appointment
            | Self::Origin
            | Self::Contact
            | Self::Request
            | Self::Feed
            | Self::Tower => true,
        }
    }
}

/// Longest key of a logical row.
///
/// Units: bytes. An obligation is named by channel, kind, version and a hash: 73 bytes.
pub const MAX_KEY_BYTES: usize = 80;

/// The key of something that belongs to a channel and has a number: a version or a message id.
///
/// Shape: channel id, then the number in big-endian, so that rows sort by number.
pub fn numbered_key(channel: &[u8; 32], number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(40);
    key.extend_from_slice(channel);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The number at the end of a key made by [`numbered_key`].
pub fn number_of_key(key: &[u8]) -> Option<u64> {
    let (channel, number) = key.split_last_chunk::<8>()?;
    (channel.len() == 32).then(|| u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_has_one_tag_one_name_and_one_place() {
        for (position, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table.index(), position);
            assert_eq!(Table::from_tag(table.tag()), Some(table));
            let namesakes = Table::ALL.into_iter().filter(|other| other.name() == table.name());
            assert_eq!(namesakes.count(), 1, "{}", table.name());
        }
        assert_eq!(Table::from_tag(200), None);
    }

    #[test]
    fn numbered_keys_sort_by_number_and_give_it_back() {
        let low = numbered_key(&[7; 32], 255);
        let high = numbered_key(&[7; 32], 256);
        assert!(low < high);
        assert_eq!(number_of_key(&high), Some(256));
        assert_eq!(number_of_key(&high[1..]), None);
    }
}
