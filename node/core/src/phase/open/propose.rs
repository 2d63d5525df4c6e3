//! The proposer makes states.

use crate::balance::{check_acceptable, worst_balances};
use crate::change::{Change, Permit};
use crate::draft::Draft;
use crate::error::{Invariant, ProtocolError};
use crate::ids::{Sequence, Side, Version};
use crate::message::{Proposal, RejectReason, UnsignedMessage};
use crate::output::Notice;
use crate::phase::open::apply;
use crate::phase::{closing, settled};
use crate::record::{CoSigned, InFlight, LeftOut, PendingUpdate, RecordParts, Sequences};
use crate::request::SigningContent;
use crate::rules;
use crate::signature::StateSignature;
use crate::state::{State, StateKind};
use crate::terms::MAX_IN_FLIGHT;
use crate::update::{Action, MAX_UPDATES_BYTES, Update};
use std::collections::BTreeSet;

/// After so many refusals without an acceptance, nothing new goes out until all is answered, and then
/// everything that waits is left out: else refusals, each of which keeps its place in the record, could
/// fill it and end all payments.
const MAX_REFUSALS: usize = 8;

/// What goes into the next state.
struct Content {
    draft: Draft,
    sequences: Sequences,
}

/// The version that the next state takes.
pub(crate) fn next_version(parts: &RecordParts) -> Result<Version, ProtocolError> {
    parts.guard.highest.next().ok_or(ProtocolError::InvariantBroken(Invariant::Bounds))
}

/// Spec §2: one state covers all that waits, as long as the window has room.
pub(crate) fn propose_more(change: &mut Change<'_>) -> Result<(), ProtocolError> {
    propose_next(change, false)
}

/// The same, also without news if a version must be superseded.
fn propose_next(change: &mut Change<'_>, must: bool) -> Result<(), ProtocolError> {
    if change.side() != Side::One || change.session.is_silent {
        return Ok(());
    }
    match change.permit() {
        Ok(Permit::Any | Permit::Draining) => {}
        Ok(Permit::FinalOnly)
        | Err(
            ProtocolError::Frozen { .. }
            | ProtocolError::WrongPhase
            | ProtocolError::FinalBound
            | ProtocolError::CloseSeen,
        ) => return Ok(()),
        Err(error) => return Err(error),
    }
    if (must || has_news(&change.parts)) && has_room(&change.parts) {
        drop_late_locks(change)?;
        let content = next_content(&change.parts)?;
        if is_within_value(&change.parts, &content)? {
            propose(change, content, StateKind::Ordinary, next_version(&change.parts)?)?;
        }
    }
    closing::propose_final_if_drained(change)
}

/// A lock of ours that no state holds yet may have waited for long: it goes into none that comes too late.
fn drop_late_locks(change: &mut Change<'_>) -> Result<(), ProtocolError> {
    let parts = &change.parts;
    let covered = parts.in_flight.last().map_or(parts.base_sequences, |newest| newest.sequences);
    let is_late = |entry: &PendingUpdate| match &entry.update.action {
        Action::AddLock(lock) => {
            entry.update.sequence > covered.one && rules::check_offer(parts, lock).is_err()
        }
        Action::Pay(_)
        | Action::SettleLock { .. }
        | Action::FailLock { .. }
        | Action::ExpireLock { .. } => false,
    };
    let late: BTreeSet<Sequence> =
        parts.own_pending.iter().filter(|e| is_late(e)).map(|e| e.update.sequence).collect();
    let left_out = LeftOut { from: next_version(parts)?, reason: RejectReason::LockRefused };
    leave_out(change, Side::One, left_out, |entry| late.contains(&entry.update.sequence));
    Ok(())
}

/// Whether a new state would differ from the newest in flight, or must replace a refused one.
pub(crate) fn has_news(parts: &RecordParts) -> bool {
    let newest = parts.in_flight.last();
    let base_version = parts.base.as_ref().map_or(Version::ZERO, |base| base.state.version);
    let version = newest.map_or(base_version, |proposal| proposal.state.version);
    let covered = newest.map_or(parts.base_sequences, |proposal| proposal.sequences);
    let is_new = |entry: &PendingUpdate, through: Sequence| match entry.left_out {
        None => entry.update.sequence > through,
        Some(left_out) => left_out.from > version,
    };
    parts.own_pending.iter().any(|entry| is_new(entry, covered.one))
        || parts.peer_pending.iter().any(|entry| is_new(entry, covered.two))
}

