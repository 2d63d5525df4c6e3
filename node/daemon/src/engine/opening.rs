//! How a channel comes to be: who would you be, will you, yes or no.

use crate::chain::{WatchedChannel, call_budget};
use crate::config::AcceptPolicy;
use crate::engine::backend::reach;
use crate::engine::births::{Missed, missed};
use crate::engine::driver::{Beginning, Driver};
use crate::engine::event::Event;
use crate::engine::link::hex;
use crate::engine::offers::Offer;
use crate::engine::registry::{Handle, MAX_CHANNELS_PER_PEER};
use crate::engine::revive;
use crate::engine::shared::Shared;
use crate::engine::wording;
use alloy_primitives::B256;
use lockstep_core::chain::ChannelStatus;
use lockstep_core::commit::{Durable, Transition, recover};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{AccountRef, ChannelId, NodeId, Side};
use lockstep_core::message::{OpenOffer, OpenQuery, OpenRequest, PeerMessage, RejectReason};
use lockstep_core::money::Amount;
use lockstep_core::record::{ChannelSetup, Phase, RecordParts};
use lockstep_core::request::KeyContext;
use lockstep_core::signature::{SignatureError, SignerKey};
use lockstep_core::terms::Terms;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::{accept_open, request_open};
use lockstep_p2p::{Contact, Session};
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_signer::derive::DeriveError;
use lockstep_store::error::StoreError;
use lockstep_store::prune;
use lockstep_store::write_set::WriteSet;
use lockstep_store::writer::Companion;
use std::sync::Arc;
use std::time::Duration;

/// How long side two's consent holds, by the chain's clock. Units: seconds.
const CONSENT_SECS: u64 = 24 * 3_600;
/// How long until the chain side is asked again to follow a new channel.
const WATCH_AGAIN: Duration = Duration::from_secs(1);
/// Channels that one peer had consented to without a person, and has not brought to the chain (P63).
const MAX_AUTOMATIC_PER_PEER: usize = 8;
/// The same for all peers together.
const MAX_AUTOMATIC: usize = 64;
/// How often a peer is asked who it would be.
const QUERIES: u32 = 4;
/// How long each time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long until a question that could not be sent is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// A channel that we want to open.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) token: AccountRef,
    pub(crate) challenge_period: u32,
    pub(crate) deposit: Amount,
    pub(crate) counterparty_deposit: Amount,
}

/// Answers who we would be in a channel. Nothing is kept of it.
pub(crate) fn answer_query(shared: &Arc<Shared>, peer: NodeId, salt: B256, query: OpenQuery) {
    if query.domain != shared.settings.domain {
        tracing::debug!(peer_id = %hex(&peer.0), "asked about another network");
        return;
    }
    let offer = match own_key(shared, peer, salt) {
        Ok(key) => OpenOffer {
            participant: AccountRef::Evm(shared.settings.owner),
            signer_key: key.to_compressed(),
        },
        Err(error) => {
            tracing::error!(error = %error, "no key for a channel");
            return;
        }
    };
    send(shared, peer, ChannelId(salt), &PeerMessage::OpenOffer(offer));
}

fn own_key(shared: &Shared, peer: NodeId, salt: B256) -> Result<SignerKey, DeriveError> {
    shared.keys.keys().channel_key(&KeyContext { domain: shared.settings.domain, peer, salt })
}

fn send(shared: &Shared, peer: NodeId, channel_id: ChannelId, message: &PeerMessage) {
    if let Err(error) = shared.network.send(&peer, channel_id, message) {
        tracing::debug!(peer_id = %hex(&peer.0), error = %error, "an answer was not sent");
    }
}

