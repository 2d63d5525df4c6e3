//! What peers bring: links that come and go, messages for channels, and offers of new ones.

use crate::engine::alarms::AlarmKind;
use crate::engine::event::Event;
use crate::engine::opening;
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_core::message::PeerMessage;
use lockstep_core::record::RestoreReason;
use lockstep_p2p::handshake::JournalHead;
use lockstep_p2p::{Event as NetworkEvent, Events, Received, Session};
use lockstep_store::epoch;
use lockstep_store::write_set::WriteSet;
use std::sync::Arc;
use tokio::sync::oneshot;
use tracing::Instrument;

/// Hands on what the network side tells, until it has stopped.
pub(crate) async fn follow(shared: Arc<Shared>, mut events: Events) {
    while let Some(event) = events.next().await {
        match event {
            NetworkEvent::Connected(session) => {
                let span = tracing::info_span!("peer", peer_id = %hex(&session.node_id().0));
                take_link(&shared, session).instrument(span).await;
            }
            NetworkEvent::Message(received) => take_message(&shared, received),
            NetworkEvent::Disconnected { session, node_id, end } => {
                // A stranger's comes and goes as often as it likes: no line of it where it fills a disk (P63).
                match shared.peers.is_kept(&node_id) {
                    true => {
                        tracing::info!(peer_id = %hex(&node_id.0), error = %end, "a link is gone");
                    }
                    false => {
                        tracing::debug!(peer_id = %hex(&node_id.0), error = %end, "a stranger has left");
                    }
                }
                shared.cuts.end(&node_id);
                let why = wording::chain_of(&end);
                shared.peers.disconnected(&node_id, why, shared.clock.unix_secs());
                for handle in shared.registry.of_peer(&node_id) {
                    handle.urge(Event::Disconnected(session)).await;
                }
            }
        }
    }
}

async fn take_link(shared: &Arc<Shared>, session: Session) {
    let node_id = session.node_id();
    let is_relayed = session.is_relayed();
    match shared.peers.is_kept(&node_id) {
        true => tracing::info!(peer_id = %hex(&node_id.0), is_relayed, "a link stands"),
        false => tracing::debug!(peer_id = %hex(&node_id.0), is_relayed, "a stranger is here"),
    }
    shared.cuts.end(&node_id);
    let now_secs = shared.clock.unix_secs();
    let news = shared.peers.connected_to(node_id, session.peer_id(), session.head(), now_secs);
    if let Some(contact) = news {
        let mut set = WriteSet::default();
        if set.put_contact(&contact).is_ok()
            && let Err(error) = shared.journal.write(set).await
        {
            tracing::warn!(error = %error, "a contact was not written");
        }
        // P47: the next handshake tells the peer what it has shown us last, so that it notices if it comes back as an
        // older copy of itself.
        if let Some(known) = shared.peers.get(&node_id)
            && let Err(error) = shared.network.register(known.contact).await
        {
            tracing::warn!(error = %error, "a contact's new head is not registered");
        }
    }
    opening::keep_if_funded(shared, node_id).await;
    judge_seen_head(shared, &session).await;
    for handle in shared.registry.of_peer(&node_id) {
        handle.urge(Event::Connected(session.clone())).await;
    }
}

/// P47: a peer that has seen a life of our journal that we never led shows that ours is an old copy. Its word
/// alone must not stop channels with others, so its own channels are marked before the link is used, and
/// the operator is told. Our handshake tells anybody which life we lead, so a stranger could claim to have seen the
/// next: whoever has no channel with us is not asked.
async fn judge_seen_head(shared: &Arc<Shared>, session: &Session) {
    let Some(seen) = session.seen_head() else { return };
    if !shared.registry.has_any_with(&session.node_id()) {
        return;
    }
    if !is_of_a_later_life(shared, seen).await {
        return;
    }
    let node_id = session.node_id();
    let message = format!(
        "peer {} has seen a later life of this node's journal: this data folder may be an old copy. Channels with \
         it are restricted to closing. If the folder came from a backup, stop the node and start it with \
         `--data-is restored`, so that all channels are",
        hex(&node_id.0)
    );
    shared.alarm(AlarmKind::JournalIsOld, None, message);
    for handle in shared.registry.of_peer(&node_id) {
        let (answer, answered) = oneshot::channel();
        handle.urge(Event::Lost(RestoreReason::Import, answer)).await;
        if !matches!(answered.await, Ok(Ok(()))) {
            shared.stop_signing("a channel that lost data could not be marked");
        }
    }
}

