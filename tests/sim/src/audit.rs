//! What must hold at every binding, every signature and every message of an honest node.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use lockstep_core::adjudicator::{PresentedState, acceptance};
use lockstep_core::chain::{ChainCall, ChannelStatus, Obligation};
use lockstep_core::channel::Channel;
use lockstep_core::commit::Transition;
use lockstep_core::ids::{Digest, Side, Version};
use lockstep_core::lock::Lock;
use lockstep_core::message::PeerMessage;
use lockstep_core::money::Amount;
use lockstep_core::output::{Notice, Output};
use lockstep_core::record::{Dispute, Phase, RecordParts};
use lockstep_core::request::{SigningContent, SigningRequest};
use lockstep_core::state::{State, StateKind};
use lockstep_core::time::Finality;
use lockstep_core::update::{Action, Update};

use crate::chain::Chain;
use crate::disk::Disk;
use crate::keys::place;
use crate::ledger::{Ledger, Step};
use crate::scenario::Scenario;
use crate::violation::{Checked, ensure};

/// What is remembered of an honest side, across all its crashes.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The second set of books.
    pub ledger: Ledger,
    /// Everything that was ever signed, by version.
    signed: BTreeMap<Version, Digest>,
    /// A final state was bound at this version.
    final_at: Option<Version>,
    /// A close was seen and did not vanish.
    pub sees_close: bool,
    /// Data was lost to an old backup.
    pub is_restored: bool,
    /// The operator ordered a unilateral close.
    pub force_ordered: bool,
    /// What of its own the operator ever asked to take out.
    pub withdrawn: Vec<Amount>,
}

/// All honest sides.
#[derive(Clone, Debug)]
pub struct Audit {
    is_honest: [bool; 2],
    memory: [Memory; 2],
}