/// A refused proposal is answered: it keeps its place in the record, and none in the window. If it took
/// one there, as many refusals as the window is wide would end all payments.
fn has_room(parts: &RecordParts) -> bool {
    let limit = parts.setup.policy.max_in_flight.min(MAX_IN_FLIGHT);
    let unanswered = unanswered(parts);
    let refusals = parts.in_flight.len().saturating_sub(unanswered);
    let is_below = |count: usize, limit: u32| u32::try_from(count).is_ok_and(|count| count < limit);
    is_below(unanswered, limit)
        && is_below(parts.in_flight.len(), MAX_IN_FLIGHT)
        && (refusals < MAX_REFUSALS || unanswered == 0)
}

/// Proposals that the acceptor has said nothing about.
fn unanswered(parts: &RecordParts) -> usize {
    parts.in_flight.iter().filter(|proposal| !proposal.is_rejected).count()
}

/// The base with our updates, as many as fit a message, and every intent.
fn next_content(parts: &RecordParts) -> Result<Content, ProtocolError> {
    let broken = |_: RejectReason| ProtocolError::InvariantBroken(Invariant::PendingFits);
    let mut draft = Draft::from_base(parts.base.as_ref());
    let mut sequences = parts.base_sequences;
    let mut size = 0usize;
    for entry in &parts.own_pending {
        if entry.left_out.is_none() {
            size = size.saturating_add(entry.update.size_bound());
            if size > MAX_UPDATES_BYTES {
                break;
            }
            draft.apply(Side::One, &entry.update.action).map_err(broken)?;
        }
        sequences.one = entry.update.sequence;
    }
    for entry in &parts.peer_pending {
        if entry.left_out.is_none() {
            draft.apply(Side::Two, &entry.update.action).map_err(broken)?;
        }
        sequences.two = entry.update.sequence;
    }
    Ok(Content { draft, sequences })
}

/// Spec §2: what is in flight may move only so much beyond the newest co-signed state.
fn is_within_value(parts: &RecordParts, content: &Content) -> Result<bool, ProtocolError> {
    let limit = parts.setup.policy.max_in_flight_value;
    let base = parts.base.as_ref().map(|base| &base.state);
    let state =
        content.draft.state(parts.setup.channel_id(), next_version(parts)?, StateKind::Ordinary)?;
    let before = worst_balances(parts, base)?.of(Side::One);
    let after = worst_balances(parts, Some(&state))?.of(Side::One);
    // Where nothing waits for an answer, one state of any size may go out, or payments would end here.
    let is_quiet = parts.in_flight.iter().all(|proposal| proposal.is_rejected);
    Ok(is_quiet || before.saturating_sub(after) <= limit)
}

/// Binds a state and sends it.
fn propose(
    change: &mut Change<'_>,
    content: Content,
    kind: StateKind,
    version: Version,
) -> Result<(), ProtocolError> {
    let Content { draft, sequences } = content;
    let state = draft.state(change.channel_id, version, kind)?;
    // P33: the contract's own predicate, before anything is bound.
    check_acceptable(&change.parts, &state)
        .map_err(|_| ProtocolError::InvariantBroken(Invariant::PendingFits))?;
    change.bind(version, change.domain.state(&state))?;
    let locks = draft.into_locks();
    let in_flight = InFlight { state, locks, sequences, is_rejected: false };
    send_proposal(change, &in_flight);
    change.write().in_flight.push(in_flight);
    change.session.asked();
    Ok(())
}

/// Proposes the final state: the newest content, which has no locks, and nothing after it.
pub(crate) fn propose_final(
    change: &mut Change<'_>,
    min_version: Version,
) -> Result<Version, ProtocolError> {
    let version = next_version(&change.parts)?.max(min_version);
    let content = next_content(&change.parts)?;
    propose(change, content, StateKind::Final, version)?;
    Ok(version)
}

