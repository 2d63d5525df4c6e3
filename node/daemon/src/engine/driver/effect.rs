//! Carries out what a durable step leads to, in order.

use super::Driver;
use crate::chain::{Revealed, call_budget};
use crate::engine::alarms::{self, AlarmKind};
use crate::engine::equivocation;
use crate::engine::event::Event;
use crate::engine::opening;
use crate::engine::wording;
use alloy_primitives::B256;
use lockstep_chain::call::SignedIntent;
use lockstep_core::chain::{ChainEvent, ChainFact, EventPosition, Obligation, ObligationKind};
use lockstep_core::commit::Durable;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::AccountRef;
use lockstep_core::message::PeerMessage;
use lockstep_core::output::{AfterSigning, Effect, Notice, Output};
use lockstep_core::request::SigningRequest;
use lockstep_core::signature::StateSignature;
use lockstep_core::time::Finality;
use lockstep_p2p::SendError;
use std::sync::Arc;
use std::time::Duration;

/// How long until a call is handed to the chain side again, if that could not take it.
const SUBMIT_AGAIN: Duration = Duration::from_secs(2);

/// The signer has refused what a call needs.
struct Unsigned;

/// An effect that has its signature already, or waits for it.
enum Prepared {
    Ready(Box<Effect>),
    Signed(Box<AfterSigning>),
}

