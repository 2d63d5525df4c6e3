//! The way through L1, for answers that the rollup's sequencer does not take in time (P77).
//!
//! An answer goes through L1 as well as soon as the submitter says that it is time, when the sequencer's newest
//! block is old by L1's clock, or when a close is shown long after the time that it bears. It is the same answer:
//! whichever comes first counts, and the other changes nothing.
//!
//! L1 has a task of its own: one that answers slowly, or not at all, keeps no answer on the rollup waiting.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy_primitives::{Address, B256, keccak256};
use lockstep_bridge::escape::{Escape, L1Desk, Owed};
use lockstep_bridge::rollup::Rollup;
use lockstep_chain::alarm::Alarm;
use lockstep_chain::call::{self, Contracts};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::error::ChainError;
use lockstep_chain::port::AccountSigner;
use lockstep_chain::submitter::Submitter;
use lockstep_core::chain::{ObligationKey, ObligationKind};
use lockstep_core::entry::Entry;
use lockstep_core::ids::ChainRef;
use lockstep_core::money::Amount;
use lockstep_core::time::BlockTimestamp;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::Watch;
use super::armed::Armed;
use crate::news::{Cause, News};
use crate::store::TowerStore;

/// What a forced challenge takes on the rollup at most, should it not answer an estimate.
const CHALLENGE_GAS: u64 = 500_000;
/// A sequencer whose newest block is older than this by L1's clock does not work. Units: seconds. Source: the drift
/// that the OP Stack lets a sequencer have is 30 minutes; blocks of rollups come every few seconds.
const STALE_SECS: u64 = 1_800;
/// A close that is shown so long after its own time was back-dated, or held back. Units: seconds.
/// Source: watchtower §4.
const BACKDATED_SECS: u64 = 3_600;
/// Alarms of L1 that wait until the watch looks; they repeat.
const MAX_ALARMS: usize = 256;

/// How answers go through L1.
pub struct EscapeSetup {
    /// The rollup's adapter.
    pub rollup: Arc<dyn Rollup>,
    /// Endpoints of L1.
    pub l1: Endpoints,
    /// Its chain id.
    pub l1_chain_id: u64,
    /// The account that pays there.
    pub account: Arc<dyn AccountSigner>,
    /// The most that one answer may cost there. Units: wei.
    pub max_cost: Amount,
}

/// What the watch wants of L1, and what it knows of it.
#[derive(Debug, Default)]
struct Wanted {
    /// The answers that go through L1, by their names.
    owed: BTreeMap<B256, Owed>,
    /// Whether L1's clock is asked for: something closes.
    is_clock_needed: bool,
    /// L1's time at the last look; none where it is not known now.
    time: Option<BlockTimestamp>,
    /// What somebody must look at; nobody was told yet.
    alarms: Vec<Alarm>,
    /// Whether something that is owed does not get through.
    is_failing: bool,
}

