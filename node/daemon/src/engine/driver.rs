//! One channel's driver: the only one who changes it.
//!
//! Each step is the same: the core decides, the journal makes it durable, the channel adopts it, and then, in
//! order, things are signed, sent, submitted and told. While a step is being written, whatever arrives
//! waits and is taken together afterwards. A driver never waits for a peer, nor for the chain: only for the
//! journal.

mod attend;
mod backlog;
mod effect;
mod entry;
mod newest;
mod pay;
mod poison;
mod tower;

use crate::engine::alarms::AlarmKind;
use crate::engine::event::Event;
use crate::engine::order::{Outcomes, PayOrder};
use crate::engine::registry::{Handle, Mailbox};
use crate::engine::shared::Shared;
use crate::engine::view::{Beside, View};
use crate::engine::wording;
use lockstep_core::channel::Channel;
use lockstep_core::commit::{Durable, Transition};
use lockstep_core::error::{ErrorClass, ProtocolError};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::PeerMessage;
use lockstep_core::output::Effect;
use lockstep_core::protection::Protection;
use lockstep_core::record::{ChannelRecord, FreezeReason};
use lockstep_p2p::{SendError, Session};
use lockstep_rpc::failure::Failure;
use lockstep_store::error::StoreError;
use lockstep_store::write_set::WriteSet;
use lockstep_store::writer::{CommitError, Companion};
use std::collections::VecDeque;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::watch;

/// Events of the normal queue that are taken together.
const MAX_TOGETHER: usize = 256;

/// Why a step was not made. The channel is as it was.
#[derive(Debug, Error)]
pub(crate) enum StepError {
    /// The channel's rules.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The journal.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl StepError {
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::Protocol(error) => error.class(),
            Self::Commit(error) => error.class(),
        }
    }

    pub(crate) fn to_failure(&self) -> Failure {
        match self {
            Self::Protocol(error) => wording::refused(error),
            Self::Commit(error) => wording::not_durable(error),
        }
    }
}

/// How a driver begins.
pub(crate) enum Beginning {
    /// Of a channel that was just created: with what its creation leads to, and the link if it stands.
    Created(Vec<Effect>, Option<Box<Session>>),
    /// Of a channel in the journal: with all its duties.
    Resumed,
    /// Of a channel whose driver has broken down: frozen, with all its duties.
    Revived,
}

/// An event, by the queue that it came through. An order may come by either.
enum Next {
    Urgent(Event),
    Normal(Event),
}

/// Whether the journal has said no to one channel, and goes on for all others.
fn concerns_one_channel(error: &CommitError) -> bool {
    match error {
        CommitError::Store(error) => {
            matches!(**error, StoreError::Refused(_) | StoreError::Damaged(_))
        }
        CommitError::Busy | CommitError::Closed | CommitError::BrokeDown => false,
    }
}

/// Drives one channel.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    channel: Channel,
    mailbox: Mailbox,
    view: watch::Sender<Arc<View>>,
    beside: Beside,
    link: Option<Session>,
    /// What the link had no room for; while something is here, nothing new is taken from the peer or the API.
    outbox: VecDeque<PeerMessage>,
    outcomes: Outcomes,
    /// Something was counted in this step.
    has_news: bool,
    /// Payments that wait for room in the record.
    held: VecDeque<PayOrder>,
    entry: entry::Progress,
    backlog: backlog::Backlog,
    threat: poison::Threat,
    /// What its towers hold, and what waits for them.
    protection: Protection,
    /// Income was declined since everything was last protected.
    has_declined: bool,
    /// Whether this run signs nothing more for the counterparty.
    is_halted: bool,
}

impl Driver {
    /// A driver for a channel that was just created.
    ///
    /// # Errors
    /// If its amounts do not add up.
    pub(crate) fn create(
        shared: &Arc<Shared>,
        created: Durable<Transition>,
    ) -> Result<(Box<Self>, Handle, Vec<Effect>), ProtocolError> {
        let (channel, effects) = Channel::create(created);
        let (driver, handle) = Self::new(shared, channel)?;
        Ok((driver, handle, effects))
    }

