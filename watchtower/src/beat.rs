//! The tower's heartbeat.

use std::sync::Arc;
use std::time::Duration;

use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::rpc::BlockTag;
use lockstep_core::ids::ChannelId;
use lockstep_p2p::tower::TowerServer;
use lockstep_p2p::tower::message::{Heartbeat, Push};
use tokio::time::MissedTickBehavior;

use crate::proof::{FreshBlock, Proofs};
use crate::record::Account;
use crate::shared::Shared;
use crate::store::{Changes, TowerStoreError};
use crate::watch::{Board, KEPT_AFTER_CLOSE_SECS};

/// What happens once a minute: old records go, a new root is signed, clients hear that we are alive.
pub(crate) struct Beat {
    pub(crate) server: TowerServer,
    pub(crate) shared: Arc<Shared>,
    pub(crate) proofs: Arc<Proofs>,
    pub(crate) boards: Vec<Board>,
    /// Whose blocks the roots are bound to, in turns: a client knows the blocks of its own chain.
    pub(crate) chains: Vec<(Endpoints, u64)>,
}

impl Beat {
    /// Lasts as long as the tower.
    pub(crate) async fn run(self, every: Duration) {
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sequence = 0_u64;
        loop {
            tick.tick().await;
            sequence = sequence.saturating_add(1);
            if let Err(error) = self.forget_old().await {
                tracing::error!(%error, "old records are not looked for");
            }
            self.renew(sequence).await;
            let chains = self.boards.iter().filter_map(Board::health).collect();
            let root = self.proofs.root();
            let heartbeat = Heartbeat { sequence, chains, root };
            self.server.broadcast(&Push::Heartbeat(Box::new(heartbeat)));
        }
    }

    async fn renew(&self, sequence: u64) {
        let count = u64::try_from(self.chains.len()).unwrap_or(u64::MAX);
        let turn = sequence.checked_rem(count).and_then(|turn| usize::try_from(turn).ok());
        let chain = turn.and_then(|turn| self.chains.get(turn));
        let Some((endpoints, chain_id)) = chain else { return };
        let profile = *endpoints.profile();
        let tag: BlockTag = profile.finalized;
        let is_hashed = profile.has_ethereum_hash;
        let header = endpoints.ask_any(|endpoint| endpoint.header(tag, is_hashed)).await;
        let block = match header {
            Ok(header) => {
                FreshBlock { chain_id: *chain_id, number: header.point().number, hash: header.hash }
            }
            Err(error) => {
                tracing::warn!(%error, "no fresh block to prove possession by");
                return;
            }
        };
        let (proofs, holdings) = (Arc::clone(&self.proofs), Arc::clone(&self.shared.holdings));
        let renewed = tokio::task::spawn_blocking(move || proofs.renew(&holdings, block)).await;
        match renewed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "no new proof of possession"),
            Err(error) => tracing::error!(%error, "the proof of possession has broken down"),
        }
    }

    /// Records whose channel has been closed for long enough.
    async fn forget_old(&self) -> Result<(), TowerStoreError> {
        let Some(now) = self.boards.iter().filter_map(Board::time).max() else { return Ok(()) };
        let old = now.saturating_sub_secs(KEPT_AFTER_CLOSE_SECS);
        for channel_id in self.shared.holdings.closed_before(old.0) {
            self.forget(channel_id).await?;
        }
        Ok(())
    }

    async fn forget(&self, channel_id: ChannelId) -> Result<(), TowerStoreError> {
        let _guard = self.shared.lock(channel_id).await;
        let store = &self.shared.store;
        for account in store.watchers(channel_id).await? {
            let before = store.account(account).await?.unwrap_or_default();
            let used = before.used.saturating_sub(1);
            let after = Account { used, ..before };
            let changes = Changes {
                dropped: Some((account, channel_id)),
                account: Some((account, after)),
                ..Changes::default()
            };
            self.shared.write(changes).await?;
        }
        self.shared.write(Changes { forgotten: Some(channel_id), ..Changes::default() }).await
    }
}
