//! What a node leaves with a watchtower: the newest state of one channel, ready to be posted by anyone.
//!
//! "Highest version wins", so one appointment replaces all before it. It holds public signatures and no
//! secret: a tower can post it and do nothing else with it.
//!
//! Source: watchtower §1, §2.

use crate::adjudicator::acceptance::{self, Accepted};
use crate::adjudicator::{PresentedState, Refusal, Signatures};
use crate::digest::SigningDomain;
use crate::error::ErrorClass;
use crate::ids::{ChannelId, Digest, Domain, Side, Version};
use crate::money::Deposits;
use crate::signature::{SignatureError, SignerKey, StateSignature};
use crate::state::{State, StateKind};
use crate::terms::{PeriodBounds, Terms, TermsError};
use alloy_primitives::{Address, B256, keccak256};
use thiserror::Error;

/// Units: bytes of the largest sealed list of locks.
pub const MAX_SEALED_LOCKS_BYTES: usize = 4 * 1024;

/// A list of locks that only the node which sealed it can read.
///
/// A tower needs the locks' root, never the locks; it keeps them so that a node which lost its disk
/// finds them again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedLocks(Vec<u8>);

impl SealedLocks {
    /// No locks.
    pub const EMPTY: Self = Self(Vec::new());

    /// From bytes that were sealed elsewhere; none if they are more than [`MAX_SEALED_LOCKS_BYTES`].
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= MAX_SEALED_LOCKS_BYTES).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The newest state of one channel with all that the contract needs to take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appointment {
    /// Chain and contract.
    pub domain: Domain,
    /// The terms, which the contract never stores.
    pub terms: Terms,
    /// The state.
    pub state: State,
    /// By both signers.
    pub signatures: Signatures,
    /// Its locks, for whoever left it.
    pub sealed_locks: SealedLocks,
}

/// Why an appointment is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AppointmentError {
    /// StarkNet channels are answered by another kind of submitter.
    #[error("this kind of chain is not watched")]
    ForeignChain,
    /// The terms are not those of a channel that is watched.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The state belongs to another channel than the terms.
    #[error("state is of channel {found}, the terms are those of {expected}")]
    OtherChannel {
        /// What the terms hash to.
        expected: ChannelId,
        /// What the state says.
        found: ChannelId,
    },
    /// Version 0 is the state that nobody signs.
    #[error("version 0 is signed by nobody")]
    VersionZero,
    /// The contract would not take the state.
    #[error("the contract would refuse the state")]
    Refusal(#[from] Refusal),
    /// A side has not signed it.
    #[error("the signature of side {} does not hold", .side.number())]
    Signature {
        /// Which side.
        side: Side,
        /// Why.
        #[source]
        source: SignatureError,
    },
}

impl AppointmentError {
    /// An honest client sends what the contract takes; windows and chains are the tower's own choice.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::ForeignChain | Self::Terms(_) | Self::Refusal(_) => ErrorClass::Refused,
            Self::OtherChannel { .. } | Self::VersionZero | Self::Signature { .. } => {
                ErrorClass::PeerFault
            }
        }
    }
}

/// An appointment whose signatures and content are checked, as far as that needs no chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedAppointment {
    appointment: Appointment,
    channel_id: ChannelId,
    digest: Digest,
    keys: [SignerKey; 2],
}

impl Appointment {
    /// The channel, as the terms name it.
    pub fn channel_id(&self) -> ChannelId {
        self.terms.channel_id(self.domain)
    }

    /// The version that it holds.
    pub fn version(&self) -> Version {
        self.state.version
    }

