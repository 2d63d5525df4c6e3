//! What both sides agree on before a channel exists, and what this node accepts of it.

use crate::error::ErrorClass;
use crate::ids::{AccountRef, ChannelId, Domain, Side};
use crate::money::Amount;
use alloy_primitives::{Address, B256, U256, keccak256};
use thiserror::Error;

/// The terms of a channel, fixed for its life; the contract never stores them.
///
/// Source: contract §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// Owner of side 1; opens the channel and receives its money.
    pub participant1: AccountRef,
    /// Owner of side 2.
    pub participant2: AccountRef,
    /// Signing key of side 1, one per channel.
    pub signer1: Address,
    /// Signing key of side 2, one per channel.
    pub signer2: Address,
    /// The token; zero is the native coin.
    pub token: AccountRef,
    /// Units: seconds between the start of a close and its settlement.
    pub challenge_period: u32,
    /// Makes the id unique; may commit to terms off chain.
    pub salt: B256,
}

/// Why terms cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TermsError {
    /// A participant is the zero account or the contract itself.
    #[error("participant {} can use no money", .side.number())]
    InvalidParticipant {
        /// Which side.
        side: Side,
    },
    /// A signer is the zero address.
    #[error("signer {} is the zero address", .side.number())]
    ZeroSigner {
        /// Which side.
        side: Side,
    },
    /// One account stands on both sides.
    #[error("account {account} stands on both sides")]
    SameOnBothSides {
        /// The account.
        account: B256,
    },
    /// An account does not have the form of this chain's accounts.
    #[error("account {account} does not belong to the channel's kind of chain")]
    ForeignAccount {
        /// The account.
        account: B256,
    },
    /// The challenge period is outside the deployment's bounds.
    #[error("challenge period of {period} s is outside {minimum}..={maximum} s")]
    PeriodOutOfBounds {
        /// What the terms say.
        period: u32,
        /// The least that is allowed.
        minimum: u32,
        /// The most that is allowed.
        maximum: u32,
    },
}

impl TermsError {
    /// Whoever offers such terms is told so; no money is at stake yet.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::InvalidParticipant { .. }
            | Self::ZeroSigner { .. }
            | Self::SameOnBothSides { .. }
            | Self::ForeignAccount { .. }
            | Self::PeriodOutOfBounds { .. } => ErrorClass::Refused,
        }
    }
}

/// Bounds of the challenge period, immutable per deployment.
///
/// Units: seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeriodBounds {
    /// The least period.
    pub minimum: u32,
    /// The greatest period.
    pub maximum: u32,
}

impl Terms {
    /// One side's participant.
    pub fn participant(&self, side: Side) -> AccountRef {
        match side {
            Side::One => self.participant1,
            Side::Two => self.participant2,
        }
    }

    /// One side's signer.
    pub fn signer(&self, side: Side) -> Address {
        match side {
            Side::One => self.signer1,
            Side::Two => self.signer2,
        }
    }

    /// The channel's id: `keccak256(abi.encode(chainId, contract, terms))`.
    ///
    /// Source: contract §2, `channelIdOf`.
    pub fn channel_id(&self, domain: Domain) -> ChannelId {
        let words = [
            domain.chain_word(),
            domain.contract().to_word(),
            self.participant1.to_word(),
            self.participant2.to_word(),
            self.signer1.into_word(),
            self.signer2.into_word(),
            self.token.to_word(),
            B256::from(U256::from(self.challenge_period)),
            self.salt,
        ];
        ChannelId(keccak256(words.as_flattened_bytes()))
    }

