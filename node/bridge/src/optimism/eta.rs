//! Times of an OP Stack rollup: the clocks of its games and the waiting times of its portal, as L1 has them.

use super::Optimism;
use super::abi::{IDisputeGame, IDisputeGameFactory, IPortal};
use super::game::Standing;
use super::memo::WithdrawMemo;
use super::withdrawal::withdrawal_hash;
use crate::error::BridgeError;
use crate::eta::{Clocks, WayOut, after, is_timeless, start_of, told};
use crate::rollup::Progress;
use crate::step::{Next, Waiting};
use alloy_primitives::U256;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::transfer::{TransferRecord, TransferStage};

/// Games whose times tell how often roots are proposed.
const GAMES: u64 = 2;

impl Optimism {
    /// The same progress with times, as far as they can be read.
    pub(super) async fn timed(&self, record: &TransferRecord, progress: Progress) -> Progress {
        let next = told(progress.next, self.foresee(record, &progress).await);
        Progress { next, ..progress }
    }

    async fn foresee(
        &self,
        record: &TransferRecord,
        progress: &Progress,
    ) -> Result<Next, BridgeError> {
        let start = start_of(record, progress);
        let (next, clocks) = (progress.next, Clocks { l1: &self.l1, l2: &self.l2 });
        match record.transfer.stage {
            TransferStage::Deposit(_) => {
                let caused = match (start, next.waiting) {
                    (Some(tx), Waiting::ForL2Finality) => {
                        self.deposits_of_tx(tx).await?.first().copied()
                    }
                    (Some(_) | None, _) => None,
                };
                clocks.way_in(start, caused, next).await
            }
            TransferStage::Withdraw(_) if is_timeless(next.waiting) => Ok(next),
            TransferStage::Withdraw(_) => {
                let way = self.way_out(record, progress).await?;
                clocks.way_out(start, way, next).await
            }
        }
    }

    async fn way_out(
        &self,
        record: &TransferRecord,
        progress: &Progress,
    ) -> Result<WayOut, BridgeError> {
        let memo = match &progress.memo {
            Some(memo) => {
                WithdrawMemo::of(&TransferRecord { memo: memo.clone(), ..record.clone() })?
            }
            None => WithdrawMemo::of(record)?,
        };
        let now = self.l1.head().await?.timestamp;
        let is_searched = progress.next.waiting == Waiting::ForRoot;
        let next_root = if is_searched { self.next_root_at(now).await? } else { None };
        let payable = match memo.game.is_zero() {
            true => None,
            false => Some(self.paid_from(&memo, now).await?),
        };
        Ok(WayOut { next_root, secs: self.exit_secs().await?, payable })
    }

    /// When a proof against this game can be paid out, were it on L1 now if it is not there yet.
    async fn paid_from(
        &self,
        memo: &WithdrawMemo,
        now: BlockTimestamp,
    ) -> Result<BlockTimestamp, BridgeError> {
        let portal = self.contracts().await?.portal;
        let hash = withdrawal_hash(&memo.withdrawal);
        let call = IPortal::provenWithdrawalsCall { withdrawalHash: hash, submitter: memo.prover };
        let proven = self.l1.read(portal, &call).await?;
        let is_proven = proven.timestamp != 0 && proven.disputeGameProxy == memo.game;
        let proven_at = if is_proven { BlockTimestamp(proven.timestamp) } else { now };
        let standing = self.standing(memo.game, now).await?;
        let payable = self.payable_at(proven_at, standing).await?;
        Ok(match standing {
            // The second waiting time begins once somebody has ended the game.
            Standing::Settleable => payable.max(after(now, self.air_gap_secs().await?)),
            Standing::Dead | Standing::Running(_) | Standing::Upheld(_) => payable,
        })
    }

    /// From a root on L1 to the payout against it: the game's clock and the portal's delays. Units: seconds.
    pub(super) async fn exit_secs(&self) -> Result<u64, BridgeError> {
        let judged = self.game_clock_secs().await?.saturating_add(self.air_gap_secs().await?);
        Ok(self.maturity_secs().await?.max(judged))
    }

    /// The clock of the newest game of the kind that the portal respects; none where there is no such game, or
    /// it has no clock. Units: seconds.
    async fn game_clock_secs(&self) -> Result<u64, BridgeError> {
        let factory = self.contracts().await?.factory;
        let Some(newest) = self.newest_games(1).await?.into_iter().next() else { return Ok(0) };
        let at = IDisputeGameFactory::gameAtIndexCall { index: newest.index };
        let game = self.l1.read(factory, &at).await?.proxy;
        match self.l1.read(game, &IDisputeGame::maxClockDurationCall {}).await {
            Ok(clock) => Ok(clock),
            Err(error) if error.is_revert() => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// When the next root is expected, if they go on to come as the last two did. Unknown once one is overdue by
    /// as much again.
    async fn next_root_at(
        &self,
        now: BlockTimestamp,
    ) -> Result<Option<BlockTimestamp>, BridgeError> {
        let games = self.newest_games(GAMES).await?;
        let [newest, before] = games.as_slice() else { return Ok(None) };
        let pace = newest.timestamp.saturating_sub(before.timestamp);
        let due = after(BlockTimestamp(newest.timestamp), pace);
        let is_known = now <= after(due, pace);
        Ok(is_known.then_some(due.max(now)))
    }

    async fn newest_games(
        &self,
        count: u64,
    ) -> Result<Vec<IDisputeGameFactory::GameSearchResult>, BridgeError> {
        let contracts = self.contracts().await?;
        let kind = self.l1.read(contracts.portal, &IPortal::respectedGameTypeCall {}).await?;
        let all = self.l1.read(contracts.factory, &IDisputeGameFactory::gameCountCall {}).await?;
        let Some(start) = all.checked_sub(U256::from(1)) else { return Ok(Vec::new()) };
        let n = U256::from(count);
        let call = IDisputeGameFactory::findLatestGamesCall { gameType: kind, start, n };
        self.l1.read(contracts.factory, &call).await
    }
}
