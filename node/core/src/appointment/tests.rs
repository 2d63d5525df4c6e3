use super::*;
use crate::fixture;
use crate::ids::AccountRef;
use crate::lock::Lock;
use crate::money::{Amount, Deposit, Net};
use crate::time::BlockTimestamp;

fn state(version: u64) -> State {
    State {
        channel_id: fixture::terms().channel_id(fixture::DOMAIN),
        version: Version(version),
        kind: StateKind::Ordinary,
        net: Net::new(7).unwrap(),
        locked1: Amount::ZERO,
        locked2: Amount::ZERO,
        locks_root: B256::ZERO,
    }
}

fn appointment(state: State) -> Appointment {
    Appointment {
        domain: fixture::DOMAIN,
        terms: fixture::terms(),
        state,
        signatures: fixture::sign_both(fixture::domain().state(&state)),
        sealed_locks: SealedLocks::EMPTY,
    }
}

fn check(appointment: Appointment) -> Result<CheckedAppointment, AppointmentError> {
    appointment.check(fixture::BOUNDS, None)
}

#[test]
fn p80_a_state_that_both_signed_is_taken_and_its_keys_are_learnt() {
    let checked = check(appointment(state(3))).unwrap();
    assert_eq!(checked.keys(), [fixture::signer_key(Side::One), fixture::signer_key(Side::Two)]);
    assert_eq!(checked.state_digest(), fixture::domain().state(&state(3)));
    let again = appointment(state(4)).check(fixture::BOUNDS, Some(checked.keys()));
    assert_eq!(again.unwrap().get().version(), Version(4));
}

#[test]
fn p80_a_forged_or_swapped_signature_is_refused_with_or_without_known_keys() {
    let keys = Some([fixture::signer_key(Side::One), fixture::signer_key(Side::Two)]);
    let right = appointment(state(3));
    let forged = StateSignature([1; 64]);
    let Signatures { one, two } = right.signatures;
    for (signatures, side) in [
        (Signatures { one: forged, two }, Side::One),
        (Signatures { one, two: forged }, Side::Two),
        (Signatures { one: two, two: one }, Side::One),
        (Signatures { one, two: one }, Side::Two),
    ] {
        for known in [None, keys] {
            let refused = Appointment { signatures, ..right.clone() }.check(fixture::BOUNDS, known);
            let Err(AppointmentError::Signature { side: found, .. }) = refused else {
                panic!("{refused:?}")
            };
            assert_eq!(found, side);
        }
    }
}

#[test]
fn p80_keys_of_another_channel_do_not_vouch_for_this_one() {
    let mut other = appointment(state(3));
    other.terms.signer1 = Address::repeat_byte(9);
    other.state.channel_id = other.channel_id();
    let keys = Some([fixture::signer_key(Side::One), fixture::signer_key(Side::Two)]);
    let refused = other.check(fixture::BOUNDS, keys).unwrap_err();
    assert!(matches!(refused, AppointmentError::Signature { side: Side::One, .. }), "{refused:?}");
}

#[test]
fn p80_what_the_contract_would_refuse_is_refused_before_any_signature_is_looked_at() {
    let forged = Signatures { one: StateSignature([1; 64]), two: StateSignature([1; 64]) };
    let refuse = |state: State| {
        let mut appointment = appointment(state);
        appointment.signatures = forged;
        check(appointment).unwrap_err()
    };
    assert_eq!(refuse(state(0)), AppointmentError::VersionZero);
    let other = State { channel_id: ChannelId(B256::ZERO), ..state(3) };
    assert!(matches!(refuse(other), AppointmentError::OtherChannel { .. }));
    let rootless = State { locked1: Amount::from(1u64), ..state(3) };
    assert!(matches!(
        refuse(rootless),
        AppointmentError::Refusal(Refusal::LocksRootMismatch { .. })
    ));
    let locks = [Lock {
        hash: B256::ZERO,
        resolver: AccountRef::Evm(Address::ZERO),
        amount: Amount::from(1u64),
        expiry: BlockTimestamp(5),
        from1: true,
    }];
    let locks_root = crate::lock::locks_root(&locks);
    let locked1 = Amount::from(1u64);
    let last = State { kind: StateKind::Final, locked1, locks_root, ..state(3) };
    assert_eq!(refuse(last), AppointmentError::Refusal(Refusal::FinalStateHasLocks));
}