impl Audit {
    /// For a run.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let is_honest = [scenario.is_honest(Side::One), scenario.is_honest(Side::Two)];
        Self { is_honest, memory: Default::default() }
    }

    /// Whether a side is held to the rules.
    #[must_use]
    pub fn covers(&self, side: Side) -> bool {
        self.is_honest[place(side)]
    }

    /// A side's memory.
    #[must_use]
    pub fn of(&self, side: Side) -> &Memory {
        &self.memory[place(side)]
    }

    /// A side's memory, to be changed.
    pub fn of_mut(&mut self, side: Side) -> &mut Memory {
        &mut self.memory[place(side)]
    }

    /// A step is durable: looks at what it binds and what it tells.
    ///
    /// # Errors
    /// On the first property that does not hold.
    pub fn committed(
        &mut self,
        side: Side,
        before: Option<&RecordParts>,
        step: &Transition,
    ) -> Checked<()> {
        if !self.covers(side) {
            return Ok(());
        }
        let next = step.next().parts();
        for binding in step.bindings() {
            self.bound(side, before, next, binding.version)?;
        }
        let is_peer_honest = self.covers(side.other());
        let memory = self.of_mut(side);
        for output in step.outputs() {
            if let Output::Notify(notice) = output {
                memory.is_restored |= matches!(notice, Notice::Restored { .. });
                check_collectable(before, notice)?;
                if !memory.is_restored {
                    check_lock_end(side, notice, next, &memory.ledger)?;
                    memory.ledger.take(side, notice, Step { before, next, is_peer_honest })?;
                }
            }
        }
        if !memory.is_restored {
            memory.ledger.check(next, is_peer_honest)?;
        }
        check_kept(before, next)?;
        let newest = |parts: &RecordParts| {
            parts.base.as_ref().map_or(Version::ZERO, |base| base.state.version)
        };
        let was = before.map_or(Version::ZERO, newest);
        let is = newest(next);
        ensure(is >= was, "P35", || format!("the newest state went from {was} back to {is}"))
    }

    fn bound(
        &mut self,
        side: Side,
        before: Option<&RecordParts>,
        next: &RecordParts,
        version: Version,
    ) -> Checked<()> {
        let memory = self.of_mut(side);
        ensure(!memory.sees_close, "P42", || format!("{version} is bound after a close was seen"))?;
        let highest = before.map_or(Version::ZERO, |parts| parts.guard.highest);
        ensure(version > highest, "P35", || format!("{version} is bound after {highest}"))?;
        if let Some(last) = memory.final_at
            && !memory.is_restored
        {
            let detail = || format!("{version} is bound after the final {last}");
            ensure(false, "P41", detail)?;
        }
        let withdraw = next.withdrawal.map(|known| known.withdraw);
        if let Some(withdraw) = withdraw.filter(|withdraw| withdraw.version == version) {
            let out = [withdraw.out1, withdraw.out2][place(side)];
            let is_asked = out.is_zero() || memory.withdrawn.contains(&out);
            ensure(is_asked, "P36", || format!("{out:?} of {side:?} leaves and nobody asked"))?;
        }
        check_new_locks(side, before, next, version)?;
        let Some(state) = find_state(next, version) else { return Ok(()) };
        if state.kind == StateKind::Final {
            memory.final_at = Some(version);
        }
        if memory.is_restored {
            let is_final = state.kind == StateKind::Final;
            ensure(is_final, "P46", || format!("a restored channel binds ordinary {version}"))?;
        }
        let presented = PresentedState::from(&state);
        let deposits = next.chain.deposits;
        let verdict = acceptance::accept(deposits, &presented);
        ensure(verdict.is_ok(), "P33", || format!("{version} is bound and {verdict:?}"))?;
        if let Some(outstanding) = &next.withdrawal {
            let withdraw = &outstanding.withdraw;
            let after = deposits.withdrawn(withdraw.out1, withdraw.out2);
            let verdict = after.map(|after| acceptance::accept(after, &presented));
            let holds = matches!(verdict, Ok(Ok(_)));
            ensure(holds, "P43", || format!("{version} needs what is withdrawn: {verdict:?}"))?;
        }
        Ok(())
    }

    /// P40: what a side may count on is the least over all that may be settled.
    ///
    /// # Errors
    /// If its node says more.
    pub fn counting(&self, side: Side, channel: &Channel) -> Checked<()> {
        let parts = channel.parts();
        let Ok(said) = channel.spendable() else { return Ok(()) };
        if !self.covers(side) {
            return Ok(());
        }
        let base = parts.base.as_ref().map(|base| base.state);
        let in_flight = parts.in_flight.iter().map(|proposal| Some(proposal.state));
        for state in std::iter::once(base).chain(in_flight) {
            let presented = state.as_ref().map(PresentedState::from).unwrap_or_default();
            let verdict = acceptance::accept(parts.chain.deposits, &presented);
            let Ok(accepted) = verdict else { continue };
            let left = accepted.balances.of(side);
            let version = presented.version;
            ensure(said <= left, "P40", || {
                format!("{side:?} may spend {said:?} and has {left:?} in {version}")
            })?;
        }
        Ok(())
    }

    /// Something is about to be signed.
    ///
    /// # Errors
    /// On the first property that does not hold.
    pub fn signing(
        &mut self,
        side: Side,
        request: &SigningRequest,
        disk: &Disk,
        chain: &Chain,
    ) -> Checked<()> {
        if !self.covers(side) {
            return Ok(());
        }
        let digest = request.digest();
        let record = disk.record().map(lockstep_core::record::ChannelRecord::parts);
        let Some(version) = request.version() else {
            let holds = match (request.content(), record.map(|parts| &parts.phase)) {
                (SigningContent::Open(open), Some(Phase::Funding { consent })) => {
                    consent.is_some_and(|consent| consent.open == *open)
                }
                _ => false,
            };
            return ensure(holds, "P32", || format!("{request:?} has no record"));
        };
        let is_base = record.and_then(|parts| parts.base.as_ref()).is_some_and(
            |base| matches!(request.content(), SigningContent::State(state) if *state == base.state),
        );
        let is_durable = disk.is_bound(version, digest) || is_base;
        ensure(is_durable, "P32", || format!("{version} is signed and not on disk"))?;
        let status = chain.finalized().books.status();
        let is_active = !matches!(status, ChannelStatus::None | ChannelStatus::Pending);
        ensure(is_active, "P34", || format!("{version} is signed while finally {status:?}"))?;
        let before = self.of_mut(side).signed.insert(version, digest);
        let is_same = before.is_none_or(|before| before == digest);
        ensure(is_same, "P31", || format!("{version} is signed for two contents"))
    }

    /// A message is about to leave.
    ///
    /// # Errors
    /// If it tells what is not on disk.
    pub fn sending(&self, side: Side, message: &PeerMessage, disk: &Disk) -> Checked<()> {
        let updates = match message {
            PeerMessage::Intent { updates } => updates,
            PeerMessage::Propose { proposal, .. } => &proposal.updates,
            _ => return Ok(()),
        };
        if !self.covers(side) {
            return Ok(());
        }
        let parts = disk.record().map(lockstep_core::record::ChannelRecord::parts);
        let is_kept = |update: &Update| {
            parts.is_some_and(|parts| parts.own_pending.iter().any(|e| e.update == *update))
        };
        let missing = updates.iter().find(|update| !is_kept(update));
        ensure(missing.is_none(), "P32", || format!("{missing:?} is sent and not on disk"))
    }

    /// Something is about to go to the chain.
    ///
    /// # Errors
    /// If it is incomplete, not on disk, or nobody ordered it.
    pub fn submitting(&self, side: Side, owed: &Obligation, disk: &Disk) -> Checked<()> {
        if !self.covers(side) {
            return Ok(());
        }
        let parts = disk.record().map(lockstep_core::record::ChannelRecord::parts);
        match owed.call() {
            ChainCall::InitiateClose(evidence) => {
                let is_whole = evidence.as_ref().is_none_or(|e| e.complete().is_some());
                ensure(is_whole, "P12", || format!("half a proof: {owed:?}"))?;
                let ordered = self.of(side).force_ordered;
                ensure(ordered, "P46", || "a close that nobody ordered".to_owned())
            }
            ChainCall::Challenge(evidence) | ChainCall::CooperativeClose(evidence) => {
                let is_whole = evidence.complete().is_some();
                ensure(is_whole, "P12", || format!("half a proof: {owed:?}"))
            }
            ChainCall::RegisterSecret { secret } => {
                let hash = lockstep_core::hash_of(*secret);
                let is_kept = parts.is_some_and(|parts| parts.secrets.contains_key(&hash));
                ensure(is_kept, "P45", || "a secret is used and not on disk".to_owned())
            }
            ChainCall::Close | ChainCall::PartialWithdraw(_) | ChainCall::ResolveLocks { .. } => {
                Ok(())
            }
        }
    }

    /// With an honest counterparty, what one side received is what the other ordered.
    ///
    /// # Errors
    /// If not.
    pub fn compare(&self) -> Checked<()> {
        for side in [Side::One, Side::Two] {
            let (payee, payer) = (&self.of(side).ledger, &self.of(side.other()).ledger);
            if !self.covers(side) || !self.covers(side.other()) {
                continue;
            }
            for (id, action) in payee.applied.iter().filter(|(id, _)| id.payer != side) {
                let ordered: Option<&Action> = payer.ordered.get(&id.sequence);
                ensure(ordered == Some(action), "P37", || format!("{id:?} was never ordered"))?;
            }
        }
        Ok(())
    }
}

