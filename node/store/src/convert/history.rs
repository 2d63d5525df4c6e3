//! What a step told the user, as lines of the history.

use lockstep_core::{
    ids::{ChannelId, PaymentId, Sequence, Side},
    message::RejectReason,
    output::Notice,
    record::Equivocation,
    update::Update,
};
use lockstep_proto::v1::{self, history_line::Notice as Line};

use super::{
    Malformed, Stored, amount, amount_bytes, channel, hash, record, required, time, version,
};

/// The stored form of a notice.
pub(crate) fn line_to(notice: &Notice) -> v1::HistoryLine {
    let line = match notice {
        Notice::OpenConsented => tag(v1::NoticeTag::OpenConsented),
        Notice::OpenRejected { reason } => Line::OpenRejected(channel::reason_to(*reason)),
        Notice::Opened => tag(v1::NoticeTag::Opened),
        Notice::Funded { side, amount } => Line::Funded(v1::Funded {
            side: channel::side_to(*side),
            amount: amount_bytes(*amount),
        }),
        Notice::Queued { id } => Line::Queued(failed(Some(id.payer), id.sequence, None)),
        Notice::Applied { id, action, version } => {
            let update = Update { sequence: id.sequence, action: action.clone() };
            Line::Applied(v1::Applied {
                payer: channel::side_to(id.payer),
                update: Some(update.to_proto()),
                version: version.0,
            })
        }
        Notice::Failed { id, reason } => {
            Line::Failed(failed(Some(id.payer), id.sequence, Some(*reason)))
        }
        Notice::Refused { sequence, reason } => {
            Line::Refused(failed(None, *sequence, Some(*reason)))
        }
        Notice::SecretLearned { hash, secret } => {
            Line::SecretLearned(v1::LockSettlement { hash: hash.to_vec(), secret: secret.to_vec() })
        }
        Notice::PeerSilent => tag(v1::NoticeTag::PeerSilent),
        Notice::CloseSeen { version, closes_at, initiator } => Line::CloseSeen(v1::CloseSeen {
            version: version.0,
            closes_at_secs: closes_at.0,
            initiator: channel::side_to(*initiator),
        }),
        Notice::CloseVanished => tag(v1::NoticeTag::CloseVanished),
        Notice::Withdrawn { version } => Line::Withdrawn(version.0),
        Notice::WithdrawalExpired { version } => Line::WithdrawalExpired(version.0),
        Notice::CloseRefused { reason } => Line::CloseRefused(channel::reason_to(*reason)),
        Notice::LockResolved { hash, is_paid } => {
            Line::LockResolved(v1::LockResolved { hash: hash.to_vec(), is_paid: *is_paid })
        }
        Notice::WithdrawalRefused { reason } => {
            Line::WithdrawalRefused(channel::reason_to(*reason))
        }
        Notice::Settled { paid1, paid2 } => Line::Settled(v1::SettledLine {
            paid1: amount_bytes(*paid1),
            paid2: amount_bytes(*paid2),
        }),
        Notice::Frozen { reason } => Line::Frozen(record::freeze_to(Some(*reason))),
        Notice::Restored { reason } => Line::Restored(record::restore_to(Some(*reason))),
        Notice::Equivocation(proof) => Line::Equivocation(proof.to_proto()),
        Notice::UnprovenClaim { version } => Line::UnprovenClaim(version.0),
    };
    v1::HistoryLine { notice: Some(line) }
}

/// The update that a line says was left out, where the journal still held it.
pub(crate) fn left_out_of(proto: &v1::HistoryLine) -> Result<Option<Update>, Malformed> {
    match &proto.notice {
        Some(Line::Failed(failed)) => failed.update.clone().map(Update::from_proto).transpose(),
        Some(_) | None => Ok(None),
    }
}

