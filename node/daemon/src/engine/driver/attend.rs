//! What a driver does about each event.

use super::newest::newest_only;
use super::{Driver, StepError};
use crate::engine::alarms;
use crate::engine::event::{Barrier, Event};
use crate::engine::order::{PayOrder, Standing};
use crate::engine::wording;
use lockstep_chain::submitter::SubmitterEvent;
use lockstep_core::chain::{ChainEvent, ChainFact, EventPosition, Evidence, StoredPoint};
use lockstep_core::error::{ErrorClass, ProtocolError};
use lockstep_core::input::{Command, Input};
use lockstep_core::message::SignedState;
use lockstep_core::time::{BlockPoint, Finality};
use lockstep_core::update::MAX_PENDING_UPDATES;
use lockstep_p2p::{Received, Session, SessionId};
use lockstep_rpc::failure::Failure;
use lockstep_store::write_set::WriteSet;
use tokio::sync::oneshot;

impl Driver {
    /// The chain, the link and the clock.
    pub(super) async fn attend_urgent(&mut self, event: Event) {
        match event {
            Event::Fact(event) => {
                self.note_threat(&event);
                self.take_fact(*event).await;
            }
            Event::Head(block) => {
                self.retry_backlog().await;
                // Needs no write, and is due now: a deadline does not wait for a disk.
                self.take_head(block).await;
                self.answer_threat(block.timestamp);
            }
            Event::Finalized(block) => {
                self.backlog.finalized = Some(block);
                self.retry_backlog().await;
            }
            Event::Checkpoint(barrier) => self.take_checkpoint(barrier).await,
            Event::Call(call) => self.note_call(&call),
            Event::Entry(entry) => self.note_entry(&entry),
            Event::EntryRefused(failure) => self.note_entry_refused(&failure),
            Event::Connected(session) => self.take_link(session).await,
            Event::Disconnected(session) => self.lose_link(session).await,
            Event::Tick(now) => {
                // P49: of a journal that has failed the operator has heard; a tick comes each second.
                if let Err(error) = self.step(Input::Tick { now }, WriteSet::default()).await
                    && !self.shared.is_signing_stopped()
                {
                    self.trouble("a tick was refused", &error).await;
                }
                self.lapse(now).await;
                self.take_held().await;
            }
            news @ (Event::Receipt(..) | Event::Towers) => self.attend_tower(news).await,
            Event::Lost(reason, answer) => {
                tracing::error!(channel_id = %self.channel.channel_id(), ?reason, "data was lost");
                let result = self.order(Command::MarkImported).await;
                reply(answer, result);
            }
            Event::Order(command, answer) => {
                let result = self.order(command).await;
                reply(answer, result);
            }
            Event::Standing { first, count, answer } => {
                let standing = self.standing(first, count);
                tell(answer, standing);
            }
            Event::Invoices(answer) => tell(answer, self.channel.parts().invoices.clone()),
            Event::Evidence(answer) => {
                let evidence = self.whole_evidence();
                reply(answer, evidence);
            }
            // The rest comes by the normal queue, and a stop is seen before.
            Event::Peer(_)
            | Event::Pay(_)
            | Event::Invoice(..)
            | Event::Shown(..)
            | Event::Stop(_) => {}
        }
    }

    /// The counterparty and the API: messages first, in order, then all payments as one update.
    pub(super) async fn attend_normal(&mut self, events: Vec<Event>) {
        let mut messages = Vec::new();
        for event in events {
            match event {
                Event::Peer(received) => messages.push(*received),
                Event::Pay(order) => self.held.push_back(*order),
                Event::Order(command, answer) => {
                    // An order stands where it stood: after what was ordered before it.
                    self.take_messages(std::mem::take(&mut messages)).await;
                    self.take_held().await;
                    let result = self.order(command).await;
                    reply(answer, result);
                }
                Event::Standing { first, count, answer } => {
                    let standing = self.standing(first, count);
                    tell(answer, standing);
                }
                Event::Invoices(answer) => tell(answer, self.channel.parts().invoices.clone()),
                Event::Invoice(id, answer) => {
                    tell(answer, self.channel.parts().invoices.get(&id).cloned());
                }
                Event::Evidence(answer) => {
                    let evidence = self.whole_evidence();
                    reply(answer, evidence);
                }
                Event::Shown(signed, answer) => {
                    let result = self.take_shown(*signed).await;
                    reply(answer, result);
                }
                Event::Fact(_)
                | Event::Head(_)
                | Event::Finalized(_)
                | Event::Checkpoint(_)
                | Event::Call(_)
                | Event::Entry(_)
                | Event::EntryRefused(_)
                | Event::Connected(_)
                | Event::Disconnected(_)
                | Event::Tick(_)
                | Event::Receipt(..)
                | Event::Towers
                | Event::Lost(..)
                | Event::Stop(_) => {}
            }
        }
        self.take_messages(messages).await;
        self.take_held().await;
    }

