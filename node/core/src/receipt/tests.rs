use super::*;
use crate::fixture;
use crate::ids::Side;
use alloy_primitives::B256;

const NOW: u64 = 1_000_000;

fn receipt() -> Receipt {
    Receipt {
        tower: fixture::signer_key(Side::Two).address(),
        channel_id: fixture::terms().channel_id(fixture::DOMAIN),
        version: Version(10),
        state_hash: Digest(B256::repeat_byte(7)),
        valid_from: BlockTimestamp(NOW),
        valid_until: BlockTimestamp(NOW + 1_000),
        min_window: fixture::PERIOD,
        insured: Amount::from(5u64),
        beneficiary: Address::repeat_byte(8),
        withdraw_version: Version(2),
    }
}

/// A tower of these tests signs with side 2's key.
fn signed(receipt: Receipt) -> SignedReceipt {
    let signature = fixture::sign(Side::Two, fixture::domain().receipt(&receipt));
    SignedReceipt { receipt, signature }
}

/// A channel that was closed with version 9 by a close that began within the receipt's time.
fn tombstone() -> Tombstone {
    Tombstone {
        mode: CloseMode::Unilateral,
        version: Version(9),
        closes_at: Some(BlockTimestamp(NOW + u64::from(fixture::PERIOD))),
        withdraw_version: Version(2),
    }
}

fn judge(receipt: Receipt, tombstone: Tombstone) -> ReceiptVerdict {
    signed(receipt).judge(fixture::DOMAIN, &fixture::terms(), &tombstone).unwrap()
}

#[test]
fn p81_a_receipt_and_the_tombstone_prove_a_failure() {
    let failed = ReceiptVerdict::Failed { settled: Version(9), promised: Version(10) };
    assert_eq!(judge(receipt(), tombstone()), failed);
}

#[test]
fn p81_a_version_at_or_above_the_promise_is_a_promise_kept() {
    for settled in [Version(10), Version(11)] {
        let verdict = judge(receipt(), Tombstone { version: settled, ..tombstone() });
        assert_eq!(verdict, ReceiptVerdict::Kept { settled });
    }
}

#[test]
fn p81_a_close_by_consent_or_before_anybody_joined_binds_nobody() {
    for mode in [CloseMode::Cooperative, CloseMode::Cancelled] {
        let verdict = judge(receipt(), Tombstone { mode, ..tombstone() });
        assert_eq!(verdict, ReceiptVerdict::NotBound(Exemption::ClosedByConsent));
    }
    let verdict = judge(receipt(), Tombstone { closes_at: None, ..tombstone() });
    assert_eq!(verdict, ReceiptVerdict::NotBound(Exemption::ClosedByConsent));
}

#[test]
fn p81_the_promise_binds_from_its_first_second_to_its_last() {
    let period = u64::from(fixture::PERIOD);
    let at =
        |begun: u64| Tombstone { closes_at: Some(BlockTimestamp(begun + period)), ..tombstone() };
    for begun in [NOW, NOW + 1_000] {
        assert!(matches!(judge(receipt(), at(begun)), ReceiptVerdict::Failed { .. }), "{begun}");
    }
    for begun in [NOW - 1, NOW + 1_001] {
        let begun_at = BlockTimestamp(begun);
        let verdict = judge(receipt(), at(begun));
        let outside = Exemption::OutsideValidity { begun: begun_at };
        assert_eq!(verdict, ReceiptVerdict::NotBound(outside));
    }
}

#[test]
fn p81_a_shorter_window_or_a_later_withdrawal_does_not_bind() {
    let longer = Receipt { min_window: fixture::PERIOD + 1, ..receipt() };
    let short = Exemption::WindowTooShort { period: fixture::PERIOD };
    assert_eq!(judge(longer, tombstone()), ReceiptVerdict::NotBound(short));
    let later = Tombstone { withdraw_version: Version(3), ..tombstone() };
    let withdrawn = Exemption::LaterWithdrawal { version: Version(3) };
    assert_eq!(judge(receipt(), later), ReceiptVerdict::NotBound(withdrawn));
}

#[test]
fn p81_a_receipt_that_was_changed_in_any_field_proves_nothing() {
    let SignedReceipt { receipt, signature } = signed(receipt());
    let changed = [
        Receipt { version: Version(11), ..receipt },
        Receipt { state_hash: Digest(B256::ZERO), ..receipt },
        Receipt { valid_from: BlockTimestamp(0), ..receipt },
        Receipt { valid_until: BlockTimestamp(u64::MAX), ..receipt },
        Receipt { min_window: 0, ..receipt },
        Receipt { insured: Amount::from(6u64), ..receipt },
        Receipt { beneficiary: Address::ZERO, ..receipt },
        Receipt { withdraw_version: Version(3), ..receipt },
        Receipt { tower: fixture::signer_key(Side::One).address(), ..receipt },
    ];
    for receipt in changed {
        let judged = SignedReceipt { receipt, signature };
        let judged = judged.judge(fixture::DOMAIN, &fixture::terms(), &tombstone());
        assert!(matches!(judged, Err(ReceiptError::Signature { .. })), "{receipt:?}");
    }
    let mut terms = fixture::terms();
    terms.challenge_period += 1;
    let judged = signed(receipt).judge(fixture::DOMAIN, &terms, &tombstone());
    assert!(matches!(judged, Err(ReceiptError::OtherChannel { .. })));
    let elsewhere = Domain::Evm { chain_id: 1, contract: Address::repeat_byte(0xcc) };
    let judged = signed(receipt).judge(elsewhere, &fixture::terms(), &tombstone());
    assert!(matches!(judged, Err(ReceiptError::OtherChannel { .. })));
}
