//! An honest node: what it keeps, and what it answers. Small twins of the rules in `protocol.md` §2 to §4.

use std::collections::BTreeMap;

use crate::ledger::{Side, State, Step};
use crate::plan::{Fault, Plan};

/// What travels between the nodes. Signatures are implied: only a side that signed can send these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// A new state, signed by One.
    Propose(State),
    /// Two's countersignature.
    Accept(State),
    /// Two does not sign that version.
    Reject(u8),
    /// Two's updates up to here, for One to include.
    Intent(u8),
    /// The newest co-signed state, after a reconnect.
    Reestablish(State),
}

/// What a node must not lose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// The one content that each version was bound to.
    pub guard: BTreeMap<u8, State>,
    /// The newest co-signed state.
    pub base: State,
    /// Proposer: bound and not accepted, by rising version; and whether it was rejected.
    pub in_flight: Vec<(State, bool)>,
    /// How many updates of its own script were ordered.
    pub own: u8,
    /// Proposer: how many of the acceptor's intents arrived.
    pub peer: u8,
    /// The lists of locks are gone.
    pub lost_locks: bool,
}

impl Record {
    /// The highest version that was ever bound.
    #[must_use]
    pub fn highest(&self) -> u8 {
        self.guard.keys().next_back().copied().unwrap_or(0)
    }

    /// Whether the list of a state's locks is at hand.
    #[must_use]
    pub fn knows_locks_of(&self, state: &State) -> bool {
        let is_kept = self.base == *state || self.in_flight.iter().any(|(kept, _)| kept == state);
        is_kept && !self.lost_locks
    }

    /// The operator orders the next update of the script, if it makes sense now.
    #[must_use]
    pub fn order(&self, plan: &Plan, side: Side) -> Option<Self> {
        let step = plan.script(side).get(usize::from(self.own))?;
        let payer = plan.content(&self.base).and_then(|content| content.payer);
        // A secret is shown only for a lock that both have signed.
        if *step == Step::Settle && payer != Some(side.other()) {
            return None;
        }
        Some(Self { own: self.own + 1, ..self.clone() })
    }

    /// The proposer's next state, if there is something to propose and room in flight.
    #[must_use]
    pub fn propose(&self, plan: &Plan) -> Option<(Self, State)> {
        if self.in_flight.len() >= plan.width {
            return None;
        }
        let deaf = plan.fault == Some(Fault::DeafProposer);
        let wanted = State { one: self.own, two: if deaf { 0 } else { self.peer }, ..self.base };
        let (last, is_rejected) = self.in_flight.last().copied().unwrap_or((self.base, false));
        if wanted.has_updates_of(&last) && !is_rejected {
            return None;
        }
        // An update of the acceptor that makes no sense with what is there waits.
        plan.content(&wanted)?;
        let mut next = self.clone();
        let reuses = is_rejected && plan.fault == Some(Fault::VersionReuse);
        let version = if reuses { last.version } else { self.highest() + 1 };
        if reuses {
            next.in_flight.pop();
        }
        let state = State { version, skims: false, ..wanted };
        next.guard.insert(version, state);
        next.in_flight.push((state, false));
        Some((next, state))
    }

    /// The proposer hears of a countersignature on a state that it bound.
    #[must_use]
    pub fn accepted(&self, state: &State) -> Option<Self> {
        let is_ours = self.guard.get(&state.version) == Some(state);
        if !is_ours || state.version <= self.base.version {
            return None;
        }
        let mut next = self.clone();
        next.base = *state;
        next.in_flight.retain(|(kept, _)| kept.version > state.version);
        Some(next)
    }

    /// The proposer hears a no; the version stays maybe agreed.
    #[must_use]
    pub fn rejected(&self, version: u8) -> Option<Self> {
        let mut next = self.clone();
        let entry = next.in_flight.iter_mut().find(|(kept, _)| kept.version == version)?;
        if std::mem::replace(&mut entry.1, true) {
            return None;
        }
        Some(next)
    }

    /// The proposer takes in intents; none if it has them.
    #[must_use]
    pub fn intended(&self, plan: &Plan, through: u8) -> Option<Self> {
        let is_new = through > self.peer && through <= plan.length(Side::Two);
        is_new.then(|| Self { peer: through, ..self.clone() })
    }

    /// The acceptor countersigns a proposal, if every rule holds.
    pub fn countersign(&self, plan: &Plan, state: &State) -> Option<Self> {
        if self.guard.get(&state.version) == Some(state) && self.base == *state {
            return Some(self.clone());
        }
        let is_bound = self.guard.contains_key(&state.version);
        let takes_older = plan.fault == Some(Fault::OlderAfterNewer) && !is_bound;
        if state.version <= self.highest() && !takes_older {
            return None;
        }
        let floor = if takes_older { State::default() } else { self.base };
        let follows = state.one >= floor.one && state.two >= floor.two && state.two <= self.own;
        let is_honest = !state.skims || plan.fault == Some(Fault::NoValidation);
        if !follows || !is_honest || plan.content(state).is_none() {
            return None;
        }
        let mut next = self.clone();
        next.guard.insert(state.version, *state);
        next.base = *state;
        Some(next)
    }
}
