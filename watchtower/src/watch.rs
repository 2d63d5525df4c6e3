//! One contract, watched: every close of a channel of ours is seen, kept, and answered until a final block
//! shows the answer.
//!
//! The decision is core's ([`respond`]); what it needs is durable before anything is sent, so that a kill
//! at any moment only repeats work.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{Address, B256};
use lockstep_bridge::way::{Gate, Way};
use lockstep_chain::call::Contracts;
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::error::ChainError;
use lockstep_chain::follower::{Delivery, Follower, Sighting, Start};
use lockstep_chain::port::AccountSigner;
use lockstep_chain::submitter::{Order, Submitter};
use lockstep_core::chain::{ChainFact, Obligation};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{ChainRef, ChannelId, Domain, Version};
use lockstep_core::money::Amount;
use lockstep_core::time::{BlockNumber, BlockPoint, BlockTimestamp, Finality};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::news::{Cause, News};
use crate::record::{Record, SeenClose};
use crate::shared::Shared;
use crate::store::{TowerStore, TowerStoreError};

mod armed;
mod board;
mod close;
mod escape;
mod report;
mod sweep;

use armed::{Armed, Shown};
pub use board::Board;
pub use escape::EscapeSetup;
use sweep::Sweep;

/// Polls between two looks at the gas reserve.
const RESERVE_EVERY: u32 = 100;
/// Polls between two looks at the balances that heartbeats show.
const BALANCES_EVERY: u32 = 20;
/// How long a record is kept after its channel's tombstone is final. Units: seconds.
pub const KEPT_AFTER_CLOSE_SECS: u64 = 7 * 24 * 3_600;

/// Why a contract is not watched.
#[derive(Debug, Error)]
pub enum WatchError {
    /// The chain side.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The store.
    #[error(transparent)]
    Store(#[from] TowerStoreError),
}

impl WatchError {
    /// What the operator does about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Chain(error) => error.class(),
            Self::Store(error) => error.class(),
        }
    }
}

/// How a contract is watched.
pub struct WatchSetup {
    /// The RPC endpoints.
    pub endpoints: Endpoints,
    /// Where the contracts are.
    pub contracts: Contracts,
    /// Where to begin if no cursor is kept.
    pub start: Start,
    /// The accounts that send; each is a lane of its own.
    pub accounts: Vec<Arc<dyn AccountSigner>>,
    /// The most that one challenge may cost in fees. Units: wei.
    pub max_cost: Amount,
    /// This tower, for its place in the order of towers; none to answer at once.
    pub stagger: Option<Address>,
    /// The way through L1; none where there is no L1, or none is configured.
    pub escape: Option<EscapeSetup>,
}

/// What a contract's watch can be told.
#[derive(Clone, Copy, Debug)]
pub struct Recheck {
    /// A channel that closes and of which something newer was left.
    pub channel_id: ChannelId,
    /// The version that would be settled.
    pub version: Version,
    /// When.
    pub closes_at: BlockTimestamp,
}

/// The watch of one contract.
pub struct Watch {
    domain: Domain,
    endpoints: Endpoints,
    contracts: Contracts,
    shared: Arc<Shared>,
    store: TowerStore,
    follower: Follower,
    submitter: Submitter<TowerStore>,
    lanes: Vec<Address>,
    max_cost: Amount,
    stagger: Option<Address>,
    closes: BTreeMap<ChannelId, Armed>,
    head: BlockPoint,
    finalized: BlockNumber,
    board: Board,
    news: mpsc::Sender<News>,
    polls: u32,
    way: Option<Way>,
    gate: Gate,
    sweep: Sweep,
    /// When each alarm came up last, so that one that lasts is told once.
    raised: BTreeMap<Cause, u32>,
    reserve: Amount,
    /// Something below the newest block was not kept: the place to begin again must not pass it.
    is_cursor_held: bool,
}