/// Side one: asks the peer, writes the terms, and makes the offer durable and sends it.
///
/// # Errors
/// If the peer does not answer or its answer makes no channel; then nothing is kept.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    contact: Contact,
    wanted: &Wanted,
) -> Result<Handle, Failure> {
    let peer = contact.node_id;
    check_count(shared, &peer)?;
    let salt = fresh_salt()?;
    let offer = ask(shared, &contact, salt).await?;
    let own = own_key(shared, peer, salt).map_err(|error| internal(&error))?;
    let terms = Terms {
        participant1: AccountRef::Evm(shared.settings.owner),
        participant2: offer.participant,
        signer1: own.address(),
        signer2: address_of(&offer.signer_key).map_err(|error| misbehaved(&error))?,
        token: wanted.token,
        challenge_period: wanted.challenge_period,
        salt,
    };
    terms.validate(shared.settings.domain, shared.settings.bounds).map_err(|error| {
        Failure::new(FailureKind::BadTerms, wording::chain_of(&error)).safe("nothing was done")
    })?;
    let policy = shared.settings.policy();
    let setup = ChannelSetup {
        domain: shared.settings.domain,
        terms,
        side: Side::One,
        peer,
        own_key: own,
        counterparty_key: None,
        features: policy.features,
        policy,
        deposit1: wanted.deposit,
        deposit2: wanted.counterparty_deposit,
    };
    let transition = request_open(setup).map_err(|error| wording::refused(&error))?;
    create(shared, transition, contact, Consenter::Operator).await
}

/// Asks, again over each link: one that has only just come up is often replaced by a better one, and what was said on
/// it is lost. A second question of the same salt gets the same answer.
async fn ask(shared: &Arc<Shared>, contact: &Contact, salt: B256) -> Result<OpenOffer, Failure> {
    let mut answered = shared.queries.ask(contact.node_id, salt)?;
    let query = PeerMessage::OpenQuery(OpenQuery { domain: shared.settings.domain });
    let silent = |why: &str| {
        Failure::new(FailureKind::PeerUnreachable, why)
            .safe("nothing was done")
            .advice("check that the other node runs, on the same network")
    };
    for _ in 0..QUERIES {
        let session = reach(shared, contact, ANSWER_TIMEOUT).await?;
        if let Err(error) = session.send(ChannelId(salt), &query).await {
            tracing::debug!(peer_id = %hex(&contact.node_id.0), error = %error, "a question was not sent");
            if shared.sleep_or_stop(ASK_AGAIN).await {
                return Err(wording::stopping());
            }
            continue;
        }
        match tokio::time::timeout(ANSWER_TIMEOUT, &mut answered).await {
            Ok(Ok(offer)) => return Ok(offer),
            Ok(Err(_)) => return Err(silent("the other node's answer got lost")),
            Err(_) => {}
        }
    }
    Err(silent("the other node does not answer"))
}

fn address_of(key: &[u8; 33]) -> Result<alloy_primitives::Address, SignatureError> {
    SignerKey::parse(key).map(|key| key.address())
}

fn misbehaved(error: &SignatureError) -> Failure {
    Failure::new(FailureKind::PeerMisbehaved, wording::chain_of(error)).safe("nothing was done")
}

fn internal(error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Internal, wording::chain_of(error)).safe("nothing was done")
}

fn fresh_salt() -> Result<B256, Failure> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| {
        Failure::new(FailureKind::Internal, format!("no randomness: {error}"))
            .safe("nothing was done")
    })?;
    Ok(B256::from(salt))
}

fn check_count(shared: &Shared, peer: &NodeId) -> Result<(), Failure> {
    if shared.registry.live_with(peer) < MAX_CHANNELS_PER_PEER {
        return Ok(());
    }
    let message = format!("there are {MAX_CHANNELS_PER_PEER} channels with this node already");
    Err(Failure::new(FailureKind::LimitReached, message).safe("nothing was done"))
}

