//! This node as a client of watchtowers: who they are, what they hold, and what is unprotected meanwhile.
//!
//! Each tower has a task of its own ([`keeper`]) which brings it the newest state of every channel that would
//! cost something without it; of several states it gets the last. No payment waits for that task: what waits,
//! by the operator's policy, waits at the door of its own channel (`driver/tower`, ADR 16).
//!
//! The embedded tower needs no entry here: it is each channel's driver itself.

mod access;
mod head;
mod keeper;
mod leave;
mod possession;
mod receipt;
mod restore;
mod watch;

use crate::config::{TowerOptions, TowerRule};
use crate::engine::event::Event;
use crate::engine::lock;
use crate::engine::settings::SettingsError;
use crate::engine::shared::Shared;
use alloy_primitives::Address;
use lockstep_core::exposure::Floor;
use lockstep_core::ids::{ChannelId, NodeId};
use lockstep_core::money::Amount;
use lockstep_core::protection::{Held, MAX_TOWERS, TowerPolicy};
use lockstep_core::receipt::SignedReceipt;
use lockstep_p2p::handshake::JournalHead;
use lockstep_p2p::tower::{AddressError, TowerAddress, TowerClient};
use lockstep_rpc::failure::{Failure, FailureKind};
use lockstep_store::tower::{StoredReceipt, StoredTower, Towers as Stored};
use lockstep_store::write_set::WriteSet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::sync::watch as signal;
use tokio::task::JoinHandle;

pub(crate) use keeper::keep;
pub(crate) use restore::{FromTowers, show_newest};
pub(crate) use watch::look_after;

/// Parts of a million in one.
const MILLION: u32 = 1_000_000;

/// The operator's decisions about towers.
#[derive(Clone, Debug)]
pub(crate) struct TowerSettings {
    rule: TowerRule,
    max_unprotected: Option<Amount>,
    max_unprotected_ppm: u32,
    quorum: u8,
    patience_millis: u64,
    /// How long income waits before it is declined.
    pub(crate) hold_millis: u64,
    /// Channels that pay a tower, which never wait for one.
    pub(crate) paying: Vec<ChannelId>,
}

impl TowerSettings {
    /// From the configuration.
    ///
    /// # Errors
    /// If an amount or a channel is none.
    pub(crate) fn new(options: &TowerOptions) -> Result<Self, SettingsError> {
        let bound = options.max_unprotected.as_ref();
        let max_unprotected = bound
            .map(|text| super::settings::amount("towers.max_unprotected", text))
            .transpose()?;
        let paying = options.paying_channels.iter().map(|text| super::settings::channel_id(text));
        Ok(Self {
            rule: options.policy,
            max_unprotected,
            max_unprotected_ppm: options.max_unprotected_ppm,
            quorum: options.quorum,
            patience_millis: options.patience_millis,
            hold_millis: options.hold_millis,
            paying: paying.collect::<Result<_, _>>()?,
        })
    }

    /// When income of a channel waits.
    pub(crate) fn policy(&self, has_towers: bool, capacity: Amount) -> TowerPolicy {
        let max_unprotected = self.bound(capacity);
        match self.rule {
            TowerRule::Auto if !has_towers => TowerPolicy::Async,
            TowerRule::Async => TowerPolicy::Async,
            TowerRule::Auto | TowerRule::Bounded => TowerPolicy::Bounded { max_unprotected },
            TowerRule::Quorum => TowerPolicy::Quorum {
                receipts: self.quorum,
                max_unprotected,
                patience_millis: self.patience_millis,
            },
        }
    }

    fn bound(&self, capacity: Amount) -> Amount {
        let part = || capacity.mul_ppm_floor(self.max_unprotected_ppm.min(MILLION));
        self.max_unprotected.or_else(part).unwrap_or(Amount::ZERO)
    }
}

/// A tower and how it is.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Who and where.
    pub(crate) address: TowerAddress,
    /// The address of its key, as receipts name it.
    pub(crate) signer: Address,
    /// Since when, by the node's own clock. Units: seconds since 1970.
    pub(crate) added_at_secs: u64,
    /// Whether there is a link.
    pub(crate) is_connected: bool,
    /// When it was last heard of. Units: seconds since 1970.
    pub(crate) heard_at_secs: Option<u64>,
    /// What is wrong with it.
    pub(crate) problem: Option<String>,
    /// Since when no tower of ours was there; of the engine's clock. Units: milliseconds.
    pub(crate) gone_since_millis: u64,
}