/// Sends a bound proposal, for the first time or again; it lists all updates since the base.
pub(crate) fn send_proposal(change: &mut Change<'_>, in_flight: &InFlight) {
    let version = in_flight.state.version;
    let parts = &change.parts;
    let is_left_out =
        |entry: &&PendingUpdate| entry.left_out.is_some_and(|left_out| left_out.from <= version);
    let updates: Vec<Update> = parts
        .own_pending
        .iter()
        .take_while(|entry| entry.update.sequence <= in_flight.sequences.one)
        .filter(|entry| !is_left_out(entry))
        .map(|entry| entry.update.clone())
        .collect();
    let refused: Vec<Sequence> = parts
        .peer_pending
        .iter()
        .take_while(|entry| entry.update.sequence <= in_flight.sequences.two)
        .filter(is_left_out)
        .map(|entry| entry.update.sequence)
        .collect();
    let proposal = Proposal {
        base_version: parts.base.as_ref().map_or(Version::ZERO, |base| base.state.version),
        state: in_flight.state,
        locks: in_flight.locks.clone(),
        updates,
        intents_through: in_flight.sequences.two,
        refused,
    };
    let content = SigningContent::State(in_flight.state);
    change.sign_and_send(content, UnsignedMessage::Propose(proposal));
}

/// Spec §2: the acceptor's countersignature makes a state the base. This binds nothing new, so it
/// counts in every phase: what we hold after a close was seen may be what the challenge needs.
pub(crate) fn handle_accept(
    change: &mut Change<'_>,
    version: Version,
    signature: StateSignature,
) -> Result<(), ProtocolError> {
    if change.side() != Side::One {
        return Err(ProtocolError::WrongRole { side: Side::One });
    }
    let base_version = change.parts.base.as_ref().map_or(Version::ZERO, |base| base.state.version);
    if version <= base_version {
        // The link may repeat, and an older answer is overtaken by a newer one.
        return Ok(());
    }
    let found = change.parts.in_flight.iter().find(|entry| entry.state.version == version);
    let in_flight = found.cloned().ok_or(ProtocolError::UnknownVersion { version })?;
    let key = change.parts.setup.counterparty_key.ok_or(ProtocolError::WrongPhase)?;
    key.verify(change.domain.state(&in_flight.state), signature)?;
    adopt_in_flight(change, in_flight, signature)
}

/// A proposal of ours is co-signed now. What the contract can settle no more changes nothing, and brings nothing.
pub(crate) fn adopt_in_flight(
    change: &mut Change<'_>,
    in_flight: InFlight,
    signature: StateSignature,
) -> Result<(), ProtocolError> {
    let version = in_flight.state.version;
    if settled::is_too_late_for(change, version) {
        settled::offer_late_final(change, in_flight, signature);
        return Ok(());
    }
    let InFlight { state, locks, sequences, .. } = in_flight;
    let base = CoSigned { state, locks, counterparty_signature: signature, own_signature: None };
    let revives = apply::revives(&change.parts, sequences, version);
    apply::replace_base(change, base, sequences);
    apply::end_pending(change, Side::One, sequences.one, version)?;
    apply::end_pending(change, Side::Two, sequences.two, version)?;
    if revives {
        apply::leave_out_unfit(change)?;
    }
    let still_waits = !change.parts.in_flight.is_empty();
    change.session.heard(still_waits);
    if state.kind == StateKind::Final {
        closing::final_signed(change, version);
    }
    // A refused version above the new base is still maybe agreed: the next state ends it.
    let is_haunted = still_waits && unanswered(&change.parts) == 0;
    propose_next(change, is_haunted)
}

