//! What the chain follower and the submitter keep across restarts.

use alloy_primitives::B256;
use lockstep_core::{
    chain::{
        ChainCall, Cursor, Evidence, Obligation, ObligationKey, ObligationKind, ObligationStage,
        WithdrawEvidence,
    },
    ids::ChannelId,
    money::Amount,
    time::BlockNumber,
};
use lockstep_proto::v1::{self, obligation_row as row};

use super::{
    Malformed, Stored, amount, amount_bytes, channel, hash, protos, required, signature_bytes,
    signature_if_any, time, version,
};

impl Stored for Cursor {
    type Proto = v1::CursorRow;

    fn to_proto(&self) -> Self::Proto {
        v1::CursorRow { block: Some(self.block.to_proto()), hash: self.hash.to_vec() }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            block: required(proto.block, "cursor.block")?,
            hash: hash(&proto.hash, "cursor.hash")?,
        })
    }
}

impl Stored for Evidence {
    type Proto = v1::Evidence;

    fn to_proto(&self) -> Self::Proto {
        v1::Evidence {
            state: Some(self.state.to_proto()),
            locks: protos(&self.locks),
            signature1: signature_bytes(self.signature1),
            signature2: signature_bytes(self.signature2),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            state: channel::state(proto.state, "evidence.state")?,
            locks: channel::locks(proto.locks)?,
            signature1: signature_if_any(&proto.signature1, "evidence.signature1")?,
            signature2: signature_if_any(&proto.signature2, "evidence.signature2")?,
        })
    }
}

impl Stored for WithdrawEvidence {
    type Proto = v1::WithdrawEvidence;

    fn to_proto(&self) -> Self::Proto {
        v1::WithdrawEvidence {
            withdraw: Some(self.withdraw.to_proto()),
            signature1: signature_bytes(self.signature1),
            signature2: signature_bytes(self.signature2),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            withdraw: required(proto.withdraw, "withdraw_evidence.withdraw")?,
            signature1: signature_if_any(&proto.signature1, "withdraw_evidence.signature1")?,
            signature2: signature_if_any(&proto.signature2, "withdraw_evidence.signature2")?,
        })
    }
}

impl Stored for Obligation {
    type Proto = v1::ObligationRow;

