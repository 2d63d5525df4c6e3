//! What a batch of transitions changes.

use std::collections::BTreeMap;

use lockstep_core::{
    commit::Transition,
    output::{Notice, Output},
    record::{Phase, RecordParts},
};

use crate::{
    convert,
    error::{Refusal, StoreError},
    feed::{self, Feed, Step},
    history,
    row_source::RowSource,
    rows,
    table::{Table, numbered_key},
    write_set::{Binding, WriteSet},
};

/// The changes of a batch that becomes group number `group`.
///
/// Of several steps of one channel, the last one's record counts; bindings and history of all do.
///
/// # Errors
/// When rows cannot be read or a value is too large.
pub(crate) fn plan(
    source: &impl RowSource,
    batch: &[&Transition],
    group: u64,
    at_secs: u64,
) -> Result<WriteSet, StoreError> {
    let mut set = WriteSet::default();
    let mut records = BTreeMap::new();
    let mut feed = Feed::new(source, at_secs);
    for (place, transition) in (0_u16..).zip(batch) {
        let channel = transition.channel_id().0.0;
        for binding in transition.bindings() {
            let (version, digest) = (binding.version.0, binding.digest.0.0);
            set.bind(Binding { channel, version, digest });
        }
        records.insert(channel, transition.next());
        let mut lines: Vec<_> = notices(transition).map(convert::line_to).collect();
        if !lines.is_empty() {
            let step = Step { channel, group, place };
            feed::keep_left_out(source, &channel, &mut lines)?;
            feed.count(&mut set, &step, &lines)?;
            history::put(&mut set, history::step_key(&channel, group, place), lines)?;
        }
    }
    for record in records.into_values() {
        set.merge(rows::changes(source, record)?);
    }
    Ok(set)
}

/// Whether a transition alone would be refused, before it is put into a batch with others.
///
/// # Errors
/// The refusal that the batch would meet, or whatever keeps the rows from being read.
pub(crate) fn admit(source: &impl RowSource, transition: &Transition) -> Result<(), StoreError> {
    let channel = transition.channel_id().0.0;
    for binding in transition.bindings() {
        let (version, asked) = (binding.version.0, binding.digest.0.0);
        let bound = source.get(Table::Guard, &numbered_key(&channel, version))?;
        match bound.map(|bound| <[u8; 32]>::try_from(bound).unwrap_or_default()) {
            Some(bound) if bound == asked => {}
            Some(bound) => {
                return Err(Refusal::GuardConflict { channel, version, bound, asked }.into());
            }
            None => {
                let highest = highest_bound(source, &channel)?;
                if version <= highest {
                    return Err(Refusal::StaleVersion { channel, version, highest }.into());
                }
            }
        }
    }
    Ok(())
}

/// The highest version that was ever bound; a number that cannot be read forbids everything.
fn highest_bound(source: &impl RowSource, channel: &[u8; 32]) -> Result<u64, StoreError> {
    let highest = source.get(Table::Highest, channel)?;
    Ok(highest.map_or(0, |bytes| bytes.try_into().map_or(u64::MAX, u64::from_be_bytes)))
}

/// An upper bound of what a transition writes, without encoding it.
///
/// Units: bytes.
pub(crate) fn size_bound(transition: &Transition) -> usize {
    let history = notices(transition).map(notice_bound).fold(128, usize::saturating_add);
    record_bound(transition.next().parts()).saturating_add(history)
}

/// Bytes of a lock with its key and lengths.
const LOCK_BOUND: usize = 160;
/// Bytes of a state, its signatures and its row's key.
const STATE_BOUND: usize = 512;
/// Bytes of what every record has: setup, phase, chain facts, withdrawal, and the guard's new rows.
const FIXED_BOUND: usize = 2_048;

fn record_bound(parts: &RecordParts) -> usize {
    let locked = |locks: usize| locks.saturating_mul(LOCK_BOUND).saturating_add(STATE_BOUND);
    let in_flight = parts.in_flight.iter().map(|proposal| locked(proposal.locks.len()));
    let base = parts.base.iter().map(|base| locked(base.locks.len()));
    let pending = parts.own_pending.iter().chain(&parts.peer_pending);
    let pending = pending.map(|pending| pending.update.size_bound().saturating_add(32));
    let settled = match &parts.phase {
        Phase::Settled(settlement) => locked(settlement.locks.len()),
        Phase::Opening(_)
        | Phase::Funding { .. }
        | Phase::Open
        | Phase::Closing(_)
        | Phase::Disputed(_) => 0,
    };
    let small = [
        FIXED_BOUND,
        parts.guard.bound.len().saturating_mul(128),
        parts.invoices.len().saturating_mul(264),
        parts.secrets.len().saturating_mul(128),
        settled,
    ];
    in_flight.chain(base).chain(pending).chain(small).fold(0, usize::saturating_add)
}

fn notice_bound(notice: &Notice) -> usize {
    match notice {
        // The row may hold what was left out as well.
        Notice::Applied { .. } | Notice::Failed { .. } => 256,
        Notice::Equivocation(_) => 2 * STATE_BOUND,
        Notice::OpenConsented
        | Notice::OpenRejected { .. }
        | Notice::Opened
        | Notice::Funded { .. }
        | Notice::Queued { .. }
        | Notice::Refused { .. }
        | Notice::SecretLearned { .. }
        | Notice::PeerSilent
        | Notice::CloseSeen { .. }
        | Notice::CloseVanished
        | Notice::Withdrawn { .. }
        | Notice::WithdrawalExpired { .. }
        | Notice::WithdrawalRefused { .. }
        | Notice::CloseRefused { .. }
        | Notice::LockResolved { .. }
        | Notice::Settled { .. }
        | Notice::Frozen { .. }
        | Notice::Restored { .. }
        | Notice::UnprovenClaim { .. } => 128,
    }
}

fn notices(transition: &Transition) -> impl Iterator<Item = &Notice> {
    transition.outputs().iter().filter_map(|output| match output {
        Output::Notify(notice) => Some(notice),
        Output::Send(_)
        | Output::Sign { .. }
        | Output::Submit(_)
        | Output::Protect { .. }
        | Output::Watch { .. } => None,
    })
}
