//! What a person must look at. The chain side goes on meanwhile, on the safe side.

use crate::endpoint::EndpointName;
use alloy_primitives::{Address, B256, U256};
use lockstep_core::chain::ObligationKey;
use lockstep_core::entry::EntryId;
use lockstep_core::ids::ChannelId;
use lockstep_core::time::{BlockNumber, BlockTimestamp, Finality};

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Two endpoints show different blocks of one height. At the head this may be an ordinary fork;
    /// among finalized blocks one of them lies or is broken, and nothing is credited.
    BlocksDiffer {
        /// Height.
        number: BlockNumber,
        /// One endpoint and its block.
        one: (EndpointName, B256),
        /// Another endpoint and its block.
        other: (EndpointName, B256),
        /// How settled both say the height is.
        finality: Finality,
    },
    /// Two endpoints show the same block with different logs: one leaves some out, or invents some.
    LogsDiffer {
        /// The block.
        number: BlockNumber,
        /// One endpoint.
        one: EndpointName,
        /// Another endpoint.
        other: EndpointName,
    },
    /// An endpoint's receipts hold logs that its log query left out. They were used.
    LogsOmitted {
        /// Which endpoint.
        endpoint: EndpointName,
        /// The block.
        number: BlockNumber,
    },
    /// A channel's stored status shows a close that no log has shown. It was acted on.
    CloseWithoutLog {
        /// The channel.
        channel_id: ChannelId,
    },
    /// An endpoint failed in this step.
    EndpointDown {
        /// Which.
        endpoint: EndpointName,
    },
    /// An endpoint contradicts the finalized block of our cursor. It is left out.
    EndpointOnOtherChain {
        /// Which.
        endpoint: EndpointName,
        /// The block.
        number: BlockNumber,
    },
    /// An endpoint served another chain or other code at the start. It is asked nothing until the next start.
    EndpointLeftOut {
        /// Which.
        endpoint: EndpointName,
    },
    /// An endpoint answers, but its newest block is far older than another one's.
    EndpointBehind {
        /// Which.
        endpoint: EndpointName,
    },
    /// An endpoint showed a channel as closing that a quorum's finalized blocks show as open, with no trace of a
    /// close. What it says about stored channels is not believed any more until the next start.
    CloseNeverWas {
        /// The channel.
        channel_id: ChannelId,
        /// Which endpoint.
        endpoint: EndpointName,
    },
    /// A close was removed by a reorganisation long ago, and its transaction may still come back, so that the
    /// channel can't be used. It can be closed.
    CloseMayComeBack {
        /// The channel.
        channel_id: ChannelId,
    },
    /// No endpoint has shown a new block for far longer than the network takes for one.
    ChainStandsStill {
        /// Its newest block.
        number: BlockNumber,
    },
    /// The fee that a call needs is above what its channel is worth.
    BudgetReached {
        /// Which call.
        key: ObligationKey,
        /// What would be needed. Units: wei per gas.
        needed: u128,
        /// What may be paid. Units: wei per gas.
        cap: u128,
    },
    /// The fee that a payment needs is above what was allowed for it: it stays in the pool at what it offers.
    PaymentOverBudget {
        /// Which payment, or step of a bridge.
        id: EntryId,
        /// What would be needed. Units: wei per gas.
        needed: u128,
        /// What may be paid. Units: wei per gas.
        cap: u128,
    },
    /// An account cannot pay for a call.
    AccountEmpty {
        /// Which account.
        account: Address,
        /// What it should have. Units: wei.
        needed: U256,
        /// What it has. Units: wei.
        balance: U256,
    },
    /// The accounts together could not pay for closing all channels at once at ten times today's price.
    ReserveLow {
        /// What they should have. Units: wei.
        needed: U256,
        /// What they have. Units: wei.
        balance: U256,
    },
    /// What is owed could not be made durable; a call that must not wait was sent all the same.
    StoreFailed {
        /// Which call.
        key: ObligationKey,
    },
    /// A call with a deadline is not included, and it is time to go through L1.
    ForceThroughL1 {
        /// Which call.
        key: ObligationKey,
        /// Its deadline.
        before: BlockTimestamp,
    },
    /// A call with a deadline is not included after half of its window.
    HalfOfWindow {
        /// Which call.
        key: ObligationKey,
        /// Its deadline.
        before: BlockTimestamp,
    },
}