    /// A driver for a channel that the journal holds.
    ///
    /// # Errors
    /// If its amounts do not add up.
    pub(crate) fn resume(
        shared: &Arc<Shared>,
        record: Durable<ChannelRecord>,
    ) -> Result<(Box<Self>, Handle), ProtocolError> {
        Self::new(shared, Channel::resume(record))
    }

    fn new(shared: &Arc<Shared>, channel: Channel) -> Result<(Box<Self>, Handle), ProtocolError> {
        let beside = Beside::default();
        let protection = tower::resume(shared, channel.channel_id(), channel.parts())?;
        let shelter = tower::shelter(&protection, false);
        let (view, shown) = watch::channel(Arc::new(View::of(&channel, &beside, shelter)?));
        let (handle, mailbox) = Handle::new(shown);
        let driver = Self {
            shared: Arc::clone(shared),
            channel,
            mailbox,
            view,
            beside,
            link: None,
            outbox: VecDeque::new(),
            outcomes: Outcomes::default(),
            has_news: false,
            held: VecDeque::new(),
            entry: entry::Progress::default(),
            backlog: backlog::Backlog::default(),
            threat: poison::Threat::default(),
            protection,
            has_declined: false,
            is_halted: false,
        };
        Ok((Box::new(driver), handle))
    }

    /// Runs until the node stops, or nobody can reach it any more.
    pub(crate) async fn run(mut self: Box<Self>, beginning: Beginning) {
        match beginning {
            Beginning::Created(effects, link) => {
                self.beside.is_connected = link.is_some();
                self.link = link.map(|link| *link);
                self.carry_out(effects);
                self.after_step();
            }
            Beginning::Resumed => Box::pin(self.take_up()).await,
            Beginning::Revived => {
                Box::pin(self.freeze()).await;
                Box::pin(self.take_up()).await;
            }
        }
        while let Some(next) = self.next().await {
            match next {
                // Let go of only now: whatever came before is done.
                Next::Urgent(Event::Stop(barrier)) => return barrier.meet(),
                // Boxed: a driver that waits takes no room for what it may do.
                Next::Urgent(event) => Box::pin(self.attend_urgent(event)).await,
                Next::Normal(event) => {
                    let events = self.take_along(event);
                    Box::pin(self.attend_normal(events)).await;
                }
            }
        }
    }

    async fn take_up(&mut self) {
        if let Err(error) = self.step(Input::Started, WriteSet::default()).await {
            self.trouble("a channel could not be taken up", &error).await;
        }
    }

    /// The next event, the chain's first. What the link had no room for goes out meanwhile.
    async fn next(&mut self) -> Option<Next> {
        loop {
            let Some(message) = self.outbox.front().cloned() else {
                return tokio::select! {
                    biased;
                    event = self.mailbox.urgent.recv() => event.map(|event| Next::Urgent(*event)),
                    event = self.mailbox.normal.recv() => event.map(|event| Next::Normal(*event)),
                };
            };
            let (link, channel_id) = (self.link.clone(), self.channel.channel_id());
            let send = Box::pin(async move {
                let link = link.ok_or(SendError::NoSession)?;
                link.send(channel_id, &message).await
            });
            tokio::select! {
                biased;
                event = self.mailbox.urgent.recv() => return event.map(|event| Next::Urgent(*event)),
                sent = send => match sent {
                    Ok(()) => { self.outbox.pop_front(); }
                    // The next connection says everything again.
                    Err(_) => self.outbox.clear(),
                },
            }
        }
    }

    /// What else waits in the normal queue by now.
    fn take_along(&mut self, first: Event) -> Vec<Event> {
        let mut events = vec![first];
        while events.len() < MAX_TOGETHER
            && let Ok(event) = self.mailbox.normal.try_recv()
        {
            events.push(*event);
        }
        events
    }

