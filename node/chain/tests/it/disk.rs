//! What a power cut leaves behind, and submitters over it.

use crate::scene::{Channel, Scene, key};
use alloy_primitives::{B256, U256};
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::port::{AccountSigner, LocalAccount, ObligationStore, StoreFailed};
use lockstep_chain::rpc::At;
use lockstep_chain::submitter::{Fees, Order, Submitter, SubmitterEvent as Event};
use lockstep_core::chain::{Obligation, ObligationKey, ObligationStage};
use lockstep_core::entry::{Entry, EntryId};
use lockstep_core::money::Amount;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) rows: Arc<Mutex<BTreeMap<ObligationKey, Obligation>>>,
    pub(crate) entries: Arc<Mutex<BTreeMap<EntryId, Entry>>>,
    pub(crate) is_full: Arc<Mutex<bool>>,
}

impl ObligationStore for Disk {
    async fn put(&self, obligation: &Obligation) -> Result<(), StoreFailed> {
        self.check()?;
        self.rows.lock().unwrap().insert(*obligation.key(), obligation.clone());
        Ok(())
    }

    async fn put_entry(&self, entry: &Entry) -> Result<(), StoreFailed> {
        self.check()?;
        self.entries.lock().unwrap().insert(entry.id(), entry.clone());
        Ok(())
    }

    async fn remove_entry(&self, id: EntryId) -> Result<(), StoreFailed> {
        self.check()?;
        self.entries.lock().unwrap().remove(&id);
        Ok(())
    }
}

impl Disk {
    fn check(&self) -> Result<(), StoreFailed> {
        if *self.is_full.lock().unwrap() { Err(StoreFailed) } else { Ok(()) }
    }

    pub(crate) fn orders(&self, channel: &Channel) -> Vec<Order> {
        let rows = self.rows.lock().unwrap();
        rows.values().map(|row| order(channel, row.clone(), RICH)).collect()
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().values().cloned().collect()
    }
}

/// Units: wei. A tenth of a coin: enough for any fee of these tests.
pub(crate) const RICH: u64 = 100_000_000_000_000_000;
pub(crate) const LANES: [u8; 2] = [0x51, 0x52];

pub(crate) fn order(channel: &Channel, obligation: Obligation, max_cost: u64) -> Order {
    let max_cost = Amount::from_u256(U256::from(max_cost));
    Order { obligation, terms: channel.terms, max_cost, intent: None }
}

pub(crate) async fn submitter(
    scene: &Scene,
    endpoints: Endpoints,
    disk: &Disk,
    lanes: &[u8],
) -> Submitter<Disk> {
    let mut accounts: Vec<Arc<dyn AccountSigner>> = Vec::new();
    for byte in lanes {
        let account = LocalAccount::from_secret(&[*byte; 32]).unwrap();
        scene.anvil.fund(account.address()).await;
        accounts.push(Arc::new(account));
    }
    Submitter::new(endpoints, scene.contracts, disk.clone(), accounts).unwrap()
}

pub(crate) async fn nonce(scene: &Scene, lane: u8) -> u64 {
    scene.anvil.rpc.nonce(key(lane).address(), At::Latest).await.unwrap()
}

/// A channel with a stale close (version 3) in the newest block, and its deadline.
pub(crate) async fn stale_close(scene: &Scene, salt: u8) -> (Channel, u64) {
    let channel = scene.open(salt).await;
    scene.close(&channel, 3).await;
    let closes_at = scene.stored(&channel).await.closesAt.to::<u64>();
    (channel, closes_at)
}

pub(crate) fn sent(events: &[Event]) -> Vec<(ObligationKey, B256, Fees)> {
    let sent = events.iter().filter_map(|event| match event {
        Event::Sent { key, tx, fees } => Some((*key, *tx, *fees)),
        Event::Included { .. }
        | Event::Dropped { .. }
        | Event::Ended { .. }
        | Event::Refused { .. }
        | Event::Entry(_)
        | Event::EntryRefused { .. }
        | Event::Alarm(_) => None,
    });
    sent.collect()
}

pub(crate) fn has_ended(events: &[Event], stage: ObligationStage) -> bool {
    events.iter().any(|event| matches!(event, Event::Ended { stage: found, .. } if *found == stage))
}
