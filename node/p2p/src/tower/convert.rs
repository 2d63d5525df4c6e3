//! Frames of the tower protocol to requests, replies and pushes, and back. Coming in, every width, range
//! and count is checked; whether something is allowed is for the tower to say.

use lockstep_core::adjudicator::Signatures;
use lockstep_core::appointment::{Appointment, SealedLocks};
use lockstep_core::ids::{ChannelId, Digest, Domain, Side, Version};
use lockstep_core::possession::{
    MAX_PATH_STEPS, PathStep, PossessionProof, PossessionRoot, SignedRoot, SumNode,
};
use lockstep_core::receipt::{Receipt, SignedReceipt};
use lockstep_core::time::{BlockNumber, BlockTimestamp};
use lockstep_proto::limit::{MAX_HEARTBEAT_CHAINS, MAX_LISTED_CHANNELS, MAX_TOWER_DOMAINS};
use lockstep_proto::v1;
use lockstep_proto::v1::tower_frame::Body;

use super::message::{
    Access, Acted, ActedStage, ChainHealth, Heartbeat, Held, Push, RefusalCode, Reply, Request,
    Subscription, TowerRefusal, TowerTerms,
};
use crate::convert::{
    Malformed, Wire, address, amount, amount_bytes, hash, head_from, head_to, list, protos,
    required, signature,
};

/// The form of a request.
pub fn request_to(request: &Request) -> Body {
    match request {
        Request::Subscribe { slots } => Body::Subscribe(v1::Subscribe { slots: *slots }),
        Request::Put { appointment, access } => Body::Put(v1::Put {
            appointment: Some(appointment.to_proto()),
            access: Some(access.to_proto()),
        }),
        Request::Get(access) => Body::Get(v1::Get { access: Some(access.to_proto()) }),
        Request::Drop(access) => Body::Drop(v1::Drop { access: Some(access.to_proto()) }),
        Request::List { after } => {
            let after = after.map(|after| after.0.to_vec()).unwrap_or_default();
            Body::List(v1::List { after })
        }
        Request::Prove { channel_id } => {
            Body::Prove(v1::Prove { channel_id: channel_id.0.to_vec() })
        }
    }
}

/// The request of a form; none where it is no request.
///
/// # Errors
/// [`Malformed`].
pub fn request_from(body: Body) -> Result<Option<Request>, Malformed> {
    Ok(Some(match body {
        Body::Subscribe(subscribe) => Request::Subscribe { slots: subscribe.slots },
        Body::Put(put) => Request::Put {
            appointment: Box::new(required(put.appointment, "put.appointment")?),
            access: required(put.access, "put.access")?,
        },
        Body::Get(get) => Request::Get(required(get.access, "get.access")?),
        Body::Drop(drop) => Request::Drop(required(drop.access, "drop.access")?),
        Body::List(list) => Request::List {
            after: if list.after.is_empty() {
                None
            } else {
                Some(ChannelId(hash(&list.after, "list.after")?))
            },
        },
        Body::Prove(prove) => {
            Request::Prove { channel_id: ChannelId(hash(&prove.channel_id, "prove.channel_id")?) }
        }
        Body::Hello(_)
        | Body::HelloProof(_)
        | Body::Ping(_)
        | Body::Pong(_)
        | Body::Subscribed(_)
        | Body::PutReply(_)
        | Body::GetReply(_)
        | Body::Dropped(_)
        | Body::Listed(_)
        | Body::Proof(_)
        | Body::Error(_)
        | Body::Heartbeat(_)
        | Body::Acted(_) => return Ok(None),
    }))
}

/// The form of a reply. A `Held` answers a `Put` and a `Get` in different forms.
pub fn reply_to(reply: &Reply, is_put: bool) -> Body {
    use v1::put_reply::Outcome;
    match reply {
        Reply::Subscribed(subscription) => Body::Subscribed(subscription.to_proto()),
        Reply::Promised(receipt) => {
            Body::PutReply(v1::PutReply { outcome: Some(Outcome::Receipt(receipt.to_proto())) })
        }
        Reply::Held(held) if is_put => {
            Body::PutReply(v1::PutReply { outcome: Some(Outcome::Held(held.to_proto())) })
        }
        Reply::Held(held) => Body::GetReply(held.to_proto()),
        Reply::Dropped { channel_id } => {
            Body::Dropped(v1::Dropped { channel_id: channel_id.0.to_vec() })
        }
        Reply::Listed { channel_ids } => Body::Listed(v1::Listed {
            channel_ids: channel_ids.iter().map(|id| id.0.to_vec()).collect(),
        }),
        Reply::Proof(proof) => Body::Proof(proof.to_proto()),
        Reply::Refused(refusal) => Body::Error(refusal.to_proto()),
    }
}