/// P47: whether somebody has seen a life of our journal that the journal itself never led.
pub(crate) async fn is_of_a_later_life(shared: &Shared, seen: JournalHead) -> bool {
    let JournalHead { journal_id, epoch, incarnation } = seen;
    let seen = epoch::JournalHead { journal_id, epoch, incarnation };
    let verdict = shared.journal.read(move |journal| journal.judge_head(&seen)).await;
    matches!(verdict, Ok(Ok(verdict)) if verdict.is_proof_of_loss())
}

fn take_message(shared: &Arc<Shared>, received: Box<Received>) {
    shared.metrics.received();
    let peer = received.node_id;
    match &received.message {
        PeerMessage::OpenQuery(query) => {
            opening::answer_query(shared, peer, received.channel_id.0, *query);
            return;
        }
        PeerMessage::OpenOffer(offer) => {
            if !shared.queries.answer(peer, received.channel_id.0, *offer) {
                tracing::debug!(peer_id = %hex(&peer.0), "an answer that nobody waits for");
            }
            return;
        }
        PeerMessage::OpenRequest(_)
        | PeerMessage::OpenAccept { .. }
        | PeerMessage::OpenReject { .. }
        | PeerMessage::Propose { .. }
        | PeerMessage::Accept { .. }
        | PeerMessage::Reject { .. }
        | PeerMessage::Intent { .. }
        | PeerMessage::Refuse { .. }
        | PeerMessage::WithdrawRequest { .. }
        | PeerMessage::WithdrawPropose { .. }
        | PeerMessage::WithdrawAccept { .. }
        | PeerMessage::WithdrawReject { .. }
        | PeerMessage::CloseRequest { .. }
        | PeerMessage::Reestablish(_) => {}
    }
    let Some(handle) = shared.registry.get(received.channel_id) else {
        take_stray(shared, *received);
        return;
    };
    // P68: only the counterparty speaks for a channel.
    if handle.peer != peer {
        shared.peer_fault(peer, "it spoke about a channel of another node");
        return;
    }
    if handle.post(Event::Peer(received)).is_err() {
        // An honest peer never has so much under way; whatever it is comes again with the next link.
        tracing::warn!(channel_id = %handle.channel_id, "a counterparty sends more than is dealt with");
        shared.reset_link(peer);
    }
}

/// A message about a channel that we do not have: an offer of a new one, or one that we have lost.
fn take_stray(shared: &Arc<Shared>, received: Received) {
    let Received { node_id, channel_id, message, .. } = received;
    match message {
        PeerMessage::OpenRequest(request) => opening::take_request(shared, node_id, request),
        PeerMessage::Reestablish(body) => shared.strays.note(node_id, channel_id, body.newest),
        PeerMessage::OpenQuery(_)
        | PeerMessage::OpenOffer(_)
        | PeerMessage::OpenAccept { .. }
        | PeerMessage::OpenReject { .. }
        | PeerMessage::Propose { .. }
        | PeerMessage::Accept { .. }
        | PeerMessage::Reject { .. }
        | PeerMessage::Intent { .. }
        | PeerMessage::Refuse { .. }
        | PeerMessage::WithdrawRequest { .. }
        | PeerMessage::WithdrawPropose { .. }
        | PeerMessage::WithdrawAccept { .. }
        | PeerMessage::WithdrawReject { .. }
        | PeerMessage::CloseRequest { .. } => {
            tracing::debug!(%channel_id, "a message about an unknown channel");
        }
    }
}

/// Bytes for logs.
pub(crate) fn hex(bytes: &[u8]) -> String {
    alloy_primitives::hex::encode_prefixed(bytes)
}
