//! When a call goes through L1, by L1's own clock: the rollup's stands still with its sequencer, or says what it likes.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_chain::submitter::Need;
use lockstep_core::chain::ObligationKey;
use lockstep_core::time::BlockTimestamp;

/// A sequencer whose newest block is older than this by L1's clock does not work. Units: seconds. Source: the drift
/// that the OP Stack lets a sequencer have is 30 minutes; blocks of rollups come every few seconds.
const STALE_SECS: u64 = 1_800;
/// A close that is shown so long after its own time was back-dated, or held back. Units: seconds.
/// Source: watchtower §4.
const BACKDATED_SECS: u64 = 3_600;
/// Calls about whose need all endpoints are asked at one look.
pub const ASKED_AT_ONCE: usize = 8;
/// Looks after which they are asked again about one that was put off.
const AGAIN_LOOKS: u32 = 5;
/// Looks in a row without trouble after which it is over: a line that is bad comes and goes.
const QUIET_LOOKS: u32 = 10;

/// Whether the sequencer does not work: its newest block is old by L1's clock.
pub fn is_stale(head: BlockTimestamp, l1: BlockTimestamp) -> bool {
    l1.secs_since(head) > STALE_SECS
}

/// The time that a call has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When it began.
    pub opened: BlockTimestamp,
    /// How long it is. Units: seconds.
    pub length_secs: u64,
    /// L1's time at the first look that knew of it, if it began with something that others did.
    pub first_seen_on_l1: Option<BlockTimestamp>,
}

impl Turn {
    /// Of a challenge period that ends at a time.
    pub fn of_window(closes_at: BlockTimestamp, period: u32, seen: Option<BlockTimestamp>) -> Self {
        let length_secs = u64::from(period);
        let opened = closes_at.saturating_sub_secs(length_secs);
        Self { opened, length_secs, first_seen_on_l1: seen }
    }

    /// Whether the sequencer is not to be waited for: it has shown what began this long after its own time, or a quarter
    /// is gone, whatever the rollup's clock says (P77).
    pub fn is_late(&self, l1: BlockTimestamp) -> bool {
        let seen_after = self.first_seen_on_l1.map_or(0, |seen| seen.secs_since(self.opened));
        seen_after > BACKDATED_SECS || l1.secs_since(self.opened) > self.length_secs.div_euclid(4)
    }

    /// Whether a call about which endpoints differ must not wait any longer: half is gone, or forcing it in takes what
    /// is left. Units: seconds.
    pub fn is_urgent(&self, now: BlockTimestamp, forcing_secs: u64) -> bool {
        let half = self.length_secs.div_euclid(2);
        let wait = half.min(self.length_secs.saturating_sub(forcing_secs));
        now.secs_since(self.opened) >= wait
    }
}

/// What keeps calls from L1 that nobody needs there, and remembers whether something is held up.
///
/// L1 is dear, and one endpoint of the rollup may invent a close. What a quorum of endpoints calls unneeded stays away,
/// what is disputed waits for [`Turn::is_urgent`]; where none of them answers, nothing is waited for.
#[derive(Debug, Default)]
pub struct Gate {
    looks: u32,
    /// Calls of which the submitter says that it is time.
    asked: BTreeSet<ObligationKey>,
    /// Calls that were put off, and when. Units: looks.
    put_off: BTreeMap<ObligationKey, u32>,
    /// When endpoints were last asked about each call that is owed. Units: looks.
    last_asked: BTreeMap<ObligationKey, u32>,
    is_failing: bool,
    /// Looks since the last trouble.
    quiet: u32,
}

impl Gate {
    /// Another look begins. Whether something is held up on its way, if that has changed: it is told when it begins and
    /// when it is over.
    pub fn look(&mut self, is_failing: bool) -> Option<bool> {
        self.looks = self.looks.wrapping_add(1);
        let looks = self.looks;
        self.put_off.retain(|_, at| looks.wrapping_sub(*at) < AGAIN_LOOKS);
        self.quiet = if is_failing { 0 } else { self.quiet.saturating_add(1) };
        let is_over = self.is_failing && self.quiet >= QUIET_LOOKS;
        let has_begun = !self.is_failing && is_failing;
        (is_over || has_begun).then(|| {
            self.is_failing = is_failing;
            is_failing
        })
    }

    /// The submitter says that a call should go through L1, too.
    pub fn ask(&mut self, key: ObligationKey) {
        self.asked.insert(key);
    }

    /// Whether it has said so.
    pub fn is_asked(&self, key: &ObligationKey) -> bool {
        self.asked.contains(key)
    }

    /// Whether nobody is asked about this call at this look.
    pub fn is_put_off(&self, key: &ObligationKey) -> bool {
        self.put_off.contains_key(key)
    }

