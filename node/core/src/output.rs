//! What a transition leads to, once it is durable, in order.

use crate::chain::Obligation;
use crate::commit::Durable;
use crate::ids::{PaymentId, Sequence, Side, Version};
use crate::message::{PeerMessage, RejectReason, UnsignedMessage};
use crate::money::Amount;
use crate::record::{Equivocation, FreezeReason, RestoreReason};
use crate::request::SigningRequest;
use crate::signature::StateSignature;
use crate::time::BlockTimestamp;
use crate::update::Action;
use alloy_primitives::B256;

/// One thing to do. As part of a transition `R` is a bare request; after the commit, a durable one.
#[derive(Debug, PartialEq, Eq)]
pub enum Output<R = SigningRequest> {
    /// Send it.
    Send(PeerMessage),
    /// Sign, then go on with the signature.
    Sign {
        /// What to sign.
        request: R,
        /// What the signature is for.
        then: AfterSigning,
    },
    /// Bring it to the chain.
    Submit(Obligation),
    /// There is a newer state for the watchtowers; they fetch it with `Channel::evidence`.
    Protect {
        /// Its version.
        version: Version,
    },
    /// Ask the chain's registry whether it took the secret of this hash, also long ago, and tell every
    /// secret that it takes from now on: as [`crate::chain::ChainFact::SecretRevealed`], at any position.
    ///
    /// It may have been taken before there was a lock; whoever offers the lock would then wait until we
    /// believe it expired, and let the contract pay it. Asked again after every start, until answered.
    Watch {
        /// Of the lock.
        hash: B256,
    },
    /// Tell the user, and write it to the history in the same transaction.
    Notify(Notice),
}

/// An output whose transition is durable.
pub type Effect = Output<Durable<SigningRequest>>;

/// What to do with a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterSigning {
    /// Complete the message and send it.
    Send(UnsignedMessage),
    /// Complete the evidence and bring it to the chain.
    Submit {
        /// Our side.
        side: Side,
        /// What we owe.
        obligation: Obligation,
    },
}

impl AfterSigning {
    /// What is to be done, now that the signature is there.
    pub fn complete(self, signature: StateSignature) -> Effect {
        match self {
            Self::Send(message) => Output::Send(message.with_signature(signature)),
            Self::Submit { side, obligation } => {
                Output::Submit(obligation.with_signature(side, signature))
            }
        }
    }
}

/// Something that a user or a log wants to know. Facts, not sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The other side consents to the open; the channel may be opened on chain.
    OpenConsented,
    /// The other side refused to open.
    OpenRejected {
        /// Why.
        reason: RejectReason,
    },
    /// The channel is open and may be used.
    Opened,
    /// A deposit became final.
    Funded {
        /// Whose.
        side: Side,
        /// How much.
        amount: Amount,
    },
    /// An update of ours waits for the counterparty.
    Queued {
        /// Which.
        id: PaymentId,
    },
    /// An update is final for us: our own is paid, the counterparty's is received.
    Applied {
        /// Which.
        id: PaymentId,
        /// What it was.
        action: Action,
        /// In which version.
        version: Version,
    },
    /// An update of ours was left out for ever.
    Failed {
        /// Which.
        id: PaymentId,
        /// Why.
        reason: RejectReason,
    },
    /// The counterparty says that it will leave out an intent; binding once a state shows it.
    Refused {
        /// Which.
        sequence: Sequence,
        /// Why.
        reason: RejectReason,
    },
    /// We learned the secret of a lock.
    SecretLearned {
        /// Of which lock.
        hash: B256,
        /// The secret.
        secret: B256,
    },
    /// The counterparty owes an answer for too long.
    PeerSilent,
    /// A close was seen on chain.
    CloseSeen {
        /// The version it would settle at.
        version: Version,
        /// When.
        closes_at: BlockTimestamp,
        /// Who started it.
        initiator: Side,
    },
    /// A sighted close is gone for good; signing goes on.
    CloseVanished,
    /// A partial withdrawal was paid, finally.
    Withdrawn {
        /// Its version.
        version: Version,
    },
    /// A partial withdrawal can no longer land.
    WithdrawalExpired {
        /// Its version.
        version: Version,
    },
    /// The counterparty refuses a partial withdrawal; it may still land until its deadline.
    WithdrawalRefused {
        /// Why.
        reason: RejectReason,
    },
    /// The counterparty does not sign the final state that we have bound. Nothing else can be signed
    /// any more: it may still sign it, and our operator may close with what we hold.
    CloseRefused {
        /// Why.
        reason: RejectReason,
    },
    /// A lock of the settled list is decided, finally. If it was paid, the registry has its secret, also
    /// where we have not learned it: a lock upstream that waits for the same one must not be failed.
    LockResolved {
        /// Of which lock.
        hash: B256,
        /// Whether its payee got it; else it went back.
        is_paid: bool,
    },
    /// The channel is settled.
    Settled {
        /// Paid to participant 1.
        paid1: Amount,
        /// Paid to participant 2.
        paid2: Amount,
    },
    /// The channel signs nothing more.
    Frozen {
        /// Why.
        reason: FreezeReason,
    },
    /// The channel has lost data and signs only final states.
    Restored {
        /// How that came out.
        reason: RestoreReason,
    },
    /// The counterparty signed two states of one version.
    Equivocation(Box<Equivocation>),
    /// The counterparty claims a newer state without proof.
    UnprovenClaim {
        /// The version that it claims.
        version: Version,
    },
}
