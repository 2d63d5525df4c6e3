//! The acceptor checks everything, and countersigns.

use crate::balance::{check_acceptable, own_stake};
use crate::change::{Change, Permit};
use crate::draft::{Draft, are_sorted, outflow};
use crate::error::{Invariant, ProtocolError};
use crate::gap;
use crate::ids::{Sequence, Side, Version};
use crate::lock::{MAX_LOCKS, locks_root};
use crate::message::{PeerMessage, Proposal, RejectReason, UnsignedMessage};
use crate::money::Amount;
use crate::phase::closing;
use crate::phase::open::{apply, intent};
use crate::protection;
use crate::record::{ClosingStage, CoSigned, LeftOut, Phase, RecordParts, Sequences};
use crate::recovery;
use crate::request::SigningContent;
use crate::rules;
use crate::signature::StateSignature;
use crate::state::StateKind;
use crate::update::{Action, MAX_PENDING_UPDATES, Update};
use std::collections::BTreeSet;

/// Why a well-formed proposal is not signed.
struct Fault {
    reason: RejectReason,
    update: Option<Sequence>,
}

impl Fault {
    fn of(reason: RejectReason) -> Self {
        Self { reason, update: None }
    }
}

/// What the acceptor found a proposal to mean.
struct Checked {
    sequences: Sequences,
    /// The proposer's updates that the base does not have.
    new_updates: Vec<Update>,
}

/// Spec §2: checks all, then binds and countersigns, or says why not.
pub(crate) fn handle_propose(
    change: &mut Change<'_>,
    proposal: &Proposal,
    signature: StateSignature,
) -> Result<(), ProtocolError> {
    if change.side() != Side::Two {
        return Err(ProtocolError::WrongRole { side: Side::Two });
    }
    check_form(change, proposal)?;
    if answer_known(change, proposal, signature)? {
        return Ok(());
    }
    let state = &proposal.state;
    let verdict = match change.permit()? {
        Permit::FinalOnly => check_last(&change.parts, proposal),
        Permit::Any | Permit::Draining => {
            check_version(&change.parts, state.version, state.kind)?;
            check_content(change, proposal)
        }
    };
    let key = change.parts.setup.counterparty_key.ok_or(ProtocolError::WrongPhase)?;
    match verdict {
        Ok(checked) => {
            // The most expensive check comes last.
            key.verify(change.domain.state(state), signature)?;
            countersign(change, proposal, signature, checked)
        }
        Err(Fault { reason, update }) => {
            let base = base_version(&change.parts);
            let version = state.version;
            change.send(PeerMessage::Reject { version, reason, update, base });
            Ok(())
        }
    }
}

/// P81: says no to the first update that would give us something, so that the proposer leaves it out.
/// False if there is none: then the proposal is one like any other.
pub(crate) fn decline_propose(
    change: &mut Change<'_>,
    proposal: &Proposal,
) -> Result<bool, ProtocolError> {
    if change.side() != Side::Two {
        return Err(ProtocolError::WrongRole { side: Side::Two });
    }
    check_form(change, proposal)?;
    change.permit()?;
    let parts = &change.parts;
    let version = proposal.state.version;
    let is_known = version <= parts.guard.highest;
    let had = parts.base_sequences.one;
    let new = proposal.updates.iter().filter(|update| update.sequence > had);
    let mut gains = new.filter(|update| !protection::gain(parts, &update.action).is_zero());
    let Some(first) = gains.next().filter(|_| !is_known) else { return Ok(false) };
    let (update, base) = (Some(first.sequence), base_version(parts));
    change.send(PeerMessage::Reject { version, reason: RejectReason::NotNow, update, base });
    Ok(true)
}

fn base_version(parts: &RecordParts) -> Version {
    parts.base.as_ref().map_or(Version::ZERO, |base| base.state.version)
}

/// Limits and commitments, before anything expensive.
fn check_form(change: &Change<'_>, proposal: &Proposal) -> Result<(), ProtocolError> {
    if proposal.state.channel_id != change.channel_id {
        return Err(ProtocolError::WrongChannel);
    }
    let is_bounded = proposal.locks.len() <= MAX_LOCKS
        && proposal.refused.len() <= MAX_PENDING_UPDATES
        && are_sorted(&proposal.locks)
        && proposal.base_version < proposal.state.version;
    if !is_bounded {
        return Err(ProtocolError::Malformed);
    }
    intent::check_sequences(&proposal.updates)?;
    if locks_root(&proposal.locks) != proposal.state.locks_root {
        return Err(ProtocolError::Malformed);
    }
    Ok(())
}

