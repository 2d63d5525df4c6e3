//! Requests, replies and what a tower says unasked, in core's types.

use alloy_primitives::B256;
use lockstep_core::appointment::Appointment;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{ChannelId, Domain, Side, Version};
use lockstep_core::money::Amount;
use lockstep_core::possession::{PossessionProof, SignedRoot};
use lockstep_core::receipt::SignedReceipt;
use lockstep_core::signature::StateSignature;
use thiserror::Error;

use crate::handshake::JournalHead;

/// One side's word that this account acts for it; the action is that of the request.
///
/// The signature is over [`lockstep_core::appointment::TowerAccess`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The channel.
    pub channel_id: ChannelId,
    /// Which side.
    pub side: Side,
    /// By that side's signer.
    pub signature: StateSignature,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Room for so many channels.
    Subscribe {
        /// How many.
        slots: u32,
    },
    /// Keep this, and promise to answer with it.
    Put {
        /// The newest state.
        appointment: Box<Appointment>,
        /// The word of the client's side.
        access: Access,
    },
    /// What is held of a channel.
    Get(Access),
    /// Refer to a channel no more.
    Drop(Access),
    /// The channels that the account refers to, after one of them or from the first.
    List {
        /// The last one that is known.
        after: Option<ChannelId>,
    },
    /// The path of one channel under the newest root.
    Prove {
        /// Which.
        channel_id: ChannelId,
    },
}

impl Request {
    /// Signatures that the tower has to check for it, at most.
    pub(crate) fn signatures(&self) -> u64 {
        match self {
            // A signer's key that is learnt costs two checks.
            Self::Put { .. } => 5,
            Self::Get(_) | Self::Drop(_) => 1,
            Self::Subscribe { .. } | Self::List { .. } | Self::Prove { .. } => 0,
        }
    }
}

/// What the tower answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Request::Subscribe`].
    Subscribed(Subscription),
    /// To [`Request::Put`]: it is on disk, and this is the promise.
    Promised(SignedReceipt),
    /// To [`Request::Put`], where something newer or other is held, and to [`Request::Get`].
    Held(Box<Held>),
    /// To [`Request::Drop`].
    Dropped {
        /// Which channel.
        channel_id: ChannelId,
    },
    /// To [`Request::List`].
    Listed {
        /// In order. Shape: at most [`lockstep_proto::limit::MAX_LISTED_CHANNELS`].
        channel_ids: Vec<ChannelId>,
    },
    /// To [`Request::Prove`].
    Proof(Box<PossessionProof>),
    /// It is refused.
    Refused(TowerRefusal),
}

/// What a tower holds of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The newest state that it has.
    pub appointment: Appointment,
    /// What it promises the asker for it, if it does.
    pub receipt: Option<SignedReceipt>,
}

/// What an account has at a tower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Channels that it may refer to.
    pub slots: u32,
    /// Channels that it refers to.
    pub used: u32,
    /// Until when. Units: seconds since 1970; the greatest number where nothing is paid for.
    pub paid_until_secs: u64,
    /// The latest head of the client's journal that the tower has seen before this session (P47).
    pub seen_head: Option<JournalHead>,
    /// What the tower asks for and gives.
    pub terms: TowerTerms,
}

/// What a tower asks for and gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TowerTerms {
    /// Channels with a shorter challenge period are refused. Units: seconds.
    pub min_window_secs: u32,
    /// How long a receipt holds. Units: seconds.
    pub receipt_secs: u32,
    /// Appointments that it takes from one account.
    pub puts_per_minute: u32,
    /// The most that it stands for on one channel; zero without a bond.
    pub max_insured: Amount,
    /// The contracts that it watches. Shape: at most [`lockstep_proto::limit::MAX_TOWER_DOMAINS`].
    pub domains: Vec<Domain>,
}

/// What a tower says unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// That it is alive, once a minute.
    Heartbeat(Box<Heartbeat>),
    /// What it did about a close.
    Acted(Acted),
}

