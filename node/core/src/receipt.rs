//! A tower's signed promise, and what the chain says about whether it was kept.
//!
//! A receipt is evidence that can be handed on: with the contract's tombstone it proves to anybody,
//! offline, that the tower did not answer a stale close.
//!
//! Source: watchtower §2, §5.

use crate::chain::CloseMode;
use crate::digest::SigningDomain;
use crate::ids::{ChannelId, Digest, Domain, Version};
use crate::money::Amount;
use crate::signature::{SignatureError, SignerKey, StateSignature};
use crate::terms::Terms;
use crate::time::BlockTimestamp;
use alloy_primitives::Address;
use thiserror::Error;

/// What a tower promises: a close below this version, begun in this time, will be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// Address of the tower's key.
    pub tower: Address,
    /// The channel.
    pub channel_id: ChannelId,
    /// The version that the tower holds.
    pub version: Version,
    /// The EIP-712 digest of the state that it holds.
    pub state_hash: Digest,
    /// First second at which a close must begin.
    pub valid_from: BlockTimestamp,
    /// Last second at which a close must begin.
    pub valid_until: BlockTimestamp,
    /// The least challenge period that is promised for. Units: seconds.
    pub min_window: u32,
    /// What the tower stands for; zero without a bond.
    pub insured: Amount,
    /// Who is paid if it fails: the client's participant.
    pub beneficiary: Address,
    /// The last partial withdrawal that the chain had seen; a later one may void the state.
    pub withdraw_version: Version,
}

/// A receipt with the tower's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignedReceipt {
    /// What is promised.
    pub receipt: Receipt,
    /// By the tower's key.
    pub signature: StateSignature,
}

/// What the contract keeps for ever about a closed channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tombstone {
    /// How it was closed.
    pub mode: CloseMode,
    /// The version that was settled.
    pub version: Version,
    /// End of the challenge period, if one was ever started.
    pub closes_at: Option<BlockTimestamp>,
    /// The last partial withdrawal.
    pub withdraw_version: Version,
}

/// Why a receipt proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// The terms are of another channel.
    #[error("receipt is about channel {found}, the terms are those of {expected}")]
    OtherChannel {
        /// What the terms hash to.
        expected: ChannelId,
        /// What the receipt says.
        found: ChannelId,
    },
    /// It is not by the tower that it names.
    #[error("receipt is not signed by {tower}")]
    Signature {
        /// Who should have signed it.
        tower: Address,
        /// Why it is not.
        #[source]
        source: SignatureError,
    },
}

impl ReceiptError {
    /// Whoever shows it is told.
    pub fn class(&self) -> crate::error::ErrorClass {
        match self {
            Self::OtherChannel { .. } | Self::Signature { .. } => {
                crate::error::ErrorClass::PeerFault
            }
        }
    }
}

/// What a receipt and a tombstone say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiptVerdict {
    /// The promise was broken, and this proves it.
    Failed {
        /// What was settled.
        settled: Version,
        /// What the tower had promised to show.
        promised: Version,
    },
    /// The promised version, or a newer one, was settled.
    Kept {
        /// What was settled.
        settled: Version,
    },
    /// The promise did not bind.
    NotBound(Exemption),
}

/// Why a promise did not bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exemption {
    /// No challenge period ended: both agreed, or nobody had joined.
    ClosedByConsent,
    /// The close began before the promise held, or after.
    OutsideValidity {
        /// When it began.
        begun: BlockTimestamp,
    },
    /// The challenge period is shorter than what was promised for.
    WindowTooShort {
        /// What the terms say. Units: seconds.
        period: u32,
    },
    /// A partial withdrawal that the tower had not seen may have voided the state.
    LaterWithdrawal {
        /// Its version.
        version: Version,
    },
}

impl SignedReceipt {
    /// Checks that the tower has signed this for the channel of these terms, and gives the tower's key.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify(&self, domain: Domain, terms: &Terms) -> Result<SignerKey, ReceiptError> {
        let (expected, found) = (terms.channel_id(domain), self.receipt.channel_id);
        if expected != found {
            return Err(ReceiptError::OtherChannel { expected, found });
        }
        let tower = self.receipt.tower;
        let digest = SigningDomain::new(domain).receipt(&self.receipt);
        SignerKey::recover(digest, self.signature, tower)
            .map_err(|source| ReceiptError::Signature { tower, source })
    }

    /// Whether the tower has failed, given what the contract keeps about the closed channel.
    ///
    /// # Errors
    /// [`ReceiptError`] where the receipt itself does not hold.
    pub fn judge(
        &self,
        domain: Domain,
        terms: &Terms,
        tombstone: &Tombstone,
    ) -> Result<ReceiptVerdict, ReceiptError> {
        self.verify(domain, terms)?;
        Ok(self.receipt.judge(terms.challenge_period, tombstone))
    }
}

impl Receipt {
    /// As [`SignedReceipt::judge`], for a receipt whose signature is checked.
    pub fn judge(&self, challenge_period: u32, tombstone: &Tombstone) -> ReceiptVerdict {
        let Tombstone { mode, version: settled, closes_at, withdraw_version } = *tombstone;
        let closes_at = match (mode, closes_at) {
            (CloseMode::Unilateral, Some(closes_at)) => closes_at,
            (CloseMode::Unilateral, None) | (CloseMode::Cooperative | CloseMode::Cancelled, _) => {
                return ReceiptVerdict::NotBound(Exemption::ClosedByConsent);
            }
        };
        if settled >= self.version {
            return ReceiptVerdict::Kept { settled };
        }
        if challenge_period < self.min_window {
            let period = challenge_period;
            return ReceiptVerdict::NotBound(Exemption::WindowTooShort { period });
        }
        // `closesAt` is written once, as the time of initiation plus the period (P8).
        let begun = closes_at.saturating_sub_secs(u64::from(challenge_period));
        if begun < self.valid_from || begun > self.valid_until {
            return ReceiptVerdict::NotBound(Exemption::OutsideValidity { begun });
        }
        if withdraw_version != self.withdraw_version {
            let version = withdraw_version;
            return ReceiptVerdict::NotBound(Exemption::LaterWithdrawal { version });
        }
        ReceiptVerdict::Failed { settled, promised: self.version }
    }
}

#[cfg(test)]
mod tests;
