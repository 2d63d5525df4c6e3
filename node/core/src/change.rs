//! A transition in the making.

use crate::commit::{Binding, Transition};
use crate::digest::SigningDomain;
use crate::duty::{self, Duty};
use crate::error::{Invariant, ProtocolError};
use crate::ids::{ChannelId, Digest, PaymentId, Sequence, Side, Version};
use crate::message::{PeerMessage, UnsignedMessage};
use crate::output::{AfterSigning, Notice, Output};
use crate::phase::open::secret;
use crate::record::{ChannelRecord, ClosingStage, MAX_BINDINGS, Phase, RecordParts};
use crate::request::{SigningContent, SigningRequest};
use crate::session::Session;
use crate::time::BlockTimestamp;
use alloy_primitives::B256;
use std::collections::BTreeSet;

/// What a channel may bind at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    /// Any state.
    Any,
    /// States that take in what waits, and then a final one.
    Draining,
    /// Final states only: data was lost.
    FinalOnly,
}

/// A copy of a channel that an input changes; it becomes a transition or is thrown away.
pub(crate) struct Change<'a> {
    pub(crate) domain: &'a SigningDomain,
    pub(crate) channel_id: ChannelId,
    pub(crate) parts: RecordParts,
    pub(crate) session: Session,
    bindings: Vec<Binding>,
    outputs: Vec<Output>,
    needs_write: bool,
}

impl<'a> Change<'a> {
    pub(crate) fn new(
        domain: &'a SigningDomain,
        record: &ChannelRecord,
        session: &Session,
    ) -> Self {
        Self {
            domain,
            channel_id: record.channel_id(),
            parts: record.parts().clone(),
            session: Session { generation: session.generation.wrapping_add(1), ..session.clone() },
            bindings: vec![],
            outputs: vec![],
            needs_write: false,
        }
    }

    /// Our side.
    pub(crate) fn side(&self) -> Side {
        self.parts.setup.side
    }

    /// The record, to be changed; it will be written.
    pub(crate) fn write(&mut self) -> &mut RecordParts {
        self.needs_write = true;
        &mut self.parts
    }

