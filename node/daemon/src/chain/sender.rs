//! The task that acts: it owns the submitter.

use super::error::ChainTaskError;
use super::escape::Escape;
use super::handle::{EntryOrder, answer};
use super::news::{ChainNews, Outbox};
use super::setup::WatchedChannel;
use super::status::StatusBoard;
use super::store::ChainStore;
use crate::pace::Pace;
use core::time::Duration;
use lockstep_bridge::way::Way;
use lockstep_chain::alarm::Alarm;
use lockstep_chain::call::SignedIntent;
use lockstep_chain::submitter::{Order, Submitter, SubmitterEvent};
use lockstep_core::chain::{Obligation, ObligationKey};
use lockstep_core::entry::{Entry, EntryId};
use lockstep_core::ids::ChannelId;
use lockstep_core::money::Amount;
use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};

/// Steps between two looks at whether the accounts could pay for a close of every channel at once.
const RESERVE_EVERY: u32 = 100;

type Reply<T> = oneshot::Sender<Result<T, ChainTaskError>>;

/// What the sender can be told.
pub(super) enum Command {
    Watch(Box<WatchedChannel>),
    Unwatch(ChannelId),
    Allow(ChannelId, Amount),
    Submit(Box<Obligation>, Option<SignedIntent>, Reply<()>),
    Enter(Box<EntryOrder>, Reply<Entry>),
    Entry(EntryId, oneshot::Sender<Option<Entry>>),
    Entries(oneshot::Sender<Vec<Entry>>),
    Forget(EntryId, Reply<()>),
    /// What the submitter on L1 is alarmed of.
    OnL1(Vec<Alarm>),
    /// From now on calls can go through L1.
    Escape(Box<Way>),
    /// Our signer's order to start a close, for whoever sends it there.
    Intent(ObligationKey, Box<SignedIntent>),
}

/// The submitter and what goes with it.
pub(super) struct Sender {
    pub(super) submitter: Submitter<ChainStore>,
    pub(super) board: StatusBoard,
    outbox: Outbox,
    pause: Duration,
    pub(super) channels: BTreeMap<ChannelId, WatchedChannel>,
    pub(super) escape: Escape,
    steps: u32,
}

impl Sender {
    pub(super) fn new(
        submitter: Submitter<ChainStore>,
        board: StatusBoard,
        news: mpsc::Sender<ChainNews>,
        pause: Duration,
    ) -> Self {
        let (outbox, channels) = (Outbox::new(news), BTreeMap::new());
        let escape = Escape::default();
        Self { submitter, board, outbox, pause, channels, escape, steps: 0 }
    }

    /// Takes up what an earlier run owed and paid in.
    pub(super) async fn resume(
        &mut self,
        channels: &[WatchedChannel],
        obligations: Vec<Obligation>,
        entries: Vec<Entry>,
    ) -> Result<(), ChainTaskError> {
        for channel in channels {
            self.channels.insert(channel.channel_id, channel.clone());
        }
        let orders = obligations.into_iter().filter_map(|obligation| {
            let channel = self.channels.get(&obligation.key().channel_id)?;
            Some(order(channel, obligation, None))
        });
        let orders: Vec<Order> = orders.collect();
        self.submitter.resume_entries(entries);
        Ok(self.submitter.resume(orders).await?)
    }

