//! What could be lost if only a tower answered, and it held an older version.
//!
//! Source: watchtower §3. Versions are compared by what they give us beyond our deposit, with all locks left out:
//! that stays right whether an outstanding withdrawal lands, expires or is refused (P43), since it takes the same
//! from every version, and when a deposit is added.

use crate::error::ProtocolError;
use crate::ids::{Side, Version};
use crate::lock::Lock;
use crate::money::{Amount, Gain};
use crate::record::RecordParts;
use crate::rules;
use crate::state::State;
use std::collections::VecDeque;

/// Steps that are kept apart; beyond it older ones are merged, which only overstates the exposure.
const MAX_STEPS: usize = 64;

/// Follows what we rely on, and says what a tower at some version leaves unprotected.
///
/// A tower that holds version `t` can be beaten by any version from `t` on that the peer may hold
/// co-signed. So the exposure is what we rely on now, less the least that any version since `t` gives us.
///
/// # Invariants
/// Whatever is not known exactly, after a restart or beyond the steps that are kept, overstates it. So does a version
/// that a later withdrawal has voided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    // Versions and what they give, both strictly rising: a version is gone once a later one was worse.
    least: VecDeque<(Version, Gain)>,
    newest: Gain,
}

/// What is kept of an [`Exposure`] while the node is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Floor {
    /// No version above it was known when this was written.
    pub through: Version,
    /// The least that any version through it gives us.
    pub least: Gain,
}

impl Exposure {
    /// A channel whose version 0 gives us this: nothing beyond our deposit, unless more is known.
    pub fn new(first: Gain) -> Self {
        Self { least: VecDeque::from([(Version::ZERO, first)]), newest: first }
    }

    /// Takes a channel up again after a start. Without a floor, or with one that newer versions may have
    /// passed below, an older version may give us nothing at all.
    ///
    /// # Errors
    /// If the record's amounts do not add up.
    pub fn resume(parts: &RecordParts, floor: Option<Floor>) -> Result<Self, ProtocolError> {
        let version = relied_version(parts);
        let relied = relied_on(parts)?;
        if parts.guard.highest == Version::ZERO {
            return Ok(Self::new(relied));
        }
        let known = floor.filter(|floor| floor.through >= parts.guard.highest);
        let nothing = Gain::of_nothing(parts.chain.deposits.of(parts.setup.side));
        let before = known.map_or(nothing, |floor| floor.least);
        let mut exposure = Self::new(before);
        if let Some(last) = previous(version) {
            exposure.least = VecDeque::from([(last, before)]);
        }
        exposure.rely_on(version, relied);
        exposure.observe(parts)?;
        Ok(exposure)
    }

    /// Takes in a record as it is on disk now: what we rely on, and what is in flight.
    ///
    /// Called after every change; also expiry of a lock and a secret that was learned change what we
    /// rely on.
    ///
    /// # Errors
    /// If the record's amounts do not add up.
    pub fn observe(&mut self, parts: &RecordParts) -> Result<(), ProtocolError> {
        self.rely_on(relied_version(parts), relied_on(parts)?);
        let seen = self.through();
        for proposal in parts.in_flight.iter().filter(|entry| entry.state.version > seen) {
            self.may_be_settled(proposal.state.version, gain(parts, Some(&proposal.state))?);
        }
        Ok(())
    }

    /// A version that the peer may hold co-signed, co-signed or in flight, gives us `worst` for certain.
    pub fn may_be_settled(&mut self, version: Version, worst: Gain) {
        if version > self.through() || self.least.is_empty() {
            self.append(version, worst);
        } else {
            self.replace(version, worst);
        }
    }

    /// A version became what we rely on, or gives us something else than before.
    pub fn rely_on(&mut self, version: Version, worst: Gain) {
        self.may_be_settled(version, worst);
        self.newest = worst;
    }

    /// What we rely on.
    pub fn relied(&self) -> Gain {
        self.newest
    }

    /// What a tower that holds this version leaves unprotected.
    pub fn at(&self, held: Version) -> Amount {
        self.beyond(held, self.newest)
    }

    /// The same, if we relied on this much.
    pub fn beyond(&self, held: Version, relied: Gain) -> Amount {
        // Gains rise with versions here, so the first step that still counts is the least.
        let least = self.least.iter().find(|(version, _)| *version >= held);
        least.map_or(Amount::ZERO, |(_, least)| relied.above(*least))
    }