/// The way through L1, as the watch has it.
pub(super) struct Way {
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
    /// Takes up what an earlier run has sent, and starts a task that looks at L1 as often as the rollup is looked at.
    pub(super) fn start(
        setup: EscapeSetup,
        store: &TowerStore,
        entries: Vec<Entry>,
        pause: Duration,
    ) -> Result<Self, ChainError> {
        let EscapeSetup { rollup, l1, l1_chain_id, account, max_cost } = setup;
        let payer = account.address();
        let zero = Address::ZERO;
        let on_l1 = Contracts { chain_id: l1_chain_id, channel: zero, registry: zero };
        let mut submitter = Submitter::new(l1.clone(), on_l1, store.clone(), vec![account])?;
        let chain = ChainRef::Evm(l1_chain_id);
        let own = entries.into_iter().filter(|entry| entry.call().bridge_chain() == Some(chain));
        submitter.resume_entries(own.collect());
        let desk = L1Desk::new(submitter, l1_chain_id, max_cost);
        let escape = Escape::new(Arc::clone(&rollup), desk.clone(), payer);
        let (wanted, wake) = (Arc::new(Mutex::new(Wanted::default())), Arc::new(Notify::new()));
        let shared = Arc::clone(&wanted);
        let is_checked = false;
        let carrier = Carrier { escape, desk, l1, rollup, is_checked, wanted: shared };
        let task = tokio::spawn(carrier.run(pause, Arc::clone(&wake))).abort_handle();
        Ok(Self { wanted, wake, task })
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// L1's time, if it is known now.
    pub(super) fn time(&self) -> Option<BlockTimestamp> {
        self.wanted().time
    }

    /// Whether L1's clock is asked for from now on.
    fn need_clock(&self, is_needed: bool) {
        let mut wanted = self.wanted();
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
    fn owe(&self, name: B256, call: Owed) -> bool {
        let is_new = self.wanted().owed.insert(name, call).is_none();
        if is_new {
            self.wake.notify_one();
        }
        is_new
    }

    fn is_owed(&self, name: &B256) -> bool {
        self.wanted().owed.contains_key(name)
    }

    fn over(&self, name: &B256) {
        self.wanted().owed.remove(name);
    }
}

/// Brings to L1 what the watch wants there.
struct Carrier {
    escape: Escape<L1Desk<TowerStore>>,
    desk: L1Desk<TowerStore>,
    l1: Endpoints,
    rollup: Arc<dyn Rollup>,
    /// Whether the rollup's contracts on L1 were found to be what they should be (P93).
    is_checked: bool,
    wanted: Arc<Mutex<Wanted>>,
}

impl Carrier {
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
            if !self.escape.is_owed(name) {
                self.escape.owe(*name, owed.clone());
            }
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
        let has_worked = match time {
            Some(_) => self.carry().await,
            None => false,
        };
        let is_owed = !self.escape.is_idle();
        let mut wanted = self.wanted();
        wanted.time = time.filter(|_| wanted.is_clock_needed);
        wanted.is_failing = is_owed && !has_worked;
    }

    /// Sends what is owed; whether nothing stood in the way.
    async fn carry(&mut self) -> bool {
        if !self.is_usable().await {
            return false;
        }
        match self.desk.step().await {
            Ok(alarms) => {
                let mut wanted = self.wanted();
                let room = MAX_ALARMS.saturating_sub(wanted.alarms.len());
                wanted.alarms.extend(alarms.into_iter().take(room));
            }
            Err(error) => {
                tracing::warn!(%error, "nothing can be sent on L1 now");
                return false;
            }
        }
        let troubles = self.escape.step().await;
        for (name, error) in &troubles {
            tracing::warn!(%name, %error, "an answer does not get through L1 yet");
        }
        troubles.is_empty()
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

/// The name of an answer: one for each channel and version, also after a restart.
fn name_of(key: &ObligationKey) -> B256 {
    keccak256([key.channel_id.0.as_slice(), &key.version.0.to_be_bytes()].concat())
}

impl Watch {
    /// Sends an answer that is owed through L1, too.
    pub(super) fn force(&self, key: ObligationKey) {
        let Some(way) = &self.way else { return };
        let name = name_of(&key);
        let found = self.submitter.owed().find(|owed| *owed.key() == key);
        let Some(obligation) = found.filter(|_| key.kind == ObligationKind::Challenge) else {
            return;
        };
        let Some(terms) = self.closes.get(&key.channel_id).map(|armed| armed.terms) else {
            return;
        };
        if way.is_owed(&name) {
            return;
        }
        let (to, data) = match call::encode(&self.contracts, &terms, obligation.call(), None) {
            Ok(encoded) => encoded,
            Err(error) => {
                tracing::error!(channel_id = %key.channel_id, %error, "an answer can't be forced");
                return;
            }
        };
        if way.owe(name, Owed { to, data, usual_gas: CHALLENGE_GAS }) {
            tracing::warn!(channel_id = %key.channel_id, "an answer goes through L1");
        }
    }

    /// An answer is over.
    pub(super) fn unforce(&self, key: &ObligationKey) {
        if let Some(way) = &self.way {
            way.over(&name_of(key));
        }
    }

    /// Decides by L1's clock which answers go through L1, too.
    pub(super) async fn escape(&mut self) {
        self.tell_of_way().await;
        let Some(way) = &self.way else { return };
        way.need_clock(!self.closes.is_empty() || !self.submitter.is_idle());
        let Some(time) = way.time() else { return };
        for armed in self.closes.values_mut() {
            armed.first_seen_on_l1.get_or_insert(time);
        }
        let is_stale = time.secs_since(self.head.timestamp) > STALE_SECS;
        let is_late = |key: &ObligationKey| {
            self.closes.get(&key.channel_id).is_some_and(|armed| is_late(armed, time))
        };
        let owed = self.submitter.owed().map(|owed| *owed.key());
        let late: Vec<_> = owed.filter(|key| is_stale || is_late(key)).collect();
        for key in late {
            self.force(key);
        }
    }
}

impl Watch {
    /// What L1 needs somebody to look at.
    async fn tell_of_way(&mut self) {
        let Some(way) = &self.way else { return };
        let (alarms, is_failing) = {
            let mut wanted = way.wanted();
            (core::mem::take(&mut wanted.alarms), wanted.is_failing)
        };
        for alarm in alarms {
            self.raise_news(Cause::on_l1(&alarm), News::Chain(alarm)).await;
        }
        if is_failing {
            let chain_id = self.contracts.chain_id;
            self.raise_news(Cause::escape(), News::EscapeFails { chain_id }).await;
        }
    }
}

/// Whether L1's clock says that the sequencer is not to be waited for: it has shown a close long after the close's
/// own time, or a quarter of the window is gone, whatever the rollup's clock says (P77).
fn is_late(armed: &Armed, time: BlockTimestamp) -> bool {
    let period = u64::from(armed.terms.challenge_period);
    // By the earliest that was shown: whoever shows a later one must not put off the way through L1.
    let closed_at = armed.shown.close.closes_at.saturating_sub_secs(period);
    let seen_after = armed.first_seen_on_l1.map_or(0, |seen| seen.secs_since(closed_at));
    let quarter = period.div_euclid(4);
    seen_after > BACKDATED_SECS || time.secs_since(closed_at) > quarter
}
