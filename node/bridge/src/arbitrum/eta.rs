//! Times of an Arbitrum chain: the waiting time of an assertion, as its rollup contract has it.

use super::Arbitrum;
use super::withdrawing::L1_BLOCK_SECS;
use crate::error::BridgeError;
use crate::eta::{Clocks, WayOut, is_timeless, start_of, told};
use crate::rollup::Progress;
use crate::step::Next;
use lockstep_core::transfer::{TransferRecord, TransferStage};

impl Arbitrum {
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
        let (start, next) = (start_of(record, progress), progress.next);
        if is_timeless(next.waiting) {
            return Ok(next);
        }
        let clocks = Clocks { l1: &self.l1, l2: &self.l2 };
        match record.transfer.stage {
            TransferStage::Deposit(_) => clocks.way_in(start, None, next).await,
            TransferStage::Withdraw(_) => {
                // Assertions come when a validator likes: only the wait that follows on one is known.
                let secs = self.site().await?.confirm_blocks.saturating_mul(L1_BLOCK_SECS);
                let way = WayOut { next_root: None, secs, payable: next.expected_at };
                clocks.way_out(start, way, next).await
            }
        }
    }
}
