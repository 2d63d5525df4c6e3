//! Partial withdrawals: both sides take money out while the channel stays open.
//!
//! A withdrawal takes a version of the line, and its net and locks are those of the newest co-signed
//! state. While one is outstanding, every state must be valid with and without it (P43).

use crate::adjudicator::acceptance;
use crate::change::{Change, Permit};
use crate::error::ProtocolError;
use crate::ids::{Side, Version};
use crate::message::{PeerMessage, RejectReason, UnsignedMessage};
use crate::money::{Amount, Net};
use crate::output::Notice;
use crate::phase::open::{accept, propose};
use crate::record::{Phase, RecordParts, Withdrawal};
use crate::request::SigningContent;
use crate::rules;
use crate::signature::StateSignature;
use crate::state::{PartialWithdraw, StateKind};
use crate::terms::Features;
use crate::time::BlockTimestamp;
use alloy_primitives::B256;

/// A withdrawal must land within this. Until then every state must be valid with and without it, so
/// it is short. Units: seconds of the chain's clock.
pub const WITHDRAW_TTL_SECS: u64 = 24 * 3_600;

/// How far the proposer's view of the chain may be ahead of the acceptor's, which judges the deadline.
/// Units: seconds.
const WITHDRAW_SLACK_SECS: u64 = 3_600;

/// Our operator wants to withdraw.
pub(crate) fn order(
    change: &mut Change<'_>,
    out1: Amount,
    out2: Amount,
) -> Result<(), ProtocolError> {
    require_open(change)?;
    if out1.is_zero() && out2.is_zero() {
        return Err(ProtocolError::ZeroAmount);
    }
    match change.side() {
        Side::One => propose_withdrawal(change, out1, out2),
        Side::Two => {
            check_funds(&change.parts, out1, out2)?;
            change.session.wanted = Some((out1, out2));
            ask_again(change);
            Ok(())
        }
    }
}

/// Asks for the withdrawal that our operator wants, for the first time or again.
pub(crate) fn ask_again(change: &mut Change<'_>) {
    if let Some((out1, out2)) = change.session.wanted
        && require_open(change).is_ok()
    {
        change.send(PeerMessage::WithdrawRequest { out1, out2 });
    }
}

/// The acceptor asks; the proposer offers what was asked, if it takes nothing of ours.
pub(crate) fn handle_request(
    change: &mut Change<'_>,
    out1: Amount,
    out2: Amount,
) -> Result<(), ProtocolError> {
    if change.side() != Side::One {
        return Err(ProtocolError::WrongRole { side: Side::One });
    }
    // The link may repeat: what was asked for is on offer already.
    if let Some(Withdrawal { withdraw, counterparty_signature: None }) = change.parts.withdrawal
        && (withdraw.out1, withdraw.out2) == (out1, out2)
        && change.permit().is_ok()
    {
        resend(change, &withdraw);
        return Ok(());
    }
    let is_paused = rules::now(&change.parts) < change.session.withdraw_pause;
    let reason = match require_open(change) {
        Ok(()) if is_paused => RejectReason::NotNow,
        Ok(()) if out1.is_zero() && !out2.is_zero() => {
            match propose_withdrawal(change, out1, out2) {
                Ok(()) => return Ok(()),
                Err(error) if error.class() == crate::error::ErrorClass::Fatal => {
                    return Err(error);
                }
                Err(_) => RejectReason::NotNow,
            }
        }
        Ok(()) => RejectReason::Policy,
        Err(_) => RejectReason::NotNow,
    };
    change.send(PeerMessage::WithdrawReject { version: Version::ZERO, reason });
    Ok(())
}

fn require_open(change: &Change<'_>) -> Result<(), ProtocolError> {
    if !change.parts.setup.features.contains(Features::PARTIAL_WITHDRAW) {
        return Err(ProtocolError::FeatureMissing);
    }
    match change.permit()? {
        Permit::Any if change.parts.phase == Phase::Open => {}
        Permit::Any | Permit::Draining => return Err(ProtocolError::WrongPhase),
        Permit::FinalOnly => return Err(ProtocolError::Restored),
    }
    if change.parts.withdrawal.is_some() {
        return Err(ProtocolError::WithdrawalOutstanding);
    }
    Ok(())
}

