//! One contract, watched: every close of a channel of ours is seen, kept, and answered until a final block
//! shows the answer.
//!
//! The decision is core's ([`respond`]); what it needs is durable before anything is sent, so that a kill
//! at any moment only repeats work.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolCall;
use lockstep_chain::call::Contracts;
use lockstep_chain::convert;
use lockstep_chain::decode;
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::error::ChainError;
use lockstep_chain::follower::{Delivery, Follower, Sighting, Start};
use lockstep_chain::port::AccountSigner;
use lockstep_chain::rpc::CallRequest;
use lockstep_chain::submitter::{Order, Submitter, SubmitterEvent};
use lockstep_contracts::bindings::PaymentChannel::channelOfCall;
use lockstep_core::chain::{
    ChainCall, ChainFact, CloseSighting, EventPosition, Evidence, Obligation, ObligationKey,
    ObligationKind, ObligationStage, StoredPoint,
};
use lockstep_core::dispute::{Response, respond, stagger};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{ChainRef, ChannelId, Domain, Side, Version};
use lockstep_core::money::Amount;
use lockstep_core::time::{BlockNumber, BlockPoint, BlockTimestamp, Finality};
use lockstep_p2p::tower::message::{Acted, ActedStage, ChainHealth};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::news::{News, known};
use crate::record::{Record, SeenClose};
use crate::shared::Shared;
use crate::store::{Changes, TowerStore, TowerStoreError};

/// Polls between two sweeps over the stored status of every channel.
const SWEEP_EVERY: u32 = 50;
/// Polls between two looks at the gas reserve.
const RESERVE_EVERY: u32 = 100;
/// Polls between two looks at the balances that heartbeats show.
const BALANCES_EVERY: u32 = 20;
/// Channels whose stored status is asked for in one batch; public endpoints refuse much larger ones.
const SWEEP_BATCH: usize = 50;
/// Closes at once that the accounts should be able to answer (P78).
const RESERVE_CLOSES: u64 = 10;
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
}

