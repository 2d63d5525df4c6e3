//! Signatures in the form that the contract takes, verified against keys that are known.

use crate::error::ErrorClass;
use crate::ids::Digest;
use alloy_primitives::{Address, keccak256};
use core::ops::Mul;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use k256::elliptic_curve::ops::{Invert, LinearCombination, Reduce};
use k256::elliptic_curve::point::AffineCoordinates;
use k256::elliptic_curve::sec1::ToEncodedPoint;
use k256::{ProjectivePoint, Scalar, U256};
use thiserror::Error;

/// Half the order of the curve; a canonical `s` is not above it.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// A 64-byte EIP-2098 signature: `r`, then `s` with the parity of `R` in its top bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateSignature(pub [u8; 64]);

/// Why a signature is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// `r` or `s` is zero or not below the group order.
    #[error("signature scalars are out of range")]
    OutOfRange,
    /// `s` is in the upper half: the same signature has another form.
    #[error("signature is malleable")]
    HighS,
    /// It was not made by this key over this digest.
    #[error("signature over {digest} is not by {signer}")]
    WrongSigner {
        /// What should have been signed.
        digest: Digest,
        /// Who should have signed it.
        signer: Address,
    },
    /// These bytes are not a public key.
    #[error("public key is not a point of the curve")]
    NotAKey,
    /// The public key does not belong to the address that the terms name.
    #[error("public key belongs to {found}, not to {expected}")]
    WrongKey {
        /// Address of the key.
        found: Address,
        /// Address in the terms.
        expected: Address,
    },
}

impl SignatureError {
    /// A bad signature is always the sender's fault.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::OutOfRange
            | Self::HighS
            | Self::WrongSigner { .. }
            | Self::NotAKey
            | Self::WrongKey { .. } => ErrorClass::PeerFault,
        }
    }
}

impl StateSignature {
    /// Packs a signature and the parity of its `R`; `None` if `s` is in the upper half.
    pub fn from_parts(signature: &Signature, recovery: RecoveryId) -> Option<Self> {
        if signature.normalize_s().is_some() || recovery.is_x_reduced() {
            return None;
        }
        let mut bytes: [u8; 64] = signature.to_bytes().into();
        if recovery.is_y_odd() {
            let top = bytes.get_mut(32)?;
            *top |= 0x80;
        }
        Some(Self(bytes))
    }

    /// What `ecrecover` gives, by the contract's rules; none where it gives zero.
    ///
    /// For whoever knows no key: the contract's model, a tower's first look at a channel.
    ///
    /// # Errors
    /// If `s` is in the upper half.
    pub fn recover_address(self, digest: Digest) -> Result<Option<Address>, SignatureError> {
        let (signature, is_odd) = match self.parse() {
            Ok(parsed) => parsed,
            Err(SignatureError::HighS) => return Err(SignatureError::HighS),
            Err(
                SignatureError::OutOfRange
                | SignatureError::WrongSigner { .. }
                | SignatureError::NotAKey
                | SignatureError::WrongKey { .. },
            ) => return Ok(None),
        };
        let recovery = RecoveryId::new(is_odd, false);
        let key = VerifyingKey::recover_from_prehash(digest.0.as_slice(), &signature, recovery);
        Ok(key.ok().map(|key| address_of(&key)))
    }

    /// Unpacks `(signature, parity)`, refusing what the contract refuses.
    fn parse(self) -> Result<(Signature, bool), SignatureError> {
        let mut bytes = self.0;
        let top = bytes.get_mut(32).ok_or(SignatureError::OutOfRange)?;
        let is_odd = *top & 0x80 != 0;
        *top &= 0x7f;
        // The contract looks at `s` before anything else, whatever `r` is.
        if bytes.get(32..).is_some_and(|s| s > HALF_ORDER.as_slice()) {
            return Err(SignatureError::HighS);
        }
        let signature = Signature::from_slice(&bytes).map_err(|_| SignatureError::OutOfRange)?;
        Ok((signature, is_odd))
    }
}