/// Side two: a peer offers a channel that we do not know. The operator's policy decides, or the operator.
pub(crate) fn take_request(shared: &Arc<Shared>, peer: NodeId, request: OpenRequest) {
    let channel_id = request.terms.channel_id(request.domain);
    if let Err(reason) = admit(shared, peer, &request) {
        tracing::debug!(%channel_id, peer_id = %hex(&peer.0), ?reason, "an offer is declined");
        send(shared, peer, channel_id, &PeerMessage::OpenReject { reason });
        return;
    }
    let is_automatic =
        shared.settings.accept == AcceptPolicy::Always && request.deposit2 == Amount::ZERO;
    if is_automatic && !may_consent_unasked(shared, &peer) {
        send(shared, peer, channel_id, &PeerMessage::OpenReject { reason: RejectReason::NotNow });
        return;
    }
    let received_secs = shared.clock.unix_secs();
    if !shared.offers.add(Offer { peer, request, received_secs }) {
        send(shared, peer, channel_id, &PeerMessage::OpenReject { reason: RejectReason::NotNow });
        return;
    }
    if !is_automatic {
        tell_of_offer(shared, peer, channel_id);
        return;
    }
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        if let Err(failure) = accept(&shared, channel_id, Consenter::Policy).await {
            tracing::debug!(%channel_id, error = %failure, "an offer could not be accepted");
        }
    });
}

/// A consent that nobody uses costs its peer nothing, and us a record, a driver and a watch until it ends. Identities
/// are free, so there is a limit for all of them, too.
fn may_consent_unasked(shared: &Shared, peer: &NodeId) -> bool {
    let unused = shared.registry.all().into_iter().filter(|handle| {
        let view = handle.view();
        let is_unused = view.chain.status == ChannelStatus::None && !view.is_over;
        is_unused && view.setup.side == Side::Two && matches!(view.phase, Phase::Funding { .. })
    });
    let peers: Vec<NodeId> = unused.map(|handle| handle.peer).collect();
    let of_peer = peers.iter().filter(|known| *known == peer).count();
    of_peer < MAX_AUTOMATIC_PER_PEER && peers.len() < MAX_AUTOMATIC
}

/// A line for the operator; about strangers one a minute (P63).
fn tell_of_offer(shared: &Shared, peer: NodeId, channel_id: ChannelId) {
    let left_out = match shared.peers.is_kept(&peer) {
        true => Some(0),
        false => shared.offer_lines.may(shared.clock.unix_secs()),
    };
    let Some(left_out) = left_out else {
        tracing::debug!(%channel_id, peer_id = %hex(&peer.0), "one more channel is offered");
        return;
    };
    tracing::info!(
        %channel_id,
        peer_id = %hex(&peer.0),
        left_out,
        "a channel is offered, and waits for the operator"
    );
}

/// What no operator could accept.
fn admit(shared: &Shared, peer: NodeId, request: &OpenRequest) -> Result<(), RejectReason> {
    let settings = &shared.settings;
    let terms = &request.terms;
    let is_ours = request.domain == settings.domain
        && terms.participant2 == AccountRef::Evm(settings.owner)
        && own_key(shared, peer, terms.salt).is_ok_and(|key| key.address() == terms.signer2);
    let is_allowed = settings.accept != AcceptPolicy::Never
        && terms.validate(settings.domain, settings.bounds).is_ok()
        && settings.asset(terms.token).is_some()
        && request.deposit1 >= settings.min_counterparty_deposit
        && request.deposit2 <= settings.max_own_deposit
        && shared.registry.live_with(&peer) < MAX_CHANNELS_PER_PEER;
    let can_sign = !shared.is_signing_stopped() && !shared.is_stopping();
    match (is_ours && is_allowed, can_sign) {
        (true, true) => Ok(()),
        (true, false) => Err(RejectReason::NotNow),
        (false, _) => Err(RejectReason::Policy),
    }
}

/// Who agrees to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consenter {
    /// The operator: the counterparty is a contact from now on.
    Operator,
    /// The configuration, to whoever asks: a stranger stays one until its money is in the contract.
    Policy,
}

