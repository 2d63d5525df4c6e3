//! Whether the next incoming update may be taken in, given what the towers hold.
//!
//! Source: watchtower §3, P81.

use crate::balance::worst_balances;
use crate::error::ProtocolError;
use crate::exposure::{self, Exposure, Floor, relied_on, with_own_locks};
use crate::ids::{Side, Version};
use crate::message::PeerMessage;
use crate::money::{Amount, Gain};
use crate::record::{Phase, RecordParts};
use crate::state::StateKind;
use crate::time::{BlockTimestamp, EngineTime};
use crate::update::{Action, Update};
use alloy_primitives::Address;
use std::collections::{BTreeMap, VecDeque};

/// Towers that one channel may have.
pub const MAX_TOWERS: usize = 16;
/// Messages with intents that wait at most. An acceptor has no more updates under way than this, so
/// whoever sends more repeats itself.
const MAX_WAITING: usize = 64;

/// When incoming updates wait for towers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TowerPolicy {
    /// Never.
    #[default]
    Async,
    /// While more than this would be unprotected. An update that is larger still passes, alone, once
    /// everything before it is protected: else nobody could ever pay more than the bound.
    Bounded {
        /// The bound.
        max_unprotected: Amount,
    },
    /// Until so many towers hold everything before it; after a while as if bounded.
    Quorum {
        /// How many.
        receipts: u8,
        /// The bound that holds while too few towers answer.
        max_unprotected: Amount,
        /// How long an update waits before the bound holds instead.
        patience_millis: u64,
    },
}

/// What a tower has given its receipt for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// The version.
    pub version: Version,
    /// The last second of the chain's clock at which the receipt counts.
    pub valid_until: BlockTimestamp,
}

/// Why an update waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// Too much would be unprotected.
    Bound {
        /// What would be.
        unprotected: Amount,
        /// What may be.
        max_unprotected: Amount,
    },
    /// Too few towers hold what is there.
    Quorum {
        /// How many do.
        receipts: usize,
        /// How many should.
        wanted: u8,
    },
}

/// Whether an update may be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It may.
    Pass,
    /// It waits for towers.
    Wait(Waiting),
}

/// What the passing of time brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// The quorum has not come in time: from now on the bound holds. An alarm.
    Degraded,
    /// This has waited long enough: tell the peer no, with [`crate::input::Input::Decline`].
    Decline(Box<PeerMessage>),
}

/// One channel and its towers.
///
/// # Invariants
/// It never withholds a final state, our own payments, or anything once the channel is closing.
#[derive(Clone, Debug, Default)]
pub struct Protection {
    policy: TowerPolicy,
    exposure: Exposure,
    towers: BTreeMap<Address, Option<Held>>,
    clock: BlockTimestamp,
    pays_tower: bool,
    is_degraded: bool,
    proposal: Option<(EngineTime, PeerMessage)>,
    intents: VecDeque<(EngineTime, PeerMessage)>,
}

impl Protection {
    /// A channel as the journal has it.
    ///
    /// # Errors
    /// If the record's amounts do not add up.
    pub fn resume(
        policy: TowerPolicy,
        parts: &RecordParts,
        floor: Option<Floor>,
    ) -> Result<Self, ProtocolError> {
        let exposure = Exposure::resume(parts, floor)?;
        Ok(Self { policy, exposure, clock: parts.chain.finalized.timestamp, ..Self::default() })
    }

    /// From now on this policy holds.
    pub fn set_policy(&mut self, policy: TowerPolicy) {
        if self.policy != policy {
            self.policy = policy;
            self.is_degraded = false;
        }
    }

    /// The policy.
    pub fn policy(&self) -> TowerPolicy {
        self.policy
    }

    /// The channel pays a tower: it never waits for one, or neither could go first.
    pub fn set_pays_tower(&mut self, pays_tower: bool) {
        self.pays_tower = pays_tower;
    }

    /// A tower that is to hold the channel, and what it is known to hold.
    pub fn add_tower(&mut self, tower: Address, held: Option<Held>) {
        if self.towers.len() < MAX_TOWERS || self.towers.contains_key(&tower) {
            self.towers.insert(tower, held);
        }
    }

    /// A tower no longer counts.
    pub fn remove_tower(&mut self, tower: Address) {
        self.towers.remove(&tower);
    }

    /// A tower has given its receipt. An older one changes nothing.
    pub fn receipt(&mut self, tower: Address, held: Held) {
        let Some(known) = self.towers.get_mut(&tower) else { return };
        if known.is_none_or(|known| {
            (known.version, known.valid_until) < (held.version, held.valid_until)
        }) {
            *known = Some(held);
        }
        if self.has_quorum() {
            self.is_degraded = false;
        }
    }

    /// A tower does not hold what it gave its receipt for.
    pub fn lost(&mut self, tower: Address) {
        if let Some(known) = self.towers.get_mut(&tower) {
            *known = None;
        }
    }

