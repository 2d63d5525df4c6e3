//! Forwarding a conditional payment from one channel to another, as a pure decision.
//!
//! Source: P44, P45; protocol §2. Routing is not here: whoever routes asks these questions.

use crate::chain::CloseSighting;
use crate::error::ErrorClass;
use crate::lock::Lock;
use crate::money::{Amount, AmountError};
use crate::phase::open::secret;
use crate::record::{ClosingStage, Marks, Phase, RecordParts, Settlement};
use crate::time::BlockTimestamp;
use crate::update::Action;
use alloy_primitives::B256;
use thiserror::Error;

/// What a forwarder wants for its trouble, and the time it needs to be safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ForwardPolicy {
    /// A fixed fee.
    pub base_fee: Amount,
    /// A share of what goes out. Units: parts per million.
    pub fee_ppm: u32,
    /// The least time between the two expiries. On one chain with one registry it may be zero, since one
    /// entry decides both locks alike; between chains it is inclusion, forced inclusion and finality of
    /// both, and the difference of their clocks. Units: seconds.
    pub expiry_margin_secs: u64,
    /// The least time that must be left to learn the secret and bring it upstream. Units: seconds.
    pub reaction_secs: u64,
}

/// How far the upstream lock has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InLock {
    /// Offered, or in a state that only one side has signed; also one that may be gone already.
    Unsigned,
    /// In the newest state that both have signed, and about to leave it by no update that is under way.
    CoSigned,
}

/// How the downstream lock ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutLock {
    /// Nothing was offered downstream.
    NeverOffered,
    /// It is in some state that may still be settled: co-signed, in flight or on chain.
    MayBeSettled,
    /// No state that may be settled holds it any more, and it did not pay.
    Gone,
    /// It paid: the secret is known, here or to the registry.
    Paid,
}

/// Why a lock is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ForwardError {
    /// The incoming lock is not co-signed yet.
    #[error("incoming lock is not co-signed")]
    NotCoSigned,
    /// The two locks wait for different secrets.
    #[error("outgoing lock waits for another secret")]
    OtherSecret {
        /// Of the incoming lock.
        incoming: B256,
        /// Of the outgoing lock.
        outgoing: B256,
    },
    /// The incoming lock does not cover the outgoing one and the fee.
    #[error("incoming {incoming} is below {needed}")]
    FeeTooLow {
        /// What comes in.
        incoming: Amount,
        /// What would be needed.
        needed: Amount,
    },
    /// The outgoing lock expires too late to bring the secret upstream.
    #[error("outgoing lock at {outgoing} expires too close to {incoming}")]
    ExpiryTooClose {
        /// Of the incoming lock.
        incoming: BlockTimestamp,
        /// Of the outgoing lock.
        outgoing: BlockTimestamp,
    },
    /// The incoming lock expires too soon for anything.
    #[error("incoming lock expires at {expiry}, too soon")]
    TooLate {
        /// Of the incoming lock.
        expiry: BlockTimestamp,
    },
    /// Amounts do not add up.
    #[error("amounts do not add up")]
    Amount(#[from] AmountError),
}

impl ForwardError {
    /// The lock is not passed on; nobody is at fault but whoever offered too little.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotCoSigned => ErrorClass::Transient,
            Self::OtherSecret { .. }
            | Self::FeeTooLow { .. }
            | Self::ExpiryTooClose { .. }
            | Self::TooLate { .. }
            | Self::Amount(_) => ErrorClass::Refused,
        }
    }
}

/// How far an incoming lock has come, by the record of the channel that it came in on. What the record does
/// not show to be ours to take is not passed on.
pub fn in_lock(parts: &RecordParts, hash: B256) -> InLock {
    let is_incoming = |lock: &Lock| lock.hash == hash && lock.payer() != parts.setup.side;
    let is_held = parts.base.iter().flat_map(|base| &base.locks).any(is_incoming);
    let is_kept = match &parts.phase {
        // The chain may settle at another state than ours.
        Phase::Closing(ClosingStage::Unilateral) | Phase::Disputed(_) | Phase::Settled(_) => false,
        Phase::Opening(_) | Phase::Funding { .. } => false,
        Phase::Open | Phase::Closing(_) => !is_being_taken_out(parts, hash),
    };
    // Where data was lost or a version has two contents, a state without the lock may be as good as ours.
    if is_held && is_kept && parts.marks == Marks::default() {
        InLock::CoSigned
    } else {
        InLock::Unsigned
    }
}

/// Whether a state without this lock may come to be agreed on.
fn is_being_taken_out(parts: &RecordParts, hash: B256) -> bool {
    let mut waiting = parts.own_pending.iter().chain(&parts.peer_pending);
    waiting.any(|entry| match &entry.update.action {
        Action::SettleLock { hash: of, .. }
        | Action::FailLock { hash: of }
        | Action::ExpireLock { hash: of } => *of == hash,
        Action::Pay(_) | Action::AddLock(_) => false,
    })
}

