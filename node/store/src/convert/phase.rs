//! Phases and what the chain has shown.

use lockstep_core::{
    chain::{ChannelStatus, CloseMode, CloseSighting, EventPosition, StoredPoint},
    ids::Side,
    money::{Deposit, Deposits},
    record::{ChainFacts, ClosingStage, Consent, Dispute, OpeningStage, Phase, Settlement},
    time::{BlockNumber, BlockPoint, Finality},
};
use lockstep_proto::v1::{self, channel_row::Phase as ProtoPhase};

use super::{
    Malformed, Stored, amount, amount_bytes, channel, hash, net, protos, required, signature_bytes,
    signature_if_any, signed, signed_bytes, time, version,
};

/// The stored form of a phase.
pub(crate) fn phase_to(phase: &Phase) -> ProtoPhase {
    match phase {
        Phase::Opening(stage) => ProtoPhase::Opening(opening_to(*stage)),
        Phase::Funding { consent } => {
            ProtoPhase::Funding(v1::Funding { consent: consent.as_ref().map(Stored::to_proto) })
        }
        Phase::Open => ProtoPhase::Open(v1::OpenPhase {}),
        Phase::Closing(stage) => ProtoPhase::Closing(stage.to_proto()),
        Phase::Disputed(dispute) => ProtoPhase::Disputed(dispute.to_proto()),
        Phase::Settled(settlement) => ProtoPhase::Settled(settlement.to_proto()),
    }
}

/// The phase of a stored form.
pub(crate) fn phase_from(proto: ProtoPhase) -> Result<Phase, Malformed> {
    Ok(match proto {
        ProtoPhase::Opening(stage) => Phase::Opening(opening_from(stage)?),
        ProtoPhase::Funding(funding) => {
            Phase::Funding { consent: funding.consent.map(Consent::from_proto).transpose()? }
        }
        ProtoPhase::Open(v1::OpenPhase {}) => Phase::Open,
        ProtoPhase::Closing(closing) => Phase::Closing(ClosingStage::from_proto(closing)?),
        ProtoPhase::Disputed(dispute) => Phase::Disputed(Dispute::from_proto(dispute)?),
        ProtoPhase::Settled(settlement) => Phase::Settled(Settlement::from_proto(settlement)?),
    })
}

fn opening_to(stage: OpeningStage) -> i32 {
    let proto = match stage {
        OpeningStage::Requested => v1::OpeningStage::Requested,
        OpeningStage::Rejected => v1::OpeningStage::Rejected,
    };
    proto.into()
}

fn opening_from(number: i32) -> Result<OpeningStage, Malformed> {
    match v1::OpeningStage::try_from(number) {
        Ok(v1::OpeningStage::Requested) => Ok(OpeningStage::Requested),
        Ok(v1::OpeningStage::Rejected) => Ok(OpeningStage::Rejected),
        Ok(v1::OpeningStage::Unspecified) | Err(_) => {
            Err(Malformed::OutOfRange { field: "opening_stage" })
        }
    }
}

impl Stored for ClosingStage {
    type Proto = v1::Closing;

    fn to_proto(&self) -> Self::Proto {
        let (stage, version, submit_after) = match *self {
            Self::Requested => (v1::ClosingStage::Requested, 0, 0),
            Self::Draining { min_version } => (v1::ClosingStage::Draining, min_version.0, 0),
            Self::FinalBound { version } => (v1::ClosingStage::FinalBound, version.0, 0),
            Self::FinalSigned { version, submit_after } => {
                (v1::ClosingStage::FinalSigned, version.0, submit_after.0)
            }
            Self::Unilateral => (v1::ClosingStage::Unilateral, 0, 0),
        };
        v1::Closing { stage: stage.into(), version, submit_after_secs: submit_after }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let version = version(proto.version);
        match v1::ClosingStage::try_from(proto.stage) {
            Ok(v1::ClosingStage::Requested) => Ok(Self::Requested),
            Ok(v1::ClosingStage::Draining) => Ok(Self::Draining { min_version: version }),
            Ok(v1::ClosingStage::FinalBound) => Ok(Self::FinalBound { version }),
            Ok(v1::ClosingStage::FinalSigned) => {
                Ok(Self::FinalSigned { version, submit_after: time(proto.submit_after_secs) })
            }
            Ok(v1::ClosingStage::Unilateral) => Ok(Self::Unilateral),
            Ok(v1::ClosingStage::Unspecified) | Err(_) => {
                Err(Malformed::OutOfRange { field: "closing_stage" })
            }
        }
    }
}

