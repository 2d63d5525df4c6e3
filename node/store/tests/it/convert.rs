//! Stored forms: every variant comes back, and no bytes make the decoder panic or guess.

use alloy_primitives::{Address, B256};
use lockstep_core::{
    chain::{
        ChainCall, ChannelStatus, CloseMode, CloseSighting, Cursor, EventPosition, Evidence,
        Obligation, ObligationKey, ObligationKind, ObligationStage, StoredPoint, WithdrawEvidence,
    },
    commit::{self, Transition},
    ids::{AccountRef, ChainRef, ChannelId, PaymentId, Sequence, Side, Version},
    lock::Lock,
    message::RejectReason,
    money::Amount,
    output::{Notice, Output},
    record::{
        ChainFacts, ChannelRecord, ChannelSetup, ClosingStage, CoSigned, Consent, Dispute,
        Equivocation, FreezeReason, InFlight, Invoice, InvoiceStatus, KnownSecret, LeftOut,
        OpeningStage, PendingUpdate, Phase, RecordParts, RestoreReason, Settlement, Withdrawal,
    },
    state::{Open, PartialWithdraw},
    time::{BlockNumber, BlockPoint, BlockTimestamp, Finality},
    transfer::{
        DepositStage, RecoverAction, Transfer, TransferKey, TransferRecord, TransferStage,
        WithdrawStage,
    },
    update::{Action, Memo, Update},
};
use lockstep_store::{convert::Stored, port, write_set::WriteSet};
use proptest::prelude::*;

use crate::scene::{Scene, channel, commit_one, read};

const HASH: B256 = B256::repeat_byte(0x77);

fn closing_stages() -> [ClosingStage; 5] {
    let version = Version(8);
    [
        ClosingStage::Requested,
        ClosingStage::Draining { min_version: version },
        ClosingStage::FinalBound { version },
        ClosingStage::FinalSigned { version, submit_after: BlockTimestamp(99) },
        ClosingStage::Unilateral,
    ]
}

fn sighting(finality: Finality) -> CloseSighting {
    let (state, _) = channel(1).state(5, 2);
    CloseSighting {
        point: StoredPoint::from(&state),
        closes_at: BlockTimestamp(1_000),
        initiator: Side::Two,
        position: EventPosition { block: BlockNumber(3), log_index: 4 },
        first_seen: BlockPoint { number: BlockNumber(2), timestamp: BlockTimestamp(5) },
        finality,
    }
}

fn settlement(mode: CloseMode, interrupted: Option<ClosingStage>) -> Settlement {
    let (_, locks) = channel(1).state(5, 3);
    Settlement {
        version: Version(5),
        mode,
        paid1: Amount::MAX,
        paid2: Amount::ZERO,
        held1: Amount::from(10_u64),
        held2: Amount::from(11_u64),
        locks,
        resolved: 0b101,
        returned: 0b100,
        position: EventPosition { block: BlockNumber(3), log_index: 4 },
        is_final: true,
        interrupted,
    }
}

/// Commits a record with these parts and reads it back.
fn check_parts(change: impl FnOnce(&mut RecordParts)) {
    let scene = Scene::new();
    let mut journal = scene.open();
    let ours = channel(1);
    let mut parts = ours.parts(5, 2);
    change(&mut parts);
    let record = ChannelRecord::from_parts(parts).unwrap();
    commit_one(&mut journal, ours.transition(record.clone())).unwrap();
    assert_eq!(read(&mut journal, &ours), Some(record));
}

#[test]
fn every_phase_comes_back_from_disk() {
    for stage in closing_stages() {
        check_parts(|parts| parts.phase = Phase::Closing(stage));
    }
    for (finality, interrupted) in [
        (Finality::Seen, None),
        (Finality::Safe, Some(ClosingStage::Unilateral)),
        (Finality::Final, Some(ClosingStage::Requested)),
    ] {
        let sighting = sighting(finality);
        check_parts(|parts| parts.phase = Phase::Disputed(Dispute { sighting, interrupted }));
    }
    for mode in [CloseMode::Cooperative, CloseMode::Unilateral, CloseMode::Cancelled] {
        check_parts(|parts| parts.phase = Phase::Settled(settlement(mode, None)));
    }
    check_parts(|parts| {
        let interrupted = Some(ClosingStage::Draining { min_version: Version(3) });
        parts.phase = Phase::Settled(settlement(CloseMode::Unilateral, interrupted));
    });
}

