//! Updates on their way into a state: our own, and the acceptor's intents.

use crate::balance;
use crate::change::{Change, Permit};
use crate::draft::{Draft, outflow};
use crate::error::{Invariant, ProtocolError};
use crate::ids::{InvoiceId, Sequence, Side};
use crate::lock::locked_sums;
use crate::message::{PeerMessage, RejectReason};
use crate::money::Amount;
use crate::output::Notice;
use crate::phase::open::{propose, secret};
use crate::protection;
use crate::record::{LeftOut, PendingUpdate, RecordParts};
use crate::rules;
use crate::update::{Action, MAX_PENDING_UPDATES, MAX_UPDATES_BYTES, Update};
use std::collections::BTreeSet;

/// Our own side orders updates: all are taken in, or none.
pub(crate) fn handle_own_updates(
    change: &mut Change<'_>,
    actions: Vec<Action>,
) -> Result<(), ProtocolError> {
    match change.permit()? {
        Permit::Any => {}
        Permit::Draining if actions.iter().all(removes_lock) => {}
        Permit::Draining => return Err(ProtocolError::WrongPhase),
        Permit::FinalOnly => return Err(ProtocolError::Restored),
    }
    check_no_close_requested(change, &actions)?;
    let pending = change.parts.own_pending.len();
    if pending.saturating_add(actions.len()) > MAX_PENDING_UPDATES {
        return Err(ProtocolError::Busy);
    }
    check_own(change, &actions)?;
    let side = change.side();
    let mut added = Vec::with_capacity(actions.len());
    for action in actions {
        let sequence = next_sequence(change.parts.own_sequence)?;
        let update = Update { sequence, action };
        let parts = change.write();
        parts.own_sequence = sequence;
        parts.own_pending.push(PendingUpdate { update: update.clone(), left_out: None });
        let id = change.payment_id(side, sequence);
        change.notify(Notice::Queued { id });
        added.push(update);
    }
    match side {
        Side::One => propose::propose_more(change),
        Side::Two => {
            send_intents(change, &added);
            Ok(())
        }
    }
}

/// Once the acceptor has asked for a close, only locks may still be taken out.
fn check_no_close_requested(change: &Change<'_>, actions: &[Action]) -> Result<(), ProtocolError> {
    use crate::record::{ClosingStage, Phase};
    let is_requested = change.parts.phase == Phase::Closing(ClosingStage::Requested);
    if is_requested && !actions.iter().all(removes_lock) {
        return Err(ProtocolError::WrongPhase);
    }
    Ok(())
}

fn removes_lock(action: &Action) -> bool {
    match action {
        Action::Pay(_) | Action::AddLock(_) => false,
        Action::SettleLock { .. } | Action::FailLock { .. } | Action::ExpireLock { .. } => true,
    }
}

fn next_sequence(sequence: Sequence) -> Result<Sequence, ProtocolError> {
    sequence.next().ok_or(ProtocolError::InvariantBroken(Invariant::Bounds))
}

/// Limits, funds, and that the updates fit on top of all that waits.
fn check_own(change: &Change<'_>, actions: &[Action]) -> Result<(), ProtocolError> {
    let side = change.side();
    let parts = &change.parts;
    let mut paid = BTreeSet::new();
    let mut wanted = Amount::ZERO;
    for action in actions {
        rules::check(parts, side, action, &mut paid).map_err(|reason| own_error(reason, action))?;
        // A sum that does not fit is more than anybody has.
        wanted = wanted.checked_add(outflow(action)).unwrap_or(Amount::MAX);
    }
    let spendable = balance::spendable(parts)?;
    if wanted > spendable {
        return Err(ProtocolError::InsufficientFunds { spendable, wanted });
    }
    // Payments commute and their sum was just checked; only locks can clash with what waits.
    if actions.iter().all(|action| matches!(action, Action::Pay(_))) {
        return Ok(());
    }
    let mut draft = full_draft(parts)?;
    for action in actions {
        draft.apply(side, action).map_err(|reason| own_error(reason, action))?;
    }
    locked_sums(draft.locks()).map_err(|_| ProtocolError::LockRefused)?;
    Ok(())
}

/// Our own order is refused to whoever gave it.
fn own_error(reason: RejectReason, action: &Action) -> ProtocolError {
    match (reason, action) {
        (RejectReason::UnknownLock, _) => ProtocolError::UnknownLock,
        (_, Action::Pay(_)) => ProtocolError::ZeroAmount,
        (
            _,
            Action::AddLock(_)
            | Action::SettleLock { .. }
            | Action::FailLock { .. }
            | Action::ExpireLock { .. },
        ) => ProtocolError::LockRefused,
    }
}

/// The newest co-signed state with everything that waits on both sides.
pub(crate) fn full_draft(parts: &RecordParts) -> Result<Draft, ProtocolError> {
    let side = parts.setup.side;
    let mut draft = Draft::from_base(parts.base.as_ref());
    for (by, pending) in [(side, &parts.own_pending), (side.other(), &parts.peer_pending)] {
        for entry in pending.iter().filter(|entry| entry.left_out.is_none()) {
            // An intent may be overtaken by the proposer's own state; it is the proposer's to refuse.
            if draft.apply(by, &entry.update.action).is_err() && side == Side::One {
                return Err(ProtocolError::InvariantBroken(Invariant::PendingFits));
            }
        }
    }
    Ok(draft)
}

