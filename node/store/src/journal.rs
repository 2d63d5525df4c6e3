//! The journal as the core sees it: transitions in, durable or refused or poisoned.

use std::{collections::BTreeMap, path::Path};

use lockstep_core::{
    commit::{Journal, Transition},
    ids::{ChannelId, Digest, Version},
    record::ChannelRecord,
};

use crate::{
    engine::Engine,
    epoch::{Evidence, HeadVerdict, JournalHead},
    error::{OpenError, StoreError},
    history::{self, HistoryStep},
    open::{self, Opened, Options},
    plan, rows,
    write_set::WriteSet,
};

/// The node's journal on disk.
pub struct DiskJournal {
    engine: Engine,
    /// Writes of other parts of the node that ride along with the next batch.
    attached: WriteSet,
    /// The node's own clock, for whoever reads the history.
    now_secs: u64,
}

impl DiskJournal {
    /// Opens or creates the journal in `dir`. Where the operator vouches for a restored backup, every
    /// channel is marked as restored before this returns.
    ///
    /// # Errors
    /// [`OpenError`] when the journal is in use, damaged, newer than this release or not what it was.
    pub fn open(dir: &Path, options: &Options) -> Result<(Self, Option<Evidence>), OpenError> {
        let Opened { engine, restored } = open::open(dir, options)?;
        let mut journal = Self::over(engine);
        if restored.is_some() {
            journal.mark_all_restored().map_err(OpenError::Begin)?;
        }
        Ok((journal, restored))
    }

    /// The journal on an engine that is open already, with every channel as it is.
    pub(crate) fn over(engine: Engine) -> Self {
        Self { engine, attached: WriteSet::default(), now_secs: 0 }
    }

    /// Marks every channel as restored: it signs nothing but final states from now on.
    ///
    /// To be called when a peer or a tower has shown that this journal is not the newest, once for each
    /// such proof: every call raises the versions that may be signed, also of channels with the mark.
    ///
    /// # Errors
    /// When the marks cannot be written; then nothing may be signed at all.
    pub fn mark_all_restored(&mut self) -> Result<(), StoreError> {
        for id in rows::channel_ids(&self.engine)? {
            let record = match rows::read(&self.engine, id) {
                Ok(Some(record)) => record,
                // Nobody can ever sign from a record that does not hold, with or without a mark.
                Ok(None) | Err(StoreError::Damaged(_)) => continue,
                Err(error) => return Err(error),
            };
            let record = record.into_restored();
            let set = rows::changes(&self.engine, &record)?;
            self.engine.write(&set)?;
        }
        Ok(())
    }

    /// Takes in a channel that this journal has lost, marked as restored. A channel that is here already
    /// stays as it is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn import(&mut self, record: ChannelRecord) -> Result<bool, StoreError> {
        match rows::read(&self.engine, record.channel_id()) {
            Ok(Some(_)) => return Ok(false),
            // A record that does not hold is lost: this one takes its place. What was bound stays in the guard.
            Ok(None) | Err(StoreError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
        let set = rows::changes(&self.engine, &record.into_restored())?;
        self.engine.write(&set)?;
        Ok(true)
    }

    /// Every channel in the journal.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn channel_ids(&self) -> Result<Vec<ChannelId>, StoreError> {
        rows::channel_ids(&self.engine)
    }

    /// The digests that are bound for a channel and not yet retired.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn guard_of(&self, id: ChannelId) -> Result<BTreeMap<Version, Digest>, StoreError> {
        rows::guard_of(&self.engine, id)
    }

    /// What each step of a channel told the user, oldest first, from a group on.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn history(&self, id: ChannelId, from_group: u64) -> Result<Vec<HistoryStep>, StoreError> {
        history::read(&self.engine, id, from_group)
    }

    /// Whether a transition alone would be refused, before it is put into a batch with others.
    ///
    /// # Errors
    /// The refusal that the batch would meet, or whatever keeps the journal from reading.
    pub fn admit(&self, transition: &Transition) -> Result<(), StoreError> {
        plan::admit(&self.engine, transition)
    }

    /// Lets writes of other parts of the node ride along with the next batch.
    pub fn attach(&mut self, set: WriteSet) {
        self.attached.merge(set);
    }

    /// Says what time it is for the steps of the next batches. It decides nothing; people read it.
    ///
    /// Units: seconds since 1970.
    pub fn set_time(&mut self, now_secs: u64) {
        self.now_secs = now_secs;
    }

    /// The engine, for reading and for writes that do not concern a channel's record.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, for writes of other parts of the node.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Which life of the journal this is; told to peers and towers.
    pub fn head(&self) -> JournalHead {
        self.engine.head()
    }

    /// Judges a head that a peer or a tower remembers of us; on proof of loss the caller marks all
    /// channels as restored.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn judge_head(&self, seen: &JournalHead) -> Result<HeadVerdict, StoreError> {
        self.engine.judge_head(seen)
    }
}

impl Journal for DiskJournal {
    type Error = StoreError;

    fn write_through(&mut self, batch: &[&Transition]) -> Result<(), StoreError> {
        let group = self.engine.sequence().saturating_add(1);
        // Taken first: what rode along with a refused batch was refused with it, and must not turn up in
        // the next one.
        let attached = std::mem::take(&mut self.attached);
        let mut set = plan::plan(&self.engine, batch, group, self.now_secs)?;
        set.merge(attached);
        self.engine.write(&set)
    }

    fn read(&mut self, channel_id: ChannelId) -> Result<Option<ChannelRecord>, StoreError> {
        rows::read(&self.engine, channel_id)
    }
}
