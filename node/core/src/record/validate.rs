//! Everything that must hold between the parts of a record, checked after each read from disk.

use super::*;
use crate::terms::MAX_IN_FLIGHT;

/// Checks a record against itself.
pub(super) fn record(parts: &RecordParts) -> Result<(), RecordError> {
    setup(&parts.setup)?;
    limits(parts)?;
    let domain = SigningDomain::new(parts.setup.domain);
    guard(&parts.guard)?;
    base(parts, &domain)?;
    in_flight(parts, &domain)?;
    pending(parts)?;
    withdrawal(parts, &domain)?;
    phase(parts)
}

fn contradiction(what: RecordPart) -> RecordError {
    RecordError::Contradiction { what }
}

fn ensure(holds: bool, what: RecordPart) -> Result<(), RecordError> {
    if holds { Ok(()) } else { Err(contradiction(what)) }
}

fn setup(setup: &ChannelSetup) -> Result<(), RecordError> {
    setup.terms.validate(setup.domain, setup.policy.period)?;
    let in_flight = setup.policy.max_in_flight;
    ensure((1..=MAX_IN_FLIGHT).contains(&in_flight), RecordPart::Setup)?;
    ensure(setup.own_key.address() == setup.own_signer(), RecordPart::Setup)?;
    let expected = setup.terms.signer(setup.side.other());
    let key_fits = setup.counterparty_key.is_none_or(|key| key.address() == expected);
    ensure(key_fits, RecordPart::Setup)
}

fn limits(parts: &RecordParts) -> Result<(), RecordError> {
    let max_in_flight = usize::try_from(MAX_IN_FLIGHT).unwrap_or(usize::MAX);
    let sizes = [
        (RecordPart::Guard, parts.guard.bound.len(), MAX_BINDINGS),
        (RecordPart::InFlight, parts.in_flight.len(), max_in_flight),
        (RecordPart::OwnPending, parts.own_pending.len(), MAX_PENDING_UPDATES),
        (RecordPart::PeerPending, parts.peer_pending.len(), MAX_PENDING_UPDATES),
        (RecordPart::Invoices, parts.invoices.len(), MAX_INVOICES),
        (RecordPart::Secrets, parts.secrets.len(), MAX_SECRETS),
    ];
    match sizes.into_iter().find(|(_, found, limit)| found > limit) {
        Some((what, found, limit)) => Err(RecordError::TooMany { what, found, limit }),
        None => Ok(()),
    }
}

fn guard(guard: &Guard) -> Result<(), RecordError> {
    let newest = guard.bound.keys().next_back().copied().unwrap_or_default();
    ensure(newest <= guard.highest, RecordPart::Guard)?;
    ensure(!guard.bound.contains_key(&Version::ZERO), RecordPart::Guard)
}

/// A state that we have bound: right channel, right locks, and the digest that the guard holds.
fn bound_state(
    parts: &RecordParts,
    domain: &SigningDomain,
    state: &State,
    locks: &[Lock],
    what: RecordPart,
) -> Result<(), RecordError> {
    ensure(state.channel_id == parts.setup.channel_id(), what)?;
    if locks.len() > MAX_LOCKS {
        return Err(RecordError::TooMany { what, found: locks.len(), limit: MAX_LOCKS });
    }
    ensure(locks_root(locks) == state.locks_root, what)?;
    ensure(locked_sums(locks)? == (state.locked1, state.locked2), what)?;
    ensure(state.kind == StateKind::Ordinary || locks.is_empty(), what)?;
    ensure(state.version != Version::ZERO, what)?;
    // A restored channel holds states that its guard never saw.
    let digest = domain.state(state);
    let is_bound = parts.guard.bound.get(&state.version) == Some(&digest);
    ensure(is_bound || parts.marks.restored.is_some(), what)
}

fn base(parts: &RecordParts, domain: &SigningDomain) -> Result<(), RecordError> {
    let Some(base) = &parts.base else {
        return ensure(parts.base_sequences == Sequences::default(), RecordPart::Base);
    };
    bound_state(parts, domain, &base.state, &base.locks, RecordPart::Base)?;
    let key = parts.setup.counterparty_key.ok_or(contradiction(RecordPart::Base))?;
    let digest = domain.state(&base.state);
    key.verify(digest, base.counterparty_signature)?;
    if let Some(own) = base.own_signature {
        parts.setup.own_key.verify(digest, own)?;
    }
    Ok(())
}

fn in_flight(parts: &RecordParts, domain: &SigningDomain) -> Result<(), RecordError> {
    let what = RecordPart::InFlight;
    ensure(parts.in_flight.is_empty() || parts.setup.side == Side::One, what)?;
    let mut previous = parts.base.as_ref().map_or(Version::ZERO, |base| base.state.version);
    for proposal in &parts.in_flight {
        bound_state(parts, domain, &proposal.state, &proposal.locks, what)?;
        ensure(proposal.state.version > previous, what)?;
        let within = proposal.sequences.one <= parts.own_sequence
            && proposal.sequences.two <= parts.peer_sequence;
        ensure(within, what)?;
        previous = proposal.state.version;
    }
    Ok(())
}

fn pending(parts: &RecordParts) -> Result<(), RecordError> {
    let own = parts.setup.side;
    let lines = [
        (RecordPart::OwnPending, &parts.own_pending, own, parts.own_sequence),
        (RecordPart::PeerPending, &parts.peer_pending, own.other(), parts.peer_sequence),
    ];
    for (what, pending, side, last) in lines {
        let mut previous = parts.base_sequences.of(side);
        for entry in pending {
            ensure(entry.update.sequence > previous && entry.update.sequence <= last, what)?;
            previous = entry.update.sequence;
        }
    }
    ensure(parts.peer_pending.is_empty() || parts.setup.side == Side::One, RecordPart::PeerPending)
}

fn withdrawal(parts: &RecordParts, domain: &SigningDomain) -> Result<(), RecordError> {
    let Some(withdrawal) = &parts.withdrawal else { return Ok(()) };
    let what = RecordPart::Withdrawal;
    let withdraw = &withdrawal.withdraw;
    ensure(withdraw.channel_id == parts.setup.channel_id(), what)?;
    let digest = domain.partial_withdraw(withdraw);
    let is_bound = parts.guard.bound.get(&withdraw.version) == Some(&digest);
    ensure(is_bound || parts.marks.restored.is_some(), what)?;
    if let Some(signature) = withdrawal.counterparty_signature {
        let key = parts.setup.counterparty_key.ok_or(contradiction(what))?;
        key.verify(digest, signature)?;
    }
    Ok(())
}

fn phase(parts: &RecordParts) -> Result<(), RecordError> {
    // An imported record may have its highest version raised in any phase.
    let is_untouched = parts.base.is_none() && parts.guard.bound.is_empty();
    match &parts.phase {
        // P34: nothing is bound before the channel is open.
        Phase::Opening(_) | Phase::Funding { .. } => ensure(is_untouched, RecordPart::Phase),
        // Whoever closes with nothing to show needs to know nobody's key.
        Phase::Closing(ClosingStage::Unilateral) if is_untouched => Ok(()),
        Phase::Open | Phase::Closing(_) => {
            ensure(parts.setup.counterparty_key.is_some(), RecordPart::Phase)
        }
        Phase::Disputed(_) => Ok(()),
        Phase::Settled(settlement) => {
            ensure(settlement.locks.len() <= MAX_LOCKS, RecordPart::Phase)
        }
    }
}