    /// Checks everything that the contract checks about terms.
    ///
    /// # Errors
    /// On the first rule that is broken, in the contract's order.
    ///
    /// Source: contract §2.
    pub fn validate(&self, domain: Domain, bounds: PeriodBounds) -> Result<(), TermsError> {
        for account in [self.participant1, self.participant2, self.token] {
            if !domain.hosts(account) {
                return Err(TermsError::ForeignAccount { account: account.to_word() });
            }
        }
        for side in [Side::One, Side::Two] {
            // The contract itself could never use the money.
            let participant = self.participant(side);
            if participant.is_zero() || participant == domain.contract() {
                return Err(TermsError::InvalidParticipant { side });
            }
        }
        for side in [Side::One, Side::Two] {
            if self.signer(side).is_zero() {
                return Err(TermsError::ZeroSigner { side });
            }
        }
        self.validate_sides_apart()?;
        let period = self.challenge_period;
        if period < bounds.minimum || period > bounds.maximum {
            let PeriodBounds { minimum, maximum } = bounds;
            return Err(TermsError::PeriodOutOfBounds { period, minimum, maximum });
        }
        Ok(())
    }

    /// No address may act for both sides, else one key could stand for two signatures.
    fn validate_sides_apart(&self) -> Result<(), TermsError> {
        let side1 = [self.participant1.to_word(), self.signer1.into_word()];
        let side2 = [self.participant2.to_word(), self.signer2.into_word()];
        match side1.into_iter().find(|account| side2.contains(account)) {
            Some(account) => Err(TermsError::SameOnBothSides { account }),
            None => Ok(()),
        }
    }
}

/// Abilities that both sides must have before one may use them.
///
/// Shape: a set of bits; an unknown bit in a request's required set is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features(u64);

impl Features {
    /// Nothing beyond payments.
    pub const NONE: Self = Self(0);
    /// Conditional payments.
    pub const LOCKS: Self = Self(1);
    /// Withdrawals while the channel is open.
    pub const PARTIAL_WITHDRAW: Self = Self(2);
    /// Everything that this version of the protocol knows.
    pub const ALL: Self = Self(3);

    /// From bits; none if one of them is unknown.
    pub fn from_bits(bits: u64) -> Option<Self> {
        (bits & !Self::ALL.0 == 0).then_some(Self(bits))
    }

    /// The bits.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// What both have.
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What either has.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is here.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What the operator allows one channel to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Bounds of the challenge period, never wider than the deployment's.
    pub period: PeriodBounds,
    /// Abilities that we offer.
    pub features: Features,
    /// Proposals in flight. Shape: 1 to [`MAX_IN_FLIGHT`].
    pub max_in_flight: u32,
    /// The most that the proposals in flight may move together.
    pub max_in_flight_value: Amount,
    /// The least that the counterparty must bring when it opens.
    pub min_counterparty_deposit: Amount,
    /// The most of our own money in one channel.
    pub max_own_deposit: Amount,
    /// Locks below this are refused: a reveal on chain would cost more.
    pub lock_dust: Amount,
    /// An expiry further away is refused. Units: seconds; at most [`MAX_LOCK_EXPIRY_SECS`].
    pub max_lock_expiry_secs: u64,
    /// We act this long before an expiry: forced inclusion plus clock drift of the chain. Units: seconds.
    pub lock_margin_secs: u64,
    /// A peer that owes an answer this long is silent. Units: milliseconds of engine time.
    pub peer_timeout_millis: u64,
}

/// The most proposals in flight on one channel.
pub const MAX_IN_FLIGHT: u32 = 64;
/// A lock holds money hostage no longer than this. Units: seconds.
pub const MAX_LOCK_EXPIRY_SECS: u64 = 2 * 24 * 3_600;

impl Default for Policy {
    /// What a node does that nobody configured: full protocol, modest limits.
    fn default() -> Self {
        Self {
            period: PeriodBounds { minimum: 24 * 3_600, maximum: 7 * 24 * 3_600 - 1 },
            features: Features::ALL,
            max_in_flight: MAX_IN_FLIGHT,
            max_in_flight_value: Amount::MAX,
            min_counterparty_deposit: Amount::ZERO,
            max_own_deposit: Amount::MAX,
            lock_dust: Amount::ZERO,
            max_lock_expiry_secs: MAX_LOCK_EXPIRY_SECS,
            lock_margin_secs: 12 * 3_600,
            peer_timeout_millis: 30_000,
        }
    }
}

