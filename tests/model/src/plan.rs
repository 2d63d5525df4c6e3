//! How large a search is, who is honest, and which fault is planted.

use crate::ledger::{Side, Step};

/// A fault that a search must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// What is sent reaches the disk only later.
    NoPersist,
    /// The proposer gives a rejected version to other content.
    VersionReuse,
    /// The acceptor countersigns an older proposal after a newer one.
    OlderAfterNewer,
    /// The acceptor does not check what a state says about money.
    NoValidation,
    /// A time-out makes the proposer forget what is in flight.
    ForgetsInFlight,
    /// A crash loses the list of locks.
    LostLocks,
    /// Nobody re-sends anything after a reconnect.
    NoReplay,
    /// The proposer never includes the acceptor's intents.
    DeafProposer,
}

/// One search.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which side is the adversary; none if both are honest and only the network is hostile.
    pub adversary: Option<Side>,
    /// Side One's updates.
    pub script_one: Vec<Step>,
    /// Side Two's updates.
    pub script_two: Vec<Step>,
    /// Proposals in flight.
    pub width: usize,
    /// The highest version that an adversary proposes.
    pub max_version: u8,
    /// Messages that the network may lose.
    pub losses: u8,
    /// Messages that the network may repeat.
    pub repeats: u8,
    /// Crashes, over both sides.
    pub crashes: u8,
    /// Proposals that an acceptor may reject. Fewer than `width`, or an honest proposer runs out of room.
    pub rejections: u8,
    /// Ticks between the start of a close and its deadline.
    pub window: u8,
    /// Ticks for which nobody may watch the chain for the honest side, once.
    pub outage: u8,
    /// The last tick at which the secret may be registered.
    pub expiry: u8,
    /// The planted fault.
    pub fault: Option<Fault>,
}

impl Plan {
    /// One honest side, one adversary that also owns the network, a contract and a tower.
    #[must_use]
    pub fn hostile(adversary: Side) -> Self {
        Self {
            adversary: Some(adversary),
            script_one: vec![Step::Pay, Step::Lock],
            script_two: vec![Step::Pay, Step::Settle],
            width: 2,
            max_version: 3,
            losses: 0,
            repeats: 0,
            crashes: 1,
            rejections: 1,
            window: 3,
            outage: 2,
            expiry: 4,
            fault: None,
        }
    }

    /// Two honest sides and a network that loses, repeats and reorders; no chain.
    #[must_use]
    pub fn honest() -> Self {
        Self {
            adversary: None,
            losses: 1,
            repeats: 1,
            crashes: 0,
            rejections: 0,
            ..Self::hostile(Side::Two)
        }
    }

    /// The same with fewer updates and every kind of trouble at once.
    #[must_use]
    pub fn troubled() -> Self {
        Self {
            script_one: vec![Step::Pay],
            script_two: vec![Step::Pay],
            crashes: 1,
            rejections: 1,
            ..Self::honest()
        }
    }

    /// The same with a planted fault.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// The same with this many crashes.
    #[must_use]
    pub fn crashing(mut self, crashes: u8) -> Self {
        self.crashes = crashes;
        self
    }

    /// The same with both scripts swapped: the acceptor locks.
    #[must_use]
    pub fn mirrored(mut self) -> Self {
        std::mem::swap(&mut self.script_one, &mut self.script_two);
        self
    }

    /// A side's updates.
    #[must_use]
    pub fn script(&self, side: Side) -> &[Step] {
        match side {
            Side::One => &self.script_one,
            Side::Two => &self.script_two,
        }
    }

    /// How many updates a side's script has.
    #[must_use]
    pub fn length(&self, side: Side) -> u8 {
        u8::try_from(self.script(side).len()).unwrap_or(u8::MAX)
    }

    /// Whether a side is honest.
    #[must_use]
    pub fn is_honest(&self, side: Side) -> bool {
        self.adversary != Some(side)
    }
}
