//! Channels that this node has lost: found again from what the counterparty, the chain, a proof file or a
//! backup still know.
//!
//! Whatever comes back is marked as restored: it takes the newest state that it is shown, signs no ordinary state
//! ever again, and closes only on the operator's order (P46, P47).

use crate::engine::alarms::AlarmKind;
use crate::engine::backend::reach;
use crate::engine::driver::{Beginning, Driver};
use crate::engine::event::Event;
use crate::engine::lock;
use crate::engine::opening;
use crate::engine::registry::Handle;
use crate::engine::revive;
use crate::engine::shared::Shared;
use crate::engine::tower::{FromTowers, show_newest};
use crate::engine::wording;
use lockstep_core::chain::ChannelStatus;
use lockstep_core::commit::{Durable, recover};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{ChannelId, NodeId, Side};
use lockstep_core::message::SignedState;
use lockstep_core::money::Amount;
use lockstep_core::record::{ChannelRecord, ChannelSetup, Phase};
use lockstep_core::request::KeyContext;
use lockstep_core::signature::SignerKey;
use lockstep_core::terms::{Features, Terms};
use lockstep_core::time::BlockNumber;
use lockstep_p2p::Contact;
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_store::proof::Proof;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// How often what has come in is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long until the chain is asked again to be read from the start.
const RESCAN_AGAIN: Duration = Duration::from_secs(5);
/// Channels that are taken in from one counterparty. Source: protocol §8.
const MAX_STRAYS: usize = 1_024;

/// Channels that a counterparty speaks of and that we do not have. Kept only while the operator is recovering
/// (P63).
#[derive(Debug, Default)]
pub(crate) struct Strays(Mutex<Option<(NodeId, Found)>>);

/// What was found, with the newest state where there is one.
type Found = BTreeMap<ChannelId, Option<SignedState>>;

impl Strays {
    /// The counterparty says what it holds of a channel that we do not have.
    pub(crate) fn note(&self, peer: NodeId, channel_id: ChannelId, newest: Option<SignedState>) {
        if let Some((expected, found)) = lock(&self.0).as_mut()
            && *expected == peer
            && found.len() < MAX_STRAYS
        {
            found.insert(channel_id, newest);
        }
    }

    fn begin(&self, peer: NodeId) -> Result<(), Failure> {
        let mut strays = lock(&self.0);
        if strays.is_some() {
            return Err(Failure::new(FailureKind::Busy, "another recovery is under way")
                .safe("nothing was done"));
        }
        *strays = Some((peer, BTreeMap::new()));
        Ok(())
    }

    fn found(&self) -> Found {
        lock(&self.0).as_ref().map(|(_, found)| found.clone()).unwrap_or_default()
    }

    fn end(&self) {
        *lock(&self.0) = None;
    }
}

/// Asks a counterparty for the channels that it has with us, and takes in those that we have lost.
///
/// # Errors
/// If it is not reached.
pub(crate) async fn from_peer(
    shared: &Arc<Shared>,
    contact: Contact,
    wait: Duration,
) -> Result<(Vec<Handle>, Vec<String>), Failure> {
    let peer = contact.node_id;
    shared.strays.begin(peer)?;
    let result = collect(shared, contact, wait).await;
    shared.strays.end();
    result
}

async fn collect(
    shared: &Arc<Shared>,
    contact: Contact,
    wait: Duration,
) -> Result<(Vec<Handle>, Vec<String>), Failure> {
    let peer = contact.node_id;
    // A new link, so that the counterparty says everything.
    let old = shared.network.session(&peer).map(|session| session.id());
    if old.is_some() && shared.network.disconnect(peer).await.is_err() {
        return Err(wording::stopping());
    }
    // The old one may stand for a moment still.
    while old.is_some() && shared.network.session(&peer).map(|session| session.id()) == old {
        if shared.sleep_or_stop(LOOK).await {
            return Err(wording::stopping());
        }
    }
    reach(shared, &contact, wait).await?;
    let rounds = wait.as_millis().checked_div(LOOK.as_millis()).unwrap_or_default();
    let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
    let mut known = 0_usize;
    // Until something has come and nothing more comes.
    for _ in 0..rounds {
        if shared.sleep_or_stop(LOOK).await {
            return Err(wording::stopping());
        }
        let found = shared.strays.found().len();
        if found > 0 && found == known {
            break;
        }
        known = found;
    }
    let mut handles: Vec<Handle> = shared.registry.of_peer(&peer);
    let mut warnings = Vec::new();
    for (channel_id, newest) in shared.strays.found() {
        match take_in(shared, &contact, channel_id, newest).await {
            Ok(handle) => handles.push(handle),
            Err(failure) => warnings.push(format!("channel {channel_id}: {failure}")),
        }
    }
    if handles.is_empty() && warnings.is_empty() {
        warnings.push("the counterparty speaks of no channel with this node".to_owned());
    }
    read_chain_again(shared, &handles, rounds).await?;
    shared.reset_link(peer);
    Ok((handles, warnings))
}