/// Whether an outgoing lock may be offered against an incoming one.
///
/// # Errors
/// On the first rule that is broken.
pub fn decide_forward(
    incoming: &Lock,
    stage: InLock,
    outgoing: &Lock,
    policy: &ForwardPolicy,
    now: BlockTimestamp,
) -> Result<(), ForwardError> {
    if stage != InLock::CoSigned {
        return Err(ForwardError::NotCoSigned);
    }
    if incoming.hash != outgoing.hash || incoming.resolver != outgoing.resolver {
        let (incoming, outgoing) = (incoming.hash, outgoing.hash);
        return Err(ForwardError::OtherSecret { incoming, outgoing });
    }
    let needed = outgoing.amount.checked_add(fee(outgoing.amount, policy)?)?;
    if incoming.amount < needed {
        return Err(ForwardError::FeeTooLow { incoming: incoming.amount, needed });
    }
    let latest = outgoing.expiry.checked_add_secs(policy.expiry_margin_secs);
    if latest.is_none_or(|latest| latest > incoming.expiry) {
        let (incoming, outgoing) = (incoming.expiry, outgoing.expiry);
        return Err(ForwardError::ExpiryTooClose { incoming, outgoing });
    }
    let ready = now.checked_add_secs(policy.reaction_secs);
    if ready.is_none_or(|ready| ready > incoming.expiry) {
        return Err(ForwardError::TooLate { expiry: incoming.expiry });
    }
    Ok(())
}

/// The fee on what goes out, rounded down in the payer's favour.
fn fee(amount: Amount, policy: &ForwardPolicy) -> Result<Amount, ForwardError> {
    let share = amount
        .mul_ppm_floor(policy.fee_ppm)
        .ok_or(AmountError::Overflow { left: amount, right: policy.base_fee })?;
    Ok(policy.base_fee.checked_add(share)?)
}

/// How an outgoing lock stands, by the record of the channel that it went out on. What the record does
/// not know to be gone may still be paid.
pub fn out_lock(parts: &RecordParts, hash: B256) -> OutLock {
    if parts.secrets.contains_key(&hash) {
        return OutLock::Paid;
    }
    let may_be_settled = match &parts.phase {
        Phase::Settled(settlement) if settlement.is_final => {
            return out_lock_settled(settlement, hash);
        }
        Phase::Disputed(dispute) => holds_unknown_locks(parts, &dispute.sighting),
        Phase::Settled(_)
        | Phase::Opening(_)
        | Phase::Funding { .. }
        | Phase::Open
        | Phase::Closing(_) => false,
    };
    if may_be_settled || secret::awaits(parts, hash) {
        OutLock::MayBeSettled
    } else {
        OutLock::Gone
    }
}

/// Of a lock in a settled list, bit by bit; of a list that we do not have, anything may be true.
fn out_lock_settled(settlement: &Settlement, hash: B256) -> OutLock {
    let holds_nothing = settlement.held1.is_zero() && settlement.held2.is_zero();
    if settlement.locks.is_empty() && !holds_nothing {
        return OutLock::MayBeSettled;
    }
    let found = (0u32..).zip(&settlement.locks).find(|(_, lock)| lock.hash == hash);
    let Some(bit) = found.and_then(|(index, _)| 1u32.checked_shl(index)) else {
        return OutLock::Gone;
    };
    match (settlement.resolved & bit != 0, settlement.returned & bit != 0) {
        (false, _) => OutLock::MayBeSettled,
        (true, false) => OutLock::Paid,
        (true, true) => OutLock::Gone,
    }
}

/// Whether the close that is under way stands at a list of locks that is not our newest.
fn holds_unknown_locks(parts: &RecordParts, sighting: &CloseSighting) -> bool {
    let ours = parts.base.as_ref().map_or(B256::ZERO, |base| base.state.locks_root);
    sighting.point.locks_root != B256::ZERO && sighting.point.locks_root != ours
}

