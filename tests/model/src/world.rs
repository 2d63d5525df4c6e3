//! Everything that a search moves through: two nodes, a network, a contract, and what was ever signed.

use std::collections::BTreeSet;

use crate::ledger::{Side, State};
use crate::node::{Message, Record};
use crate::plan::Plan;

/// A node: what it works with, and what its disk holds where that is older.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Node {
    /// What it works with.
    pub ram: Record,
    /// What a restart would find, if not the same. Only a planted fault lets the two differ.
    pub disk: Option<Record>,
}

/// A running challenge period, or the wait for a lock after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Close {
    /// What would be settled.
    pub point: State,
    /// Ticks since the close began.
    pub clock: u8,
    /// Ticks for which nobody watches for the honest side.
    pub down: u8,
    /// Whether the honest side knows of the close.
    pub is_seen: bool,
    /// Whether the secret is in the registry.
    pub is_registered: bool,
}

/// The contract's view of the channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Chain {
    /// No close was started.
    #[default]
    Open,
    /// A challenge period runs.
    Closing(Close),
    /// Settled; a lock waits for the secret or for its expiry.
    Holding(Close),
    /// All money is paid. `is_paid`: the lock, if there was one, went to its payee.
    Done {
        /// What was settled.
        point: State,
        /// Whether the lock was paid.
        is_paid: bool,
        /// When.
        clock: u8,
    },
    /// The lock can be released by nobody, for its list is lost.
    Stuck {
        /// What was settled.
        point: State,
    },
}

impl Chain {
    /// Whether honest nodes still sign.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        match self {
            Self::Open => true,
            Self::Closing(close) => !close.is_seen,
            Self::Holding(_) | Self::Done { .. } | Self::Stuck { .. } => false,
        }
    }
}

/// What has been used up of the plan's budgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spent {
    /// Messages lost.
    pub losses: u8,
    /// Messages repeated.
    pub repeats: u8,
    /// Crashes.
    pub crashes: u8,
    /// Proposals rejected.
    pub rejections: u8,
    /// Whether the outage has happened.
    pub outage: bool,
}

/// One state of the search.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct World {
    /// Both nodes, One first.
    pub nodes: [Node; 2],
    /// Messages on their way, with their receivers.
    pub net: BTreeSet<(Side, Message)>,
    /// Something was lost, so the connection will be made anew.
    pub is_cut: bool,
    /// What each side has signed and let go.
    pub signed: [BTreeSet<State>; 2],
    /// The newest full state that each side ever had; no node reads it.
    pub best: [State; 2],
    /// The contract.
    pub chain: Chain,
    /// Budgets.
    pub spent: Spent,
}

impl World {
    /// A side's node.
    #[must_use]
    pub fn node(&self, side: Side) -> &Record {
        &self.nodes[side.index()].ram
    }

    /// The node takes over a record: on disk first, unless the fault says otherwise.
    pub fn store(&mut self, side: Side, record: Record, is_durable: bool) {
        let node = &mut self.nodes[side.index()];
        let before = std::mem::replace(&mut node.ram, record);
        if is_durable {
            node.disk = None;
        } else if node.disk.is_none() && before != node.ram {
            node.disk = Some(before);
        }
        let base = self.nodes[side.index()].ram.base;
        let best = &mut self.best[side.index()];
        if base.version > best.version {
            *best = base;
        }
    }

    /// A state that both have signed and that the other side of an honest one may hold.
    #[must_use]
    pub fn usable_by_adversary(&self, honest: Side) -> Vec<State> {
        let signed = self.signed[honest.index()].iter().copied();
        std::iter::once(State::default()).chain(signed).collect()
    }

    /// Whether every update of both scripts is in one state that both hold.
    #[must_use]
    pub fn is_complete(&self, plan: &Plan) -> bool {
        let [one, two] = [self.node(Side::One), self.node(Side::Two)];
        one.base == two.base
            && one.base.one == plan.length(Side::One)
            && one.base.two == plan.length(Side::Two)
    }
}
