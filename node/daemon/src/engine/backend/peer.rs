//! Other nodes: invites, links, and who is forgotten.

use crate::engine::lock;
use crate::engine::peers::Known;
use crate::engine::registry::Handle;
use crate::engine::shared::Shared;
use crate::engine::wording;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{AccountRef, Domain, NodeId};
use lockstep_core::money::Amount;
use lockstep_p2p::invite::{Invite as InviteLink, InviteError, InviteTerms};
use lockstep_p2p::limits::MAX_ADDRESSES;
use lockstep_p2p::{ConnectError, Contact, Multiaddr, Session};
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_rpc::types::{
    Connect, CreateInvite, Invite, InviteCall, InviteDetails, Peer, PeerCall, Text, TextForm,
};
use lockstep_store::write_set::WriteSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a caller waits for a link that it did not say a time for.
const CONNECT_WAIT_MILLIS: u64 = 30_000;
/// The longest that a caller may wait.
const MAX_WAIT_MILLIS: u64 = 60_000;
/// How long until a peer that was not reached is tried again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Every peer that is known.
pub(super) fn peers(shared: &Shared) -> Vec<Peer> {
    shared.peers.all().iter().map(|known| peer(shared, known)).collect()
}

fn peer(shared: &Shared, known: &Known) -> Peer {
    let node_id = known.contact.node_id;
    Peer {
        node_id: Text(node_id),
        peer_id: known.contact.peer_id.to_string(),
        addresses: known.contact.addresses.iter().map(ToString::to_string).collect(),
        is_connected: known.is_connected,
        since: known.since_secs,
        problem: known.problem.clone(),
        channels: u32::try_from(shared.registry.live_with(&node_id)).unwrap_or(u32::MAX),
    }
}

/// Makes an invite.
pub(super) fn create_invite(shared: &Shared, call: &CreateInvite) -> Result<Invite, Failure> {
    let settings = &shared.settings;
    let terms = match (call.opener_deposit, call.own_deposit) {
        (None, None) => None,
        (None, Some(_)) => {
            let message = "an own deposit needs an opener deposit beside it";
            return Err(Failure::new(FailureKind::BadTerms, message).safe("nothing was done"));
        }
        (Some(opener), own) => {
            let token = call.token.map_or_else(|| settings.coin(), |token| token.0);
            known_token(shared, token)?;
            Some(InviteTerms {
                token,
                challenge_period: call.challenge_period.unwrap_or(settings.challenge_period),
                opener_deposit: opener.0,
                inviter_deposit: own.map_or(Amount::ZERO, |own| own.0),
            })
        }
    };
    let peer_id = shared.network.local_peer();
    let mut addresses = reachable(shared.network.local_addresses());
    addresses.truncate(MAX_ADDRESSES);
    let link = InviteLink::new(settings.domain, shared.node_id, peer_id, addresses, terms);
    let link = link.map_err(|error| {
        if matches!(error, InviteError::Addresses { .. }) {
            let message = "this node listens at no address that others could use";
            return Failure::new(FailureKind::Refused, message)
                .advice("set p2p.listen, p2p.external or p2p.relays in the configuration");
        }
        bad_invite(&error)
    })?;
    Ok(Invite { invite: link.to_text(), qr: link.to_qr().ok() })
}

/// Addresses that mean something to another machine come first; a node that has only loopback is used on one.
fn reachable(addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
    let is_local = |address: &Multiaddr| {
        let text = address.to_string();
        text.starts_with("/ip4/127.") || text.starts_with("/ip6/::1/")
    };
    let (local, wide): (Vec<_>, Vec<_>) = addresses.into_iter().partition(is_local);
    if wide.is_empty() { local } else { wide }
}

fn bad_invite(error: &InviteError) -> Failure {
    Failure::new(FailureKind::BadInvite, wording::chain_of(error))
        .safe("nothing was done")
        .advice("copy the whole link again; it begins with lockstep:")
}

/// A token that this node takes.
pub(super) fn known_token(shared: &Shared, token: AccountRef) -> Result<(), Failure> {
    if shared.settings.asset(token).is_some() {
        return Ok(());
    }
    let message = format!("token {} is not among those that this node takes", Text(token));
    Err(Failure::new(FailureKind::UnknownToken, message)
        .safe("nothing was done")
        .advice("add it to channel.tokens in the configuration"))
}