/// Whether the incoming lock may be given back: only once the outgoing one can pay nobody.
pub fn may_fail_upstream(outgoing: OutLock) -> bool {
    match outgoing {
        OutLock::NeverOffered | OutLock::Gone => true,
        OutLock::MayBeSettled | OutLock::Paid => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{CloseMode, EventPosition};
    use crate::ids::{AccountRef, Version};
    use alloy_primitives::Address;

    const POLICY: ForwardPolicy = ForwardPolicy {
        base_fee: Amount::ZERO,
        fee_ppm: 10_000,
        expiry_margin_secs: 100,
        reaction_secs: 50,
    };

    fn lock(amount: u64, expiry: u64) -> Lock {
        Lock {
            hash: B256::repeat_byte(1),
            resolver: AccountRef::Evm(Address::ZERO),
            amount: Amount::from(amount),
            expiry: BlockTimestamp(expiry),
            from1: true,
        }
    }

    fn check(incoming: Lock, outgoing: Lock, now: u64) -> Result<(), ForwardError> {
        let stage = InLock::CoSigned;
        decide_forward(&incoming, stage, &outgoing, &POLICY, BlockTimestamp(now))
    }

    #[test]
    fn p44_a_lock_is_passed_on_only_after_the_incoming_one_is_signed_by_both() {
        let (incoming, outgoing) = (lock(1_010, 1_000), lock(1_000, 900));
        assert_eq!(check(incoming, outgoing, 500), Ok(()));
        let now = BlockTimestamp(500);
        let unsigned = decide_forward(&incoming, InLock::Unsigned, &outgoing, &POLICY, now);
        assert_eq!(unsigned, Err(ForwardError::NotCoSigned));
    }

    #[test]
    fn p44_what_comes_in_covers_what_goes_out_and_the_fee() {
        let result = check(lock(1_009, 1_000), lock(1_000, 900), 500);
        assert!(matches!(result, Err(ForwardError::FeeTooLow { .. })));
        // A fixed fee comes on top of the share.
        let dear = ForwardPolicy { base_fee: Amount::from(7u64), ..POLICY };
        let outgoing = lock(1_000, 900);
        let with_fee = |incoming: u64| {
            let (stage, now) = (InLock::CoSigned, BlockTimestamp(500));
            decide_forward(&lock(incoming, 1_000), stage, &outgoing, &dear, now)
        };
        let (incoming, needed) = (Amount::from(1_016u64), Amount::from(1_017u64));
        assert_eq!(with_fee(1_017), Ok(()));
        assert_eq!(with_fee(1_016), Err(ForwardError::FeeTooLow { incoming, needed }));
    }

    #[test]
    fn p44_the_margin_between_the_expiries_holds() {
        let result = check(lock(1_010, 1_000), lock(1_000, 901), 500);
        assert!(matches!(result, Err(ForwardError::ExpiryTooClose { .. })));
        let result = check(lock(1_010, 1_000), lock(1_000, 900), 951);
        assert!(matches!(result, Err(ForwardError::TooLate { .. })));
        assert_eq!(check(lock(1_010, 1_000), lock(1_000, 900), 950), Ok(()));
    }

    #[test]
    fn p44_both_locks_wait_for_one_secret() {
        let other = Lock { hash: B256::repeat_byte(2), ..lock(1_000, 900) };
        let result = check(lock(1_010, 1_000), other, 500);
        assert!(matches!(result, Err(ForwardError::OtherSecret { .. })));
    }

    #[test]
    fn p44_upstream_fails_only_after_downstream_can_pay_nobody() {
        assert!(may_fail_upstream(OutLock::NeverOffered));
        assert!(may_fail_upstream(OutLock::Gone));
        assert!(!may_fail_upstream(OutLock::MayBeSettled));
        assert!(!may_fail_upstream(OutLock::Paid));
    }

    /// A settlement that holds something for these locks, the first of them decided.
    fn settled(locks: Vec<Lock>, held: u64, resolved: u32, returned: u32) -> Settlement {
        Settlement {
            version: Version(3),
            mode: CloseMode::Unilateral,
            paid1: Amount::ZERO,
            paid2: Amount::ZERO,
            held1: Amount::from(held),
            held2: Amount::ZERO,
            locks,
            resolved,
            returned,
            position: EventPosition::default(),
            is_final: true,
            interrupted: None,
        }
    }

    #[test]
    fn p44_of_a_settled_list_that_we_lost_anything_may_be_true() {
        let hash = B256::repeat_byte(1);
        assert_eq!(out_lock_settled(&settled(vec![], 5, 0, 0), hash), OutLock::MayBeSettled);
        assert_eq!(out_lock_settled(&settled(vec![], 0, 0, 0), hash), OutLock::Gone);
    }

    #[test]
    fn p44_of_a_settled_list_each_lock_has_its_own_end() {
        let (first, other) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let ours = || vec![Lock { hash: other, ..lock(5, 900) }, lock(5, 900)];
        let end = |held, resolved, returned| {
            out_lock_settled(&settled(ours(), held, resolved, returned), first)
        };
        assert_eq!(end(10, 0b00, 0b00), OutLock::MayBeSettled);
        assert_eq!(end(10, 0b01, 0b01), OutLock::MayBeSettled);
        assert_eq!(end(5, 0b10, 0b00), OutLock::Paid);
        assert_eq!(end(5, 0b10, 0b10), OutLock::Gone);
        let absent = settled(ours(), 10, 0, 0);
        assert_eq!(out_lock_settled(&absent, B256::repeat_byte(9)), OutLock::Gone);
    }
}
