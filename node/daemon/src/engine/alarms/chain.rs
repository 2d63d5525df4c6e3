//! What the chain side alarms of, in plain words: what is the case, what is safe, what to do.

use super::{AlarmKind, Cause};
use lockstep_chain::alarm::Alarm;
use lockstep_core::chain::{ObligationKey, ObligationKind};
use lockstep_core::money::Amount;
use lockstep_core::time::Finality;

/// How long it is said that endpoints disagreed, though they agree again. Units: seconds.
const DISAGREEMENT_SECS: u64 = 600;
/// An account that was empty is looked at with each step of a call. Units: seconds.
const EMPTY_SECS: u64 = 600;
/// The reserve is looked at every few minutes. Units: seconds.
const RESERVE_SECS: u64 = 3_600;

/// What stands on the chain side by now.
pub(crate) struct Now<'a> {
    /// What the follower's last look was alarmed of.
    pub(crate) standing: &'a [Alarm],
    /// Calls that are not over.
    pub(crate) owed: &'a [ObligationKey],
    /// Whether no new block has come for too long.
    pub(crate) is_blind: bool,
    /// Whether the last look came through.
    pub(crate) is_following: bool,
}

/// Whether an alarm still stands that was last said so many seconds ago. Others than the chain's always do.
pub(crate) fn stands(cause: &Cause, age_secs: u64, now: &Now<'_>) -> bool {
    let is_told = || now.standing.iter().any(|alarm| &cause_of(alarm) == cause);
    let is_owed = || now.owed.iter().any(|key| Some(key.channel_id) == cause.channel_id);
    if cause.is_on_l1() {
        // What lasts there is said again with each step.
        return age_secs < EMPTY_SECS;
    }
    match cause.kind {
        AlarmKind::FeeAboveBudget if cause.channel_id.is_none() => age_secs < EMPTY_SECS,
        AlarmKind::EndpointDown | AlarmKind::EndpointBehind => is_told(),
        AlarmKind::EndpointsDisagree => is_told() || age_secs < DISAGREEMENT_SECS,
        AlarmKind::ChainStandsStill => now.is_blind,
        AlarmKind::ChainBroken => !now.is_following,
        AlarmKind::FeeAboveBudget | AlarmKind::CallNotKept | AlarmKind::CallLate => is_owed(),
        AlarmKind::AccountEmpty => age_secs < EMPTY_SECS,
        AlarmKind::ReserveLow => age_secs < RESERVE_SECS,
        // Until the next start, or until whoever raised it says so.
        AlarmKind::SigningStopped
        | AlarmKind::FactsNotDurable
        | AlarmKind::JournalIsOld
        | AlarmKind::RecordDamaged
        | AlarmKind::DamagedClosing
        | AlarmKind::ChannelFrozen
        | AlarmKind::ChannelRestored
        | AlarmKind::CallUnsigned
        | AlarmKind::SignerRefuses
        | AlarmKind::Equivocation
        | AlarmKind::PeerMisbehaves
        | AlarmKind::TowersDown
        | AlarmKind::TowerQuorumMissed
        | AlarmKind::TowerActed
        | AlarmKind::TowerMisbehaves
        | AlarmKind::TowerUnproven
        | AlarmKind::IncomeWaits
        | AlarmKind::EndpointLeftOut
        | AlarmKind::CloseWithoutLog
        | AlarmKind::CloseMayComeBack
        | AlarmKind::EscapeFails => true,
    }
}

