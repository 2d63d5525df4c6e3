//! Ordinary Ethereum accounts from the same phrase: BIP-32 at `m/44'/60'/0'/0/i`, as every wallet has it.
//!
//! They own channels and pay for gas. One index per chain and role keeps their transaction orders apart.

use std::fmt;

use alloy_primitives::Address;
use bip32::{ChildNumber, XPrv};
use k256::ecdsa::SigningKey;
use lockstep_core::error::ErrorClass;
use lockstep_core::signature::SignerKey;
use zeroize::Zeroizing;

use crate::derive::KEY_BYTES;
use crate::phrase::SEED_BYTES;
use crate::secret::Secret;

/// Source: BIP-44 with SLIP-44 coin type 60, external chain; the last step is the index.
const PATH: [(u32, bool); 4] = [(44, true), (60, true), (0, true), (0, false)];

/// No account at this index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no account at index {index}")]
pub struct AccountError {
    /// The last step of the path.
    pub index: u32,
}

impl AccountError {
    /// The index was wrong.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }
}

/// The secret key of one account.
///
/// # Invariants
/// Wiped on drop; never printed.
pub struct Account {
    index: u32,
    key: SigningKey,
}

impl Account {
    /// The account at `m/44'/60'/0'/0/index`.
    ///
    /// Shape: `index` below 2^31.
    ///
    /// # Errors
    /// [`AccountError`] for an index out of range, or (one case in 2^127) a path without a key.
    pub fn derive(seed: &Secret<SEED_BYTES>, index: u32) -> Result<Self, AccountError> {
        let fail = |_| AccountError { index };
        let mut node = XPrv::new(seed.expose()).map_err(fail)?;
        for (step, hardened) in PATH.into_iter().chain(std::iter::once((index, false))) {
            let child = ChildNumber::new(step, hardened).map_err(fail)?;
            node = node.derive_child(child).map_err(fail)?;
        }
        Ok(Self { index, key: node.private_key().clone() })
    }

    /// The last step of the path.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The address that the chain knows.
    #[must_use]
    pub fn address(&self) -> Address {
        SignerKey::from_verifying_key(*self.key.verifying_key()).address()
    }

    /// The secret, for the transaction signer or an encrypted key file.
    #[must_use]
    pub fn expose_secret(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        Zeroizing::new(self.key.to_bytes().into())
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("index", &self.index)
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}
