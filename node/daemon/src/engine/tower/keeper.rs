//! One tower's task: a link, what the tower lacks, and what it says.

use super::access::{SessionKey, word};
use super::head;
use super::leave;
use super::possession::{self, Audit, record_of};
use super::receipt::check;
use super::restore::signed_by_both;
use crate::engine::alarms::AlarmKind;
use crate::engine::event::Event;
use crate::engine::registry::Handle;
use crate::engine::shared::Shared;
use crate::engine::view::View;
use crate::engine::wording;
use lockstep_core::adjudicator::Signatures;
use lockstep_core::appointment::{Appointment, SealedLocks, TowerAction};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::NodeId;
use lockstep_core::message::SignedState;
use lockstep_core::protection::Held;
use lockstep_core::receipt::SignedReceipt;
use lockstep_core::record::Phase;
use lockstep_core::state::State;
use lockstep_p2p::ConnectError;
use lockstep_p2p::tower::message::{Acted, ActedStage, Heartbeat, Held as Kept, Push};
use lockstep_p2p::tower::{CallError, PutOutcome, TowerLink, TowerOrder};
use lockstep_rpc::failure::Failure;
use lockstep_store::tower::StoredReceipt;
use lockstep_store::write_set::WriteSet;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::oneshot;

/// The first pause after a link is lost; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A tower that is back is found within this.
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// States of one channel that come closer together than this are brought as one.
const COALESCE: Duration = Duration::from_millis(20);
/// How often is looked for what no channel has told of: receipts that end.
const LOOK: Duration = Duration::from_secs(20);
/// Channels of ours are so many more than now before room is asked for again.
const SPARE_SLOTS: u32 = 16;
/// A receipt is renewed once less than this part of its time is left.
const RENEW_PART: u64 = 3;

/// Why a link with a tower ended.
#[derive(Debug, Error)]
enum LinkEnd {
    #[error("no link: {0}")]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the tower has ended the link")]
    Gone,
    #[error("the session's key cannot be made")]
    Key,
}

/// Runs until the tower is removed or the node stops.
pub(crate) async fn keep(shared: Arc<Shared>, tower: NodeId) {
    let (mut pause, mut audit) = (FIRST_PAUSE, Audit::default());
    while shared.towers.get(&tower).is_some() && !shared.is_stopping() {
        let began = shared.clock.now_millis();
        let Err(end) = attend(&shared, tower, &mut audit).await else { return };
        possession::link_ended(&shared, tower, &mut audit).await;
        let now = shared.clock.now_millis();
        let words = wording::chain_of(&end);
        tracing::info!(error = words, "no link with a tower; it is tried again");
        shared.towers.note(&tower, |known| {
            if known.is_connected {
                known.gone_since_millis = now;
            }
            known.is_connected = false;
            known.problem = Some(words);
        });
        let was_long = now.saturating_sub(began) > 60_000;
        pause = if was_long { FIRST_PAUSE } else { pause.saturating_mul(2).min(LAST_PAUSE) };
        if shared.sleep_or_stop(pause).await {
            return;
        }
    }
}

/// One link, from its first word to its end. Ends well only with the node.
async fn attend(shared: &Arc<Shared>, tower: NodeId, audit: &mut Audit) -> Result<(), LinkEnd> {
    let Some(known) = shared.towers.get(&tower) else { return Ok(()) };
    let key = SessionKey::new(Arc::clone(&shared.keys), tower).map_err(|_| LinkEnd::Key)?;
    let order =
        TowerOrder { tower: known.address, session_key: Arc::new(key), head: shared.towers.head };
    let (link, mut pushes) = shared.towers.client.connect(order).await?;
    let channels = u32::try_from(shared.registry.all().len()).unwrap_or(u32::MAX);
    let slots = channels.saturating_add(SPARE_SLOTS);
    let subscription = link.subscribe(slots).await?;
    heard(shared, &tower);
    shared.towers.note(&tower, |known| {
        known.is_connected = true;
        known.problem = None;
    });
    tracing::info!(slots = subscription.slots, used = subscription.used, "a tower is there");
    head::take_claim(shared, &tower, subscription.seen_head).await;
    audit.linked();
    let mut dropped = BTreeSet::new();
    let mut stirred = shared.towers.watch();
    let mut stopping = shared.stopping.subscribe();
    loop {
        tokio::time::sleep(COALESCE).await;
        // What comes meanwhile is marked as seen before anything is read, so nothing is missed.
        stirred.borrow_and_update();
        // What is newest first: a tower that answers no question must not keep it from being brought.
        bring_all(shared, &link, tower, audit).await?;
        head::ask_for_proof(shared, &link, &tower).await?;
        let push = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return Ok(()),
            changed = stirred.changed() => match changed {
                Ok(()) => None,
                Err(_) => return Ok(()),
            },
            () = tokio::time::sleep(LOOK) => None,
            push = pushes.next() => Some(push.ok_or(LinkEnd::Gone)?),
        };
        match push {
            None => {}
            Some(Push::Heartbeat(beat)) => {
                take_beat(shared, &tower, &beat);
                let Some(known) = shared.towers.get(&tower) else { return Ok(()) };
                audit_beat(shared, &link, &known, audit, &beat).await?;
                leave::drop_settled(shared, &link, &known, &mut dropped).await?;
            }
            Some(Push::Acted(acted)) => {
                heard(shared, &tower);
                tell_of_act(shared, &acted);
            }
        }
    }
}