struct Inner {
    known: BTreeMap<NodeId, Known>,
    receipts: BTreeMap<(ChannelId, NodeId), SignedReceipt>,
    /// Channels that a tower has failed to prove: its receipt protects nothing meanwhile.
    doubted: BTreeSet<(ChannelId, NodeId)>,
    /// Towers that have seen a later life of our journal, and have not been asked for all their proof yet.
    claims: BTreeSet<NodeId>,
    floors: BTreeMap<ChannelId, Floor>,
    tasks: BTreeMap<NodeId, JoinHandle<()>>,
    /// Tasks that tell removed towers to drop what they hold.
    leaving: BTreeMap<NodeId, JoinHandle<()>>,
}

/// The towers of this node.
pub(crate) struct Towers {
    inner: Mutex<Inner>,
    stirred: signal::Sender<u64>,
    client: TowerClient,
    head: Option<JournalHead>,
}

impl Towers {
    /// As the journal has them. Addresses that cannot be read any more are left out, and said.
    pub(crate) fn load(stored: Stored, client: TowerClient, head: Option<JournalHead>) -> Self {
        let mut known = BTreeMap::new();
        for tower in stored.towers {
            match read(&tower.address, tower.added_at_secs) {
                Ok(entry) => {
                    known.insert(tower.key, entry);
                }
                Err(error) => tracing::error!(error = %error, "the address of a tower is damaged"),
            }
        }
        let receipts = stored.receipts.into_iter();
        let receipts = receipts
            .map(|StoredReceipt { tower, signed }| ((signed.receipt.channel_id, tower), signed));
        let floors = stored.floors.into_iter().collect();
        let (receipts, tasks, leaving) = (receipts.collect(), BTreeMap::new(), BTreeMap::new());
        let (doubted, claims) = (BTreeSet::new(), BTreeSet::new());
        let inner = Inner { known, receipts, doubted, claims, floors, tasks, leaving };
        Self { inner: Mutex::new(inner), stirred: signal::channel(0).0, client, head }
    }

    /// All towers, by key.
    pub(crate) fn all(&self) -> Vec<(NodeId, Known)> {
        lock(&self.inner).known.iter().map(|(key, known)| (*key, known.clone())).collect()
    }

    /// One tower.
    pub(crate) fn get(&self, tower: &NodeId) -> Option<Known> {
        lock(&self.inner).known.get(tower).cloned()
    }

