//! What peers say about one channel.

use lockstep_core::ids::{ChannelId, Sequence, Version};
use lockstep_core::lock::MAX_LOCKS;
use lockstep_core::message::{
    OpenConsent, OpenOffer, OpenQuery, OpenRequest, PeerMessage, Proposal, ReestablishBody,
};
use lockstep_core::state::PartialWithdraw;
use lockstep_core::terms::Features;
use lockstep_core::update::MAX_PENDING_UPDATES;
use lockstep_proto::v1;
use lockstep_proto::v1::channel_message::Body;

use super::channel::{reason_from, reason_to};
use super::{
    Malformed, Wire, account, account_bytes, amount, amount_bytes, fixed, hash, list, protos,
    required, signature,
};

/// The form of a message about a channel.
pub fn message_to(channel_id: ChannelId, message: &PeerMessage) -> v1::ChannelMessage {
    v1::ChannelMessage { channel_id: channel_id.0.to_vec(), body: Some(body_to(message)) }
}

fn body_to(message: &PeerMessage) -> Body {
    match message {
        PeerMessage::OpenQuery(query) => {
            Body::OpenQuery(v1::OpenQuery { domain: Some(query.domain.to_proto()) })
        }
        PeerMessage::OpenOffer(offer) => Body::OpenOffer(v1::OpenOffer {
            participant: account_bytes(offer.participant),
            signer_key: offer.signer_key.to_vec(),
        }),
        PeerMessage::OpenRequest(request) => Body::OpenRequest(open_request_to(request)),
        PeerMessage::OpenAccept { consent, signature } => Body::OpenAccept(v1::OpenAccept {
            open: Some(consent.open.to_proto()),
            features: consent.features.bits(),
            signer_key: consent.signer_key.to_vec(),
            signature: signature.0.to_vec(),
        }),
        PeerMessage::OpenReject { reason } => {
            Body::OpenReject(v1::OpenReject { reason: reason_to(*reason) })
        }
        PeerMessage::Propose { proposal, signature } => Body::Propose(v1::Propose {
            base_version: proposal.base_version.0,
            state: Some(proposal.state.to_proto()),
            locks: protos(&proposal.locks),
            updates: protos(&proposal.updates),
            intents_through: proposal.intents_through.0,
            refused: proposal.refused.iter().map(|sequence| sequence.0).collect(),
            signature: signature.0.to_vec(),
        }),
        PeerMessage::Accept { version, signature } => {
            Body::Accept(v1::Accept { version: version.0, signature: signature.0.to_vec() })
        }
        PeerMessage::Reject { version, reason, update, base } => Body::Reject(v1::Reject {
            version: version.0,
            reason: reason_to(*reason),
            update: update.map(|sequence| sequence.0),
            base_version: base.0,
        }),
        PeerMessage::Intent { updates } => Body::Intent(v1::Intent { updates: protos(updates) }),
        PeerMessage::Refuse { sequence, reason } => {
            Body::Refuse(v1::Refuse { sequence: sequence.0, reason: reason_to(*reason) })
        }
        PeerMessage::WithdrawRequest { out1, out2 } => Body::WithdrawRequest(v1::WithdrawRequest {
            out1: amount_bytes(*out1),
            out2: amount_bytes(*out2),
        }),
        PeerMessage::WithdrawPropose { withdraw, signature } => {
            Body::WithdrawPropose(v1::WithdrawPropose {
                withdraw: Some(withdraw.to_proto()),
                signature: signature.0.to_vec(),
            })
        }
        PeerMessage::WithdrawAccept { version, signature } => {
            let (version, signature) = (version.0, signature.0.to_vec());
            Body::WithdrawAccept(v1::WithdrawAccept { version, signature })
        }
        PeerMessage::WithdrawReject { version, reason } => {
            let (version, reason) = (version.0, reason_to(*reason));
            Body::WithdrawReject(v1::WithdrawReject { version, reason })
        }
        PeerMessage::CloseRequest { min_version } => {
            Body::CloseRequest(v1::CloseRequest { min_version: min_version.0 })
        }
        PeerMessage::Reestablish(body) => Body::Reestablish(v1::Reestablish {
            newest: body.newest.as_ref().map(Wire::to_proto),
            highest_bound: body.highest_bound.0,
            sequence1: body.sequence1.0,
            sequence2: body.sequence2.0,
        }),
    }
}

