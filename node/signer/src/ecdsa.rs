//! One ECDSA signature: RFC 6979 nonce, low s, checked before anyone sees it (P55).

use k256::NonZeroScalar;
use k256::ecdsa::hazmat::SignPrimitive;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::Digest;
use lockstep_core::signature::{SignatureError, SignerKey, StateSignature};
use sha2::Sha256;

/// Why no signature came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EcdsaError {
    /// The curve library made no signature that the contract takes.
    #[error("no signature of digest {digest}")]
    NoSignature {
        /// What was to be signed.
        digest: Digest,
    },
    /// What came out does not verify: a fault of the hardware, or the wrong public key for this secret.
    /// Such a signature can reveal the key, so it is dropped.
    #[error("the signature of digest {digest} does not verify under its own key")]
    SelfCheck {
        /// What was to be signed.
        digest: Digest,
        /// How it failed.
        #[source]
        source: SignatureError,
    },
}

impl EcdsaError {
    /// A machine that computes wrong signatures must stop making them.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoSignature { .. } | Self::SelfCheck { .. } => ErrorClass::Fatal,
        }
    }
}

/// Signs `digest` and verifies the result under `public`, as the contract will.
///
/// # Errors
/// [`EcdsaError`]; nothing of a signature that failed its check is returned.
pub(crate) fn sign_digest(
    secret: &NonZeroScalar,
    public: &SignerKey,
    digest: Digest,
) -> Result<StateSignature, EcdsaError> {
    let scalar: &k256::Scalar = secret;
    let missing = EcdsaError::NoSignature { digest };
    let (signature, recovery) = scalar
        .try_sign_prehashed_rfc6979::<Sha256>(&digest.0.0.into(), &[])
        .map_err(|_| missing)?;
    let recovery = recovery.ok_or(missing)?;
    // `from_parts` refuses a high s, and an r that the contract can't recover from.
    let packed = StateSignature::from_parts(&signature, recovery).ok_or(missing)?;
    match public.verify(digest, packed) {
        Ok(()) => Ok(packed),
        Err(source) => Err(EcdsaError::SelfCheck { digest, source }),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{B256, U256, b256, hex};
    use k256::ecdsa::{Signature, VerifyingKey};
    use k256::elliptic_curve::PrimeField;
    use proptest::prelude::*;

    use super::*;

    fn key(bytes: B256) -> (NonZeroScalar, SignerKey) {
        let scalar = k256::Scalar::from_repr(bytes.0.into()).unwrap();
        let secret = NonZeroScalar::new(scalar).unwrap();
        let public = k256::PublicKey::from_secret_scalar(&secret);
        (secret, SignerKey::from_verifying_key(VerifyingKey::from(public)))
    }

    fn is_low_s(signature: &StateSignature) -> bool {
        let mut bytes = signature.0;
        bytes[32] &= 0x7f;
        Signature::from_slice(&bytes).unwrap().normalize_s().is_none()
    }

    /// Source: the RFC 6979 vectors for secp256k1 with SHA-256 that bitcoin libraries share; the digest is the
    /// SHA-256 of the text. The last column is `r ‖ s` before the parity is put in.
    #[test]
    fn p55_published_rfc_6979_vectors_hold() {
        use sha2::Digest as _;
        let order_less_one =
            b256!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140");
        let cases = [
            (
                B256::from(U256::from(1)),
                "Satoshi Nakamoto",
                hex!(
                    "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d82442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
                ),
            ),
            (
                B256::from(U256::from(1)),
                "All those moments will be lost in time, like tears in rain. Time to die...",
                hex!(
                    "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21"
                ),
            ),
            (
                order_less_one,
                "Satoshi Nakamoto",
                hex!(
                    "fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d06b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5"
                ),
            ),
        ];
        for (secret, text, want) in cases {
            let (secret, public) = key(secret);
            let digest = Digest(B256::from_slice(&sha2::Sha256::digest(text.as_bytes())));
            let mut got = sign_digest(&secret, &public, digest).unwrap().0;
            got[32] &= 0x7f;
            assert_eq!(hex::encode(got), hex::encode(want), "{text}");
        }
    }

    #[test]
    fn p55_a_signature_that_its_own_key_does_not_verify_is_not_returned() {
        let (secret, _) = key(B256::repeat_byte(1));
        let (_, other) = key(B256::repeat_byte(2));
        let digest = Digest(B256::repeat_byte(3));
        let refused = sign_digest(&secret, &other, digest);
        assert!(matches!(refused, Err(EcdsaError::SelfCheck { .. })));
    }

    proptest! {
        #[test]
        fn p55_every_signature_is_low_s_repeatable_and_the_signers(
            secret in 1..=u64::MAX, digest in any::<[u8; 32]>()
        ) {
            let (secret, public) = key(B256::from(U256::from(secret)));
            let digest = Digest(B256::from(digest));
            let first = sign_digest(&secret, &public, digest).unwrap();
            prop_assert!(is_low_s(&first));
            prop_assert_eq!(sign_digest(&secret, &public, digest).unwrap(), first);
            let recovered = SignerKey::recover(digest, first, public.address()).unwrap();
            prop_assert_eq!(recovered, public);
        }
    }
}