    /// What to keep over a restart.
    pub fn floor(&self) -> Floor {
        let least = self.least.front().map_or(Gain::ZERO, |(_, least)| *least);
        Floor { through: self.through(), least }
    }

    /// The newest version that was seen; it is always the last step.
    fn through(&self) -> Version {
        self.least.back().map_or(Version::ZERO, |(version, _)| *version)
    }

    fn append(&mut self, version: Version, worst: Gain) {
        while self.least.back().is_some_and(|(_, least)| *least >= worst) {
            self.least.pop_back();
        }
        self.least.push_back((version, worst));
        self.merge_oldest();
    }

    /// A version that was seen before gives us another amount: a lock of it was decided, or money came in.
    fn replace(&mut self, version: Version, worst: Gain) {
        let place = self.least.partition_point(|(at, _)| *at < version);
        let Some((at, least)) = self.least.get(place).copied() else { return };
        if worst > least && at == version {
            // The step may stand for older versions too, so it stays for them.
            self.least.remove(place);
            let older = place.checked_sub(1).and_then(|last| self.least.get(last)).copied();
            let mut place = place;
            match previous(version) {
                Some(last) if older.is_none_or(|(at, _)| at < last) => {
                    self.least.insert(place, (last, least));
                    place = place.saturating_add(1);
                }
                Some(_) | None => {}
            }
            if self.least.get(place).is_none_or(|(_, later)| *later > worst) {
                self.least.insert(place, (version, worst));
            }
        } else if worst < least {
            if at == version {
                self.least.remove(place);
            }
            let worse = self.least.partition_point(|(_, balance)| *balance < worst).min(place);
            self.least.drain(worse..place);
            self.least.insert(worse, (version, worst));
        }
        self.merge_oldest();
    }

    fn merge_oldest(&mut self) {
        while self.least.len() > MAX_STEPS {
            // The worse of the two, at the newer version: never less than the true exposure.
            let dropped = self.least.pop_front();
            if let (Some((_, worse)), Some(front)) = (dropped, self.least.front_mut()) {
                front.1 = front.1.min(worse);
            }
        }
    }
}

fn previous(version: Version) -> Option<Version> {
    version.0.checked_sub(1).map(Version)
}

fn relied_version(parts: &RecordParts) -> Version {
    parts.base.as_ref().map_or(Version::ZERO, |base| base.state.version)
}

/// What the newest co-signed state gives us for certain: beyond our deposit without any lock, and the locks that
/// are ours whatever the peer does.
pub(crate) fn relied_on(parts: &RecordParts) -> Result<Gain, ProtocolError> {
    let base = parts.base.as_ref();
    let worst = gain(parts, base.map(|base| &base.state))?;
    Ok(with_own_locks(parts, worst, base.map_or(&[][..], |base| &base.locks)))
}

/// What a state gives us with all locks left out.
pub(crate) fn gain(parts: &RecordParts, state: Option<&State>) -> Result<Gain, ProtocolError> {
    let Some(state) = state else { return Ok(Gain::ZERO) };
    let side = parts.setup.side;
    let locked = match side {
        Side::One => state.locked1,
        Side::Two => state.locked2,
    };
    Ok(Gain::at(side, state.net, locked)?)
}

/// Adds to what a state gives us the locks in it that are as good as ours.
pub(crate) fn with_own_locks(parts: &RecordParts, worst: Gain, locks: &[Lock]) -> Gain {
    let own = locks.iter().filter(|lock| is_ours(parts, lock));
    own.fold(worst, |sum, lock| sum.saturating_add(lock.amount))
}

