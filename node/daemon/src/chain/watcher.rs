//! The task that looks: it owns the follower.

use super::error::ChainTaskError;
use super::handle::answer;
use super::news::{ChainNews, Outbox};
use super::setup::WatchedChannel;
use super::status::StatusBoard;
use super::store::ChainStore;
use crate::pace::Pace;
use core::time::Duration;
use lockstep_chain::alarm::Alarm;
use lockstep_chain::call::Contracts;
use lockstep_chain::convert;
use lockstep_chain::endpoints::Endpoints;
use lockstep_chain::error::ChainError;
use lockstep_chain::follower::{Delivery, Follower, Origin, Sighting, Start, VanishedClose};
use lockstep_core::chain::{ChainFact, CloseOrigin, CloseSighting, Cursor};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{AccountRef, ChannelId};
use lockstep_core::time::{BlockNumber, BlockPoint, Finality};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Polls between two sweeps over the stored status of every channel.
const SWEEP_EVERY: u32 = 50;
/// A batch that has passed this many blocks is followed by another look at once: it catches up.
const CATCHING_UP_BLOCKS: u64 = 1_000;

/// Pauses between two looks at a chain that can't be followed: a wrong answer, or a block that is gone, may pass.
const BROKEN_PAUSES: u32 = 10;

/// What the watcher can be told.
pub(super) enum Command {
    Watch(Box<WatchedChannel>, oneshot::Sender<()>),
    Unwatch(ChannelId),
    LookOut(ChannelId),
    WatchSecret(alloy_primitives::B256, oneshot::Sender<()>),
    ForgetSecret(alloy_primitives::B256),
    /// And whether the cursor may be kept.
    Acknowledge(Cursor, bool),
    Rescan(BlockNumber, oneshot::Sender<Result<(), ChainTaskError>>),
}

/// The follower and what goes with it.
pub(super) struct Watcher {
    pub(super) endpoints: Endpoints,
    pub(super) contracts: Contracts,
    pub(super) store: ChainStore,
    pub(super) board: StatusBoard,
    follower: Follower,
    outbox: Outbox,
    channels: BTreeMap<ChannelId, Option<CloseSighting>>,
    secrets: BTreeSet<alloy_primitives::B256>,
    /// Who sent each close that is neither final nor ruled out.
    origins: Vec<CloseOrigin>,
    /// Those that are settled by the batch that waits for its acknowledgement.
    settled: Vec<CloseOrigin>,
    /// The batch that waits for its acknowledgement.
    pending: Option<Cursor>,
    is_broken: bool,
    polls: u32,
    /// The head, and since when it stands.
    standing: (Option<BlockPoint>, Instant),
}

impl Watcher {
    /// Begins where the last run stopped.
    pub(super) async fn start(
        (endpoints, contracts): (Endpoints, Contracts),
        (store, board): (ChainStore, StatusBoard),
        start: Start,
        origins: Vec<CloseOrigin>,
        news: mpsc::Sender<ChainNews>,
    ) -> Result<Self, ChainTaskError> {
        let follower = Follower::start(endpoints.clone(), contracts, start).await?;
        Ok(Self {
            endpoints,
            contracts,
            store,
            board,
            follower,
            outbox: Outbox::new(news),
            channels: BTreeMap::new(),
            secrets: BTreeSet::new(),
            origins,
            settled: Vec::new(),
            pending: None,
            is_broken: false,
            polls: 0,
            standing: (None, Instant::now()),
        })
    }

    /// Keeps the place where it begins: a restart before the first acknowledgement must not begin later.
    pub(super) async fn keep_start(&self) -> Result<(), ChainTaskError> {
        let kept = self.store.put_cursor(&self.follower.cursor(), &[]).await;
        kept.map_err(|error| ChainTaskError::Chain(error.into()))
    }

    /// Follows a channel, and waits for closes of it that an earlier run saw.
    pub(super) fn watch(&mut self, channel_id: ChannelId, known: Option<CloseSighting>) {
        self.channels.insert(channel_id, known);
        attach(&mut self.follower, channel_id, known.as_ref(), &self.origins);
    }

    /// Waits for a secret.
    pub(super) fn watch_secret(&mut self, hash: alloy_primitives::B256) {
        self.secrets.insert(hash);
        self.follower.watch_secret(hash);
    }

