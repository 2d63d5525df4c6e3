//! What the journal keeps of one channel. Every part is bounded; history lives elsewhere.

use crate::chain::{ChannelStatus, CloseMode, CloseSighting, EventPosition};
use crate::digest::SigningDomain;
use crate::error::ErrorClass;
use crate::ids::{ChannelId, Digest, Domain, InvoiceId, NodeId, Sequence, Side, Version};
use crate::lock::{Lock, MAX_LOCKS, locked_sums, locks_root};
use crate::message::RejectReason;
use crate::money::{Amount, AmountError, Deposits};
use crate::request::KeyContext;
use crate::signature::{SignatureError, SignerKey, StateSignature};
use crate::state::{Open, PartialWithdraw, State, StateKind};
use crate::terms::{Features, Policy, Terms, TermsError};
use crate::time::{BlockPoint, BlockTimestamp};
use crate::update::{MAX_PENDING_UPDATES, Memo, Update};
use alloy_primitives::{Address, B256};
use std::collections::BTreeMap;
use thiserror::Error;

/// Invoices of one channel that are open or were paid while still valid.
pub const MAX_INVOICES: usize = 1_024;
/// Secrets that are kept for locks of one channel.
pub const MAX_SECRETS: usize = 4 * MAX_LOCKS;
/// Digests that the guard holds: the newest co-signed version, every proposal in flight, a withdrawal.
pub const MAX_BINDINGS: usize = 68;

/// What is fixed for the life of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelSetup {
    /// Chain and contract.
    pub domain: Domain,
    /// The terms.
    pub terms: Terms,
    /// Our side.
    pub side: Side,
    /// The counterparty's node.
    pub peer: NodeId,
    /// Our signing key's public half; belongs to our signer in the terms.
    pub own_key: SignerKey,
    /// The counterparty's signing key, once it was shown; checked against the terms.
    pub counterparty_key: Option<SignerKey>,
    /// What both can do.
    pub features: Features,
    /// What we allow.
    pub policy: Policy,
    /// What side 1 brings at the open.
    pub deposit1: Amount,
    /// What side 2 is asked to bring.
    pub deposit2: Amount,
}

impl ChannelSetup {
    /// The channel's id.
    pub fn channel_id(&self) -> ChannelId {
        self.terms.channel_id(self.domain)
    }

    /// Our signing address.
    pub fn own_signer(&self) -> Address {
        self.terms.signer(self.side)
    }

    /// What our signing key is derived from.
    pub fn key_context(&self) -> KeyContext {
        KeyContext { domain: self.domain, peer: self.peer, salt: self.terms.salt }
    }
}

/// Where a channel is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The sides talk about terms; nothing is signed.
    Opening(OpeningStage),
    /// Consent is given; waiting for ACTIVE at the chain's finality class.
    Funding {
        /// Side 2's consent.
        consent: Option<Consent>,
    },
    /// Payments flow.
    Open,
    /// The sides close together.
    Closing(ClosingStage),
    /// A close was seen on chain.
    Disputed(Dispute),
    /// The contract has settled.
    Settled(Settlement),
}

/// Who waits for whom while terms are talked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpeningStage {
    /// We asked. Whoever is asked keeps nothing until its operator says yes.
    Requested,
    /// The other side said no.
    Rejected,
}

/// Side 2's consent to the open. Side 2 itself makes its signature anew when it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Consent {
    /// What was signed.
    pub open: Open,
    /// By signer 2, once known.
    pub signature: Option<StateSignature>,
}

/// How far a cooperative close has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClosingStage {
    /// We, the acceptor, asked for it.
    Requested,
    /// We, the proposer, take nothing new; what is in flight must be answered first.
    Draining {
        /// The final state takes at least this version: the acceptor may have lost data.
        min_version: Version,
    },
    /// The final state of this version is bound by us.
    FinalBound {
        /// Its version.
        version: Version,
    },
    /// Both have signed the final state; it waits for the chain.
    FinalSigned {
        /// Its version.
        version: Version,
        /// We bring it to the chain ourselves once a finalized block is later than this.
        submit_after: BlockTimestamp,
    },
    /// Our operator ordered a close with what we hold; nothing new is bound.
    Unilateral,
}

/// A close on chain, and where the channel was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dispute {
    /// The close.
    pub sighting: CloseSighting,
    /// The cooperative close that was under way; none if the channel was open.
    pub interrupted: Option<ClosingStage>,
}

