//! P47: what a tower remembers of this node's journal, against what the journal is.
//!
//! A tower keeps the latest life of the journal that it has talked to. If that is one which this journal never led,
//! the data folder is an old copy, or the tower lies: it knows which life we led last and can name the next. So its
//! word is told and changes nothing by itself. It is only the reason to ask it what it holds of every channel; what
//! both sides have signed there is proof, and the channel deals with it as when its counterparty shows it.

use super::access::word;
use super::keeper::show;
use super::restore::signed_by_both;
use crate::engine::alarms::AlarmKind;
use crate::engine::link::{hex, is_of_a_later_life};
use crate::engine::lock;
use crate::engine::registry::Handle;
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_core::appointment::TowerAction;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::NodeId;
use lockstep_p2p::handshake::JournalHead;
use lockstep_p2p::tower::{CallError, TowerLink};
use std::sync::Arc;

/// What a tower has seen of our journal, when it says so first. Each link begins with it. The tower forgets it with
/// the next appointment that we bring, so what is to be done about it is kept here until it is done.
pub(super) async fn take_claim(shared: &Arc<Shared>, tower: &NodeId, seen: Option<JournalHead>) {
    let Some(seen) = seen else { return };
    if !is_of_a_later_life(shared, seen).await {
        return;
    }
    let message = format!(
        "tower {} has seen a later life of this node's journal: this data folder may be an old copy. That alone \
         changes nothing; the tower is asked for the newest state of every channel, and a channel that it proves to \
         have lost data is restricted to closing. If the folder came from a backup, stop the node and start it with \
         `--data-is restored`, so that all channels are",
        hex(&tower.0)
    );
    shared.alarm(AlarmKind::JournalIsOld, None, message);
    lock(&shared.towers.inner).claims.insert(*tower);
}

/// Asks a tower that claims to know more what it holds of every channel, if that is still to be done.
///
/// # Errors
/// If the link is gone. The claim stands, and the next link asks again.
pub(super) async fn ask_for_proof(
    shared: &Arc<Shared>,
    link: &TowerLink,
    tower: &NodeId,
) -> Result<(), CallError> {
    if !lock(&shared.towers.inner).claims.contains(tower) {
        return Ok(());
    }
    let mut is_answered = true;
    for handle in shared.registry.all() {
        is_answered &= ask_about(shared, link, tower, &handle).await?;
    }
    if is_answered {
        lock(&shared.towers.inner).claims.remove(tower);
    }
    Ok(())
}

/// Asks about one channel; whether that needs not to be asked again.
async fn ask_about(
    shared: &Shared,
    link: &TowerLink,
    tower: &NodeId,
    handle: &Handle,
) -> Result<bool, CallError> {
    let view = handle.view();
    let Some(known) = shared.towers.get(tower) else { return Ok(true) };
    if view.is_settled() {
        return Ok(true);
    }
    let channel_id = view.channel_id;
    let Ok(access) = word(&shared.keys, &view.setup, channel_id, &known, TowerAction::Get) else {
        return Ok(false);
    };
    let held = match link.get(access).await {
        Ok(held) => held,
        Err(CallError::Refused(refusal)) => return Ok(refusal.class() != ErrorClass::Transient),
        Err(error @ (CallError::TimedOut | CallError::Gone | CallError::OutOfPlace)) => {
            return Err(error);
        }
    };
    let Some((shown_id, shown)) = signed_by_both(shared, held) else {
        let words = "what it says it holds is not signed by both sides".to_owned();
        tracing::warn!(%channel_id, error = words, "a tower proves nothing");
        shared.towers.note(tower, |known| known.problem = Some(words));
        return Ok(true);
    };
    if shown_id != channel_id || shown.state.version <= view.version {
        return Ok(true);
    }
    let version = shown.state.version;
    match show(handle, shown).await {
        Ok(()) => {
            tracing::warn!(%channel_id, %version, "a tower holds a newer state than this node");
            Ok(true)
        }
        Err(error) => {
            let error = wording::chain_of(&error);
            tracing::warn!(%channel_id, %version, error, "what a tower shows is not taken");
            Ok(false)
        }
    }
}