fn open_request_to(request: &OpenRequest) -> v1::OpenRequest {
    v1::OpenRequest {
        domain: Some(request.domain.to_proto()),
        terms: Some(request.terms.to_proto()),
        deposit1: amount_bytes(request.deposit1),
        deposit2: amount_bytes(request.deposit2),
        features: request.features.bits(),
        signer_key: request.signer_key.to_vec(),
    }
}

/// The channel that a form is about, and its message.
///
/// # Errors
/// [`Malformed`] at the first field that does not hold.
pub fn message_from(proto: v1::ChannelMessage) -> Result<(ChannelId, PeerMessage), Malformed> {
    let channel_id = ChannelId(hash(&proto.channel_id, "channel_id")?);
    // An absent body is also what a kind of message that this version does not know looks like.
    let body = proto.body.ok_or(Malformed::Absent { field: "channel.body" })?;
    Ok((channel_id, body_from(channel_id, body)?))
}

fn body_from(channel_id: ChannelId, body: Body) -> Result<PeerMessage, Malformed> {
    match body {
        Body::OpenQuery(query) => Ok(PeerMessage::OpenQuery(OpenQuery {
            domain: required(query.domain, "open_query.domain")?,
        })),
        Body::OpenOffer(offer) => Ok(PeerMessage::OpenOffer(OpenOffer {
            participant: account(&offer.participant, "open_offer.participant")?,
            signer_key: fixed(&offer.signer_key, "open_offer.signer_key")?,
        })),
        Body::OpenRequest(open) => open_request_from(channel_id, open),
        Body::OpenAccept(accept) => open_accept_from(channel_id, accept),
        Body::OpenReject(reject) => {
            Ok(PeerMessage::OpenReject { reason: reason_from(reject.reason)? })
        }
        Body::Propose(propose) => propose_from(channel_id, propose),
        Body::Accept(accept) => Ok(PeerMessage::Accept {
            version: Version(accept.version),
            signature: signature(&accept.signature, "accept.signature")?,
        }),
        Body::Reject(reject) => Ok(PeerMessage::Reject {
            version: Version(reject.version),
            reason: reason_from(reject.reason)?,
            update: reject.update.map(Sequence),
            base: Version(reject.base_version),
        }),
        Body::Intent(intent) => Ok(PeerMessage::Intent {
            updates: list(intent.updates, MAX_PENDING_UPDATES, "intent.updates")?,
        }),
        Body::Refuse(refuse) => Ok(PeerMessage::Refuse {
            sequence: Sequence(refuse.sequence),
            reason: reason_from(refuse.reason)?,
        }),
        Body::WithdrawRequest(request) => Ok(PeerMessage::WithdrawRequest {
            out1: amount(&request.out1, "withdraw.out1")?,
            out2: amount(&request.out2, "withdraw.out2")?,
        }),
        Body::WithdrawPropose(propose) => withdraw_propose_from(channel_id, propose),
        Body::WithdrawAccept(accept) => Ok(PeerMessage::WithdrawAccept {
            version: Version(accept.version),
            signature: signature(&accept.signature, "withdraw_accept.signature")?,
        }),
        Body::WithdrawReject(reject) => Ok(PeerMessage::WithdrawReject {
            version: Version(reject.version),
            reason: reason_from(reject.reason)?,
        }),
        Body::CloseRequest(request) => {
            Ok(PeerMessage::CloseRequest { min_version: Version(request.min_version) })
        }
        Body::Reestablish(reestablish) => reestablish_from(channel_id, reestablish),
    }
}

