//! What the tower tells its operator and its clients.

use alloy_primitives::B256;
use lockstep_chain::alarm::Alarm;
use lockstep_core::ids::{ChannelId, Version};
use lockstep_core::time::BlockTimestamp;
use lockstep_p2p::tower::message::Acted;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Something was done about a close; for the clients of the channel.
    Acted(Acted),
    /// A close below a promised version was settled: the promise is broken.
    Failed {
        /// Which channel.
        channel_id: ChannelId,
        /// What was settled.
        settled: Version,
        /// What was held.
        held: Version,
    },
    /// A close is not answered finally and half of its time is gone.
    HalfOfWindow {
        /// Which channel.
        channel_id: ChannelId,
        /// The end of the challenge period.
        before: BlockTimestamp,
    },
    /// The chain side needs somebody to look.
    Chain(Alarm),
}

/// A transaction, if one is known.
pub(crate) fn known(transaction: B256) -> Option<B256> {
    (!transaction.is_zero()).then_some(transaction)
}