#[test]
fn p80_a_window_below_the_minimum_and_a_foreign_kind_of_chain_are_refused() {
    let bounds = PeriodBounds { minimum: fixture::PERIOD + 1, maximum: u32::MAX };
    let refused = appointment(state(3)).check(bounds, None).unwrap_err();
    assert!(matches!(refused, AppointmentError::Terms(TermsError::PeriodOutOfBounds { .. })));
    let mut foreign = appointment(state(3));
    foreign.domain = Domain::Starknet { chain_id: B256::ZERO, hub: B256::ZERO };
    assert_eq!(check(foreign).unwrap_err(), AppointmentError::ForeignChain);
}

#[test]
fn p33_the_deposits_decide_with_the_contracts_own_predicate() {
    let checked = check(appointment(state(3))).unwrap();
    let deposits = |one: i128| Deposits::new(Deposit::new(one).unwrap(), Deposit::ZERO).unwrap();
    assert!(checked.accept(deposits(7)).is_ok());
    assert!(matches!(
        checked.accept(deposits(6)),
        Err(Refusal::InsufficientBalance { side: Side::One, balance: -1 })
    ));
}

#[test]
fn p60_a_sealed_list_is_bounded() {
    assert!(SealedLocks::new(vec![0; MAX_SEALED_LOCKS_BYTES]).is_some());
    assert!(SealedLocks::new(vec![0; MAX_SEALED_LOCKS_BYTES + 1]).is_none());
}

#[test]
fn p68_a_word_of_access_is_worth_nothing_for_another_action_account_tower_side_or_channel() {
    let access = TowerAccess {
        channel_id: state(1).channel_id,
        side: Side::One,
        action: TowerAction::Drop,
        tower: Address::repeat_byte(1),
        account: Address::repeat_byte(2),
    };
    let (domain, key) = (fixture::domain(), fixture::signer_key(Side::One));
    let signature = fixture::sign(Side::One, domain.tower_access(&access));
    assert!(access.verify(&domain, &key, signature).is_ok());
    let others = [
        TowerAccess { channel_id: ChannelId(B256::ZERO), ..access },
        TowerAccess { side: Side::Two, ..access },
        TowerAccess { action: TowerAction::Get, ..access },
        TowerAccess { action: TowerAction::Watch, ..access },
        TowerAccess { tower: Address::repeat_byte(3), ..access },
        TowerAccess { account: Address::repeat_byte(3), ..access },
    ];
    for other in others {
        assert!(other.verify(&domain, &key, signature).is_err(), "{other:?}");
    }
    assert!(access.verify(&domain, &fixture::signer_key(Side::Two), signature).is_err());
}

#[test]
fn p80_an_ordinary_state_with_locks_is_taken() {
    let locks_root = B256::repeat_byte(3);
    let locked = State { locked1: Amount::from(1u64), locks_root, ..state(3) };
    assert_eq!(check(appointment(locked)).unwrap().get().state, locked);
}

#[test]
fn p80_keys_that_were_learnt_elsewhere_do_not_stand_in_the_way_of_right_signatures() {
    let own = [fixture::signer_key(Side::One), fixture::signer_key(Side::Two)];
    let swapped = [own[1], own[0]];
    let checked = appointment(state(3)).check(fixture::BOUNDS, Some(swapped)).unwrap();
    assert_eq!(checked.keys(), own);
}

#[test]
fn p80_records_have_one_name_exactly_where_channel_state_and_signatures_are_the_same() {
    let id = state(3).channel_id;
    let digest = fixture::domain().state(&state(3));
    let signatures = fixture::sign_both(digest);
    let Signatures { one, two } = signatures;
    let name = record_hash(id, digest, &signatures);
    assert_eq!(record_hash(id, digest, &signatures), name);
    for other in [
        record_hash(ChannelId(B256::ZERO), digest, &signatures),
        record_hash(id, Digest(B256::ZERO), &signatures),
        record_hash(id, digest, &Signatures { one: two, two }),
        record_hash(id, digest, &Signatures { one, two: one }),
    ] {
        assert_ne!(other, name);
    }
}
