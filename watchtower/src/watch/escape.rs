//! The way through L1, for answers that the rollup's sequencer does not take in time (P77).
//!
//! An answer goes through L1 as well as soon as the submitter says that it is time, when the sequencer's newest
//! block is old by L1's clock, or when a close is shown long after the time that it bears. It is the same answer:
//! whichever comes first counts, and the other changes nothing.
//!
//! L1 is dear, and one endpoint of the rollup may invent a close. So before an answer goes through L1 all endpoints are
//! asked: what a quorum of them calls unneeded stays away from it, and what is disputed waits until half of the window.
//! Where none of them answers, nothing is waited for.

use core::time::Duration;
use std::sync::Arc;

use alloy_primitives::{Address, B256, keccak256};
use futures::future::join_all;
use lockstep_bridge::escape::{L1Desk, Owed};
use lockstep_bridge::rollup::Rollup;
use lockstep_bridge::way::{Turn, Way, WayReport, is_stale};
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

use super::Watch;
use super::armed::Armed;
use crate::news::{Cause, News};
use crate::store::TowerStore;

/// What a forced challenge takes on the rollup at most, should it not answer an estimate.
const CHALLENGE_GAS: u64 = 500_000;
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

impl EscapeSetup {
    /// Takes up what an earlier run has sent, and starts a task that looks at L1 as often as the rollup is looked at.
    pub(super) fn start(
        self,
        store: &TowerStore,
        entries: Vec<Entry>,
        pause: Duration,
    ) -> Result<Way, ChainError> {
        let Self { rollup, l1, l1_chain_id, account, max_cost } = self;
        let payer = account.address();
        let zero = Address::ZERO;
        let on_l1 = Contracts { chain_id: l1_chain_id, channel: zero, registry: zero };
        let mut submitter = Submitter::new(l1.clone(), on_l1, store.clone(), vec![account])?;
        let chain = ChainRef::Evm(l1_chain_id);
        let own = entries.into_iter().filter(|entry| entry.call().bridge_chain() == Some(chain));
        submitter.resume_entries(own.collect());
        let desk = L1Desk::new(submitter, l1_chain_id, max_cost);
        Ok(Way::start(rollup, desk, payer, l1, pause))
    }
}

/// The name of an answer: one for each channel and version, also after a restart.
fn name_of(key: &ObligationKey) -> B256 {
    keccak256([key.channel_id.0.as_slice(), &key.version.0.to_be_bytes()].concat())
}

impl Watch {
    /// The submitter says that an answer should go through L1, too.
    pub(super) fn ask_to_force(&mut self, key: ObligationKey) {
        self.gate.ask(key);
    }

    /// An answer is over.
    pub(super) fn unforce(&mut self, key: &ObligationKey) {
        self.gate.over(key);
        if let Some(way) = &self.way {
            way.over(&name_of(key));
        }
    }

    /// Decides which answers go through L1, too: by L1's clock, or because the submitter says so.
    pub(super) async fn escape(&mut self) {
        self.tell_of_way().await;
        let Some(way) = &self.way else { return };
        way.need_clock(!self.closes.is_empty() || !self.submitter.is_idle());
        let time = way.time();
        if let Some(time) = time {
            self.keep_first_seen(time).await;
        }
        let due = self.due_on_l1(time);
        // What a lie about a clock could end is not asked: only what is stored counts.
        let asked = due.iter().map(|key| self.submitter.need(key, BlockTimestamp::default()));
        let needs = join_all(asked).await;
        for (key, need) in due.into_iter().zip(needs) {
            let is_urgent = self.closes.get(&key.channel_id).is_some_and(|armed| {
                let forcing = self.endpoints.profile().force_before_secs().unwrap_or(0);
                turn(armed).is_urgent(time.unwrap_or(self.head.timestamp), forcing)
            });
            if self.gate.opens(key, need, is_urgent) {
                self.force(key);
            }
        }
    }

    /// The next answers that should go through L1 and do not yet.
    fn due_on_l1(&self, time: Option<BlockTimestamp>) -> Vec<ObligationKey> {
        let Some(way) = &self.way else { return Vec::new() };
        let is_stale = time.is_some_and(|time| is_stale(self.head.timestamp, time));
        let is_due = |key: &ObligationKey| {
            let armed = self.closes.get(&key.channel_id);
            let is_late = armed.zip(time).is_some_and(|(armed, time)| turn(armed).is_late(time));
            is_stale || is_late || self.gate.is_asked(key)
        };
        let is_new =
            |key: &ObligationKey| !way.is_owed(&name_of(key)) && !self.gate.is_put_off(key);
        let owed = self.submitter.owed();
        let due = owed
            .filter(|owed| owed.key().kind == ObligationKind::Challenge)
            .filter(|owed| is_new(owed.key()) && is_due(owed.key()))
            .map(|owed| (owed.deadline(), *owed.key()))
            .collect();
        self.gate.next(due)
    }

    /// Sends an answer that is owed through L1, too.
    fn force(&self, key: ObligationKey) {
        let Some(way) = &self.way else { return };
        let Some(obligation) = self.submitter.owed().find(|owed| *owed.key() == key) else {
            return;
        };
        let Some(armed) = self.closes.get(&key.channel_id) else { return };
        let encoded = call::encode(&self.contracts, &armed.terms, obligation.call(), None);
        let (to, data) = match encoded {
            Ok(encoded) => encoded,
            Err(error) => {
                tracing::error!(channel_id = %key.channel_id, %error, "an answer can't be forced");
                return;
            }
        };
        let deadline = obligation.deadline().unwrap_or(BlockTimestamp(u64::MAX));
        let owed = Owed { to, data, usual_gas: CHALLENGE_GAS, deadline };
        if way.owe(name_of(&key), owed) {
            tracing::warn!(channel_id = %key.channel_id, "an answer goes through L1");
        }
    }

    /// What L1 needs somebody to look at. That nothing gets through is told when it begins and when it is over; between
    /// the two it stands.
    async fn tell_of_way(&mut self) {
        let Some(way) = &self.way else { return };
        let WayReport { alarms, is_failing } = way.report();
        for alarm in alarms {
            self.raise_news(Cause::on_l1(&alarm), News::Chain(alarm)).await;
        }
        if let Some(is_failing) = self.gate.look(is_failing) {
            self.board.set_escape_failing(is_failing);
            let chain_id = self.contracts.chain_id;
            let works = News::EscapeWorks { chain_id };
            self.tell(if is_failing { News::EscapeFails { chain_id } } else { works }).await;
        }
    }
}

/// The time that the answer to a close has, by the earliest deadline that was shown: whoever shows a later one must not
/// put off the way through L1.
fn turn(armed: &Armed) -> Turn {
    let period = armed.terms.challenge_period;
    Turn::of_window(armed.shown.close.closes_at, period, armed.first_seen_on_l1)
}