fn heard(shared: &Shared, tower: &NodeId) {
    let now = shared.clock.unix_secs();
    shared.towers.note(tower, |known| known.heard_at_secs = Some(now));
}

fn take_beat(shared: &Shared, tower: &NodeId, beat: &Heartbeat) {
    heard(shared, tower);
    let chain_id = shared.settings.chain_id();
    let of_ours = beat.chains.iter().find(|chain| Some(chain.chain_id) == chain_id);
    let problem = match of_ours {
        Some(chain) if !chain.is_following => Some("it does not follow the chain at the moment"),
        Some(chain) if chain.gas_reserve.is_zero() => Some("it has no money for fees"),
        Some(_) | None => None,
    };
    shared.towers.note(tower, |known| known.problem = problem.map(str::to_owned));
}

async fn audit_beat(
    shared: &Arc<Shared>,
    link: &TowerLink,
    known: &super::Known,
    audit: &mut Audit,
    beat: &Heartbeat,
) -> Result<(), CallError> {
    // A tower that holds nothing of ours has nothing to prove.
    if shared.towers.held_by(known.address.key).is_empty() {
        return Ok(());
    }
    possession::check(shared, link, known, audit, beat.root).await
}

/// A tower saw a close of ours, or did something about it.
fn tell_of_act(shared: &Shared, acted: &Acted) {
    let Acted { channel_id, seen_version, posted_version, tx_hash, stage } = *acted;
    tracing::warn!(%channel_id, %seen_version, %posted_version, ?tx_hash, ?stage, "a tower answers a close");
    let message = match stage {
        ActedStage::Seen | ActedStage::Sent | ActedStage::Included => return,
        ActedStage::Final => format!(
            "a tower has answered a close at version {seen_version} with version {posted_version}, finally"
        ),
        ActedStage::Alarm => format!(
            "half of the challenge period is over and a tower's answer to a close at version {seen_version} is \
             not final; this node answers too, and `lockstep export-proof` gives what anybody can send"
        ),
    };
    shared.alarm(AlarmKind::TowerActed, Some(channel_id), message);
}

/// Brings everything that this tower lacks, one channel after the other. Payments go on meanwhile: of each channel
/// the tower gets what is newest when its turn comes.
async fn bring_all(
    shared: &Arc<Shared>,
    link: &TowerLink,
    tower: NodeId,
    audit: &mut Audit,
) -> Result<(), LinkEnd> {
    for handle in shared.registry.all() {
        let Some(known) = shared.towers.get(&tower) else { return Ok(()) };
        let view = handle.view();
        if !lacks(shared, &view, &tower, &known, audit.may_retry(view.channel_id)) {
            continue;
        }
        match bring(shared, link, &known, &handle, &view, audit).await {
            Ok(()) => {}
            Err(CallError::Refused(refusal)) => {
                let words = format!("it does not take a channel: {refusal}");
                tracing::warn!(channel_id = %view.channel_id, error = words, "a tower refuses");
                shared.metrics.tower_refused();
                shared.towers.note(&tower, |known| known.problem = Some(words));
                if refusal.class() == ErrorClass::Transient {
                    // It asks for a pause, and gets one from every channel.
                    let pause =
                        Duration::from_secs(u64::from(refusal.retry_after_secs)).min(LAST_PAUSE);
                    if shared.sleep_or_stop(pause).await {
                        return Ok(());
                    }
                }
            }
            Err(error @ (CallError::TimedOut | CallError::Gone | CallError::OutOfPlace)) => {
                return Err(error.into());
            }
        }
    }
    Ok(())
}

/// Whether a tower should be given this channel: it would cost something without, or the receipt ends soon.
fn lacks(
    shared: &Shared,
    view: &View,
    tower: &NodeId,
    known: &super::Known,
    may_retry: bool,
) -> bool {
    let is_live = match &view.phase {
        Phase::Opening(_) | Phase::Funding { .. } | Phase::Settled(_) => false,
        Phase::Open | Phase::Closing(_) | Phase::Disputed(_) => true,
    };
    if !is_live || view.version.0 == 0 {
        return false;
    }
    let signed = shared.towers.receipt(view.channel_id, *tower);
    let is_lacking = view.shelter.lacking.contains(&known.signer);
    let Some(receipt) = signed.map(|signed| signed.receipt) else { return is_lacking };
    if is_lacking && shared.towers.is_doubted_to_hold(*tower, view.channel_id) {
        // It has promised this one already. Should it have lost it, it gets it again, but not in each round.
        return receipt.version < view.version || may_retry;
    }
    if is_lacking {
        return true;
    }
    let whole = receipt.valid_until.0.saturating_sub(receipt.valid_from.0);
    let left = receipt.valid_until.0.saturating_sub(view.chain.finalized.timestamp.0);
    left < whole.checked_div(RENEW_PART).unwrap_or_default()
}

