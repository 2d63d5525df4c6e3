//! What a channel is made of: terms, states, locks, updates.

use lockstep_core::ids::{ChannelId, Domain, InvoiceId, Sequence, Version};
use lockstep_core::lock::{Lock, MAX_EXPIRY, MAX_LOCKS};
use lockstep_core::message::{RejectReason, SignedState};
use lockstep_core::state::{Open, PartialWithdraw, State, StateKind};
use lockstep_core::terms::Terms;
use lockstep_core::time::BlockTimestamp;
use lockstep_core::update::{Action, Memo, Payment, Update};
use lockstep_proto::v1;

use super::{
    Malformed, Wire, account, account_bytes, address, amount, amount_bytes, hash, list, locked,
    net, net_bytes, protos, required, signature,
};

impl Wire for Domain {
    type Proto = v1::Domain;

    fn to_proto(&self) -> Self::Proto {
        let kind = match self {
            Self::Evm { chain_id, contract } => v1::domain::Kind::Evm(v1::EvmDomain {
                chain_id: *chain_id,
                contract: contract.to_vec(),
            }),
            Self::Starknet { chain_id, hub } => v1::domain::Kind::Starknet(v1::StarknetDomain {
                chain_id: chain_id.to_vec(),
                hub: hub.to_vec(),
            }),
        };
        v1::Domain { kind: Some(kind) }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        match proto.kind.ok_or(Malformed::Absent { field: "domain.kind" })? {
            v1::domain::Kind::Evm(evm) => Ok(Self::Evm {
                chain_id: evm.chain_id,
                contract: address(&evm.contract, "domain.contract")?,
            }),
            v1::domain::Kind::Starknet(starknet) => Ok(Self::Starknet {
                chain_id: hash(&starknet.chain_id, "domain.chain_id")?,
                hub: hash(&starknet.hub, "domain.hub")?,
            }),
        }
    }
}

impl Wire for Terms {
    type Proto = v1::Terms;

    fn to_proto(&self) -> Self::Proto {
        v1::Terms {
            participant1: account_bytes(self.participant1),
            participant2: account_bytes(self.participant2),
            signer1: self.signer1.to_vec(),
            signer2: self.signer2.to_vec(),
            token: account_bytes(self.token),
            challenge_period_secs: self.challenge_period,
            salt: self.salt.to_vec(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            participant1: account(&proto.participant1, "terms.participant1")?,
            participant2: account(&proto.participant2, "terms.participant2")?,
            signer1: address(&proto.signer1, "terms.signer1")?,
            signer2: address(&proto.signer2, "terms.signer2")?,
            token: account(&proto.token, "terms.token")?,
            challenge_period: proto.challenge_period_secs,
            salt: hash(&proto.salt, "terms.salt")?,
        })
    }
}

impl Wire for State {
    type Proto = v1::State;

