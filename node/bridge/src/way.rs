//! The way through L1 as a task of its own: L1 may answer slowly, or not at all, and keeps nothing on the rollup
//! waiting.
//!
//! Whoever watches the rollup leaves here what must go through L1, and reads L1's clock. What stands in the way it is
//! told, for as long as it stands.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy_primitives::{Address, B256};
use lockstep_chain::alarm::Alarm;
use lockstep_chain::endpoints::Endpoints;
use lockstep_core::time::BlockTimestamp;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::escape::{Escape, Owed};
use crate::port::Outpost;
use crate::rollup::Rollup;

mod turn;

pub use turn::{ASKED_AT_ONCE, Gate, Turn, is_stale};

/// Alarms of L1 that wait until somebody asks; they repeat.
const MAX_ALARMS: usize = 256;
/// Reports in a row without a look at L1 after which it is said that nothing gets through.
const MOST_UNLOOKED: u32 = 60;

/// What is wanted of L1, and what is known of it.
#[derive(Debug, Default)]
struct Wanted {
    /// The calls that go through L1, by their names.
    owed: BTreeMap<B256, Owed>,
    /// Whether L1's clock is asked for.
    is_clock_needed: bool,
    /// L1's time at the last look; none where it is not known now.
    time: Option<BlockTimestamp>,
    /// What somebody must look at; nobody was told yet.
    alarms: Vec<Alarm>,
    /// Whether something that is owed does not get through.
    is_failing: bool,
    /// Reports since the last look.
    unlooked: u32,
}

/// What L1 needs somebody to look at.
#[derive(Debug, Default)]
pub struct WayReport {
    /// What has come up since the last report.
    pub alarms: Vec<Alarm>,
    /// Whether something that is owed does not get through now: no endpoint of L1 answers, the rollup's contracts there
    /// are not what they should be, a call is refused or too dear, or the task is gone.
    pub is_failing: bool,
}

/// The way through L1, for whoever watches the rollup. Its task ends with it.
#[derive(Debug)]
pub struct Way {
    wanted: Arc<Mutex<Wanted>>,
    wake: Arc<Notify>,
    task: AbortHandle,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Way {
    /// Starts the task. It looks at L1 as often as it is told, and only while something is wanted. Must be called inside
    /// a tokio runtime.
    pub fn start<P: Outpost + Clone + 'static>(
        rollup: Arc<dyn Rollup>,
        outpost: P,
        payer: Address,
        l1: Endpoints,
        pause: Duration,
    ) -> Self {
        let escape = Escape::new(Arc::clone(&rollup), outpost.clone(), payer);
        let (wanted, wake) = (Arc::new(Mutex::new(Wanted::default())), Arc::new(Notify::new()));
        let shared = Arc::clone(&wanted);
        let carrier = Carrier { escape, outpost, l1, rollup, is_checked: false, wanted: shared };
        let task = tokio::spawn(carrier.run(pause, Arc::clone(&wake))).abort_handle();
        Self { wanted, wake, task }
    }

    /// L1's time, if it is known now.
    pub fn time(&self) -> Option<BlockTimestamp> {
        self.lock().time
    }

    /// Whether L1's clock is asked for from now on.
    pub fn need_clock(&self, is_needed: bool) {
        let mut wanted = self.lock();
        if is_needed && !wanted.is_clock_needed {
            self.wake.notify_one();
        }
        wanted.is_clock_needed = is_needed;
        if !is_needed {
            // What was read long ago says nothing about what comes next.
            wanted.time = None;
        }
    }

    /// From now on a call goes through L1; whether that is new.
    pub fn owe(&self, name: B256, call: Owed) -> bool {
        let is_new = self.lock().owed.insert(name, call).is_none();
        if is_new {
            self.wake.notify_one();
        }
        is_new
    }

    /// Whether a call is owed under this name.
    pub fn is_owed(&self, name: &B256) -> bool {
        self.lock().owed.contains_key(name)
    }

    /// A call is over.
    pub fn over(&self, name: &B256) {
        self.lock().owed.remove(name);
    }

    /// What somebody must look at. To be asked at each look at the rollup.
    pub fn report(&self) -> WayReport {
        let mut wanted = self.lock();
        let is_wanted = wanted.is_clock_needed || !wanted.owed.is_empty();
        wanted.unlooked = if is_wanted { wanted.unlooked.saturating_add(1) } else { 0 };
        let is_stuck = self.task.is_finished() || wanted.unlooked >= MOST_UNLOOKED;
        let is_failing = !wanted.owed.is_empty() && (wanted.is_failing || is_stuck);
        WayReport { alarms: core::mem::take(&mut wanted.alarms), is_failing }
    }

    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings to L1 what is wanted there.
struct Carrier<P> {
    escape: Escape<P>,
    outpost: P,
    l1: Endpoints,
    rollup: Arc<dyn Rollup>,
    /// Whether the rollup's contracts on L1 were found to be what they should be (P93).
    is_checked: bool,
    wanted: Arc<Mutex<Wanted>>,
}

impl<P> fmt::Debug for Carrier<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier").field("escape", &self.escape).finish_non_exhaustive()
    }
}

impl<P: Outpost> Carrier<P> {
    async fn run(mut self, pause: Duration, wake: Arc<Notify>) {
        loop {
            self.look().await;
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Learns what is wanted; whether there is anything to do.
    fn learn(&mut self) -> bool {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, owed) in &wanted.owed {
            self.escape.owe(*name, owed.clone());
        }
        self.escape.retain(|name| wanted.owed.contains_key(name));
        wanted.is_clock_needed || !self.escape.is_idle()
    }

    async fn look(&mut self) {
        if !self.learn() {
            return;
        }
        let time = match self.l1.time().await {
            Ok(time) => Some(time),
            Err(error) => {
                tracing::warn!(%error, "L1 cannot be asked now");
                None
            }
        };
        // Turns come by the clock, and must not wait for what is sent.
        self.note_time(time);
        let has_worked = match time {
            Some(_) => self.carry().await,
            None => false,
        };
        let is_owed = !self.escape.is_idle();
        let mut wanted = self.wanted();
        wanted.is_failing = is_owed && !has_worked;
        wanted.unlooked = 0;
    }

    fn note_time(&self, time: Option<BlockTimestamp>) {
        let mut wanted = self.wanted();
        wanted.time = time.filter(|_| wanted.is_clock_needed);
    }

    /// Sends what is owed; whether nothing stands in the way.
    async fn carry(&mut self) -> bool {
        if !self.is_usable().await {
            return false;
        }
        let alarms = match self.outpost.step().await {
            Ok(alarms) => alarms,
            Err(error) => {
                tracing::warn!(%error, "nothing can be sent on L1 now");
                return false;
            }
        };
        let is_short = alarms.iter().any(|alarm| {
            matches!(alarm, Alarm::AccountEmpty { .. } | Alarm::PaymentOverBudget { .. })
        });
        {
            let mut wanted = self.wanted();
            let room = MAX_ALARMS.saturating_sub(wanted.alarms.len());
            wanted.alarms.extend(alarms.into_iter().take(room));
        }
        for (name, error) in &self.escape.step().await {
            tracing::warn!(%name, %error, "a call does not get through L1 yet");
        }
        !is_short && !self.escape.is_troubled()
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn is_usable(&mut self) -> bool {
        if !self.is_checked {
            match self.rollup.check().await {
                Ok(()) => self.is_checked = true,
                Err(error) => tracing::error!(%error, "the way through L1 cannot be used"),
            }
        }
        self.is_checked
    }
}