    /// Takes in a record as it is on disk now. Called after every change.
    ///
    /// # Errors
    /// If the record's amounts do not add up.
    pub fn observe(&mut self, parts: &RecordParts) -> Result<(), ProtocolError> {
        self.clock = parts.chain.finalized.timestamp;
        self.exposure.observe(parts)
    }

    /// What a close behind our back would cost, if only the best of the towers answered.
    pub fn unprotected(&self) -> Amount {
        self.unprotected_at(self.exposure.relied())
    }

    /// What it would cost if somebody held this version.
    pub fn unprotected_from(&self, held: Version) -> Amount {
        self.exposure.at(held)
    }

    /// Whether any tower lacks something that matters, though another may have it.
    pub fn needs_any(&self) -> bool {
        self.towers.keys().any(|tower| !self.unprotected_by(*tower).is_zero())
    }

    /// What it would cost with this tower alone.
    pub fn unprotected_by(&self, tower: Address) -> Amount {
        self.exposure.at(self.held(tower).map_or(Version::ZERO, |held| held.version))
    }

    /// What a tower is known to hold, and stands for at this time.
    pub fn held(&self, tower: Address) -> Option<Held> {
        let held = self.towers.get(&tower).copied().flatten();
        held.filter(|held| self.clock <= held.valid_until)
    }

    /// The towers of this channel.
    pub fn towers(&self) -> impl Iterator<Item = Address> + '_ {
        self.towers.keys().copied()
    }

    /// What to keep over a restart.
    pub fn floor(&self) -> Floor {
        self.exposure.floor()
    }

    /// Whether the bound holds instead of the quorum.
    pub fn is_degraded(&self) -> bool {
        self.is_degraded
    }

    /// Whether anything waits.
    pub fn is_waiting(&self) -> bool {
        self.proposal.is_some() || !self.intents.is_empty()
    }

    /// Whether an incoming update may be taken in that would let us rely on this much; `waits` is income
    /// that was taken in before it and is not co-signed yet.
    pub fn decide(&self, relied: Gain, waits: Amount) -> Verdict {
        if self.pays_tower {
            return Verdict::Pass;
        }
        let max_unprotected = match self.policy {
            TowerPolicy::Async => return Verdict::Pass,
            TowerPolicy::Bounded { max_unprotected } => max_unprotected,
            TowerPolicy::Quorum { max_unprotected, .. } if self.is_degraded => max_unprotected,
            TowerPolicy::Quorum { receipts: wanted, .. } => {
                let receipts = self.receipts();
                let is_quiet = waits.is_zero();
                return if is_quiet && (receipts >= usize::from(wanted) || !self.has_stakes()) {
                    Verdict::Pass
                } else {
                    Verdict::Wait(Waiting::Quorum { receipts, wanted })
                };
            }
        };
        let unprotected = self.unprotected_at(relied);
        let is_alone = waits.is_zero() && self.unprotected().is_zero();
        if is_alone || unprotected <= max_unprotected {
            Verdict::Pass
        } else {
            Verdict::Wait(Waiting::Bound { unprotected, max_unprotected })
        }
    }

    /// A message of the peer: given back if it may be handled now, kept if it waits for towers.
    pub fn arrive(
        &mut self,
        message: PeerMessage,
        parts: &RecordParts,
        now: EngineTime,
    ) -> Option<PeerMessage> {
        let is_behind = matches!(message, PeerMessage::Intent { .. }) && !self.intents.is_empty();
        if !is_behind && self.verdict(&message, parts) == Verdict::Pass {
            // A proposal covers all since the base: what waits is older than this one.
            if matches!(message, PeerMessage::Propose { .. }) {
                self.proposal = None;
            }
            return Some(message);
        }
        if matches!(message, PeerMessage::Propose { .. }) {
            let since = self.proposal.as_ref().map_or(now, |(since, _)| *since);
            self.proposal = Some((since, message));
        } else if self.intents.len() < MAX_WAITING {
            self.intents.push_back((now, message));
        }
        // Beyond that nothing is lost: after the next connection the peer says again what still counts.
        None
    }

    /// The next message that need not wait any longer. Called until there is none, after every receipt and
    /// after every change of the channel.
    pub fn release(&mut self, parts: &RecordParts) -> Option<PeerMessage> {
        let is_free = |waiting: Option<&(EngineTime, PeerMessage)>| {
            waiting.is_some_and(|(_, message)| self.verdict(message, parts) == Verdict::Pass)
        };
        if is_free(self.proposal.as_ref()) {
            return self.proposal.take().map(|(_, message)| message);
        }
        if is_free(self.intents.front()) {
            return self.intents.pop_front().map(|(_, message)| message);
        }
        None
    }

    /// Time has passed. Nothing waits longer than `limit_millis` beyond the patience for a quorum.
    pub fn tick(&mut self, now: EngineTime, limit_millis: u64) -> Option<Lapse> {
        let waited = |waiting: Option<&(EngineTime, PeerMessage)>| {
            waiting.map_or(0, |(since, _)| now.millis_since(*since))
        };
        let longest = waited(self.proposal.as_ref()).max(waited(self.intents.front()));
        let patience = match self.policy {
            TowerPolicy::Quorum { patience_millis, .. } if !self.is_degraded => {
                if longest >= patience_millis && self.is_waiting() {
                    self.is_degraded = true;
                    return Some(Lapse::Degraded);
                }
                patience_millis
            }
            TowerPolicy::Async | TowerPolicy::Bounded { .. } | TowerPolicy::Quorum { .. } => 0,
        };
        let limit = limit_millis.max(patience);
        if self.proposal.is_some() && waited(self.proposal.as_ref()) >= limit {
            return self.proposal.take().map(|(_, message)| Lapse::Decline(Box::new(message)));
        }
        if !self.intents.is_empty() && waited(self.intents.front()) >= limit {
            return self.intents.pop_front().map(|(_, message)| Lapse::Decline(Box::new(message)));
        }
        None
    }

    /// The connection is gone: the peer says again what still counts.
    pub fn disconnected(&mut self) {
        self.proposal = None;
        self.intents.clear();
    }

    fn verdict(&self, message: &PeerMessage, parts: &RecordParts) -> Verdict {
        match incoming(message, parts) {
            Some(Incoming { relied, waits }) => self.decide(relied, waits),
            None => Verdict::Pass,
        }
    }

    fn unprotected_at(&self, relied: Gain) -> Amount {
        let held = self.towers.keys().filter_map(|tower| self.held(*tower));
        let best = held.map(|held| held.version).max().unwrap_or(Version::ZERO);
        self.exposure.beyond(best, relied)
    }

    /// Whether any older version would cost us anything.
    fn has_stakes(&self) -> bool {
        !self.exposure.at(Version::ZERO).is_zero()
    }

    /// How many towers hold all that we rely on.
    fn receipts(&self) -> usize {
        let towers = self.towers.keys().filter_map(|tower| self.held(*tower));
        towers.filter(|held| self.exposure.at(held.version).is_zero()).count()
    }

    fn has_quorum(&self) -> bool {
        match self.policy {
            TowerPolicy::Quorum { receipts, .. } => self.receipts() >= usize::from(receipts),
            TowerPolicy::Async | TowerPolicy::Bounded { .. } => true,
        }
    }
}