    /// Runs until nobody can tell it anything any more, or nobody listens.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut pace = Pace::at_once();
        loop {
            tokio::select! {
                biased;
                () = pace.due() => {
                    self.step().await;
                    pace = Pace::after(self.pause);
                }
                command = commands.recv() => {
                    let Some(command) = command else { return };
                    // What is new is sent at once.
                    if self.obey(command).await {
                        pace = Pace::at_once();
                    }
                }
                is_heard = self.outbox.hand_over() => {
                    if !is_heard {
                        return;
                    }
                }
            }
        }
    }

    /// Whether there is something new to send.
    async fn obey(&mut self, command: Command) -> bool {
        match command {
            Command::Watch(channel) => {
                self.channels.insert(channel.channel_id, *channel);
                false
            }
            Command::Unwatch(channel_id) => {
                self.channels.remove(&channel_id);
                self.submitter.forget_ended(channel_id);
                false
            }
            Command::Allow(channel_id, max_cost) => {
                if let Some(channel) = self.channels.get_mut(&channel_id) {
                    channel.max_cost = max_cost;
                }
                false
            }
            Command::Submit(obligation, intent, reply) => {
                let outcome = self.submit(*obligation, intent).await;
                let is_taken = outcome.is_ok();
                answer(reply, outcome);
                is_taken
            }
            Command::Enter(order, reply) => {
                let outcome = self.enter(*order).await;
                answer(reply, outcome);
                false
            }
            Command::Entry(id, reply) => {
                answer(reply, self.submitter.entry(id).cloned());
                false
            }
            Command::Entries(reply) => {
                answer(reply, self.submitter.entries().cloned().collect());
                false
            }
            Command::Forget(id, reply) => {
                let outcome = self.submitter.forget_entry(id).await.map_err(Into::into);
                answer(reply, outcome);
                false
            }
            Command::Escape(way) => {
                self.escape.open(*way);
                false
            }
            Command::Intent(key, intent) => {
                self.escape.take_intent(key, *intent);
                false
            }
            Command::OnL1(alarms) => {
                for alarm in alarms {
                    self.push(ChainNews::OnL1(alarm));
                }
                false
            }
        }
    }

    async fn submit(
        &mut self,
        obligation: Obligation,
        intent: Option<SignedIntent>,
    ) -> Result<(), ChainTaskError> {
        let channel_id = obligation.key().channel_id;
        let channel = self.channels.get(&channel_id);
        let channel = channel.ok_or(ChainTaskError::NotWatched { channel_id })?;
        Ok(self.submitter.submit(order(channel, obligation, intent)).await?)
    }

    async fn enter(&mut self, order: EntryOrder) -> Result<Entry, ChainTaskError> {
        let EntryOrder { id, from, call, max_cost } = order;
        let (entry, events) = self.submitter.enter(id, from, call, max_cost).await?;
        self.tell(events);
        Ok(entry)
    }

    async fn step(&mut self) {
        self.steps = self.steps.wrapping_add(1);
        if !self.submitter.is_idle() {
            match self.submitter.step().await {
                Ok(events) => self.tell(events),
                Err(error) => tracing::warn!(error = %error, "nothing can be sent now"),
            }
        }
        let count = u64::try_from(self.channels.len()).unwrap_or(u64::MAX);
        if count > 0 && self.steps.checked_rem(RESERVE_EVERY) == Some(1) {
            match self.submitter.reserve(count).await {
                Ok(Some(alarm)) => self.tell(vec![SubmitterEvent::Alarm(alarm)]),
                Ok(None) => {}
                Err(error) => tracing::info!(error = %error, "reserve is not known now"),
            }
        }
        self.escape().await;
        let owed = self.submitter.owed().cloned().collect();
        self.board.change(|status| status.owed = owed);
    }

    /// What nobody fetches is dropped in the end, but never lost: entries and obligations are kept.
    fn tell(&mut self, events: Vec<SubmitterEvent>) {
        for event in events {
            if let SubmitterEvent::Alarm(alarm) = &event {
                self.board.note_alarm(alarm);
            }
            if let SubmitterEvent::Alarm(Alarm::ForceThroughL1 { key, .. }) = &event {
                self.escape.ask(*key);
            }
            if let SubmitterEvent::Ended { key, .. } = &event {
                self.escape.over(key);
            }
            self.push(ChainNews::from(event));
        }
    }

    pub(super) fn push(&mut self, news: ChainNews) {
        if self.outbox.is_full() {
            tracing::warn!(?news, "nobody fetches what the chain side tells");
        } else {
            self.outbox.push(news);
        }
    }
}

fn order(channel: &WatchedChannel, obligation: Obligation, intent: Option<SignedIntent>) -> Order {
    Order { obligation, terms: channel.terms, max_cost: channel.max_cost, intent }
}
