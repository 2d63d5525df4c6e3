//! What happened, counted over all channels: so that whoever was away can go on where it stopped.
//!
//! The history keeps what each step of each channel told. Here every line of it that belongs to a count
//! gets the next index of that count, without a gap, in the group that makes the step durable.

use lockstep_core::{
    ids::ChannelId,
    output::Notice,
    update::{Action, Update},
};
use lockstep_proto::v1::{self, history_line::Notice as Line};
use prost::Message;
use std::cmp::Ordering;

use crate::{
    convert,
    error::{Damage, StoreError},
    history,
    row_source::RowSource,
    rows,
    table::Table,
    write_set::WriteSet,
};

/// Rows that are looked at together.
const PAGE: usize = 500;

/// A line of events with indices of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Count {
    /// Payments that became final or failed.
    Payments,
    /// Steps in the life of channels.
    Channels,
    /// Closes on the chain, and what freezes or restricts a channel.
    Disputes,
}

impl Count {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Payments, Self::Channels, Self::Disputes];

    /// The first byte of its rows' keys. Never changes.
    fn tag(self) -> u8 {
        match self {
            Self::Payments => 0,
            Self::Channels => 1,
            Self::Disputes => 2,
        }
    }

    /// Whether a line is counted here. A settlement is both a step of a channel and the end of a close.
    pub(crate) fn holds(self, line: &v1::HistoryLine) -> bool {
        let Some(notice) = &line.notice else { return false };
        match notice {
            Line::Applied(applied) => {
                let action = applied.update.as_ref().and_then(|update| update.action.as_ref());
                self == Self::Payments && matches!(action, Some(v1::update::Action::Pay(_)))
            }
            Line::Failed(failed) => {
                let action = failed.update.as_ref().and_then(|update| update.action.as_ref());
                self == Self::Payments && matches!(action, Some(v1::update::Action::Pay(_)))
            }
            Line::Tag(tag) => match v1::NoticeTag::try_from(*tag) {
                Ok(v1::NoticeTag::CloseVanished) => self == Self::Disputes,
                Ok(_) | Err(_) => self == Self::Channels,
            },
            Line::OpenRejected(_)
            | Line::Funded(_)
            | Line::Withdrawn(_)
            | Line::WithdrawalExpired(_)
            | Line::WithdrawalRefused(_)
            | Line::CloseRefused(_) => self == Self::Channels,
            Line::Settled(_) => self != Self::Payments,
            Line::CloseSeen(_)
            | Line::Frozen(_)
            | Line::Restored(_)
            | Line::Equivocation(_)
            | Line::LockResolved(_)
            | Line::UnprovenClaim(_) => self == Self::Disputes,
            Line::Refused(_) | Line::Queued(_) | Line::SecretLearned(_) => false,
        }
    }
}

/// Whether a notice gets an index, so that whoever was away finds it.
#[must_use]
pub fn is_counted(notice: &Notice) -> bool {
    let line = convert::line_to(notice);
    Count::ALL.into_iter().any(|count| count.holds(&line))
}

/// One counted line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in its count, from 0.
    pub index: u64,
    /// When it became durable, by the node's own clock. Units: seconds since 1970.
    pub at_secs: u64,
    /// Of which channel.
    pub channel_id: ChannelId,
    /// What was told.
    pub notice: Notice,
    /// For a failed update of ours: what it was.
    pub left_out: Option<Update>,
}

/// Names a step of a channel in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) channel: [u8; 32],
    pub(crate) group: u64,
    pub(crate) place: u16,
}

impl Step {
    /// Its key in the history.
    pub(crate) fn key(&self) -> Vec<u8> {
        history::step_key(&self.channel, self.group, self.place)
    }
}

/// Gives indices to the lines of one group.
pub(crate) struct Feed<'a, S> {
    source: &'a S,
    at_secs: u64,
    /// The next index of each count, once it is known.
    next: [Option<u64>; Count::ALL.len()],
}

impl<'a, S: RowSource> Feed<'a, S> {
    pub(crate) fn new(source: &'a S, at_secs: u64) -> Self {
        Self { source, at_secs, next: [None; Count::ALL.len()] }
    }