    /// Whether there is any.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.inner).known.is_empty()
    }

    /// Every tower's name in receipts, and what it is known to hold of a channel.
    pub(crate) fn of_channel(&self, channel_id: ChannelId) -> Vec<(Address, Option<Held>)> {
        let inner = lock(&self.inner);
        let held = |tower: NodeId| {
            if inner.doubted.contains(&(channel_id, tower)) {
                return None;
            }
            let signed = inner.receipts.get(&(channel_id, tower))?;
            let receipt = &signed.receipt;
            Some(Held { version: receipt.version, valid_until: receipt.valid_until })
        };
        inner.known.iter().map(|(key, known)| (known.signer, held(*key))).collect()
    }

    /// Forgets what was promised about a channel.
    pub(crate) fn forget(&self, channel_id: ChannelId) {
        let mut inner = lock(&self.inner);
        inner.receipts.retain(|(of, _), _| *of != channel_id);
        inner.doubted.retain(|(of, _)| *of != channel_id);
        inner.floors.remove(&channel_id);
    }

    /// The receipts of one channel, or all.
    pub(crate) fn receipts(&self, channel_id: Option<ChannelId>) -> Vec<(NodeId, SignedReceipt)> {
        let inner = lock(&self.inner);
        let asked = inner
            .receipts
            .iter()
            .filter(|((id, _), _)| channel_id.is_none_or(|asked| asked == *id));
        asked.map(|((_, tower), signed)| (*tower, *signed)).collect()
    }

    /// The newest receipt of one tower about one channel.
    pub(crate) fn receipt(&self, channel_id: ChannelId, tower: NodeId) -> Option<SignedReceipt> {
        lock(&self.inner).receipts.get(&(channel_id, tower)).copied()
    }

    /// The channels that a tower has promised to hold, with the versions.
    fn held_by(&self, tower: NodeId) -> Vec<possession::Holding> {
        let inner = lock(&self.inner);
        let own = inner.receipts.iter().filter(|((_, holder), _)| *holder == tower);
        own.map(|((channel_id, _), signed)| (*channel_id, signed.receipt.version)).collect()
    }

    /// From now on a tower's receipt for a channel protects nothing; whether that is new.
    fn doubt(&self, tower: NodeId, channel_id: ChannelId) -> bool {
        lock(&self.inner).doubted.insert((channel_id, tower))
    }

    /// A tower has proved that it holds a channel; whether it was doubted.
    fn believe(&self, tower: NodeId, channel_id: ChannelId) -> bool {
        lock(&self.inner).doubted.remove(&(channel_id, tower))
    }

    /// Whether any tower is doubted to hold a channel.
    fn is_doubted(&self, channel_id: ChannelId) -> bool {
        lock(&self.inner).doubted.iter().any(|(doubted, _)| *doubted == channel_id)
    }

    /// Whether this tower is.
    fn is_doubted_to_hold(&self, tower: NodeId, channel_id: ChannelId) -> bool {
        lock(&self.inner).doubted.contains(&(channel_id, tower))
    }

    /// What was kept of a channel's exposure.
    pub(crate) fn floor(&self, channel_id: ChannelId) -> Option<Floor> {
        lock(&self.inner).floors.get(&channel_id).copied()
    }

    /// There is something newer for the towers.
    pub(crate) fn stir(&self) {
        self.stirred.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Tells that there is something newer.
    pub(crate) fn watch(&self) -> signal::Receiver<u64> {
        self.stirred.subscribe()
    }

    fn note(&self, tower: &NodeId, change: impl FnOnce(&mut Known)) {
        if let Some(known) = lock(&self.inner).known.get_mut(tower) {
            change(known);
        }
    }

    /// Keeps a receipt that is durable.
    fn keep_receipt(&self, tower: NodeId, signed: SignedReceipt) {
        lock(&self.inner).receipts.insert((signed.receipt.channel_id, tower), signed);
    }
}

fn read(text: &str, added_at_secs: u64) -> Result<Known, AddressError> {
    let address: TowerAddress = text.parse()?;
    let signer = address.signer_key()?.address();
    Ok(Known {
        address,
        signer,
        added_at_secs,
        is_connected: false,
        heard_at_secs: None,
        problem: None,
        gone_since_millis: 0,
    })
}

/// A tower as it would be used.
///
/// # Errors
/// If the text is no address, or there are too many towers.
pub(crate) fn plan(shared: &Shared, text: &str) -> Result<Known, Failure> {
    let bad = |error: AddressError| {
        Failure::new(FailureKind::Refused, format!("this is no address of a tower: {error}"))
            .safe("nothing was changed")
            .advice("paste what `lockstep-watchtower info` prints")
    };
    let now = shared.clock.unix_secs();
    let mut known = read(text, now).map_err(bad)?;
    known.gone_since_millis = shared.clock.now_millis();
    let key = known.address.key;
    if shared.towers.get(&key).is_none() && shared.towers.all().len() >= MAX_TOWERS {
        let message = format!("a node has at most {MAX_TOWERS} towers");
        return Err(Failure::new(FailureKind::LimitReached, message).safe("nothing was changed"));
    }
    Ok(known)
}

/// Uses a tower from now on, also after a restart.
///
/// # Errors
/// If the text is no tower's address, there are too many, or it cannot be written down.
pub(crate) async fn add(shared: &Arc<Shared>, text: &str) -> Result<NodeId, Failure> {
    let known = plan(shared, text)?;
    let (key, now) = (known.address.key, shared.clock.unix_secs());
    let address = known.address.to_string();
    let mut set = WriteSet::default();
    let put = set.put_tower(&StoredTower { key, address, added_at_secs: now });
    put.map_err(|error| Failure::new(FailureKind::Refused, error.to_string()))?;
    end_leaving(shared, key).await;
    let outdated = outdated(shared, key);
    for channel_id in &outdated {
        set.remove_receipt(*channel_id, key);
    }
    let written = shared.journal.write(set).await;
    written.map_err(|error| crate::engine::wording::not_durable(&error))?;
    {
        let mut inner = lock(&shared.towers.inner);
        if let Some(former) = inner.tasks.remove(&key) {
            former.abort();
        }
        for channel_id in outdated {
            inner.receipts.remove(&(channel_id, key));
        }
        inner.known.insert(key, known);
    }
    start(shared, key);
    tell_all(shared).await;
    Ok(key)
}