/// Whether there is a tower to ask.
///
/// # Errors
/// If there is none.
pub(crate) fn check_towers(shared: &Shared) -> Result<(), Failure> {
    if !shared.towers.is_empty() {
        return Ok(());
    }
    Err(Failure::new(FailureKind::Refused, "this node has no towers to ask")
        .safe("nothing was taken in")
        .advice("`lockstep tower add` first, with what `lockstep-watchtower info` prints"))
}

/// Asks our towers for the channels that our accounts there refer to, takes in those that we have lost, and shows
/// every restored channel the newest state that any tower holds.
///
/// # Errors
/// If there is no tower, or the chain cannot be read.
pub(crate) async fn from_towers(
    shared: &Arc<Shared>,
    counterparty: Option<Contact>,
    wait: Duration,
) -> Result<(Vec<Handle>, Vec<String>), Failure> {
    check_towers(shared)?;
    let mut towers = FromTowers::connect(shared, wait).await;
    let known = shared.peers.all().into_iter().map(|known| known.contact);
    let contacts: Vec<Contact> = counterparty.into_iter().chain(known).collect();
    let mut warnings = vec![];
    let mut taken = vec![];
    for channel_id in towers.channels().await {
        if shared.registry.get(channel_id).is_some() {
            continue;
        }
        match take_from_towers(shared, &contacts, channel_id, &mut towers).await {
            Ok(handle) => taken.push(handle),
            Err(failure) => warnings.push(format!("channel {channel_id}: {failure}")),
        }
    }
    let rounds = wait.as_millis().checked_div(LOOK.as_millis()).unwrap_or_default();
    read_chain_again(shared, &taken, u32::try_from(rounds).unwrap_or(u32::MAX)).await?;
    let all = shared.registry.all().into_iter();
    let restored: Vec<Handle> =
        all.filter(|handle| handle.view().marks.restored.is_some()).collect();
    show_newest(shared, &mut towers, &restored).await;
    warnings.append(&mut towers.warnings);
    warnings.sort();
    warnings.dedup();
    Ok((restored, warnings))
}

/// The counterparty of a lost channel is whichever contact's channel key fits its terms.
async fn take_from_towers(
    shared: &Arc<Shared>,
    contacts: &[Contact],
    channel_id: ChannelId,
    towers: &mut FromTowers,
) -> Result<Handle, Failure> {
    let first = BlockNumber(shared.settings.first_block);
    let terms =
        shared.chain.terms_of(channel_id, first).await.map_err(|error| {
            Failure::new(FailureKind::ChainUnavailable, wording::chain_of(&error))
        })?;
    let terms = terms.ok_or_else(|| {
        Failure::new(FailureKind::UnknownChannel, "the chain knows no channel of this id")
    })?;
    for contact in contacts {
        let Ok(record) = lost_record(shared, contact.node_id, terms, None) else { continue };
        let newest = towers.newest(shared, &record.parts().setup).await;
        let record = lost_record(shared, contact.node_id, terms, newest.as_ref())?;
        return import(shared, contact.clone(), record).await;
    }
    Err(Failure::new(FailureKind::UnknownPeer, "no known peer is the counterparty of this channel")
        .advice("say the counterparty's invite as well; it need not answer"))
}

/// Reads the chain from the contract's first block on, and waits until the channels are where the chain has them:
/// only then do they take in what the counterparty shows.
async fn read_chain_again(
    shared: &Arc<Shared>,
    handles: &[Handle],
    rounds: u32,
) -> Result<(), Failure> {
    if handles.is_empty() {
        return Ok(());
    }
    let chain_failure = |error: &crate::chain::ChainTaskError| {
        Failure::new(FailureKind::ChainUnavailable, wording::chain_of(error))
            .safe("the channels are in the journal, restricted to closing")
            .advice("restart the node once the chain's endpoints answer")
    };
    let first = BlockNumber(shared.settings.first_block);
    shared.chain.rescan(first).await.map_err(|error| chain_failure(&error))?;
    for _ in 0..rounds {
        let is_there = |handle: &Handle| handle.view().chain.status != ChannelStatus::None;
        if handles.iter().all(is_there) || shared.sleep_or_stop(LOOK).await {
            break;
        }
    }
    Ok(())
}

