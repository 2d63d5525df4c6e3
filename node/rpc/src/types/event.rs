//! What happened, in order, so that a caller who was away misses nothing.

use super::channel::Channel;
use super::payment::Payment;
use super::value::{ChannelIdText, HashText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line of events with a count of its own.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    /// Payments that became final or failed. The index is that of the payment.
    Payments,
    /// Steps in the life of channels.
    Channels,
    /// Closes on the chain: seen, answered, gone, settled; and what freezes a channel.
    Disputes,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Payments, Self::Channels, Self::Disputes];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::Channels => "channels",
            Self::Disputes => "disputes",
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place in its line, counted from 0 without a gap, also across restarts.
    pub index: u64,
    /// When it became durable. Units: seconds since 1970.
    pub at: u64,
    /// What happened.
    pub body: EventBody,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EventBody {
    /// A payment became final or failed.
    Payment {
        /// The payment.
        payment: Box<Payment>,
    },
    /// A channel took a step.
    Channel {
        /// The step, such as `opened`, `funded`, `withdrawn`, `settled`.
        what: String,
        /// The step in one sentence.
        message: String,
        /// The channel as it was when the event was read, if it is still there.
        channel: Option<Box<Channel>>,
        /// Which channel.
        channel_id: ChannelIdText,
    },
    /// Something about a close or a frozen channel.
    Dispute {
        /// What, such as `closeSeen`, `closeVanished`, `challenged`, `frozen`, `restored`.
        what: String,
        /// The same in one sentence.
        message: String,
        /// Which channel.
        channel_id: ChannelIdText,
        /// The version that it is about.
        version: Option<u64>,
        /// The end of the challenge period. Units: seconds since 1970, by the chain's clock.
        closes_at: Option<u64>,
        /// Our transaction, if it is about one.
        transaction: Option<HashText>,
    },
}

/// Chooses events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListEvents {
    /// Which line.
    pub kind: EventKind,
    /// From this index on; none is the oldest that is kept.
    pub from_index: Option<u64>,
    /// How many at most; none is 100, the most is 1,000.
    pub limit: Option<u32>,
}

/// Some events, by rising index without a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
    /// The index that the event after these has or will have.
    pub next_index: u64,
}
