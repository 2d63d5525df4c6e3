//! The hand-over from those who submit to the one who writes: a bounded queue, taken in bunches.
//!
//! Whatever waits while one group is being synced makes up the next group, so batching needs no
//! timer. The file uses only what its parent re-exports as `sync`, so that a model checker can put
//! its own locks underneath.

use std::{collections::VecDeque, sync::PoisonError};

use super::sync::{Condvar, Mutex, MutexGuard};

/// A bounded queue with one taker.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    is_closed: bool,
}

/// Why something was not queued; it is handed back.
#[derive(Debug)]
pub(crate) enum NotQueued<T> {
    /// The queue is full.
    Full(T),
    /// Nobody takes any more.
    Closed(T),
}

impl<T> Queue<T> {
    /// An empty queue for at most `capacity` entries.
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State { waiting: VecDeque::new(), is_closed: false };
        Self { state: Mutex::new(state), arrived: Condvar::new(), capacity }
    }

    /// Queues an entry; never waits.
    pub(crate) fn push(&self, entry: T) -> Result<(), NotQueued<T>> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(NotQueued::Closed(entry));
        }
        if state.waiting.len() >= self.capacity {
            return Err(NotQueued::Full(entry));
        }
        state.waiting.push_back(entry);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes up to `limit` entries, oldest first, waiting until there is at least one.
    ///
    /// `None` once the queue is closed and empty.
    pub(crate) fn take(&self, limit: usize) -> Option<Vec<T>> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.is_closed {
                return None;
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let count = state.waiting.len().min(limit);
        Some(state.waiting.drain(..count).collect())
    }

    /// Lets nothing more in. What waits can still be taken.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_all();
    }

    /// How many entries wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// A panic elsewhere cannot leave the queue half changed, so its mark is ignored.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
