//! Coming back from a loss: the newest state that any tower holds.

use super::access::{SessionKey, word};
use super::keeper::show;
use crate::engine::registry::Handle;
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_core::adjudicator::Signatures;
use lockstep_core::appointment::TowerAction;
use lockstep_core::ids::{ChannelId, Version};
use lockstep_core::message::SignedState;
use lockstep_p2p::tower::message::Held;
use lockstep_p2p::tower::{Pushes, TowerLink, TowerOrder};
use std::sync::Arc;
use std::time::Duration;

/// The channels that any of our towers holds for us, by a link of their own.
pub(crate) struct FromTowers {
    // What a tower says unasked is not read here, but the link lasts no longer than its reader.
    links: Vec<(super::Known, TowerLink, Pushes)>,
    /// What could not be asked, and why.
    pub(crate) warnings: Vec<String>,
}

impl FromTowers {
    /// Links with every tower that answers in time.
    pub(crate) async fn connect(shared: &Arc<Shared>, wait: Duration) -> Self {
        let mut found = Self { links: vec![], warnings: vec![] };
        for (key, known) in shared.towers.all() {
            let Ok(session) = SessionKey::new(Arc::clone(&shared.keys), key) else { continue };
            let order = TowerOrder {
                tower: known.address.clone(),
                session_key: Arc::new(session),
                head: shared.towers.head,
            };
            let linked = tokio::time::timeout(wait, shared.towers.client.connect(order)).await;
            match linked {
                Ok(Ok((link, pushes))) => match link.subscribe(0).await {
                    Ok(_) => found.links.push((known, link, pushes)),
                    Err(error) => found.warn(&known, &wording::chain_of(&error)),
                },
                Ok(Err(error)) => found.warn(&known, &wording::chain_of(&error)),
                Err(_) => found.warn(&known, "no answer in time"),
            }
        }
        found
    }

    fn warn(&mut self, known: &super::Known, why: &str) {
        self.warnings.push(format!("tower {}: {why}", known.address.peer_id));
    }

    /// Every channel that our accounts at the towers refer to.
    pub(crate) async fn channels(&mut self) -> Vec<ChannelId> {
        let mut all = std::collections::BTreeSet::new();
        let mut troubles = vec![];
        for (known, link, _) in &self.links {
            let mut after = None;
            loop {
                match link.list(after).await {
                    Ok(page) if page.is_empty() => break,
                    Ok(page) => {
                        after = page.last().copied();
                        all.extend(page);
                    }
                    Err(error) => {
                        troubles.push((known.clone(), wording::chain_of(&error)));
                        break;
                    }
                }
            }
        }
        troubles.iter().for_each(|(known, why)| self.warn(known, why));
        all.into_iter().collect()
    }

    /// The newest state of a channel that any of them proves, by both signatures.
    pub(crate) async fn newest(
        &mut self,
        shared: &Shared,
        setup: &lockstep_core::record::ChannelSetup,
    ) -> Option<SignedState> {
        let channel_id = setup.channel_id();
        let mut newest: Option<SignedState> = None;
        let mut troubles = vec![];
        for (known, link, _) in &self.links {
            let Ok(access) = word(&shared.keys, setup, channel_id, known, TowerAction::Get) else {
                continue;
            };
            let held = match link.get(access).await {
                Ok(held) => held,
                Err(error) => {
                    troubles.push((known.clone(), wording::chain_of(&error)));
                    continue;
                }
            };
            // A tower may lie, or serve old data: only what both sides signed counts, and the newest of it.
            let Some((shown_id, shown)) = signed_by_both(shared, held) else {
                troubles
                    .push((known.clone(), "it shows a state that both did not sign".to_owned()));
                continue;
            };
            let best = newest.as_ref().map_or(Version::ZERO, |newest| newest.state.version);
            if shown_id == channel_id && shown.state.version > best {
                newest = Some(shown);
            }
        }
        troubles.iter().for_each(|(known, why)| self.warn(known, why));
        newest
    }
}

/// What a tower holds, if both sides have signed it, and of which channel it is.
pub(super) fn signed_by_both(shared: &Shared, held: Held) -> Option<(ChannelId, SignedState)> {
    let checked = held.appointment.check(shared.settings.bounds, None).ok()?;
    let Signatures { one, two } = checked.get().signatures;
    let state = checked.get().state;
    let shown = SignedState { state, locks: vec![], signature1: one, signature2: two };
    Some((checked.channel_id(), shown))
}

/// Shows channels the newest state that any tower holds. By the links that stand: a tower lets a node have few.
pub(crate) async fn show_newest(shared: &Arc<Shared>, towers: &mut FromTowers, handles: &[Handle]) {
    for handle in handles {
        let view = handle.view();
        if let Some(newest) = towers.newest(shared, &view.setup).await
            && newest.state.version > view.version
        {
            let version = newest.state.version;
            match show(handle, newest).await {
                Ok(()) => {
                    let channel_id = view.channel_id;
                    tracing::info!(%channel_id, %version, "a tower held a newer state");
                }
                Err(why) => {
                    towers.warnings.push(format!(
                        "channel {}: version {version} of a tower is not taken in: {why}",
                        view.channel_id
                    ));
                }
            }
        }
    }
}