/// Goes on where a run ended between taking a channel in and reading the chain for it: such a channel has seen nothing
/// of the chain, though that is where it was found.
pub(crate) fn go_on_importing(shared: &Arc<Shared>) {
    let has_read_nothing = |handle: &Handle| {
        let view = handle.view();
        view.marks.restored.is_some()
            && view.chain.status == ChannelStatus::None
            && view.phase == Phase::Funding { consent: None }
    };
    let unread: Vec<Handle> = shared.registry.all().into_iter().filter(has_read_nothing).collect();
    if unread.is_empty() {
        return;
    }
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let first = BlockNumber(shared.settings.first_block);
        while let Err(error) = shared.chain.rescan(first).await {
            let error = wording::chain_of(&error);
            tracing::warn!(
                error,
                "the chain is not read again yet for a channel that was taken in"
            );
            if shared.sleep_or_stop(RESCAN_AGAIN).await {
                return;
            }
        }
        // What counterparties showed before was about channels of which the chain was not known yet: they show it
        // again on a new link.
        for handle in unread {
            while handle.view().chain.status == ChannelStatus::None {
                if shared.sleep_or_stop(LOOK).await {
                    return;
                }
            }
            shared.reset_link(handle.peer);
        }
    });
}

/// Makes a lost channel durable again and starts its driver.
async fn take_in(
    shared: &Arc<Shared>,
    contact: &Contact,
    channel_id: ChannelId,
    newest: Option<SignedState>,
) -> Result<Handle, Failure> {
    let first = BlockNumber(shared.settings.first_block);
    let terms =
        shared.chain.terms_of(channel_id, first).await.map_err(|error| {
            Failure::new(FailureKind::ChainUnavailable, wording::chain_of(&error))
        })?;
    let terms = terms.ok_or_else(|| {
        Failure::new(FailureKind::UnknownChannel, "the chain knows no channel of this id")
    })?;
    let record = lost_record(shared, contact.node_id, terms, newest.as_ref())?;
    import(shared, contact.clone(), record).await
}

/// A record of a channel of which only the terms, and perhaps a state, are known.
fn lost_record(
    shared: &Shared,
    peer: NodeId,
    terms: Terms,
    newest: Option<&SignedState>,
) -> Result<ChannelRecord, Failure> {
    let domain = shared.settings.domain;
    let context = KeyContext { domain, peer, salt: terms.salt };
    let own_key = shared
        .keys
        .keys()
        .channel_key(&context)
        .map_err(|error| Failure::new(FailureKind::Internal, wording::chain_of(&error)))?;
    // By the key: the owner may be any account, and another one than today's.
    let own = own_key.address();
    let side = [Side::One, Side::Two].into_iter().find(|side| terms.signer(*side) == own);
    let side = side.ok_or_else(|| {
        let message = "the channel was made with another seed, or with another node";
        Failure::new(FailureKind::Refused, message)
    })?;
    let policy = shared.settings.policy();
    let setup = ChannelSetup {
        domain,
        terms,
        side,
        peer,
        own_key,
        counterparty_key: newest.and_then(|newest| counterparty_key(domain, &terms, side, newest)),
        // A restored channel only closes; it needs no ability besides.
        features: Features::NONE,
        policy,
        deposit1: Amount::ZERO,
        deposit2: Amount::ZERO,
    };
    ChannelRecord::lost(setup)
        .map_err(|error| Failure::new(FailureKind::Refused, wording::chain_of(&error)))
}

/// Terms hold only an address; the key comes out of a signature.
fn counterparty_key(
    domain: lockstep_core::ids::Domain,
    terms: &Terms,
    side: Side,
    newest: &SignedState,
) -> Option<SignerKey> {
    let digest = SigningDomain::new(domain).state(&newest.state);
    let signature = match side {
        Side::One => newest.signature2,
        Side::Two => newest.signature1,
    };
    SignerKey::recover(digest, signature, terms.signer(side.other())).ok()
}