/// A version that we have bound: the same bytes go out again; other content is equivocation.
fn answer_known(
    change: &mut Change<'_>,
    proposal: &Proposal,
    signature: StateSignature,
) -> Result<bool, ProtocolError> {
    let version = proposal.state.version;
    let Some(base) = change.parts.base.as_ref().filter(|base| base.state.version == version) else {
        return Ok(false);
    };
    if base.state == proposal.state {
        let content = SigningContent::State(base.state);
        // What was bound may be signed again at any time, also once a close was seen (P42); a base
        // that a restored channel was shown was never bound here, and a frozen one answers nobody.
        let is_bound = change.parts.guard.bound.contains_key(&version);
        if is_bound && change.parts.marks.frozen.is_none() {
            change.sign_and_send(content, UnsignedMessage::Accept { version });
        }
        return Ok(true);
    }
    let key = change.parts.setup.counterparty_key.ok_or(ProtocolError::WrongPhase)?;
    key.verify(change.domain.state(&proposal.state), signature)?;
    recovery::equivocation(change, proposal.state, signature);
    Ok(true)
}

/// P35: strictly newer than anything bound, within a bounded gap.
pub(crate) fn check_version(
    parts: &RecordParts,
    version: Version,
    kind: StateKind,
) -> Result<(), ProtocolError> {
    let current = parts.guard.highest;
    if version <= current {
        return Err(ProtocolError::StaleVersion { version, current });
    }
    if !gap::is_signable(version, kind, current, parts.marks.restored.is_some()) {
        return Err(ProtocolError::VersionGap { version, current });
    }
    Ok(())
}

/// P46: what a side that lost data signs: a final state that says what it holds, above all that it may
/// have signed, and only once its own operator has ordered the close, since a peer that hides the newest
/// state must not get a final one on an older. How many updates are in it, the proposer knows better.
///
/// The proposer gets an answer to whatever is not signed, or it would wait for one and never close.
fn check_last(parts: &RecordParts, proposal: &Proposal) -> Result<Checked, Fault> {
    let state = &proposal.state;
    let is_ordered = parts.phase == Phase::Closing(ClosingStage::Requested);
    let is_new = check_version(parts, state.version, state.kind).is_ok();
    if state.kind == StateKind::Ordinary || !is_ordered || !is_new {
        return Err(Fault::of(RejectReason::NotNow));
    }
    let held = Draft::from_base(parts.base.as_ref());
    let expected = held.state(state.channel_id, state.version, StateKind::Final);
    if expected != Ok(*state) || held.locks() != proposal.locks {
        return Err(Fault::of(RejectReason::Mismatch));
    }
    check_acceptable(parts, state).map_err(|_| Fault::of(RejectReason::InsufficientBalance))?;
    let Sequences { one, two } = parts.base_sequences;
    let sequences = Sequences { one, two: two.max(proposal.intents_through) };
    Ok(Checked { sequences, new_updates: vec![] })
}

/// Net and locks must change by exactly the listed updates and our own intents.
fn check_content(change: &Change<'_>, proposal: &Proposal) -> Result<Checked, Fault> {
    let parts = &change.parts;
    let had = parts.base_sequences;
    let mut draft = Draft::from_base(parts.base.as_ref());
    let mut sequences = had;
    let mut new_updates = vec![];
    let mut paid = BTreeSet::new();
    for update in proposal.updates.iter().filter(|update| update.sequence > had.one) {
        let at_fault = |reason| Fault { reason, update: Some(update.sequence) };
        rules::check(parts, Side::One, &update.action, &mut paid).map_err(at_fault)?;
        draft.apply(Side::One, &update.action).map_err(at_fault)?;
        sequences.one = update.sequence;
        new_updates.push(update.clone());
    }
    sequences.two = apply_intents(parts, proposal, &mut draft)?;
    let state = &proposal.state;
    let expected = draft
        .state(state.channel_id, state.version, state.kind)
        .map_err(|_| Fault::of(RejectReason::Mismatch))?;
    if expected != *state || draft.locks() != proposal.locks {
        return Err(Fault::of(RejectReason::Mismatch));
    }
    // P33: the contract's own predicate; P43: with and without an outstanding withdrawal.
    check_acceptable(parts, state).map_err(|_| {
        let is_outstanding = parts.withdrawal.is_some();
        Fault::of(if is_outstanding {
            RejectReason::WithdrawalOutstanding
        } else {
            RejectReason::InsufficientBalance
        })
    })?;
    Ok(Checked { sequences, new_updates })
}

