//! The stored status of every channel, asked for now and then: for closes that no log has shown.
//!
//! A part of the channels at a time, so that a million of them keep no answer waiting.

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolCall;
use lockstep_chain::rpc::CallRequest;
use lockstep_chain::{convert, decode};
use lockstep_contracts::bindings::PaymentChannel::channelOfCall;
use lockstep_core::ids::{ChannelId, Version};
use lockstep_core::time::BlockTimestamp;

use super::{Watch, WatchError};
use crate::record::SeenClose;

/// Polls from the start of a sweep to the start of the next one, at least.
const SWEEP_EVERY: u32 = 50;
/// Channels whose stored status is asked for in one batch; public endpoints refuse much larger ones.
const SWEEP_BATCH: usize = 50;
/// Batches at one poll. At a poll in two seconds a million channels are looked at in three hours, several times
/// in the shortest window.
const BATCHES_AT_ONCE: usize = 4;

/// How far a sweep has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sweep {
    /// The last channel that was asked for; none between two sweeps.
    after: Option<ChannelId>,
    /// Polls since it began; none before the first.
    since: Option<u32>,
}

impl Sweep {
    /// Whether something is to be asked at this poll.
    fn is_due(&mut self) -> bool {
        self.since = self.since.map(|polls| polls.saturating_add(1));
        let may_begin = self.since.is_none_or(|polls| polls >= SWEEP_EVERY);
        if self.after.is_none() && may_begin {
            self.since = Some(0);
            return true;
        }
        self.after.is_some()
    }
}

impl Watch {
    /// The next part of a sweep, if it is time.
    pub(super) async fn sweep(&mut self) -> Result<(), WatchError> {
        if !self.sweep.is_due() {
            return Ok(());
        }
        for _ in 0..BATCHES_AT_ONCE {
            let ids = self.store.channels(self.sweep.after, SWEEP_BATCH).await?;
            self.sweep.after = ids.last().copied();
            if ids.is_empty() {
                return Ok(());
            }
            self.sweep_over(&ids).await;
        }
        Ok(())
    }

    /// Asks every endpoint: one of them may stand still or leave something out.
    async fn sweep_over(&mut self, ids: &[ChannelId]) {
        let request = |id: &ChannelId| {
            let data = channelOfCall { channelId: id.0 }.abi_encode().into();
            (CallRequest::view(self.contracts.channel, data), "latest")
        };
        let params: Vec<_> = ids.iter().map(request).collect();
        let asked = self.endpoints.ask_all(|endpoint| endpoint.batch("eth_call", &params)).await;
        let mut found: Vec<(ChannelId, Version, BlockTimestamp)> = Vec::new();
        for answer in asked {
            let answers: Vec<Bytes> = match answer {
                Ok(answers) => answers,
                Err(error) => {
                    tracing::warn!(%error, "an endpoint is left out of the sweep");
                    continue;
                }
            };
            for (id, data) in ids.iter().zip(&answers) {
                let running = decode::channel(data).as_ref().and_then(convert::running_close);
                if let Some((point, closes_at, _)) = running {
                    found.push((*id, point.version, closes_at));
                }
            }
        }
        // What shows nothing new is left out there.
        let news = found.into_iter().map(|(id, version, closes_at)| {
            (id, SeenClose { version, closes_at, transaction: B256::ZERO })
        });
        let news = news.collect();
        self.seen(news).await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn p73_a_sweep_goes_on_at_each_poll_until_it_is_through_and_begins_again_later() {
        let mut sweep = Sweep::default();
        assert!(sweep.is_due(), "at once after a start");
        sweep.after = Some(ChannelId(B256::repeat_byte(1)));
        assert!(sweep.is_due() && sweep.is_due(), "it goes on");
        sweep.after = None;
        let pause = (0..).take_while(|_| !sweep.is_due()).count();
        assert_eq!(pause, usize::try_from(SWEEP_EVERY).unwrap() - 3);
    }
}