/// Both sides keep a balance of zero or more after it.
fn check_funds(parts: &RecordParts, out1: Amount, out2: Amount) -> Result<(), ProtocolError> {
    let content = content(parts, Version::ZERO, out1, out2, BlockTimestamp::default());
    check_content(parts, &content)
}

/// What a withdrawal at this moment says.
fn content(
    parts: &RecordParts,
    version: Version,
    out1: Amount,
    out2: Amount,
    deadline: BlockTimestamp,
) -> PartialWithdraw {
    let base = parts.base.as_ref().map(|base| &base.state);
    PartialWithdraw {
        channel_id: parts.setup.channel_id(),
        version,
        net: base.map_or(Net::ZERO, |state| state.net),
        locked1: base.map_or(Amount::ZERO, |state| state.locked1),
        locked2: base.map_or(Amount::ZERO, |state| state.locked2),
        locks_root: base.map_or(B256::ZERO, |state| state.locks_root),
        out1,
        out2,
        deadline,
    }
}

/// The contract's rules about a withdrawal's content.
fn check_content(parts: &RecordParts, withdraw: &PartialWithdraw) -> Result<(), ProtocolError> {
    let PartialWithdraw { net, locked1, locked2, locks_root, out1, out2, .. } = *withdraw;
    acceptance::check_locks(locked1, locked2, locks_root)?;
    let refused = |_| crate::adjudicator::Refusal::AmountTooLarge { amount: out1.max(out2) };
    let deposits = parts.chain.deposits.withdrawn(out1, out2).map_err(refused)?;
    acceptance::balances(deposits, net.into(), locked1, locked2)?;
    Ok(())
}

/// Spec §2: only on a co-signed state with nothing in flight and nothing waiting.
fn propose_withdrawal(
    change: &mut Change<'_>,
    out1: Amount,
    out2: Amount,
) -> Result<(), ProtocolError> {
    let parts = &change.parts;
    let is_quiet =
        parts.in_flight.is_empty() && parts.own_pending.is_empty() && parts.peer_pending.is_empty();
    if !is_quiet {
        return Err(ProtocolError::InFlight);
    }
    let deadline =
        rules::now(parts).checked_add_secs(WITHDRAW_TTL_SECS).ok_or(ProtocolError::WrongPhase)?;
    let version = propose::next_version(parts)?;
    let withdraw = content(parts, version, out1, out2, deadline);
    check_content(parts, &withdraw)?;
    change.bind(version, change.domain.partial_withdraw(&withdraw))?;
    change.write().withdrawal = Some(Withdrawal { withdraw, counterparty_signature: None });
    resend(change, &withdraw);
    change.session.asked();
    Ok(())
}

/// Sends our half of a bound withdrawal, for the first time or again.
pub(crate) fn resend(change: &mut Change<'_>, withdraw: &PartialWithdraw) {
    let content = SigningContent::PartialWithdraw(*withdraw);
    let message = match change.side() {
        Side::One => UnsignedMessage::WithdrawPropose(*withdraw),
        Side::Two => UnsignedMessage::WithdrawAccept { version: withdraw.version },
    };
    change.sign_and_send(content, message);
}

/// The acceptor checks a withdrawal and countersigns.
pub(crate) fn handle_propose(
    change: &mut Change<'_>,
    withdraw: &PartialWithdraw,
    signature: StateSignature,
) -> Result<(), ProtocolError> {
    if change.side() != Side::Two {
        return Err(ProtocolError::WrongRole { side: Side::Two });
    }
    let outstanding = change.parts.withdrawal.map(|outstanding| outstanding.withdraw);
    if outstanding == Some(*withdraw) {
        // What was bound may be signed again, also once a close was seen; a frozen channel answers nobody.
        if let Some(reason) = change.parts.marks.frozen {
            return Err(ProtocolError::Frozen { reason });
        }
        resend(change, withdraw);
        return Ok(());
    }
    require_open(change)?;
    let version = withdraw.version;
    accept::check_version(&change.parts, version, StateKind::Ordinary)?;
    if let Err(reason) = check_offer(change, withdraw) {
        change.send(PeerMessage::WithdrawReject { version, reason });
        return Ok(());
    }
    let key = change.parts.setup.counterparty_key.ok_or(ProtocolError::WrongPhase)?;
    let digest = change.domain.partial_withdraw(withdraw);
    key.verify(digest, signature)?;
    change.bind(version, digest)?;
    let withdrawal = Withdrawal { withdraw: *withdraw, counterparty_signature: Some(signature) };
    change.write().withdrawal = Some(withdrawal);
    change.session.wanted = None;
    resend(change, withdraw);
    Ok(())
}