/// Accepts an offer that waits: consents, durably, and says so.
///
/// # Errors
/// If there is no such offer any more, or it can't be accepted.
pub(crate) async fn accept(
    shared: &Arc<Shared>,
    channel_id: ChannelId,
    consenter: Consenter,
) -> Result<Handle, Failure> {
    let unknown = || {
        Failure::new(FailureKind::UnknownOffer, format!("no offer of channel {channel_id} waits"))
            .safe("nothing was done")
            .advice("`lockstep join` without an id lists what waits")
    };
    // Taken out first: two orders at once must not make two channels of one offer.
    let offer = shared.offers.remove(channel_id).ok_or_else(unknown)?;
    let result = consent(shared, &offer, consenter).await;
    if result.as_ref().is_err_and(|failure| failure.class() == ErrorClass::Transient) {
        shared.offers.add(offer);
    }
    result
}

async fn consent(
    shared: &Arc<Shared>,
    offer: &Offer,
    consenter: Consenter,
) -> Result<Handle, Failure> {
    let Offer { peer, request, .. } = offer;
    shared.check_can_sign()?;
    check_count(shared, peer)?;
    let key = own_key(shared, *peer, request.terms.salt).map_err(|error| internal(&error))?;
    let now = shared.chain_time().head();
    if now == BlockTimestamp::default() {
        return Err(Failure::new(FailureKind::NotReady, "the chain has not been read yet")
            .safe("nothing was done")
            .advice("try again in a moment"));
    }
    let deadline = now.checked_add_secs(CONSENT_SECS).unwrap_or(now);
    let policy = shared.settings.policy();
    let transition = accept_open(request, *peer, policy, key, deadline)
        .map_err(|error| wording::refused(&error))?;
    let known = shared.peers.get(peer).map(|known| known.contact);
    let contact = known.ok_or_else(|| {
        Failure::new(FailureKind::PeerUnreachable, "the node that offers the channel is gone")
            .safe("nothing was done")
            .advice("wait until it is connected again, then join")
    })?;
    create(shared, transition, contact, consenter).await
}

/// Makes a new channel and its counterparty durable, and starts its driver. It goes on when the caller has gone: once
/// the record is durable, the channel is there, and no answer may say that nothing was done.
async fn create(
    shared: &Arc<Shared>,
    transition: Transition,
    contact: Contact,
    consenter: Consenter,
) -> Result<Handle, Failure> {
    let shared = Arc::clone(shared);
    let creating =
        tokio::spawn(async move { create_now(&shared, transition, contact, consenter).await });
    creating.await.map_err(|_| {
        Failure::new(FailureKind::Internal, "the channel's creation has broken down")
            .safe("it is not known whether the channel was made")
            .advice("look at `lockstep channels` before you order it again")
    })?
}

async fn create_now(
    shared: &Arc<Shared>,
    transition: Transition,
    contact: Contact,
    consenter: Consenter,
) -> Result<Handle, Failure> {
    shared.check_can_sign()?;
    let channel_id = transition.channel_id();
    let _birth = shared.births.begin(channel_id).ok_or_else(is_here)?;
    // Also one whose record is damaged, or over: a fresh record must not take its place.
    let known = shared.journal.read(move |journal| {
        let was_here = prune::was_here(journal.engine(), channel_id)?;
        Ok::<bool, StoreError>(was_here || recover(journal, channel_id)?.is_some())
    });
    let is_known = !matches!(known.await.map_err(|error| wording::not_durable(&error))?, Ok(false));
    if is_known || shared.registry.get(channel_id).is_some() {
        return Err(is_here());
    }
    let at_secs = shared.clock.unix_secs();
    let mut set = WriteSet::default();
    if consenter == Consenter::Operator {
        let stored = shared.peers.keep(contact.clone(), at_secs);
        set.put_contact(&stored).map_err(|error| internal(&error))?;
    }
    let watched = watched_with(transition.next().parts(), shared.settings.max_call_cost);
    let durable = shared
        .journal
        .commit(transition, Companion { set, at_secs })
        .await
        .map_err(|error| wording::not_durable(&error))?;
    // Followed before anything of it can be on the chain.
    while let Err(error) = shared.chain.watch(watched.clone()).await {
        tracing::error!(%channel_id, error = %wording::chain_of(&error), "a channel is not followed yet");
        if shared.sleep_or_stop(WATCH_AGAIN).await {
            return Err(Failure::new(FailureKind::NotReady, "the node is stopping")
                .safe("the channel is in the journal, and goes on with the next start"));
        }
    }
    if consenter == Consenter::Operator {
        register(shared, contact).await;
    }
    start(shared, durable).await.map_err(|error| wording::refused(&error))
}