/// A lock to us counts from the moment on at which we know its secret; one of ours once it is over.
fn is_ours(parts: &RecordParts, lock: &Lock) -> bool {
    let is_over = rules::now(parts) > lock.expiry;
    let known = parts.secrets.get(&lock.hash);
    let revealed = known.and_then(|known| known.revealed_at);
    let was_in_time = revealed.is_some_and(|at| at <= lock.expiry);
    if lock.payer() == parts.setup.side {
        is_over && !was_in_time
    } else {
        was_in_time || (known.is_some() && !is_over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(value: u64) -> Amount {
        Amount::from(value)
    }

    fn gain(value: u64) -> Gain {
        Gain::new(value.into()).unwrap()
    }

    fn version(value: usize) -> Version {
        Version(u64::try_from(value).unwrap())
    }

    /// The definition, by looking at every version.
    fn by_hand(history: &[u64], held: usize) -> u64 {
        let newest = *history.last().unwrap();
        let least = history[held..].iter().min().unwrap();
        newest.saturating_sub(*least)
    }

    #[test]
    fn a_pure_payer_is_never_exposed() {
        let mut exposure = Exposure::new(gain(100));
        for version in 1..50u64 {
            exposure.rely_on(Version(version), gain(100u64.saturating_sub(version)));
            assert_eq!(exposure.at(Version::ZERO), Amount::ZERO);
        }
    }

    #[test]
    fn exposure_is_what_an_older_version_would_cost() {
        let history = [100, 120, 90, 95, 150, 140, 160, 80, 81, 200];
        let mut exposure = Exposure::new(gain(history[0]));
        for (version, worst) in (1u64..).zip(&history[1..]) {
            exposure.rely_on(Version(version), gain(*worst));
            let known = &history[..=usize::try_from(version).unwrap()];
            for held in 0..known.len() {
                let expected = amount(by_hand(known, held));
                let version = Version(u64::try_from(held).unwrap());
                assert_eq!(exposure.at(version), expected, "{known:?} {held}");
            }
        }
    }

    #[test]
    fn what_is_in_flight_counts_before_it_is_relied_on() {
        let mut exposure = Exposure::new(gain(100));
        exposure.rely_on(Version(1), gain(150));
        exposure.may_be_settled(Version(2), gain(60));
        assert_eq!(exposure.at(Version(1)), amount(90));
        assert_eq!(exposure.at(Version(2)), amount(90));
    }

    #[test]
    fn a_version_that_gives_more_than_before_leaves_older_ones_as_they_were() {
        let mut exposure = Exposure::new(gain(100));
        exposure.rely_on(Version(1), gain(90));
        exposure.may_be_settled(Version(2), gain(95));
        exposure.rely_on(Version(1), gain(120));
        assert_eq!(exposure.at(Version::ZERO), amount(30));
        // The version in flight gives less, and follows.
        assert_eq!(exposure.at(Version(1)), amount(25));
        exposure.rely_on(Version(2), gain(140));
        assert_eq!(exposure.at(Version::ZERO), amount(50));
        assert_eq!(exposure.at(Version(1)), amount(45));
        assert_eq!(exposure.at(Version(2)), Amount::ZERO);
    }

    #[test]
    fn any_history_of_changes_never_understates() {
        // Each step: a version, what it gives now, and whether we rely on it.
        let mut random = 7u64;
        let mut draw = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        for round in 0..300 {
            let mut exposure = Exposure::new(gain(50));
            // The least that each version ever gave: what it gives now may be more, never less.
            let mut now = vec![50u64];
            let mut relied = 0usize;
            for _ in 0..40 {
                if draw(3) == 0 {
                    let place = usize::try_from(draw(u64::try_from(now.len()).unwrap())).unwrap();
                    relied = relied.max(place);
                } else {
                    now.push(draw(100));
                    let newest = version(now.len() - 1);
                    exposure.may_be_settled(newest, gain(*now.last().unwrap()));
                }
                let fresh = draw(100);
                now[relied] = fresh;
                exposure.rely_on(version(relied), gain(fresh));
                for held in 0..now.len() {
                    let least = now[held..].iter().min().unwrap();
                    let truth = amount(fresh.saturating_sub(*least));
                    let told = exposure.at(version(held));
                    assert!(told >= truth, "round {round}: {now:?} {relied} {held} {told} {truth}");
                }
            }
        }
    }

    #[test]
    fn a_full_history_keeps_every_step_it_has_room_for() {
        let mut exposure = Exposure::new(gain(1));
        let steps = u64::try_from(MAX_STEPS).unwrap();
        for version in 1..steps {
            exposure.rely_on(Version(version), gain(1 + version));
        }
        assert_eq!(exposure.least.len(), MAX_STEPS);
        assert_eq!(exposure.at(Version(1)), amount(steps - 2));
        exposure.rely_on(Version(steps), gain(1 + steps));
        exposure.rely_on(Version(steps + 1), gain(2 + steps));
        assert_eq!(exposure.least.len(), MAX_STEPS);
    }

    #[test]
    fn memory_is_bounded_and_a_long_history_only_overstates() {
        let mut exposure = Exposure::new(gain(1));
        for version in 1..1_000u64 {
            exposure.rely_on(Version(version), gain(version));
        }
        assert!(exposure.least.len() <= MAX_STEPS);
        assert!(exposure.at(Version(500)) >= amount(499));
        assert_eq!(exposure.at(Version(999)), Amount::ZERO);
    }
}