#[test]
fn the_phases_before_the_open_come_back_from_disk() {
    let ours = channel(1);
    let open = Open {
        channel_id: ours.id(),
        min_deposit1: Amount::from(5_u64),
        deadline: BlockTimestamp(77),
    };
    let signature = Some(ours.sign(Side::Two, ours.digest(1, 0)));
    let phases = [
        Phase::Opening(OpeningStage::Requested),
        Phase::Opening(OpeningStage::Rejected),
        Phase::Funding { consent: None },
        Phase::Funding { consent: Some(Consent { open, signature: None }) },
        Phase::Funding { consent: Some(Consent { open, signature }) },
    ];
    for phase in phases {
        let scene = Scene::new();
        let mut journal = scene.open();
        let mut parts = ours.fresh_record().into_parts();
        parts.phase = phase;
        parts.chain = ChainFacts { status: ChannelStatus::Pending, ..ChainFacts::default() };
        let record = ChannelRecord::from_parts(parts).unwrap();
        commit_one(&mut journal, ours.transition(record.clone())).unwrap();
        assert_eq!(read(&mut journal, &ours), Some(record));
    }
}

#[test]
fn marks_left_out_updates_and_every_status_come_back_from_disk() {
    let freezes =
        [FreezeReason::InvariantBroken, FreezeReason::Equivocation, FreezeReason::Command];
    for frozen in freezes {
        check_parts(|parts| parts.marks.frozen = Some(frozen));
    }
    for restored in [RestoreReason::Import, RestoreReason::OwnSignature] {
        check_parts(|parts| parts.marks.restored = Some(restored));
    }
    for status in [ChannelStatus::None, ChannelStatus::Closing, ChannelStatus::Closed] {
        check_parts(|parts| parts.chain.status = status);
    }
    check_parts(|parts| {
        parts.own_pending = actions()
            .into_iter()
            .zip(1..)
            .map(|(action, sequence)| {
                let update = Update { sequence: Sequence(sequence), action };
                let left_out = reasons()
                    .get(sequence as usize)
                    .map(|reason| LeftOut { from: Version(9), reason: *reason });
                PendingUpdate { update, left_out }
            })
            .collect();
        parts.own_sequence = Sequence(100);
    });
}

#[test]
fn proof_of_equivocation_comes_back_from_disk() {
    let ours = channel(1);
    let (first, second) = (ours.state(9, 0).0, ours.state(9, 1).0);
    check_parts(|parts| {
        parts.equivocation = Some(Equivocation {
            first,
            first_signature: ours.sign(Side::One, ours.digest(9, 0)),
            second,
            second_signature: ours.sign(Side::One, ours.digest(9, 1)),
        });
    });
}

fn reasons() -> [RejectReason; 8] {
    [
        RejectReason::InsufficientBalance,
        RejectReason::InvoiceRefused,
        RejectReason::LockRefused,
        RejectReason::UnknownLock,
        RejectReason::Mismatch,
        RejectReason::WithdrawalOutstanding,
        RejectReason::NotNow,
        RejectReason::Policy,
    ]
}

fn actions() -> Vec<Action> {
    let (_, locks) = channel(1).state(5, 1);
    vec![
        Action::AddLock(locks[0]),
        Action::SettleLock { hash: HASH, secret: B256::ZERO },
        Action::FailLock { hash: HASH },
        Action::ExpireLock { hash: HASH },
    ]
}

