//! The way through L1, for answers that the rollup's sequencer does not take in time (P77).
//!
//! An answer goes through L1 as well as soon as the submitter says that it is time, when the sequencer's newest
//! block is old by L1's clock, or when a close is shown long after the time that it bears. It is the same answer:
//! whichever comes first counts, and the other changes nothing.

use std::sync::Arc;

use alloy_primitives::{Address, B256, keccak256};
use lockstep_bridge::escape::{Escape, L1Desk, Owed};
use lockstep_bridge::rollup::Rollup;
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

use super::{Watch, WatchError};
use crate::store::TowerStore;

/// What a forced challenge takes on the rollup at most, should it not answer an estimate.
const CHALLENGE_GAS: u64 = 500_000;
/// A sequencer whose newest block is older than this by L1's clock does not work. Units: seconds. Source: the drift
/// that the OP Stack lets a sequencer have is 30 minutes; blocks of rollups come every few seconds.
const STALE_SECS: u64 = 1_800;
/// A close that is shown so long after its own time was back-dated, or held back. Units: seconds.
/// Source: watchtower §4.
const BACKDATED_SECS: u64 = 3_600;

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

/// A running way through L1.
pub(super) struct Way {
    escape: Escape<L1Desk<TowerStore>>,
    desk: L1Desk<TowerStore>,
    l1: Endpoints,
    rollup: Arc<dyn Rollup>,
    /// Whether the rollup's contracts on L1 were found to be what they should be (P93).
    is_checked: bool,
    /// L1's time at the last look.
    time: BlockTimestamp,
}

impl Way {
    /// Takes up what an earlier run has sent.
    pub(super) fn start(
        setup: EscapeSetup,
        store: &TowerStore,
        entries: Vec<Entry>,
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
        let (is_checked, time) = (false, BlockTimestamp(0));
        Ok(Self { escape, desk, l1, rollup, is_checked, time })
    }

    /// L1's time, as far as it is known.
    pub(super) fn time(&self) -> BlockTimestamp {
        self.time
    }
}

/// The name of an answer: one for each channel and version, also after a restart.
fn name_of(key: &ObligationKey) -> B256 {
    keccak256([key.channel_id.0.as_slice(), &key.version.0.to_be_bytes()].concat())
}

impl Watch {
    /// Sends an answer that is owed through L1, too.
    pub(super) fn force(&mut self, key: ObligationKey) {
        let found = self.submitter.owed().find(|owed| *owed.key() == key);
        let Some(obligation) = found.filter(|_| key.kind == ObligationKind::Challenge) else {
            return;
        };
        let Some(terms) = self.closes.get(&key.channel_id).map(|armed| armed.terms) else {
            return;
        };
        let (to, data) = match call::encode(&self.contracts, &terms, obligation.call(), None) {
            Ok(encoded) => encoded,
            Err(error) => {
                tracing::error!(channel_id = %key.channel_id, %error, "an answer can't be forced");
                return;
            }
        };
        let Some(way) = self.way.as_mut() else { return };
        if way.escape.owe(name_of(&key), Owed { to, data, usual_gas: CHALLENGE_GAS }) {
            tracing::warn!(channel_id = %key.channel_id, "an answer goes through L1");
        }
    }

    /// An answer is over.
    pub(super) fn unforce(&mut self, key: &ObligationKey) {
        if let Some(way) = self.way.as_mut() {
            way.escape.over(&name_of(key));
        }
    }

    /// Looks at L1's clock, and sends through L1 what must go there.
    pub(super) async fn escape(&mut self) -> Result<(), WatchError> {
        let Some(way) = self.way.as_mut() else { return Ok(()) };
        if self.submitter.is_idle() && way.escape.is_idle() {
            return Ok(());
        }
        way.time = way.l1.newest_header().await?.point().timestamp;
        let is_stale = way.time.secs_since(self.head.timestamp) > STALE_SECS;
        let is_late = |key: &ObligationKey| {
            self.closes.get(&key.channel_id).is_some_and(|armed| armed.is_backdated)
        };
        let owed = self.submitter.owed().map(|owed| *owed.key());
        let late: Vec<_> = owed.filter(|key| is_stale || is_late(key)).collect();
        for key in late {
            self.force(key);
        }
        let Some(way) = self.way.as_mut() else { return Ok(()) };
        if !way.is_checked {
            if let Err(error) = way.rollup.check().await {
                tracing::error!(%error, "the way through L1 cannot be used");
                return Ok(());
            }
            way.is_checked = true;
        }
        if let Err(error) = way.desk.step().await {
            tracing::warn!(%error, "nothing can be sent on L1 now");
        }
        for (name, error) in way.escape.step().await {
            tracing::warn!(%name, %error, "an answer does not get through L1 yet");
        }
        Ok(())
    }

    /// Whether a close is shown so late after its own time that it was held back. By L1's clock; without it nothing
    /// is known.
    pub(super) fn is_backdated(&self, closes_at: BlockTimestamp, period: u32) -> bool {
        let closed_at = closes_at.saturating_sub_secs(u64::from(period));
        let time = self.way.as_ref().map_or(BlockTimestamp(0), Way::time);
        time.secs_since(closed_at) > BACKDATED_SECS
    }
}