/// Spec §2: the acceptor does not sign. The version stays maybe agreed: it is never reused and never
/// forgotten until a later one is co-signed. The update at fault is left out from the next version on.
pub(crate) fn handle_reject(
    change: &mut Change<'_>,
    version: Version,
    reason: RejectReason,
    at_fault: Option<Sequence>,
) -> Result<(), ProtocolError> {
    if change.side() != Side::One {
        return Err(ProtocolError::WrongRole { side: Side::One });
    }
    let is_old = version <= change.parts.base.as_ref().map_or(Version::ZERO, |b| b.state.version);
    let found = change.parts.in_flight.iter().find(|entry| entry.state.version == version);
    let Some(sequences) = found.map(|entry| entry.sequences) else {
        return if is_old { Ok(()) } else { Err(ProtocolError::UnknownVersion { version }) };
    };
    mark_rejected(change, version, reason);
    let left_out = LeftOut { from: next_version(&change.parts)?, reason };
    let is_fault = |entry: &PendingUpdate| match at_fault {
        Some(sequence) => entry.update.sequence == sequence,
        None => false,
    };
    leave_out(change, Side::One, left_out, is_fault);
    if at_fault.is_none() && reason == RejectReason::LockRefused {
        take_back_locks(change, version, sequences.two, left_out);
    }
    let unanswered = unanswered(&change.parts);
    if unanswered == 0 && change.parts.in_flight.len() >= MAX_REFUSALS {
        leave_out_all(change, left_out);
    }
    change.session.heard(unanswered > 0);
    let is_outdated = unanswered == 0 && is_outdated(&change.parts)?;
    propose_next(change, is_outdated)
}

/// The acceptor takes its own locks back that have waited too long: those of the refused version, unless
/// newer versions leave some of them out already, which may be all that was wrong with it.
fn take_back_locks(
    change: &mut Change<'_>,
    refused: Version,
    through: Sequence,
    left_out: LeftOut,
) {
    let is_in = |entry: &&PendingUpdate| {
        entry.update.sequence <= through
            && matches!(entry.update.action, Action::AddLock(_))
            && entry.left_out.is_none_or(|left_out| left_out.from > refused)
    };
    let mut locks = change.parts.peer_pending.iter().filter(is_in);
    if locks.all(|entry| entry.left_out.is_none()) {
        leave_out(change, Side::Two, left_out, |entry| is_in(&entry));
    }
}

/// Whether the newest refused version says something else than what we would propose now: it was made
/// before an older one was accepted, which had what it leaves out.
fn is_outdated(parts: &RecordParts) -> Result<bool, ProtocolError> {
    let Some(InFlight { state, .. }) = parts.in_flight.last() else { return Ok(false) };
    if state.kind == StateKind::Final {
        return Ok(false);
    }
    let wanted = next_content(parts)?.draft.state(state.channel_id, state.version, state.kind)?;
    Ok(wanted != *state)
}

/// The acceptor has answered a version with no. It only ever answers the newest, so the older ones are
/// answered too; each may still be signed. A repeated answer changes nothing.
pub(crate) fn mark_rejected(change: &mut Change<'_>, version: Version, reason: RejectReason) {
    let is_meant = |entry: &InFlight| entry.state.version <= version && !entry.is_rejected;
    if !change.parts.in_flight.iter().any(is_meant) {
        return;
    }
    let mut is_last = false;
    for answered in change.write().in_flight.iter_mut().filter(|entry| is_meant(entry)) {
        answered.is_rejected = true;
        is_last |= answered.state.kind == StateKind::Final;
    }
    if is_last {
        // Nothing may follow it (P41): what is left is a close with what we hold.
        change.notify(Notice::CloseRefused { reason });
    }
}

/// Leaves one side's updates out of the next state, those that are not left out already.
fn leave_out(
    change: &mut Change<'_>,
    by: Side,
    left_out: LeftOut,
    is_meant: impl Fn(&PendingUpdate) -> bool,
) {
    let is_meant = |entry: &PendingUpdate| entry.left_out.is_none() && is_meant(entry);
    let is_own = by == change.side();
    let pending = if is_own { &change.parts.own_pending } else { &change.parts.peer_pending };
    if !pending.iter().any(is_meant) {
        return;
    }
    let parts = change.write();
    let pending = if is_own { &mut parts.own_pending } else { &mut parts.peer_pending };
    for entry in pending.iter_mut().filter(|entry| is_meant(entry)) {
        entry.left_out = Some(left_out);
    }
}

/// Nothing that waits goes into the next state: it says what the base says, and its acceptance ends the
/// refused ones.
pub(crate) fn leave_out_all(change: &mut Change<'_>, left_out: LeftOut) {
    for side in [Side::One, Side::Two] {
        leave_out(change, side, left_out, |_| true);
    }
}

/// A state of ours that the other side shows co-signed, found among those in flight.
pub(crate) fn find_in_flight(parts: &RecordParts, state: &State) -> Option<InFlight> {
    parts.in_flight.iter().find(|entry| entry.state == *state).cloned()
}