/// The notice of a stored form, in the history of `channel_id`.
pub(crate) fn line_from(
    channel_id: ChannelId,
    proto: v1::HistoryLine,
) -> Result<Notice, Malformed> {
    let id = |payer: i32, sequence: u64| {
        let payer = channel::side_from(payer)?;
        Ok::<_, Malformed>(PaymentId { channel_id, payer, sequence: Sequence(sequence) })
    };
    Ok(match proto.notice.ok_or(Malformed::Absent { field: "history.notice" })? {
        Line::Tag(tag) => tag_from(tag)?,
        Line::Applied(applied) => {
            let update: Update = required(applied.update, "applied.update")?;
            Notice::Applied {
                id: id(applied.payer, update.sequence.0)?,
                action: update.action,
                version: version(applied.version),
            }
        }
        Line::Failed(failed) => Notice::Failed {
            id: id(failed.payer, failed.sequence)?,
            reason: channel::reason_from(failed.reason)?,
        },
        Line::Refused(failed) => Notice::Refused {
            sequence: Sequence(failed.sequence),
            reason: channel::reason_from(failed.reason)?,
        },
        Line::Queued(queued) => Notice::Queued { id: id(queued.payer, queued.sequence)? },
        Line::Funded(funded) => Notice::Funded {
            side: channel::side_from(funded.side)?,
            amount: amount(&funded.amount, "funded.amount")?,
        },
        Line::SecretLearned(settlement) => Notice::SecretLearned {
            hash: hash(&settlement.hash, "learned.hash")?,
            secret: hash(&settlement.secret, "learned.secret")?,
        },
        Line::CloseSeen(seen) => Notice::CloseSeen {
            version: version(seen.version),
            closes_at: time(seen.closes_at_secs),
            initiator: channel::side_from(seen.initiator)?,
        },
        Line::Settled(settled) => Notice::Settled {
            paid1: amount(&settled.paid1, "settled.paid1")?,
            paid2: amount(&settled.paid2, "settled.paid2")?,
        },
        Line::Frozen(reason) => Notice::Frozen {
            reason: record::freeze_from(reason)?.ok_or(Malformed::Absent { field: "frozen" })?,
        },
        Line::Restored(reason) => Notice::Restored {
            reason: record::restore_from(reason)?.ok_or(Malformed::Absent { field: "restored" })?,
        },
        Line::Equivocation(proof) => {
            Notice::Equivocation(Box::new(Equivocation::from_proto(proof)?))
        }
        Line::UnprovenClaim(claimed) => Notice::UnprovenClaim { version: version(claimed) },
        Line::Withdrawn(withdrawn) => Notice::Withdrawn { version: version(withdrawn) },
        Line::WithdrawalExpired(expired) => Notice::WithdrawalExpired { version: version(expired) },
        Line::CloseRefused(reason) => {
            Notice::CloseRefused { reason: channel::reason_from(reason)? }
        }
        Line::LockResolved(resolved) => Notice::LockResolved {
            hash: hash(&resolved.hash, "resolved.hash")?,
            is_paid: resolved.is_paid,
        },
        Line::WithdrawalRefused(reason) => {
            Notice::WithdrawalRefused { reason: channel::reason_from(reason)? }
        }
        Line::OpenRejected(reason) => {
            Notice::OpenRejected { reason: channel::reason_from(reason)? }
        }
    })
}

fn tag(tag: v1::NoticeTag) -> Line {
    Line::Tag(tag.into())
}

fn tag_from(number: i32) -> Result<Notice, Malformed> {
    match v1::NoticeTag::try_from(number) {
        Ok(v1::NoticeTag::OpenConsented) => Ok(Notice::OpenConsented),
        Ok(v1::NoticeTag::Opened) => Ok(Notice::Opened),
        Ok(v1::NoticeTag::PeerSilent) => Ok(Notice::PeerSilent),
        Ok(v1::NoticeTag::CloseVanished) => Ok(Notice::CloseVanished),
        Ok(v1::NoticeTag::Unspecified) | Err(_) => {
            Err(Malformed::OutOfRange { field: "history.tag" })
        }
    }
}

fn failed(payer: Option<Side>, sequence: Sequence, reason: Option<RejectReason>) -> v1::Failed {
    v1::Failed {
        payer: payer.map_or(0, channel::side_to),
        sequence: sequence.0,
        reason: reason.map_or(0, channel::reason_to),
        update: None,
    }
}
