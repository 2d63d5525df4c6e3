//! Names of things: channels, chains, accounts, sides, versions.

use alloy_primitives::{Address, B256, U256};
use core::fmt;

/// A channel's name: the hash of chain, contract and terms, known before the channel is opened.
///
/// Source: contract §2, `channelIdOf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub B256);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A chain, in the form that this kind of chain names itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainRef {
    /// An EVM chain by its EIP-155 chain id.
    Evm(u64),
    /// A StarkNet chain by its chain id felt (`SN_MAIN`, `SN_SEPOLIA`).
    Starknet(B256),
}

/// An account on a chain: 20 bytes on EVM chains, a 32-byte felt on StarkNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountRef {
    /// An EVM address.
    Evm(Address),
    /// A StarkNet contract address as a felt.
    Starknet(B256),
}

impl AccountRef {
    /// The account as the 32-byte word that ABI encoding uses for it.
    pub fn to_word(self) -> B256 {
        match self {
            Self::Evm(address) => address.into_word(),
            Self::Starknet(felt) => felt,
        }
    }

    /// Whether this is the zero account, which stands for "none" and for the native coin.
    pub fn is_zero(self) -> bool {
        self.to_word().is_zero()
    }
}

/// The smallest number that is not a StarkNet field element, `2^251 + 17 * 2^192 + 1`.
const STARKNET_PRIME: U256 = U256::from_limbs([1, 0, 0, 0x0800_0000_0000_0011]);

/// Whether a word is a StarkNet field element.
pub(crate) fn is_felt(word: B256) -> bool {
    U256::from_be_bytes(word.0) < STARKNET_PRIME
}

/// Where a channel's contract lives: what a signature is bound to besides the channel id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// A `PaymentChannel` on an EVM chain.
    Evm {
        /// EIP-155 chain id, as it was at the contract's deployment.
        chain_id: u64,
        /// Address of the `PaymentChannel`.
        contract: Address,
    },
    /// A `ChannelHub` on StarkNet; its felt address takes the domain's `salt`.
    Starknet {
        /// Chain id felt.
        chain_id: B256,
        /// Address of the `ChannelHub`.
        hub: B256,
    },
}

impl Domain {
    /// The chain this domain is on.
    pub fn chain(self) -> ChainRef {
        match self {
            Self::Evm { chain_id, .. } => ChainRef::Evm(chain_id),
            Self::Starknet { chain_id, .. } => ChainRef::Starknet(chain_id),
        }
    }

    /// The chain id as the 32-byte word that is hashed.
    pub fn chain_word(self) -> B256 {
        match self {
            Self::Evm { chain_id, .. } => B256::from(U256::from(chain_id)),
            Self::Starknet { chain_id, .. } => chain_id,
        }
    }

    /// The contract's account.
    pub fn contract(self) -> AccountRef {
        match self {
            Self::Evm { contract, .. } => AccountRef::Evm(contract),
            Self::Starknet { hub, .. } => AccountRef::Starknet(hub),
        }
    }

    /// Whether an account has the width of this domain's chain.
    pub fn hosts(self, account: AccountRef) -> bool {
        match (self, account) {
            (Self::Evm { .. }, AccountRef::Evm(_)) => true,
            (Self::Starknet { .. }, AccountRef::Starknet(felt)) => is_felt(felt),
            (Self::Evm { .. }, AccountRef::Starknet(_))
            | (Self::Starknet { .. }, AccountRef::Evm(_)) => false,
        }
    }
}

/// One of the two sides of a channel. Side one opened it and is the proposer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Participant 1, the proposer.
    One,
    /// Participant 2, the acceptor.
    Two,
}

impl Side {
    /// The other side.
    pub fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }

    /// The number that the contract and the wire use: 1 or 2.
    pub fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// The side of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }
}

/// The place of a state in a channel's single line of versions; the highest wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// The implicit state that nobody signs: everyone gets their deposit back.
    pub const ZERO: Self = Self(0);

    /// The version after this one; none at the end of the line.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One side's running number of its own updates, so that a duplicate check is one integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl Sequence {
    /// Before the first update of a side.
    pub const ZERO: Self = Self(0);

    /// The sequence after this one; none at the end of the line.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An update of one channel, named by who made it and its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentId {
    /// The channel.
    pub channel_id: ChannelId,
    /// Whose line of sequences.
    pub payer: Side,
    /// Place in that line.
    pub sequence: Sequence,
}

/// A node's long-lived public key, compressed SEC1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 33]);

/// Name of an invoice, chosen by its payee's randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvoiceId(pub B256);

/// The EIP-712 digest of something that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub B256);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_felt_is_below_the_prime() {
        let prime = B256::from(STARKNET_PRIME);
        let last = B256::from(STARKNET_PRIME.wrapping_sub(U256::from(1_u8)));
        assert!(is_felt(B256::ZERO) && is_felt(last));
        assert!(!is_felt(prime) && !is_felt(B256::repeat_byte(0xff)));
    }
}