impl Stored for Dispute {
    type Proto = v1::Dispute;

    fn to_proto(&self) -> Self::Proto {
        v1::Dispute {
            sighting: Some(self.sighting.to_proto()),
            interrupted: self.interrupted.as_ref().map(Stored::to_proto),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            sighting: required(proto.sighting, "dispute.sighting")?,
            interrupted: proto.interrupted.map(ClosingStage::from_proto).transpose()?,
        })
    }
}

impl Stored for Consent {
    type Proto = v1::Consent;

    fn to_proto(&self) -> Self::Proto {
        v1::Consent { open: Some(self.open.to_proto()), signature: signature_bytes(self.signature) }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            open: required(proto.open, "consent.open")?,
            signature: signature_if_any(&proto.signature, "consent.signature")?,
        })
    }
}

impl Stored for BlockPoint {
    type Proto = v1::BlockPoint;

    fn to_proto(&self) -> Self::Proto {
        v1::BlockPoint { number: self.number.0, timestamp_secs: self.timestamp.0 }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self { number: BlockNumber(proto.number), timestamp: time(proto.timestamp_secs) })
    }
}

impl Stored for EventPosition {
    type Proto = v1::EventPosition;

    fn to_proto(&self) -> Self::Proto {
        v1::EventPosition { block: self.block.0, log_index: self.log_index }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self { block: BlockNumber(proto.block), log_index: proto.log_index })
    }
}

impl Stored for StoredPoint {
    type Proto = v1::StoredPoint;

    fn to_proto(&self) -> Self::Proto {
        v1::StoredPoint {
            version: self.version.0,
            net: signed_bytes(self.net.get()),
            is_final: self.is_final,
            locked1: amount_bytes(self.locked1),
            locked2: amount_bytes(self.locked2),
            locks_root: self.locks_root.to_vec(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            version: version(proto.version),
            net: net(&proto.net, "point.net")?,
            is_final: proto.is_final,
            locked1: amount(&proto.locked1, "point.locked1")?,
            locked2: amount(&proto.locked2, "point.locked2")?,
            locks_root: hash(&proto.locks_root, "point.locks_root")?,
        })
    }
}

impl Stored for CloseSighting {
    type Proto = v1::CloseSighting;

