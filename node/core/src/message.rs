//! What the two nodes say to each other about one channel.
//!
//! A message that carries our signature exists in two forms: [`UnsignedMessage`], which the journal
//! makes durable, and [`PeerMessage`], which leaves once the signer has added the deterministic bytes.

use crate::ids::{AccountRef, Domain, Sequence, Version};
use crate::lock::Lock;
use crate::money::Amount;
use crate::signature::StateSignature;
use crate::state::{Open, PartialWithdraw, State};
use crate::terms::{Features, Terms};
use crate::update::Update;

/// What the proposer must know before it can write terms. Travels under the salt of the channel to be,
/// which has no id yet: the signing keys that the id depends on are derived from the salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenQuery {
    /// Where the channel is to live.
    pub domain: Domain,
}

/// Side 2's part of the terms. It binds nobody to anything, and whoever gives it keeps nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOffer {
    /// Owner of side 2.
    pub participant: AccountRef,
    /// Public key of `signer2` for this salt, compressed SEC1.
    pub signer_key: [u8; 33],
}

/// The proposer's offer to open a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// Where the channel is to live.
    pub domain: Domain,
    /// The terms; side 1 is the sender.
    pub terms: Terms,
    /// What side 1 brings.
    pub deposit1: Amount,
    /// What side 1 asks side 2 to bring.
    pub deposit2: Amount,
    /// What the sender can and wants to use.
    pub features: Features,
    /// Public key of `signer1`, compressed SEC1.
    pub signer_key: [u8; 33],
}

/// The acceptor's consent, before its signature is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenConsent {
    /// What is signed.
    pub open: Open,
    /// The features that both have.
    pub features: Features,
    /// Public key of `signer2`, compressed SEC1.
    pub signer_key: [u8; 33],
}

/// A new state from the proposer, before its signature is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The co-signed version that `updates` start from.
    pub base_version: Version,
    /// The state.
    pub state: State,
    /// Its locks, in the order that its root commits to.
    pub locks: Vec<Lock>,
    /// The proposer's updates since the base, in order.
    pub updates: Vec<Update>,
    /// Every intent of the acceptor up to here is included, but for the refused ones.
    pub intents_through: Sequence,
    /// Intents since the base that are left out for ever.
    pub refused: Vec<Sequence>,
}

/// Why one side does not sign or include something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// It would take more than the payer has.
    InsufficientBalance,
    /// The invoice is unknown, expired, already paid, or asks for another amount.
    InvoiceRefused,
    /// A lock breaks a limit of count, dust, expiry or duplicates.
    LockRefused,
    /// The lock that is meant does not exist, or the secret does not fit.
    UnknownLock,
    /// Net or locks do not follow from the listed updates.
    Mismatch,
    /// A withdrawal outstanding would make it invalid.
    WithdrawalOutstanding,
    /// The channel takes no new states now.
    NotNow,
    /// The terms or the amount are outside the receiver's policy.
    Policy,
}

/// What proves a state: the state, its locks and both signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedState {
    /// The state.
    pub state: State,
    /// Its locks.
    pub locks: Vec<Lock>,
    /// By signer 1.
    pub signature1: StateSignature,
    /// By signer 2.
    pub signature2: StateSignature,
}

/// What a side says about a channel on every connection, before its own signature is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReestablishBody {
    /// The newest co-signed state; none means version 0.
    pub newest: Option<SignedState>,
    /// The highest version whose digest the sender has bound.
    pub highest_bound: Version,
    /// Side 1's updates that the sender has through a co-signed state or holds as pending.
    pub sequence1: Sequence,
    /// Side 2's, likewise.
    pub sequence2: Sequence,
}