    fn to_proto(&self) -> Self::Proto {
        let key = self.key();
        v1::ObligationRow {
            channel_id: key.channel_id.0.to_vec(),
            version: key.version.0,
            detail: key.detail.to_vec(),
            call: Some(call_to(self.call())),
            deadline_secs: self.deadline().map(|deadline| deadline.0),
            stage: Some(stage_to(self.stage())),
            highest_fee_per_gas: amount_bytes(Amount::from(self.highest_fee_per_gas())),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let call = call_from(proto.call.ok_or(Malformed::Absent { field: "obligation.call" })?)?;
        let stage = proto.stage.ok_or(Malformed::Absent { field: "obligation.stage" })?;
        let key = ObligationKey {
            channel_id: ChannelId(hash(&proto.channel_id, "obligation.channel_id")?),
            // It follows from the call, so the two can never disagree on disk.
            kind: call.kind(),
            version: version(proto.version),
            detail: hash(&proto.detail, "obligation.detail")?,
        };
        let fee = amount(&proto.highest_fee_per_gas, "obligation.fee")?
            .to_u128()
            .ok_or(Malformed::OutOfRange { field: "obligation.fee" })?;
        let deadline = proto.deadline_secs.map(time);
        Ok(Self::from_parts(key, call, deadline, stage_from(stage)?, fee))
    }
}

/// The bytes that name an obligation within its channel: kind, version, detail.
pub(crate) fn obligation_suffix(key: &ObligationKey) -> Vec<u8> {
    let kind = match key.kind {
        ObligationKind::InitiateClose => 1,
        ObligationKind::Challenge => 2,
        ObligationKind::Close => 3,
        ObligationKind::CooperativeClose => 4,
        ObligationKind::PartialWithdraw => 5,
        ObligationKind::RegisterSecret => 6,
        ObligationKind::ResolveLocks => 7,
    };
    let mut suffix = vec![kind];
    suffix.extend_from_slice(&key.version.0.to_be_bytes());
    suffix.extend_from_slice(key.detail.as_slice());
    suffix
}

fn call_to(call: &ChainCall) -> row::Call {
    match call {
        ChainCall::InitiateClose(evidence) => row::Call::InitiateClose(v1::InitiateClose {
            evidence: evidence.as_ref().map(Stored::to_proto),
        }),
        ChainCall::Challenge(evidence) => row::Call::Challenge(evidence.to_proto()),
        ChainCall::Close => row::Call::Close(v1::CloseCall {}),
        ChainCall::CooperativeClose(evidence) => row::Call::CooperativeClose(evidence.to_proto()),
        ChainCall::PartialWithdraw(evidence) => row::Call::PartialWithdraw(evidence.to_proto()),
        ChainCall::RegisterSecret { secret } => row::Call::RegisterSecret(secret.to_vec()),
        ChainCall::ResolveLocks { locks, mask } => {
            row::Call::ResolveLocks(v1::ResolveLocks { locks: protos(locks), mask: *mask })
        }
    }
}

fn call_from(call: row::Call) -> Result<ChainCall, Malformed> {
    Ok(match call {
        row::Call::InitiateClose(close) => {
            ChainCall::InitiateClose(close.evidence.map(Evidence::from_proto).transpose()?)
        }
        row::Call::Challenge(evidence) => ChainCall::Challenge(Evidence::from_proto(evidence)?),
        row::Call::Close(v1::CloseCall {}) => ChainCall::Close,
        row::Call::CooperativeClose(evidence) => {
            ChainCall::CooperativeClose(Evidence::from_proto(evidence)?)
        }
        row::Call::PartialWithdraw(evidence) => {
            ChainCall::PartialWithdraw(WithdrawEvidence::from_proto(evidence)?)
        }
        row::Call::RegisterSecret(secret) => {
            ChainCall::RegisterSecret { secret: hash(&secret, "register.secret")? }
        }
        row::Call::ResolveLocks(resolve) => {
            ChainCall::ResolveLocks { locks: channel::locks(resolve.locks)?, mask: resolve.mask }
        }
    })
}

fn stage_to(stage: ObligationStage) -> row::Stage {
    let tag = |tag: v1::StageTag| row::Stage::StageTag(tag.into());
    match stage {
        ObligationStage::Owed => tag(v1::StageTag::Owed),
        ObligationStage::Submitted { tx } => row::Stage::Submitted(tx.to_vec()),
        ObligationStage::Included { tx, block } => {
            row::Stage::Included(v1::Included { tx: tx.to_vec(), block: block.0 })
        }
        ObligationStage::Done => tag(v1::StageTag::Done),
        ObligationStage::Obsolete => tag(v1::StageTag::Obsolete),
    }
}

fn stage_from(stage: row::Stage) -> Result<ObligationStage, Malformed> {
    let tx = |bytes: &[u8]| -> Result<B256, Malformed> { hash(bytes, "obligation.tx") };
    match stage {
        row::Stage::Submitted(bytes) => Ok(ObligationStage::Submitted { tx: tx(&bytes)? }),
        row::Stage::Included(included) => Ok(ObligationStage::Included {
            tx: tx(&included.tx)?,
            block: BlockNumber(included.block),
        }),
        row::Stage::StageTag(number) => match v1::StageTag::try_from(number) {
            Ok(v1::StageTag::Owed) => Ok(ObligationStage::Owed),
            Ok(v1::StageTag::Done) => Ok(ObligationStage::Done),
            Ok(v1::StageTag::Obsolete) => Ok(ObligationStage::Obsolete),
            Ok(v1::StageTag::Unspecified) | Err(_) => {
                Err(Malformed::OutOfRange { field: "obligation.stage" })
            }
        },
    }
}
