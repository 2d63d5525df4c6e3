//! Closes: kept as soon as they are seen, answered when it is our turn, forgotten when they are over.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use futures::future::join_all;
use lockstep_bridge::way::Way;
use lockstep_chain::submitter::Order;
use lockstep_core::chain::{ChainCall, Evidence, Obligation, ObligationKey, ObligationKind};
use lockstep_core::dispute::{Response, stagger};
use lockstep_core::ids::{ChannelId, Version};
use lockstep_core::time::BlockTimestamp;
use lockstep_p2p::tower::message::ActedStage;

use super::armed::{Armed, Shown};
use super::{Recheck, Watch, WatchError};
use crate::news::News;
use crate::record::{Record, SeenClose};
use crate::store::Changes;

/// Closes whose rows are written at a time: they share a disk write.
const KEPT_AT_ONCE: usize = 128;

impl Watch {
    /// A client has left something while its channel closes.
    pub(super) async fn recheck(&mut self, recheck: Recheck) {
        let Recheck { channel_id, version, closes_at } = recheck;
        if let Some(armed) = self.closes.get_mut(&channel_id) {
            armed.ordered = Version::ZERO;
        }
        let close = SeenClose { version, closes_at, transaction: B256::ZERO };
        self.seen(vec![(channel_id, close)]).await;
    }

    /// The next appointment of this channel is played against the chain again.
    pub(super) async fn mark_news(&self, channel_id: ChannelId) -> Result<(), WatchError> {
        let _guard = self.shared.lock(channel_id).await;
        let Some(record) = self.record(channel_id).await? else { return Ok(()) };
        if record.is_chain_news {
            return Ok(());
        }
        let record = Some(Record { is_chain_news: true, ..record });
        Ok(self.shared.write(Changes { record, ..Changes::default() }).await?)
    }

    /// Closes are in sight: they are kept before anything is done about them, many in one disk write.
    pub(super) async fn seen(&mut self, closes: Vec<(ChannelId, SeenClose)>) {
        let now = self.head.timestamp;
        let mut news: BTreeMap<ChannelId, Shown> = BTreeMap::new();
        for (channel_id, close) in closes {
            let armed = || self.closes.get(&channel_id).map(|armed| armed.shown);
            let next = match news.get(&channel_id).copied().or_else(armed) {
                Some(known) => known.with(close, now),
                None => Some(Shown::first(close, now)),
            };
            news.extend(next.map(|next| (channel_id, next)));
        }
        let news: Vec<(ChannelId, Shown)> = news.into_iter().collect();
        for chunk in news.chunks(KEPT_AT_ONCE) {
            let kept = chunk.iter().map(|(channel_id, shown)| self.keep(*channel_id, *shown, now));
            let kept = join_all(kept).await;
            for ((channel_id, _), kept) in chunk.iter().zip(kept) {
                let Some((shown, record)) = kept else { continue };
                let is_new = !self.closes.contains_key(channel_id);
                self.arm(*channel_id, shown, &record, now);
                if is_new {
                    self.acted(*channel_id, shown.close, &record, ActedStage::Seen, None).await;
                }
            }
        }
    }

    /// Keeps a close of a channel of ours, as far as it can be true, and gives what is held of it.
    async fn keep(
        &self,
        channel_id: ChannelId,
        shown: Shown,
        now: BlockTimestamp,
    ) -> Option<(Shown, Record)> {
        let record = match self.record(channel_id).await {
            Ok(record) => record?,
            Err(error) => {
                tracing::error!(%channel_id, %error, "a close is seen and its record cannot be read");
                return None;
            }
        };
        let shown = shown.plausible(now, record.appointment.terms.challenge_period);
        let known = self.closes.get(&channel_id).filter(|armed| !armed.shown.is_over(now));
        let close = shown.to_keep(known.and_then(|armed| armed.first_seen_on_l1));
        // Acting does not wait for a broken disk (P49): a restart sees the close again, on the chain.
        if let Err(error) = self.store.put_close(channel_id, &close).await {
            tracing::error!(%channel_id, %error, "a close that was seen is not kept");
        }
        if let Err(error) = self.mark_news(channel_id).await {
            tracing::error!(%channel_id, %error, "news of the chain are not kept");
        }
        Some((shown, record))
    }

    /// What was seen on L1's clock for the first time is kept, so that a restart does not begin anew with it.
    pub(super) async fn keep_first_seen(&mut self, time: BlockTimestamp) {
        let mut fresh = Vec::new();
        for (channel_id, armed) in &mut self.closes {
            if armed.first_seen_on_l1.is_none() {
                armed.first_seen_on_l1 = Some(time);
                fresh.push((*channel_id, armed.shown.to_keep(Some(time))));
            }
        }
        for chunk in fresh.chunks(KEPT_AT_ONCE) {
            let kept = chunk.iter().map(|(id, close)| self.store.put_close(*id, close));
            for error in join_all(kept).await.into_iter().filter_map(Result::err) {
                tracing::error!(%error, "since when a close is known is not kept");
            }
        }
    }