/// What a tower says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Counts them.
    pub sequence: u64,
    /// Each chain that it follows. Shape: at most [`lockstep_proto::limit::MAX_HEARTBEAT_CHAINS`].
    pub chains: Vec<ChainHealth>,
    /// The newest root, if there is one.
    pub root: Option<SignedRoot>,
}

/// How a tower stands with one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHealth {
    /// Which.
    pub chain_id: u64,
    /// Its newest block, as this tower sees it.
    pub head_number: u64,
    /// The block's hash: a tower and a node that differ here are on two chains.
    pub head_hash: B256,
    /// Its newest final block.
    pub finalized_number: u64,
    /// Accounts that it can send from.
    pub lanes: u32,
    /// Of these, with a transaction under way.
    pub lanes_busy: u32,
    /// What they have together for fees.
    pub gas_reserve: Amount,
    /// Whether the chain is followed without a gap.
    pub is_following: bool,
}

/// What a tower did about a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acted {
    /// Of which channel.
    pub channel_id: ChannelId,
    /// What the close shows.
    pub seen_version: Version,
    /// What the tower shows.
    pub posted_version: Version,
    /// The newest transaction, if there is one.
    pub tx_hash: Option<B256>,
    /// How far it is.
    pub stage: ActedStage,
}

/// How far a tower's answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActedStage {
    /// The close is seen.
    Seen,
    /// A transaction is out.
    Sent,
    /// A block holds it.
    Included,
    /// A final block shows our version, or a newer one.
    Final,
    /// Half of the window is gone without a final answer.
    Alarm,
}

/// Why a tower does not do what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the tower refuses: {code}")]
pub struct TowerRefusal {
    /// Why.
    pub code: RefusalCode,
    /// When to ask again; 0 where that changes nothing. Units: seconds.
    pub retry_after_secs: u32,
}

impl TowerRefusal {
    /// A refusal that stays.
    pub const fn of(code: RefusalCode) -> Self {
        Self { code, retry_after_secs: 0 }
    }

    /// A refusal that may be gone later.
    pub const fn later(code: RefusalCode, retry_after_secs: u32) -> Self {
        Self { code, retry_after_secs }
    }

    /// Whether to ask again.
    pub fn class(&self) -> ErrorClass {
        if self.retry_after_secs > 0 { ErrorClass::Transient } else { ErrorClass::Refused }
    }
}

/// The reasons of a tower, each with its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum RefusalCode {
    /// A signature of the state does not hold.
    #[error("a signature of the state does not hold")]
    BadSignature,
    /// The contract would not take this state now.
    #[error("the contract would not take this state")]
    NotActionable,
    /// The challenge period is shorter than this tower's minimum.
    #[error("the challenge period is shorter than this tower's minimum")]
    WindowTooShort,
    /// All slots of the account are used.
    #[error("all slots of the account are used")]
    NoSlot,
    /// Too much was asked in too little time.
    #[error("too much was asked in too little time")]
    RateLimited,
    /// The account does not refer to this channel, or the chain does not know it.
    #[error("the channel is not known")]
    UnknownChannel,
    /// This chain or contract is not watched here.
    #[error("this chain or contract is not watched here")]
    UnsupportedChain,
    /// The tower could not write.
    #[error("the tower could not write to its disk")]
    Storage,
    /// The terms or the state are not valid.
    #[error("the terms or the state are not valid")]
    Invalid,
    /// The word of access is not by that side's signer.
    #[error("the word of access is not by that side's signer")]
    NotAuthorised,
    /// The channel is closed.
    #[error("the channel is closed")]
    ChannelClosed,
    /// The tower can't ask the chain now.
    #[error("the tower cannot ask the chain now")]
    ChainUnavailable,
    /// There is no root over this record yet.
    #[error("there is no root over this record yet")]
    NoProof,
    /// Too many requests wait.
    #[error("too many requests wait")]
    Busy,
}
