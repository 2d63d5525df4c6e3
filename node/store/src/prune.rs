//! A settled channel that has been kept long enough: what is removed of it, and in which order.
//!
//! First the history, in groups: each counted line goes in one group with the step that it names, so that whoever
//! reads in between finds both or neither. Then, in one group, all the rest. A node that dies in between finds the
//! channel as it was, with a shorter history, and begins again.
//!
//! What stays is the highest version that was ever bound, so that no later life of the channel's id can bind it anew,
//! and the newest line of each count: its index must not be given twice.

use lockstep_core::ids::ChannelId;

use crate::{
    error::StoreError,
    feed::{self, Count},
    port,
    row_source::RowSource,
    rows,
    table::Table,
    tower,
    write_set::WriteSet,
};

/// Lines that are looked at for one group: a few milliseconds of the journal's thread.
const LINES: usize = 500;
/// Rows that one group removes at most.
const MAX_ROWS: usize = 2_000;

/// How far the history of one channel has been removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruning {
    channel_id: ChannelId,
    /// Counts that are still to be looked through, the current one last.
    counts: Vec<Count>,
    /// From which index of it on.
    next: u64,
    /// Steps that stay, for the newest line of a count.
    kept: Vec<Vec<u8>>,
}

impl Pruning {
    /// The history of a channel, from its beginning.
    pub fn new(channel_id: ChannelId) -> Self {
        Self { channel_id, counts: Count::ALL.to_vec(), next: 0, kept: Vec::new() }
    }

    /// The next group, which may be empty; none once the history is gone.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn next_group(&mut self, source: &impl RowSource) -> Result<Option<WriteSet>, StoreError> {
        match self.counts.last().copied() {
            Some(count) => self.lines(source, count).map(Some),
            None => self.steps(source),
        }
    }

    /// Counted lines of the channel, with their steps.
    fn lines(&mut self, source: &impl RowSource, count: Count) -> Result<WriteSet, StoreError> {
        let mut set = WriteSet::default();
        let named = feed::named(source, count, self.next, LINES)?;
        let newest = feed::next_index(source, count)?;
        for line in &named {
            if set.row_count() >= MAX_ROWS {
                return Ok(set);
            }
            self.next = line.end;
            if line.channel_id != self.channel_id {
                continue;
            }
            if line.end >= newest {
                self.kept.push(line.step.clone());
                continue;
            }
            set.remove(Table::Feed, line.key.clone());
            // Another count may have a line of the same step: then the step goes with the last of them.
            if !self.is_named_elsewhere(source, count, &line.step)? {
                for (key, _) in source.scan(Table::History, &line.step)? {
                    set.remove(Table::History, key);
                }
            }
        }
        if named.is_empty() {
            self.counts.pop();
            self.next = 0;
        }
        Ok(set)
    }

    /// Whether a count that is still to be looked through names a step, too.
    fn is_named_elsewhere(
        &self,
        source: &impl RowSource,
        count: Count,
        step: &[u8],
    ) -> Result<bool, StoreError> {
        let lines = feed::lines_of_step(source, step)?;
        let others = self.counts.iter().filter(|other| **other != count);
        Ok(others.into_iter().any(|other| lines.iter().any(|line| other.holds(line)))
            || self.kept.iter().any(|kept| kept == step))
    }

    /// Steps that no count names.
    fn steps(&self, source: &impl RowSource) -> Result<Option<WriteSet>, StoreError> {
        let channel = self.channel_id.0.as_slice();
        let mut set = WriteSet::default();
        let mut from = channel.to_vec();
        loop {
            let page = source.page(Table::History, channel, &from, LINES)?;
            let Some((last, _)) = page.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            for (key, _) in page {
                if !self.kept.iter().any(|step| key.starts_with(step)) {
                    set.remove(Table::History, key);
                }
            }
            if set.row_count() >= MAX_ROWS {
                break;
            }
        }
        Ok((!set.is_empty()).then_some(set))
    }
}

/// Everything else that is kept of a channel, as one group.
///
/// # Errors
/// When the rows cannot be read.
pub fn rest(source: &impl RowSource, channel_id: ChannelId) -> Result<WriteSet, StoreError> {
    let mut set = WriteSet::default();
    rows::remove_all(source, channel_id, &mut set)?;
    for obligation in port::obligations(source, channel_id)? {
        set.remove_obligation(obligation.key());
    }
    for (key, _) in source.scan(Table::Origin, channel_id.0.as_slice())? {
        set.remove(Table::Origin, key);
    }
    tower::remove_all(source, channel_id, &mut set)?;
    Ok(set)
}

/// Whether a channel was ever here: its record is, or a version of it was bound.
///
/// # Errors
/// When the rows cannot be read.
pub fn was_here(source: &impl RowSource, channel_id: ChannelId) -> Result<bool, StoreError> {
    let key = channel_id.0.as_slice();
    Ok(source.get(Table::Setup, key)?.is_some() || source.get(Table::Highest, key)?.is_some())
}
