//! What is done about a close when the journal can't be written: watching and challenging go on (P49, P51).

use super::Driver;
use alloy_primitives::B256;
use lockstep_core::chain::{
    ChainCall, ChainEvent, ChainFact, CloseSighting, Obligation, ObligationKey, ObligationKind,
};
use lockstep_core::dispute::{Response, respond};
use lockstep_core::ids::Version;
use lockstep_core::time::{BlockPoint, BlockTimestamp};

/// The newest close that was seen, kept beside the record.
#[derive(Debug, Default)]
pub(super) struct Threat {
    sighting: Option<CloseSighting>,
    answered: Option<(ObligationKind, Version)>,
}

impl Driver {
    /// Remembers a close, and that it is over.
    pub(super) fn note_threat(&mut self, event: &ChainEvent) {
        match &event.fact {
            ChainFact::Closing { point, closes_at, initiator, .. } => {
                let position = event.position;
                let first_seen = BlockPoint { number: position.block, timestamp: event.timestamp };
                self.threat.sighting = Some(CloseSighting {
                    point: *point,
                    closes_at: *closes_at,
                    initiator: *initiator,
                    position,
                    first_seen,
                    finality: event.finality,
                });
            }
            ChainFact::Closed { .. } | ChainFact::CloseVanished => {
                self.threat = Threat::default();
            }
            ChainFact::Opened { .. }
            | ChainFact::Joined { .. }
            | ChainFact::Funded { .. }
            | ChainFact::Checkpoint { .. }
            | ChainFact::PartialWithdrawn { .. }
            | ChainFact::LockResolved { .. }
            | ChainFact::SecretRevealed { .. } => {}
        }
    }

    /// Answers a close that is not in the record, since it could not be written there. The same decision as
    /// the core's; what it signs again was bound and durable before.
    pub(super) fn answer_threat(&mut self, now: BlockTimestamp) {
        let Some(sighting) = self.threat.sighting else { return };
        if !self.backlog.has_facts() {
            return;
        }
        let channel_id = self.channel.channel_id();
        let (kind, version, call, before) = match respond(&sighting, self.channel.version(), now) {
            Response::Wait { .. } => return,
            Response::Settle => (ObligationKind::Close, Version::ZERO, ChainCall::Close, None),
            Response::Challenge { version, before } => {
                let Ok(Some(evidence)) = self.whole_evidence() else { return };
                (ObligationKind::Challenge, version, ChainCall::Challenge(evidence), Some(before))
            }
        };
        if self.threat.answered == Some((kind, version)) {
            return;
        }
        tracing::warn!(%channel_id, ?kind, %version, "a close is answered without the journal");
        let key = ObligationKey { channel_id, kind, version, detail: B256::ZERO };
        self.submit(Obligation::new(key, call, before));
        self.threat.answered = Some((kind, version));
    }
}