/// Reads an invite.
pub(super) fn decode_invite(shared: &Shared, call: &InviteCall) -> Result<InviteDetails, Failure> {
    let link = InviteLink::from_text(&call.invite).map_err(|error| bad_invite(&error))?;
    let contact = link.contact();
    let terms = link.terms();
    let (chain_id, contract) = match link.domain() {
        Domain::Evm { chain_id, contract } => (chain_id.to_string(), AccountRef::Evm(contract)),
        Domain::Starknet { chain_id, hub } => (chain_id.to_string(), AccountRef::Starknet(hub)),
    };
    Ok(InviteDetails {
        node_id: Text(contact.node_id),
        peer_id: contact.peer_id.to_string(),
        addresses: contact.addresses.iter().map(ToString::to_string).collect(),
        chain_id,
        contract: Text(contract),
        is_our_network: link.domain() == shared.settings.domain,
        is_ours: contact.node_id == shared.node_id,
        token: terms.map(|terms| Text(terms.token)),
        challenge_period: terms.map(|terms| terms.challenge_period),
        opener_deposit: terms.map(|terms| Text(terms.opener_deposit)),
        inviter_deposit: terms.map(|terms| Text(terms.inviter_deposit)),
    })
}

/// An invite that leads to another node of our network.
pub(super) fn read_invite(shared: &Shared, text: &str) -> Result<InviteLink, Failure> {
    let link = InviteLink::from_text(text).map_err(|error| bad_invite(&error))?;
    if link.domain() != shared.settings.domain {
        let message = "the invite is for another network or another contract";
        return Err(Failure::new(FailureKind::WrongNetwork, message)
            .safe("nothing was done")
            .advice(
                "ask for an invite of a node on the same network, or start yours with its network",
            ));
    }
    own_node(shared, link.contact().node_id)?;
    Ok(link)
}

/// Refuses this node itself.
pub(super) fn own_node(shared: &Shared, node_id: NodeId) -> Result<(), Failure> {
    if node_id != shared.node_id {
        return Ok(());
    }
    Err(Failure::new(FailureKind::OwnNode, "this is the node itself")
        .safe("nothing was done")
        .advice("ask the counterparty for its invite"))
}

/// Who is meant by an invite or by the key of a peer that is known.
pub(super) fn find_contact(
    shared: &Shared,
    text: &str,
) -> Result<(Contact, Option<InviteTerms>), Failure> {
    if let Some(node_id) = NodeId::read(text.trim()) {
        own_node(shared, node_id)?;
        let known = shared.peers.get(&node_id).ok_or_else(|| {
            Failure::new(FailureKind::UnknownPeer, "no peer of this key is known")
                .safe("nothing was done")
                .advice("use its invite")
        })?;
        return Ok((known.contact, None));
    }
    let link = read_invite(shared, text)?;
    Ok((link.contact(), link.terms()))
}

/// A link to a peer. It is looked for again and again until the time is over: a node that has only just come up, or
/// the relay that leads to it, may know the other one a moment later.
pub(crate) async fn reach(
    shared: &Arc<Shared>,
    contact: &Contact,
    wait: Duration,
) -> Result<Session, Failure> {
    let began = shared.clock.now_millis();
    let wait_millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let mut why = None;
    loop {
        if let Some(session) = shared.network.session(&contact.node_id) {
            return Ok(session);
        }
        let passed = shared.clock.now_millis().saturating_sub(began);
        let left = Duration::from_millis(wait_millis.saturating_sub(passed));
        let connecting = shared.network.connect(contact.clone());
        match tokio::time::timeout(left, connecting).await {
            Ok(Ok(session)) => return Ok(session),
            Ok(Err(error)) if may_pass(&error) => why = Some(error),
            Ok(Err(error)) => return Err(wording::unreachable(&error)),
            Err(_) => return Err(unreached(why.as_ref())),
        }
        if left < LOOK_AGAIN {
            return Err(unreached(why.as_ref()));
        }
        if shared.sleep_or_stop(LOOK_AGAIN).await {
            return Err(wording::stopping().safe("nothing was done"));
        }
    }
}

/// Whether another attempt may end otherwise. A peer of which no address is known may come to us.
fn may_pass(error: &ConnectError) -> bool {
    let is_away = matches!(error, ConnectError::NoAddress);
    is_away || (error.class() == ErrorClass::Transient && !matches!(error, ConnectError::Stopped))
}

fn unreached(why: Option<&ConnectError>) -> Failure {
    why.map_or_else(
        || {
            Failure::new(FailureKind::PeerUnreachable, "the other node was not reached in time")
                .safe("nothing was done")
                .advice("check that it runs, and that its invite is not old")
        },
        wording::unreachable,
    )
}

/// Whether a peer is there now. Afterwards it is what it was: a stranger is not looked for.
pub(super) async fn probe(
    shared: &Arc<Shared>,
    contact: &Contact,
    wait: Duration,
) -> Result<(), Failure> {
    let was_there = shared.network.session(&contact.node_id).is_some();
    let reached = reach(shared, contact, wait).await.map(drop);
    let is_ours = shared.peers.is_kept(&contact.node_id);
    if !was_there && !is_ours && shared.network.forget(contact.node_id).await.is_err() {
        return Err(wording::stopping());
    }
    reached
}