/// A message between the two nodes of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerMessage {
    /// Who would you be in a channel of this salt?
    OpenQuery(OpenQuery),
    /// This is who I would be.
    OpenOffer(OpenOffer),
    /// Let us open a channel.
    OpenRequest(OpenRequest),
    /// Yes, and here is my consent for the contract.
    OpenAccept {
        /// The consent.
        consent: OpenConsent,
        /// By signer 2 over the `Open` digest.
        signature: StateSignature,
    },
    /// No.
    OpenReject {
        /// Why.
        reason: RejectReason,
    },
    /// A new state, proposer to acceptor.
    Propose {
        /// The state and what leads to it.
        proposal: Proposal,
        /// By signer 1 over the state's digest.
        signature: StateSignature,
    },
    /// The acceptor's countersignature.
    Accept {
        /// Which proposal.
        version: Version,
        /// By signer 2 over the state's digest.
        signature: StateSignature,
    },
    /// The acceptor does not sign that version.
    Reject {
        /// Which proposal.
        version: Version,
        /// Why.
        reason: RejectReason,
        /// The update at fault, where one is.
        update: Option<Sequence>,
        /// The acceptor's newest co-signed version.
        base: Version,
    },
    /// The acceptor's updates, for the proposer to include.
    Intent {
        /// In order.
        updates: Vec<Update>,
    },
    /// The proposer leaves an intent out for ever.
    Refuse {
        /// Which.
        sequence: Sequence,
        /// Why.
        reason: RejectReason,
    },
    /// The acceptor asks for a partial withdrawal.
    WithdrawRequest {
        /// To participant 1.
        out1: Amount,
        /// To participant 2.
        out2: Amount,
    },
    /// The proposer's offer of a partial withdrawal.
    WithdrawPropose {
        /// The withdrawal.
        withdraw: PartialWithdraw,
        /// By signer 1 over its digest.
        signature: StateSignature,
    },
    /// The acceptor's countersignature on a withdrawal.
    WithdrawAccept {
        /// Which.
        version: Version,
        /// By signer 2 over its digest.
        signature: StateSignature,
    },
    /// The acceptor does not sign that withdrawal.
    WithdrawReject {
        /// Which.
        version: Version,
        /// Why.
        reason: RejectReason,
    },
    /// Let us close together.
    CloseRequest {
        /// The least version that the sender would sign; beyond anything it may have lost.
        min_version: Version,
    },
    /// What I hold, after each connection.
    Reestablish(ReestablishBody),
}

/// A message that waits for our signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnsignedMessage {
    /// Becomes [`PeerMessage::OpenAccept`].
    OpenAccept(OpenConsent),
    /// Becomes [`PeerMessage::Propose`].
    Propose(Proposal),
    /// Becomes [`PeerMessage::Accept`].
    Accept {
        /// Which proposal.
        version: Version,
    },
    /// Becomes [`PeerMessage::WithdrawPropose`].
    WithdrawPropose(PartialWithdraw),
    /// Becomes [`PeerMessage::WithdrawAccept`].
    WithdrawAccept {
        /// Which withdrawal.
        version: Version,
    },
    /// Becomes [`PeerMessage::Reestablish`]: the newest state lacks our half.
    Reestablish {
        /// The body; its own-side signature is a placeholder until it is filled in.
        body: ReestablishBody,
        /// Which side's signature is to be filled in.
        side: crate::ids::Side,
    },
}

impl UnsignedMessage {
    /// The message with our signature added.
    pub fn with_signature(self, signature: StateSignature) -> PeerMessage {
        match self {
            Self::OpenAccept(consent) => PeerMessage::OpenAccept { consent, signature },
            Self::Propose(proposal) => PeerMessage::Propose { proposal, signature },
            Self::Accept { version } => PeerMessage::Accept { version, signature },
            Self::WithdrawPropose(withdraw) => PeerMessage::WithdrawPropose { withdraw, signature },
            Self::WithdrawAccept { version } => PeerMessage::WithdrawAccept { version, signature },
            Self::Reestablish { mut body, side } => {
                if let Some(newest) = &mut body.newest {
                    match side {
                        crate::ids::Side::One => newest.signature1 = signature,
                        crate::ids::Side::Two => newest.signature2 = signature,
                    }
                }
                PeerMessage::Reestablish(body)
            }
        }
    }
}