/// Words laid end to end, as ABI encoding lays static values.
pub(crate) trait AsFlattenedBytes {
    /// The bytes of all words in order.
    fn as_flattened_bytes(&self) -> Vec<u8>;
}

impl AsFlattenedBytes for [B256] {
    fn as_flattened_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|word| word.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::address;

    const DOMAIN: Domain = Domain::Evm {
        chain_id: 31_337,
        contract: address!("5fbdb2315678afecb367f032d93f642f64180aa3"),
    };
    const BOUNDS: PeriodBounds = PeriodBounds { minimum: 60, maximum: 600 };

    fn terms() -> Terms {
        let account = |byte| Address::repeat_byte(byte);
        Terms {
            participant1: AccountRef::Evm(account(1)),
            participant2: AccountRef::Evm(account(2)),
            signer1: account(3),
            signer2: account(4),
            token: AccountRef::Evm(Address::ZERO),
            challenge_period: 60,
            salt: B256::repeat_byte(9),
        }
    }

    fn check(change: impl FnOnce(&mut Terms), expected: Result<(), TermsError>) {
        let mut terms = terms();
        change(&mut terms);
        assert_eq!(terms.validate(DOMAIN, BOUNDS), expected);
    }

    #[test]
    fn good_terms_pass_at_both_ends_of_the_period() {
        check(|_| {}, Ok(()));
        check(|terms| terms.challenge_period = 600, Ok(()));
    }

    #[test]
    fn bad_terms_are_refused_each_for_its_own_reason() {
        let zero = AccountRef::Evm(Address::ZERO);
        check(
            |terms| terms.participant2 = zero,
            Err(TermsError::InvalidParticipant { side: Side::Two }),
        );
        check(
            |terms| terms.signer1 = Address::ZERO,
            Err(TermsError::ZeroSigner { side: Side::One }),
        );
        let outside =
            |period| Err(TermsError::PeriodOutOfBounds { period, minimum: 60, maximum: 600 });
        check(|terms| terms.challenge_period = 59, outside(59));
        check(|terms| terms.challenge_period = 601, outside(601));
        let felt = B256::repeat_byte(1);
        check(
            |terms| terms.token = AccountRef::Starknet(felt),
            Err(TermsError::ForeignAccount { account: felt }),
        );
    }

    #[test]
    fn no_address_stands_on_both_sides() {
        let same = |byte| {
            Err(TermsError::SameOnBothSides { account: Address::repeat_byte(byte).into_word() })
        };
        check(|terms| terms.signer2 = terms.signer1, same(3));
        check(|terms| terms.participant2 = terms.participant1, same(1));
        check(|terms| terms.signer2 = Address::repeat_byte(1), same(1));
        check(|terms| terms.participant2 = AccountRef::Evm(terms.signer1), same(3));
        // One side may use one key for both roles.
        check(|terms| terms.signer1 = Address::repeat_byte(1), Ok(()));
    }

    #[test]
    fn the_id_changes_with_every_field_and_with_the_domain() {
        let base = terms().channel_id(DOMAIN);
        let changes: [fn(&mut Terms); 7] = [
            |terms| terms.participant1 = AccountRef::Evm(Address::repeat_byte(11)),
            |terms| terms.participant2 = AccountRef::Evm(Address::repeat_byte(11)),
            |terms| terms.signer1 = Address::repeat_byte(11),
            |terms| terms.signer2 = Address::repeat_byte(11),
            |terms| terms.token = AccountRef::Evm(Address::repeat_byte(11)),
            |terms| terms.challenge_period = 61,
            |terms| terms.salt = B256::repeat_byte(11),
        ];
        for change in changes {
            let mut other = terms();
            change(&mut other);
            assert_ne!(other.channel_id(DOMAIN), base);
        }
        let Domain::Evm { contract, .. } = DOMAIN else { panic!("an EVM domain") };
        assert_ne!(terms().channel_id(Domain::Evm { chain_id: 1, contract }), base);
    }
}
