use super::*;
use alloy_primitives::Address;

const KEY: TransferKey =
    TransferKey { chain: ChainRef::Evm(1), tx: B256::repeat_byte(1), log_index: 0 };

fn transfer(stage: TransferStage) -> Transfer {
    Transfer {
        id: B256::repeat_byte(7),
        key: None,
        from: ChainRef::Evm(1),
        to: ChainRef::Evm(10),
        token: AccountRef::Evm(Address::ZERO),
        amount: Amount::from(5u64),
        stage,
    }
}

fn deposit(stage: DepositStage) -> Transfer {
    transfer(TransferStage::Deposit(stage))
}

fn withdraw(stage: WithdrawStage) -> Transfer {
    transfer(TransferStage::Withdraw(stage))
}

fn follow(start: Transfer, events: &[TransferEvent]) -> Transfer {
    events.iter().fold(start, |transfer, event| transfer.apply(*event).unwrap())
}

fn all_events() -> Vec<TransferEvent> {
    use TransferEvent as E;
    vec![
        E::Included(KEY),
        E::Reorganised,
        E::NeverSent,
        E::L1Finalized,
        E::Delivered,
        E::Credited,
        E::DeliveryFailed(RecoverAction::Redeem),
        E::TimedOut(RecoverAction::Cancel),
        E::RefundFinal,
        E::RootProposed,
        E::RootProvable,
        E::ProofFinal { finalizable_at: BlockTimestamp(9) },
        E::ProofInvalidated,
        E::WaitOver,
        E::PaidOut,
    ]
}

#[test]
fn a_deposit_goes_from_plan_to_credit() {
    use TransferEvent as E;
    let done = follow(
        deposit(DepositStage::Planned),
        &[E::Included(KEY), E::L1Finalized, E::Delivered, E::Credited],
    );
    assert_eq!(done.location(), Location::Destination);
    assert_eq!(done.key, Some(KEY));
    assert!(done.is_over());
}

#[test]
fn p88_a_time_out_changes_a_label_and_never_forgets_money() {
    use TransferEvent as E;
    let expired = follow(
        deposit(DepositStage::Planned),
        &[
            E::Included(KEY),
            E::L1Finalized,
            E::DeliveryFailed(RecoverAction::Redeem),
            E::TimedOut(RecoverAction::Cancel),
        ],
    );
    assert_eq!(expired.location(), Location::Refundable);
    assert!(!expired.is_over());
    assert_eq!(follow(expired, &[E::RefundFinal]).location(), Location::Source);
    // A delivery that came after all is still a delivery.
    assert_eq!(follow(expired, &[E::Delivered]).location(), Location::Destination);
}

#[test]
fn a_proof_that_was_invalidated_starts_again() {
    use TransferEvent as E;
    let finalizable_at = BlockTimestamp(9);
    let again = follow(
        withdraw(WithdrawStage::Planned),
        &[
            E::Included(KEY),
            E::RootProposed,
            E::RootProvable,
            E::ProofFinal { finalizable_at },
            E::ProofInvalidated,
        ],
    );
    assert_eq!(again.stage, TransferStage::Withdraw(WithdrawStage::Initiated));
    let done = follow(
        again,
        &[E::RootProvable, E::ProofFinal { finalizable_at }, E::WaitOver, E::PaidOut],
    );
    assert_eq!(done.location(), Location::Destination);
}

#[test]
fn p87_no_sequence_of_events_loses_or_doubles_money() {
    let starts = [deposit(DepositStage::Planned), withdraw(WithdrawStage::Planned)];
    for start in starts {
        let mut seen = vec![start];
        let mut next = 0;
        while let Some(transfer) = seen.get(next).copied() {
            next += 1;
            for event in all_events() {
                let Ok(after) = transfer.apply(event) else { continue };
                assert_eq!(after.amount, transfer.amount);
                // Once at its end, money stays there.
                if transfer.is_over() {
                    assert_eq!(after.location(), transfer.location(), "{transfer:?} {event:?}");
                }
                // The same event again changes nothing, except that an answer may be given anew.
                if let Ok(twice) = after.apply(event) {
                    assert_eq!(twice, after, "{transfer:?} {event:?}");
                }
                if !seen.contains(&after) {
                    seen.push(after);
                }
            }
        }
        assert!(seen.len() > 7, "{}", seen.len());
    }
}

#[test]
fn p86_nothing_is_credited_before_l1_is_final() {
    let sent = deposit(DepositStage::Sent);
    assert!(sent.apply(TransferEvent::Credited).is_err());
    assert!(sent.apply(TransferEvent::Delivered).is_err());
}

#[test]
fn a_record_follows_its_transfer_and_keeps_the_rest() {
    let planned = deposit(DepositStage::Planned);
    let record = TransferRecord { transfer: planned, channel: None, memo: vec![1, 2] };
    let next = record.apply(TransferEvent::Included(KEY)).unwrap();
    assert_eq!(next.transfer, planned.apply(TransferEvent::Included(KEY)).unwrap());
    assert_eq!((next.channel, next.memo), (None, vec![1, 2]));
    assert!(record.apply(TransferEvent::PaidOut).is_err());
}