/// What the acceptor signs: the newest state, a short deadline, and of its own money only what its
/// operator asked for. While a withdrawal is outstanding its owner cannot spend it, so one that nobody
/// wants would take it hostage (P36).
fn check_offer(change: &Change<'_>, withdraw: &PartialWithdraw) -> Result<(), RejectReason> {
    let PartialWithdraw { version, out1, out2, deadline, .. } = *withdraw;
    let now = rules::now(&change.parts);
    let latest = now.checked_add_secs(WITHDRAW_TTL_SECS.saturating_add(WITHDRAW_SLACK_SECS));
    let is_expected = *withdraw == content(&change.parts, version, out1, out2, deadline)
        && deadline > now
        && latest.is_some_and(|latest| deadline <= latest);
    if !is_expected || check_content(&change.parts, withdraw).is_err() {
        return Err(RejectReason::Mismatch);
    }
    let is_wanted = out2.is_zero() || change.session.wanted == Some((out1, out2));
    if is_wanted { Ok(()) } else { Err(RejectReason::Policy) }
}

/// The withdrawal is co-signed; the duty to bring it to the chain follows from the record.
pub(crate) fn handle_accept(
    change: &mut Change<'_>,
    version: Version,
    signature: StateSignature,
) -> Result<(), ProtocolError> {
    if change.side() != Side::One {
        return Err(ProtocolError::WrongRole { side: Side::One });
    }
    let outstanding = change.parts.withdrawal;
    let Some(outstanding) = outstanding.filter(|known| known.withdraw.version == version) else {
        // It may have landed or expired since.
        return if version <= change.parts.guard.highest {
            Ok(())
        } else {
            Err(ProtocolError::UnknownVersion { version })
        };
    };
    let key = change.parts.setup.counterparty_key.ok_or(ProtocolError::WrongPhase)?;
    key.verify(change.domain.partial_withdraw(&outstanding.withdraw), signature)?;
    let counterparty_signature = Some(signature);
    change.write().withdrawal = Some(Withdrawal { counterparty_signature, ..outstanding });
    change.session.heard(false);
    Ok(())
}

/// The other side does not want it. What we have signed stays outstanding until its deadline.
pub(crate) fn handle_reject(
    change: &mut Change<'_>,
    version: Version,
    reason: RejectReason,
) -> Result<(), ProtocolError> {
    let is_ours = match change.side() {
        Side::One => {
            let outstanding = change.parts.withdrawal.map(|known| known.withdraw.version);
            let told = &mut change.session.refused_withdrawal;
            outstanding == Some(version) && told.replace(version) != Some(version)
        }
        // The other side's no ends what was asked for, or it could still be offered at any later time.
        Side::Two => change.session.wanted.take().is_some(),
    };
    if is_ours {
        change.session.heard(false);
        change.notify(Notice::WithdrawalRefused { reason });
    }
    Ok(())
}

/// Spec §2: past its deadline by a finalized block, a withdrawal can no longer land.
pub(crate) fn expire(change: &mut Change<'_>) {
    let now = rules::now(&change.parts);
    let Some(known) = change.parts.withdrawal else { return };
    let Withdrawal { withdraw, counterparty_signature } = known;
    if now > withdraw.deadline {
        // Whoever asks for a withdrawal and does not sign it keeps us from taking out ours: it may not ask again at
        // once.
        let is_unused = counterparty_signature.is_none() && withdraw.out1.is_zero();
        if is_unused && let Some(until) = now.checked_add_secs(WITHDRAW_TTL_SECS) {
            change.session.withdraw_pause = until;
        }
        change.write().withdrawal = None;
        change.prune_guard();
        change.notify(Notice::WithdrawalExpired { version: withdraw.version });
    }
}
