//! Bridge transfers.

use lockstep_core::{
    ids::{ChainRef, ChannelId},
    transfer::{
        DepositStage, RecoverAction, Transfer, TransferKey, TransferRecord, TransferStage,
        WithdrawStage,
    },
};
use lockstep_proto::v1::{self, transfer_row as row};

use super::{
    Malformed, Stored, account, account_bytes, amount, amount_bytes, hash, required, time,
};

impl Stored for ChainRef {
    type Proto = v1::ChainRef;

    fn to_proto(&self) -> Self::Proto {
        let kind = match self {
            Self::Evm(chain_id) => v1::chain_ref::Kind::Evm(*chain_id),
            Self::Starknet(chain_id) => v1::chain_ref::Kind::Starknet(chain_id.to_vec()),
        };
        v1::ChainRef { kind: Some(kind) }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        match proto.kind.ok_or(Malformed::Absent { field: "chain.kind" })? {
            v1::chain_ref::Kind::Evm(chain_id) => Ok(Self::Evm(chain_id)),
            v1::chain_ref::Kind::Starknet(bytes) => {
                hash(&bytes, "chain.starknet").map(Self::Starknet)
            }
        }
    }
}

impl Stored for TransferKey {
    type Proto = v1::TransferKey;

    fn to_proto(&self) -> Self::Proto {
        v1::TransferKey {
            chain: Some(self.chain.to_proto()),
            tx: self.tx.to_vec(),
            log_index: self.log_index,
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            chain: required(proto.chain, "transfer_key.chain")?,
            tx: hash(&proto.tx, "transfer_key.tx")?,
            log_index: proto.log_index,
        })
    }
}

impl Stored for TransferRecord {
    type Proto = v1::TransferRow;