/// What an incoming update would lead to.
struct Incoming {
    /// What we would rely on.
    relied: Gain,
    /// How much of it was taken in before, and is not co-signed.
    waits: Amount,
}

/// What this message would give us, if it gives us anything: final states, our own payments and anything in
/// a channel that is closing never wait.
fn incoming(message: &PeerMessage, parts: &RecordParts) -> Option<Incoming> {
    if parts.phase != Phase::Open {
        return None;
    }
    let had = relied_on(parts).ok()?;
    if let (Side::Two, PeerMessage::Propose { proposal, .. }) = (parts.setup.side, message) {
        if proposal.state.kind == StateKind::Final {
            return None;
        }
        // What does not add up is the channel's to refuse.
        worst_balances(parts, Some(&proposal.state)).ok()?;
        let worst = exposure::gain(parts, Some(&proposal.state)).ok()?;
        let relied = with_own_locks(parts, worst, &proposal.locks);
        (relied > had).then_some(Incoming { relied, waits: Amount::ZERO })
    } else if let (Side::One, PeerMessage::Intent { updates }) = (parts.setup.side, message) {
        let pending = parts.peer_pending.iter().filter(|entry| entry.left_out.is_none());
        let waits = sum_of_gains(parts, pending.map(|entry| &entry.update));
        let is_new = |update: &&Update| update.sequence > parts.peer_sequence;
        let more = sum_of_gains(parts, updates.iter().filter(is_new));
        let relied = had.saturating_add(waits).saturating_add(more);
        (!more.is_zero()).then_some(Incoming { relied, waits })
    } else {
        None
    }
}

fn sum_of_gains<'a>(parts: &RecordParts, updates: impl Iterator<Item = &'a Update>) -> Amount {
    updates.fold(Amount::ZERO, |sum, update| {
        sum.checked_add(gain(parts, &update.action)).unwrap_or(Amount::MAX)
    })
}

/// What an update of the peer gives us for certain: a payment, or a lock of ours that comes back.
pub(crate) fn gain(parts: &RecordParts, action: &Action) -> Amount {
    match action {
        Action::Pay(payment) => payment.amount,
        Action::FailLock { hash } => {
            let locks = parts.base.iter().flat_map(|base| &base.locks);
            let own = locks.filter(|lock| lock.hash == *hash && lock.payer() == parts.setup.side);
            own.fold(Amount::ZERO, |_, lock| lock.amount)
        }
        Action::AddLock(_) | Action::SettleLock { .. } | Action::ExpireLock { .. } => Amount::ZERO,
    }
}

#[cfg(test)]
mod tests;