/// P40: what may have been signed is never forgotten before something newer is.
fn check_kept(before: Option<&RecordParts>, next: &RecordParts) -> Checked<()> {
    let base = next.base.as_ref().map_or(Version::ZERO, |base| base.state.version);
    for proposal in before.iter().flat_map(|parts| &parts.in_flight) {
        let version = proposal.state.version;
        let is_kept = version <= base
            || next
                .in_flight
                .iter()
                .any(|kept| (kept.state, &kept.locks) == (proposal.state, &proposal.locks));
        ensure(is_kept, "P40", || format!("{version} may be signed and was forgotten"))?;
    }
    Ok(())
}

/// P40: what comes once the contract takes nothing more, and is not what it holds, is collected by nobody: it is not
/// told as final, least of all as income.
fn check_collectable(before: Option<&RecordParts>, notice: &Notice) -> Checked<()> {
    let (Notice::Applied { id, version, .. }, Some(parts)) = (notice, before) else {
        return Ok(());
    };
    let settled = match &parts.phase {
        Phase::Settled(settlement) if settlement.is_final => settlement.version,
        Phase::Disputed(Dispute { sighting, .. })
            if sighting.finality == Finality::Final
                && parts.chain.finalized.timestamp >= sighting.closes_at =>
        {
            sighting.point.version
        }
        _ => return Ok(()),
    };
    ensure(settled == *version, "P40", || {
        format!("{id:?} is final in {version}, and {settled} is settled")
    })
}

