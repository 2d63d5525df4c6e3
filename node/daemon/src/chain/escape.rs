//! The node's calls past a sequencer that stands still or leaves it out: through L1, as a tower's answers go (P77).
//!
//! A call goes through L1 as well as soon as the submitter says that it is time, when the sequencer's newest block is old
//! by L1's clock, or when a quarter of its time is gone by that clock. It is the same call: whichever comes first counts,
//! and the other changes nothing.

use super::news::ChainNews;
use super::sender::Sender;
use alloy_primitives::{B256, keccak256};
use lockstep_bridge::escape::Owed;
use lockstep_bridge::way::{Gate, Turn, Way, WayReport, is_stale};
use lockstep_chain::call::{self, SignedIntent};
use lockstep_chain::submitter::Need;
use lockstep_core::chain::{Obligation, ObligationKey, ObligationKind};
use lockstep_core::time::BlockTimestamp;
use std::collections::BTreeMap;

/// What a forced call takes on the rollup at most, should it not answer an estimate.
const USUAL_GAS: u64 = 600_000;
/// A call without a deadline waits a quarter of this for the sequencer, by L1's clock. Units: seconds.
const PATIENCE_SECS: u64 = 4 * 3_600;
/// The time before a lock's expiry in which its secret must get to the chain. Units: seconds.
const SECRET_WINDOW_SECS: u32 = 12 * 3_600;

/// What the sender knows of the way through L1.
#[derive(Default)]
pub(super) struct Escape {
    way: Option<Way>,
    gate: Gate,
    /// L1's time at the first look at which a call was owed.
    since: BTreeMap<ObligationKey, BlockTimestamp>,
    /// Our signers' orders to start closes: through L1 another account sends them.
    intents: BTreeMap<ObligationKey, SignedIntent>,
}

impl Escape {
    /// From now on there is a way.
    pub(super) fn open(&mut self, way: Way) {
        self.way = Some(way);
    }

    /// With this order a close can be started by anybody.
    pub(super) fn take_intent(&mut self, key: ObligationKey, intent: SignedIntent) {
        self.intents.insert(key, intent);
    }

    /// The submitter says that a call should go through L1, too.
    pub(super) fn ask(&mut self, key: ObligationKey) {
        self.gate.ask(key);
    }

    /// A call is over.
    pub(super) fn over(&mut self, key: &ObligationKey) {
        self.gate.over(key);
        self.since.remove(key);
        self.intents.remove(key);
        if let Some(way) = &self.way {
            way.over(&name_of(key));
        }
    }

    fn is_owed(&self, key: &ObligationKey) -> bool {
        self.way.as_ref().is_some_and(|way| way.is_owed(&name_of(key)))
    }
}

/// The name of a call: the same after a restart.
fn name_of(key: &ObligationKey) -> B256 {
    let kind: u8 = match key.kind {
        ObligationKind::InitiateClose => 1,
        ObligationKind::Challenge => 2,
        ObligationKind::Close => 3,
        ObligationKind::CooperativeClose => 4,
        ObligationKind::PartialWithdraw => 5,
        ObligationKind::RegisterSecret => 6,
        ObligationKind::ResolveLocks => 7,
    };
    let version = key.version.0.to_be_bytes();
    keccak256([key.channel_id.0.as_slice(), &[kind], &version, key.detail.as_slice()].concat())
}

/// Whether a call is worth L1's fees: those without which money is lost, or stays with a sequencer that is gone. The rest
/// needs both sides, or moves what is decided already.
fn is_worth_it(owed: &Obligation) -> bool {
    match owed.key().kind {
        ObligationKind::InitiateClose
        | ObligationKind::Challenge
        | ObligationKind::Close
        | ObligationKind::RegisterSecret => true,
        // A final state that answers a close.
        ObligationKind::CooperativeClose => owed.deadline().is_some(),
        ObligationKind::PartialWithdraw | ObligationKind::ResolveLocks => false,
    }
}