impl Watch {
    /// Takes up what an earlier run left.
    ///
    /// # Errors
    /// [`WatchError`].
    pub async fn start(
        setup: WatchSetup,
        shared: Arc<Shared>,
        news: mpsc::Sender<News>,
    ) -> Result<Self, WatchError> {
        let WatchSetup { endpoints, contracts, start, accounts, max_cost, stagger, escape } = setup;
        let store = shared.store.clone();
        let chain = ChainRef::Evm(contracts.chain_id);
        let start = store.cursor(chain).await?.map_or(start, Start::Cursor);
        let mut follower = Follower::start(endpoints.clone(), contracts, start).await?;
        follower.watch_everything();
        store.put_cursor(chain, &follower.cursor()).await?;
        let lanes = accounts.iter().map(|account| account.address()).collect();
        let submitter = Submitter::new(endpoints.clone(), contracts, store.clone(), accounts)?;
        let way = match escape {
            Some(setup) => {
                let pause = Duration::from_millis(endpoints.profile().poll_millis);
                Some(setup.start(&store, store.entries().await?, pause)?)
            }
            None => None,
        };
        let domain = Domain::Evm { chain_id: contracts.chain_id, contract: contracts.channel };
        let mut watch = Self {
            domain,
            endpoints,
            contracts,
            shared,
            store,
            follower,
            submitter,
            lanes,
            max_cost,
            stagger,
            closes: BTreeMap::new(),
            head: BlockPoint::default(),
            finalized: BlockNumber(0),
            board: Board::default(),
            news,
            polls: 0,
            way,
            gate: Gate::default(),
            sweep: Sweep::default(),
            raised: BTreeMap::new(),
            reserve: Amount::ZERO,
            is_cursor_held: false,
        };
        watch.resume().await?;
        // Whoever is served next needs the chain's time.
        watch.count_reserve().await;
        watch.show(true).await;
        Ok(watch)
    }

    /// How it stands.
    pub fn board(&self) -> Board {
        self.board.clone()
    }

