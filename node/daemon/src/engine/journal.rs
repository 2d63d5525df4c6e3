//! The journal thread, as tasks use it.

use lockstep_core::commit::{self, Durable, Transition};
use lockstep_core::ids::ChannelId;
use lockstep_core::output::{Notice, Output};
use lockstep_core::record::ChannelRecord;
use lockstep_store::feed;
use lockstep_store::journal::DiskJournal;
use lockstep_store::write_set::WriteSet;
use lockstep_store::writer::{CommitError, Companion, JournalHandle, MAX_WAITING};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Below this many free places of the queue a driver waits instead of being told that it is full.
const SPARE_PLACES: usize = 64;
/// How long to wait for room. A group takes a few milliseconds.
const ROOM_PAUSE: Duration = Duration::from_millis(2);

/// Looks at the history that wait on the journal's thread at a time. Each is a page: a few milliseconds that every
/// write behind it waits, and with it the answer to a close.
const LOOKS: usize = 2;

/// Submits to the journal thread and waits for the outcome.
#[derive(Clone)]
pub(crate) struct Journal {
    thread: JournalHandle,
    looks: Arc<Semaphore>,
}

impl Journal {
    pub(crate) fn new(handle: JournalHandle) -> Self {
        Self { thread: handle, looks: Arc::new(Semaphore::new(LOOKS)) }
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
        if !transition.needs_write() && companion.set.is_empty() && !tells(&transition) {
            return unwritten(transition);
        }
        self.wait_for_room().await;
        let (answer, outcome) = oneshot::channel();
        self.thread.submit_with(transition, companion, reply(answer))?;
        outcome.await.unwrap_or(Err(CommitError::BrokeDown))
    }

    /// Writes what concerns no channel's record.
    ///
    /// # Errors
    /// [`CommitError`]; nothing was written.
    pub(crate) async fn write(&self, set: WriteSet) -> Result<(), CommitError> {
        self.wait_for_room().await;
        let (answer, outcome) = oneshot::channel();
        self.thread.write(set, reply(answer))?;
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
        self.thread.read(move |journal| tell(answer, read(journal)))?;
        outcome.await.map_err(|_| CommitError::BrokeDown)
    }

    /// The same for callers of the API, who may be many and ask for much: few at a time, so that they wait for each
    /// other and not payments and facts for them.
    ///
    /// # Errors
    /// As [`Journal::read`].
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut DiskJournal) -> T + Send + 'static,
    ) -> Result<T, CommitError> {
        let turn =
            Arc::clone(&self.looks).acquire_owned().await.map_err(|_| CommitError::Closed)?;
        // Given back by the journal's thread: a caller that goes away leaves its look in the queue.
        self.read(move |journal| {
            let value = read(journal);
            drop(turn);
            value
        })
        .await
    }

    /// How many submissions wait.
    pub(crate) fn waiting(&self) -> usize {
        self.thread.waiting()
    }

    async fn wait_for_room(&self) {
        while self.thread.waiting() > MAX_WAITING.saturating_sub(SPARE_PLACES) {
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

/// Whether a transition tells something that is looked up later, by its index. That a counterparty is silent changes
/// no record, and whoever was away wants to know it all the same.
fn tells(transition: &Transition) -> bool {
    transition.outputs().iter().any(|output| match output {
        // spec §4: a claim without proof is logged, nothing more. A peer may repeat it as often as it likes.
        Output::Notify(Notice::UnprovenClaim { .. }) => false,
        Output::Notify(notice) => feed::is_counted(notice),
        Output::Send(_)
        | Output::Sign { .. }
        | Output::Submit(_)
        | Output::Protect { .. }
        | Output::Watch { .. } => false,
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_store::open::Options;
    use lockstep_store::writer::JournalThread;
    use std::sync::mpsc;

    #[tokio::test]
    async fn p66_looks_at_the_history_do_not_fill_the_queue_that_writes_wait_in() {
        let folder = tempfile::tempdir().unwrap();
        let opened = DiskJournal::open(&folder.path().join("journal"), &Options::default());
        let (thread, handle) = JournalThread::start(opened.unwrap().0).unwrap();
        let journal = Journal::new(handle);
        let (go, wait) = mpsc::channel::<()>();
        let blocked = journal.clone();
        let first = tokio::spawn(async move { blocked.look(move |_| wait.recv().is_ok()).await });
        let looks: Vec<_> = (0..100)
            .map(|_| {
                let journal = journal.clone();
                tokio::spawn(async move { journal.look(|_| ()).await })
            })
            .collect();
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert!(journal.waiting() <= LOOKS, "{} wait", journal.waiting());
        go.send(()).unwrap();
        assert!(first.await.unwrap().unwrap());
        for look in looks {
            look.await.unwrap().unwrap();
        }
        drop(thread);
    }
}