async fn bring(
    shared: &Arc<Shared>,
    link: &TowerLink,
    known: &super::Known,
    handle: &Handle,
    view: &View,
    audit: &mut Audit,
) -> Result<(), CallError> {
    let (answer, answered) = oneshot::channel();
    if handle.post(Event::Evidence(answer)).is_err() {
        return Ok(());
    }
    let Ok(Ok(Some(evidence))) = answered.await else { return Ok(()) };
    let Some(signed) = evidence.complete() else { return Ok(()) };
    let setup = &view.setup;
    let appointment = Appointment {
        domain: setup.domain,
        terms: setup.terms,
        state: signed.state,
        signatures: Signatures { one: signed.signature1, two: signed.signature2 },
        // Conditional payments are not offered by this node, so there is no list to seal.
        sealed_locks: SealedLocks::EMPTY,
    };
    let access = match word(&shared.keys, setup, view.channel_id, known, TowerAction::Watch) {
        Ok(access) => access,
        Err(failure) => {
            tracing::error!(channel_id = %view.channel_id, error = %failure, "no word for a tower");
            return Ok(());
        }
    };
    let tower = known.address.key;
    match link.put(appointment, access).await? {
        PutOutcome::Promised(receipt) => {
            if take_receipt(shared, &tower, known, handle, view, &signed.state, &receipt).await {
                let record = record_of(&signed, setup.domain);
                audit.brought(view.channel_id, record, receipt.receipt.insured);
            }
        }
        PutOutcome::Held(held) => take_held(shared, &tower, known, handle, view, *held).await,
    }
    heard(shared, &tower);
    Ok(())
}

/// A promise counts once it is checked and durable; whether it does.
async fn take_receipt(
    shared: &Shared,
    tower: &NodeId,
    known: &super::Known,
    handle: &Handle,
    view: &View,
    state: &State,
    signed: &SignedReceipt,
) -> bool {
    let now = view.chain.finalized.timestamp;
    if let Err(fault) = check(signed, &view.setup, state, known.signer, now) {
        let words = format!("its receipt does not count: {}", wording::chain_of(&fault));
        shared.alarm(
            AlarmKind::TowerMisbehaves,
            Some(view.channel_id),
            format!("a tower lies: {words}"),
        );
        shared.towers.note(tower, |known| known.problem = Some(words));
        return false;
    }
    let mut set = WriteSet::default();
    let put = set
        .put_receipt(&StoredReceipt { tower: *tower, signed: *signed })
        .and_then(|()| set.put_floor(view.channel_id, view.shelter.floor));
    if let Err(error) = put {
        tracing::error!(error = %error, "a receipt does not fit the journal");
        return false;
    }
    if let Err(error) = shared.journal.write(set).await {
        tracing::warn!(error = %error, "a receipt is not durable yet");
        return false;
    }
    shared.towers.keep_receipt(*tower, *signed);
    shared.metrics.tower_promised();
    let receipt = signed.receipt;
    // A tower that has failed to prove what it holds must prove this first.
    if !shared.towers.is_doubted_to_hold(*tower, view.channel_id) {
        let held = Held { version: receipt.version, valid_until: receipt.valid_until };
        handle.urge(Event::Receipt(known.signer, held)).await;
    }
    true
}

/// The tower holds something else than what it was given. If that is newer and proved, this node has lost data,
/// and the channel finds out by itself; nothing a tower says is believed without both signatures.
async fn take_held(
    shared: &Shared,
    tower: &NodeId,
    known: &super::Known,
    handle: &Handle,
    view: &View,
    held: Kept,
) {
    let receipt = held.receipt;
    let Some((shown_id, shown)) = signed_by_both(shared, held) else {
        let words = "what it says it holds is not signed by both sides".to_owned();
        shared.towers.note(tower, |known| known.problem = Some(words));
        return;
    };
    let state = shown.state;
    if shown_id != view.channel_id || state.version < view.version {
        return;
    }
    if let Err(error) = show(handle, shown).await {
        tracing::warn!(channel_id = %view.channel_id, error = %error, "what a tower shows is not taken");
    }
    if let Some(receipt) = receipt {
        let _counts: bool =
            take_receipt(shared, tower, known, handle, view, &state, &receipt).await;
    }
}

/// Shows a channel a state that both have signed.
///
/// # Errors
/// As the channel refuses it.
pub(super) async fn show(handle: &Handle, shown: SignedState) -> Result<(), Failure> {
    let (answer, answered) = oneshot::channel();
    handle.post(Event::Shown(Box::new(shown), answer))?;
    answered.await.map_err(|_| wording::stopping())?
}