    /// The contract.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    async fn resume(&mut self) -> Result<(), WatchError> {
        for (channel_id, close) in self.store.closes().await? {
            if let Some(record) = self.record(channel_id).await? {
                self.arm(channel_id, Shown::kept(&close), &record, close.first_seen);
                if let Some(armed) = self.closes.get_mut(&channel_id) {
                    armed.first_seen_on_l1 = close.first_seen_on_l1;
                }
            }
        }
        let mut orders = Vec::new();
        for obligation in self.store.obligations().await? {
            if let Some(record) = self.record(obligation.key().channel_id).await? {
                orders.push(self.order(obligation, &record));
            }
        }
        Ok(self.submitter.resume(orders).await?)
    }

    /// The record of a channel of this contract.
    async fn record(&self, channel_id: ChannelId) -> Result<Option<Record>, TowerStoreError> {
        let record = self.store.record(channel_id).await?;
        Ok(record.filter(|record| record.appointment.domain == self.domain))
    }

    fn order(&self, obligation: Obligation, record: &Record) -> Order {
        let terms = record.appointment.terms;
        Order { obligation, terms, max_cost: self.max_cost, intent: None }
    }

    /// Runs until nobody can tell it anything any more.
    pub async fn run(mut self, mut rechecks: mpsc::Receiver<Recheck>) {
        let pause = Duration::from_millis(self.endpoints.profile().poll_millis);
        let mut wait = Duration::ZERO;
        loop {
            tokio::select! {
                biased;
                recheck = rechecks.recv() => {
                    let Some(recheck) = recheck else { return };
                    self.recheck(recheck).await;
                    wait = Duration::ZERO;
                }
                () = tokio::time::sleep(wait) => {
                    self.look().await;
                    wait = pause;
                }
            }
        }
    }

    /// One look at the chain, and what follows.
    async fn look(&mut self) {
        self.polls = self.polls.wrapping_add(1);
        let is_following = match self.follow().await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "the chain cannot be followed now");
                false
            }
        };
        if let Err(error) = self.answer().await {
            tracing::error!(%error, "a close cannot be answered now");
        }
        if !self.submitter.is_idle() {
            match self.submitter.step().await {
                Ok(events) => self.tell_all(events).await,
                Err(error) => tracing::warn!(%error, "nothing can be sent now"),
            }
        }
        self.escape().await;
        // What is known already is answered before anything is looked for.
        if let Err(error) = self.sweep().await {
            tracing::warn!(%error, "sweep is incomplete");
        }
        self.forget_causes();
        if self.polls.checked_rem(RESERVE_EVERY) == Some(1) {
            self.check_reserve().await;
        }
        if self.polls.checked_rem(BALANCES_EVERY) == Some(1) {
            self.count_reserve().await;
        }
        self.show(is_following).await;
    }

    async fn follow(&mut self) -> Result<(), WatchError> {
        let batch = self.follower.poll().await?;
        let mut closes = Vec::new();
        for delivery in batch.deliveries {
            match delivery {
                Delivery::Fact(sighting) => {
                    // Watching goes on (P49). What was not kept is read again after a restart.
                    closes.extend(close_of(&sighting));
                    if let Err(error) = self.note(&sighting).await {
                        tracing::error!(%error, "a fact of the chain is not kept");
                        self.is_cursor_held = true;
                    }
                }
                Delivery::Head(head) => self.head = head,
                Delivery::Finalized(block) => self.finalized = block.number,
                Delivery::Alarm(alarm) => self.raise(alarm).await,
                // The submitter's obligation stays and finds nothing to do; the close may come back.
                Delivery::CloseRetracted(close) => {
                    tracing::warn!(channel_id = %close.channel_id, "a close is gone for now");
                }
                Delivery::Retracted { .. } => {}
            }
        }
        self.seen(closes).await;
        if let Some(cursor) = batch.cursor {
            // What the facts led to is durable by now; a restart begins here (P74).
            let chain = ChainRef::Evm(self.contracts.chain_id);
            if !self.is_cursor_held
                && let Err(error) = self.store.put_cursor(chain, &cursor).await
            {
                tracing::error!(%error, "the cursor is not kept");
            }
            self.follower.acknowledge();
        }
        Ok(())
    }

    async fn note(&mut self, sighting: &Sighting) -> Result<(), WatchError> {
        let Some(channel_id) = sighting.channel_id else { return Ok(()) };
        let event = &sighting.event;
        match &event.fact {
            ChainFact::Closed { version, .. } if event.finality == Finality::Final => {
                self.buried(channel_id, *version, event.timestamp).await?;
            }
            ChainFact::CloseVanished => {
                if self.closes.remove(&channel_id).is_some() {
                    self.store.remove_close(channel_id).await?;
                }
            }
            ChainFact::PartialWithdrawn { .. } | ChainFact::Checkpoint { .. } => {
                self.mark_news(channel_id).await?;
            }
            // Kept together with the others; see `close_of`.
            ChainFact::Closing { .. }
            | ChainFact::Closed { .. }
            | ChainFact::Opened { .. }
            | ChainFact::Joined { .. }
            | ChainFact::Funded { .. }
            | ChainFact::LockResolved { .. }
            | ChainFact::SecretRevealed { .. } => {}
        }
        Ok(())
    }
}

/// The close that a sighting shows, if it shows one.
fn close_of(sighting: &Sighting) -> Option<(ChannelId, SeenClose)> {
    let ChainFact::Closing { point, closes_at, .. } = &sighting.event.fact else { return None };
    let transaction = sighting.origin.map_or(B256::ZERO, |origin| origin.transaction);
    let close = SeenClose { version: point.version, closes_at: *closes_at, transaction };
    Some((sighting.channel_id?, close))
}