    /// Runs until nobody can tell it anything any more, or nobody listens.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let pause = Duration::from_millis(self.endpoints.profile().poll_millis);
        let mut pace = Pace::at_once();
        loop {
            tokio::select! {
                biased;
                command = commands.recv() => {
                    let Some(command) = command else { return };
                    self.obey(command).await;
                }
                is_heard = self.outbox.hand_over() => {
                    if !is_heard {
                        return;
                    }
                }
                () = pace.due(), if self.may_look() => {
                    let is_behind = self.look().await;
                    pace = Pace::after(match (self.is_broken, is_behind) {
                        (true, _) => pause.saturating_mul(BROKEN_PAUSES),
                        (false, true) => Duration::ZERO,
                        (false, false) => pause,
                    });
                }
            }
        }
    }

    /// Facts come only after the last ones are dealt with.
    fn may_look(&self) -> bool {
        self.pending.is_none() && self.outbox.is_empty()
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Watch(channel, reply) => {
                self.watch(channel.channel_id, channel.known);
                answer(reply, ());
            }
            Command::LookOut(channel_id) => self.watch(channel_id, None),
            Command::Unwatch(channel_id) => {
                self.channels.remove(&channel_id);
                self.follower.forget(channel_id.0);
                self.settle(channel_id);
            }
            Command::WatchSecret(hash, reply) => {
                self.watch_secret(hash);
                answer(reply, ());
            }
            Command::ForgetSecret(hash) => {
                self.secrets.remove(&hash);
                self.follower.forget(hash);
            }
            Command::Acknowledge(cursor, is_durable) => self.acknowledge(cursor, is_durable).await,
            Command::Rescan(from, reply) => {
                let outcome = self.rescan(from).await;
                answer(reply, outcome);
            }
        }
    }

    /// The batch is dealt with. Where the disk fails, the follower goes on all the same: watching must not
    /// end with it (P49), and a restart reads again from the older cursor.
    async fn acknowledge(&mut self, cursor: Cursor, is_durable: bool) {
        if self.pending != Some(cursor) {
            return;
        }
        self.pending = None;
        if is_durable {
            if self.store.put_cursor(&cursor, &self.settled).await.is_err() {
                tracing::error!(block_number = cursor.block.number.0, "cursor is not kept");
            }
            self.settled.clear();
        }
        self.follower.acknowledge();
        self.board.change(|status| status.finalized = Some(cursor.block));
    }

    /// Reads again from a block on: for channels that are older than the cursor.
    async fn rescan(&mut self, from: BlockNumber) -> Result<(), ChainTaskError> {
        let start = Start::Block(from);
        let mut follower = Follower::start(self.endpoints.clone(), self.contracts, start).await?;
        for (channel_id, known) in &self.channels {
            attach(&mut follower, *channel_id, known.as_ref(), &self.origins);
        }
        self.secrets.iter().for_each(|hash| follower.watch_secret(*hash));
        // Durable first: a restart in the middle must begin there too.
        let cursor = follower.cursor();
        let kept = self.store.put_cursor(&cursor, &[]).await;
        kept.map_err(|error| ChainTaskError::Chain(error.into()))?;
        self.follower = follower;
        self.pending = None;
        self.settled.clear();
        Ok(())
    }

    /// One look at the chain; whether there is much more to see.
    async fn look(&mut self) -> bool {
        self.polls = self.polls.wrapping_add(1);
        let before = self.follower.cursor().block.number.0;
        let mut deliveries = Vec::new();
        // While the log can't be followed, the stored status is all that shows a close.
        if self.is_broken || self.polls.checked_rem(SWEEP_EVERY) == Some(1) {
            deliveries.extend(self.follower.sweep().await);
        }
        let outcome = self.follower.poll().await;
        self.board.note_endpoints(&self.endpoints);
        let standing = self.follower.standing().to_vec();
        self.board.change(|status| status.standing = standing);
        let mut cursor = None;
        match outcome {
            Ok(batch) => {
                deliveries.extend(batch.deliveries);
                cursor = batch.cursor;
                self.is_broken = false;
                self.board.change(|status| (status.is_following, status.trouble) = (true, None));
            }
            Err(error) => self.note_trouble(error),
        }
        for delivery in deliveries {
            self.note(&delivery).await;
            self.outbox.push(ChainNews::Delivery(delivery));
        }
        self.note_silence();
        let Some(cursor) = cursor else { return false };
        self.pending = Some(cursor);
        self.outbox.push(ChainNews::Checkpoint(cursor));
        cursor.block.number.0.saturating_sub(before) >= CATCHING_UP_BLOCKS
    }

    /// A chain that stands still is not watched, whoever's fault that is: it is told, and nothing new is begun
    /// until it moves again.
    fn note_silence(&mut self) {
        let Some(secs) = self.endpoints.profile().max_silence_secs else { return };
        let head = self.board.read().head;
        let now = Instant::now();
        if head != self.standing.0 {
            self.standing = (head, now);
            self.board.note_blind(false);
            return;
        }
        if now.duration_since(self.standing.1) < Duration::from_secs(secs) {
            return;
        }
        let number = head.map(|head| head.number).unwrap_or_default();
        if !self.board.is_blind() {
            self.board.note_blind(true);
            self.tell(Alarm::ChainStandsStill { number });
        }
        let trouble = Arc::new(ChainError::StandsStill { number, secs });
        self.board.change(|status| {
            status.is_following = false;
            status.trouble.get_or_insert(trouble);
        });
    }

    /// Somebody must look.
    pub(super) fn tell(&mut self, alarm: Alarm) {
        tracing::warn!(?alarm, "chain needs attention");
        self.board.note_alarm(&alarm);
        self.outbox.push(ChainNews::Delivery(Delivery::Alarm(alarm)));
    }

    fn note_trouble(&mut self, error: ChainError) {
        tracing::warn!(error = %error, "the chain can't be followed now");
        let was_broken = self.is_broken;
        // What was broken stays so until a look succeeds.
        self.is_broken = was_broken || error.class() == ErrorClass::Fatal;
        let error = Arc::new(error);
        if self.is_broken && !was_broken {
            self.outbox.push(ChainNews::Broken(Arc::clone(&error)));
        }
        self.board.change(|status| {
            (status.is_following, status.trouble) = (false, Some(error));
        });
    }

    async fn note(&mut self, delivery: &Delivery) {
        match delivery {
            Delivery::Fact(sighting) => self.note_close(sighting).await,
            Delivery::Head(head) => self.board.change(|status| status.head = Some(*head)),
            Delivery::Alarm(alarm) => self.board.note_alarm(alarm),
            Delivery::Retracted { .. } | Delivery::CloseRetracted(_) | Delivery::Finalized(_) => {}
        }
    }

    /// Keeps who sent a close before anybody hears of it, until it is final or ruled out.
    async fn note_close(&mut self, sighting: &Sighting) {
        let Some(channel_id) = sighting.channel_id else { return };
        let event = &sighting.event;
        let is_close = match &event.fact {
            ChainFact::Closing { .. } | ChainFact::Closed { .. } => true,
            ChainFact::CloseVanished => return self.settle(channel_id),
            ChainFact::Opened { .. }
            | ChainFact::Joined { .. }
            | ChainFact::Funded { .. }
            | ChainFact::Checkpoint { .. }
            | ChainFact::PartialWithdrawn { .. }
            | ChainFact::LockResolved { .. }
            | ChainFact::SecretRevealed { .. } => false,
        };
        match (is_close, event.finality, sighting.origin) {
            (true, Finality::Final, _) => self.settle(channel_id),
            (true, Finality::Seen | Finality::Safe, Some(origin)) => {
                let Origin { transaction, sender, nonce } = origin;
                let seen_at = event.position.block;
                let sender = AccountRef::Evm(sender);
                let origin = CloseOrigin { channel_id, transaction, sender, nonce, seen_at };
                let same = |known: &CloseOrigin| {
                    (known.channel_id, known.transaction) == (channel_id, transaction)
                };
                if self.origins.iter().any(same) {
                    return;
                }
                self.origins.push(origin);
                if self.store.put_origin(&origin).await.is_err() {
                    tracing::error!(%channel_id, "who sent a close is not kept");
                }
            }
            (true, Finality::Seen | Finality::Safe, None) | (false, _, _) => {}
        }
    }

    /// Closes of a channel need not be waited for any more, once this batch is acknowledged.
    fn settle(&mut self, channel_id: ChannelId) {
        let (settled, open) = self
            .origins
            .drain(..)
            .partition(|origin: &CloseOrigin| origin.channel_id == channel_id);
        self.origins = open;
        let settled: Vec<CloseOrigin> = settled;
        self.settled.extend(settled);
    }
}

fn attach(
    follower: &mut Follower,
    channel_id: ChannelId,
    known: Option<&CloseSighting>,
    origins: &[CloseOrigin],
) {
    follower.watch(channel_id, known);
    let own = || origins.iter().filter(|origin| origin.channel_id == channel_id);
    // Who sent it was never learned: without a log it may be one endpoint's wrong word.
    if let Some(known) =
        known.filter(|known| known.finality < Finality::Final && own().count() == 0)
    {
        let seen_at = known.first_seen.number;
        follower.expect(VanishedClose { channel_id, seen_at, origin: None });
    }
    for origin in own() {
        // Only accounts of this kind of chain were ever kept for it.
        let Ok(sender) = convert::address(origin.sender) else { continue };
        let (transaction, nonce) = (origin.transaction, origin.nonce);
        let origin_of = Some(Origin { transaction, sender, nonce });
        let seen_at = origin.seen_at;
        follower.expect(VanishedClose { channel_id, seen_at, origin: origin_of });
    }
}
