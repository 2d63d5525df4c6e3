//! Keys of both sides. Signatures are real, since the core verifies them; equal requests are cached.

use std::cell::RefCell;
use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use k256::ecdsa::SigningKey;
use lockstep_core::ids::{AccountRef, Digest, Domain, Side};
use lockstep_core::signature::{SignerKey, StateSignature};
use lockstep_core::terms::{PeriodBounds, Terms};

/// Where the channel lives.
pub const DOMAIN: Domain = Domain::Evm { chain_id: 31_337, contract: Address::repeat_byte(0xcc) };
/// What the contract allows as a challenge period. Units: seconds.
pub const BOUNDS: PeriodBounds = PeriodBounds { minimum: 60, maximum: 100_000 };

/// Both sides' keys.
pub struct Keys {
    keys: [SigningKey; 2],
    public: [SignerKey; 2],
    made: RefCell<BTreeMap<(Side, Digest), StateSignature>>,
}

impl Default for Keys {
    fn default() -> Self {
        let keys = [Side::One, Side::Two].map(|side| {
            // Small scalars are valid keys.
            SigningKey::from_slice(&[side.number(); 32]).unwrap_or_else(|_| unreachable!())
        });
        let public =
            [0, 1].map(|place: usize| SignerKey::from_verifying_key(*keys[place].verifying_key()));
        Self { keys, public, made: RefCell::default() }
    }
}

impl Keys {
    /// A side's public key.
    #[must_use]
    pub fn public(&self, side: Side) -> SignerKey {
        self.public[place(side)]
    }

    /// Signs, as only the side itself can; the same digest gives the same bytes.
    pub fn sign(&self, side: Side, digest: Digest) -> StateSignature {
        if let Some(known) = self.made.borrow().get(&(side, digest)) {
            return *known;
        }
        let signed = self.keys[place(side)].sign_prehash_recoverable(digest.0.as_slice());
        let (signature, recovery) = signed.unwrap_or_else(|_| unreachable!());
        let made =
            StateSignature::from_parts(&signature, recovery).unwrap_or_else(|| unreachable!());
        self.made.borrow_mut().insert((side, digest), made);
        made
    }

    /// The terms of the one channel.
    #[must_use]
    pub fn terms(&self, challenge_period: u32) -> Terms {
        Terms {
            participant1: participant(Side::One),
            participant2: participant(Side::Two),
            signer1: self.public(Side::One).address(),
            signer2: self.public(Side::Two).address(),
            token: AccountRef::Evm(Address::ZERO),
            challenge_period,
            salt: B256::repeat_byte(5),
        }
    }
}

/// Where a side's things stand in an array of two.
#[must_use]
pub fn place(side: Side) -> usize {
    match side {
        Side::One => 0,
        Side::Two => 1,
    }
}

/// A side's account on chain.
#[must_use]
pub fn participant(side: Side) -> AccountRef {
    AccountRef::Evm(Address::repeat_byte(0xa0 + side.number()))
}
