//! Splitting a logical value into rows that are small enough.
//!
//! The engine writes a page of up to seventeen rows as one piece, and a piece larger than a quarter
//! of its segment goes to a file of its own, which nobody syncs. Rows of at most [`MAX_ROW_BYTES`]
//! keep every page well below that.

use crate::table::MAX_KEY_BYTES;

/// Largest value of a physical row.
///
/// Units: bytes. See the assertion below for the bound it keeps.
pub(crate) const MAX_ROW_BYTES: usize = 2 * 1024;

/// Largest logical value: an outbox message of a whole frame, and room for its wrapping.
///
/// Units: bytes.
pub const MAX_VALUE_BYTES: usize = 68 * 1024;

/// The engine's segment, its default and part of our disk format.
pub(crate) const SEGMENT_BYTES: usize = 512 * 1024;

/// A leaf splits when it holds more than 16 rows.
const ROWS_PER_PAGE: usize = 17;

/// Generous allowance for the length fields of one row, and for the chunk index in its key.
const ROW_OVERHEAD_BYTES: usize = 64;

const _: () = assert!(
    ROWS_PER_PAGE * (MAX_ROW_BYTES + MAX_KEY_BYTES + ROW_OVERHEAD_BYTES) < SEGMENT_BYTES / 4 / 2,
    "a page of full rows must stay far below the size at which the engine writes a blob file"
);

/// The rows of one logical value: key suffix and bytes.
///
/// Shape: row 0 starts with the number of rows; the others hold nothing but their part.
pub(crate) fn split(value: &[u8]) -> Result<Vec<Vec<u8>>, ValueTooLarge> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(ValueTooLarge { len: value.len() });
    }
    let (head, tail) = value.split_at(value.len().min(MAX_ROW_BYTES.saturating_sub(COUNT_BYTES)));
    let mut rows = vec![head.to_vec()];
    rows.extend(tail.chunks(MAX_ROW_BYTES).map(<[u8]>::to_vec));
    let count = u16::try_from(rows.len()).map_err(|_| ValueTooLarge { len: value.len() })?;
    if let Some(first) = rows.first_mut() {
        first.splice(0..0, count.to_be_bytes());
    }
    Ok(rows)
}

/// Bytes that the number of rows takes at the start of row 0.
const COUNT_BYTES: usize = 2;

/// The number of rows that row 0 announces, and row 0's part of the value.
pub(crate) fn read_first(row: &[u8]) -> Option<(u16, &[u8])> {
    let (count, part) = row.split_first_chunk::<COUNT_BYTES>()?;
    let count = u16::from_be_bytes(*count);
    (count > 0).then_some((count, part))
}

/// The logical value of its rows; none if they are not as many as the first one says.
pub(crate) fn join(rows: &[impl AsRef<[u8]>]) -> Option<Vec<u8>> {
    let (first, rest) = rows.split_first()?;
    let (count, part) = read_first(first.as_ref())?;
    if usize::from(count) != rows.len() {
        return None;
    }
    let mut value = part.to_vec();
    rest.iter().for_each(|row| value.extend_from_slice(row.as_ref()));
    Some(value)
}

/// The key of one row of a logical value.
pub(crate) fn row_key(key: &[u8], index: u16) -> Vec<u8> {
    let mut row = Vec::with_capacity(key.len().saturating_add(COUNT_BYTES));
    row.extend_from_slice(key);
    row.extend_from_slice(&index.to_be_bytes());
    row
}

/// The logical key and the index of a row's key.
pub(crate) fn split_row_key(row: &[u8]) -> Option<(&[u8], u16)> {
    let (key, index) = row.split_last_chunk::<COUNT_BYTES>()?;
    Some((key, u16::from_be_bytes(*index)))
}

/// A value does not fit the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ValueTooLarge {
    pub(crate) len: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_size_near_an_edge_come_back_and_no_row_is_too_large() {
        let edges = [0, MAX_ROW_BYTES - COUNT_BYTES, MAX_ROW_BYTES, 2 * MAX_ROW_BYTES];
        for edge in edges {
            for len in edge.saturating_sub(3)..edge + 3 {
                let value: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
                let rows = split(&value).unwrap();
                assert!(rows.iter().all(|row| row.len() <= MAX_ROW_BYTES));
                assert_eq!(join(&rows), Some(value));
            }
        }
        let largest = vec![9; MAX_VALUE_BYTES];
        let rows = split(&largest).unwrap();
        assert_eq!(join(&rows), Some(largest));
        assert_eq!(join(&rows[1..]), None);
        assert_eq!(join(&rows[..1]), None);
    }

    #[test]
    fn a_value_above_the_limit_is_refused() {
        let len = MAX_VALUE_BYTES + 1;
        assert_eq!(split(&vec![0; len]), Err(ValueTooLarge { len }));
    }

    #[test]
    fn a_row_that_announces_nothing_is_damage() {
        assert_eq!(read_first(&[0, 0, 1]), None);
        assert_eq!(read_first(&[1]), None);
    }

    #[test]
    fn row_keys_give_back_key_and_index() {
        assert_eq!(split_row_key(&row_key(b"key", 300)), Some((b"key".as_slice(), 300)));
        assert_eq!(split_row_key(b"k"), None);
    }
}