/// P25: by the settled clock a lock goes back only after its expiry, and a secret counts only until then,
/// unless the registry took it in time.
fn check_lock_end(side: Side, notice: &Notice, next: &RecordParts, ledger: &Ledger) -> Checked<()> {
    let Notice::Applied { id, action, .. } = notice else { return Ok(()) };
    let now = next.chain.finalized.timestamp;
    let held = |hash: &B256| ledger.locks.get(hash);
    match action {
        Action::ExpireLock { hash } if id.payer != side => {
            let is_over = held(hash).is_none_or(|held| now > held.expiry);
            ensure(is_over, "P25", || format!("lock {hash} went back at {now}, before its expiry"))
        }
        Action::SettleLock { hash, .. } if id.payer != side => {
            let revealed = next.secrets.get(hash).and_then(|known| known.revealed_at);
            let is_due = held(hash).is_none_or(|held| {
                now <= held.expiry || revealed.is_some_and(|at| at <= held.expiry)
            });
            // What was bound in time may be answered late; only the acceptor decides at this moment.
            ensure(is_due || side == Side::One, "P25", || {
                format!("lock {hash} was settled at {now}, after its expiry")
            })
        }
        Action::Pay(_)
        | Action::AddLock(_)
        | Action::SettleLock { .. }
        | Action::FailLock { .. }
        | Action::ExpireLock { .. } => Ok(()),
    }
}

/// P44: money of ours goes behind a lock only while its secret is unknown and there is time to act on it,
/// however long ago it was ordered.
fn check_new_locks(
    side: Side,
    before: Option<&RecordParts>,
    next: &RecordParts,
    version: Version,
) -> Checked<()> {
    let known: Vec<&Lock> = before.into_iter().flat_map(locks_of).flat_map(|(_, l)| l).collect();
    let bound = locks_of(next).find(|(of, _)| *of == version).map_or(&[][..], |(_, locks)| locks);
    let soon = next.chain.finalized.timestamp.0 + next.setup.policy.lock_margin_secs;
    for lock in bound.iter().filter(|lock| lock.payer() == side && !known.contains(lock)) {
        ensure(lock.expiry.0 > soon, "P44", || format!("{lock:?} is offered too late"))?;
        let is_out = before.is_some_and(|parts| parts.secrets.contains_key(&lock.hash));
        ensure(!is_out, "P44", || format!("{lock:?} is offered and its secret is out"))?;
    }
    Ok(())
}

/// The locks of everything that may be settled, by version.
fn locks_of(parts: &RecordParts) -> impl Iterator<Item = (Version, &[Lock])> {
    let base = parts.base.iter().map(|base| (base.state.version, &base.locks[..]));
    let in_flight = parts.in_flight.iter().map(|p| (p.state.version, &p.locks[..]));
    base.chain(in_flight)
}

fn find_state(parts: &RecordParts, version: Version) -> Option<State> {
    let base = parts.base.iter().map(|base| base.state);
    let in_flight = parts.in_flight.iter().map(|proposal| proposal.state);
    base.chain(in_flight).find(|state| state.version == version)
}
