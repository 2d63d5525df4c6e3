//! Everything that can happen to a channel.

use crate::chain::ChainEvent;
use crate::ids::InvoiceId;
use crate::message::PeerMessage;
use crate::money::Amount;
use crate::record::FreezeReason;
use crate::time::{BlockPoint, BlockTimestamp, EngineTime};
use crate::update::{Action, Memo};
use alloy_primitives::B256;

/// One thing that happens to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The node has started: take up every duty again.
    Started,
    /// A connection to the counterparty is up.
    Connected {
        /// Now.
        now: EngineTime,
    },
    /// The connection is gone.
    Disconnected,
    /// Time has passed, for peer timeouts only.
    Tick {
        /// Now.
        now: EngineTime,
    },
    /// The counterparty says something; nothing in it has been checked.
    Peer(PeerMessage),
    /// The counterparty said something that would give us more than may be unprotected: what gives us
    /// anything in it is refused, all else is taken as if it had just been said.
    Decline(PeerMessage),
    /// Something happened on chain.
    Chain(ChainEvent),
    /// A block became final; all its facts were handed over before.
    Finalized(BlockPoint),
    /// A new head; it may vanish again, but its time counts for acting early.
    Head(BlockPoint),
    /// The operator or the API orders something.
    Command(Command),
}

/// An order from our own side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make these updates: payments, and the life of locks. All or none are taken.
    Update(Vec<Action>),
    /// Ask for a payment.
    AddInvoice {
        /// Its name, random.
        id: InvoiceId,
        /// Exactly this much.
        amount: Amount,
        /// Last second at which it may be paid, by the chain's clock.
        expiry: BlockTimestamp,
        /// What it is for.
        memo: Memo,
    },
    /// A secret is known: take every lock that it opens.
    LearnSecret {
        /// The secret.
        secret: B256,
    },
    /// Pay both sides out of the open channel. Each orders its own: the acceptor signs nothing to itself
    /// that it has not asked for.
    Withdraw {
        /// To participant 1.
        out1: Amount,
        /// To participant 2.
        out2: Amount,
    },
    /// Take back an offer that nobody has accepted yet.
    CancelOpen,
    /// Close together.
    Close,
    /// Close with what we hold; always possible.
    ForceClose,
    /// Sign nothing more.
    Freeze(FreezeReason),
    /// This record came from a backup.
    MarkImported,
}