/// Writes a record that is not there, as restored, and starts its driver.
async fn import(
    shared: &Arc<Shared>,
    contact: Contact,
    record: ChannelRecord,
) -> Result<Handle, Failure> {
    let channel_id = record.channel_id();
    let _birth = shared.births.begin(channel_id).ok_or_else(|| {
        Failure::new(FailureKind::Busy, "this channel is being taken in already")
            .safe("nothing was done")
    })?;
    // Whoever was faster has it.
    if let Some(handle) = shared.registry.get(channel_id) {
        return Ok(handle);
    }
    let stored = shared.peers.keep(contact.clone(), shared.clock.unix_secs());
    let read = shared.journal.read(move |journal| {
        let mut set = lockstep_store::write_set::WriteSet::default();
        set.put_contact(&stored)?;
        journal.engine_mut().write(&set)?;
        journal.import(record)?;
        recover(journal, channel_id)
    });
    let failed = |error: &dyn std::error::Error| {
        Failure::new(FailureKind::Internal, wording::chain_of(error)).safe("nothing was taken in")
    };
    let record: Option<Durable<ChannelRecord>> = read
        .await
        .map_err(|error| wording::not_durable(&error))?
        .map_err(|error| failed(&error))?;
    let record = record.ok_or_else(wording::stopping)?;
    let watched = opening::watched_with(record.get().parts(), shared.settings.max_call_cost);
    shared.chain.watch(watched).await.map_err(|error| failed(&error))?;
    if let Err(error) = shared.network.register(contact).await {
        tracing::warn!(error = %error, "a counterparty is not registered");
    }
    let (driver, handle) =
        Driver::resume(shared, record).map_err(|error| wording::refused(&error))?;
    shared.registry.insert(handle.clone());
    if lock(&shared.damaged).remove(&channel_id) {
        shared.alarms.clear(AlarmKind::RecordDamaged, Some(channel_id));
        shared.alarms.clear(AlarmKind::DamagedClosing, Some(channel_id));
    }
    drop(revive::drive(shared, channel_id, driver.run(Beginning::Resumed)));
    Ok(handle)
}

/// A proof file that is of our network.
///
/// # Errors
/// If the file proves nothing.
pub(crate) fn read_proof(shared: &Shared, json: &str) -> Result<Proof, Failure> {
    let bad = |message: String| {
        Failure::new(FailureKind::BadFile, message)
            .safe("nothing was taken in")
            .advice("use the file as `lockstep export-proof` wrote it")
    };
    let proof = Proof::from_json(json).map_err(|error| bad(wording::chain_of(&error)))?;
    if proof.domain() != shared.settings.domain {
        let message = "the proof is of another network or contract";
        return Err(Failure::new(FailureKind::WrongNetwork, message).safe("nothing was taken in"));
    }
    Ok(proof)
}

/// Takes in a proof file: for a channel that we have, as a state that is shown to it; for one that we have
/// lost, together with what the chain knows.
///
/// # Errors
/// If the file proves nothing, or nobody knows whose channel it is.
pub(crate) async fn take_proof(shared: &Arc<Shared>, json: &str) -> Result<ChannelId, Failure> {
    let proof = read_proof(shared, json)?;
    let channel_id = proof.terms().channel_id(proof.domain());
    let handle = match shared.registry.get(channel_id) {
        Some(handle) => handle,
        None => import_proof(shared, &proof).await?,
    };
    let (answer, answered) = oneshot::channel();
    handle.post(Event::Shown(Box::new(proof.signed().clone()), answer))?;
    answered.await.map_err(|_| wording::stopping())??;
    Ok(channel_id)
}

/// The counterparty of a proof is whichever known peer's channel key fits.
async fn import_proof(shared: &Arc<Shared>, proof: &Proof) -> Result<Handle, Failure> {
    for known in shared.peers.all() {
        let peer = known.contact.node_id;
        if let Ok(record) = lost_record(shared, peer, *proof.terms(), Some(proof.signed())) {
            let handle = import(shared, known.contact, record).await?;
            read_chain_again(shared, std::slice::from_ref(&handle), 120).await?;
            return Ok(handle);
        }
    }
    Err(Failure::new(FailureKind::UnknownPeer, "no known peer is the counterparty of this proof")
        .safe("nothing was taken in")
        .advice("`lockstep connect` with the counterparty's invite first; or send one of the calls in the file \
                 from any account"))
}