/// Our own intents through the proposal's mark, each once, but for the refused ones.
fn apply_intents(
    parts: &RecordParts,
    proposal: &Proposal,
    draft: &mut Draft,
) -> Result<Sequence, Fault> {
    let through = match proposal.state.kind {
        StateKind::Ordinary => proposal.intents_through,
        // A proposer that lost data has lost its count of our intents too, and takes no new ones.
        StateKind::Final => proposal.intents_through.max(parts.base_sequences.two),
    };
    if through < parts.base_sequences.two || through > parts.own_sequence {
        return Err(Fault::of(RejectReason::Mismatch));
    }
    let included = parts.own_pending.iter().take_while(|entry| entry.update.sequence <= through);
    for entry in included {
        if proposal.refused.contains(&entry.update.sequence) {
            continue;
        }
        if let Action::AddLock(lock) = &entry.update.action {
            rules::check_offer(parts, lock).map_err(Fault::of)?;
        }
        draft
            .apply(Side::Two, &entry.update.action)
            .map_err(|_| Fault::of(RejectReason::Mismatch))?;
    }
    Ok(through)
}

/// Binds our countersignature. From this record on, the proposer's payments to us are final for us.
fn countersign(
    change: &mut Change<'_>,
    proposal: &Proposal,
    signature: StateSignature,
    checked: Checked,
) -> Result<(), ProtocolError> {
    let state = proposal.state;
    let version = state.version;
    check_stake(&change.parts, proposal)?;
    change.bind(version, change.domain.state(&state))?;
    mark_refused(change, proposal);
    let base = CoSigned {
        state,
        locks: proposal.locks.clone(),
        counterparty_signature: signature,
        own_signature: None,
    };
    let Checked { sequences, new_updates } = checked;
    apply::replace_base(change, base, sequences);
    let parts = change.write();
    parts.own_sequence = parts.own_sequence.max(sequences.two);
    for update in new_updates {
        apply::apply(change, Side::One, update, version)?;
    }
    apply::end_pending(change, Side::Two, sequences.two, version)?;
    let still_waits = !change.parts.own_pending.is_empty();
    change.session.heard(still_waits);
    change.sign_and_send(SigningContent::State(state), UnsignedMessage::Accept { version });
    if state.kind == StateKind::Final {
        fail_leftovers(change, version)?;
        closing::final_signed(change, version);
    }
    Ok(())
}

/// P36, once more and by other means: nothing but our own updates lowers what is ours.
fn check_stake(parts: &RecordParts, proposal: &Proposal) -> Result<(), ProtocolError> {
    let side = Side::Two;
    let broken = ProtocolError::InvariantBroken(Invariant::WorstBalance);
    let before = own_stake(side, parts, parts.base.as_ref().map(|base| &base.state))?;
    let after = own_stake(side, parts, Some(&proposal.state))?;
    let mut given = Amount::ZERO;
    for entry in &parts.own_pending {
        if let Action::Pay(_) = &entry.update.action {
            given = given.checked_add(outflow(&entry.update.action))?;
        }
    }
    // A lock of ours that its payee settles leaves with its secret.
    for update in proposal.updates.iter().filter(|u| u.sequence > parts.base_sequences.one) {
        if let Action::SettleLock { hash, .. } = &update.action {
            let locks = parts.base.iter().flat_map(|base| &base.locks);
            for lock in locks.filter(|lock| lock.hash == *hash) {
                given = given.checked_add(lock.amount)?;
            }
        }
    }
    let floor = before.saturating_sub(given);
    if after < floor { Err(broken) } else { Ok(()) }
}

/// Intents that the proposal leaves out are left out for ever.
fn mark_refused(change: &mut Change<'_>, proposal: &Proposal) {
    let version = proposal.state.version;
    for entry in &mut change.write().own_pending {
        let sequence = entry.update.sequence;
        if sequence <= proposal.intents_through && proposal.refused.contains(&sequence) {
            let left_out = LeftOut { from: version, reason: RejectReason::Policy };
            entry.left_out = Some(left_out);
        }
    }
}

/// Nothing follows a final state: intents that it does not include have failed.
fn fail_leftovers(change: &mut Change<'_>, version: Version) -> Result<(), ProtocolError> {
    let left_out = LeftOut { from: version, reason: RejectReason::NotNow };
    for entry in &mut change.write().own_pending {
        entry.left_out = Some(left_out);
    }
    let last = change.parts.own_sequence;
    apply::end_pending(change, Side::Two, last, version)
}