    fn to_proto(&self) -> Self::Proto {
        let finality = match self.finality {
            Finality::Seen => v1::Finality::Seen,
            Finality::Safe => v1::Finality::Safe,
            Finality::Final => v1::Finality::Final,
        };
        v1::CloseSighting {
            point: Some(self.point.to_proto()),
            closes_at_secs: self.closes_at.0,
            initiator: channel::side_to(self.initiator),
            position: Some(self.position.to_proto()),
            first_seen: Some(self.first_seen.to_proto()),
            finality: finality.into(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let finality = match v1::Finality::try_from(proto.finality) {
            Ok(v1::Finality::Seen) => Finality::Seen,
            Ok(v1::Finality::Safe) => Finality::Safe,
            Ok(v1::Finality::Final) => Finality::Final,
            Ok(v1::Finality::Unspecified) | Err(_) => {
                return Err(Malformed::OutOfRange { field: "sighting.finality" });
            }
        };
        Ok(Self {
            point: required(proto.point, "sighting.point")?,
            closes_at: time(proto.closes_at_secs),
            initiator: channel::side_from(proto.initiator)?,
            position: required(proto.position, "sighting.position")?,
            first_seen: required(proto.first_seen, "sighting.first_seen")?,
            finality,
        })
    }
}

impl Stored for Settlement {
    type Proto = v1::Settlement;

    fn to_proto(&self) -> Self::Proto {
        let mode = match self.mode {
            CloseMode::Cooperative => v1::CloseMode::Cooperative,
            CloseMode::Unilateral => v1::CloseMode::Unilateral,
            CloseMode::Cancelled => v1::CloseMode::Cancelled,
        };
        v1::Settlement {
            version: self.version.0,
            mode: mode.into(),
            paid1: amount_bytes(self.paid1),
            paid2: amount_bytes(self.paid2),
            held1: amount_bytes(self.held1),
            held2: amount_bytes(self.held2),
            locks: protos(&self.locks),
            resolved: self.resolved,
            returned: self.returned,
            position: Some(self.position.to_proto()),
            is_final: self.is_final,
            interrupted: self.interrupted.as_ref().map(Stored::to_proto),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let mode = match v1::CloseMode::try_from(proto.mode) {
            Ok(v1::CloseMode::Cooperative) => CloseMode::Cooperative,
            Ok(v1::CloseMode::Unilateral) => CloseMode::Unilateral,
            Ok(v1::CloseMode::Cancelled) => CloseMode::Cancelled,
            Ok(v1::CloseMode::Unspecified) | Err(_) => {
                return Err(Malformed::OutOfRange { field: "settlement.mode" });
            }
        };
        Ok(Self {
            version: version(proto.version),
            mode,
            paid1: amount(&proto.paid1, "settlement.paid1")?,
            paid2: amount(&proto.paid2, "settlement.paid2")?,
            held1: amount(&proto.held1, "settlement.held1")?,
            held2: amount(&proto.held2, "settlement.held2")?,
            locks: channel::locks(proto.locks)?,
            resolved: proto.resolved,
            returned: proto.returned,
            position: required(proto.position, "settlement.position")?,
            is_final: proto.is_final,
            interrupted: proto.interrupted.map(ClosingStage::from_proto).transpose()?,
        })
    }
}

impl Stored for ChainFacts {
    type Proto = v1::ChainFacts;

    fn to_proto(&self) -> Self::Proto {
        let status = match self.status {
            ChannelStatus::None => v1::ChannelStatus::None,
            ChannelStatus::Pending => v1::ChannelStatus::Pending,
            ChannelStatus::Active => v1::ChannelStatus::Active,
            ChannelStatus::Closing => v1::ChannelStatus::Closing,
            ChannelStatus::Closed => v1::ChannelStatus::Closed,
        };
        v1::ChainFacts {
            status: status.into(),
            deposit1: signed_bytes(self.deposits.of(Side::One).get()),
            deposit2: signed_bytes(self.deposits.of(Side::Two).get()),
            finalized: Some(self.finalized.to_proto()),
            applied: Some(self.applied.to_proto()),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let status = match v1::ChannelStatus::try_from(proto.status) {
            Ok(v1::ChannelStatus::None) => ChannelStatus::None,
            Ok(v1::ChannelStatus::Pending) => ChannelStatus::Pending,
            Ok(v1::ChannelStatus::Active) => ChannelStatus::Active,
            Ok(v1::ChannelStatus::Closing) => ChannelStatus::Closing,
            Ok(v1::ChannelStatus::Closed) => ChannelStatus::Closed,
            Err(_) => return Err(Malformed::OutOfRange { field: "chain.status" }),
        };
        let deposit = |bytes: &[u8], field| {
            Deposit::new(signed(bytes, field)?).map_err(|_| Malformed::OutOfRange { field })
        };
        let deposits = Deposits::new(
            deposit(&proto.deposit1, "chain.deposit1")?,
            deposit(&proto.deposit2, "chain.deposit2")?,
        );
        Ok(Self {
            status,
            deposits: deposits.map_err(|_| Malformed::OutOfRange { field: "chain.deposits" })?,
            finalized: required(proto.finalized, "chain.finalized")?,
            applied: required(proto.applied, "chain.applied")?,
        })
    }
}
