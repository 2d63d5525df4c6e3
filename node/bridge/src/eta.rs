//! When the next step of a transfer is expected, and when its money arrives.
//!
//! Every time is read from the chains: how far finality lags now, a block's own time, a bridge's own delays. It
//! is told to people and decides nothing; where it can't be read none is told.

use crate::error::BridgeError;
use crate::reading::Reader;
use crate::rollup::Progress;
use crate::step::{Next, Waiting};
use alloy_primitives::B256;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::transfer::{TransferEvent, TransferRecord};

/// What a rollup tells of its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WayOut {
    /// When the next root is expected on L1.
    pub(crate) next_root: Option<BlockTimestamp>,
    /// From a root on L1 to the payout against it. Units: seconds.
    pub(crate) secs: u64,
    /// When the proof that is on L1 may be paid out.
    pub(crate) payable: Option<BlockTimestamp>,
}

pub(crate) fn after(time: BlockTimestamp, secs: u64) -> BlockTimestamp {
    BlockTimestamp(time.0.saturating_add(secs))
}

/// Both chains, L1 first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks<'a> {
    pub(crate) l1: &'a Reader,
    pub(crate) l2: &'a Reader,
}

impl Clocks<'_> {
    /// On the way in: `start` is our transaction on L1, `caused` what the rollup makes of it.
    pub(crate) async fn way_in(
        self,
        start: Option<B256>,
        caused: Option<B256>,
        next: Next,
    ) -> Result<Next, BridgeError> {
        match next.waiting {
            Waiting::ForInclusion => {
                let now = self.l1.head().await?.timestamp;
                let least = self.l1.lag_secs().await?.saturating_add(self.l2.lag_secs().await?);
                Ok(next.arriving(after(now, least)))
            }
            Waiting::ForL1Finality => {
                let Some(time) = final_by(self.l1, start).await? else { return Ok(next) };
                let arrives = after(time, self.l2.lag_secs().await?);
                Ok(Next { expected_at: next.expected_at.or(Some(time)), ..next }.arriving(arrives))
            }
            Waiting::ForL2Finality => {
                let Some(time) = final_by(self.l2, caused).await? else { return Ok(next) };
                Ok(Next { expected_at: next.expected_at.or(Some(time)), ..next }.arriving(time))
            }
            Waiting::ForOrder
            | Waiting::ForDelivery
            | Waiting::ForRoot
            | Waiting::ForProof
            | Waiting::ForMaturity
            | Waiting::ForJudgement
            | Waiting::ForPayout
            | Waiting::ForUnpause
            | Waiting::ForOperator
            | Waiting::Nothing => Ok(next),
        }
    }

    /// On the way out: `start` is our transaction on the rollup.
    pub(crate) async fn way_out(
        self,
        start: Option<B256>,
        way: WayOut,
        next: Next,
    ) -> Result<Next, BridgeError> {
        let now = self.l1.head().await?.timestamp;
        let (expected_at, arrives) = match next.waiting {
            Waiting::ForInclusion => (None, after(now, way.secs)),
            Waiting::ForL2Finality => {
                let time = final_by(self.l2, start).await?;
                (time, after(time.unwrap_or(now).max(now), way.secs))
            }
            Waiting::ForRoot => {
                (way.next_root, after(way.next_root.unwrap_or(now).max(now), way.secs))
            }
            Waiting::ForProof => {
                let time = after(now, self.l1.lag_secs().await?);
                (Some(time), way.payable.unwrap_or(after(now, way.secs)).max(time))
            }
            Waiting::ForMaturity | Waiting::ForJudgement => {
                let time = next.expected_at.or(way.payable);
                let lag = self.l1.lag_secs().await?;
                (time, after(time.unwrap_or(now).max(now), lag))
            }
            Waiting::ForPayout => {
                let time = after(now, self.l1.lag_secs().await?);
                (Some(time), time)
            }
            Waiting::ForOrder
            | Waiting::ForL1Finality
            | Waiting::ForDelivery
            | Waiting::ForUnpause
            | Waiting::ForOperator
            | Waiting::Nothing => return Ok(next),
        };
        Ok(Next { expected_at, ..next }.arriving(arrives))
    }
}

async fn final_by(chain: &Reader, tx: Option<B256>) -> Result<Option<BlockTimestamp>, BridgeError> {
    match tx {
        Some(tx) => chain.final_by(tx).await,
        None => Ok(None),
    }
}

/// The transaction that started a transfer, as far as it is known by now.
pub(crate) fn start_of(record: &TransferRecord, progress: &Progress) -> Option<B256> {
    let included = progress
        .events
        .iter()
        .find_map(|event| if let TransferEvent::Included(key) = event { Some(*key) } else { None });
    included.or(record.transfer.key).map(|key| key.tx)
}

/// Whether no time can be told: only somebody else knows it, or nothing is waited for.
pub(crate) fn is_timeless(waiting: Waiting) -> bool {
    use Waiting as W;
    matches!(waiting, W::ForOrder | W::ForUnpause | W::ForOperator | W::Nothing)
}

/// A time that could not be read is none: the transfer goes on without.
pub(crate) fn told(before: Next, found: Result<Next, BridgeError>) -> Next {
    found.unwrap_or_else(|error| {
        tracing::debug!(error = %error, "no time can be told for a transfer");
        before
    })
}
