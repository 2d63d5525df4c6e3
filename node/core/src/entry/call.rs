//! The calls that entries are for.

use super::EntryKind;
use crate::ids::{AccountRef, ChainRef, Side};
use crate::money::Amount;
use crate::signature::StateSignature;
use crate::state::Open;
use crate::terms::Terms;

/// A call that brings money in, or takes money out that is nobody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryCall {
    /// `openChannel`.
    Open {
        /// The channel's terms.
        terms: Terms,
        /// What side 1 brings.
        amount: Amount,
        /// Side 2's consent; with it the channel is active at once.
        consent: Option<(Open, StateSignature)>,
    },
    /// `joinChannel`, by participant 2.
    Join {
        /// The channel's terms.
        terms: Terms,
        /// What side 2 brings; may be nothing.
        amount: Amount,
    },
    /// `deposit`.
    Deposit {
        /// The channel's terms.
        terms: Terms,
        /// For whom.
        side: Side,
        /// How much.
        amount: Amount,
    },
    /// `cancelOpen`, by participant 1.
    CancelOpen {
        /// The channel's terms.
        terms: Terms,
    },
    /// `withdraw` of the account's credit.
    TakeCredit {
        /// Which token; zero is the native coin.
        token: AccountRef,
        /// To whom.
        to: AccountRef,
        /// How much.
        amount: Amount,
    },
    /// `approve` of a token, so that the contract may take a deposit.
    Approve {
        /// Which token.
        token: AccountRef,
        /// Who may take.
        spender: AccountRef,
        /// How much.
        amount: Amount,
    },
    /// A step of a transfer over a bridge, on either chain.
    Bridge(BridgeCall),
}

/// A call of a bridge, as its adapter has made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeCall {
    /// The chain that it is made on.
    pub chain: ChainRef,
    /// Whom.
    pub to: AccountRef,
    /// Native coin that goes along.
    pub value: Amount,
    /// Calldata.
    pub data: Vec<u8>,
    /// Gas that it has at least, since what it takes may rise before it lands; zero leaves it to the estimate.
    pub least_gas: u64,
}

impl EntryCall {
    /// What it is for.
    pub fn kind(&self) -> EntryKind {
        match self {
            Self::Open { .. } => EntryKind::Open,
            Self::Join { .. } => EntryKind::Join,
            Self::Deposit { .. } => EntryKind::Deposit,
            Self::CancelOpen { .. } => EntryKind::CancelOpen,
            Self::TakeCredit { .. } => EntryKind::TakeCredit,
            Self::Approve { .. } => EntryKind::Approve,
            Self::Bridge(_) => EntryKind::Bridge,
        }
    }

    /// The terms of its channel, if it is about one.
    pub fn terms(&self) -> Option<&Terms> {
        match self {
            Self::Open { terms, .. }
            | Self::Join { terms, .. }
            | Self::Deposit { terms, .. }
            | Self::CancelOpen { terms } => Some(terms),
            Self::TakeCredit { .. } | Self::Approve { .. } | Self::Bridge(_) => None,
        }
    }

    /// What leaves the account with it: token and amount.
    pub fn payment(&self) -> Option<(AccountRef, Amount)> {
        match self {
            Self::Open { terms, amount, .. }
            | Self::Join { terms, amount }
            | Self::Deposit { terms, amount, .. } => Some((terms.token, *amount)),
            Self::CancelOpen { .. }
            | Self::TakeCredit { .. }
            | Self::Approve { .. }
            | Self::Bridge(_) => None,
        }
    }

    /// The chain that it is made on, where that need not be the channels' chain.
    pub fn bridge_chain(&self) -> Option<ChainRef> {
        match self {
            Self::Bridge(call) => Some(call.chain),
            Self::Open { .. }
            | Self::Join { .. }
            | Self::Deposit { .. }
            | Self::CancelOpen { .. }
            | Self::TakeCredit { .. }
            | Self::Approve { .. } => None,
        }
    }
}
