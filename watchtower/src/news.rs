//! What the tower tells its operator and its clients.

use alloy_primitives::B256;
use lockstep_chain::alarm::Alarm;
use lockstep_chain::endpoint::EndpointName;
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
    /// An answer that must go through L1 does not get through: no endpoint of L1 answers, the rollup's contracts there
    /// are not what they should be, or the call is refused or too dear. It stands until [`Self::EscapeWorks`].
    EscapeFails {
        /// The rollup.
        chain_id: u64,
    },
    /// Nothing that must go through L1 is held up any more.
    EscapeWorks {
        /// The rollup.
        chain_id: u64,
    },
    /// The chain side needs somebody to look.
    Chain(Alarm),
}

/// What an alarm is about: two of the same are one that lasts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// Its name, for people and machines.
    pub kind: &'static str,
    /// Which channel, if it is about one.
    pub channel_id: Option<ChannelId>,
    /// Which endpoint, if it is about one.
    pub endpoint: Option<String>,
}

impl Cause {
    /// The same on L1, which has accounts and endpoints of its own.
    pub(crate) fn on_l1(alarm: &Alarm) -> Self {
        let cause = Self::of(alarm);
        let endpoint = cause.endpoint.map_or_else(|| "L1".to_owned(), |name| format!("L1 {name}"));
        Self { endpoint: Some(endpoint), ..cause }
    }

    /// What an alarm of the chain side is about.
    pub fn of(alarm: &Alarm) -> Self {
        let plain = |kind| Self { kind, channel_id: None, endpoint: None };
        let channel = |kind, id: &ChannelId| Self { channel_id: Some(*id), ..plain(kind) };
        let endpoint =
            |kind, name: &EndpointName| Self { endpoint: Some(name.to_string()), ..plain(kind) };
        match alarm {
            Alarm::BlocksDiffer { .. } => plain("blocksDiffer"),
            Alarm::LogsDiffer { .. } => plain("logsDiffer"),
            Alarm::LogsOmitted { endpoint: name, .. } => endpoint("logsOmitted", name),
            Alarm::CloseWithoutLog { channel_id } => channel("closeWithoutLog", channel_id),
            Alarm::EndpointDown { endpoint: name } => endpoint("endpointDown", name),
            Alarm::EndpointOnOtherChain { endpoint: name, .. } => {
                endpoint("endpointOnOtherChain", name)
            }
            Alarm::EndpointLeftOut { endpoint: name } => endpoint("endpointLeftOut", name),
            Alarm::EndpointBehind { endpoint: name } => endpoint("endpointBehind", name),
            Alarm::CloseNeverWas { channel_id, .. } => channel("closeNeverWas", channel_id),
            Alarm::CloseMayComeBack { channel_id } => channel("closeMayComeBack", channel_id),
            Alarm::ChainStandsStill { .. } => plain("chainStandsStill"),
            Alarm::BudgetReached { key, .. } => channel("budgetReached", &key.channel_id),
            Alarm::PaymentOverBudget { .. } => plain("paymentOverBudget"),
            Alarm::AccountEmpty { .. } => plain("accountEmpty"),
            Alarm::ReserveLow { .. } => plain("reserveLow"),
            Alarm::StoreFailed { .. } => plain("storeFailed"),
            Alarm::ForceThroughL1 { key, .. } => channel("forceThroughL1", &key.channel_id),
            Alarm::HalfOfWindow { key, .. } => channel("halfOfWindow", &key.channel_id),
        }
    }
}

/// A transaction, if one is known.
pub(crate) fn known(transaction: B256) -> Option<B256> {
    (!transaction.is_zero()).then_some(transaction)
}
