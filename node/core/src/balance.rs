//! What a side may count on: the worst over everything that may be settled.

use crate::adjudicator::{PresentedState, Refusal, acceptance};
use crate::draft::outflow;
use crate::error::{Invariant, ProtocolError};
use crate::ids::{Sequence, Side};
use crate::money::{Amount, Balances, Deposits};
use crate::record::{PendingUpdate, Phase, RecordParts, Sequences};
use crate::state::State;

/// The deposits that may be on chain: as they are, and as an outstanding withdrawal leaves them.
///
/// Source: protocol §2, P43.
pub(crate) fn deposit_views(parts: &RecordParts) -> Result<[Deposits; 2], ProtocolError> {
    let current = parts.chain.deposits;
    match &parts.withdrawal {
        None => Ok([current, current]),
        Some(outstanding) => {
            let withdraw = &outstanding.withdraw;
            Ok([current, current.withdrawn(withdraw.out1, withdraw.out2)?])
        }
    }
}

/// Applies the contract's predicate with and without an outstanding withdrawal.
pub(crate) fn check_acceptable(parts: &RecordParts, state: &State) -> Result<(), ProtocolError> {
    let presented = PresentedState::from(state);
    for deposits in deposit_views(parts)? {
        acceptance::accept(deposits, &presented)?;
    }
    Ok(())
}

/// Both sides' balances at a state, each at its worst over the deposits that may be on chain.
pub(crate) fn worst_balances(
    parts: &RecordParts,
    state: Option<&State>,
) -> Result<Balances, ProtocolError> {
    let [now, after] = deposit_views(parts)?;
    let (one, two) = (balances_at(now, state)?, balances_at(after, state)?);
    Ok(Balances { one: one.one.min(two.one), two: one.two.min(two.two) })
}

/// Balances at a state; version 0 gives everyone their deposit.
fn balances_at(deposits: Deposits, state: Option<&State>) -> Result<Balances, Refusal> {
    let presented = state.map(PresentedState::from).unwrap_or_default();
    let (_, balances) =
        acceptance::balances(deposits, presented.net, presented.locked1, presented.locked2)?;
    Ok(balances)
}

/// What our side may still spend: the least over the newest co-signed state and everything in flight,
/// less what waits. Income in flight counts for nothing.
///
/// Source: protocol §2.
pub(crate) fn spendable(parts: &RecordParts) -> Result<Amount, ProtocolError> {
    let side = parts.setup.side;
    let least = least_remaining(parts, side, &parts.own_pending)?;
    debug_assert!(least <= parts.chain.deposits.total(), "side {side:?}");
    Ok(least)
}

/// The least of our balance over the newest co-signed state and everything in flight.
///
/// Source: protocol §2.
pub(crate) fn least_own_balance(parts: &RecordParts) -> Result<Amount, ProtocolError> {
    let side = parts.setup.side;
    let base = parts.base.as_ref().map(|base| &base.state);
    let mut least = worst_balances(parts, base)?.of(side);
    for proposal in &parts.in_flight {
        least = least.min(worst_balances(parts, Some(&proposal.state))?.of(side));
    }
    Ok(least)
}

impl RecordParts {
    /// What an older state may take from our side at most: our balance in the newest one, with everything in
    /// flight that lowers it. Nothing is left to lose once the channel is settled, nor where amounts do not add
    /// up.
    pub fn at_risk(&self) -> Amount {
        match self.phase {
            Phase::Settled(_) => Amount::ZERO,
            Phase::Opening(_)
            | Phase::Funding { .. }
            | Phase::Open
            | Phase::Closing(_)
            | Phase::Disputed(_) => least_own_balance(self).unwrap_or(Amount::ZERO),
        }
    }
}

/// What the counterparty may still spend by intents, by the same rule: a version in flight may hold an
/// intent that later ones leave out.
pub(crate) fn peer_spendable(parts: &RecordParts) -> Result<Amount, ProtocolError> {
    least_remaining(parts, parts.setup.side.other(), &parts.peer_pending)
}

/// The least that a side has left, over everything that may be settled.
fn least_remaining(
    parts: &RecordParts,
    side: Side,
    pending: &[PendingUpdate],
) -> Result<Amount, ProtocolError> {
    let waiting = Waiting::new(pending)?;
    let base = parts.base.as_ref().map(|base| &base.state);
    let mut least = remaining(parts, side, base, parts.base_sequences, &waiting)?;
    for proposal in &parts.in_flight {
        let left = remaining(parts, side, Some(&proposal.state), proposal.sequences, &waiting)?;
        least = least.min(left);
    }
    Ok(least)
}

/// A side's balance at one state, less its updates that the state does not include.
fn remaining(
    parts: &RecordParts,
    side: Side,
    state: Option<&State>,
    included: Sequences,
    waiting: &Waiting,
) -> Result<Amount, ProtocolError> {
    let balance = worst_balances(parts, state)?.of(side);
    Ok(balance.saturating_sub(waiting.after(included.of(side))))
}

/// Running sums of what waiting updates take, so that each state in flight costs one look-up.
struct Waiting(Vec<(Sequence, Amount)>, Amount);

impl Waiting {
    fn new(pending: &[PendingUpdate]) -> Result<Self, ProtocolError> {
        let mut sum = Amount::ZERO;
        let mut sums = Vec::with_capacity(pending.len());
        for entry in pending.iter().filter(|entry| entry.left_out.is_none()) {
            sum = sum.checked_add(outflow(&entry.update.action))?;
            sums.push((entry.update.sequence, sum));
        }
        Ok(Self(sums, sum))
    }

    /// What the updates after a sequence take together.
    fn after(&self, sequence: Sequence) -> Amount {
        let place = self.0.partition_point(|(at, _)| *at <= sequence);
        let before = place.checked_sub(1).and_then(|last| self.0.get(last));
        self.1.saturating_sub(before.map_or(Amount::ZERO, |(_, sum)| *sum))
    }
}

/// Our balance and our locks together: what a state may never lower but by our own updates.
pub(crate) fn own_stake(
    side: Side,
    parts: &RecordParts,
    state: Option<&State>,
) -> Result<Amount, ProtocolError> {
    let locked = state.map_or(Amount::ZERO, |state| match side {
        Side::One => state.locked1,
        Side::Two => state.locked2,
    });
    let balance = worst_balances(parts, state)?.of(side);
    balance.checked_add(locked).map_err(|_| ProtocolError::InvariantBroken(Invariant::Conservation))
}
