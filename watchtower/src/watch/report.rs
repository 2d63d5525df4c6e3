//! What a watch tells: how far its answers are, what it has for fees, how it stands.

use alloy_primitives::B256;
use futures::future::join_all;
use lockstep_chain::alarm::Alarm;
use lockstep_chain::submitter::SubmitterEvent;
use lockstep_core::chain::{ObligationKey, ObligationStage};
use lockstep_core::ids::{ChannelId, Version};
use lockstep_core::money::Amount;
use lockstep_p2p::tower::message::{Acted, ActedStage, ChainHealth};

use super::Watch;
use crate::news::{Cause, News, known};
use crate::record::{Record, SeenClose};

/// Closes at once that the accounts should be able to answer (P78).
const RESERVE_CLOSES: u64 = 10;
/// Polls after which a cause that has not come up is over.
const QUIET_POLLS: u32 = 200;

impl Watch {
    pub(super) async fn tell_all(&mut self, events: Vec<SubmitterEvent>) {
        let mut ended = Vec::new();
        for event in events {
            match event {
                SubmitterEvent::Sent { key, tx, .. } => {
                    self.progress(key, ActedStage::Sent, Some(tx)).await;
                }
                SubmitterEvent::Included { key, tx, .. } => {
                    self.progress(key, ActedStage::Included, Some(tx)).await;
                }
                SubmitterEvent::Ended { key, stage } => {
                    if stage == ObligationStage::Done {
                        self.progress(key, ActedStage::Final, None).await;
                    }
                    self.unforce(&key);
                    ended.push(key);
                }
                SubmitterEvent::Dropped { key } => {
                    tracing::warn!(channel_id = %key.channel_id, "an answer was dropped");
                }
                SubmitterEvent::Refused { key, revert } => {
                    tracing::warn!(channel_id = %key.channel_id, ?revert, "an answer is refused");
                }
                SubmitterEvent::Alarm(alarm) => {
                    if let Alarm::ForceThroughL1 { key, .. } = &alarm {
                        self.ask_to_force(*key);
                    }
                    self.raise(alarm).await;
                }
                // A tower pays nothing into any channel; what it sends on L1 has a submitter of its own.
                SubmitterEvent::Entry(_) | SubmitterEvent::EntryRefused { .. } => {}
            }
        }
        // Together, so that they share a disk write.
        for removed in join_all(ended.iter().map(|key| self.store.remove_obligation(key))).await {
            if let Err(error) = removed {
                tracing::error!(%error, "an obligation that has ended is not forgotten");
            }
        }
    }

    /// An alarm is told when it begins; a cause that lasts is told once.
    pub(super) async fn raise(&mut self, alarm: Alarm) {
        self.raise_news(Cause::of(&alarm), News::Chain(alarm)).await;
    }

    pub(super) async fn raise_news(&mut self, cause: Cause, news: News) {
        if self.raised.insert(cause, self.polls).is_none() {
            self.tell(news).await;
        }
    }

    /// Causes that have not come up for a while may come up anew.
    pub(super) fn forget_causes(&mut self) {
        let now = self.polls;
        self.raised.retain(|_, at| now.wrapping_sub(*at) < QUIET_POLLS);
    }

    pub(super) async fn progress(
        &self,
        key: ObligationKey,
        stage: ActedStage,
        tx_hash: Option<B256>,
    ) {
        let shown = self.closes.get(&key.channel_id).map(|armed| armed.shown.close.version);
        let seen_version = shown.unwrap_or(Version::ZERO);
        let (channel_id, posted_version) = (key.channel_id, key.version);
        let acted = Acted { channel_id, seen_version, posted_version, tx_hash, stage };
        self.tell(News::Acted(acted)).await;
    }

    pub(super) async fn acted(
        &self,
        channel_id: ChannelId,
        close: SeenClose,
        record: &Record,
        stage: ActedStage,
        tx_hash: Option<B256>,
    ) {
        let posted_version = record.appointment.state.version;
        tracing::warn!(
            %channel_id,
            seen = close.version.0,
            held = posted_version.0,
            tx_hash = ?known(close.transaction),
            "a channel of a client closes"
        );
        let seen_version = close.version;
        let acted = Acted { channel_id, seen_version, posted_version, tx_hash, stage };
        self.tell(News::Acted(acted)).await;
    }

    pub(super) async fn check_reserve(&mut self) {
        // What runs now is owed on top of what may come.
        let owed = u64::try_from(self.submitter.owed().count()).unwrap_or(u64::MAX);
        match self.submitter.reserve(RESERVE_CLOSES.saturating_add(owed)).await {
            Ok(Some(alarm)) => self.raise(alarm).await,
            Ok(None) => {}
            Err(error) => tracing::info!(%error, "reserve is not known now"),
        }
    }

    pub(super) async fn count_reserve(&mut self) {
        let mut reserve = Amount::ZERO;
        for lane in &self.lanes {
            // Without an answer the last count stands.
            let Ok(balance) = self.endpoints.balance(*lane).await else { return };
            reserve = reserve.checked_add(Amount::from_u256(balance)).unwrap_or(Amount::MAX);
        }
        self.reserve = reserve;
    }

    pub(super) async fn show(&self, is_following: bool) {
        // Promises are dated by this: no date is better than one of no block.
        let Ok((head, time)) = self.endpoints.newest().await else {
            self.board.lost();
            return;
        };
        let (point, head_hash) = (head.point(), head.hash);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let health = ChainHealth {
            chain_id: self.contracts.chain_id,
            head_number: point.number.0,
            head_hash,
            finalized_number: self.finalized.0,
            lanes: count(self.lanes.len()),
            lanes_busy: count(self.submitter.owed().count().min(self.lanes.len())),
            gas_reserve: self.reserve,
            is_following,
        };
        self.board.set(health, time);
    }

    /// What nobody fetches is dropped: the store has what must not be lost.
    pub(super) async fn tell(&self, news: News) {
        if self.news.send(news).await.is_err() {
            tracing::debug!("nobody listens to the tower's news");
        }
    }
}