#[test]
fn every_notice_becomes_history_and_comes_back() {
    let ours = channel(1);
    let id = PaymentId { channel_id: ours.id(), payer: Side::Two, sequence: Sequence(6) };
    let version = Version(5);
    let mut notices = vec![
        Notice::OpenConsented,
        Notice::Opened,
        Notice::Funded { side: Side::One, amount: Amount::MAX },
        Notice::Queued { id },
        Notice::SecretLearned { hash: HASH, secret: B256::ZERO },
        Notice::PeerSilent,
        Notice::CloseSeen { version, closes_at: BlockTimestamp(8), initiator: Side::One },
        Notice::CloseVanished,
        Notice::Withdrawn { version },
        Notice::WithdrawalExpired { version },
        Notice::Settled { paid1: Amount::ZERO, paid2: Amount::MAX },
        Notice::Frozen { reason: FreezeReason::Command },
        Notice::Restored { reason: RestoreReason::OwnSignature },
        Notice::Equivocation(Box::new(Equivocation {
            first: ours.state(9, 0).0,
            first_signature: ours.sign(Side::One, ours.digest(9, 0)),
            second: ours.state(9, 1).0,
            second_signature: ours.sign(Side::One, ours.digest(9, 1)),
        })),
        Notice::UnprovenClaim { version },
        Notice::LockResolved { hash: B256::repeat_byte(7), is_paid: true },
    ];
    for reason in reasons() {
        notices.push(Notice::OpenRejected { reason });
        notices.push(Notice::Failed { id, reason });
        notices.push(Notice::Refused { sequence: Sequence(4), reason });
        notices.push(Notice::WithdrawalRefused { reason });
        notices.push(Notice::CloseRefused { reason });
    }
    notices.extend(actions().into_iter().map(|action| Notice::Applied { id, action, version }));
    let outputs = notices.iter().cloned().map(Output::Notify).collect();
    let scene = Scene::new();
    let mut journal = scene.open();
    let step = Transition::for_test(ours.record(5, 0), Vec::new(), outputs);
    // The record counts on a digest that only a binding brings, so that comes first.
    commit::commit(&mut journal, vec![ours.step(5)]).unwrap();
    commit::commit(&mut journal, vec![step]).unwrap();
    let history = journal.history(ours.id(), 0).unwrap();
    assert_eq!(history[1].notices, notices);
    let later = journal.history(ours.id(), history[1].group).unwrap();
    assert_eq!(later, history[1..]);
}

fn withdraw() -> PartialWithdraw {
    let (state, _) = channel(1).state(6, 0);
    PartialWithdraw {
        channel_id: state.channel_id,
        version: state.version,
        net: state.net,
        locked1: state.locked1,
        locked2: state.locked2,
        locks_root: state.locks_root,
        out1: Amount::from(5_u64),
        out2: Amount::ZERO,
        deadline: BlockTimestamp(u64::MAX),
    }
}

fn obligations() -> Vec<Obligation> {
    let ours = channel(1);
    let (state, locks) = ours.state(5, 2);
    let signature = Some(ours.sign(Side::One, ours.digest(5, 2)));
    let evidence = Evidence { state, locks, signature1: signature, signature2: None };
    let half = WithdrawEvidence { withdraw: withdraw(), signature1: None, signature2: signature };
    let resolve = ChainCall::ResolveLocks { locks: evidence.locks.clone(), mask: 3 };
    let calls = [
        (ObligationKind::InitiateClose, ChainCall::InitiateClose(None)),
        (ObligationKind::InitiateClose, ChainCall::InitiateClose(Some(evidence.clone()))),
        (ObligationKind::Challenge, ChainCall::Challenge(evidence.clone())),
        (ObligationKind::Close, ChainCall::Close),
        (ObligationKind::CooperativeClose, ChainCall::CooperativeClose(evidence)),
        (ObligationKind::PartialWithdraw, ChainCall::PartialWithdraw(half)),
        (ObligationKind::RegisterSecret, ChainCall::RegisterSecret { secret: HASH }),
        (ObligationKind::ResolveLocks, resolve),
    ];
    let stages = [
        ObligationStage::Owed,
        ObligationStage::Submitted { tx: HASH },
        ObligationStage::Included { tx: HASH, block: BlockNumber(9) },
        ObligationStage::Done,
        ObligationStage::Obsolete,
    ];
    let mut obligations = Vec::new();
    for (number, (kind, call)) in (0_u64..).zip(calls) {
        for (other, stage) in (0_u64..).zip(stages) {
            let version = Version(10 * number + other);
            let key = ObligationKey { channel_id: ours.id(), kind, version, detail: HASH };
            let deadline = (other % 2 == 0).then_some(BlockTimestamp(other));
            let fee = u128::MAX - u128::from(other);
            obligations.push(Obligation::from_parts(key, call.clone(), deadline, stage, fee));
        }
    }
    obligations
}