/// What sending a peer away takes.
pub(super) fn plan_disconnect(shared: &Shared, call: &PeerCall) -> Result<Peer, Failure> {
    known(shared, call.node_id.0).map(|known| peer(shared, &known))
}

/// A peer that the operator names.
fn known(shared: &Shared, node_id: NodeId) -> Result<Known, Failure> {
    own_node(shared, node_id)?;
    shared.peers.get(&node_id).ok_or_else(|| {
        Failure::new(FailureKind::UnknownPeer, "no peer of this key is known")
            .safe("nothing was done")
            .advice("`lockstep peers` lists them")
    })
}

/// Ends the link to a peer and no longer looks for it. It may come back by itself.
pub(super) async fn disconnect(shared: &Arc<Shared>, call: &PeerCall) -> Result<Peer, Failure> {
    let node_id = call.node_id.0;
    let known = known(shared, node_id)?;
    shared.peers.dismiss(&node_id);
    shared.network.disconnect(node_id).await.map_err(|_| wording::stopping())?;
    let mut shown = peer(shared, &known);
    shown.is_connected = false;
    Ok(shown)
}

/// What keeps a peer from being forgotten.
pub(super) fn plan_forget(shared: &Shared, call: &PeerCall) -> Result<(), Failure> {
    let node_id = call.node_id.0;
    known(shared, node_id)?;
    let open = open_with(shared, &node_id);
    let damaged = lock(&shared.damaged).len();
    if open == 0 && damaged > 0 {
        let message =
            format!("the records of {damaged} channels are damaged and do not say whose they are");
        return Err(Failure::new(FailureKind::WrongPhase, message)
            .safe("nothing was done")
            .advice("`lockstep recover --from-peer` first: a channel may come back from this node alone"));
    }
    if open == 0 {
        return Ok(());
    }
    let message = format!("{open} channels with this node are not settled");
    Err(Failure::new(FailureKind::WrongPhase, message)
        .safe("nothing was done")
        .advice("close them first; `lockstep disconnect` only ends the link"))
}

fn open_with(shared: &Shared, node_id: &NodeId) -> usize {
    let all = shared.registry.of_peer(node_id);
    let views = all.iter().map(Handle::view);
    views.filter(|view| !view.is_over && !view.is_settled()).count()
}

/// Forgets a peer with which no channel is open.
pub(super) async fn forget(shared: &Arc<Shared>, call: &PeerCall) -> Result<(), Failure> {
    plan_forget(shared, call)?;
    forget_contact(shared, call.node_id.0).await?;
    // One with a channel that was made meanwhile was kept.
    if shared.peers.is_kept(&call.node_id.0) { plan_forget(shared, call) } else { Ok(()) }
}

/// Makes a contact a stranger, durably.
pub(crate) async fn forget_contact(shared: &Arc<Shared>, node_id: NodeId) -> Result<(), Failure> {
    let Some(known) = shared.peers.get(&node_id) else { return Ok(()) };
    let mut set = WriteSet::default();
    set.remove_contact(node_id);
    shared.journal.write(set).await.map_err(|error| wording::not_durable(&error))?;
    shared.peers.forget(&node_id);
    shared.offers.remove_of(&node_id);
    // A channel that was made meanwhile keeps its counterparty.
    if open_with(shared, &node_id) > 0 {
        return keep(shared, known.contact).await;
    }
    shared.network.forget(node_id).await.map_err(|_| wording::stopping())
}

/// Remembers a contact, durably.
async fn keep(shared: &Arc<Shared>, contact: Contact) -> Result<(), Failure> {
    let stored = shared.peers.keep(contact, shared.clock.unix_secs());
    let mut set = WriteSet::default();
    set.put_contact(&stored).map_err(|error| {
        Failure::new(FailureKind::Internal, wording::chain_of(&error)).safe("nothing was done")
    })?;
    shared.journal.write(set).await.map_err(|error| wording::not_durable(&error))
}

/// Connects to a peer and remembers it.
pub(super) async fn connect(shared: &Arc<Shared>, call: &Connect) -> Result<Peer, Failure> {
    let contact = read_invite(shared, &call.invite)?.contact();
    keep(shared, contact.clone()).await?;
    let wait = call.wait_millis.unwrap_or(CONNECT_WAIT_MILLIS).min(MAX_WAIT_MILLIS);
    if wait == 0 {
        let (network, contact) = (shared.network.clone(), contact.clone());
        tokio::spawn(async move {
            if let Err(error) = network.connect(contact).await {
                tracing::debug!(error = %error, "a peer is not there yet");
            }
        });
    } else {
        reach(shared, &contact, Duration::from_millis(wait)).await.map_err(|failure| {
            failure.safe("the peer is remembered, and looked for from now on")
        })?;
    }
    let known = shared.peers.get(&contact.node_id);
    known.map(|known| peer(shared, &known)).ok_or_else(wording::stopping)
}