/// A close that is not over.
#[derive(Clone, Copy, Debug)]
struct Armed {
    close: SeenClose,
    period: u32,
    due: BlockTimestamp,
    /// What was ordered last for it.
    ordered: Version,
    is_half_told: bool,
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

/// How the watch stands, for whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Option<(ChainHealth, BlockTimestamp)>>>);

impl Board {
    /// The last look; none before the first.
    pub fn health(&self) -> Option<ChainHealth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|(health, _)| health)
    }

    /// The chain's own time at the last look: what promises are dated by.
    pub fn time(&self) -> Option<BlockTimestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|(_, time)| time)
    }

    /// The chain can't be asked now; what was seen last stands.
    fn lost(&self) {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((health, _)) = board.as_mut() {
            health.is_following = false;
        }
    }

    fn set(&self, health: ChainHealth, time: BlockTimestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((health, time));
    }
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
        let WatchSetup { endpoints, contracts, start, accounts, max_cost, stagger } = setup;
        let store = shared.store.clone();
        let chain = ChainRef::Evm(contracts.chain_id);
        let start = store.cursor(chain).await?.map_or(start, Start::Cursor);
        let mut follower = Follower::start(endpoints.clone(), contracts, start).await?;
        follower.watch_everything();
        store.put_cursor(chain, &follower.cursor()).await?;
        let lanes = accounts.iter().map(|account| account.address()).collect();
        let submitter = Submitter::new(endpoints.clone(), contracts, store.clone(), accounts)?;
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
                self.arm(channel_id, close, &record, close.closes_at);
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

    /// A client has left something while its channel closes.
    async fn recheck(&mut self, recheck: Recheck) {
        let Recheck { channel_id, version, closes_at } = recheck;
        if let Some(armed) = self.closes.get_mut(&channel_id) {
            armed.close.version = armed.close.version.max(version);
            armed.ordered = Version::ZERO;
            return;
        }
        let close = SeenClose { version, closes_at, transaction: B256::ZERO };
        self.seen(channel_id, close).await;
    }

    /// One look at the chain, and what follows.
    async fn look(&mut self) {
        self.polls = self.polls.wrapping_add(1);
        if self.polls.checked_rem(SWEEP_EVERY) == Some(1)
            && let Err(error) = self.sweep().await
        {
            tracing::warn!(%error, "sweep is incomplete");
        }
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
        for delivery in batch.deliveries {
            match delivery {
                Delivery::Fact(sighting) => {
                    // Watching goes on (P49). What was not kept is read again after a restart.
                    if let Err(error) = self.note(&sighting).await {
                        tracing::error!(%error, "a fact of the chain is not kept");
                        self.is_cursor_held = true;
                    }
                }
                Delivery::Head(head) => self.head = head,
                Delivery::Finalized(block) => self.finalized = block.number,
                Delivery::Alarm(alarm) => self.tell(News::Chain(alarm)).await,
                // The submitter's obligation stays and finds nothing to do; the close may come back.
                Delivery::CloseRetracted(close) => {
                    tracing::warn!(channel_id = %close.channel_id, "a close is gone for now");
                }
                Delivery::Retracted { .. } => {}
            }
        }
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
            ChainFact::Closing { point, closes_at, .. } => {
                let transaction = sighting.origin.map_or(B256::ZERO, |origin| origin.transaction);
                let close =
                    SeenClose { version: point.version, closes_at: *closes_at, transaction };
                self.seen(channel_id, close).await;
            }
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
            ChainFact::Closed { .. }
            | ChainFact::Opened { .. }
            | ChainFact::Joined { .. }
            | ChainFact::Funded { .. }
            | ChainFact::LockResolved { .. }
            | ChainFact::SecretRevealed { .. } => {}
        }
        Ok(())
    }

    /// The next appointment of this channel is played against the chain again.
    async fn mark_news(&self, channel_id: ChannelId) -> Result<(), WatchError> {
        let _guard = self.shared.lock(channel_id).await;
        let Some(record) = self.record(channel_id).await? else { return Ok(()) };
        if record.is_chain_news {
            return Ok(());
        }
        let record = Some(Record { is_chain_news: true, ..record });
        Ok(self.store.write(Changes { record, ..Changes::default() }).await?)
    }

    /// A close is in sight: it is kept before anything is done about it.
    async fn seen(&mut self, channel_id: ChannelId, close: SeenClose) {
        let record = match self.record(channel_id).await {
            Ok(Some(record)) => record,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%channel_id, %error, "a close is seen and its record cannot be read");
                return;
            }
        };
        if self.closes.get(&channel_id).is_some_and(|armed| {
            armed.close.closes_at == close.closes_at && armed.close.version >= close.version
        }) {
            return;
        }
        // Acting does not wait for a broken disk (P49): a restart sees the close again, on the chain.
        if let Err(error) = self.store.put_close(channel_id, &close).await {
            tracing::error!(%channel_id, %error, "a close that was seen is not kept");
        }
        if let Err(error) = self.mark_news(channel_id).await {
            tracing::error!(%channel_id, %error, "news of the chain are not kept");
        }
        let is_new = !self.closes.contains_key(&channel_id);
        self.arm(channel_id, close, &record, self.head.timestamp);
        if is_new {
            self.acted(channel_id, close, &record, ActedStage::Seen, None).await;
        }
    }

    fn arm(
        &mut self,
        channel_id: ChannelId,
        close: SeenClose,
        record: &Record,
        first_seen: BlockTimestamp,
    ) {
        let period = record.appointment.terms.challenge_period;
        let SeenClose { closes_at, transaction, .. } = close;
        let due = match (self.closes.get(&channel_id), self.stagger) {
            // A newer event of the same close changes nothing about whose turn it is.
            (Some(armed), _) if armed.close.closes_at == closes_at => armed.due,
            (_, Some(tower)) => stagger(closes_at, period, first_seen, transaction, tower),
            (_, None) => BlockTimestamp(0),
        };
        let same = self.closes.get(&channel_id).filter(|armed| armed.close.closes_at == closes_at);
        let (ordered, is_half_told) =
            same.map_or((Version::ZERO, false), |armed| (armed.ordered, armed.is_half_told));
        let armed = Armed { close, period, due, ordered, is_half_told };
        self.closes.insert(channel_id, armed);
    }

    /// Answers every close that is due and that we can answer.
    async fn answer(&mut self) -> Result<(), WatchError> {
        let now = self.head.timestamp;
        let due: Vec<(ChannelId, Armed)> = self
            .closes
            .iter()
            .filter(|(_, armed)| armed.due <= now && armed.ordered == Version::ZERO)
            .map(|(id, armed)| (*id, *armed))
            .collect();
        for (channel_id, armed) in due {
            let Some(record) = self.record(channel_id).await? else { continue };
            let best = record.appointment.state.version;
            let sighting = sighting_of(armed.close, self.head);
            match respond(&sighting, best, now) {
                Response::Challenge { version, before } => {
                    let obligation = challenge(channel_id, &record, version, before);
                    self.submitter.submit(self.order(obligation, &record)).await?;
                    if let Some(armed) = self.closes.get_mut(&channel_id) {
                        armed.ordered = version;
                    }
                }
                Response::Wait { .. } | Response::Settle => {}
            }
        }
        self.tell_of_halves(now).await;
        Ok(())
    }

    /// Watchtower §4: at half of the window, whoever can help is told.
    async fn tell_of_halves(&mut self, now: BlockTimestamp) {
        let mut late = Vec::new();
        for (channel_id, armed) in &mut self.closes {
            let half = u64::from(armed.period).div_euclid(2);
            let is_late = now.checked_add_secs(half).is_none_or(|at| at >= armed.close.closes_at);
            if is_late && armed.ordered > Version::ZERO && !armed.is_half_told {
                armed.is_half_told = true;
                late.push((*channel_id, armed.close.closes_at));
            }
        }
        for (channel_id, before) in late {
            let is_owed = self.submitter.owed().any(|owed| owed.key().channel_id == channel_id);
            if is_owed {
                self.tell(News::HalfOfWindow { channel_id, before }).await;
            }
        }
    }

    /// A final block shows the channel closed.
    async fn buried(
        &mut self,
        channel_id: ChannelId,
        settled: Version,
        at: BlockTimestamp,
    ) -> Result<(), WatchError> {
        let guard = self.shared.lock(channel_id).await;
        let Some(record) = self.record(channel_id).await? else { return Ok(()) };
        let held = record.appointment.state.version;
        let record = Some(Record { buried_at: at.0.max(1), ..record });
        self.store.write(Changes { record, ..Changes::default() }).await?;
        drop(guard);
        self.closes.remove(&channel_id);
        self.store.remove_close(channel_id).await?;
        if settled < held {
            self.tell(News::Failed { channel_id, settled, held }).await;
        }
        Ok(())
    }

    /// Asks every endpoint for the stored status of every channel, for closes that no log has shown.
    async fn sweep(&mut self) -> Result<(), WatchError> {
        let mut after = None;
        loop {
            let ids = self.store.channels(after, SWEEP_BATCH).await?;
            let Some(last) = ids.last() else { return Ok(()) };
            after = Some(*last);
            let mut closes = Vec::new();
            for endpoint in self.endpoints.iter() {
                let request = |id: &ChannelId| {
                    let data = channelOfCall { channelId: id.0 }.abi_encode().into();
                    (CallRequest::view(self.contracts.channel, data), "latest")
                };
                let params: Vec<_> = ids.iter().map(request).collect();
                let answers: Vec<alloy_primitives::Bytes> =
                    match endpoint.batch("eth_call", &params).await {
                        Ok(answers) => answers,
                        Err(error) => {
                            tracing::warn!(%error, "an endpoint is left out of the sweep");
                            continue;
                        }
                    };
                for (id, data) in ids.iter().zip(&answers) {
                    let running = decode::channel(data).as_ref().and_then(convert::running_close);
                    if let Some((point, closes_at, _)) = running {
                        closes.push((*id, point.version, closes_at));
                    }
                }
            }
            for (id, version, closes_at) in closes {
                let is_known =
                    self.closes.get(&id).is_some_and(|armed| armed.close.closes_at == closes_at);
                if !is_known {
                    let close = SeenClose { version, closes_at, transaction: B256::ZERO };
                    self.seen(id, close).await;
                }
            }
        }
    }

    async fn tell_all(&mut self, events: Vec<SubmitterEvent>) {
        for event in events {
            match event {
                SubmitterEvent::Sent { key, tx, .. } => {
                    self.progress(key, ActedStage::Sent, Some(tx)).await;
                }
                SubmitterEvent::Included { key, tx, .. } => {
                    self.progress(key, ActedStage::Included, Some(tx)).await;
                }
                SubmitterEvent::Ended { key, stage } => {
                    if stage == ObligationStage::Done {
                        self.progress(key, ActedStage::Final, None).await;
                    }
                    if let Err(error) = self.store.remove_obligation(&key).await {
                        tracing::error!(%error, "an obligation that has ended is not forgotten");
                    }
                }
                SubmitterEvent::Dropped { key } => {
                    tracing::warn!(channel_id = %key.channel_id, "an answer was dropped");
                }
                SubmitterEvent::Refused { key, revert } => {
                    tracing::warn!(channel_id = %key.channel_id, ?revert, "an answer is refused");
                }
                SubmitterEvent::Alarm(alarm) => self.tell(News::Chain(alarm)).await,
                // A tower pays nothing into any channel.
                SubmitterEvent::Entry(_) | SubmitterEvent::EntryRefused { .. } => {}
            }
        }
    }

    async fn progress(&self, key: ObligationKey, stage: ActedStage, tx_hash: Option<B256>) {
        let seen_version =
            self.closes.get(&key.channel_id).map_or(Version::ZERO, |armed| armed.close.version);
        let (channel_id, posted_version) = (key.channel_id, key.version);
        let acted = Acted { channel_id, seen_version, posted_version, tx_hash, stage };
        self.tell(News::Acted(acted)).await;
    }

    async fn acted(
        &self,
        channel_id: ChannelId,
        close: SeenClose,
        record: &Record,
        stage: ActedStage,
        tx_hash: Option<B256>,
    ) {
        let posted_version = record.appointment.state.version;
        tracing::warn!(
            %channel_id,
            seen = close.version.0,
            held = posted_version.0,
            tx_hash = ?known(close.transaction),
            "a channel of a client closes"
        );
        let seen_version = close.version;
        let acted = Acted { channel_id, seen_version, posted_version, tx_hash, stage };
        self.tell(News::Acted(acted)).await;
    }

    async fn check_reserve(&self) {
        match self.submitter.reserve(RESERVE_CLOSES).await {
            Ok(Some(alarm)) => self.tell(News::Chain(alarm)).await,
            Ok(None) => {}
            Err(error) => tracing::info!(%error, "reserve is not known now"),
        }
    }

    async fn count_reserve(&mut self) {
        let mut reserve = Amount::ZERO;
        for lane in &self.lanes {
            // Without an answer the last count stands.
            let Ok(balance) = self.endpoints.balance(*lane).await else { return };
            reserve = reserve.checked_add(Amount::from_u256(balance)).unwrap_or(Amount::MAX);
        }
        self.reserve = reserve;
    }

    async fn show(&self, is_following: bool) {
        // Promises are dated by this: no date is better than one of no block.
        let Ok(head) = self.endpoints.newest_header().await else {
            self.board.lost();
            return;
        };
        let (point, head_hash) = (head.point(), head.hash);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let health = ChainHealth {
            chain_id: self.contracts.chain_id,
            head_number: point.number.0,
            head_hash,
            finalized_number: self.finalized.0,
            lanes: count(self.lanes.len()),
            lanes_busy: count(self.submitter.owed().count().min(self.lanes.len())),
            gas_reserve: self.reserve,
            is_following,
        };
        self.board.set(health, point.timestamp);
    }

    /// What nobody fetches is dropped: the store has what must not be lost.
    async fn tell(&self, news: News) {
        if self.news.send(news).await.is_err() {
            tracing::debug!("nobody listens to the tower's news");
        }
    }
}

fn sighting_of(close: SeenClose, head: BlockPoint) -> CloseSighting {
    CloseSighting {
        point: StoredPoint { version: close.version, ..StoredPoint::default() },
        closes_at: close.closes_at,
        initiator: Side::One,
        position: EventPosition::default(),
        first_seen: head,
        finality: Finality::Seen,
    }
}

fn challenge(
    channel_id: ChannelId,
    record: &Record,
    version: Version,
    before: BlockTimestamp,
) -> Obligation {
    let key =
        ObligationKey { channel_id, kind: ObligationKind::Challenge, version, detail: B256::ZERO };
    let evidence = Evidence {
        state: record.appointment.state,
        // The contract takes the root alone.
        locks: Vec::new(),
        signature1: Some(record.appointment.signatures.one),
        signature2: Some(record.appointment.signatures.two),
    };
    Obligation::new(key, ChainCall::Challenge(evidence), Some(before))
}
