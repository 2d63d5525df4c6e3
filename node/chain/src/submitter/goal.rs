//! Whether a call is still needed, judged by what the contract stores.

use crate::convert;
use lockstep_contracts::bindings::PaymentChannel::{Channel, PaymentChannelErrors};
use lockstep_contracts::revert::Revert;
use lockstep_core::chain::{ChainCall, ChannelStatus, ObligationKey};
use lockstep_core::ids::Version;
use lockstep_core::time::BlockTimestamp;

/// How a call stands to what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Goal {
    /// It would do what it is for.
    Needed,
    /// It can't be made yet, and may be later.
    NotYet,
    /// What it is for is the case, by whomever (P71).
    Met,
    /// It can never matter again.
    Moot,
}

/// What was read of a channel, and when the registry learned the secret that the call shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) channel: Channel,
    pub(crate) secret_revealed_at: u64,
}

/// Judges a call at a block's time.
pub(crate) fn judge(
    key: &ObligationKey,
    call: &ChainCall,
    stored: &Stored,
    now: BlockTimestamp,
) -> Goal {
    let channel = &stored.channel;
    // A number that the contract's enum does not have: nothing is known.
    let Some(status) = convert::status(channel.status) else { return Goal::NotYet };
    let is_at_version = channel.version >= key.version.0;
    match call {
        ChainCall::InitiateClose(_) => match status {
            ChannelStatus::Active => Goal::Needed,
            ChannelStatus::Closing | ChannelStatus::Closed => Goal::Met,
            ChannelStatus::None | ChannelStatus::Pending => Goal::NotYet,
        },
        ChainCall::Challenge(_) => match status {
            ChannelStatus::Closing if is_at_version => Goal::Met,
            ChannelStatus::Closing if now.0 < channel.closesAt.to::<u64>() => Goal::Needed,
            ChannelStatus::Closed if is_at_version => Goal::Met,
            ChannelStatus::Closed => Goal::Moot,
            ChannelStatus::Closing
            | ChannelStatus::None
            | ChannelStatus::Pending
            | ChannelStatus::Active => Goal::NotYet,
        },
        ChainCall::Close => match status {
            ChannelStatus::Closed => Goal::Met,
            ChannelStatus::Closing if now.0 >= channel.closesAt.to::<u64>() => Goal::Needed,
            ChannelStatus::Closing
            | ChannelStatus::None
            | ChannelStatus::Pending
            | ChannelStatus::Active => Goal::NotYet,
        },
        ChainCall::CooperativeClose(_) => match status {
            ChannelStatus::Closed if is_at_version => Goal::Met,
            ChannelStatus::Closed => Goal::Moot,
            ChannelStatus::Active | ChannelStatus::Closing => Goal::Needed,
            ChannelStatus::None | ChannelStatus::Pending => Goal::NotYet,
        },
        ChainCall::PartialWithdraw(evidence) => {
            let is_late = now > evidence.withdraw.deadline;
            if channel.withdrawVersion >= key.version.0 {
                return Goal::Met;
            }
            match status {
                ChannelStatus::Closed => Goal::Moot,
                ChannelStatus::Active if is_at_version || is_late => Goal::Moot,
                ChannelStatus::Active => Goal::Needed,
                ChannelStatus::Closing | ChannelStatus::None | ChannelStatus::Pending => {
                    Goal::NotYet
                }
            }
        }
        ChainCall::RegisterSecret { .. } if stored.secret_revealed_at > 0 => Goal::Met,
        ChainCall::RegisterSecret { .. } => Goal::Needed,
        ChainCall::ResolveLocks { mask, .. } => match status {
            ChannelStatus::Closed if channel.resolved & mask == *mask => Goal::Met,
            ChannelStatus::Closed if channel.held1.is_zero() && channel.held2.is_zero() => {
                Goal::Met
            }
            ChannelStatus::Closed => Goal::Needed,
            ChannelStatus::None
            | ChannelStatus::Pending
            | ChannelStatus::Active
            | ChannelStatus::Closing => Goal::NotYet,
        },
    }
}

/// Whether a refusal only says that somebody else was faster, or the call too early: what it is for is the case,
/// or is about to be. An estimate may see that before any block does.
pub(crate) fn is_overtaken(call: &ChainCall, version: Version, revert: &Revert) -> bool {
    let Revert::Channel(error) = revert else { return false };
    let is_closed = matches!(error, PaymentChannelErrors::WrongStatus(error)
        if convert::status(error.status) == Some(ChannelStatus::Closed));
    match call {
        // Endpoints are some seconds apart: it is tried again.
        ChainCall::Close if matches!(error, PaymentChannelErrors::WindowOpen(_)) => true,
        ChainCall::InitiateClose(_) | ChainCall::Close | ChainCall::CooperativeClose(_) => {
            is_closed
        }
        ChainCall::Challenge(_) => matches!(error, PaymentChannelErrors::StaleVersion(error)
            if error.current >= version.0),
        ChainCall::ResolveLocks { .. } => matches!(error, PaymentChannelErrors::NothingHeld(_)),
        ChainCall::PartialWithdraw(_) | ChainCall::RegisterSecret { .. } => false,
    }
}

#[cfg(test)]
mod tests;
