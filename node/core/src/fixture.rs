//! Keys, terms and signatures for this crate's tests.

use crate::adjudicator::Signatures;
use crate::digest::SigningDomain;
use crate::ids::{AccountRef, Digest, Domain, Side};
use crate::signature::{SignerKey, StateSignature};
use crate::terms::{PeriodBounds, Terms};
use alloy_primitives::{Address, B256};
use k256::ecdsa::SigningKey;

pub(crate) const DOMAIN: Domain =
    Domain::Evm { chain_id: 31_337, contract: Address::repeat_byte(0xcc) };
pub(crate) const BOUNDS: PeriodBounds = PeriodBounds { minimum: 60, maximum: 6_000 };
pub(crate) const PERIOD: u32 = 100;

pub(crate) fn signing_key(side: Side) -> SigningKey {
    SigningKey::from_slice(&[side.number(); 32]).unwrap()
}

pub(crate) fn signer_key(side: Side) -> SignerKey {
    SignerKey::from_verifying_key(*signing_key(side).verifying_key())
}

pub(crate) fn participant(side: Side) -> AccountRef {
    AccountRef::Evm(Address::repeat_byte(0xa0 + side.number()))
}

pub(crate) fn stranger() -> AccountRef {
    AccountRef::Evm(Address::repeat_byte(0xee))
}

pub(crate) fn terms() -> Terms {
    Terms {
        participant1: participant(Side::One),
        participant2: participant(Side::Two),
        signer1: signer_key(Side::One).address(),
        signer2: signer_key(Side::Two).address(),
        token: AccountRef::Evm(Address::ZERO),
        challenge_period: PERIOD,
        salt: B256::repeat_byte(5),
    }
}

pub(crate) fn domain() -> SigningDomain {
    SigningDomain::new(DOMAIN)
}

pub(crate) fn sign_with(key: &SigningKey, digest: Digest) -> StateSignature {
    let (signature, recovery) = key.sign_prehash_recoverable(digest.0.as_slice()).unwrap();
    StateSignature::from_parts(&signature, recovery).unwrap()
}

pub(crate) fn sign(side: Side, digest: Digest) -> StateSignature {
    sign_with(&signing_key(side), digest)
}

pub(crate) fn sign_both(digest: Digest) -> Signatures {
    Signatures { one: sign(Side::One, digest), two: sign(Side::Two, digest) }
}