    /// Does something that may fail without failing the whole: then this change is as it was before.
    pub(crate) fn attempt<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, ProtocolError>,
    ) -> Result<T, ProtocolError> {
        let (parts, session, needs_write) =
            (self.parts.clone(), self.session.clone(), self.needs_write);
        let (bindings, outputs) = (self.bindings.len(), self.outputs.len());
        let result = act(self);
        if result.is_err() {
            self.parts = parts;
            self.session = session;
            self.needs_write = needs_write;
            self.bindings.truncate(bindings);
            self.outputs.truncate(outputs);
        }
        result
    }

    pub(crate) fn notify(&mut self, notice: Notice) {
        self.outputs.push(Output::Notify(notice));
    }

    pub(crate) fn send(&mut self, message: PeerMessage) {
        self.outputs.push(Output::Send(message));
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.outputs.push(output);
    }

    /// Names one side's update.
    pub(crate) fn payment_id(&self, payer: Side, sequence: Sequence) -> PaymentId {
        PaymentId { channel_id: self.channel_id, payer, sequence }
    }

    /// A request for our signature; it is sound only for content that is bound, or takes no version.
    pub(crate) fn request(&self, content: SigningContent) -> SigningRequest {
        let setup = &self.parts.setup;
        SigningRequest::new(
            self.domain,
            setup.key_context(),
            setup.own_signer(),
            setup.side,
            content,
        )
    }

    /// Signs content that is bound already, and sends a message with it.
    pub(crate) fn sign_and_send(&mut self, content: SigningContent, message: UnsignedMessage) {
        let request = self.request(content);
        self.outputs.push(Output::Sign { request, then: AfterSigning::Send(message) });
    }

    /// What may be bound now.
    ///
    /// # Errors
    /// If nothing may be.
    pub(crate) fn permit(&self) -> Result<Permit, ProtocolError> {
        permit(&self.parts)
    }

    /// Binds a version to a digest, for ever.
    ///
    /// # Errors
    /// If the version is not new: two digests of one version must never exist.
    pub(crate) fn bind(&mut self, version: Version, digest: Digest) -> Result<(), ProtocolError> {
        let guard = &mut self.write().guard;
        if version <= guard.highest {
            return Err(ProtocolError::InvariantBroken(Invariant::OneDigestPerVersion));
        }
        guard.highest = version;
        guard.bound.insert(version, digest);
        if guard.bound.len() > MAX_BINDINGS {
            return Err(ProtocolError::InvariantBroken(Invariant::Bounds));
        }
        self.bindings.push(Binding { version, digest });
        Ok(())
    }

    /// Forgets digests that can no longer matter. Only the newest co-signed state, those in flight and the
    /// outstanding withdrawal are ever signed again; old withdrawals would else fill the guard.
    pub(crate) fn prune_guard(&mut self) {
        let parts = self.write();
        let base = parts.base.as_ref().map(|base| base.state.version);
        let withdraw = parts.withdrawal.map(|outstanding| outstanding.withdraw.version);
        let in_flight: BTreeSet<Version> =
            parts.in_flight.iter().map(|proposal| proposal.state.version).collect();
        parts.guard.bound.retain(|version, _| {
            Some(*version) == base || Some(*version) == withdraw || in_flight.contains(version)
        });
    }

    /// The transition, with every duty that this change brings.
    pub(crate) fn finish(self, before: &RecordParts, head: BlockTimestamp) -> Transition {
        let had = duty::owed(before, self.channel_id, head);
        self.finish_with(&had, &secret::unanswered(before))
    }

    /// The transition, with every duty there is: after a start, none is known to be in hand.
    pub(crate) fn finish_with_all_duties(self) -> Transition {
        self.finish_with(&[], &BTreeSet::new())
    }

    fn finish_with(mut self, had: &[Duty], asked: &BTreeSet<B256>) -> Transition {
        let is_new = |duty: &Duty| !had.iter().any(|other| other.covers(duty));
        let owed = duty::owed(&self.parts, self.channel_id, self.session.head.timestamp);
        let owed: Vec<Output> =
            owed.into_iter().filter(is_new).map(|duty| duty.into_output(&self)).collect();
        self.outputs.extend(owed);
        let questions = secret::unanswered(&self.parts);
        self.outputs.extend(questions.difference(asked).map(|hash| Output::Watch { hash: *hash }));
        let record = ChannelRecord::succeed(self.channel_id, self.parts);
        Transition::new(record, self.session, self.bindings, self.outputs, self.needs_write)
    }
}

/// What may be bound, by marks, phase and chain.
///
/// Source: protocol §1, §4, §5; P34, P41, P42, P46.
pub(crate) fn permit(parts: &RecordParts) -> Result<Permit, ProtocolError> {
    if let Some(reason) = parts.marks.frozen {
        return Err(ProtocolError::Frozen { reason });
    }
    let permit = match &parts.phase {
        Phase::Opening(_) | Phase::Funding { .. } => return Err(ProtocolError::WrongPhase),
        Phase::Open | Phase::Closing(ClosingStage::Requested) => Permit::Any,
        Phase::Closing(ClosingStage::Draining { .. }) => Permit::Draining,
        Phase::Closing(ClosingStage::FinalBound { .. } | ClosingStage::FinalSigned { .. }) => {
            return Err(ProtocolError::FinalBound);
        }
        Phase::Closing(ClosingStage::Unilateral) | Phase::Disputed(_) | Phase::Settled(_) => {
            return Err(ProtocolError::CloseSeen);
        }
    };
    if parts.marks.restored.is_some() { Ok(Permit::FinalOnly) } else { Ok(permit) }
}
