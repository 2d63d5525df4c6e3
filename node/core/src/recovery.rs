//! What a co-signed state that somebody shows us means: a lost answer, lost data, or a cheat.
//!
//! A newer state that we have bound is simply adopted. One that carries our own valid signature beyond
//! anything we have bound proves that we lost data. Anything less is a claim, and changes nothing.

use crate::change::Change;
use crate::error::ProtocolError;
use crate::gap::restore_gap;
use crate::ids::{Side, Version};
use crate::lock::{MAX_LOCKS, locked_sums, locks_root};
use crate::message::SignedState;
use crate::output::{Notice, Output};
use crate::phase::open::propose;
use crate::phase::{closing, opening};
use crate::record::{
    ChannelRecord, ChannelSetup, ClosingStage, CoSigned, Equivocation, FreezeReason, Phase,
    RecordParts, RestoreReason,
};
use crate::signature::StateSignature;
use crate::state::{State, StateKind};

/// Looks at a state that the counterparty, a tower, a proof file or the chain shows.
///
/// Source: protocol §4, P46.
pub(crate) fn show(change: &mut Change<'_>, shown: &SignedState) -> Result<(), ProtocolError> {
    let state = &shown.state;
    if state.channel_id != change.channel_id {
        return Err(ProtocolError::WrongChannel);
    }
    let side = change.side();
    let key = change.parts.setup.counterparty_key.ok_or(ProtocolError::WrongPhase)?;
    let (own, theirs) = match side {
        Side::One => (shown.signature1, shown.signature2),
        Side::Two => (shown.signature2, shown.signature1),
    };
    let digest = change.domain.state(state);
    let base = change.parts.base.as_ref();
    let newest = base.map_or(Version::ZERO, |base| base.state.version);
    if state.version < newest {
        return Ok(());
    }
    if base.is_some_and(|base| base.state == *state) {
        return Ok(());
    }
    key.verify(digest, theirs)?;
    if state.version == newest {
        // Version 0 is never signed, so here is a base with other content.
        equivocation(change, *state, theirs);
        return Ok(());
    }
    // The normal case of a lost `Accept`.
    if let Some(in_flight) = propose::find_in_flight(&change.parts, state) {
        return propose::adopt_in_flight(change, in_flight, theirs);
    }
    change.parts.setup.own_key.verify(digest, own)?;
    mark_restored(change, RestoreReason::OwnSignature);
    adopt_lost(change, shown, own, theirs)
}

/// Takes over a state of our own that we had lost; nothing ordinary is ever signed after it.
fn adopt_lost(
    change: &mut Change<'_>,
    shown: &SignedState,
    own: StateSignature,
    theirs: StateSignature,
) -> Result<(), ProtocolError> {
    let state = shown.state;
    let is_whole = shown.locks.len() <= MAX_LOCKS
        && locks_root(&shown.locks) == state.locks_root
        && locked_sums(&shown.locks) == Ok((state.locked1, state.locked2))
        && (state.kind == StateKind::Ordinary || shown.locks.is_empty());
    let floor = Version(state.version.0.saturating_add(restore_gap(change.side())));
    let parts = change.write();
    parts.guard.highest = parts.guard.highest.max(floor);
    // Without its locks a state cannot be resolved; the chain itself holds it then.
    if !is_whole {
        return Ok(());
    }
    parts.in_flight.retain(|proposal| proposal.state.version > state.version);
    parts.base = Some(CoSigned {
        state,
        locks: shown.locks.clone(),
        counterparty_signature: theirs,
        own_signature: Some(own),
    });
    change.prune_guard();
    change.push(Output::Protect { version: state.version });
    if state.kind == StateKind::Final {
        closing::final_signed(change, state.version);
    }
    Ok(())
}

impl ChannelRecord {
    /// A channel that we have lost, and of which the chain still shows the terms. It must be
    /// [restored](Self::into_restored) before it is used.
    ///
    /// # Errors
    /// If the setup breaks a rule.
    pub fn lost(setup: ChannelSetup) -> Result<Self, ProtocolError> {
        opening::new_record(setup, Phase::Funding { consent: None })
    }

    /// P46, P47: this record as it may be used after it came from a backup, or was shown to be old: it
    /// signs only final states, far above anything that it may have lost.
    ///
    /// A record that carries the mark already is raised again: what it signed since the first time may be
    /// just what was lost.
    #[must_use]
    pub fn into_restored(self) -> Self {
        let channel_id = self.channel_id();
        let mut parts = self.into_parts();
        let reason = parts.marks.restored.unwrap_or(RestoreReason::Import);
        restrict(&mut parts, reason);
        Self::succeed(channel_id, parts)
    }
}

/// P46, P47: the channel signs only final states from here on. Once is enough for a running channel,
/// which knows all that it signs after it.
pub(crate) fn mark_restored(change: &mut Change<'_>, reason: RestoreReason) {
    if change.parts.marks.restored.is_some() {
        return;
    }
    restrict(change.write(), reason);
    change.notify(Notice::Restored { reason });
}

/// What a record must give up once it is known to be old.
fn restrict(parts: &mut RecordParts, reason: RestoreReason) {
    parts.marks.restored = Some(reason);
    let gap = restore_gap(parts.setup.side);
    parts.guard.highest = Version(parts.guard.highest.0.saturating_add(gap));
    // What waited in an old backup was decided long ago, in versions that we do not know.
    parts.own_pending.clear();
    parts.peer_pending.clear();
    // An order to close was given on what turned out to be old: the operator has to give it again.
    if matches!(
        parts.phase,
        Phase::Closing(ClosingStage::Requested | ClosingStage::Draining { .. })
    ) {
        parts.phase = Phase::Open;
    }
    // Nothing of it is sent again; an answer that still comes is taken.
    for proposal in &mut parts.in_flight {
        proposal.is_rejected = true;
    }
}

/// P46: the counterparty signed two states of one version: keep the proof, freeze, alarm.
pub(crate) fn equivocation(change: &mut Change<'_>, second: State, signature: StateSignature) {
    let Some(base) = &change.parts.base else { return };
    let proof = Equivocation {
        first: base.state,
        first_signature: base.counterparty_signature,
        second,
        second_signature: signature,
    };
    if change.parts.equivocation.is_none() {
        change.write().equivocation = Some(proof);
        change.notify(Notice::Equivocation(Box::new(proof)));
    }
    crate::channel::freeze(change, FreezeReason::Equivocation);
}
