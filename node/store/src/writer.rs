//! The journal thread: group commit for everybody who has something to make durable.
//!
//! It owns the journal. Whatever waits in its queue when a group has been synced becomes the next
//! group: one transaction and one `fdatasync`, however many channels are in it. A reply is given
//! only after that, or when it has failed. A transition that would be refused is refused alone.

mod queue;

/// The locks that the queue uses; a model checker replaces them.
mod sync {
    pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
}

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use lockstep_core::{
    commit::{self, Durable, Transition},
    error::ErrorClass,
};
use thiserror::Error;

use crate::{
    error::StoreError,
    journal::DiskJournal,
    plan,
    write_set::{SOFT_GROUP_BYTES, WriteSet},
};
use queue::{NotQueued, Queue};

/// Submissions that may wait. With a sync of a few milliseconds they wait well below a second; more
/// means that the disk cannot keep up, which the submitter must hear.
pub const MAX_WAITING: usize = 1_024;

/// Submissions of one group: enough to share one sync among many channels, few enough that the first
/// of them does not wait for the work of all the others.
pub const MAX_GROUP: usize = 64;

/// Why a submission did not become durable.
#[derive(Clone, Debug, Error)]
pub enum CommitError {
    /// Too much waits already; nothing was written.
    #[error("journal is busy")]
    Busy,
    /// The journal thread is gone; nothing was written.
    #[error("journal is closed")]
    Closed,
    /// The journal said no or failed.
    #[error("journal did not take it")]
    Store(#[source] Arc<StoreError>),
    /// The journal broke down in the middle of the group; nothing more will be written.
    #[error("journal broke down")]
    BrokeDown,
}

impl CommitError {
    /// What a caller does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Busy => ErrorClass::Transient,
            Self::Closed | Self::BrokeDown => ErrorClass::Fatal,
            Self::Store(error) => error.class(),
        }
    }
}

/// Called with the outcome, on the journal thread: it must only pass it on.
pub type Reply<T> = Box<dyn FnOnce(Result<T, CommitError>) + Send>;

/// A reply that is given even if the one who should give it is no longer there.
struct Promise<T>(Option<Reply<T>>);

impl<T> Promise<T> {
    fn fulfil(mut self, outcome: Result<T, CommitError>) {
        if let Some(reply) = self.0.take() {
            reply(outcome);
        }
    }

    /// Takes the reply back: the caller is told directly.
    fn forget(mut self) {
        self.0 = None;
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(reply) = self.0.take() {
            reply(Err(CommitError::BrokeDown));
        }
    }
}

/// What can be asked of the journal thread.
enum Job {
    Commit {
        transition: Box<Transition>,
        companion: Companion,
        promise: Promise<Durable<Transition>>,
    },
    Write {
        set: WriteSet,
        promise: Promise<()>,
    },
    Read(Box<dyn FnOnce(&mut DiskJournal) + Send>),
}

/// What becomes durable with a transition, or not at all.
#[derive(Debug, Default)]
pub struct Companion {
    /// Writes of other parts of the node that follow from it.
    pub set: WriteSet,
    /// The node's own clock, for whoever reads the history; 0 leaves it as it was.
    ///
    /// Units: seconds since 1970.
    pub at_secs: u64,
}

/// Submits to a journal thread; cheap to clone.
#[derive(Clone)]
pub struct JournalHandle {
    queue: Arc<Queue<Job>>,
}

impl JournalHandle {
    /// Asks for a transition to be made durable. The reply comes exactly once, unless this returns an
    /// error.
    ///
    /// # Errors
    /// [`CommitError::Busy`] or [`CommitError::Closed`]; the channel is then as it was.
    pub fn submit(
        &self,
        transition: Transition,
        reply: Reply<Durable<Transition>>,
    ) -> Result<(), CommitError> {
        self.submit_with(transition, Companion::default(), reply)
    }

    /// The same for a transition and what follows from it elsewhere: both or neither become durable.
    ///
    /// # Errors
    /// [`CommitError::Busy`] or [`CommitError::Closed`]; the channel is then as it was.
    pub fn submit_with(
        &self,
        transition: Transition,
        companion: Companion,
        reply: Reply<Durable<Transition>>,
    ) -> Result<(), CommitError> {
        let promise = Promise(Some(reply));
        self.push(Job::Commit { transition: Box::new(transition), companion, promise })
    }

    /// Asks for writes that do not concern a channel's record to be made durable.
    ///
    /// # Errors
    /// [`CommitError::Busy`] or [`CommitError::Closed`]; nothing was written.
    pub fn write(&self, set: WriteSet, reply: Reply<()>) -> Result<(), CommitError> {
        self.push(Job::Write { set, promise: Promise(Some(reply)) })
    }

    /// Runs a function on the journal between two groups; it goes on working after an error.
    ///
    /// # Errors
    /// [`CommitError::Busy`] or [`CommitError::Closed`]; the function was not run.
    pub fn read(
        &self,
        read: impl FnOnce(&mut DiskJournal) + Send + 'static,
    ) -> Result<(), CommitError> {
        self.push(Job::Read(Box::new(read)))
    }