/// A counterparty's signing key, known in full: terms only hold its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerKey {
    key: VerifyingKey,
    address: Address,
}

impl SignerKey {
    /// From a compressed SEC1 key, which must belong to the address in the terms.
    ///
    /// # Errors
    /// If the bytes are no key, or the key has another address.
    pub fn new(compressed: &[u8; 33], expected: Address) -> Result<Self, SignatureError> {
        let signer = Self::parse(compressed)?;
        if signer.address != expected {
            return Err(SignatureError::WrongKey { found: signer.address, expected });
        }
        Ok(signer)
    }

    /// From a compressed SEC1 key that is in no terms yet.
    ///
    /// # Errors
    /// If the bytes are no key.
    pub fn parse(compressed: &[u8; 33]) -> Result<Self, SignatureError> {
        let key = VerifyingKey::from_sec1_bytes(compressed).map_err(|_| SignatureError::NotAKey)?;
        Ok(Self::from_verifying_key(key))
    }

    /// From a parsed key.
    pub fn from_verifying_key(key: VerifyingKey) -> Self {
        Self { key, address: address_of(&key) }
    }

    /// Learns a key from a first signature, where only the address is known.
    ///
    /// This costs two verifications; keep the key and use [`Self::verify`] from then on.
    ///
    /// # Errors
    /// If the signature is not by that address.
    pub fn recover(
        digest: Digest,
        signature: StateSignature,
        expected: Address,
    ) -> Result<Self, SignatureError> {
        let (parsed, is_odd) = signature.parse()?;
        let recovery = RecoveryId::new(is_odd, false);
        let wrong = SignatureError::WrongSigner { digest, signer: expected };
        let key = VerifyingKey::recover_from_prehash(digest.0.as_slice(), &parsed, recovery)
            .map_err(|_| wrong)?;
        let signer = Self::from_verifying_key(key);
        if signer.address == expected { Ok(signer) } else { Err(wrong) }
    }

    /// The key's address, as terms hold it.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The key, compressed SEC1.
    pub fn to_compressed(&self) -> [u8; 33] {
        let point = self.key.to_encoded_point(true);
        let mut bytes = [0; 33];
        for (to, from) in bytes.iter_mut().zip(point.as_bytes()) {
            *to = *from;
        }
        bytes
    }

    /// Whether `ecrecover` would give this key's address for the signature, without recovering.
    ///
    /// Plain verification ignores the parity bit and accepts an `r` that was reduced by the group
    /// order. The contract accepts neither, so a signature that passed only that would be worth
    /// nothing on chain. Hence `R` is computed here and compared whole.
    ///
    /// # Errors
    /// If it would not.
    pub fn verify(&self, digest: Digest, signature: StateSignature) -> Result<(), SignatureError> {
        let (parsed, is_odd) = signature.parse()?;
        let (r, s) = parsed.split_scalars();
        let z = <Scalar as Reduce<U256>>::reduce_bytes(&digest.0.0.into());
        let s_inverse = *s.invert_vartime();
        let (u1, u2) = (z.mul(s_inverse), (*r).mul(s_inverse));
        let public = ProjectivePoint::from(*self.key.as_affine());
        let point =
            ProjectivePoint::lincomb(&ProjectivePoint::GENERATOR, &u1, &public, &u2).to_affine();
        let x_matches = point.x() == parsed.r().to_bytes();
        if x_matches && bool::from(point.y_is_odd()) == is_odd {
            Ok(())
        } else {
            Err(SignatureError::WrongSigner { digest, signer: self.address })
        }
    }
}

/// The address of a key: the last 20 bytes of the hash of its coordinates.
fn address_of(key: &VerifyingKey) -> Address {
    let point = key.as_affine().to_encoded_point(false);
    // An uncompressed point is a tag byte and 64 bytes of coordinates.
    let coordinates = point.as_bytes().get(1..).unwrap_or_default();
    Address::from_word(keccak256(coordinates))
}

#[cfg(test)]
mod tests;
