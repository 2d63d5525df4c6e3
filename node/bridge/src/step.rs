//! The steps of a transfer: what is called, on which chain, and what one waits for.

use alloy_primitives::{Address, Bytes, U256};
use lockstep_core::time::BlockTimestamp;

/// One of the two chains of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Ethereum, or whatever the rollup settles on.
    L1,
    /// The rollup.
    L2,
}

/// What a transaction of a transfer is for; part of its name, so that it is sent once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// Lets a bridge take a token.
    Approve,
    /// Moves the money: the only step that does.
    Start,
    /// Brings what has arrived in a deposit box to the channel.
    Collect,
    /// Runs a failed delivery again.
    Replay,
    /// Keeps an undelivered message alive.
    KeepAlive,
    /// Fetches the money of a failed delivery.
    Refund,
    /// Proves a withdrawal on L1.
    Prove,
    /// Settles whatever a proof waits for.
    Resolve,
    /// Settles the second part of it.
    ResolveAll,
    /// Pays out on L1.
    Finalize,
    /// Makes L1 put a call into the rollup.
    Force,
    /// Makes the rollup read what L1 holds for it.
    Include,
}

impl StepKind {
    /// A number that never changes.
    pub fn number(self) -> u8 {
        match self {
            Self::Approve => 1,
            Self::Start => 2,
            Self::Collect => 3,
            Self::Replay => 4,
            Self::KeepAlive => 5,
            Self::Refund => 6,
            Self::Prove => 7,
            Self::Resolve => 8,
            Self::ResolveAll => 9,
            Self::Finalize => 10,
            Self::Force => 11,
            Self::Include => 12,
        }
    }
}

/// A transaction of a transfer by its name. One name is one payment, however often it is asked for; a failed
/// step that may be tried again gets the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// What it is for.
    pub kind: StepKind,
    /// Counted from zero.
    pub attempt: u8,
}

/// A call that a step makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// On which chain.
    pub layer: Layer,
    /// Whom.
    pub to: Address,
    /// Native coin that goes along. Units: wei.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
    /// Gas that it has at least, whatever an estimate says; zero leaves it to the estimate.
    pub least_gas: u64,
}

/// What a transfer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// For the order: it was kept, and no life of this node has sent it.
    ForOrder,
    /// For a transaction of ours to be in a block.
    ForInclusion,
    /// For L1 to be final.
    ForL1Finality,
    /// For the rollup to deliver.
    ForDelivery,
    /// For the rollup to be final.
    ForL2Finality,
    /// For somebody to propose a root on L1 that holds the withdrawal.
    ForRoot,
    /// For the proof to be on L1, finally.
    ForProof,
    /// For the rollup's waiting time.
    ForMaturity,
    /// For the game, or whatever judges the root, to end.
    ForJudgement,
    /// For the payout on L1 to be final.
    ForPayout,
    /// For somebody to lift a pause of the bridge.
    ForUnpause,
    /// For the person who runs the node: it can't go on by itself.
    ForOperator,
    /// For nothing: it is over.
    Nothing,
}

/// What comes next, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Next {
    /// What is waited for.
    pub waiting: Waiting,
    /// When that is expected on the chain's clock, as far as it can be read.
    pub expected_at: Option<BlockTimestamp>,
    /// When the money is at its destination, if all goes on as it does now, as far as that can be read.
    pub arrives_at: Option<BlockTimestamp>,
}

impl Next {
    /// Without a time that anybody could know.
    pub fn unknown(waiting: Waiting) -> Self {
        Self { waiting, expected_at: None, arrives_at: None }
    }

    /// With a time.
    pub fn at(waiting: Waiting, time: BlockTimestamp) -> Self {
        Self { waiting, expected_at: Some(time), arrives_at: None }
    }

    /// The same, with the time when the money arrives.
    #[must_use]
    pub fn arriving(self, time: BlockTimestamp) -> Self {
        Self { arrives_at: Some(time), ..self }
    }
}
