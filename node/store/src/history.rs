//! What each step told the user, as rows: one for most steps, several for one that ends many payments.

use lockstep_core::{ids::ChannelId, output::Notice};
use lockstep_proto::v1;
use prost::Message;

use crate::{
    convert,
    error::{Damage, Refusal, StoreError},
    feed::Step,
    row_source::RowSource,
    table::{Table, numbered_key},
    write_set::WriteSet,
};

/// A row of a long step takes no further line beyond this. One countersignature may end every payment
/// that either side had waiting, and together those are larger than a value may be.
///
/// Units: bytes. With one line more a row stays below [`crate::chunk::MAX_VALUE_BYTES`].
const ROW_BYTES: usize = 48 * 1024;

/// Bytes that a line takes in its row besides its own.
const LINE_OVERHEAD: usize = 8;

/// Bytes of the key of a step.
const STEP_KEY_BYTES: usize = 42;

/// What one step of a channel told the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryStep {
    /// The group that made the step durable; rises with time.
    pub group: u64,
    /// The notices, in order.
    pub notices: Vec<Notice>,
}

/// The key of a step: channel, number of the group, place in the group.
pub(crate) fn step_key(channel: &[u8; 32], group: u64, place: u16) -> Vec<u8> {
    let mut key = numbered_key(channel, group);
    key.extend_from_slice(&place.to_be_bytes());
    key
}

/// Writes the lines of a step.
///
/// Shape: a step that fits a row is the row of its key. Any other is as many rows as it needs, each
/// with its number after the key, from 0; there is no row of the key alone then.
///
/// # Errors
/// When a line is larger than any is.
pub(crate) fn put(
    set: &mut WriteSet,
    key: Vec<u8>,
    lines: Vec<v1::HistoryLine>,
) -> Result<(), Refusal> {
    let mut rows = rows_of(lines);
    if rows.len() <= 1 {
        let row = rows.pop().unwrap_or_default();
        return set.put(Table::History, key, row.encode_to_vec());
    }
    for (number, row) in (0_u16..).zip(rows) {
        let key = [key.as_slice(), &number.to_be_bytes()].concat();
        set.put(Table::History, key, row.encode_to_vec())?;
    }
    Ok(())
}

fn rows_of(lines: Vec<v1::HistoryLine>) -> Vec<v1::HistoryRow> {
    let mut rows = Vec::new();
    let mut row = v1::HistoryRow::default();
    let mut size = 0_usize;
    for line in lines {
        let more = line.encoded_len().saturating_add(LINE_OVERHEAD);
        if size.saturating_add(more) > ROW_BYTES && !row.lines.is_empty() {
            rows.push(std::mem::take(&mut row));
            size = 0;
        }
        size = size.saturating_add(more);
        row.lines.push(line);
    }
    rows.push(row);
    rows
}

/// The history of a channel, oldest first, from a group on.
///
/// # Errors
/// When the rows cannot be read.
pub(crate) fn read(
    source: &impl RowSource,
    id: ChannelId,
    from_group: u64,
) -> Result<Vec<HistoryStep>, StoreError> {
    let mut steps = Vec::new();
    // The step of the row before, and how many of its rows were read.
    let mut previous: Option<(Vec<u8>, u16)> = None;
    for (key, value) in source.scan(Table::History, id.0.as_slice())? {
        let damage = || Damage::Row { table: Table::History, key: key.clone() };
        let RowName { step, group, number } = RowName::parse(&key).ok_or_else(damage)?;
        let read = previous.filter(|(before, _)| before == step).map_or(0, |(_, read)| read);
        if number != read {
            return Err(damage().into());
        }
        previous = Some((step.to_vec(), read.saturating_add(1)));
        if group < from_group {
            continue;
        }
        let row = v1::HistoryRow::decode(value.as_slice()).map_err(|_| damage())?;
        let notices: Result<Vec<_>, _> =
            row.lines.into_iter().map(|line| convert::line_from(id, line)).collect();
        let notices = notices.map_err(|_| damage())?;
        match steps.last_mut() {
            Some(HistoryStep { notices: earlier, .. }) if number > 0 => earlier.extend(notices),
            Some(_) | None => steps.push(HistoryStep { group, notices }),
        }
    }
    Ok(steps)
}

/// The lines of one step, as they are stored.
///
/// # Errors
/// When the rows cannot be read.
pub(crate) fn lines_of(
    source: &impl RowSource,
    step: &[u8],
) -> Result<Vec<v1::HistoryLine>, StoreError> {
    let mut lines = Vec::new();
    for (key, value) in source.scan(Table::History, step)? {
        let damage = || Damage::Row { table: Table::History, key: key.clone() };
        lines.extend(v1::HistoryRow::decode(value.as_slice()).map_err(|_| damage())?.lines);
    }
    Ok(lines)
}

/// The group of the step that a row belongs to.
pub(crate) fn group_of(key: &[u8]) -> Option<u64> {
    RowName::parse(key).map(|name| name.group)
}

/// The step that a row belongs to.
///
/// # Errors
/// If the key is none of the history's.
pub(crate) fn step_of(id: ChannelId, key: &[u8]) -> Result<Step, StoreError> {
    let damage = || Damage::Row { table: Table::History, key: key.to_vec() };
    let RowName { step, group, .. } = RowName::parse(key).ok_or_else(damage)?;
    let place = step.last_chunk::<2>().ok_or_else(damage)?;
    Ok(Step { channel: id.0.0, group, place: u16::from_be_bytes(*place) })
}

/// What the key of a row says.
struct RowName<'a> {
    step: &'a [u8],
    group: u64,
    /// Which row of its step; 0 where there is only one.
    number: u16,
}

impl<'a> RowName<'a> {
    fn parse(key: &'a [u8]) -> Option<Self> {
        let (step, number) = key.split_first_chunk::<STEP_KEY_BYTES>()?;
        let (_, rest) = step.split_first_chunk::<32>()?;
        let (group, _) = rest.split_first_chunk::<8>()?;
        let number = match number {
            [] => 0,
            number => u16::from_be_bytes(number.try_into().ok()?),
        };
        Some(Self { step: step.as_slice(), group: u64::from_be_bytes(*group), number })
    }
}
