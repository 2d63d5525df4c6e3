//! What the chain side tells, brought to the drivers, and the cursor that follows once all is durable.

use crate::chain::ChainNews;
use crate::engine::alarms::AlarmKind;
use crate::engine::event::{Barrier, Event};
use crate::engine::lock;
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_chain::follower::{Delivery, Sighting};
use lockstep_chain::submitter::SubmitterEvent;
use lockstep_core::chain::{ChainEvent, ChainFact, Cursor};
use lockstep_core::ids::ChannelId;
use lockstep_core::time::Finality;
use lockstep_rpc::failure::{Failure, FailureKind};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Hands on the chain's news, in order, until the chain side has ended.
pub(crate) async fn follow(shared: Arc<Shared>, mut news: mpsc::Receiver<ChainNews>) {
    while let Some(news) = news.recv().await {
        match news {
            ChainNews::Delivery(delivery) => take_delivery(&shared, delivery).await,
            ChainNews::Checkpoint(cursor) => {
                if !take_checkpoint(&shared, cursor).await {
                    return;
                }
            }
            ChainNews::Call(event) => take_call(&shared, event).await,
            ChainNews::Entry(entry) => {
                let terms = entry.call().terms().copied();
                let id = terms.map(|terms| terms.channel_id(shared.settings.domain));
                match id.and_then(|id| shared.registry.get(id)) {
                    Some(handle) => handle.urge(Event::Entry(entry)).await,
                    None => tracing::debug!(id = %entry.id().0, "an entry without a channel"),
                }
            }
            ChainNews::EntryRefused { id, refusal } => {
                tracing::warn!(id = %id.0, ?refusal, "a payment into the contract is refused");
                let channel = lock(&shared.entries).remove(&id.0);
                let message = format!("the payment into the contract is refused: {refusal}");
                let failure =
                    Failure::new(FailureKind::Refused, message).safe("no money has moved");
                if let Some(handle) = channel.and_then(|channel| shared.registry.get(channel)) {
                    handle.urge(Event::EntryRefused(failure)).await;
                }
            }
            ChainNews::OnL1(alarm) => shared.l1_alarm(&alarm),
            ChainNews::EscapeFails(true) => shared.alarm(
                AlarmKind::EscapeFails,
                None,
                "a call that the rollup's sequencer does not take goes through L1, and does not get through there. It \
                 is tried again and again. Look at bridge.endpoints, and send coin to the node's account on L1, which \
                 `lockstep networks` names"
                    .to_owned(),
            ),
            ChainNews::EscapeFails(false) => shared.alarms.clear(AlarmKind::EscapeFails, None),
            ChainNews::Broken(error) => {
                let message = format!(
                    "the chain cannot be followed any more: {}. Nothing is credited; check the endpoints, then \
                     restart the node",
                    wording::chain_of(error.as_ref())
                );
                shared.alarm(AlarmKind::ChainBroken, None, message);
                // P42: nothing is signed by who may be blind to a close.
                let why = wording::chain_of(error.as_ref());
                shared
                    .stop_signing_since(&why, "The chain is still looked at; check its endpoints");
            }
        }
    }
}

async fn take_delivery(shared: &Arc<Shared>, delivery: Delivery) {
    lock(&shared.times).observe(&delivery);
    match delivery {
        Delivery::Fact(sighting) => take_fact(shared, *sighting).await,
        Delivery::Head(block) => {
            shared.metrics.head(block.number.0);
            tell_all(shared, || Event::Head(block)).await;
        }
        Delivery::Finalized(block) => {
            shared.metrics.finalized(block.number.0);
            tell_all(shared, || Event::Finalized(block)).await;
        }
        Delivery::Retracted { channel_id, position, block_hash } => {
            tracing::warn!(?channel_id, block_number = position.block.0, %block_hash, "a fact was retracted");
        }
        Delivery::CloseRetracted(close) => {
            tracing::warn!(channel_id = %close.channel_id, "a close was retracted, and may come back");
        }
        Delivery::Alarm(alarm) => shared.chain_alarm(&alarm),
    }
}