    fn to_proto(&self) -> Self::Proto {
        let kind = match self.kind {
            StateKind::Ordinary => v1::StateKind::Ordinary,
            StateKind::Final => v1::StateKind::Final,
        };
        v1::State {
            channel_id: self.channel_id.0.to_vec(),
            version: self.version.0,
            kind: kind.into(),
            net: net_bytes(self.net),
            locked1: amount_bytes(self.locked1),
            locked2: amount_bytes(self.locked2),
            locks_root: self.locks_root.to_vec(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let kind = match v1::StateKind::try_from(proto.kind) {
            Ok(v1::StateKind::Ordinary) => StateKind::Ordinary,
            Ok(v1::StateKind::Final) => StateKind::Final,
            Ok(v1::StateKind::Unspecified) | Err(_) => {
                return Err(Malformed::OutOfRange { field: "state.kind" });
            }
        };
        Ok(Self {
            channel_id: ChannelId(hash(&proto.channel_id, "state.channel_id")?),
            version: Version(proto.version),
            kind,
            net: net(&proto.net, "state.net")?,
            locked1: locked(&proto.locked1, "state.locked1")?,
            locked2: locked(&proto.locked2, "state.locked2")?,
            locks_root: hash(&proto.locks_root, "state.locks_root")?,
        })
    }
}

impl Wire for Lock {
    type Proto = v1::Lock;

    fn to_proto(&self) -> Self::Proto {
        v1::Lock {
            hash: self.hash.to_vec(),
            resolver: account_bytes(self.resolver),
            amount: amount_bytes(self.amount),
            expiry_secs: self.expiry.0,
            from1: self.from1,
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        if proto.expiry_secs > MAX_EXPIRY {
            return Err(Malformed::OutOfRange { field: "lock.expiry" });
        }
        Ok(Self {
            hash: hash(&proto.hash, "lock.hash")?,
            resolver: account(&proto.resolver, "lock.resolver")?,
            amount: locked(&proto.amount, "lock.amount")?,
            expiry: BlockTimestamp(proto.expiry_secs),
            from1: proto.from1,
        })
    }
}

impl Wire for SignedState {
    type Proto = v1::CoSignedState;

    fn to_proto(&self) -> Self::Proto {
        v1::CoSignedState {
            state: Some(self.state.to_proto()),
            locks: protos(&self.locks),
            signature1: self.signature1.0.to_vec(),
            signature2: self.signature2.0.to_vec(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            state: required(proto.state, "newest.state")?,
            locks: list(proto.locks, MAX_LOCKS, "newest.locks")?,
            signature1: signature(&proto.signature1, "newest.signature1")?,
            signature2: signature(&proto.signature2, "newest.signature2")?,
        })
    }
}

impl Wire for PartialWithdraw {
    type Proto = v1::PartialWithdraw;

    fn to_proto(&self) -> Self::Proto {
        v1::PartialWithdraw {
            channel_id: self.channel_id.0.to_vec(),
            version: self.version.0,
            net: net_bytes(self.net),
            locked1: amount_bytes(self.locked1),
            locked2: amount_bytes(self.locked2),
            locks_root: self.locks_root.to_vec(),
            out1: amount_bytes(self.out1),
            out2: amount_bytes(self.out2),
            deadline_secs: self.deadline.0,
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            channel_id: ChannelId(hash(&proto.channel_id, "withdraw.channel_id")?),
            version: Version(proto.version),
            net: net(&proto.net, "withdraw.net")?,
            locked1: locked(&proto.locked1, "withdraw.locked1")?,
            locked2: locked(&proto.locked2, "withdraw.locked2")?,
            locks_root: hash(&proto.locks_root, "withdraw.locks_root")?,
            out1: amount(&proto.out1, "withdraw.out1")?,
            out2: amount(&proto.out2, "withdraw.out2")?,
            deadline: BlockTimestamp(proto.deadline_secs),
        })
    }
}

impl Wire for Open {
    type Proto = v1::Open;

    fn to_proto(&self) -> Self::Proto {
        v1::Open {
            channel_id: self.channel_id.0.to_vec(),
            min_deposit1: amount_bytes(self.min_deposit1),
            deadline_secs: self.deadline.0,
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            channel_id: ChannelId(hash(&proto.channel_id, "open.channel_id")?),
            min_deposit1: amount(&proto.min_deposit1, "open.min_deposit1")?,
            deadline: BlockTimestamp(proto.deadline_secs),
        })
    }
}

impl Wire for Update {
    type Proto = v1::Update;