    /// Applies every rule of the contract that needs no chain, cheap ones first. `known` are the
    /// signers' keys from an earlier appointment of this channel, which makes the check half as dear.
    ///
    /// # Errors
    /// [`AppointmentError`].
    pub fn check(
        self,
        bounds: PeriodBounds,
        known: Option<[SignerKey; 2]>,
    ) -> Result<CheckedAppointment, AppointmentError> {
        match self.domain {
            Domain::Evm { .. } => {}
            Domain::Starknet { .. } => return Err(AppointmentError::ForeignChain),
        }
        let (expected, found) = (self.channel_id(), self.state.channel_id);
        if expected != found {
            return Err(AppointmentError::OtherChannel { expected, found });
        }
        if self.state.version == Version::ZERO {
            return Err(AppointmentError::VersionZero);
        }
        self.terms.validate(self.domain, bounds)?;
        let State { locked1, locked2, locks_root, kind, .. } = self.state;
        acceptance::check_locks(locked1, locked2, locks_root)?;
        if kind == StateKind::Final && !locks_root.is_zero() {
            return Err(Refusal::FinalStateHasLocks.into());
        }
        let digest = SigningDomain::new(self.domain).state(&self.state);
        let key = |side| {
            let known = known.map(|keys| of_side(keys, side));
            self.check_signature(digest, side, known)
        };
        let keys = [key(Side::One)?, key(Side::Two)?];
        Ok(CheckedAppointment { appointment: self, channel_id: expected, digest, keys })
    }

    fn check_signature(
        &self,
        digest: Digest,
        side: Side,
        known: Option<SignerKey>,
    ) -> Result<SignerKey, AppointmentError> {
        let signature = match side {
            Side::One => self.signatures.one,
            Side::Two => self.signatures.two,
        };
        let signer = self.terms.signer(side);
        let checked = match known.filter(|key| key.address() == signer) {
            Some(key) => key.verify(digest, signature).map(|()| key),
            None => SignerKey::recover(digest, signature, signer),
        };
        checked.map_err(|source| AppointmentError::Signature { side, source })
    }
}

impl CheckedAppointment {
    /// The appointment.
    pub fn get(&self) -> &Appointment {
        &self.appointment
    }

    /// The appointment, for whoever keeps it.
    pub fn into_inner(self) -> Appointment {
        self.appointment
    }

    /// The channel.
    pub fn channel_id(&self) -> ChannelId {
        self.channel_id
    }

    /// What both sides have signed.
    pub fn state_digest(&self) -> Digest {
        self.digest
    }

    /// The keys of both signers.
    pub fn keys(&self) -> [SignerKey; 2] {
        self.keys
    }

    /// Whether the contract would take the state with these deposits: the very predicate that the node
    /// applies before it signs (P33, P80).
    ///
    /// # Errors
    /// As the contract refuses it.
    pub fn accept(&self, deposits: Deposits) -> Result<Accepted, Refusal> {
        acceptance::accept(deposits, &PresentedState::from(&self.appointment.state))
    }
}

/// What a session with a tower may do with one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TowerAction {
    /// Refer to the channel, so that its newest state is kept for this account.
    Watch,
    /// Be given what is held.
    Get,
    /// Refer to it no more.
    Drop,
}

impl TowerAction {
    /// The number that is signed.
    pub fn number(self) -> u8 {
        match self {
            Self::Watch => 1,
            Self::Get => 2,
            Self::Drop => 3,
        }
    }

    /// The action of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Watch),
            2 => Some(Self::Get),
            3 => Some(Self::Drop),
            _ => None,
        }
    }
}

/// One side's word that an account at a tower acts for it. Signed by that side's signer of the channel.
///
/// It names tower and account, so it is of no use to anybody else. It takes no version, and it is no
/// evidence on any chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TowerAccess {
    /// The channel.
    pub channel_id: ChannelId,
    /// Which side speaks.
    pub side: Side,
    /// What is allowed.
    pub action: TowerAction,
    /// Address of the tower's key.
    pub tower: Address,
    /// Address of the session key that the account is named by.
    pub account: Address,
}

impl TowerAccess {
    /// Whether that side's signer has signed this.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(
        &self,
        domain: &SigningDomain,
        key: &SignerKey,
        signature: StateSignature,
    ) -> Result<(), SignatureError> {
        key.verify(domain.tower_access(self), signature)
    }
}

/// A name of what a tower holds of a channel, for proofs: equal exactly where the evidence is.
pub fn record_hash(channel_id: ChannelId, state: Digest, signatures: &Signatures) -> B256 {
    let (one, two) = (signatures.one.0, signatures.two.0);
    let parts = channel_id.0.iter().chain(state.0.iter()).chain(&one).chain(&two);
    keccak256(parts.copied().collect::<Vec<u8>>())
}

fn of_side(keys: [SignerKey; 2], side: Side) -> SignerKey {
    let [one, two] = keys;
    match side {
        Side::One => one,
        Side::Two => two,
    }
}

#[cfg(test)]
mod tests;