    /// One step of the channel: decided, durable, adopted, carried out.
    ///
    /// # Errors
    /// [`StepError`]; then the channel is as it was, and nothing was signed or sent.
    pub(crate) async fn step(&mut self, input: Input, set: WriteSet) -> Result<(), StepError> {
        let transition = self.channel.handle(input)?;
        let at_secs = self.shared.clock.unix_secs();
        let began = self.shared.clock.now_millis();
        let needs_write = transition.needs_write();
        let durable = self.shared.journal.commit(transition, Companion { set, at_secs }).await?;
        if needs_write {
            let elapsed_ms = self.shared.clock.now_millis().saturating_sub(began);
            self.shared.metrics.committed(elapsed_ms);
            tracing::trace!(elapsed_ms, "a step is durable");
            #[cfg(feature = "testing")]
            self.shared.failpoint.pass(self.channel.channel_id());
        }
        let effects = self.channel.adopt(durable)?;
        self.carry_out(effects);
        self.after_step();
        Ok(())
    }

    /// Shows what has become of the channel.
    fn after_step(&mut self) {
        self.enter_if_due();
        self.observe_exposure();
        self.publish();
        // Whoever hears of a step finds the channel as the step has left it.
        self.outcomes.tell();
        if std::mem::take(&mut self.has_news) {
            self.shared.feeds.stir();
        }
    }

    pub(super) fn publish(&mut self) {
        let shelter = tower::shelter(&self.protection, self.has_declined);
        match View::of(&self.channel, &self.beside, shelter) {
            Ok(view) => {
                self.view.send_replace(Arc::new(view));
            }
            Err(error) => tracing::error!(
                channel_id = %self.channel.channel_id(), error = %error,
                "a channel's amounts do not add up"
            ),
        }
    }

    /// A step that failed, for whoever ordered it.
    pub(super) fn failure(&self, error: &StepError) -> Failure {
        let mut failure = error.to_failure();
        if let StepError::Protocol(ProtocolError::InsufficientFunds { spendable, wanted }) = error {
            let token = self.channel.parts().setup.terms.token;
            let words = |amount| self.shared.settings.words(token, amount);
            let (spendable, wanted) = (words(*spendable), words(*wanted));
            failure.message = format!("{spendable} may be spent, {wanted} is wanted");
        }
        failure
    }

    /// A step failed in a way that nobody waits to hear of.
    pub(super) async fn trouble(&mut self, what: &'static str, error: &StepError) {
        let channel_id = self.channel.channel_id();
        match error.class() {
            ErrorClass::Refused | ErrorClass::Transient | ErrorClass::PeerFault => {
                tracing::debug!(%channel_id, error = %wording::chain_of(error), "{what}");
            }
            ErrorClass::Fatal => {
                tracing::error!(%channel_id, error = %wording::chain_of(error), "{what}");
                match error {
                    StepError::Commit(error) if !concerns_one_channel(error) => {
                        self.shared.stop_signing(&wording::chain_of(error));
                    }
                    StepError::Commit(_) | StepError::Protocol(_) => self.freeze().await,
                }
            }
        }
    }

    /// One of our own promises does not hold: nothing more is signed, watching goes on.
    async fn freeze(&mut self) {
        let channel_id = self.channel.channel_id();
        // Also where it can't be written down: what is in memory must not go on either.
        self.is_halted = true;
        let freeze = Input::Command(Command::Freeze(FreezeReason::InvariantBroken));
        if let Err(error) = Box::pin(self.step(freeze, WriteSet::default())).await {
            tracing::error!(%channel_id, error = %wording::chain_of(&error), "cannot freeze a channel");
            let is_limited =
                matches!(&error, StepError::Commit(error) if concerns_one_channel(error));
            if !is_limited {
                self.shared.stop_signing("a channel could not be frozen");
            }
        }
        let message = "a promise of this node about one channel did not hold; it signs nothing more there, \
                       and still watches and answers closes. Please report it with the log, and close the \
                       channel with `lockstep force-close`";
        self.shared.alarm(AlarmKind::ChannelFrozen, Some(channel_id), message.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a function's future takes, without calling it.
    fn future_size<F: Future>(_: impl FnOnce(Box<Driver>, Beginning) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_driver_that_waits_takes_little_beside_what_it_knows() {
        let waiting = future_size(Driver::run);
        assert!(waiting <= 1_024, "{waiting} bytes for a task that waits");
        let known = size_of::<Driver>();
        assert!(known <= size_of::<Channel>() + 2_048, "{known} bytes for a driver");
    }
}
