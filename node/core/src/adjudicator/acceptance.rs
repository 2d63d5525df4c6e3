//! Which states the contract takes at all. The node applies the very same function before it signs.

use super::{PresentedState, Refusal};
use crate::ids::Side;
use crate::money::{Amount, AmountError, Balances, Deposits, Net, RawNet};
use crate::state::StateKind;
use alloy_primitives::B256;

/// A state that the contract would take, with what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Accepted {
    /// Its kind.
    pub kind: StateKind,
    /// Its net.
    pub net: Net,
    /// What each side has besides its locks.
    pub balances: Balances,
}

/// Applies every rule about a state's content, in the contract's order.
///
/// # Errors
/// On the first rule that is broken.
///
/// Source: contract §2, `StateRules`.
pub fn accept(deposits: Deposits, state: &PresentedState) -> Result<Accepted, Refusal> {
    let kind =
        StateKind::from_number(state.kind).ok_or(Refusal::InvalidKind { kind: state.kind })?;
    check_locks(state.locked1, state.locked2, state.locks_root)?;
    if kind == StateKind::Final && !state.locks_root.is_zero() {
        return Err(Refusal::FinalStateHasLocks);
    }
    let (net, balances) = balances(deposits, state.net, state.locked1, state.locked2)?;
    Ok(Accepted { kind, net, balances })
}

/// Locked sums fit, and there is a root exactly if something is locked.
///
/// # Errors
/// If not: a sum without a root could never be released.
pub fn check_locks(locked1: Amount, locked2: Amount, locks_root: B256) -> Result<(), Refusal> {
    for locked in [locked1, locked2] {
        locked.checked_locked().map_err(|_| Refusal::LockedOutOfRange { locked })?;
    }
    let has_locks = !(locked1.is_zero() && locked2.is_zero());
    if has_locks == locks_root.is_zero() {
        return Err(Refusal::LocksRootMismatch { locks_root });
    }
    Ok(())
}

/// What each side has besides its locks.
///
/// # Errors
/// If `net` is out of range or a side would have less than nothing.
pub fn balances(
    deposits: Deposits,
    net: RawNet,
    locked1: Amount,
    locked2: Amount,
) -> Result<(Net, Balances), Refusal> {
    let net = net.checked().map_err(|_| Refusal::NetOutOfRange { net })?;
    let balances = deposits.balances(net, locked1, locked2).map_err(refuse)?;
    Ok((net, balances))
}

/// The contract's error for money that does not add up.
pub(super) fn refuse(error: AmountError) -> Refusal {
    match error {
        AmountError::NegativeBalance { side, balance } => {
            Refusal::InsufficientBalance { side, balance }
        }
        AmountError::LockedOutOfRange { value } => Refusal::LockedOutOfRange { locked: value },
        AmountError::Overflow { .. }
        | AmountError::Insufficient { .. }
        | AmountError::NetOutOfRange { .. } => Refusal::OutOfModel,
    }
}

/// Adds to a side's deposit.
///
/// # Errors
/// If it or the sum of both leaves the packed width.
pub fn add_deposit(deposits: Deposits, side: Side, amount: Amount) -> Result<Deposits, Refusal> {
    deposits.deposited(side, amount).map_err(|_| Refusal::AmountTooLarge { amount })
}