fn transfers() -> Vec<TransferRecord> {
    let mut stages = vec![
        TransferStage::Deposit(DepositStage::Planned),
        TransferStage::Deposit(DepositStage::Sent),
        TransferStage::Deposit(DepositStage::L1Final),
        TransferStage::Deposit(DepositStage::Delivered),
        TransferStage::Deposit(DepositStage::Credited),
        TransferStage::Deposit(DepositStage::Refunded),
        TransferStage::Deposit(DepositStage::Abandoned),
        TransferStage::Withdraw(WithdrawStage::Planned),
        TransferStage::Withdraw(WithdrawStage::Initiated),
        TransferStage::Withdraw(WithdrawStage::Proposed),
        TransferStage::Withdraw(WithdrawStage::Provable),
        TransferStage::Withdraw(WithdrawStage::Proven { finalizable_at: BlockTimestamp(4) }),
        TransferStage::Withdraw(WithdrawStage::Finalizable),
        TransferStage::Withdraw(WithdrawStage::Done),
        TransferStage::Withdraw(WithdrawStage::Abandoned),
    ];
    let actions = [
        RecoverAction::Redeem,
        RecoverAction::KeepAlive,
        RecoverAction::Replay,
        RecoverAction::Cancel,
        RecoverAction::ClaimFailed,
    ];
    for action in actions {
        stages.push(TransferStage::Deposit(DepositStage::FailedRecoverable(action)));
        stages.push(TransferStage::Deposit(DepositStage::Expired(action)));
    }
    (0_u8..)
        .zip(stages)
        .map(|(number, stage)| {
            let chain = ChainRef::Starknet(B256::repeat_byte(3));
            let key = TransferKey { chain, tx: HASH, log_index: u32::MAX };
            let transfer = Transfer {
                id: B256::repeat_byte(number),
                key: (number % 2 == 0).then_some(key),
                from: ChainRef::Evm(u64::MAX),
                to: chain,
                token: AccountRef::Evm(Address::repeat_byte(number)),
                amount: Amount::MAX,
                stage,
            };
            TransferRecord {
                transfer,
                channel: (number % 3 == 0).then_some(ChannelId(HASH)),
                memo: vec![number; usize::from(number)],
            }
        })
        .collect()
}

#[test]
fn cursors_obligations_transfers_and_appointments_come_back_from_disk() {
    let scene = Scene::new();
    let (evm, starknet) = (ChainRef::Evm(1), ChainRef::Starknet(HASH));
    let block = BlockPoint { number: BlockNumber(7), timestamp: BlockTimestamp(70) };
    let cursor = Cursor { block, hash: HASH };
    let mut set = WriteSet::default();
    set.put_cursor(evm, &cursor).unwrap();
    set.put_cursor(starknet, &cursor).unwrap();
    for obligation in obligations() {
        set.put_obligation(&obligation).unwrap();
    }
    for transfer in transfers() {
        set.put_transfer(&transfer).unwrap();
    }
    set.put_appointment(channel(1).id(), vec![1, 2, 3]).unwrap();
    scene.open().engine_mut().write(&set).unwrap();

    let mut journal = scene.open();
    let engine = journal.engine();
    assert_eq!(port::cursor(engine, evm).unwrap(), Some(cursor));
    assert_eq!(port::cursor(engine, starknet).unwrap(), Some(cursor));
    assert_eq!(port::cursor(engine, ChainRef::Evm(2)).unwrap(), None);
    let mut expected = obligations();
    expected.sort_by_key(|obligation| *obligation.key());
    let mut found = port::all_obligations(engine).unwrap();
    found.sort_by_key(|obligation| *obligation.key());
    assert_eq!(found, expected);
    assert_eq!(port::obligations(engine, channel(2).id()).unwrap(), []);
    assert_eq!(port::all_transfers(engine).unwrap(), transfers());
    assert_eq!(port::transfer(engine, HASH).unwrap(), None);
    assert_eq!(port::appointment(engine, channel(1).id()).unwrap(), Some(vec![1, 2, 3]));
    let mut set = WriteSet::default();
    set.remove_obligation(expected[0].key());
    set.remove_appointment(channel(1).id());
    journal.engine_mut().write(&set).unwrap();
    let left = port::all_obligations(journal.engine()).unwrap().len();
    assert_eq!(left, expected.len() - 1);
}