    async fn take_head(&mut self, block: BlockPoint) {
        if let Err(error) = self.step(Input::Head(block), WriteSet::default()).await {
            self.trouble("a head was refused", &error).await;
        }
    }

    /// A fact must never be lost: what can't be made durable now waits, in order.
    async fn take_fact(&mut self, event: ChainEvent) {
        self.backlog.push(event);
        self.retry_backlog().await;
    }

    /// Hands a fact over; whether it is dealt with, and need not wait for the journal.
    async fn try_fact(&mut self, input: Input) -> bool {
        match self.step(input, WriteSet::default()).await {
            Ok(()) => {
                self.backlog.is_stuck = false;
                true
            }
            Err(StepError::Protocol(error)) => {
                self.trouble("a fact of the chain was refused", &error.into()).await;
                true
            }
            Err(error @ StepError::Commit(_)) => {
                // Said once, not again with each block.
                if !std::mem::replace(&mut self.backlog.is_stuck, true) {
                    self.trouble("a fact of the chain is not durable yet", &error).await;
                }
                false
            }
        }
    }

    /// What waits, in order; a final block after the facts that came before it.
    async fn retry_backlog(&mut self) {
        while let Some(event) = self.backlog.facts.pop_front() {
            if !self.try_fact(Input::Chain(event.clone())).await {
                self.backlog.facts.push_front(event);
                return;
            }
        }
        if !self.backlog.has_facts()
            && let Some(block) = self.backlog.finalized
            && self.try_fact(Input::Finalized(block)).await
        {
            self.backlog.finalized = None;
        }
    }

    async fn take_checkpoint(&mut self, barrier: Barrier) {
        self.retry_backlog().await;
        if self.backlog.is_durable() {
            barrier.meet();
        }
    }

    fn note_call(&mut self, call: &SubmitterEvent) {
        let channel_id = self.channel.channel_id();
        match call {
            SubmitterEvent::Sent { tx, key, .. } => {
                tracing::info!(%channel_id, kind = ?key.kind, version = %key.version, tx_hash = %tx, "sent");
                self.beside.transaction = Some(*tx);
            }
            SubmitterEvent::Included { tx, .. } => self.beside.transaction = Some(*tx),
            SubmitterEvent::Refused { revert, key } => {
                let message = format!(
                    "the contract refuses {} for now: {revert}. It is tried again while it is needed; {}",
                    alarms::chain::call(key.kind),
                    revert.advice()
                );
                tracing::warn!(%channel_id, message, "a call is refused");
                self.beside.problem = Some(message);
            }
            SubmitterEvent::Ended { .. } => self.beside.problem = None,
            SubmitterEvent::Dropped { .. }
            | SubmitterEvent::Entry(_)
            | SubmitterEvent::EntryRefused { .. }
            | SubmitterEvent::Alarm(_) => {}
        }
        self.publish();
    }

    /// P38: every link begins with what both hold, then what is unanswered goes out again.
    async fn take_link(&mut self, session: Session) {
        if self.link.is_some() {
            self.drop_link().await;
        }
        self.link = Some(session);
        self.beside.is_connected = true;
        self.beside.is_silent = false;
        let now = self.shared.clock.engine_time();
        if let Err(error) = self.step(Input::Connected { now }, WriteSet::default()).await {
            self.trouble("a link could not be taken up", &error).await;
        }
        self.publish();
    }

    async fn lose_link(&mut self, session: SessionId) {
        if self.link.as_ref().is_some_and(|link| link.id() == session) {
            self.drop_link().await;
        }
    }

    async fn drop_link(&mut self) {
        self.link = None;
        self.protection.disconnected();
        self.outbox.clear();
        self.beside.is_connected = false;
        if let Err(error) = self.step(Input::Disconnected, WriteSet::default()).await {
            self.trouble("a lost link could not be noted", &error).await;
        }
        self.publish();
    }

