//! Signatures, made well and in every way badly.

use crate::random::Random;
use alloy_primitives::{Address, B256, U256};
use k256::ecdsa::SigningKey;
use lockstep_core::adjudicator::{PresentedState, Signatures};
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{ChannelId, Digest, Domain};
use lockstep_core::signature::StateSignature;

/// Order of the curve.
const ORDER: U256 = U256::from_limbs([
    0xbfd2_5e8c_d036_4141,
    0xbaae_dce6_af48_a03b,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
]);

/// How a pair of signatures is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it must be.
    Good,
    /// Each in the other's place.
    Swapped,
    /// The first one twice.
    FirstTwice,
    /// The second one twice.
    SecondTwice,
    /// Over another channel's id.
    OtherChannel,
    /// For another contract.
    OtherContract,
    /// For another chain.
    OtherChain,
    /// Over another message of the same channel.
    OtherContent,
    /// One bit is wrong.
    BitFlipped,
    /// All zeros.
    Zero,
    /// `s` in the upper half.
    HighS,
    /// `s` in the upper half, and an `r` that is none.
    HighSWithoutR,
    /// The parity of the other point.
    WrongParity,
}

impl Manner {
    /// All the bad ones.
    pub const BAD: [Self; 12] = [
        Self::Swapped,
        Self::FirstTwice,
        Self::SecondTwice,
        Self::OtherChannel,
        Self::OtherContract,
        Self::OtherChain,
        Self::OtherContent,
        Self::BitFlipped,
        Self::Zero,
        Self::HighS,
        Self::HighSWithoutR,
        Self::WrongParity,
    ];
}

/// Signs as it must be.
///
/// # Panics
/// Never for a digest of 32 bytes.
#[must_use]
pub fn sign(key: &SigningKey, digest: Digest) -> StateSignature {
    let (signature, recovery) =
        key.sign_prehash_recoverable(digest.0.as_slice()).expect("a digest can be signed");
    StateSignature::from_parts(&signature, recovery).expect("a canonical signature")
}

/// The 65-byte form.
#[must_use]
pub fn expand(signature: StateSignature) -> [u8; 65] {
    let mut bytes = [0; 65];
    bytes[..64].copy_from_slice(&signature.0);
    bytes[64] = 27 + (bytes[32] >> 7);
    bytes[32] &= 0x7f;
    bytes
}

/// The other form of a 65-byte signature, which `ecrecover` would take.
#[must_use]
pub fn flip(signature: [u8; 65]) -> [u8; 65] {
    let mut bytes = signature;
    let s = U256::from_be_slice(&bytes[32..64]);
    bytes[32..64].copy_from_slice(&(ORDER - s).to_be_bytes::<32>());
    bytes[64] = 55 - bytes[64];
    bytes
}

/// Signs something by both sides in a given manner; `digest` makes the message for a domain and channel.
pub fn sign_both(
    random: &mut Random,
    manner: Manner,
    keys: [&SigningKey; 2],
    domain: Domain,
    id: ChannelId,
    digest: impl Fn(&SigningDomain, ChannelId) -> Digest,
) -> Signatures {
    let (chain_id, contract) = match domain {
        Domain::Evm { chain_id, contract } => (chain_id, contract),
        Domain::Starknet { .. } => panic!("runs are on an EVM chain"),
    };
    let over = |domain: Domain, id: ChannelId| digest(&SigningDomain::new(domain), id);
    let other = ChannelId(B256::repeat_byte(0x77));
    let message = match manner {
        Manner::OtherChannel => over(domain, other),
        Manner::OtherChain => over(Domain::Evm { chain_id: chain_id + 1, contract }, id),
        Manner::OtherContract => {
            over(Domain::Evm { chain_id, contract: Address::repeat_byte(0x99) }, id)
        }
        Manner::OtherContent => {
            let state = PresentedState::default();
            SigningDomain::new(domain).presented_state(id, &state)
        }
        Manner::Good
        | Manner::Swapped
        | Manner::FirstTwice
        | Manner::SecondTwice
        | Manner::BitFlipped
        | Manner::Zero
        | Manner::HighS
        | Manner::HighSWithoutR
        | Manner::WrongParity => over(domain, id),
    };
    let [one, two] = keys.map(|key| sign(key, message));
    match manner {
        Manner::Swapped => Signatures { one: two, two: one },
        Manner::FirstTwice => Signatures { one, two: one },
        Manner::SecondTwice => Signatures { one: two, two },
        Manner::Good
        | Manner::OtherChannel
        | Manner::OtherContract
        | Manner::OtherChain
        | Manner::OtherContent => Signatures { one, two },
        Manner::BitFlipped
        | Manner::Zero
        | Manner::HighS
        | Manner::HighSWithoutR
        | Manner::WrongParity => {
            if random.once_in(2) {
                Signatures { one: break_one(random, manner, one), two }
            } else {
                Signatures { one, two: break_one(random, manner, two) }
            }
        }
    }
}

/// Breaks one signature.
fn break_one(random: &mut Random, manner: Manner, signature: StateSignature) -> StateSignature {
    let mut bytes = signature.0;
    match manner {
        Manner::BitFlipped => bytes[random.below(64) as usize] ^= 1 << random.below(8),
        Manner::Zero => bytes = [0; 64],
        Manner::WrongParity => bytes[32] ^= 0x80,
        Manner::HighS | Manner::HighSWithoutR => {
            // The least `s` of the upper half that still leaves the top bit free.
            let s: U256 = (ORDER >> 1usize) + U256::from(1 + random.below(3));
            let parity = bytes[32] & 0x80;
            bytes[32..].copy_from_slice(&s.to_be_bytes::<32>());
            bytes[32] |= parity;
            if manner == Manner::HighSWithoutR {
                bytes[..32].fill(0);
            }
        }
        Manner::Good
        | Manner::Swapped
        | Manner::FirstTwice
        | Manner::SecondTwice
        | Manner::OtherChannel
        | Manner::OtherContract
        | Manner::OtherChain
        | Manner::OtherContent => {}
    }
    StateSignature(bytes)
}