/// Decoding gives a value that has exactly these bytes, or an error; never a panic.
fn decodes_or_refuses<T: Stored>(bytes: &[u8]) {
    if let Ok(value) = T::decode(bytes) {
        assert!(T::decode(&value.encode()).is_ok(), "what was decoded once decodes again");
    }
}

fn decode_as_everything(bytes: &[u8]) {
    decodes_or_refuses::<ChannelSetup>(bytes);
    decodes_or_refuses::<CoSigned>(bytes);
    decodes_or_refuses::<InFlight>(bytes);
    decodes_or_refuses::<PendingUpdate>(bytes);
    decodes_or_refuses::<Update>(bytes);
    decodes_or_refuses::<Invoice>(bytes);
    decodes_or_refuses::<KnownSecret>(bytes);
    decodes_or_refuses::<Withdrawal>(bytes);
    decodes_or_refuses::<Equivocation>(bytes);
    decodes_or_refuses::<Settlement>(bytes);
    decodes_or_refuses::<Dispute>(bytes);
    decodes_or_refuses::<ChainFacts>(bytes);
    decodes_or_refuses::<Obligation>(bytes);
    decodes_or_refuses::<TransferRecord>(bytes);
    decodes_or_refuses::<Cursor>(bytes);
    decodes_or_refuses::<Lock>(bytes);
}

fn valid_messages() -> Vec<Vec<u8>> {
    let ours = channel(1);
    let parts = ours.busy_record(20, 0, 3).into_parts();
    let mut messages = vec![
        parts.setup.encode(),
        parts.chain.encode(),
        settlement(CloseMode::Cancelled, Some(ClosingStage::Unilateral)).encode(),
        Dispute { sighting: sighting(Finality::Safe), interrupted: None }.encode(),
        Withdrawal { withdraw: withdraw(), counterparty_signature: None }.encode(),
    ];
    messages.extend(parts.base.iter().map(Stored::encode));
    messages.extend(parts.own_pending.iter().map(Stored::encode));
    messages.extend(parts.invoices.values().map(Stored::encode));
    messages.extend(obligations().iter().map(Stored::encode));
    messages.extend(transfers().iter().map(Stored::encode));
    messages.retain(|message| !message.is_empty());
    messages
}

#[test]
fn an_invoice_comes_back_with_what_it_is_for_and_an_older_one_without() {
    let memo = Memo::new(vec![0xff; 64]).unwrap();
    let (amount, expiry, status) = (Amount::from(7_u64), BlockTimestamp(9), InvoiceStatus::Open);
    let invoice = Invoice { amount, expiry, memo, status };
    assert_eq!(Invoice::decode(&invoice.encode()).unwrap(), invoice);
    let older = Invoice { memo: Memo::default(), ..invoice };
    assert_eq!(Invoice::decode(&older.encode()).unwrap(), older);
    // One byte more than a memo may have.
    let mut long = Invoice { memo: Memo::new(vec![1; 64]).unwrap(), ..older }.encode();
    let place = long.iter().position(|byte| *byte == 64).unwrap();
    long[place] = 65;
    long.push(1);
    Invoice::decode(&long).unwrap_err();
}

proptest! {
    #[test]
    fn p67_no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        decode_as_everything(&bytes);
    }

    #[test]
    fn p67_no_change_of_valid_bytes_makes_a_decoder_panic(
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let messages = valid_messages();
        let mut bytes = which.get(&messages).clone();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        decode_as_everything(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        decode_as_everything(&bytes);
    }
}