impl Sender {
    /// Decides which calls go through L1, too.
    pub(super) async fn escape(&mut self) {
        let Some(way) = &self.escape.way else { return };
        let WayReport { alarms, is_failing } = way.report();
        let is_wanted = self.submitter.owed().any(is_worth_it);
        way.need_clock(is_wanted);
        let time = way.time();
        for alarm in alarms {
            self.push(ChainNews::OnL1(alarm));
        }
        if let Some(is_failing) = self.escape.gate.look(is_failing) {
            self.push(ChainNews::EscapeFails(is_failing));
        }
        let due = self.due_on_l1(time);
        let forcing_secs = self.submitter.profile().force_before_secs().unwrap_or(0);
        for (key, turn) in due {
            // No clock of the rollup ends a window. That one is over L1's says: the rollup's next block will, too.
            let is_close = key.kind == ObligationKind::Close;
            let now = time.filter(|_| is_close).unwrap_or_default();
            let need = self.submitter.need(&key, now).await;
            let is_urgent =
                turn.zip(time).is_some_and(|(turn, now)| turn.is_urgent(now, forcing_secs));
            if self.escape.gate.opens(key, need, is_urgent) {
                self.force(key);
            } else if need == Need::Refuted && key.kind != ObligationKind::Challenge {
                // Its time has not come: its patience begins anew.
                self.escape.since.remove(&key);
            }
        }
    }

    /// The next calls that should go through L1 and do not yet, with the time that they have.
    fn due_on_l1(&mut self, time: Option<BlockTimestamp>) -> Vec<(ObligationKey, Option<Turn>)> {
        let head = self.board.read().head.map(|head| head.timestamp);
        let is_standing = time.zip(head).is_some_and(|(time, head)| is_stale(head, time));
        let (mut due, mut turns) = (Vec::new(), BTreeMap::new());
        for owed in self.submitter.owed() {
            let key = *owed.key();
            if !is_worth_it(owed) || self.escape.is_owed(&key) || self.escape.gate.is_put_off(&key)
            {
                continue;
            }
            let since = time.map(|time| *self.escape.since.entry(key).or_insert(time));
            let turn = self.turn(owed, since);
            let is_late = turn.zip(time).is_some_and(|(turn, time)| turn.is_late(time));
            if is_standing || is_late || self.escape.gate.is_asked(&key) {
                due.push((owed.deadline(), key));
                turns.insert(key, turn);
            }
        }
        let next = self.escape.gate.next(due).into_iter();
        next.map(|key| (key, turns.get(&key).copied().flatten())).collect()
    }

    /// The time that a call has, if it is known.
    fn turn(&self, owed: &Obligation, since: Option<BlockTimestamp>) -> Option<Turn> {
        let period = match owed.key().kind {
            ObligationKind::Challenge | ObligationKind::CooperativeClose => {
                self.channels.get(&owed.key().channel_id).map(|it| it.terms.challenge_period)
            }
            // Half of it is left for the way through L1.
            ObligationKind::RegisterSecret => {
                let forcing = self.submitter.profile().force_before_secs().unwrap_or(0);
                let twice = u32::try_from(forcing.saturating_mul(2)).unwrap_or(u32::MAX);
                Some(SECRET_WINDOW_SECS.max(twice))
            }
            ObligationKind::InitiateClose
            | ObligationKind::Close
            | ObligationKind::PartialWithdraw
            | ObligationKind::ResolveLocks => None,
        };
        match (owed.deadline(), period) {
            (Some(deadline), Some(period)) => Some(Turn::of_window(deadline, period, None)),
            (Some(_) | None, _) => since.map(|opened| Turn {
                opened,
                length_secs: PATIENCE_SECS,
                first_seen_on_l1: None,
            }),
        }
    }

    /// Sends a call that is owed through L1, too.
    fn force(&self, key: ObligationKey) {
        let (Some(way), Some(channel)) = (&self.escape.way, self.channels.get(&key.channel_id))
        else {
            return;
        };
        let Some(owed) = self.submitter.owed().find(|owed| *owed.key() == key) else { return };
        let intent = self.escape.intents.get(&key);
        if key.kind == ObligationKind::InitiateClose && intent.is_none() {
            tracing::warn!(channel_id = %key.channel_id, "a close can't be started through L1 without our signer");
            return;
        }
        let contracts = self.submitter.contracts();
        match call::encode(contracts, &channel.terms, owed.call(), intent) {
            Ok((to, data)) => {
                let deadline = owed.deadline().unwrap_or(BlockTimestamp(u64::MAX));
                if way.owe(name_of(&key), Owed { to, data, usual_gas: USUAL_GAS, deadline }) {
                    tracing::warn!(channel_id = %key.channel_id, kind = ?key.kind, "a call goes through L1");
                }
            }
            Err(error) => {
                tracing::error!(channel_id = %key.channel_id, %error, "a call can't be forced");
            }
        }
    }
}
