//! What a transfer is ordered with, and what it will cost.

use crate::step::{Call, Step};
use alloy_primitives::{Address, B256, U256};
use lockstep_chain::call::Contracts;
use lockstep_core::entry::EntryCall;
use lockstep_core::ids::ChannelId;
use lockstep_core::money::Amount;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::transfer::TransferRecord;

/// Fund a channel from L1.
#[derive(Clone, Debug)]
pub struct FundOrder {
    /// Our own name for it: two orders with one name are one transfer.
    pub id: B256,
    /// The L1 account that pays.
    pub payer: Address,
    /// The rollup's account that gets what a failed delivery leaves behind.
    pub refund_to: Address,
    /// The contracts on the rollup.
    pub contracts: Contracts,
    /// The channel.
    pub channel_id: ChannelId,
    /// Open, join or deposit, as it would be called on the rollup itself.
    pub call: EntryCall,
    /// The token on L1; zero is the native coin.
    pub l1_token: Address,
}

/// Withdraw from the rollup to L1.
#[derive(Clone, Copy, Debug)]
pub struct WithdrawOrder {
    /// Our own name for it: two orders with one name are one transfer.
    pub id: B256,
    /// The rollup's account that pays.
    pub owner: Address,
    /// The L1 account that proves and finalizes.
    pub prover: Address,
    /// Who gets it on L1.
    pub recipient: Address,
    /// The token on the rollup; zero is the native coin.
    pub l2_token: Address,
    /// How much.
    pub amount: Amount,
}

/// A call that L1 is to put into the rollup.
#[derive(Clone, Debug)]
pub struct ForceOrder {
    /// The L1 account that pays.
    pub payer: Address,
    /// Whom on the rollup.
    pub to: Address,
    /// With what.
    pub data: alloy_primitives::Bytes,
    /// Gas that the call takes on the rollup at most, should the rollup not answer an estimate.
    pub usual_gas: u64,
}

/// What a transfer will cost and how long it takes, all of it read from the chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Gas on L1 over all steps.
    pub l1_gas: u64,
    /// What that gas costs now. Units: wei.
    pub l1_fee: U256,
    /// Gas that the delivery has on the rollup.
    pub l2_gas: u64,
    /// Units: seconds until the money is final at its destination, as far as the bridge's own delays go.
    pub least_secs: u64,
    /// L1's clock when the plan was made.
    pub made_at: BlockTimestamp,
}

impl Plan {
    /// When the money is at its destination at the earliest.
    pub fn arrives_at(&self) -> BlockTimestamp {
        BlockTimestamp(self.made_at.0.saturating_add(self.least_secs))
    }
}

/// A transfer that may begin: everything was checked, nothing was sent.
#[derive(Clone, Debug)]
pub struct Start {
    /// The transfer in its first stage, with the adapter's notes. It must be durable before anything is sent.
    pub record: TransferRecord,
    /// The first transaction.
    pub step: Step,
    /// What it calls.
    pub call: Call,
    /// What to expect.
    pub plan: Plan,
}