/// A secret and what the chain's registry knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KnownSecret {
    /// What hashes to its key.
    pub secret: B256,
    /// When the registry took it, if it did, by a final block.
    pub revealed_at: Option<BlockTimestamp>,
}

/// What the contract paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The version that was settled.
    pub version: Version,
    /// How.
    pub mode: CloseMode,
    /// Paid to participant 1.
    pub paid1: Amount,
    /// Paid to participant 2.
    pub paid2: Amount,
    /// Still held for side 1's locks.
    pub held1: Amount,
    /// Still held for side 2's locks.
    pub held2: Amount,
    /// The settled list of locks, if we know it.
    pub locks: Vec<Lock>,
    /// Which of them are decided, bit by bit.
    pub resolved: u32,
    /// Which of the decided ones are known to have gone back to their payers. What is not here may have
    /// been paid, also where its secret is unknown.
    pub returned: u32,
    /// Where the event stands.
    pub position: EventPosition,
    /// Whether the settlement is final.
    pub is_final: bool,
    /// The cooperative close that was under way, until the settlement is final.
    pub interrupted: Option<ClosingStage>,
}

/// Why a channel signs nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FreezeReason {
    /// One of our own invariants did not hold.
    InvariantBroken,
    /// The counterparty signed two states of one version.
    Equivocation,
    /// The operator ordered it.
    Command,
}

/// How it came out that data was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RestoreReason {
    /// A backup was imported.
    Import,
    /// Somebody showed our own signature beyond our guard.
    OwnSignature,
}

/// Marks beside any phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks {
    /// Nothing more is signed; watching goes on.
    pub frozen: Option<FreezeReason>,
    /// Only final states are signed.
    pub restored: Option<RestoreReason>,
}

/// The digest that each version is bound to. One version never has two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// No version at or below this is bound again.
    pub highest: Version,
    /// The versions that may still be signed: the newest co-signed one and those in flight.
    pub bound: BTreeMap<Version, Digest>,
}

/// The newest state that both have signed, or that we have bound a countersignature to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoSigned {
    /// The state.
    pub state: State,
    /// Its locks.
    pub locks: Vec<Lock>,
    /// By the counterparty.
    pub counterparty_signature: StateSignature,
    /// Ours, where somebody showed it; else it is made anew, since it is deterministic.
    pub own_signature: Option<StateSignature>,
}

/// How many updates of each side a state includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sequences {
    /// Through which update of side 1.
    pub one: Sequence,
    /// Through which update of side 2.
    pub two: Sequence,
}

impl Sequences {
    /// One side's.
    pub fn of(self, side: Side) -> Sequence {
        match side {
            Side::One => self.one,
            Side::Two => self.two,
        }
    }
}

/// An update that no co-signed state includes yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingUpdate {
    /// The update.
    pub update: Update,
    /// Proposals from this version on leave it out, for this reason.
    pub left_out: Option<LeftOut>,
}

/// From where on, and why, an update is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeftOut {
    /// The first version that leaves it out.
    pub from: Version,
    /// Why.
    pub reason: RejectReason,
}

/// A state that we, the proposer, have bound and the acceptor may have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// The state.
    pub state: State,
    /// Its locks.
    pub locks: Vec<Lock>,
    /// How many updates it includes.
    pub sequences: Sequences,
    /// The acceptor said no; it may have signed all the same.
    pub is_rejected: bool,
}

/// A partial withdrawal that at least one side has bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Withdrawal {
    /// The withdrawal.
    pub withdraw: PartialWithdraw,
    /// By the counterparty, once it is there.
    pub counterparty_signature: Option<StateSignature>,
}

/// What became of an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InvoiceStatus {
    /// May be paid.
    Open,
    /// Was paid in this version.
    Paid {
        /// The version.
        version: Version,
    },
}

/// A request for one payment, made by the payee.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Invoice {
    /// Exactly this much.
    pub amount: Amount,
    /// Last second at which it may be paid, by the chain's clock.
    pub expiry: BlockTimestamp,
    /// What it is for.
    pub memo: Memo,
    /// What became of it.
    pub status: InvoiceStatus,
}

/// What the chain has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChainFacts {
    /// Status at the finality class that gives credit.
    pub status: ChannelStatus,
    /// Final deposits.
    pub deposits: Deposits,
    /// The newest finalized block that the channel has seen.
    pub finalized: BlockPoint,
    /// The last final fact that was applied; earlier ones are duplicates.
    pub applied: EventPosition,
}