/// What an alarm of the chain side is about.
pub(crate) fn cause_of(alarm: &Alarm) -> Cause {
    let of = |kind, key: &ObligationKey| Cause::new(kind, Some(key.channel_id));
    match alarm {
        Alarm::BlocksDiffer { other: (endpoint, _), .. }
        | Alarm::LogsDiffer { other: endpoint, .. }
        | Alarm::LogsOmitted { endpoint, .. } => {
            Cause::about(AlarmKind::EndpointsDisagree, endpoint)
        }
        Alarm::EndpointDown { endpoint } => Cause::about(AlarmKind::EndpointDown, endpoint),
        Alarm::EndpointBehind { endpoint } => Cause::about(AlarmKind::EndpointBehind, endpoint),
        Alarm::EndpointOnOtherChain { endpoint, .. }
        | Alarm::EndpointLeftOut { endpoint }
        | Alarm::CloseNeverWas { endpoint, .. } => {
            Cause::about(AlarmKind::EndpointLeftOut, endpoint)
        }
        Alarm::CloseWithoutLog { channel_id } => {
            Cause::new(AlarmKind::CloseWithoutLog, Some(*channel_id))
        }
        Alarm::CloseMayComeBack { channel_id } => {
            Cause::new(AlarmKind::CloseMayComeBack, Some(*channel_id))
        }
        Alarm::ChainStandsStill { .. } => Cause::new(AlarmKind::ChainStandsStill, None),
        Alarm::BudgetReached { key, .. } => of(AlarmKind::FeeAboveBudget, key),
        Alarm::PaymentOverBudget { id, .. } => Cause::about(AlarmKind::FeeAboveBudget, &id.0),
        Alarm::AccountEmpty { account, .. } => Cause::about(AlarmKind::AccountEmpty, account),
        Alarm::ReserveLow { .. } => Cause::new(AlarmKind::ReserveLow, None),
        Alarm::StoreFailed { key } => of(AlarmKind::CallNotKept, key),
        Alarm::ForceThroughL1 { key, .. } | Alarm::HalfOfWindow { key, .. } => {
            of(AlarmKind::CallLate, key)
        }
    }
}

/// The alarm as a person reads it. `coin` writes an amount of the chain's own coin.
pub(crate) fn words(alarm: &Alarm, coin: &dyn Fn(Amount) -> String) -> String {
    of_call(alarm, coin).unwrap_or_else(|| of_view(alarm))
}

/// What the chain looks like.
fn of_view(alarm: &Alarm) -> String {
    match alarm {
        Alarm::BlocksDiffer { number, one: (one, _), other: (other, _), finality } => {
            let means = match finality {
                Finality::Seen => {
                    "At the head this may be an ordinary fork, which passes. Closes that either of them shows are \
                     answered; nothing is credited that only one shows"
                }
                Finality::Safe | Finality::Final => {
                    "One of them lies or is broken. Nothing is credited until they agree; closes that either shows \
                     are answered. Find out which is wrong and replace it in chain.endpoints"
                }
            };
            format!("endpoints {one} and {other} show different blocks {}. {means}", number.0)
        }
        Alarm::LogsDiffer { number, one, other } => format!(
            "endpoints {one} and {other} show the same block {} with different logs: one leaves some out, or \
             invents some. Nothing is credited until they agree; closes that either shows are answered. Replace the \
             wrong one in chain.endpoints",
            number.0
        ),
        Alarm::LogsOmitted { endpoint, number } => format!(
            "endpoint {endpoint} left out logs of block {} that its own receipts hold. They were used, so \
             nothing is missed. If it happens again, replace it in chain.endpoints",
            number.0
        ),
        Alarm::CloseWithoutLog { .. } => {
            "the contract's stored status shows a close of this channel that no log has shown. It is answered if it \
             is stale, and nothing more is signed in the channel meanwhile. Look whether the endpoints leave out logs"
                .to_owned()
        }
        Alarm::EndpointDown { endpoint } => format!(
            "endpoint {endpoint} does not answer. The others are asked; without a quorum nothing is credited. If it \
             lasts, replace it in chain.endpoints and restart the node"
        ),
        Alarm::EndpointOnOtherChain { endpoint, number } => format!(
            "endpoint {endpoint} contradicts block {}, which is final. It is left out until the next start. \
             Replace it in chain.endpoints",
            number.0
        ),
        Alarm::EndpointLeftOut { endpoint } => format!(
            "endpoint {endpoint} served another chain or other code at the start. It is asked nothing until the next \
             start. Correct or replace it in chain.endpoints"
        ),
        Alarm::EndpointBehind { endpoint } => format!(
            "endpoint {endpoint} answers, and its newest block is more than ten minutes older than another one's. \
             Closes are still seen through the others; credit and settlements may come late. If it lasts, replace it \
             in chain.endpoints"
        ),
        Alarm::CloseNeverWas { channel_id, endpoint } => format!(
            "endpoint {endpoint} showed a close of channel {channel_id} that never was. The channel is usable again, \
             and what this endpoint says of stored channels is not believed until the next start. Replace it in \
             chain.endpoints"
        ),
        Alarm::CloseMayComeBack { .. } => {
            "a close of this channel was taken back by a reorganisation long ago, and its transaction may still come \
             back, so that nothing can be signed in the channel. No money is at risk. Close it with `lockstep \
             force-close`"
                .to_owned()
        }
        Alarm::ChainStandsStill { number } => format!(
            "no endpoint has shown a block after {} for far longer than the network takes for one, so that a \
             close would not be seen. Nothing new is begun until blocks come again. Look at the endpoints, and at \
             the network itself",
            number.0
        ),
        // Said already.
        Alarm::BudgetReached { .. }
        | Alarm::PaymentOverBudget { .. }
        | Alarm::AccountEmpty { .. }
        | Alarm::ReserveLow { .. }
        | Alarm::StoreFailed { .. }
        | Alarm::ForceThroughL1 { .. }
        | Alarm::HalfOfWindow { .. } => String::new(),
    }
}