    fn to_proto(&self) -> Self::Proto {
        let action = match &self.action {
            Action::Pay(payment) => v1::update::Action::Pay(v1::Payment {
                amount: amount_bytes(payment.amount),
                memo: payment.memo.as_bytes().to_vec(),
                invoice: payment.invoice.map(|invoice| invoice.0.to_vec()).unwrap_or_default(),
            }),
            Action::AddLock(lock) => v1::update::Action::AddLock(lock.to_proto()),
            Action::SettleLock { hash, secret } => {
                let (hash, secret) = (hash.to_vec(), secret.to_vec());
                v1::update::Action::SettleLock(v1::LockSettlement { hash, secret })
            }
            Action::FailLock { hash } => v1::update::Action::FailLock(hash.to_vec()),
            Action::ExpireLock { hash } => v1::update::Action::ExpireLock(hash.to_vec()),
        };
        v1::Update { sequence: self.sequence.0, action: Some(action) }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let action = match proto.action.ok_or(Malformed::Absent { field: "update.action" })? {
            v1::update::Action::Pay(payment) => Action::Pay(payment_from(payment)?),
            v1::update::Action::AddLock(lock) => Action::AddLock(Lock::from_proto(lock)?),
            v1::update::Action::SettleLock(settlement) => Action::SettleLock {
                hash: hash(&settlement.hash, "settle.hash")?,
                secret: hash(&settlement.secret, "settle.secret")?,
            },
            v1::update::Action::FailLock(bytes) => {
                Action::FailLock { hash: hash(&bytes, "fail.hash")? }
            }
            v1::update::Action::ExpireLock(bytes) => {
                Action::ExpireLock { hash: hash(&bytes, "expire.hash")? }
            }
        };
        Ok(Self { sequence: Sequence(proto.sequence), action })
    }
}

fn payment_from(proto: v1::Payment) -> Result<Payment, Malformed> {
    let amount = amount(&proto.amount, "payment.amount")?;
    if amount.is_zero() {
        return Err(Malformed::OutOfRange { field: "payment.amount" });
    }
    let invoice = if proto.invoice.is_empty() {
        None
    } else {
        Some(InvoiceId(hash(&proto.invoice, "payment.invoice")?))
    };
    let memo =
        Memo::new(proto.memo).map_err(|_| Malformed::OutOfRange { field: "payment.memo" })?;
    Ok(Payment { amount, memo, invoice })
}

/// The form of a reason.
pub(super) fn reason_to(reason: RejectReason) -> i32 {
    let proto = match reason {
        RejectReason::InsufficientBalance => v1::RejectReason::InsufficientBalance,
        RejectReason::InvoiceRefused => v1::RejectReason::InvoiceRefused,
        RejectReason::LockRefused => v1::RejectReason::LockRefused,
        RejectReason::UnknownLock => v1::RejectReason::UnknownLock,
        RejectReason::Mismatch => v1::RejectReason::Mismatch,
        RejectReason::WithdrawalOutstanding => v1::RejectReason::WithdrawalOutstanding,
        RejectReason::NotNow => v1::RejectReason::NotNow,
        RejectReason::Policy => v1::RejectReason::Policy,
    };
    proto.into()
}

/// The reason of a form.
pub(super) fn reason_from(number: i32) -> Result<RejectReason, Malformed> {
    match v1::RejectReason::try_from(number) {
        Ok(v1::RejectReason::InsufficientBalance) => Ok(RejectReason::InsufficientBalance),
        Ok(v1::RejectReason::InvoiceRefused) => Ok(RejectReason::InvoiceRefused),
        Ok(v1::RejectReason::LockRefused) => Ok(RejectReason::LockRefused),
        Ok(v1::RejectReason::UnknownLock) => Ok(RejectReason::UnknownLock),
        Ok(v1::RejectReason::Mismatch) => Ok(RejectReason::Mismatch),
        Ok(v1::RejectReason::WithdrawalOutstanding) => Ok(RejectReason::WithdrawalOutstanding),
        Ok(v1::RejectReason::NotNow) => Ok(RejectReason::NotNow),
        Ok(v1::RejectReason::Policy) => Ok(RejectReason::Policy),
        Ok(v1::RejectReason::Unspecified) | Err(_) => {
            Err(Malformed::OutOfRange { field: "reject_reason" })
        }
    }
}
