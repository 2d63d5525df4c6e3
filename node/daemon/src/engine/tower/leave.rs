//! Leaving a tower, or a channel with it: what is no longer needed is dropped there, so that it takes no room.

use super::Known;
use super::access::{SessionKey, word};
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_core::appointment::TowerAction;
use lockstep_core::ids::{ChannelId, NodeId};
use lockstep_p2p::tower::message::RefusalCode;
use lockstep_p2p::tower::{CallError, TowerLink, TowerOrder};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long a tower that is removed may take to hear of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Drops the channels that are settled, each once in the life of a link.
///
/// # Errors
/// If the link is gone.
pub(super) async fn drop_settled(
    shared: &Shared,
    link: &TowerLink,
    known: &Known,
    dropped: &mut BTreeSet<ChannelId>,
) -> Result<(), CallError> {
    for (channel_id, _) in shared.towers.held_by(known.address.key) {
        let Some(handle) = shared.registry.get(channel_id) else { continue };
        if handle.view().is_settled() && dropped.insert(channel_id) {
            drop_one(shared, link, known, channel_id).await?;
        }
    }
    Ok(())
}

/// Tells a tower that is removed to drop what this node has left with it. A tower that cannot be reached keeps it
/// until the channels are settled for a week.
pub(super) fn drop_all(shared: &Arc<Shared>, tower: NodeId, known: Known) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let leaving = leave(&shared, tower, &known);
        match tokio::time::timeout(PATIENCE, leaving).await {
            Ok(Ok(count)) => {
                tracing::info!(channels = count, "a removed tower has dropped our channels");
            }
            Ok(Err(why)) => {
                tracing::info!(error = why, "a removed tower keeps our channels for now");
            }
            Err(_) => {
                tracing::info!("a removed tower does not answer and keeps our channels for now");
            }
        }
    })
}

async fn leave(shared: &Arc<Shared>, tower: NodeId, known: &Known) -> Result<usize, String> {
    let key =
        SessionKey::new(Arc::clone(&shared.keys), tower).map_err(|e| wording::chain_of(&e))?;
    let order = TowerOrder {
        tower: known.address.clone(),
        session_key: Arc::new(key),
        head: shared.towers.head,
    };
    let linked = shared.towers.client.connect(order).await;
    // What the tower says unasked is not read, but the link lasts no longer than its reader.
    let (link, _pushes) = linked.map_err(|error| wording::chain_of(&error))?;
    link.subscribe(0).await.map_err(|error| wording::chain_of(&error))?;
    let held = shared.towers.held_by(tower);
    for (channel_id, _) in &held {
        let dropped = drop_one(shared, &link, known, *channel_id).await;
        dropped.map_err(|error| wording::chain_of(&error))?;
    }
    Ok(held.len())
}

async fn drop_one(
    shared: &Shared,
    link: &TowerLink,
    known: &Known,
    channel_id: ChannelId,
) -> Result<(), CallError> {
    let Some(handle) = shared.registry.get(channel_id) else { return Ok(()) };
    let view = handle.view();
    let access = match word(&shared.keys, &view.setup, channel_id, known, TowerAction::Drop) {
        Ok(access) => access,
        Err(failure) => {
            tracing::error!(%channel_id, error = %failure, "no word for a tower");
            return Ok(());
        }
    };
    match link.drop_channel(access).await {
        Ok(()) => Ok(()),
        Err(CallError::Refused(refusal)) => {
            // One that it does not know need not be dropped.
            if refusal.code != RefusalCode::UnknownChannel {
                tracing::info!(%channel_id, error = %refusal, "a tower does not drop a channel");
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}