/// The reply of a form; none where it is no reply.
///
/// # Errors
/// [`Malformed`].
pub fn reply_from(body: Body) -> Result<Option<Reply>, Malformed> {
    use v1::put_reply::Outcome;
    Ok(Some(match body {
        Body::Subscribed(subscribed) => Reply::Subscribed(Wire::from_proto(subscribed)?),
        Body::PutReply(put) => match put.outcome.ok_or(Malformed::Absent { field: "put_reply" })? {
            Outcome::Receipt(receipt) => Reply::Promised(Wire::from_proto(receipt)?),
            Outcome::Held(held) => Reply::Held(Box::new(Wire::from_proto(held)?)),
        },
        Body::GetReply(held) => Reply::Held(Box::new(Wire::from_proto(held)?)),
        Body::Dropped(dropped) => Reply::Dropped {
            channel_id: ChannelId(hash(&dropped.channel_id, "dropped.channel_id")?),
        },
        Body::Listed(listed) => {
            let len = listed.channel_ids.len();
            if len > usize::try_from(MAX_LISTED_CHANNELS).unwrap_or(usize::MAX) {
                return Err(Malformed::TooMany { field: "listed.channel_ids", len });
            }
            let ids = listed.channel_ids.iter();
            let ids = ids.map(|id| hash(id, "listed.channel_ids").map(ChannelId));
            Reply::Listed { channel_ids: ids.collect::<Result<_, _>>()? }
        }
        Body::Proof(proof) => Reply::Proof(Box::new(Wire::from_proto(proof)?)),
        Body::Error(error) => Reply::Refused(Wire::from_proto(error)?),
        Body::Hello(_)
        | Body::HelloProof(_)
        | Body::Ping(_)
        | Body::Pong(_)
        | Body::Subscribe(_)
        | Body::Put(_)
        | Body::Get(_)
        | Body::Drop(_)
        | Body::List(_)
        | Body::Prove(_)
        | Body::Heartbeat(_)
        | Body::Acted(_) => return Ok(None),
    }))
}

/// The form of what is said unasked.
pub fn push_to(push: &Push) -> Body {
    match push {
        Push::Heartbeat(heartbeat) => Body::Heartbeat(heartbeat.to_proto()),
        Push::Acted(acted) => Body::Acted(acted.to_proto()),
    }
}

impl Wire for Access {
    type Proto = v1::Access;

