//! What the chain side needs from outside: an account that signs, and a place that keeps what is owed.

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256, Signature};
use lockstep_core::chain::Obligation;
use lockstep_core::entry::{Entry, EntryId};
use lockstep_core::error::ErrorClass;
use thiserror::Error;

/// An account did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("account {address} did not sign")]
pub struct AccountRefused {
    /// Which.
    pub address: Address,
}

impl AccountRefused {
    /// The account may be locked or the key wrong: whoever runs the node must look.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }
}

/// An account that pays for gas. It signs whole transactions, never bare digests of others.
pub trait AccountSigner: Send + Sync {
    /// Its address.
    fn address(&self) -> Address;

    /// Signs a transaction of this account.
    ///
    /// # Errors
    /// [`AccountRefused`].
    fn sign_transaction(&self, transaction: &TxEip1559) -> Result<Signature, AccountRefused>;
}

/// An account whose key is in this process.
#[derive(Clone, Debug)]
pub struct LocalAccount(PrivateKeySigner);

impl LocalAccount {
    /// From the secret of a derived account.
    ///
    /// # Errors
    /// If the bytes are no key.
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, AccountRefused> {
        PrivateKeySigner::from_bytes(&B256::from(secret))
            .map(Self)
            .map_err(|_| AccountRefused { address: Address::ZERO })
    }
}

impl AccountSigner for LocalAccount {
    fn address(&self) -> Address {
        self.0.address()
    }

    fn sign_transaction(&self, transaction: &TxEip1559) -> Result<Signature, AccountRefused> {
        self.0
            .sign_hash_sync(&transaction.signature_hash())
            .map_err(|_| AccountRefused { address: self.0.address() })
    }
}

/// The store did not take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the store did not keep an obligation")]
pub struct StoreFailed;

impl StoreFailed {
    /// The journal is poisoned or full.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Fatal
    }
}

/// Where what is owed is kept.
pub trait ObligationStore: Send + Sync {
    /// Keeps an obligation under its key; returns once it survives a power cut.
    ///
    /// # Errors
    /// [`StoreFailed`].
    fn put(&self, obligation: &Obligation) -> impl Future<Output = Result<(), StoreFailed>> + Send;

    /// Keeps many obligations; returns once they survive a power cut. One after the other, unless a store can
    /// do better: a close of many channels at once must not wait for as many disk writes.
    ///
    /// # Errors
    /// [`StoreFailed`], if any of them is not kept.
    fn put_all(
        &self,
        obligations: &[Obligation],
    ) -> impl Future<Output = Result<(), StoreFailed>> + Send {
        async move {
            for obligation in obligations {
                self.put(obligation).await?;
            }
            Ok(())
        }
    }

    /// Keeps an entry under its name; returns once it survives a power cut.
    ///
    /// # Errors
    /// [`StoreFailed`].
    fn put_entry(&self, entry: &Entry) -> impl Future<Output = Result<(), StoreFailed>> + Send;

    /// Forgets an entry.
    ///
    /// # Errors
    /// [`StoreFailed`].
    fn remove_entry(&self, id: EntryId) -> impl Future<Output = Result<(), StoreFailed>> + Send;
}
