//! A settled channel that has been kept long enough: what is removed of it, and in which order.
//!
//! First the history, in groups: each counted line goes in one group with the step that it names, so that whoever
//! reads in between finds both or neither. What other channels have told is not looked through for that. Then, in one
//! group, all the rest. A node that dies in between finds the
//! channel as it was, with a shorter history, and begins again.
//!
//! What stays is the highest version that was ever bound, so that no later life of the channel's id can bind it anew,
//! the newest line of each count, whose index must not be given twice, and the proof that the counterparty signed two
//! states of one version, if it did: it cannot be had again.

use lockstep_core::{
    chain::ChannelStatus,
    ids::{ChannelId, Version},
    record::Equivocation,
};

use crate::{
    error::StoreError,
    feed::{self, Count, Step},
    history, port,
    row_source::RowSource,
    rows,
    table::Table,
    tower,
    write_set::WriteSet,
};

/// Rows of the history that are looked at for one group: a few milliseconds of the journal's thread.
const PAGE: usize = 250;

/// How far the history of one channel has been removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruning {
    channel_id: ChannelId,
    /// From which row of the history on.
    next: Vec<u8>,
}

impl Pruning {
    /// The history of a channel, from its beginning.
    pub fn new(channel_id: ChannelId) -> Self {
        Self { channel_id, next: channel_id.0.to_vec() }
    }

    /// The next group, which may be empty; none once the history is gone.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn next_group(&mut self, source: &impl RowSource) -> Result<Option<WriteSet>, StoreError> {
        let channel = self.channel_id.0.as_slice();
        let page = source.page(Table::History, channel, &self.next, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        let mut steps: Vec<Step> = Vec::new();
        for (key, _) in &page {
            let step = history::step_of(self.channel_id, key)?;
            if steps.last() != Some(&step) {
                steps.push(step);
            }
        }
        let mut set = WriteSet::default();
        for step in &steps {
            remove_step(source, step, &mut set)?;
        }
        // A long step may go on after the page: it went as a whole.
        self.next = [last.as_slice(), &[0]].concat();
        Ok(Some(set))
    }
}

/// Removes a step with the lines that name it. The newest line of a count stays, and its step with it.
fn remove_step(source: &impl RowSource, step: &Step, set: &mut WriteSet) -> Result<(), StoreError> {
    let key = step.key();
    let rows = source.scan(Table::History, &key)?;
    let lines = history::lines_of(source, &key)?;
    let mut is_kept = false;
    for count in Count::ALL {
        if !lines.iter().any(|line| count.holds(line)) {
            continue;
        }
        let Some(named) = feed::row_of_step(source, count, step)? else { continue };
        if named.end >= feed::next_index(source, count)? {
            is_kept = true;
        } else {
            set.remove(Table::Feed, named.key);
        }
    }
    if !is_kept {
        for (key, _) in rows {
            set.remove(Table::History, key);
        }
    }
    Ok(())
}

/// Everything else that is kept of a channel, as one group.
///
/// # Errors
/// When the rows cannot be read.
pub fn rest(source: &impl RowSource, channel_id: ChannelId) -> Result<WriteSet, StoreError> {
    let mut set = WriteSet::default();
    let key = channel_id.0.as_slice();
    // P31: the name of a channel that was on the chain is never free again, also where nothing was ever bound. One
    // that a stranger asked for and nobody opened leaves nothing (P63).
    let was_opened = rows::read(source, channel_id)?
        .is_some_and(|record| record.parts().chain.status != ChannelStatus::None);
    if was_opened && source.get(Table::Highest, key)?.is_none() {
        set.put(Table::Highest, key.to_vec(), Version::ZERO.0.to_be_bytes().to_vec())?;
    }
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

/// The proof that a counterparty signed two states of one version, of a channel that is here or was.
///
/// # Errors
/// When the row cannot be read.
pub fn equivocation(
    source: &impl RowSource,
    channel_id: ChannelId,
) -> Result<Option<Equivocation>, StoreError> {
    rows::equivocation(source, channel_id)
}