    fn to_proto(&self) -> Self::Proto {
        let side = match self.side {
            Side::One => v1::Side::One,
            Side::Two => v1::Side::Two,
        };
        v1::Access {
            channel_id: self.channel_id.0.to_vec(),
            side: side.into(),
            signature: self.signature.0.to_vec(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let side = match v1::Side::try_from(proto.side) {
            Ok(v1::Side::One) => Side::One,
            Ok(v1::Side::Two) => Side::Two,
            Ok(v1::Side::Unspecified) | Err(_) => {
                return Err(Malformed::OutOfRange { field: "access.side" });
            }
        };
        Ok(Self {
            channel_id: ChannelId(hash(&proto.channel_id, "access.channel_id")?),
            side,
            signature: signature(&proto.signature, "access.signature")?,
        })
    }
}

impl Wire for Appointment {
    type Proto = v1::Appointment;

    fn to_proto(&self) -> Self::Proto {
        v1::Appointment {
            domain: Some(self.domain.to_proto()),
            terms: Some(self.terms.to_proto()),
            state: Some(self.state.to_proto()),
            signature1: self.signatures.one.0.to_vec(),
            signature2: self.signatures.two.0.to_vec(),
            sealed_locks: self.sealed_locks.as_bytes().to_vec(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let sealed_locks = SealedLocks::new(proto.sealed_locks)
            .ok_or(Malformed::OutOfRange { field: "appointment.sealed_locks" })?;
        Ok(Self {
            domain: required(proto.domain, "appointment.domain")?,
            terms: required(proto.terms, "appointment.terms")?,
            state: required(proto.state, "appointment.state")?,
            signatures: Signatures {
                one: signature(&proto.signature1, "appointment.signature1")?,
                two: signature(&proto.signature2, "appointment.signature2")?,
            },
            sealed_locks,
        })
    }
}

impl Wire for SignedReceipt {
    type Proto = v1::Receipt;

    fn to_proto(&self) -> Self::Proto {
        let receipt = &self.receipt;
        v1::Receipt {
            tower: receipt.tower.to_vec(),
            channel_id: receipt.channel_id.0.to_vec(),
            version: receipt.version.0,
            state_hash: receipt.state_hash.0.to_vec(),
            valid_from_secs: receipt.valid_from.0,
            valid_until_secs: receipt.valid_until.0,
            min_window_secs: receipt.min_window,
            insured: amount_bytes(receipt.insured),
            beneficiary: receipt.beneficiary.to_vec(),
            withdraw_version: receipt.withdraw_version.0,
            signature: self.signature.0.to_vec(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let receipt = Receipt {
            tower: address(&proto.tower, "receipt.tower")?,
            channel_id: ChannelId(hash(&proto.channel_id, "receipt.channel_id")?),
            version: Version(proto.version),
            state_hash: Digest(hash(&proto.state_hash, "receipt.state_hash")?),
            valid_from: BlockTimestamp(proto.valid_from_secs),
            valid_until: BlockTimestamp(proto.valid_until_secs),
            min_window: proto.min_window_secs,
            insured: amount(&proto.insured, "receipt.insured")?,
            beneficiary: address(&proto.beneficiary, "receipt.beneficiary")?,
            withdraw_version: Version(proto.withdraw_version),
        };
        Ok(Self { receipt, signature: signature(&proto.signature, "receipt.signature")? })
    }
}

impl Wire for Held {
    type Proto = v1::GetReply;

    fn to_proto(&self) -> Self::Proto {
        v1::GetReply {
            appointment: Some(self.appointment.to_proto()),
            receipt: self.receipt.as_ref().map(Wire::to_proto),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            appointment: required(proto.appointment, "held.appointment")?,
            receipt: proto.receipt.map(SignedReceipt::from_proto).transpose()?,
        })
    }
}

impl Wire for Subscription {
    type Proto = v1::Subscribed;

    fn to_proto(&self) -> Self::Proto {
        v1::Subscribed {
            slots: self.slots,
            used: self.used,
            paid_until_secs: self.paid_until_secs,
            seen_head: self.seen_head.as_ref().map(head_to),
            terms: Some(self.terms.to_proto()),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            slots: proto.slots,
            used: proto.used,
            paid_until_secs: proto.paid_until_secs,
            seen_head: proto.seen_head.as_ref().map(head_from).transpose()?,
            terms: required(proto.terms, "subscribed.terms")?,
        })
    }
}

impl Wire for TowerTerms {
    type Proto = v1::TowerTerms;

    fn to_proto(&self) -> Self::Proto {
        v1::TowerTerms {
            min_window_secs: self.min_window_secs,
            receipt_secs: self.receipt_secs,
            puts_per_minute: self.puts_per_minute,
            max_insured: amount_bytes(self.max_insured),
            domains: protos(&self.domains),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let most = usize::try_from(MAX_TOWER_DOMAINS).unwrap_or(usize::MAX);
        Ok(Self {
            min_window_secs: proto.min_window_secs,
            receipt_secs: proto.receipt_secs,
            puts_per_minute: proto.puts_per_minute,
            max_insured: amount(&proto.max_insured, "terms.max_insured")?,
            domains: list::<Domain>(proto.domains, most, "terms.domains")?,
        })
    }
}

impl Wire for PossessionProof {
    type Proto = v1::Proof;

    fn to_proto(&self) -> Self::Proto {
        v1::Proof {
            root: Some(self.signed.to_proto()),
            insured: amount_bytes(self.insured),
            path: protos(&self.path),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            signed: required(proto.root, "proof.root")?,
            insured: amount(&proto.insured, "proof.insured")?,
            path: list(proto.path, MAX_PATH_STEPS, "proof.path")?,
        })
    }
}

impl Wire for PathStep {
    type Proto = v1::ProofStep;

    fn to_proto(&self) -> Self::Proto {
        v1::ProofStep {
            sibling: self.sibling.hash.to_vec(),
            sibling_insured: amount_bytes(self.sibling.insured),
            is_left: self.is_left,
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            sibling: SumNode {
                hash: hash(&proto.sibling, "step.sibling")?,
                insured: amount(&proto.sibling_insured, "step.sibling_insured")?,
            },
            is_left: proto.is_left,
        })
    }
}

impl Wire for SignedRoot {
    type Proto = v1::PossessionRoot;

    fn to_proto(&self) -> Self::Proto {
        let root = &self.root;
        v1::PossessionRoot {
            tower: root.tower.to_vec(),
            epoch: root.epoch,
            chain_id: root.chain_id,
            block_number: root.block_number.0,
            block_hash: root.block_hash.to_vec(),
            root: root.root.hash.to_vec(),
            insured: amount_bytes(root.root.insured),
            channels: root.channels,
            signature: self.signature.0.to_vec(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let root = PossessionRoot {
            tower: address(&proto.tower, "root.tower")?,
            epoch: proto.epoch,
            chain_id: proto.chain_id,
            block_number: BlockNumber(proto.block_number),
            block_hash: hash(&proto.block_hash, "root.block_hash")?,
            root: SumNode {
                hash: hash(&proto.root, "root.root")?,
                insured: amount(&proto.insured, "root.insured")?,
            },
            channels: proto.channels,
        };
        Ok(Self { root, signature: signature(&proto.signature, "root.signature")? })
    }
}

impl Wire for Heartbeat {
    type Proto = v1::Heartbeat;

    fn to_proto(&self) -> Self::Proto {
        v1::Heartbeat {
            sequence: self.sequence,
            chains: protos(&self.chains),
            root: self.root.as_ref().map(Wire::to_proto),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let most = usize::try_from(MAX_HEARTBEAT_CHAINS).unwrap_or(usize::MAX);
        Ok(Self {
            sequence: proto.sequence,
            chains: list(proto.chains, most, "heartbeat.chains")?,
            root: proto.root.map(SignedRoot::from_proto).transpose()?,
        })
    }
}

impl Wire for ChainHealth {
    type Proto = v1::ChainHealth;

    fn to_proto(&self) -> Self::Proto {
        v1::ChainHealth {
            chain_id: self.chain_id,
            head_number: self.head_number,
            head_hash: self.head_hash.to_vec(),
            finalized_number: self.finalized_number,
            lanes: self.lanes,
            lanes_busy: self.lanes_busy,
            gas_reserve: amount_bytes(self.gas_reserve),
            is_following: self.is_following,
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        Ok(Self {
            chain_id: proto.chain_id,
            head_number: proto.head_number,
            head_hash: hash(&proto.head_hash, "chain.head_hash")?,
            finalized_number: proto.finalized_number,
            lanes: proto.lanes,
            lanes_busy: proto.lanes_busy,
            gas_reserve: amount(&proto.gas_reserve, "chain.gas_reserve")?,
            is_following: proto.is_following,
        })
    }
}

impl Wire for Acted {
    type Proto = v1::Acted;

    fn to_proto(&self) -> Self::Proto {
        let stage = match self.stage {
            ActedStage::Seen => v1::ActedStage::Seen,
            ActedStage::Sent => v1::ActedStage::Sent,
            ActedStage::Included => v1::ActedStage::Included,
            ActedStage::Final => v1::ActedStage::Final,
            ActedStage::Alarm => v1::ActedStage::Alarm,
        };
        v1::Acted {
            channel_id: self.channel_id.0.to_vec(),
            seen_version: self.seen_version.0,
            posted_version: self.posted_version.0,
            tx_hash: self.tx_hash.map(|hash| hash.to_vec()).unwrap_or_default(),
            stage: stage.into(),
        }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let stage = match v1::ActedStage::try_from(proto.stage) {
            Ok(v1::ActedStage::Seen) => ActedStage::Seen,
            Ok(v1::ActedStage::Sent) => ActedStage::Sent,
            Ok(v1::ActedStage::Included) => ActedStage::Included,
            Ok(v1::ActedStage::Final) => ActedStage::Final,
            Ok(v1::ActedStage::Alarm) => ActedStage::Alarm,
            Ok(v1::ActedStage::Unspecified) | Err(_) => {
                return Err(Malformed::OutOfRange { field: "acted.stage" });
            }
        };
        let tx_hash = if proto.tx_hash.is_empty() {
            None
        } else {
            Some(hash(&proto.tx_hash, "acted.tx_hash")?)
        };
        Ok(Self {
            channel_id: ChannelId(hash(&proto.channel_id, "acted.channel_id")?),
            seen_version: Version(proto.seen_version),
            posted_version: Version(proto.posted_version),
            tx_hash,
            stage,
        })
    }
}

impl Wire for TowerRefusal {
    type Proto = v1::TowerError;

    fn to_proto(&self) -> Self::Proto {
        v1::TowerError { code: code_to(self.code).into(), retry_after_secs: self.retry_after_secs }
    }

    fn from_proto(proto: Self::Proto) -> Result<Self, Malformed> {
        let code = v1::TowerErrorCode::try_from(proto.code)
            .ok()
            .and_then(code_from)
            .ok_or(Malformed::OutOfRange { field: "error.code" })?;
        Ok(Self { code, retry_after_secs: proto.retry_after_secs })
    }
}

fn code_to(code: RefusalCode) -> v1::TowerErrorCode {
    match code {
        RefusalCode::BadSignature => v1::TowerErrorCode::BadSignature,
        RefusalCode::NotActionable => v1::TowerErrorCode::NotActionable,
        RefusalCode::WindowTooShort => v1::TowerErrorCode::WindowTooShort,
        RefusalCode::NoSlot => v1::TowerErrorCode::NoSlot,
        RefusalCode::RateLimited => v1::TowerErrorCode::RateLimited,
        RefusalCode::UnknownChannel => v1::TowerErrorCode::UnknownChannel,
        RefusalCode::UnsupportedChain => v1::TowerErrorCode::UnsupportedChain,
        RefusalCode::Storage => v1::TowerErrorCode::Storage,
        RefusalCode::Invalid => v1::TowerErrorCode::Invalid,
        RefusalCode::NotAuthorised => v1::TowerErrorCode::NotAuthorised,
        RefusalCode::ChannelClosed => v1::TowerErrorCode::ChannelClosed,
        RefusalCode::ChainUnavailable => v1::TowerErrorCode::ChainUnavailable,
        RefusalCode::NoProof => v1::TowerErrorCode::NoProof,
        RefusalCode::Busy => v1::TowerErrorCode::Busy,
    }
}

fn code_from(code: v1::TowerErrorCode) -> Option<RefusalCode> {
    match code {
        v1::TowerErrorCode::Unspecified => None,
        v1::TowerErrorCode::BadSignature => Some(RefusalCode::BadSignature),
        v1::TowerErrorCode::NotActionable => Some(RefusalCode::NotActionable),
        v1::TowerErrorCode::WindowTooShort => Some(RefusalCode::WindowTooShort),
        v1::TowerErrorCode::NoSlot => Some(RefusalCode::NoSlot),
        v1::TowerErrorCode::RateLimited => Some(RefusalCode::RateLimited),
        v1::TowerErrorCode::UnknownChannel => Some(RefusalCode::UnknownChannel),
        v1::TowerErrorCode::UnsupportedChain => Some(RefusalCode::UnsupportedChain),
        v1::TowerErrorCode::Storage => Some(RefusalCode::Storage),
        v1::TowerErrorCode::Invalid => Some(RefusalCode::Invalid),
        v1::TowerErrorCode::NotAuthorised => Some(RefusalCode::NotAuthorised),
        v1::TowerErrorCode::ChannelClosed => Some(RefusalCode::ChannelClosed),
        v1::TowerErrorCode::ChainUnavailable => Some(RefusalCode::ChainUnavailable),
        v1::TowerErrorCode::NoProof => Some(RefusalCode::NoProof),
        v1::TowerErrorCode::Busy => Some(RefusalCode::Busy),
    }
}

/// What is said unasked; none where it is something else.
///
/// # Errors
/// [`Malformed`].
pub fn push_from(body: &Body) -> Result<Option<Push>, Malformed> {
    match body {
        Body::Heartbeat(heartbeat) => {
            let heartbeat = Heartbeat::from_proto(heartbeat.clone())?;
            Ok(Some(Push::Heartbeat(Box::new(heartbeat))))
        }
        Body::Acted(acted) => Ok(Some(Push::Acted(Acted::from_proto(acted.clone())?))),
        Body::Hello(_)
        | Body::HelloProof(_)
        | Body::Ping(_)
        | Body::Pong(_)
        | Body::Subscribe(_)
        | Body::Subscribed(_)
        | Body::Put(_)
        | Body::PutReply(_)
        | Body::Get(_)
        | Body::GetReply(_)
        | Body::Drop(_)
        | Body::Dropped(_)
        | Body::List(_)
        | Body::Listed(_)
        | Body::Prove(_)
        | Body::Proof(_)
        | Body::Error(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests;
