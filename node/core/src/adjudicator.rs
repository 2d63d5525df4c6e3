//! The contract once more, in Rust: one channel on chain and every rule about it.
//!
//! A differential test holds this model and the compiled contract to each other, step by step. The node
//! uses [`acceptance`] before it signs, so that it never signs what the contract would refuse; the
//! simulator uses the whole as its chain.
//!
//! What it leaves out: who holds which tokens, gas, re-entry, wallets that are contracts (EIP-1271),
//! launch caps and deposit boxes. Payouts come out as data; whether a push succeeded is the caller's to
//! say, by booking a failed one in [`Credits`].

use crate::chain::{ChainFact, ChannelStatus, CloseMode};
use crate::digest::SigningDomain;
use crate::ids::{AccountRef, ChannelId, Domain, Side, Version};
use crate::money::{Amount, Deposits, Net, RawNet};
use crate::signature::StateSignature;
use crate::state::{PartialWithdraw, State, StateKind};
use crate::terms::{PeriodBounds, Terms};
use crate::time::BlockTimestamp;
use alloy_primitives::B256;

pub mod acceptance;
mod credit;
mod entry;
mod exit;
mod refusal;
mod resolve;

pub use credit::Credits;
pub use refusal::Refusal;
pub use resolve::{LockOutcome, decide_lock};

/// A state as calldata presents it: nothing about it has been checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PresentedState {
    /// Version.
    pub version: Version,
    /// 0 ordinary, 1 final, else refused.
    pub kind: u8,
    /// Any number.
    pub net: RawNet,
    /// Any number.
    pub locked1: Amount,
    /// Any number.
    pub locked2: Amount,
    /// Any root.
    pub locks_root: B256,
}

impl From<&State> for PresentedState {
    fn from(state: &State) -> Self {
        Self {
            version: state.version,
            kind: state.kind.number(),
            net: state.net.into(),
            locked1: state.locked1,
            locked2: state.locked2,
            locks_root: state.locks_root,
        }
    }
}

/// A partial withdrawal as calldata presents it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PresentedWithdraw {
    /// Version.
    pub version: Version,
    /// Any number.
    pub net: RawNet,
    /// Any number.
    pub locked1: Amount,
    /// Any number.
    pub locked2: Amount,
    /// Any root.
    pub locks_root: B256,
    /// To participant 1.
    pub out1: Amount,
    /// To participant 2.
    pub out2: Amount,
    /// Last second at which it may be executed.
    pub deadline: BlockTimestamp,
}

impl From<&PartialWithdraw> for PresentedWithdraw {
    fn from(withdraw: &PartialWithdraw) -> Self {
        Self {
            version: withdraw.version,
            net: withdraw.net.into(),
            locked1: withdraw.locked1,
            locked2: withdraw.locked2,
            locks_root: withdraw.locks_root,
            out1: withdraw.out1,
            out2: withdraw.out2,
            deadline: withdraw.deadline,
        }
    }
}

/// Both signatures, in the order of the sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signatures {
    /// By signer 1.
    pub one: StateSignature,
    /// By signer 2.
    pub two: StateSignature,
}

/// Side 2's consent as calldata presents it; an empty signature means that none is given at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PresentedConsent {
    /// Deposit of side 1 below which it does not count.
    pub min_deposit1: Amount,
    /// Last second at which it counts.
    pub deadline: BlockTimestamp,
    /// 64 or 65 bytes.
    pub signature: Vec<u8>,
}

/// An order to close as calldata presents it; side 0 means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PresentedIntent {
    /// 1, 2, 0 for none, else refused.
    pub side: u8,
    /// The least version to close with.
    pub min_version: Version,
    /// Last second at which it counts.
    pub deadline: BlockTimestamp,
    /// By that side's signer.
    pub signature: StateSignature,
}

impl PresentedIntent {
    /// No order.
    pub const NONE: Self = Self {
        side: 0,
        min_version: Version::ZERO,
        deadline: BlockTimestamp(0),
        signature: StateSignature([0; 64]),
    };
}

/// Who calls, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// `msg.sender`.
    pub sender: AccountRef,
    /// `block.timestamp`.
    pub now: BlockTimestamp,
}

/// The newest state that the chain has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Point {
    /// Its version; zero if there is none.
    pub version: Version,
    /// Ordinary or final.
    pub kind: StateKind,
    /// Its net.
    pub net: Net,
    /// Its locks' root.
    pub locks_root: B256,
}

/// What the contract stores about one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slots {
    /// Status.
    pub status: ChannelStatus,
    /// Deposits; nothing once closed.
    pub deposits: Deposits,
    /// The stored point. Once closed: the settled version, and the root while locks are undecided.
    pub point: Point,
    /// Locked by side 1; once closed, what is still held.
    pub held1: Amount,
    /// Locked by side 2; once closed, what is still held.
    pub held2: Amount,
    /// Which locks are decided, bit by bit.
    pub resolved: u32,
    /// End of the challenge period, if one was ever started.
    pub closes_at: Option<BlockTimestamp>,
    /// Who started it.
    pub initiator: Option<Side>,
    /// Version of the last partial withdrawal; zero if there was none.
    pub withdraw_version: Version,
    /// How it was closed.
    pub mode: Option<CloseMode>,
}

impl Slots {
    /// A channel that nobody has opened.
    pub const EMPTY: Self = Self {
        status: ChannelStatus::None,
        deposits: Deposits::ZERO,
        point: Point {
            version: Version::ZERO,
            kind: StateKind::Ordinary,
            net: Net::ZERO,
            locks_root: B256::ZERO,
        },
        held1: Amount::ZERO,
        held2: Amount::ZERO,
        resolved: 0,
        closes_at: None,
        initiator: None,
        withdraw_version: Version::ZERO,
        mode: None,
    };
}

/// Money that leaves the contract, or that it owes an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Payout {
    /// Whose participant.
    pub side: Side,
    /// How much; never zero.
    pub amount: Amount,
}

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is stored now.
    pub next: Slots,
    /// What is pushed, in order; a push that fails becomes a credit.
    pub payouts: Vec<Payout>,
    /// What becomes a credit at once, because the channel cannot take it.
    pub credits: Vec<Payout>,
    /// What is told to the world, in order.
    pub events: Vec<ChainFact>,
}

impl Step {
    /// A step that moves no money.
    fn quiet(next: Slots, events: Vec<ChainFact>) -> Self {
        Self { next, payouts: vec![], credits: vec![], events }
    }

    /// A step that does nothing at all.
    fn nothing(slots: Slots) -> Self {
        Self::quiet(slots, vec![])
    }
}

/// One channel on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjudicator {
    domain: SigningDomain,
    bounds: PeriodBounds,
    terms: Terms,
    channel_id: ChannelId,
    slots: Slots,
}

impl Adjudicator {
    /// The channel of these terms, before anybody opened it.
    pub fn new(domain: Domain, bounds: PeriodBounds, terms: Terms) -> Self {
        Self {
            domain: SigningDomain::new(domain),
            bounds,
            terms,
            channel_id: terms.channel_id(domain),
            slots: Slots::EMPTY,
        }
    }

    /// The channel's id.
    pub fn channel_id(&self) -> ChannelId {
        self.channel_id
    }

    /// The channel's terms.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What is stored.
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Takes over what a call did.
    pub fn apply(&mut self, step: &Step) {
        self.slots = step.next;
    }

    /// Refuses any status but one.
    fn require_status(&self, wanted: ChannelStatus) -> Result<(), Refusal> {
        if self.slots.status == wanted {
            Ok(())
        } else {
            Err(Refusal::WrongStatus { status: self.slots.status })
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests;
