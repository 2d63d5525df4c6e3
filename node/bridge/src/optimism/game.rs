//! Roots of the rollup that were proposed on L1. Kinds of games and delays are read, never known.

use super::Optimism;
use super::abi::{IDisputeGame, IDisputeGameFactory, IPortal};
use crate::error::BridgeError;
use crate::eta::after;
use alloy_primitives::{Address, B256, U256};
use lockstep_core::time::BlockTimestamp;

/// Games that are read with one call.
const PAGE: u64 = 16;
/// Pages that are looked at, newest first.
const PAGES: u32 = 32;
/// Kinds of games whose roots cover several rollups and count time. Source: OP Stack `GameTypes`.
const SUPER_KINDS: [u32; 4] = [4, 5, 7, 9];
/// The challenger has won. Source: OP Stack `GameStatus`.
const CHALLENGER_WINS: u8 = 1;
/// It has not ended. Source: as above.
const IN_PROGRESS: u8 = 0;

/// A game that may carry a payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) address: Address,
    pub(super) index: U256,
    /// The rollup's block that its root is about.
    pub(super) block: u64,
    pub(super) root: B256,
}

/// How a game stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its root was refuted, or the guardian has voided it.
    Dead,
    /// Its clock runs until then, as far as it tells.
    Running(Option<BlockTimestamp>),
    /// Somebody has to say that its clock is over.
    Settleable,
    /// Its root was upheld then.
    Upheld(BlockTimestamp),
}

impl Optimism {
    /// Games about a block or a later one, the earliest first: its waiting time ends first.
    pub(super) async fn games_from(&self, block: u64) -> Result<Vec<Candidate>, BridgeError> {
        let contracts = self.contracts().await?;
        let kind = self.l1.read(contracts.portal, &IPortal::respectedGameTypeCall {}).await?;
        let count = self.l1.read(contracts.factory, &IDisputeGameFactory::gameCountCall {}).await?;
        let mut found = Vec::new();
        let mut end = count;
        for _ in 0..PAGES {
            let Some(start) = end.checked_sub(U256::from(1)) else { break };
            let n = U256::from(PAGE);
            let call = IDisputeGameFactory::findLatestGamesCall { gameType: kind, start, n };
            let page = self.l1.read(contracts.factory, &call).await?;
            let Some(last) = page.last() else { break };
            end = last.index;
            let mut is_past = false;
            for game in page {
                match self.candidate(kind, &game, contracts.factory).await? {
                    Some(candidate) if candidate.block >= block => found.push(candidate),
                    Some(_) => is_past = true,
                    None => {}
                }
            }
            if is_past {
                break;
            }
        }
        found.sort_by_key(|game| (game.block, game.index));
        Ok(found)
    }

    async fn candidate(
        &self,
        kind: u32,
        game: &IDisputeGameFactory::GameSearchResult,
        factory: Address,
    ) -> Result<Option<Candidate>, BridgeError> {
        let at = IDisputeGameFactory::gameAtIndexCall { index: game.index };
        let address = self.l1.read(factory, &at).await?.proxy;
        let number = self.l1.read(address, &IDisputeGame::l2SequenceNumberCall {}).await?;
        let Ok(number) = u64::try_from(number) else { return Ok(None) };
        let (block, root) = match SUPER_KINDS.contains(&kind) {
            false => (number, game.rootClaim),
            true => {
                let chain = U256::from(self.network.l2_chain_id);
                let call = IDisputeGame::rootClaimByChainIdCall { chainId: chain };
                let root = self.l1.read(address, &call).await?;
                (self.l2.block_at(BlockTimestamp(number)).await?, root)
            }
        };
        Ok(Some(Candidate { address, index: game.index, block, root }))
    }

    /// How a game stands at L1's time `now`.
    pub(super) async fn standing(
        &self,
        game: Address,
        now: BlockTimestamp,
    ) -> Result<Standing, BridgeError> {
        let status = self.l1.read(game, &IDisputeGame::statusCall {}).await?;
        if status == CHALLENGER_WINS || !self.is_sound(game).await? {
            return Ok(Standing::Dead);
        }
        if status != IN_PROGRESS {
            let at = self.l1.read(game, &IDisputeGame::resolvedAtCall {}).await?;
            return Ok(Standing::Upheld(BlockTimestamp(at)));
        }
        let created = self.l1.read(game, &IDisputeGame::createdAtCall {}).await?;
        match self.l1.read(game, &IDisputeGame::maxClockDurationCall {}).await {
            Ok(clock) => {
                let ends = BlockTimestamp(created.saturating_add(clock));
                let is_over = now > ends;
                Ok(if is_over { Standing::Settleable } else { Standing::Running(Some(ends)) })
            }
            // Kinds of games without such a clock are settled by whoever runs them.
            Err(error) if error.is_revert() => Ok(Standing::Running(None)),
            Err(error) => Err(error),
        }
    }

    /// When a proof of then may be paid out: both waiting times over.
    pub(super) async fn payable_at(
        &self,
        proven: BlockTimestamp,
        standing: Standing,
    ) -> Result<BlockTimestamp, BridgeError> {
        let maturity = self.maturity_secs().await?;
        let gap = self.air_gap_secs().await?;
        let mature = after(proven, maturity);
        Ok(match standing {
            Standing::Running(Some(ends)) | Standing::Upheld(ends) => mature.max(after(ends, gap)),
            Standing::Settleable | Standing::Running(None) | Standing::Dead => mature,
        })
    }

    /// From a proof on L1 to its payout. Units: seconds.
    pub(super) async fn maturity_secs(&self) -> Result<u64, BridgeError> {
        let portal = self.contracts().await?.portal;
        let delay = IPortal::proofMaturityDelaySecondsCall {};
        Ok(u64::try_from(self.l1.read(portal, &delay).await?).unwrap_or(u64::MAX))
    }

    /// From a game's end to a payout against it. Units: seconds.
    pub(super) async fn air_gap_secs(&self) -> Result<u64, BridgeError> {
        let portal = self.contracts().await?.portal;
        let delay = IPortal::disputeGameFinalityDelaySecondsCall {};
        Ok(u64::try_from(self.l1.read(portal, &delay).await?).unwrap_or(u64::MAX))
    }
}
