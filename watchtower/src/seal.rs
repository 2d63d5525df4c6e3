//! Rows at rest: encrypted under a key that only this tower's words give, bound to the row's own key, so
//! that a row can't be read from a stolen disk nor put in another's place.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

/// Units: bytes of the random nonce before each row. With 24 of them no two ever meet.
const NONCE_BYTES: usize = 24;
/// Keeps this key apart from others that come from the same secret.
const LABEL: &[u8] = b"lockstep watchtower rows v1";

/// A row was not sealed or not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// The system gave no randomness.
    #[error("the source of randomness gave nothing")]
    NoEntropy,
    /// The row is damaged, or from another tower.
    #[error("a row does not open under this tower's key")]
    DoesNotOpen,
}

impl SealError {
    /// Nothing can be promised.
    pub fn class(&self) -> lockstep_core::error::ErrorClass {
        lockstep_core::error::ErrorClass::Fatal
    }
}

/// The key of the rows.
pub struct RowKey(XChaCha20Poly1305);

impl RowKey {
    /// From a secret of this tower's words.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`], which 32 bytes never cause.
    pub fn new(secret: &[u8; 32]) -> Result<Self, SealError> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, secret)
            .expand(LABEL, key.as_mut())
            .map_err(|_| SealError::DoesNotOpen)?;
        Ok(Self(XChaCha20Poly1305::new(key.as_ref().into())))
    }

    /// Seals a value under the key of its row.
    ///
    /// # Errors
    /// [`SealError::NoEntropy`].
    pub fn seal(&self, row: &[u8], value: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SealError::NoEntropy)?;
        let payload = Payload { msg: value, aad: row };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| SealError::DoesNotOpen)?;
        Ok(nonce.into_iter().chain(sealed).collect())
    }

    /// Opens a value.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`].
    pub fn open(&self, row: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, body) =
            sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::DoesNotOpen)?;
        let payload = Payload { msg: body, aad: row };
        self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::DoesNotOpen)
    }
}

impl core::fmt::Debug for RowKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RowKey(redacted)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn p83_a_row_opens_only_whole_in_its_own_place_and_under_its_own_key() {
        let key = RowKey::new(&[1; 32]).unwrap();
        let sealed = key.seal(b"row", b"value").unwrap();
        assert_eq!(key.open(b"row", &sealed).unwrap(), b"value");
        assert!(!sealed.windows(5).any(|part| part == b"value"));
        assert_ne!(key.seal(b"row", b"value").unwrap(), sealed, "a nonce is used once");
        assert_eq!(key.open(b"other", &sealed), Err(SealError::DoesNotOpen));
        assert_eq!(
            RowKey::new(&[2; 32]).unwrap().open(b"row", &sealed),
            Err(SealError::DoesNotOpen)
        );
        for index in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[index] ^= 1;
            assert_eq!(key.open(b"row", &damaged), Err(SealError::DoesNotOpen));
        }
        assert_eq!(key.open(b"row", &sealed[..10]), Err(SealError::DoesNotOpen));
    }
}