/// A removed tower is used again: it must not be told any more to drop what it is about to be given.
async fn end_leaving(shared: &Shared, tower: NodeId) {
    let leaving = lock(&shared.towers.inner).leaving.remove(&tower);
    if let Some(task) = leaving {
        task.abort();
        if let Err(error) = task.await {
            tracing::debug!(%error, "a removed tower is used again");
        }
    }
}

/// The live channels of which a tower that is not used now has promised something: it was told to drop them, so
/// that the promise protects nothing. Those that are settled keep theirs, as evidence.
fn outdated(shared: &Shared, tower: NodeId) -> Vec<ChannelId> {
    if shared.towers.get(&tower).is_some() {
        return Vec::new();
    }
    let is_live =
        |id: &ChannelId| shared.registry.get(*id).is_some_and(|handle| !handle.view().is_settled());
    let held = shared.towers.held_by(tower).into_iter().map(|(channel_id, _)| channel_id);
    held.filter(is_live).collect()
}

/// A tower that is used.
///
/// # Errors
/// If there is no such tower.
pub(crate) fn find(shared: &Shared, tower: NodeId) -> Result<Known, Failure> {
    shared.towers.get(&tower).ok_or_else(|| {
        Failure::new(FailureKind::Refused, "this node has no such tower")
            .safe("nothing was changed")
            .advice("`lockstep tower list` shows them")
    })
}

/// Uses a tower no more. Its receipts stay, as evidence.
///
/// # Errors
/// If there is no such tower, or it cannot be written down.
pub(crate) async fn remove(shared: &Arc<Shared>, tower: NodeId) -> Result<(), Failure> {
    let known = find(shared, tower)?;
    let mut set = WriteSet::default();
    set.remove_tower(tower);
    let written = shared.journal.write(set).await;
    written.map_err(|error| crate::engine::wording::not_durable(&error))?;
    let task = {
        let mut inner = lock(&shared.towers.inner);
        inner.known.remove(&tower);
        inner.claims.remove(&tower);
        inner.tasks.remove(&tower)
    };
    if let Some(task) = task {
        task.abort();
    }
    let leaving = leave::drop_all(shared, tower, known);
    lock(&shared.towers.inner).leaving.insert(tower, leaving);
    tell_all(shared).await;
    Ok(())
}

/// Starts the task of every tower.
pub(crate) fn start_all(shared: &Arc<Shared>) {
    for (tower, _) in shared.towers.all() {
        start(shared, tower);
    }
}

fn start(shared: &Arc<Shared>, tower: NodeId) {
    let task = tokio::spawn(keep(Arc::clone(shared), tower));
    lock(&shared.towers.inner).tasks.insert(tower, task);
}

/// Every channel looks again which towers there are.
async fn tell_all(shared: &Shared) {
    for handle in shared.registry.all() {
        handle.urge(Event::Towers).await;
    }
    shared.towers.stir();
}

/// Ends the tasks, and writes down what each channel has at stake, so that a start need not guess.
pub(crate) async fn stop(shared: &Shared) {
    let tasks = std::mem::take(&mut lock(&shared.towers.inner).tasks);
    for task in tasks.into_values() {
        task.abort();
    }
    let mut set = WriteSet::default();
    for handle in shared.registry.all() {
        let view = handle.view();
        let is_old = shared.towers.floor(view.channel_id) == Some(view.shelter.floor);
        if view.is_settled() || is_old {
            continue;
        }
        if let Err(error) = set.put_floor(view.channel_id, view.shelter.floor) {
            tracing::debug!(error = %error, "what a channel has at stake is not written");
        }
    }
    if !set.is_empty()
        && let Err(error) = shared.journal.write(set).await
    {
        tracing::debug!(error = %error, "what is at stake is not written; the next start overstates it");
    }
}