    /// Counts the lines of a step.
    pub(crate) fn count(
        &mut self,
        set: &mut WriteSet,
        step: &Step,
        lines: &[v1::HistoryLine],
    ) -> Result<(), StoreError> {
        for (count, known) in Count::ALL.into_iter().zip(&mut self.next) {
            let counted = lines.iter().filter(|line| count.holds(line)).count();
            if counted == 0 {
                continue;
            }
            let first = match *known {
                Some(first) => first,
                None => next_index(self.source, count)?,
            };
            let lines = u32::try_from(counted).unwrap_or(u32::MAX);
            *known = Some(first.saturating_add(u64::from(lines)));
            let row = v1::FeedRow {
                channel_id: step.channel.to_vec(),
                group: step.group,
                place: u32::from(step.place),
                lines,
                at_secs: self.at_secs,
            };
            set.put(Table::Feed, key(count, first), row.encode_to_vec())?;
        }
        Ok(())
    }
}

fn key(count: Count, first: u64) -> Vec<u8> {
    [[count.tag()].as_slice(), &first.to_be_bytes()].concat()
}

/// Adds to each failed update of ours what it was, as long as the journal still holds it as pending.
pub(crate) fn keep_left_out(
    source: &impl RowSource,
    channel: &[u8; 32],
    lines: &mut [v1::HistoryLine],
) -> Result<(), StoreError> {
    let mut row: Option<(u64, v1::PendingRow)> = None;
    for line in lines {
        let Some(Line::Failed(failed)) = &mut line.notice else { continue };
        let range = failed.sequence.checked_div(rows::UPDATES_PER_ROW).unwrap_or_default();
        if row.as_ref().is_none_or(|(known, _)| *known != range) {
            let suffix = [[rows::OWN].as_slice(), &range.to_be_bytes()].concat();
            let key = [channel.as_slice(), &suffix].concat();
            let value = source.get(Table::Pending, &key)?.unwrap_or_default();
            let damage = || Damage::Row { table: Table::Pending, key: key.clone() };
            row = Some((range, v1::PendingRow::decode(value.as_slice()).map_err(|_| damage())?));
        }
        let pending = row.iter().flat_map(|(_, row)| &row.updates);
        let updates = pending.filter_map(|entry| entry.update.as_ref());
        failed.update = updates.clone().find(|update| update.sequence == failed.sequence).cloned();
    }
    Ok(())
}

/// The index that the next line of a count will have.
///
/// # Errors
/// When the rows cannot be read.
pub fn next_index(source: &impl RowSource, count: Count) -> Result<u64, StoreError> {
    let newest = source.floor(Table::Feed, &[count.tag()], &key(count, u64::MAX))?;
    let Some((key, value)) = newest else { return Ok(0) };
    let row = Row::parse(&key, &value)?;
    Ok(row.end())
}

/// Up to `limit` lines of a count from an index on, oldest first. Lines of channels that were settled long ago are no
/// longer there: their indices are passed over.
///
/// # Errors
/// When the rows cannot be read.
pub fn read(
    source: &impl RowSource,
    count: Count,
    from: u64,
    limit: usize,
) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    let mut next = from;
    while entries.len() < limit {
        let Some((key, value)) = row_from(source, count, next)? else { break };
        let row = Row::parse(&key, &value)?;
        let lines = row.entries(source, count)?;
        let room = limit.saturating_sub(entries.len());
        entries.extend(lines.into_iter().filter(|entry| entry.index >= next).take(room));
        next = row.end();
    }
    Ok(entries)
}

/// The row that holds an index, or the next one where that is gone.
fn row_from(
    source: &impl RowSource,
    count: Count,
    index: u64,
) -> Result<Option<crate::engine::Row>, StoreError> {
    let covering = source.floor(Table::Feed, &[count.tag()], &key(count, index))?;
    if let Some((key, value)) = covering
        && Row::parse(&key, &value)?.end() > index
    {
        return Ok(Some((key, value)));
    }
    let mut following = source.page(Table::Feed, &[count.tag()], &key(count, index), 1)?;
    Ok(following.pop())
}

/// A row of a count, by the step that it names.
pub(crate) struct Named {
    /// Its key.
    pub(crate) key: Vec<u8>,
    /// The index after its last.
    pub(crate) end: u64,
}