fn open_request_from(
    channel_id: ChannelId,
    proto: v1::OpenRequest,
) -> Result<PeerMessage, Malformed> {
    let request = OpenRequest {
        domain: required(proto.domain, "open_request.domain")?,
        terms: required(proto.terms, "open_request.terms")?,
        deposit1: amount(&proto.deposit1, "open_request.deposit1")?,
        deposit2: amount(&proto.deposit2, "open_request.deposit2")?,
        features: features(proto.features, "open_request.features")?,
        signer_key: fixed(&proto.signer_key, "open_request.signer_key")?,
    };
    same_channel(channel_id, request.terms.channel_id(request.domain), "open_request.terms")?;
    Ok(PeerMessage::OpenRequest(request))
}

fn open_accept_from(
    channel_id: ChannelId,
    proto: v1::OpenAccept,
) -> Result<PeerMessage, Malformed> {
    let consent = OpenConsent {
        open: required(proto.open, "open_accept.open")?,
        features: features(proto.features, "open_accept.features")?,
        signer_key: fixed(&proto.signer_key, "open_accept.signer_key")?,
    };
    same_channel(channel_id, consent.open.channel_id, "open_accept.open")?;
    let signature = signature(&proto.signature, "open_accept.signature")?;
    Ok(PeerMessage::OpenAccept { consent, signature })
}

fn propose_from(channel_id: ChannelId, proto: v1::Propose) -> Result<PeerMessage, Malformed> {
    let refused = proto.refused;
    if refused.len() > MAX_PENDING_UPDATES {
        return Err(Malformed::TooMany { field: "propose.refused", len: refused.len() });
    }
    let proposal = Proposal {
        base_version: Version(proto.base_version),
        state: required(proto.state, "propose.state")?,
        locks: list(proto.locks, MAX_LOCKS, "propose.locks")?,
        updates: list(proto.updates, MAX_PENDING_UPDATES, "propose.updates")?,
        intents_through: Sequence(proto.intents_through),
        refused: refused.into_iter().map(Sequence).collect(),
    };
    same_channel(channel_id, proposal.state.channel_id, "propose.state")?;
    let signature = signature(&proto.signature, "propose.signature")?;
    Ok(PeerMessage::Propose { proposal, signature })
}

fn withdraw_propose_from(
    channel_id: ChannelId,
    proto: v1::WithdrawPropose,
) -> Result<PeerMessage, Malformed> {
    let withdraw: PartialWithdraw = required(proto.withdraw, "withdraw_propose.withdraw")?;
    same_channel(channel_id, withdraw.channel_id, "withdraw_propose.withdraw")?;
    let signature = signature(&proto.signature, "withdraw_propose.signature")?;
    Ok(PeerMessage::WithdrawPropose { withdraw, signature })
}

fn reestablish_from(
    channel_id: ChannelId,
    proto: v1::Reestablish,
) -> Result<PeerMessage, Malformed> {
    let body = ReestablishBody {
        newest: proto.newest.map(Wire::from_proto).transpose()?,
        highest_bound: Version(proto.highest_bound),
        sequence1: Sequence(proto.sequence1),
        sequence2: Sequence(proto.sequence2),
    };
    if let Some(newest) = &body.newest {
        same_channel(channel_id, newest.state.channel_id, "reestablish.newest")?;
    }
    Ok(PeerMessage::Reestablish(body))
}

/// An unknown feature of a channel is refused, not ignored.
fn features(bits: u64, field: &'static str) -> Result<Features, Malformed> {
    Features::from_bits(bits).ok_or(Malformed::OutOfRange { field })
}

fn same_channel(
    outside: ChannelId,
    inside: ChannelId,
    field: &'static str,
) -> Result<(), Malformed> {
    if outside == inside { Ok(()) } else { Err(Malformed::OtherChannel { field }) }
}