/// Two states of one version, both signed by the counterparty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Equivocation {
    /// The one.
    pub first: State,
    /// The counterparty's signature on it.
    pub first_signature: StateSignature,
    /// The other.
    pub second: State,
    /// The counterparty's signature on it.
    pub second_signature: StateSignature,
}

/// All parts of a record, for the store to read and to build from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordParts {
    /// What is fixed.
    pub setup: ChannelSetup,
    /// Where the channel is in its life.
    pub phase: Phase,
    /// Frozen or restored.
    pub marks: Marks,
    /// Which digests are bound.
    pub guard: Guard,
    /// The newest co-signed state; none means version 0.
    pub base: Option<CoSigned>,
    /// How many updates the base includes.
    pub base_sequences: Sequences,
    /// Proposer only: bound states without a countersignature, by rising version.
    pub in_flight: Vec<InFlight>,
    /// Our updates that the base does not include, by rising sequence.
    pub own_pending: Vec<PendingUpdate>,
    /// Proposer only: the acceptor's intents that the base does not include.
    pub peer_pending: Vec<PendingUpdate>,
    /// The last sequence that we gave to an update of ours.
    pub own_sequence: Sequence,
    /// Proposer only: the last sequence of the acceptor's intents that we took in.
    pub peer_sequence: Sequence,
    /// The one withdrawal that may be outstanding.
    pub withdrawal: Option<Withdrawal>,
    /// Invoices that we made.
    pub invoices: BTreeMap<InvoiceId, Invoice>,
    /// Secrets that we know, by hash.
    pub secrets: BTreeMap<B256, KnownSecret>,
    /// What the chain has shown.
    pub chain: ChainFacts,
    /// Proof of the counterparty's equivocation.
    pub equivocation: Option<Equivocation>,
}

/// A record whose parts fit each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRecord {
    // Hashing the terms on every use would cost more than a payment.
    channel_id: ChannelId,
    parts: RecordParts,
}

/// Why parts do not make a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// A part holds more than it may.
    #[error("{what:?} holds {found}, more than {limit}")]
    TooMany {
        /// Which part.
        what: RecordPart,
        /// How many are there.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A part contradicts another.
    #[error("{what:?} contradicts the rest of the record")]
    Contradiction {
        /// Which part.
        what: RecordPart,
    },
    /// Money does not add up.
    #[error("amounts of the record do not add up")]
    Amount(#[from] AmountError),
    /// The terms are not valid.
    #[error("terms of the record are not valid")]
    Terms(#[from] TermsError),
    /// A signature in the record does not hold.
    #[error("a signature of the record does not hold")]
    Signature(#[from] SignatureError),
}

impl RecordError {
    /// A record that does not hold must never be signed from.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::TooMany { .. }
            | Self::Contradiction { .. }
            | Self::Amount(_)
            | Self::Terms(_)
            | Self::Signature(_) => ErrorClass::Fatal,
        }
    }
}

/// Names a part of a record in an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordPart {
    /// `setup`.
    Setup,
    /// `phase`.
    Phase,
    /// `guard`.
    Guard,
    /// `base`.
    Base,
    /// `in_flight`.
    InFlight,
    /// `own_pending`.
    OwnPending,
    /// `peer_pending`.
    PeerPending,
    /// `withdrawal`.
    Withdrawal,
    /// `invoices`.
    Invoices,
    /// `secrets`.
    Secrets,
    /// `equivocation`.
    Equivocation,
    /// `chain`.
    Chain,
}

impl ChannelRecord {
    /// Builds a record, checking every bound, sum, digest and signature again.
    ///
    /// # Errors
    /// On the first part that does not hold.
    pub fn from_parts(parts: RecordParts) -> Result<Self, RecordError> {
        validate::record(&parts)?;
        Ok(Self { channel_id: parts.setup.channel_id(), parts })
    }

    /// This record with other parts, which this crate derived from it step by step.
    pub(crate) fn succeed(channel_id: ChannelId, parts: RecordParts) -> Self {
        Self { channel_id, parts }
    }

    /// All parts.
    pub fn parts(&self) -> &RecordParts {
        &self.parts
    }

    /// All parts, taken out.
    pub fn into_parts(self) -> RecordParts {
        self.parts
    }

    /// The channel's id.
    pub fn channel_id(&self) -> ChannelId {
        self.channel_id
    }
}

mod validate;