async fn take_fact(shared: &Arc<Shared>, sighting: Sighting) {
    let Sighting { channel_id, event, origin } = sighting;
    // A log has shown it now, as it does a moment after a start.
    let is_logged = origin.is_some() || event.finality != Finality::Seen;
    let is_close = matches!(event.fact, ChainFact::Closing { .. } | ChainFact::Closed { .. });
    if is_logged && is_close {
        shared.alarms.clear(AlarmKind::CloseWithoutLog, channel_id);
    }
    match channel_id {
        Some(channel_id) => match shared.registry.get(channel_id) {
            Some(handle) => handle.urge(Event::Fact(Box::new(event))).await,
            None if lock(&shared.damaged).contains(&channel_id) => {
                tell_of_damaged(shared, channel_id, &event);
            }
            None => tracing::debug!(%channel_id, "a fact about a channel that is not ours"),
        },
        // A secret, for any channel that waits for it.
        None => tell_all(shared, || Event::Fact(Box::new(event.clone()))).await,
    }
}

/// A channel whose record can't be read is closed: only a person can help now.
fn tell_of_damaged(shared: &Shared, channel_id: ChannelId, event: &ChainEvent) {
    let how = match &event.fact {
        ChainFact::Closing { point, closes_at, .. } => format!(
            "is being closed at version {}, and pays from {closes_at} (seconds since 1970) on",
            point.version
        ),
        ChainFact::Closed { version, .. } => format!("was closed at version {version}"),
        ChainFact::Opened { .. }
        | ChainFact::Joined { .. }
        | ChainFact::Funded { .. }
        | ChainFact::Checkpoint { .. }
        | ChainFact::PartialWithdrawn { .. }
        | ChainFact::LockResolved { .. }
        | ChainFact::SecretRevealed { .. }
        | ChainFact::CloseVanished => return,
    };
    let message = format!(
        "a channel whose record is damaged {how}. This node can't tell whether that is stale, nor answer. Bring its \
         newest state back at once: `lockstep recover --from-towers`, `--from-peer` with the counterparty's invite, \
         or `--from-proof`; it is answered as soon as it is back"
    );
    shared.alarm(AlarmKind::DamagedClosing, Some(channel_id), message);
}

async fn tell_all(shared: &Arc<Shared>, event: impl Fn() -> Event) {
    for handle in shared.registry.all() {
        handle.urge(event()).await;
    }
}

/// The cursor is kept only once every driver has made durable what came before it. Until then the chain is
/// followed all the same (P49): whoever stops reading because a disk is full sees no close either. A restart then
/// reads again from the older cursor. Whether the chain side goes on.
async fn take_checkpoint(shared: &Arc<Shared>, cursor: Cursor) -> bool {
    let (barrier, wait) = Barrier::new();
    tell_all(shared, || Event::Checkpoint(barrier.clone())).await;
    barrier.meet();
    let is_durable = wait.wait().await;
    if is_durable {
        shared.alarms.clear(AlarmKind::FactsNotDurable, None);
    } else if !shared.is_stopping() && !shared.is_signing_stopped() {
        let message = "facts of the chain cannot be written down. Nothing is credited until they are; closes are \
                       still watched and answered. Look at the room on the disk";
        shared.alarm(AlarmKind::FactsNotDurable, None, message.to_owned());
    }
    if let Err(error) = shared.chain.acknowledge(cursor, is_durable).await {
        tracing::debug!(error = %error, "the chain side has ended");
        return false;
    }
    *lock(&shared.processed) = Some(cursor.block.number.0);
    true
}

async fn take_call(shared: &Arc<Shared>, event: SubmitterEvent) {
    let key = match &event {
        SubmitterEvent::Sent { key, .. }
        | SubmitterEvent::Included { key, .. }
        | SubmitterEvent::Dropped { key }
        | SubmitterEvent::Ended { key, .. }
        | SubmitterEvent::Refused { key, .. } => Some(key.channel_id),
        SubmitterEvent::Alarm(alarm) => {
            shared.chain_alarm(alarm);
            None
        }
        SubmitterEvent::Entry(_) | SubmitterEvent::EntryRefused { .. } => None,
    };
    let handle = key.and_then(|channel_id: ChannelId| shared.registry.get(channel_id));
    if let Some(handle) = handle {
        handle.urge(Event::Call(Box::new(event))).await;
    }
}
