//! What happened, by index.

use super::{describe, history};
use crate::engine::feeds::count_of;
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_core::output::Notice;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{Event, EventBody, EventPage, ListEvents, Text};
use lockstep_store::feed::{self, Entry};
use std::sync::Arc;

/// Events in one answer, unless the caller says.
const PAGE: u32 = 100;
/// The most in one answer.
const MAX_PAGE: u32 = 1_000;

/// Some events of a line.
pub(super) async fn list(shared: &Arc<Shared>, call: &ListEvents) -> Result<EventPage, Failure> {
    let limit = usize::try_from(call.limit.unwrap_or(PAGE).min(MAX_PAGE)).unwrap_or(usize::MAX);
    let from = call.from_index.unwrap_or(0);
    let entries = read(shared, count_of(call.kind), from, limit).await?;
    let next_index = entries.last().map_or(from, |last| last.index.saturating_add(1));
    let events = entries.iter().map(|entry| event(shared, entry)).collect();
    Ok(EventPage { events, next_index })
}

/// Reads counted lines from the journal.
pub(super) async fn read(
    shared: &Shared,
    count: feed::Count,
    from: u64,
    limit: usize,
) -> Result<Vec<Entry>, Failure> {
    let read = shared.journal.look(move |journal| feed::read(journal.engine(), count, from, limit));
    match read.await {
        Ok(Ok(entries)) => Ok(entries),
        Ok(Err(error)) => Err(Failure::new(FailureKind::Internal, wording::chain_of(&error))
            .advice("look into the node's log")),
        Err(error) => Err(wording::not_durable(&error)),
    }
}

/// The next index of a line, as the journal has it: what is watched lags behind it, most of all after a start.
pub(super) async fn next_index(shared: &Shared, count: feed::Count) -> Result<u64, Failure> {
    let read = shared.journal.look(move |journal| feed::next_index(journal.engine(), count));
    match read.await {
        Ok(Ok(next)) => Ok(next),
        Ok(Err(error)) => Err(Failure::new(FailureKind::Internal, wording::chain_of(&error))
            .advice("look into the node's log")),
        Err(error) => Err(wording::not_durable(&error)),
    }
}

fn event(shared: &Shared, entry: &Entry) -> Event {
    Event { index: entry.index, at: entry.at_secs, body: body(shared, entry) }
}

fn body(shared: &Shared, entry: &Entry) -> EventBody {
    if let Some(payment) = history::of_entry(shared, entry) {
        return EventBody::Payment { payment: Box::new(payment) };
    }
    let (what, message) = words(&entry.notice);
    let (what, channel_id) = (what.to_owned(), Text(entry.channel_id));
    let (version, closes_at) = match &entry.notice {
        Notice::CloseSeen { version, closes_at, .. } => (Some(version.0), Some(closes_at.0)),
        Notice::UnprovenClaim { version } => (Some(version.0), None),
        Notice::Equivocation(proof) => (Some(proof.first.version.0), None),
        Notice::CloseVanished
        | Notice::Frozen { .. }
        | Notice::Restored { .. }
        | Notice::LockResolved { .. } => (None, None),
        Notice::OpenConsented
        | Notice::OpenRejected { .. }
        | Notice::Opened
        | Notice::Funded { .. }
        | Notice::Queued { .. }
        | Notice::Applied { .. }
        | Notice::Failed { .. }
        | Notice::Refused { .. }
        | Notice::SecretLearned { .. }
        | Notice::PeerSilent
        | Notice::Withdrawn { .. }
        | Notice::WithdrawalExpired { .. }
        | Notice::WithdrawalRefused { .. }
        | Notice::CloseRefused { .. }
        | Notice::Settled { .. } => {
            let view = shared.registry.get(entry.channel_id).map(|handle| handle.view());
            let channel = view.map(|view| Box::new(describe::channel(shared, &view)));
            return EventBody::Channel { what, message, channel, channel_id };
        }
    };
    EventBody::Dispute { what, message, channel_id, version, closes_at, transaction: None }
}

/// A word for machines and a sentence for people.
fn words(notice: &Notice) -> (&'static str, String) {
    match notice {
        Notice::OpenConsented => ("consented", "the counterparty agreed to the channel".to_owned()),
        Notice::OpenRejected { reason } => {
            ("rejected", format!("the counterparty declined: {}", wording::reject_reason(*reason)))
        }
        Notice::Opened => ("opened", "the channel is open".to_owned()),
        Notice::Funded { side, amount } => {
            ("funded", format!("side {} deposited {amount}", side.number()))
        }
        Notice::PeerSilent => {
            ("peerSilent", "the counterparty owes an answer for too long".to_owned())
        }
        Notice::CloseSeen { version, closes_at, initiator } => (
            "closeSeen",
            format!(
                "side {} started a close at version {version}; it is settled at {closes_at}",
                initiator.number()
            ),
        ),
        Notice::CloseVanished => ("closeVanished", "a close is gone for good".to_owned()),
        Notice::Withdrawn { version } => {
            ("withdrawn", format!("the withdrawal of version {version} was paid"))
        }
        Notice::WithdrawalExpired { version } => {
            ("withdrawalExpired", format!("the withdrawal of version {version} can no longer land"))
        }
        Notice::WithdrawalRefused { reason } => (
            "withdrawalRefused",
            format!("the counterparty refuses a withdrawal: {}", wording::reject_reason(*reason)),
        ),
        Notice::CloseRefused { reason } => (
            "closeRefused",
            format!(
                "the counterparty does not sign the end: {}; `lockstep force-close` is always possible",
                wording::reject_reason(*reason)
            ),
        ),
        Notice::LockResolved { is_paid, .. } => {
            let what = if *is_paid { "was paid" } else { "went back" };
            ("lockResolved", format!("a conditional payment {what}"))
        }
        Notice::Settled { paid1, paid2 } => {
            ("settled", format!("the contract paid {paid1} to side 1 and {paid2} to side 2"))
        }
        Notice::Frozen { reason } => {
            ("frozen", format!("nothing more is signed: {}", wording::freeze_reason(*reason)))
        }
        Notice::Restored { reason } => {
            ("restored", format!("the channel only closes: {}", wording::restore_reason(*reason)))
        }
        Notice::Equivocation(_) => {
            ("equivocation", "the counterparty signed two states of one version".to_owned())
        }
        Notice::UnprovenClaim { version } => {
            ("unprovenClaim", format!("the counterparty claims version {version} without proof"))
        }
        Notice::Queued { .. }
        | Notice::Applied { .. }
        | Notice::Failed { .. }
        | Notice::Refused { .. }
        | Notice::SecretLearned { .. } => ("other", "something happened".to_owned()),
    }
}