/// The row of a count that names a step. Groups rise with the index, and places in a group do, so a few rows are
/// looked at however many there are.
pub(crate) fn row_of_step(
    source: &impl RowSource,
    count: Count,
    step: &Step,
) -> Result<Option<Named>, StoreError> {
    let (mut low, mut high) = (0, next_index(source, count)?);
    while low < high {
        let middle = low.midpoint(high);
        let Some((row_key, value)) =
            source.floor(Table::Feed, &[count.tag()], &key(count, middle))?
        else {
            low = middle.saturating_add(1);
            continue;
        };
        let row = Row::parse(&row_key, &value)?;
        let (channel, place) = row.names()?;
        match (row.body.group, place).cmp(&(step.group, step.place)) {
            Ordering::Equal if channel == step.channel => {
                let end = row.end();
                return Ok(Some(Named { key: row_key, end }));
            }
            Ordering::Equal => break,
            Ordering::Less => low = middle.saturating_add(1).max(row.end()),
            Ordering::Greater => high = row.first,
        }
    }
    look_through(source, count, step)
}

/// The same by looking at every row: where an older release has taken in a backup, groups began anew after it.
fn look_through(
    source: &impl RowSource,
    count: Count,
    step: &Step,
) -> Result<Option<Named>, StoreError> {
    let mut from = key(count, 0);
    loop {
        let page = source.page(Table::Feed, &[count.tag()], &from, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        from = [last.as_slice(), &[0]].concat();
        for (row_key, value) in page {
            let row = Row::parse(&row_key, &value)?;
            let (channel, place) = row.names()?;
            if (row.body.group, place, channel) == (step.group, step.place, step.channel) {
                let end = row.end();
                return Ok(Some(Named { key: row_key, end }));
            }
        }
    }
}

/// A row of the feed.
struct Row<'a> {
    key: &'a [u8],
    first: u64,
    body: v1::FeedRow,
}

impl<'a> Row<'a> {
    fn parse(key: &'a [u8], value: &[u8]) -> Result<Self, StoreError> {
        let damage = || Damage::Row { table: Table::Feed, key: key.to_vec() };
        let first = key.get(1..).and_then(|first| first.try_into().ok()).ok_or_else(damage)?;
        let body = v1::FeedRow::decode(value).map_err(|_| damage())?;
        Ok(Self { key, first: u64::from_be_bytes(first), body })
    }

    /// The index after its last.
    fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.body.lines))
    }

    /// The channel, and the place of its step in the group.
    fn names(&self) -> Result<([u8; 32], u16), StoreError> {
        let damage = || Damage::Row { table: Table::Feed, key: self.key.to_vec() };
        let channel = self.body.channel_id.as_slice().try_into().map_err(|_| damage())?;
        Ok((channel, u16::try_from(self.body.place).map_err(|_| damage())?))
    }

    fn entries(&self, source: &impl RowSource, count: Count) -> Result<Vec<Entry>, StoreError> {
        let damage = || Damage::Row { table: Table::Feed, key: self.key.to_vec() };
        let (channel, place) = self.names()?;
        let channel_id = ChannelId(channel.into());
        let step = history::step_key(&channel, self.body.group, place);
        let lines = history::lines_of(source, &step)?;
        let counted = lines.into_iter().filter(|line| count.holds(line));
        let entries: Result<Vec<_>, StoreError> = (self.first..)
            .zip(counted)
            .map(|(index, line)| {
                let left_out = convert::left_out_of(&line).map_err(|_| damage())?;
                let notice = convert::line_from(channel_id, line).map_err(|_| damage())?;
                Ok(Entry { index, at_secs: self.body.at_secs, channel_id, notice, left_out })
            })
            .collect();
        let entries = entries?;
        let is_whole = u32::try_from(entries.len()).is_ok_and(|found| found == self.body.lines);
        if is_whole { Ok(entries) } else { Err(damage().into()) }
    }
}

/// What a failed or final line is about, if it is a payment.
pub fn action_of(entry: &Entry) -> Option<&Action> {
    if let Notice::Applied { action, .. } = &entry.notice {
        return Some(action);
    }
    entry.left_out.as_ref().map(|update| &update.action)
}