    pub(super) fn arm(
        &mut self,
        channel_id: ChannelId,
        shown: Shown,
        record: &Record,
        now: BlockTimestamp,
    ) {
        let terms = record.appointment.terms;
        let SeenClose { closes_at, transaction, .. } = shown.close;
        let period = terms.challenge_period;
        let turn = match self.stagger {
            Some(tower) => stagger(closes_at, period, shown.first_seen, transaction, tower),
            None => BlockTimestamp(0),
        };
        // Whatever is shown of it later, our turn is not later. What is ordered already is not ordered twice.
        let known = self.closes.get(&channel_id);
        let armed = match known.filter(|armed| !armed.shown.is_over(now)) {
            Some(armed) => {
                Armed { shown, due: turn.min(armed.due), ordered: Version::ZERO, ..*armed }
            }
            None => Armed {
                shown,
                terms,
                first_seen_on_l1: None,
                due: turn,
                ordered: Version::ZERO,
                is_half_told: false,
            },
        };
        self.closes.insert(channel_id, armed);
    }

    /// Answers every close that is due and that we can answer.
    pub(super) async fn answer(&mut self) -> Result<(), WatchError> {
        let now = self.head.timestamp;
        // Turns come by L1's clock, too: the rollup's stands still with its sequencer.
        let clock = self.way.as_ref().and_then(Way::time).map_or(now, |time| time.max(now));
        let due: Vec<(ChannelId, Armed)> = self
            .closes
            .iter()
            .filter(|(_, armed)| armed.due <= clock && armed.ordered == Version::ZERO)
            .map(|(id, armed)| (*id, *armed))
            .collect();
        let mut orders: Vec<Order> = Vec::new();
        let mut ordered: Vec<(ChannelId, Version)> = Vec::new();
        for (channel_id, armed) in due {
            // A row that can't be read now is looked at again, and holds up no other answer.
            let record = match self.record(channel_id).await {
                Ok(Some(record)) => record,
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(%channel_id, error = %error, "an appointment was not read");
                    continue;
                }
            };
            let best = record.appointment.state.version;
            match armed.shown.response(best, self.head) {
                Response::Challenge { version, before } => {
                    let obligation = challenge(channel_id, &record, version, before);
                    orders.push(self.order(obligation, &record));
                    ordered.push((channel_id, version));
                }
                Response::Wait { .. } | Response::Settle => {}
            }
        }
        self.submitter.submit_all(orders).await?;
        // Only what is owed durably is not looked at again.
        for (channel_id, version) in ordered {
            if let Some(armed) = self.closes.get_mut(&channel_id) {
                armed.ordered = version;
            }
        }
        self.tell_of_halves(now).await;
        Ok(())
    }

    /// Watchtower §4: at half of the window, whoever can help is told.
    async fn tell_of_halves(&mut self, now: BlockTimestamp) {
        let mut late = Vec::new();
        for (channel_id, armed) in &mut self.closes {
            let half = u64::from(armed.terms.challenge_period).div_euclid(2);
            let closes_at = armed.shown.deadline(now);
            let is_late = now.checked_add_secs(half).is_none_or(|at| at >= closes_at);
            if is_late && armed.ordered > Version::ZERO && !armed.is_half_told {
                armed.is_half_told = true;
                late.push((*channel_id, closes_at));
            }
        }
        for (channel_id, before) in late {
            let owed = self.submitter.owed().find(|owed| owed.key().channel_id == channel_id);
            if let Some(key) = owed.map(|owed| *owed.key()) {
                self.tell(News::HalfOfWindow { channel_id, before }).await;
                self.progress(key, ActedStage::Alarm, None).await;
            }
        }
    }

    /// A final block shows the channel closed.
    pub(super) async fn buried(
        &mut self,
        channel_id: ChannelId,
        settled: Version,
        at: BlockTimestamp,
    ) -> Result<(), WatchError> {
        let guard = self.shared.lock(channel_id).await;
        let Some(record) = self.record(channel_id).await? else { return Ok(()) };
        let held = record.appointment.state.version;
        let record = Some(Record { buried_at: at.0.max(1), ..record });
        self.shared.write(Changes { record, ..Changes::default() }).await?;
        drop(guard);
        self.closes.remove(&channel_id);
        self.store.remove_close(channel_id).await?;
        if settled < held {
            self.tell(News::Failed { channel_id, settled, held }).await;
        }
        Ok(())
    }
}

fn challenge(
    channel_id: ChannelId,
    record: &Record,
    version: Version,
    before: BlockTimestamp,
) -> Obligation {
    let key =
        ObligationKey { channel_id, kind: ObligationKind::Challenge, version, detail: B256::ZERO };
    let evidence = Evidence {
        state: record.appointment.state,
        // The contract takes the root alone.
        locks: Vec::new(),
        signature1: Some(record.appointment.signatures.one),
        signature2: Some(record.appointment.signatures.two),
    };
    Obligation::new(key, ChainCall::Challenge(evidence), Some(before))
}