    /// How many submissions wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    fn push(&self, job: Job) -> Result<(), CommitError> {
        let (job, error) = match self.queue.push(job) {
            Ok(()) => return Ok(()),
            Err(NotQueued::Full(job)) => (job, CommitError::Busy),
            Err(NotQueued::Closed(job)) => (job, CommitError::Closed),
        };
        match job {
            Job::Commit { promise, .. } => promise.forget(),
            Job::Write { promise, .. } => promise.forget(),
            Job::Read(_) => {}
        }
        Err(error)
    }
}

/// The running thread. Dropping it lets what waits be written and then ends the thread.
pub struct JournalThread {
    queue: Arc<Queue<Job>>,
    thread: Option<thread::JoinHandle<DiskJournal>>,
}

impl JournalThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(journal: DiskJournal) -> io::Result<(Self, JournalHandle)> {
        let queue = Arc::new(Queue::new(MAX_WAITING));
        let closer = CloseOnDrop(Arc::clone(&queue));
        let thread = thread::Builder::new().name("journal".to_owned()).spawn(move || {
            let mut writer = Writer { journal, is_broken: false };
            while let Some(jobs) = closer.0.take(MAX_GROUP) {
                writer.work(jobs);
            }
            writer.journal
        })?;
        let handle = JournalHandle { queue: Arc::clone(&queue) };
        Ok((Self { queue, thread: Some(thread) }, handle))
    }

    /// Writes what waits, ends the thread and gives the journal back; `None` if the thread panicked.
    pub fn stop(mut self) -> Option<DiskJournal> {
        self.queue.close();
        self.thread.take()?.join().ok()
    }
}

impl Drop for JournalThread {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported to everyone who waited for it.
            drop(thread.join());
        }
    }
}

/// Tells those who submit that nobody takes any more, however the thread ends.
struct CloseOnDrop(Arc<Queue<Job>>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
        // Dropping the jobs breaks their promises, which tells those who wait.
        drop(self.0.take(usize::MAX));
    }
}

/// The journal and what its thread does with a bunch of jobs.
struct Writer {
    journal: DiskJournal,
    is_broken: bool,
}

/// What goes to disk together.
#[derive(Default)]
struct Group {
    transitions: Vec<Transition>,
    promises: Vec<Promise<Durable<Transition>>>,
    writes: Vec<Promise<()>>,
    attached: WriteSet,
    at_secs: u64,
    bytes: usize,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.transitions.is_empty() && self.writes.is_empty()
    }

    fn is_full_with(&self, bytes: usize) -> bool {
        !self.is_empty() && self.bytes.saturating_add(bytes) > SOFT_GROUP_BYTES
    }
}

impl Writer {
    fn work(&mut self, jobs: Vec<Job>) {
        let mut group = Group::default();
        for job in jobs {
            match job {
                Job::Read(read) => {
                    let journal = &mut self.journal;
                    // Whoever asked has its own way to notice that no answer came.
                    drop(catch_unwind(AssertUnwindSafe(move || read(journal))));
                }
                Job::Write { set, promise } => {
                    let bytes = set.size();
                    if group.is_full_with(bytes) {
                        self.flush(std::mem::take(&mut group));
                    }
                    group.bytes = group.bytes.saturating_add(bytes);
                    group.attached.merge(set);
                    group.writes.push(promise);
                }
                Job::Commit { transition, companion, promise } => {
                    match self.journal.admit(&transition) {
                        Ok(()) => {
                            let Companion { set, at_secs } = companion;
                            let bytes = plan::size_bound(&transition).saturating_add(set.size());
                            if group.is_full_with(bytes) {
                                self.flush(std::mem::take(&mut group));
                            }
                            group.bytes = group.bytes.saturating_add(bytes);
                            group.attached.merge(set);
                            group.at_secs = group.at_secs.max(at_secs);
                            group.transitions.push(*transition);
                            group.promises.push(promise);
                        }
                        Err(error) => promise.fulfil(Err(CommitError::Store(Arc::new(error)))),
                    }
                }
            }
        }
        self.flush(group);
    }

    /// Writes a group and replies to all of it.
    fn flush(&mut self, group: Group) {
        if group.is_empty() {
            return;
        }
        let Group { transitions, promises, writes, attached, at_secs, .. } = group;
        if self.is_broken {
            return; // dropping the promises says so
        }
        self.journal.attach(attached);
        if at_secs > 0 {
            self.journal.set_time(at_secs);
        }
        let journal = &mut self.journal;
        let outcome = catch_unwind(AssertUnwindSafe(move || commit::commit(journal, transitions)));
        match outcome {
            Ok(Ok(durable)) => {
                promises.into_iter().zip(durable).for_each(|(promise, d)| promise.fulfil(Ok(d)));
                writes.into_iter().for_each(|promise| promise.fulfil(Ok(())));
            }
            Ok(Err(error)) => {
                let error = CommitError::Store(Arc::new(error));
                promises.into_iter().for_each(|promise| promise.fulfil(Err(error.clone())));
                writes.into_iter().for_each(|promise| promise.fulfil(Err(error.clone())));
            }
            // The engine marked itself as poisoned before it began; this keeps it from being asked.
            Err(_) => self.is_broken = true,
        }
    }
}
