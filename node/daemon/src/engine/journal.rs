//! The journal thread, as tasks use it.

use lockstep_core::commit::{self, Durable, Transition};
use lockstep_core::ids::ChannelId;
use lockstep_core::record::ChannelRecord;
use lockstep_store::journal::DiskJournal;
use lockstep_store::write_set::WriteSet;
use lockstep_store::writer::{CommitError, Companion, JournalHandle, MAX_WAITING};
use std::time::Duration;
use tokio::sync::oneshot;

/// Below this many free places of the queue a driver waits instead of being told that it is full.
const SPARE_PLACES: usize = 64;
/// How long to wait for room. A group takes a few milliseconds.
const ROOM_PAUSE: Duration = Duration::from_millis(2);

/// Submits to the journal thread and waits for the outcome.
#[derive(Clone)]
pub(crate) struct Journal(JournalHandle);

impl Journal {
    pub(crate) fn new(handle: JournalHandle) -> Self {
        Self(handle)
    }

    /// Makes a transition durable, together with what follows from it elsewhere.
    ///
    /// # Errors
    /// [`CommitError`]; then nothing of it may be signed or sent.
    pub(crate) async fn commit(
        &self,
        transition: Transition,
        companion: Companion,
    ) -> Result<Durable<Transition>, CommitError> {
        if !transition.needs_write() && companion.set.is_empty() {
            return unwritten(transition);
        }
        self.wait_for_room().await;
        let (answer, outcome) = oneshot::channel();
        self.0.submit_with(transition, companion, reply(answer))?;
        outcome.await.unwrap_or(Err(CommitError::BrokeDown))
    }

    /// Writes what concerns no channel's record.
    ///
    /// # Errors
    /// [`CommitError`]; nothing was written.
    pub(crate) async fn write(&self, set: WriteSet) -> Result<(), CommitError> {
        self.wait_for_room().await;
        let (answer, outcome) = oneshot::channel();
        self.0.write(set, reply(answer))?;
        outcome.await.unwrap_or(Err(CommitError::BrokeDown))
    }

    /// Runs a function on the journal between two groups.
    ///
    /// # Errors
    /// [`CommitError`] if it was not run to its end.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut DiskJournal) -> T + Send + 'static,
    ) -> Result<T, CommitError> {
        self.wait_for_room().await;
        let (answer, outcome) = oneshot::channel();
        self.0.read(move |journal| tell(answer, read(journal)))?;
        outcome.await.map_err(|_| CommitError::BrokeDown)
    }

    /// How many submissions wait.
    pub(crate) fn waiting(&self) -> usize {
        self.0.waiting()
    }

    async fn wait_for_room(&self) {
        while self.0.waiting() > MAX_WAITING.saturating_sub(SPARE_PLACES) {
            tokio::time::sleep(ROOM_PAUSE).await;
        }
    }
}

fn reply<T: Send + 'static>(
    answer: oneshot::Sender<Result<T, CommitError>>,
) -> lockstep_store::writer::Reply<T> {
    Box::new(move |outcome| tell(answer, outcome))
}

fn tell<T>(answer: oneshot::Sender<T>, value: T) {
    if answer.send(value).is_err() {
        tracing::trace!("nobody waits for the journal's answer any more");
    }
}

/// A transition that changes nothing on disk is durable as it is: everything that it leads to follows from
/// what was written before.
fn unwritten(transition: Transition) -> Result<Durable<Transition>, CommitError> {
    let mut durable = commit::commit(&mut NothingToWrite, vec![transition])?;
    durable.pop().ok_or(CommitError::BrokeDown)
}

/// Acknowledges only what needs no write.
struct NothingToWrite;

impl commit::Journal for NothingToWrite {
    type Error = CommitError;

    fn write_through(&mut self, batch: &[&Transition]) -> Result<(), CommitError> {
        if batch.iter().any(|transition| transition.needs_write()) {
            return Err(CommitError::BrokeDown);
        }
        Ok(())
    }

    fn read(&mut self, _: ChannelId) -> Result<Option<ChannelRecord>, CommitError> {
        Ok(None)
    }
}