    /// Messages of the counterparty, without those that a later one makes needless.
    async fn take_messages(&mut self, messages: Vec<Received>) {
        for received in newest_only(messages, |received| (received.session, &received.message)) {
            let Received { session, message, credit, .. } = received;
            // What a former link brought is said again on this one.
            if self.link.as_ref().is_none_or(|link| link.id() != session) {
                continue;
            }
            let Some(message) = self.admit(message) else {
                self.beside.is_silent = false;
                continue;
            };
            let result = self.step(Input::Peer(message), WriteSet::default()).await;
            drop(credit);
            if let Err(error) = result {
                self.answer_fault(error).await;
            } else {
                self.beside.is_silent = false;
            }
        }
        self.release().await;
    }

    pub(super) async fn answer_fault(&mut self, error: StepError) {
        let channel_id = self.channel.channel_id();
        let peer = self.channel.parts().setup.peer;
        let needs_replay = match &error {
            // What was lost or had no room comes again with the next link.
            StepError::Protocol(ProtocolError::SequenceGap { .. } | ProtocolError::Busy)
            | StepError::Commit(_) => true,
            StepError::Protocol(_) => false,
        };
        if error.class() == ErrorClass::PeerFault {
            tracing::warn!(%channel_id, error = %wording::chain_of(&error), "the counterparty broke a rule");
            self.shared.peer_fault(peer, &wording::chain_of(&error));
            return;
        }
        self.trouble("a message was refused", &error).await;
        if needs_replay && error.class() != ErrorClass::Fatal {
            self.shared.reset_link(peer);
        }
    }

    /// An order of the operator or the API.
    async fn order(&mut self, command: Command) -> Result<(), Failure> {
        match self.step(Input::Command(command), WriteSet::default()).await {
            Ok(()) => {
                self.beside.problem = None;
                self.publish();
                Ok(())
            }
            Err(error) => {
                let failure = self.failure(&error);
                if error.class() == ErrorClass::Fatal {
                    self.trouble("an order failed", &error).await;
                }
                Err(failure)
            }
        }
    }

    /// A proof file: what it proves is taken in as if the contract had shown it.
    async fn take_shown(&mut self, signed: SignedState) -> Result<(), Failure> {
        let point = StoredPoint::from(&signed.state);
        let fact = ChainFact::Checkpoint { point, evidence: Some(Box::new(signed)) };
        let position = EventPosition::default();
        let timestamp = self.channel.parts().chain.finalized.timestamp;
        let event = ChainEvent { position, timestamp, finality: Finality::Seen, fact };
        let result = self.step(Input::Chain(event), WriteSet::default()).await;
        result.map_err(|error| error.to_failure())
    }

    /// The newest co-signed state with both signatures.
    pub(super) fn whole_evidence(&mut self) -> Result<Option<Evidence>, Failure> {
        let Some(order) = self.channel.evidence() else { return Ok(None) };
        let side = self.channel.side();
        let Some(request) = order.request else { return Ok(Some(order.evidence)) };
        match self.sign(&[request]).pop().flatten() {
            Some(signature) => Ok(Some(order.evidence.with_signature(side, signature))),
            None => Err(Failure::new(
                lockstep_rpc::failure::FailureKind::SigningStopped,
                "our half of the newest state could not be signed again",
            )),
        }
    }

    fn standing(&self, first: lockstep_core::ids::Sequence, count: u32) -> Standing {
        let parts = self.channel.parts();
        let end = first.0.saturating_add(u64::from(count));
        let pending = parts.own_pending.iter().map(|entry| &entry.update);
        let asked = pending.filter(|update| (first.0..end).contains(&update.sequence.0));
        Standing {
            pending: asked.map(|update| (update.sequence, update.action.clone())).collect(),
            last: parts.own_sequence,
        }
    }

    /// Payments that wait for room may be as many as the record holds, once more.
    pub(super) fn has_room_to_hold(&self) -> bool {
        let held: usize = self.held.iter().map(|order: &PayOrder| order.actions.len()).sum();
        held <= MAX_PENDING_UPDATES
    }
}

pub(super) fn reply<T>(answer: oneshot::Sender<Result<T, Failure>>, result: Result<T, Failure>) {
    tell(answer, result);
}

fn tell<T>(answer: oneshot::Sender<T>, value: T) {
    if answer.send(value).is_err() {
        tracing::trace!("nobody waits for this answer any more");
    }
}