    fn to_proto(&self) -> Self::Proto {
        let Self { transfer, channel, memo } = self;
        let stage = match transfer.stage {
            TransferStage::Deposit(stage) => row::Stage::Deposit(stage.to_proto()),
            TransferStage::Withdraw(stage) => row::Stage::Withdraw(stage.to_proto()),
        };
        v1::TransferRow {
            id: transfer.id.to_vec(),
            key: transfer.key.as_ref().map(Stored::to_proto),
            from: Some(transfer.from.to_proto()),
            to: Some(transfer.to.to_proto()),
            token: account_bytes(transfer.token),
            amount: amount_bytes(transfer.amount),
            stage: Some(stage),
            memo: memo.clone(),
            channel_id: channel.map(|channel| channel.0.to_vec()).unwrap_or_default(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let stage = match proto.stage.ok_or(Malformed::Absent { field: "transfer.stage" })? {
            row::Stage::Deposit(stage) => TransferStage::Deposit(DepositStage::from_proto(stage)?),
            row::Stage::Withdraw(stage) => {
                TransferStage::Withdraw(WithdrawStage::from_proto(stage)?)
            }
        };
        let transfer = Transfer {
            id: hash(&proto.id, "transfer.id")?,
            key: proto.key.map(TransferKey::from_proto).transpose()?,
            from: required(proto.from, "transfer.from")?,
            to: required(proto.to, "transfer.to")?,
            token: account(&proto.token, "transfer.token")?,
            amount: amount(&proto.amount, "transfer.amount")?,
            stage,
        };
        let channel = match proto.channel_id.as_slice() {
            [] => None,
            bytes => Some(ChannelId(hash(bytes, "transfer.channel_id")?)),
        };
        Ok(Self { transfer, channel, memo: proto.memo })
    }
}

impl Stored for DepositStage {
    type Proto = v1::DepositStage;

    fn to_proto(&self) -> Self::Proto {
        let (tag, action) = match self {
            Self::Planned => (v1::DepositTag::Planned, None),
            Self::Sent => (v1::DepositTag::Sent, None),
            Self::L1Final => (v1::DepositTag::L1Final, None),
            Self::Delivered => (v1::DepositTag::Delivered, None),
            Self::Credited => (v1::DepositTag::Credited, None),
            Self::FailedRecoverable(action) => (v1::DepositTag::FailedRecoverable, Some(*action)),
            Self::Expired(action) => (v1::DepositTag::Expired, Some(*action)),
            Self::Refunded => (v1::DepositTag::Refunded, None),
            Self::Abandoned => (v1::DepositTag::Abandoned, None),
        };
        v1::DepositStage { tag: tag.into(), action: action.map_or(0, action_to) }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        match v1::DepositTag::try_from(proto.tag) {
            Ok(v1::DepositTag::Planned) => Ok(Self::Planned),
            Ok(v1::DepositTag::Sent) => Ok(Self::Sent),
            Ok(v1::DepositTag::L1Final) => Ok(Self::L1Final),
            Ok(v1::DepositTag::Delivered) => Ok(Self::Delivered),
            Ok(v1::DepositTag::Credited) => Ok(Self::Credited),
            Ok(v1::DepositTag::FailedRecoverable) => {
                action_from(proto.action).map(Self::FailedRecoverable)
            }
            Ok(v1::DepositTag::Expired) => action_from(proto.action).map(Self::Expired),
            Ok(v1::DepositTag::Refunded) => Ok(Self::Refunded),
            Ok(v1::DepositTag::Abandoned) => Ok(Self::Abandoned),
            Ok(v1::DepositTag::Unspecified) | Err(_) => {
                Err(Malformed::OutOfRange { field: "deposit_stage.tag" })
            }
        }
    }
}

impl Stored for WithdrawStage {
    type Proto = v1::WithdrawStage;

    fn to_proto(&self) -> Self::Proto {
        let (tag, finalizable_at_secs) = match self {
            Self::Planned => (v1::WithdrawTag::Planned, 0),
            Self::Initiated => (v1::WithdrawTag::Initiated, 0),
            Self::Proposed => (v1::WithdrawTag::Proposed, 0),
            Self::Provable => (v1::WithdrawTag::Provable, 0),
            Self::Proven { finalizable_at } => (v1::WithdrawTag::Proven, finalizable_at.0),
            Self::Finalizable => (v1::WithdrawTag::Finalizable, 0),
            Self::Done => (v1::WithdrawTag::Done, 0),
            Self::Abandoned => (v1::WithdrawTag::Abandoned, 0),
        };
        v1::WithdrawStage { tag: tag.into(), finalizable_at_secs }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        match v1::WithdrawTag::try_from(proto.tag) {
            Ok(v1::WithdrawTag::Planned) => Ok(Self::Planned),
            Ok(v1::WithdrawTag::Initiated) => Ok(Self::Initiated),
            Ok(v1::WithdrawTag::Proposed) => Ok(Self::Proposed),
            Ok(v1::WithdrawTag::Provable) => Ok(Self::Provable),
            Ok(v1::WithdrawTag::Proven) => {
                Ok(Self::Proven { finalizable_at: time(proto.finalizable_at_secs) })
            }
            Ok(v1::WithdrawTag::Finalizable) => Ok(Self::Finalizable),
            Ok(v1::WithdrawTag::Done) => Ok(Self::Done),
            Ok(v1::WithdrawTag::Abandoned) => Ok(Self::Abandoned),
            Ok(v1::WithdrawTag::Unspecified) | Err(_) => {
                Err(Malformed::OutOfRange { field: "withdraw_stage.tag" })
            }
        }
    }
}

fn action_to(action: RecoverAction) -> i32 {
    let proto = match action {
        RecoverAction::Redeem => v1::RecoverAction::Redeem,
        RecoverAction::KeepAlive => v1::RecoverAction::KeepAlive,
        RecoverAction::Replay => v1::RecoverAction::Replay,
        RecoverAction::Cancel => v1::RecoverAction::Cancel,
        RecoverAction::ClaimFailed => v1::RecoverAction::ClaimFailed,
    };
    proto.into()
}

fn action_from(number: i32) -> Result<RecoverAction, Malformed> {
    match v1::RecoverAction::try_from(number) {
        Ok(v1::RecoverAction::Redeem) => Ok(RecoverAction::Redeem),
        Ok(v1::RecoverAction::KeepAlive) => Ok(RecoverAction::KeepAlive),
        Ok(v1::RecoverAction::Replay) => Ok(RecoverAction::Replay),
        Ok(v1::RecoverAction::Cancel) => Ok(RecoverAction::Cancel),
        Ok(v1::RecoverAction::ClaimFailed) => Ok(RecoverAction::ClaimFailed),
        Ok(v1::RecoverAction::Unspecified) | Err(_) => {
            Err(Malformed::OutOfRange { field: "recover_action" })
        }
    }
}