impl Driver {
    /// Signs in one go what is to be signed, then does everything in order.
    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut requests = Vec::new();
        let mut prepared = Vec::with_capacity(effects.len());
        for effect in effects {
            match effect {
                // P49: once the journal has failed only what goes to the chain is signed, again.
                Output::Sign { then: AfterSigning::Send(_), .. }
                    if self.shared.is_signing_stopped() || self.is_halted => {}
                Output::Sign { request, then } => {
                    requests.push(request);
                    prepared.push(Prepared::Signed(Box::new(then)));
                }
                ready @ (Output::Send(_)
                | Output::Submit(_)
                | Output::Protect { .. }
                | Output::Watch { .. }
                | Output::Notify(_)) => prepared.push(Prepared::Ready(Box::new(ready))),
            }
        }
        let mut signatures = self.sign(&requests).into_iter();
        for step in prepared {
            match step {
                Prepared::Ready(effect) => self.perform(*effect),
                Prepared::Signed(then) => match signatures.next().flatten() {
                    Some(signature) => self.perform(then.complete(signature)),
                    None => self.leave_unsigned(&then),
                },
            }
        }
    }

    /// What is only to be sent is asked for again by the next link. A call to the chain comes again with the next
    /// start, which the operator must hear of.
    fn leave_unsigned(&mut self, then: &AfterSigning) {
        let AfterSigning::Submit { obligation, .. } = then else { return };
        self.alarm_unsigned(obligation);
    }

    fn alarm_unsigned(&self, obligation: &Obligation) {
        let kind = alarms::chain::call(obligation.key().kind);
        let message = format!(
            "{kind} is due on the chain, and our half of the newest state cannot be signed: what was agreed last \
             was not written down before the signer stopped. Make room on the disk and restart the node at once"
        );
        self.shared.alarm(AlarmKind::CallUnsigned, Some(self.channel.channel_id()), message);
    }

    /// One signature for each request; none where the signer says no.
    pub(super) fn sign(
        &mut self,
        requests: &[Durable<SigningRequest>],
    ) -> Vec<Option<StateSignature>> {
        if requests.is_empty() {
            return vec![];
        }
        let outcomes = self.shared.keys.sign_batch(requests);
        self.shared.metrics.signed(outcomes.len());
        outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Ok(signature) => Some(signature),
                Err(error) => {
                    let channel_id = self.channel.channel_id();
                    let error_text = wording::chain_of(&error);
                    tracing::error!(%channel_id, error = error_text, "a signature was refused");
                    if error.is_limited_to_channel() {
                        let message = format!(
                            "the signer refuses this channel: {error_text}. Nothing was sent; the channel \
                             can be closed with `lockstep force-close`"
                        );
                        self.shared.alarm(AlarmKind::SignerRefuses, Some(channel_id), message.clone());
                        self.beside.problem = Some(message);
                    } else if error.class() == ErrorClass::Fatal {
                        self.shared.stop_signing(&error_text);
                    }
                    None
                }
            })
            .collect()
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Output::Send(message) => self.send(message),
            Output::Submit(obligation) => self.submit(obligation),
            // The embedded tower is this driver itself: it answers from its own record.
            Output::Protect { version } => {
                tracing::trace!(channel_id = %self.channel.channel_id(), %version, "newer state");
            }
            Output::Watch { hash } => self.watch_secret(hash),
            Output::Notify(notice) => self.tell(&notice),
            // Everything was signed before.
            Output::Sign { .. } => {}
        }
    }

    /// Sends to the counterparty, in order; without a link the next connection says it again.
    fn send(&mut self, message: PeerMessage) {
        let Some(link) = &self.link else { return };
        if !self.outbox.is_empty() {
            self.outbox.push_back(message);
            return;
        }
        match link.try_send(self.channel.channel_id(), &message) {
            Ok(()) => self.shared.metrics.sent(),
            Err(SendError::Busy) => self.outbox.push_back(message),
            Err(SendError::NoSession) => {}
            Err(error @ SendError::TooLarge { .. }) => {
                let channel_id = self.channel.channel_id();
                tracing::error!(%channel_id, error = %error, "a message does not fit a frame");
            }
        }
    }

    /// Hands a call to the chain side, which makes it durable. Not awaited: the chain side may itself be
    /// waiting for this driver.
    pub(super) fn submit(&mut self, obligation: Obligation) {
        let intent = match self.close_intent(&obligation) {
            Ok(intent) => intent,
            Err(Unsigned) => return self.alarm_unsigned(&obligation),
        };
        let spare = self.spare_intent(&obligation, intent);
        let (shared, channel_id) = (Arc::clone(&self.shared), self.channel.channel_id());
        let parts = self.channel.parts();
        // P76: by what is at risk now, not when the channel began.
        let allowed = shared.settings.max_call_cost;
        let max_cost = call_budget(parts.setup.terms.token, parts.at_risk(), allowed);
        tokio::spawn(async move {
            if let Err(error) = shared.chain.allow(channel_id, max_cost).await {
                tracing::debug!(%channel_id, error = %error, "the chain side has ended");
            }
            if let Some(spare) = spare
                && let Err(error) = shared.chain.take_intent(*obligation.key(), spare).await
            {
                tracing::debug!(%channel_id, error = %error, "the chain side has ended");
            }
            while let Err(error) = shared.chain.submit(obligation.clone(), intent).await {
                let error = wording::chain_of(&error);
                tracing::warn!(%channel_id, error, "a call cannot be handed over yet");
                if shared.sleep_or_stop(SUBMIT_AGAIN).await {
                    return;
                }
            }
        });
    }

    /// For the start of a close whose owner is another account than the one that sends it: our signer's order, which
    /// the contract takes from anybody.
    fn close_intent(&mut self, obligation: &Obligation) -> Result<Option<SignedIntent>, Unsigned> {
        let key = obligation.key();
        let setup = &self.channel.parts().setup;
        let owner = setup.terms.participant(setup.side);
        let is_owned_here = owner == AccountRef::Evm(self.shared.settings.account);
        if key.kind != ObligationKind::InitiateClose || is_owned_here {
            return Ok(None);
        }
        let (intent, request) = self.channel.close_intent(key.version).ok_or(Unsigned)?;
        let signature = self.sign(&[request]).pop().flatten().ok_or(Unsigned)?;
        Ok(Some((intent, signature)))
    }

    /// The same order for the account on L1, should the start of a close have to go past the sequencer. Without it the
    /// close still goes out on the rollup.
    fn spare_intent(
        &mut self,
        obligation: &Obligation,
        known: Option<SignedIntent>,
    ) -> Option<SignedIntent> {
        let key = obligation.key();
        if known.is_some() || key.kind != ObligationKind::InitiateClose {
            return known;
        }
        self.shared.bridge.as_ref()?;
        let (intent, request) = self.channel.close_intent(key.version)?;
        let signature = self.sign(&[request]).pop().flatten()?;
        Some((intent, signature))
    }

    /// Asks whether the registry has taken a lock's secret already, and for all that it takes from now on.
    fn watch_secret(&self, hash: B256) {
        let (shared, channel_id) = (Arc::clone(&self.shared), self.channel.channel_id());
        tokio::spawn(async move {
            let revealed = loop {
                match shared.chain.watch_secret(hash).await {
                    Ok(revealed) => break revealed,
                    Err(error) => {
                        let error = wording::chain_of(&error);
                        tracing::warn!(%channel_id, error, "the registry was not asked yet");
                    }
                }
                if shared.sleep_or_stop(SUBMIT_AGAIN).await {
                    return;
                }
            };
            let Some(Revealed { secret, at }) = revealed else { return };
            let event = ChainEvent {
                position: EventPosition::default(),
                timestamp: at,
                finality: Finality::Final,
                fact: ChainFact::SecretRevealed { hash, secret, at },
            };
            if let Some(handle) = shared.registry.get(channel_id) {
                handle.urge(Event::Fact(Box::new(event))).await;
            }
        });
    }

    /// Logs a notice and counts it. Whoever waits for it is told after the step.
    fn tell(&mut self, notice: &Notice) {
        let channel_id = self.channel.channel_id();
        let side = self.channel.side();
        match notice {
            Notice::Queued { .. } => {}
            Notice::Applied { id, version, .. } if id.payer == side => {
                self.outcomes.applied(id.sequence, *version);
                self.shared.metrics.paid(true);
                self.settle_charge(id.sequence, false);
            }
            Notice::Applied { .. } => self.shared.metrics.paid(false),
            Notice::Failed { id, reason } => {
                tracing::info!(%channel_id, ?reason, sequence = %id.sequence, "a payment failed");
                self.outcomes.failed(id.sequence, *reason);
                self.shared.metrics.failed();
                self.settle_charge(id.sequence, true);
            }
            Notice::Refused { sequence, reason } => {
                tracing::debug!(%channel_id, %sequence, ?reason, "a payment will be left out");
            }
            Notice::PeerSilent => {
                self.beside.is_silent = true;
                tracing::warn!(%channel_id, "the counterparty owes an answer for too long");
            }
            Notice::OpenRejected { reason } => {
                let why = wording::reject_reason(*reason);
                self.beside.problem = Some(format!("the counterparty declined the channel: {why}"));
                tracing::info!(%channel_id, ?reason, "the counterparty declined a channel");
            }
            Notice::CloseRefused { reason } => {
                let why = wording::reject_reason(*reason);
                tracing::warn!(%channel_id, ?reason, "the counterparty does not sign the end");
                self.beside.problem = Some(format!(
                    "the counterparty does not sign the end: {why}; `lockstep force-close` is always possible"
                ));
            }
            Notice::SecretLearned { hash, .. } => {
                // P54: a secret that still pays is never logged.
                tracing::info!(%channel_id, %hash, "the secret of a lock is known");
            }
            Notice::CloseSeen { version, closes_at, .. } => {
                tracing::warn!(%channel_id, %version, %closes_at, "a close was seen on the chain");
            }
            Notice::Equivocation(proof) => {
                let version = proof.first.version;
                tracing::error!(%channel_id, %version, "the counterparty signed two states of one version");
                let message = format!(
                    "the counterparty signed two states of version {version}. `lockstep export-proof --equivocation` \
                     gives the proof, nothing more is signed in this channel; close it with `lockstep force-close`"
                );
                equivocation::found(&self.shared, &self.channel.parts().setup, **proof);
                self.shared.alarm(AlarmKind::Equivocation, Some(channel_id), message);
            }
            Notice::Restored { reason } => {
                tracing::error!(%channel_id, ?reason, "a channel has lost data and only closes");
                let message = format!(
                    "{}. The channel signs nothing but its end; close it with `lockstep close`",
                    wording::restore_reason(*reason)
                );
                self.shared.alarm(AlarmKind::ChannelRestored, Some(channel_id), message);
            }
            Notice::Frozen { reason } => {
                tracing::error!(%channel_id, ?reason, "a channel signs nothing more");
            }
            Notice::UnprovenClaim { version } => {
                tracing::warn!(%channel_id, %version, "the counterparty claims a newer state without proof");
            }
            Notice::Opened => {
                tracing::info!(%channel_id, "the channel is open");
                let (shared, peer) = (Arc::clone(&self.shared), self.channel.parts().setup.peer);
                tokio::spawn(async move { opening::keep_counterparty(&shared, peer).await });
            }
            Notice::OpenConsented
            | Notice::Funded { .. }
            | Notice::CloseVanished
            | Notice::Withdrawn { .. }
            | Notice::WithdrawalExpired { .. }
            | Notice::WithdrawalRefused { .. }
            | Notice::LockResolved { .. }
            | Notice::Settled { .. } => {
                tracing::info!(%channel_id, ?notice, "channel has moved on");
            }
        }
        self.has_news = true;
    }

    /// A payment that counted against a token's limit has ended.
    fn settle_charge(&self, sequence: lockstep_core::ids::Sequence, has_failed: bool) {
        let channel_id = self.channel.channel_id();
        let Some(charge) = self.shared.ledger.charge(channel_id, sequence) else { return };
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            shared.ledger.settle(&shared.journal, charge, has_failed).await;
        });
    }
}