async fn register(shared: &Shared, contact: Contact) {
    let peer = contact.node_id;
    if let Err(error) = shared.network.register(contact).await {
        tracing::warn!(peer_id = %hex(&peer.0), error = %error, "a counterparty is not registered");
    }
}

/// A stranger whose money is in the contract by now is a contact (P63).
pub(crate) async fn keep_if_funded(shared: &Arc<Shared>, peer: NodeId) {
    let is_funded = |handle: &Handle| handle.view().chain.status == ChannelStatus::Active;
    if shared.registry.of_peer(&peer).iter().any(is_funded) {
        keep_counterparty(shared, peer).await;
    }
}

/// Makes a counterparty a contact, if it is none.
pub(crate) async fn keep_counterparty(shared: &Arc<Shared>, peer: NodeId) {
    if shared.peers.is_kept(&peer) {
        return;
    }
    // One that is not there is kept when it comes.
    let Some(known) = shared.peers.get(&peer) else { return };
    let stored = shared.peers.keep(known.contact.clone(), shared.clock.unix_secs());
    let mut set = WriteSet::default();
    if set.put_contact(&stored).is_ok()
        && let Err(error) = shared.journal.write(set).await
    {
        tracing::warn!(error = %error, "a contact was not written");
    }
    register(shared, known.contact).await;
}

fn is_here() -> Failure {
    Failure::new(FailureKind::WrongPhase, "this node has the channel already")
        .safe("nothing was done")
        .advice("`lockstep channels` shows where it is")
}

async fn start(
    shared: &Arc<Shared>,
    durable: Durable<Transition>,
) -> Result<Handle, lockstep_core::error::ProtocolError> {
    let (driver, handle, effects) = Driver::create(shared, durable)?;
    let link = shared.network.session(&handle.peer);
    let told = link.as_ref().map(Session::id);
    shared.registry.insert(handle.clone());
    shared.feeds.stir();
    let driving = driver.run(Beginning::Created(effects, link.map(Box::new)));
    drop(revive::drive(shared, handle.channel_id, driving));
    // A link that came or went between the two lines above was told to nobody.
    let now = shared.network.session(&handle.peer).map(|session| (session.id(), session));
    match missed(told, now) {
        Some(Missed::Came(session)) => handle.urge(Event::Connected(session)).await,
        Some(Missed::Went(session)) => handle.urge(Event::Disconnected(session)).await,
        None => {}
    }
    Ok(handle)
}

/// What the chain side must know of a channel. `allowed` is what the operator lets any call cost.
pub(crate) fn watched_with(parts: &RecordParts, allowed: Amount) -> WatchedChannel {
    let known = match &parts.phase {
        Phase::Disputed(dispute) => Some(dispute.sighting),
        Phase::Opening(_)
        | Phase::Funding { .. }
        | Phase::Open
        | Phase::Closing(_)
        | Phase::Settled(_) => None,
    };
    let terms = parts.setup.terms;
    let max_cost = call_budget(terms.token, parts.at_risk(), allowed);
    WatchedChannel { channel_id: parts.setup.channel_id(), terms, known, max_cost }
}
