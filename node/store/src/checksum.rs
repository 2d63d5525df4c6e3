//! A checksum of everything in the store, kept up to date row by row.
//!
//! The engine underneath treats a damaged block in the middle of its log as the end of that block
//! and carries on, so that an old value can come back without a word. The checksum is the sum of a
//! hash of each row: adding, replacing or removing a row costs one or two hashes, and at each
//! opening it is computed again from what is really there. It guards against accidents of disks,
//! not against someone who edits the file.

use twox_hash::XxHash3_128;

use crate::table::{MAX_KEY_BYTES, Table};

/// The sum, modulo 2^128, of the hashes of a set of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum(u128);

impl Checksum {
    /// Counts a row in.
    pub fn add(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.0 = self.0.wrapping_add(hash_row(table, key, value));
    }

    /// Counts a row out.
    pub fn remove(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.0 = self.0.wrapping_sub(hash_row(table, key, value));
    }

    /// The sum as it is stored, big-endian.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The sum from its stored form.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

/// Hashes a row so that no two different rows are hashed from the same bytes: the key is shorter
/// than 256 bytes, so its length fits the prefix.
fn hash_row(table: Table, key: &[u8], value: &[u8]) -> u128 {
    let key_len = u8::try_from(key.len()).unwrap_or(u8::MAX);
    let mut row = Vec::with_capacity(value.len().saturating_add(MAX_KEY_BYTES));
    row.extend_from_slice(&[table.tag(), key_len]);
    row.extend_from_slice(key);
    row.extend_from_slice(value);
    XxHash3_128::oneshot(&row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_forgets_the_order_and_what_was_taken_out() {
        let mut one = Checksum::default();
        one.add(Table::Guard, b"a", b"1");
        one.add(Table::Guard, b"b", b"2");
        one.add(Table::Guard, b"c", b"3");
        one.remove(Table::Guard, b"c", b"3");
        let mut other = Checksum::default();
        other.add(Table::Guard, b"b", b"2");
        other.add(Table::Guard, b"a", b"1");
        assert_eq!(one, other);
        assert_eq!(Checksum::from_bytes(one.to_bytes()), other);
    }

    #[test]
    fn table_key_and_value_all_count() {
        let of = |table, key: &[u8], value: &[u8]| {
            let mut sum = Checksum::default();
            sum.add(table, key, value);
            sum
        };
        let row = of(Table::Guard, b"ab", b"c");
        assert_ne!(row, of(Table::Highest, b"ab", b"c"));
        assert_ne!(row, of(Table::Guard, b"a", b"bc"));
        assert_ne!(row, of(Table::Guard, b"ab", b"d"));
    }

    /// The stored sum must mean the same in every release.
    #[test]
    fn the_sum_of_a_known_row_is_pinned() {
        let mut sum = Checksum::default();
        sum.add(Table::Record, &[1; 32], b"value");
        assert_eq!(sum.0, 7_196_990_162_083_421_274_391_432_894_279_206_838);
    }
}
