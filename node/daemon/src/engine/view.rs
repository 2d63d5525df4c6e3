//! What others may see of a channel without asking its driver.

use alloy_primitives::{Address, B256};
use lockstep_core::channel::{Channel, is_over};
use lockstep_core::error::ProtocolError;
use lockstep_core::exposure::Floor;
use lockstep_core::ids::{ChannelId, Side, Version};
use lockstep_core::money::{Amount, Balances};
use lockstep_core::protection::TowerPolicy;
use lockstep_core::record::{ChainFacts, ChannelSetup, Marks, Phase, Withdrawal};

/// A channel as it was after its driver's last step.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) channel_id: ChannelId,
    pub(crate) setup: ChannelSetup,
    pub(crate) phase: Phase,
    pub(crate) marks: Marks,
    pub(crate) version: Version,
    pub(crate) chain: ChainFacts,
    pub(crate) balances: Balances,
    pub(crate) own_balance: Amount,
    pub(crate) spendable: Amount,
    pub(crate) pending: usize,
    pub(crate) withdrawal: Option<Withdrawal>,
    pub(crate) has_locks: bool,
    pub(crate) is_connected: bool,
    pub(crate) is_silent: bool,
    /// Whether nothing can come of it any more.
    pub(crate) is_over: bool,
    pub(crate) transaction: Option<B256>,
    pub(crate) problem: Option<String>,
    pub(crate) shelter: Shelter,
}

/// How a channel stands with its towers.
#[derive(Clone, Debug)]
pub(crate) struct Shelter {
    /// When income waits.
    pub(crate) policy: TowerPolicy,
    /// What a close behind our back would cost, if only the best of the towers answered.
    pub(crate) unprotected: Amount,
    /// Towers, by the names in their receipts, without which an older version would cost something.
    pub(crate) lacking: Vec<Address>,
    /// What to keep over a restart.
    pub(crate) floor: Floor,
    /// Income waits for towers.
    pub(crate) is_waiting: bool,
    /// The bound holds instead of the quorum.
    pub(crate) is_degraded: bool,
    /// Income was declined since everything was last protected.
    pub(crate) has_declined: bool,
}

/// What the driver knows besides the channel itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    pub(crate) is_connected: bool,
    pub(crate) is_silent: bool,
    pub(crate) transaction: Option<B256>,
    pub(crate) problem: Option<String>,
}

impl View {
    /// Takes a channel's picture.
    ///
    /// # Errors
    /// If its amounts do not add up.
    pub(crate) fn of(
        channel: &Channel,
        beside: &Beside,
        shelter: Shelter,
    ) -> Result<Self, ProtocolError> {
        let parts = channel.parts();
        let is_settled = matches!(parts.phase, Phase::Settled(_));
        // A settled channel owes what the contract paid; its old states say nothing any more.
        let (balances, own_balance, spendable) = if is_settled {
            let nothing = Balances { one: Amount::ZERO, two: Amount::ZERO };
            (nothing, Amount::ZERO, Amount::ZERO)
        } else {
            (channel.balances()?, channel.least_own_balance()?, channel.spendable()?)
        };
        Ok(Self {
            channel_id: channel.channel_id(),
            setup: parts.setup,
            phase: parts.phase.clone(),
            marks: parts.marks,
            version: channel.version(),
            chain: parts.chain,
            balances,
            own_balance,
            spendable,
            pending: parts.own_pending.len(),
            withdrawal: parts.withdrawal,
            has_locks: parts.base.as_ref().is_some_and(|base| !base.locks.is_empty()),
            is_connected: beside.is_connected,
            is_silent: beside.is_silent,
            is_over: is_over(parts),
            transaction: beside.transaction,
            problem: beside.problem.clone(),
            shelter,
        })
    }

    /// Our side.
    pub(crate) fn side(&self) -> Side {
        self.setup.side
    }

    /// What an old state could take while this node is away.
    pub(crate) fn unprotected(&self) -> Amount {
        match self.phase {
            Phase::Settled(_) => Amount::ZERO,
            Phase::Opening(_)
            | Phase::Funding { .. }
            | Phase::Open
            | Phase::Closing(_)
            | Phase::Disputed(_) => self.shelter.unprotected,
        }
    }

    /// Whether payments may be made.
    pub(crate) fn is_payable(&self) -> bool {
        self.phase == Phase::Open && self.marks == Marks::default()
    }

    /// Whether the contract has paid, finally.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(&self.phase, Phase::Settled(settlement) if settlement.is_final)
    }
}
