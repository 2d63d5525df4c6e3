//! Conditional payments: money that waits for a secret or for its expiry.

use crate::ids::{AccountRef, Side};
use crate::money::{Amount, AmountError};
use crate::time::BlockTimestamp;
use alloy_primitives::{B256, U256, keccak256};

/// The most locks that one state may hold, so that every exit fits a gas bound.
pub const MAX_LOCKS: usize = 32;
/// An expiry fits the contract's `uint40`.
pub const MAX_EXPIRY: u64 = (1 << 40) - 1;

/// A conditional payment inside a state.
///
/// Source: contract §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lock {
    /// With no resolver, `sha256(bytes32 secret)`; else the id that the resolver is asked about.
    pub hash: B256,
    /// Contract that decides; the zero account means the secret registry.
    pub resolver: AccountRef,
    /// Shape: below `2^112`.
    pub amount: Amount,
    /// Last second at which a reveal counts. Shape: below `2^40`.
    pub expiry: BlockTimestamp,
    /// Who pays: side 1 if set, side 2 else.
    pub from1: bool,
}

impl Lock {
    /// Whose money waits here.
    pub fn payer(&self) -> Side {
        if self.from1 { Side::One } else { Side::Two }
    }

    /// Whether the secret registry decides this lock.
    pub fn is_hash_lock(&self) -> bool {
        self.resolver.is_zero()
    }

    /// The five words of the lock's ABI encoding.
    fn words(&self) -> [B256; 5] {
        [
            self.hash,
            self.resolver.to_word(),
            B256::from(self.amount.to_u256()),
            B256::from(U256::from(self.expiry.0)),
            B256::from(U256::from(u8::from(self.from1))),
        ]
    }
}

/// The root of a list of locks: zero for none, else `keccak256(abi.encode(Lock[]))`.
///
/// Source: contract §2.
pub fn locks_root(locks: &[Lock]) -> B256 {
    if locks.is_empty() { B256::ZERO } else { locks_hash(locks) }
}

/// The hash of a list's ABI encoding, also of an empty one: what the contract compares a root with.
///
/// Source: contract §3, `resolveLocks`.
pub(crate) fn locks_hash(locks: &[Lock]) -> B256 {
    let offset = B256::from(U256::from(32u8));
    let count = B256::from(U256::from(locks.len()));
    let mut bytes: Vec<u8> = offset.0.into_iter().chain(count.0).collect();
    bytes.extend(locks.iter().flat_map(Lock::words).flat_map(|word| word.0));
    keccak256(bytes)
}

/// What both sides have locked: `(locked1, locked2)`.
///
/// # Errors
/// If a sum is `2^112` or more.
pub fn locked_sums(locks: &[Lock]) -> Result<(Amount, Amount), AmountError> {
    let mut sums = (Amount::ZERO, Amount::ZERO);
    for lock in locks {
        match lock.payer() {
            Side::One => sums.0 = sums.0.checked_add(lock.amount)?,
            Side::Two => sums.1 = sums.1.checked_add(lock.amount)?,
        }
    }
    Ok((sums.0.checked_locked()?, sums.1.checked_locked()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Address;
    use alloy_sol_types::{SolValue, sol};

    sol! {
        struct SolLock { bytes32 hash; address resolver; uint112 amount; uint40 expiry; bool from1; }
    }

    fn lock(byte: u8, from1: bool) -> Lock {
        Lock {
            hash: B256::repeat_byte(byte),
            resolver: AccountRef::Evm(Address::repeat_byte(byte)),
            amount: Amount::from(u128::from(byte)),
            expiry: BlockTimestamp(1_000),
            from1,
        }
    }

    #[test]
    fn the_root_is_the_hash_of_the_abi_encoding() {
        assert_eq!(locks_root(&[]), B256::ZERO);
        let locks = [lock(1, true), lock(2, false), lock(3, true)];
        let encoded: Vec<SolLock> = locks
            .iter()
            .map(|lock| SolLock {
                hash: lock.hash,
                resolver: Address::from_word(lock.resolver.to_word()),
                amount: alloy_primitives::Uint::from(lock.amount.to_u256()),
                expiry: alloy_primitives::Uint::from(lock.expiry.0),
                from1: lock.from1,
            })
            .collect();
        assert_eq!(locks_root(&locks), keccak256(encoded.abi_encode()));
    }

    #[test]
    fn the_root_depends_on_order_and_the_sums_do_not() {
        let (a, b) = (lock(1, true), lock(2, false));
        assert_ne!(locks_root(&[a, b]), locks_root(&[b, a]));
        let sums = (Amount::from(1u64), Amount::from(2u64));
        assert_eq!(locked_sums(&[a, b]), Ok(sums));
        assert_eq!(locked_sums(&[b, a]), Ok(sums));
    }

    #[test]
    fn the_last_expiry_is_the_largest_that_the_contract_can_hold() {
        assert_eq!(U256::from(MAX_EXPIRY), U256::from(alloy_primitives::aliases::U40::MAX));
    }

    #[test]
    fn a_sum_over_the_packed_width_is_refused() {
        let mut big = lock(1, true);
        big.amount = Amount::from((1u128 << 112) - 1);
        assert!(locked_sums(&[big]).is_ok());
        assert!(locked_sums(&[big, lock(1, true)]).is_err());
    }
}
