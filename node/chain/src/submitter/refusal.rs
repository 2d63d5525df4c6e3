//! Why a payment into the contract is not made, in words for whoever ordered it.

use alloy_primitives::{Address, U256};
use lockstep_contracts::revert::Revert;
use lockstep_core::chain::ChannelStatus;
use lockstep_core::error::ErrorClass;
use lockstep_core::time::BlockTimestamp;
use thiserror::Error;

/// Why nothing was signed for an entry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EntryRefusal {
    /// The paying account is none of the node's.
    #[error("account {account} is none of this node's: pay from an account of its phrase")]
    NoAccount {
        /// Which.
        account: Address,
    },
    /// Only one account may make this call.
    #[error("only {owner} may make this call, not {account}: pay from that account")]
    NotOwner {
        /// Who would pay.
        account: Address,
        /// Who may.
        owner: Address,
    },
    /// The name stands for another payment already.
    #[error("this name stands for another payment already: choose a new one")]
    OtherCall,
    /// The account does not hold what is to be paid.
    #[error(
        "account {account} needs {needed} base units of {token} and holds {balance}: fund it first"
    )]
    NoFunds {
        /// The account.
        account: Address,
        /// Of what; zero is the native coin, fees included.
        token: Address,
        /// What it takes. Units: base units.
        needed: U256,
        /// What there is. Units: base units.
        balance: U256,
    },
    /// The payment would leave nothing to answer a close with.
    #[error(
        "account {account} needs {needed} wei for this payment, and {reserve} must be left to answer a close \
         with: fund it first, or pay in less"
    )]
    NoReserve {
        /// The account.
        account: Address,
        /// What the payment takes, fees included. Units: wei.
        needed: U256,
        /// What must be left. Units: wei.
        reserve: U256,
    },
    /// The fee is above what may be spent.
    #[error(
        "the fee would be up to {needed} wei, at most {max_cost} may be spent: wait, or allow more"
    )]
    TooExpensive {
        /// What it would take. Units: wei.
        needed: U256,
        /// What was allowed. Units: wei.
        max_cost: U256,
    },
    /// The channel is not in a state for this call.
    #[error("the channel is {} on chain: this payment does not fit", word(.status))]
    WrongStatus {
        /// How the contract sees it.
        status: ChannelStatus,
    },
    /// The other side's consent ends before the call would land.
    #[error("the other side's consent ends at {}, it is {}: ask for a new one", .deadline.0, .now.0)]
    ConsentExpired {
        /// Its last second.
        deadline: BlockTimestamp,
        /// The chain's time.
        now: BlockTimestamp,
    },
    /// The account's credit is smaller than asked for.
    #[error("credit is {available} base units, {wanted} were asked for: ask for less")]
    NoCredit {
        /// What there is.
        available: U256,
        /// What was asked for.
        wanted: U256,
    },
    /// The token does not let the contract take the deposit, however often it is approved.
    #[error("token {token} does not keep an approval: it can't be deposited")]
    NoApproval {
        /// Which.
        token: Address,
    },
    /// The contract would refuse the call.
    #[error("the contract would refuse it: {revert}; {}", .revert.advice())]
    Reverts {
        /// In its own words.
        revert: Revert,
    },
}

impl EntryRefusal {
    /// Whoever ordered it must change something.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoAccount { .. }
            | Self::NotOwner { .. }
            | Self::OtherCall
            | Self::NoFunds { .. }
            | Self::NoReserve { .. }
            | Self::TooExpensive { .. }
            | Self::WrongStatus { .. }
            | Self::ConsentExpired { .. }
            | Self::NoCredit { .. }
            | Self::NoApproval { .. }
            | Self::Reverts { .. } => ErrorClass::Refused,
        }
    }
}

fn word(status: &ChannelStatus) -> &'static str {
    match status {
        ChannelStatus::None => "unknown",
        ChannelStatus::Pending => "waiting for the other side",
        ChannelStatus::Active => "open",
        ChannelStatus::Closing => "closing",
        ChannelStatus::Closed => "closed",
    }
}