    /// The calls about which endpoints are asked at this look: those that have waited longest for it, and of these the
    /// ones with the earliest deadlines. Inventions with early deadlines, however many, put no other call off for long.
    pub fn next(
        &self,
        mut due: Vec<(Option<BlockTimestamp>, ObligationKey)>,
    ) -> Vec<ObligationKey> {
        due.sort_unstable_by_key(|(deadline, key)| {
            let deadline = deadline.unwrap_or(BlockTimestamp(u64::MAX));
            (self.last_asked.get(key).copied().unwrap_or(0), deadline, *key)
        });
        due.into_iter().take(ASKED_AT_ONCE).map(|(_, key)| key).collect()
    }

    /// Whether a call goes through now, by what endpoints say of its need.
    pub fn opens(&mut self, key: ObligationKey, need: Need, is_urgent: bool) -> bool {
        self.last_asked.insert(key, self.looks);
        let opens = match need {
            Need::Seen => true,
            Need::Disputed => is_urgent,
            Need::Refuted => false,
        };
        if !opens {
            tracing::info!(channel_id = %key.channel_id, ?need, "a call is kept from L1");
            self.put_off.insert(key, self.looks);
        }
        opens
    }

    /// A call is over.
    pub fn over(&mut self, key: &ObligationKey) {
        self.asked.remove(key);
        self.put_off.remove(key);
        self.last_asked.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use lockstep_core::chain::ObligationKind;
    use lockstep_core::ids::{ChannelId, Version};

    fn at(secs: u64) -> BlockTimestamp {
        BlockTimestamp(secs)
    }

    fn key() -> ObligationKey {
        let (channel_id, kind) = (ChannelId(B256::repeat_byte(1)), ObligationKind::Challenge);
        ObligationKey { channel_id, kind, version: Version(3), detail: B256::ZERO }
    }

    #[test]
    fn p77_a_call_goes_through_l1_after_a_quarter_or_if_it_was_held_back() {
        let turn = Turn::of_window(at(101_000), 100_000, None);
        assert_eq!(turn.opened, at(1_000));
        assert!(!turn.is_late(at(26_000)) && turn.is_late(at(26_001)));
        let seen = |secs| Turn { first_seen_on_l1: Some(at(secs)), ..turn };
        assert!(!seen(4_600).is_late(at(4_600)) && seen(4_601).is_late(at(4_601)));
        assert!(is_stale(at(100), at(1_901)) && !is_stale(at(100), at(1_900)));
        assert!(!is_stale(at(1_900), at(100)), "L1 may be behind");
    }

    #[test]
    fn p77_what_is_disputed_waits_for_half_of_the_window_or_for_as_long_as_forcing_allows() {
        let turn = Turn::of_window(at(101_000), 100_000, None);
        assert!(!turn.is_urgent(at(50_999), 0) && turn.is_urgent(at(51_000), 0));
        assert!(!turn.is_urgent(at(30_999), 70_000) && turn.is_urgent(at(31_000), 70_000));
        let mut gate = Gate::default();
        assert!(gate.opens(key(), Need::Seen, false) && gate.opens(key(), Need::Disputed, true));
        assert!(!gate.is_put_off(&key()));
        assert!(
            !gate.opens(key(), Need::Refuted, true) && !gate.opens(key(), Need::Disputed, false)
        );
        for _ in 1..AGAIN_LOOKS {
            gate.look(false);
            assert!(gate.is_put_off(&key()));
        }
        gate.look(false);
        assert!(!gate.is_put_off(&key()), "it is asked about again");
    }

    #[test]
    fn p77_a_crowd_of_inventions_with_early_deadlines_puts_no_real_answer_off_for_long() {
        let named =
            |byte: u8| ObligationKey { channel_id: ChannelId(B256::repeat_byte(byte)), ..key() };
        let mut gate = Gate::default();
        let mut looks = 0;
        loop {
            gate.look(false);
            looks += 1;
            let crowd = (0..100).map(|byte| (Some(at(1)), named(byte)));
            let all = crowd.chain([(Some(at(2)), named(200))]);
            let next = gate.next(all.filter(|(_, key)| !gate.is_put_off(key)).collect());
            assert!(next.len() <= ASKED_AT_ONCE);
            if next.contains(&named(200)) {
                break;
            }
            next.into_iter().for_each(|key| assert!(!gate.opens(key, Need::Refuted, true)));
        }
        assert_eq!(looks, 13, "a hundred, eight at each look");
    }

    #[test]
    fn p77_that_nothing_gets_through_stands_until_it_has_been_over_for_a_while() {
        let mut gate = Gate::default();
        assert_eq!(gate.look(false), None);
        assert_eq!(gate.look(true), Some(true));
        for _ in 0..1_000 {
            assert_eq!(gate.look(true), None, "told once, however long it lasts");
        }
        for _ in 1..QUIET_LOOKS {
            assert_eq!(gate.look(false), None);
        }
        assert_eq!(gate.look(true), None, "it was not over");
        let quiet: Vec<_> = (0..QUIET_LOOKS).filter_map(|_| gate.look(false)).collect();
        assert_eq!(quiet, [false], "that it is over is told, too");
        assert_eq!(gate.look(true), Some(true));
    }
}
