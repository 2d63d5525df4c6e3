//! Every key but the accounts: HKDF-SHA256 over the seed, one role and one context per key (spec §7).
//!
//! `HKDF(ikm = seed, salt = "lockstep/<role>/v1", info = context ‖ counter)`. The counter is one byte, 0 but for
//! the one case in 2^128 in which the output is no valid scalar. What is here is fixed for ever by
//! `tests/it/vectors.rs`: another derivation would be another key, and the funds behind the old one are gone.

use hkdf::Hkdf;
use k256::NonZeroScalar;
use k256::elliptic_curve::PrimeField;
use lockstep_core::error::ErrorClass;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::phrase::SEED_BYTES;
use crate::secret::Secret;

/// Units: bytes of a derived key.
pub const KEY_BYTES: usize = 32;

/// What a key is for. Two roles never share a key, whatever their contexts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Names this node to its peers; one for the whole node.
    Node,
    /// The libp2p identity; one for the whole node.
    Transport,
    /// A session with one hosted watchtower; the context names the tower.
    Tower,
    /// The signing key of one channel.
    Channel,
    /// Seals backups of the journal; one for the whole node.
    Backup,
}

impl Role {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Node => b"lockstep/node/v1",
            Self::Transport => b"lockstep/libp2p/v1",
            Self::Tower => b"lockstep/tower/v1",
            Self::Channel => b"lockstep/channel/v1",
            Self::Backup => b"lockstep/backup/v1",
        }
    }
}

/// No key comes out of this role and context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no valid key for {role:?}")]
pub struct DeriveError {
    /// What the key was for.
    pub role: Role,
}

impl DeriveError {
    /// It does not happen; if it does, nothing can be signed.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Fatal
    }
}

/// 32 derived bytes.
///
/// # Errors
/// [`DeriveError`], which a 32-byte output never causes.
pub(crate) fn derive_bytes(
    seed: &Secret<SEED_BYTES>,
    role: Role,
    context: &[&[u8]],
    counter: u8,
) -> Result<Zeroizing<[u8; KEY_BYTES]>, DeriveError> {
    let hkdf = Hkdf::<Sha256>::new(Some(role.label()), seed.expose());
    let mut okm = Zeroizing::new([0; KEY_BYTES]);
    let last: &[u8] = &[counter];
    let info: Vec<&[u8]> = context.iter().copied().chain(std::iter::once(last)).collect();
    hkdf.expand_multi_info(&info, okm.as_mut()).map_err(|_| DeriveError { role })?;
    Ok(okm)
}

/// A secp256k1 secret.
///
/// # Errors
/// [`DeriveError`] when 256 counters in a row give no scalar, which does not happen.
pub(crate) fn derive_scalar(
    seed: &Secret<SEED_BYTES>,
    role: Role,
    context: &[&[u8]],
) -> Result<Zeroizing<NonZeroScalar>, DeriveError> {
    for counter in 0..=u8::MAX {
        let bytes = derive_bytes(seed, role, context, counter)?;
        if let Some(scalar) = scalar_from(&bytes) {
            return Ok(scalar);
        }
    }
    Err(DeriveError { role })
}

/// `None` for zero and for anything at or over the group order.
fn scalar_from(bytes: &[u8; KEY_BYTES]) -> Option<Zeroizing<NonZeroScalar>> {
    let scalar = Option::<k256::Scalar>::from(k256::Scalar::from_repr((*bytes).into()))?;
    Option::<NonZeroScalar>::from(NonZeroScalar::new(scalar)).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::PinPolicy;

    fn seed() -> Secret<SEED_BYTES> {
        Secret::new(&Zeroizing::new([7; SEED_BYTES]), PinPolicy::BestEffort).unwrap()
    }

    #[test]
    fn two_roles_or_two_contexts_never_share_a_key() {
        let roles = [Role::Node, Role::Transport, Role::Tower, Role::Channel, Role::Backup];
        let contexts: [&[u8]; 4] = [b"", b"a", b"ab", b"abc"];
        let mut keys: Vec<_> = roles
            .iter()
            .flat_map(|role| contexts.map(|c| *derive_bytes(&seed(), *role, &[c], 0).unwrap()))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), roles.len() * contexts.len());
    }

    #[test]
    fn the_counter_gives_another_key() {
        let first = derive_bytes(&seed(), Role::Channel, &[b"x"], 0).unwrap();
        let second = derive_bytes(&seed(), Role::Channel, &[b"x"], 1).unwrap();
        assert_ne!(*first, *second);
    }

    #[test]
    fn zero_and_the_group_order_are_no_keys() {
        // Source: SEC 2 §2.4.1, the order n of secp256k1.
        let order = alloy_primitives::b256!(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        );
        let mut below = order.0;
        below[31] = 0x40;
        assert!(scalar_from(&[0; 32]).is_none());
        assert!(scalar_from(&order.0).is_none());
        assert!(scalar_from(&[0xff; 32]).is_none());
        assert!(scalar_from(&below).is_some());
    }
}
