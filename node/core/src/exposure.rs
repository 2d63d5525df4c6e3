//! What could be lost if only a tower answered, and it held an older version.
//!
//! Source: watchtower §3. `worst` is our balance at a version with all locks left out.

use crate::ids::Version;
use crate::money::Amount;
use std::collections::VecDeque;

/// Steps that are kept apart; beyond it older ones are merged, which only overstates the exposure.
const MAX_STEPS: usize = 64;

/// Follows what we rely on, and says what a tower at some version leaves unprotected.
///
/// A tower that holds version `t` can be beaten by any version from `t` on that the peer may hold
/// co-signed. So the exposure is what we rely on now, less the least of our balances since `t`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    // Versions and balances, both strictly rising: a version is gone once a later one was worse.
    least: VecDeque<(Version, Amount)>,
    newest: Amount,
}

impl Exposure {
    /// A channel whose version 0 gives us this.
    pub fn new(deposit: Amount) -> Self {
        Self { least: VecDeque::from([(Version::ZERO, deposit)]), newest: deposit }
    }

    /// A version that the peer may hold co-signed, co-signed or in flight, gives us `worst`.
    pub fn may_be_settled(&mut self, version: Version, worst: Amount) {
        while self.least.back().is_some_and(|(_, least)| *least >= worst) {
            self.least.pop_back();
        }
        self.least.push_back((version, worst));
        while self.least.len() > MAX_STEPS {
            // The worse of the two, at the newer version: never less than the true exposure.
            let dropped = self.least.pop_front();
            if let (Some((_, worse)), Some(front)) = (dropped, self.least.front_mut()) {
                front.1 = front.1.min(worse);
            }
        }
    }

    /// A version became what we rely on.
    pub fn rely_on(&mut self, version: Version, worst: Amount) {
        self.may_be_settled(version, worst);
        self.newest = worst;
    }

    /// What a tower that holds this version leaves unprotected.
    pub fn at(&self, held: Version) -> Amount {
        // Balances rise with versions here, so the first step that still counts is the least.
        let least = self.least.iter().find(|(version, _)| *version >= held);
        least.map_or(Amount::ZERO, |(_, least)| self.newest.saturating_sub(*least))
    }

    /// A tower holds this version for good: older ones no longer matter.
    pub fn protected(&mut self, held: Version) {
        while self.least.len() > 1 && self.least.front().is_some_and(|(version, _)| *version < held)
        {
            self.least.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(value: u64) -> Amount {
        Amount::from(value)
    }

    /// The definition, by looking at every version.
    fn by_hand(history: &[u64], held: usize) -> u64 {
        let newest = *history.last().unwrap();
        let least = history[held..].iter().min().unwrap();
        newest.saturating_sub(*least)
    }

    #[test]
    fn a_pure_payer_is_never_exposed() {
        let mut exposure = Exposure::new(amount(100));
        for version in 1..50u64 {
            exposure.rely_on(Version(version), amount(100u64.saturating_sub(version)));
            assert_eq!(exposure.at(Version::ZERO), Amount::ZERO);
        }
    }

    #[test]
    fn exposure_is_what_an_older_version_would_cost() {
        let history = [100, 120, 90, 95, 150, 140, 160, 80, 81, 200];
        let mut exposure = Exposure::new(amount(history[0]));
        for (version, worst) in (1u64..).zip(&history[1..]) {
            exposure.rely_on(Version(version), amount(*worst));
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
        let mut exposure = Exposure::new(amount(100));
        exposure.rely_on(Version(1), amount(150));
        exposure.may_be_settled(Version(2), amount(60));
        assert_eq!(exposure.at(Version(1)), amount(90));
        exposure.protected(Version(2));
        assert_eq!(exposure.at(Version(2)), amount(90));
    }

    #[test]
    fn what_a_tower_holds_is_forgotten_but_not_the_version_itself() {
        let mut exposure = Exposure::new(amount(10));
        for version in 1..5u64 {
            exposure.rely_on(Version(version), amount(10 + 10 * version));
        }
        exposure.protected(Version(3));
        assert_eq!(exposure.least.front(), Some(&(Version(3), amount(40))));
        assert_eq!(exposure.at(Version(3)), amount(10));
    }

    #[test]
    fn a_full_history_keeps_every_step_it_has_room_for() {
        let mut exposure = Exposure::new(amount(1));
        let steps = u64::try_from(MAX_STEPS).unwrap();
        for version in 1..steps {
            exposure.rely_on(Version(version), amount(1 + version));
        }
        assert_eq!(exposure.least.len(), MAX_STEPS);
        assert_eq!(exposure.at(Version(1)), amount(steps - 2));
        exposure.rely_on(Version(steps), amount(1 + steps));
        exposure.rely_on(Version(steps + 1), amount(2 + steps));
        assert_eq!(exposure.least.len(), MAX_STEPS);
    }

    #[test]
    fn memory_is_bounded_and_a_long_history_only_overstates() {
        let mut exposure = Exposure::new(amount(1));
        for version in 1..1_000u64 {
            exposure.rely_on(Version(version), amount(version));
        }
        assert!(exposure.least.len() <= MAX_STEPS);
        assert!(exposure.at(Version(500)) >= amount(499));
        assert_eq!(exposure.at(Version(999)), Amount::ZERO);
    }
}