/// Spec §2: the acceptor's updates travel unsigned, in messages of bounded size.
pub(crate) fn send_intents(change: &mut Change<'_>, updates: &[Update]) {
    let mut chunk: Vec<Update> = vec![];
    let mut size = 0usize;
    for update in updates {
        let more = size.saturating_add(update.size_bound());
        if more > MAX_UPDATES_BYTES && !chunk.is_empty() {
            let full = std::mem::take(&mut chunk);
            change.send(PeerMessage::Intent { updates: full });
            size = 0;
        }
        size = size.saturating_add(update.size_bound());
        chunk.push(update.clone());
    }
    if !chunk.is_empty() {
        change.send(PeerMessage::Intent { updates: chunk });
        change.session.asked();
    }
}

/// Spec §2: the proposer takes in each intent once, in order, or refuses it for ever.
pub(crate) fn handle_intent(
    change: &mut Change<'_>,
    updates: Vec<Update>,
) -> Result<(), ProtocolError> {
    take_intents(change, updates, false)
}

/// P81: the same, and whatever gives us something is refused.
pub(crate) fn decline_intent(
    change: &mut Change<'_>,
    updates: Vec<Update>,
) -> Result<(), ProtocolError> {
    take_intents(change, updates, true)
}

fn take_intents(
    change: &mut Change<'_>,
    updates: Vec<Update>,
    declines: bool,
) -> Result<(), ProtocolError> {
    if change.side() != Side::One {
        return Err(ProtocolError::WrongRole { side: Side::One });
    }
    let refuse_payments = match change.permit()? {
        Permit::Any => false,
        Permit::Draining => true,
        Permit::FinalOnly => return Err(ProtocolError::Restored),
    };
    check_sequences(&updates)?;
    let mut draft = full_draft(&change.parts)?;
    let mut spendable = balance::peer_spendable(&change.parts)?;
    let mut paid = pending_invoices(&change.parts);
    for update in updates {
        // A repeated intent changes nothing.
        if update.sequence <= change.parts.peer_sequence {
            continue;
        }
        // One that ran ahead of a lost one waits for the replay: taking it in would end the lost one.
        if Some(update.sequence) != change.parts.peer_sequence.next() {
            return Err(ProtocolError::SequenceGap { sequence: update.sequence });
        }
        if change.parts.peer_pending.len() >= MAX_PENDING_UPDATES {
            return Err(ProtocolError::Malformed);
        }
        let is_declined = declines && !protection::gain(&change.parts, &update.action).is_zero();
        let verdict = if is_declined || (refuse_payments && !removes_lock(&update.action)) {
            Err(RejectReason::NotNow)
        } else {
            check_intent(&change.parts, &update.action, &mut draft, &mut spendable, &mut paid)
        };
        take_in(change, update, verdict)?;
    }
    propose::propose_more(change)
}

/// Sequences rise strictly; cheap, before anything else is looked at.
pub(crate) fn check_sequences(updates: &[Update]) -> Result<(), ProtocolError> {
    if updates.len() > MAX_PENDING_UPDATES {
        return Err(ProtocolError::Malformed);
    }
    let mut last = Sequence::ZERO;
    for update in updates {
        if update.sequence <= last {
            return Err(ProtocolError::BadSequence { sequence: update.sequence });
        }
        last = update.sequence;
    }
    Ok(())
}

/// Invoices that waiting intents already pay.
fn pending_invoices(parts: &RecordParts) -> BTreeSet<InvoiceId> {
    let live = parts.peer_pending.iter().filter(|entry| entry.left_out.is_none());
    live.filter_map(|entry| match &entry.update.action {
        Action::Pay(payment) => payment.invoice,
        Action::AddLock(_)
        | Action::SettleLock { .. }
        | Action::FailLock { .. }
        | Action::ExpireLock { .. } => None,
    })
    .collect()
}

fn check_intent(
    parts: &RecordParts,
    action: &Action,
    draft: &mut Draft,
    spendable: &mut Amount,
    paid: &mut BTreeSet<InvoiceId>,
) -> Result<(), RejectReason> {
    rules::check(parts, Side::Two, action, paid)?;
    let rest =
        spendable.checked_sub(outflow(action)).map_err(|_| RejectReason::InsufficientBalance)?;
    match action {
        Action::Pay(_) => draft.apply(Side::Two, action)?,
        Action::AddLock(_)
        | Action::SettleLock { .. }
        | Action::FailLock { .. }
        | Action::ExpireLock { .. } => {
            let mut next = draft.clone();
            next.apply(Side::Two, action)?;
            // The sum of locks must fit the contract's width together with those that wait.
            locked_sums(next.locks()).map_err(|_| RejectReason::LockRefused)?;
            *draft = next;
        }
    }
    *spendable = rest;
    Ok(())
}

/// Keeps an intent, or the fact that it is refused; both bind us once a state says so.
fn take_in(
    change: &mut Change<'_>,
    update: Update,
    verdict: Result<(), RejectReason>,
) -> Result<(), ProtocolError> {
    let sequence = update.sequence;
    let from = propose::next_version(&change.parts)?;
    if let (Ok(()), Action::SettleLock { hash, secret }) = (verdict, &update.action) {
        secret::remember(change, *hash, *secret)?;
    }
    let left_out = verdict.err().map(|reason| LeftOut { from, reason });
    let parts = change.write();
    parts.peer_sequence = sequence;
    parts.peer_pending.push(PendingUpdate { update, left_out });
    if let Err(reason) = verdict {
        change.send(PeerMessage::Refuse { sequence, reason });
    }
    Ok(())
}

/// The proposer says that it will leave an intent of ours out.
pub(crate) fn handle_refuse(
    change: &mut Change<'_>,
    sequence: Sequence,
    reason: RejectReason,
) -> Result<(), ProtocolError> {
    if change.side() != Side::Two {
        return Err(ProtocolError::WrongRole { side: Side::Two });
    }
    let waits = change.parts.own_pending.iter().any(|entry| entry.update.sequence == sequence);
    if waits {
        change.notify(Notice::Refused { sequence, reason });
    }
    Ok(())
}