/// What becomes of our own calls; none if it is about something else.
fn of_call(alarm: &Alarm, coin: &dyn Fn(Amount) -> String) -> Option<String> {
    let wei = |wei| coin(Amount::from_u256(wei));
    Some(match alarm {
        Alarm::BudgetReached { key, needed, cap } => format!(
            "{} needs a fee of {needed} wei per gas, and at most {cap} is allowed for what its channel is worth. It \
             stays in the pool at that fee. Raise chain.max_call_cost and restart the node if it must land sooner",
            call(key.kind)
        ),
        Alarm::PaymentOverBudget { id, needed, cap } => format!(
            "payment {} needs a fee of {needed} wei per gas, and at most {cap} is allowed for it. It stays in the pool at \
             that fee, and lands once the network is cheaper. Raise chain.max_call_cost if later ones must not wait",
            id.0
        ),
        Alarm::AccountEmpty { account, needed, balance } => format!(
            "account {account} holds {} and {} is needed to pay for a call that is due. It is sent as soon as the \
             account can pay. Send it money now",
            wei(*balance),
            wei(*needed)
        ),
        Alarm::ReserveLow { needed, balance } => format!(
            "the accounts hold {} for fees; {} would be needed to close all channels at once at ten times today's \
             price. Nothing is at risk while closes are few. Send money to the node's accounts",
            wei(*balance),
            wei(*needed)
        ),
        Alarm::StoreFailed { key } => format!(
            "{} is due and could not be written down. It was sent all the same where it must not wait. Look at the \
             room on the disk, then restart the node, which finds it due again",
            call(key.kind)
        ),
        Alarm::HalfOfWindow { key, before } => format!(
            "{} must be in a block before {before} (seconds since 1970), and half of its time is over. Its fee goes \
             on rising. Look at the network and at the node's account",
            call(key.kind)
        ),
        Alarm::ForceThroughL1 { key, before } => format!(
            "{} must be in a block before {before} (seconds since 1970), and the rollup has not taken it. It is time \
             to go through L1. With bridge.endpoints set the node does so by itself; without, send the call that \
             `lockstep export-proof` writes through the rollup's own inbox on L1, from any account. The node goes on \
             trying on the rollup",
            call(key.kind)
        ),
        Alarm::BlocksDiffer { .. }
        | Alarm::LogsDiffer { .. }
        | Alarm::LogsOmitted { .. }
        | Alarm::CloseWithoutLog { .. }
        | Alarm::EndpointDown { .. }
        | Alarm::EndpointOnOtherChain { .. }
        | Alarm::EndpointLeftOut { .. }
        | Alarm::EndpointBehind { .. }
        | Alarm::CloseNeverWas { .. }
        | Alarm::CloseMayComeBack { .. }
        | Alarm::ChainStandsStill { .. } => return None,
    })
}

/// What a call is called for people.
pub(crate) fn call(kind: ObligationKind) -> &'static str {
    match kind {
        ObligationKind::InitiateClose => "the start of a close",
        ObligationKind::Challenge => "the answer to a stale close",
        ObligationKind::Close => "the settlement of a close",
        ObligationKind::CooperativeClose => "a close by agreement",
        ObligationKind::PartialWithdraw => "a withdrawal",
        ObligationKind::RegisterSecret => "the registration of a secret",
        ObligationKind::ResolveLocks => "the decision of conditional payments",
    }
}

#[cfg(test)]
mod tests;
