use super::*;
use k256::ecdsa::SigningKey;
use lockstep_core::digest::SigningDomain;
use lockstep_core::terms::PeriodBounds;

fn key(byte: u8) -> SigningKey {
    SigningKey::from_slice(&[byte; 32]).unwrap()
}

fn signer(byte: u8) -> Address {
    SignerKey::from_verifying_key(*key(byte).verifying_key()).address()
}

fn sign(byte: u8, digest: Digest) -> StateSignature {
    let (signature, recovery) = key(byte).sign_prehash_recoverable(digest.0.as_slice()).unwrap();
    StateSignature::from_parts(&signature, recovery).unwrap()
}

fn record() -> Record {
    let domain = Domain::Evm { chain_id: 31_337, contract: Address::repeat_byte(0xcc) };
    let terms = Terms {
        participant1: AccountRef::Evm(Address::repeat_byte(1)),
        participant2: AccountRef::Evm(Address::repeat_byte(2)),
        signer1: signer(3),
        signer2: signer(4),
        token: AccountRef::Evm(Address::ZERO),
        challenge_period: 86_400,
        salt: B256::repeat_byte(9),
    };
    let state = State {
        channel_id: terms.channel_id(domain),
        version: Version(u64::MAX),
        kind: StateKind::Ordinary,
        net: Net::new(-(1 << 118)).unwrap(),
        locked1: Amount::from((1_u128 << 112) - 1),
        locked2: Amount::ZERO,
        locks_root: B256::repeat_byte(7),
    };
    let digest = SigningDomain::new(domain).state(&state);
    let signatures = Signatures { one: sign(3, digest), two: sign(4, digest) };
    let sealed_locks = SealedLocks::EMPTY;
    let appointment = Appointment { domain, terms, state, signatures, sealed_locks };
    let bounds = PeriodBounds { minimum: 1, maximum: u32::MAX };
    let checked = appointment.check(bounds, None).unwrap();
    Record { buried_at: 5, is_chain_news: true, ..Record::new(checked, Version(6)) }
}

#[test]
fn p80_a_record_survives_the_disk_and_stays_below_600_bytes_with_its_seal() {
    let record = record();
    let bytes = record.encode();
    assert_eq!(Record::decode(&bytes), Ok(record));
    // The seal adds a nonce and a tag.
    assert!(bytes.len() + 24 + 16 <= 600, "{}", bytes.len());
}

#[test]
fn p67_rows_of_any_other_length_or_form_are_refused() {
    let bytes = record().encode();
    for len in 0..bytes.len() {
        assert_eq!(Record::decode(&bytes[..len]), Err(Unreadable), "{len}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(Record::decode(&longer), Err(Unreadable));
    let mut newer = bytes;
    newer[0] = 2;
    assert_eq!(Record::decode(&newer), Err(Unreadable));
}

#[test]
fn references_accounts_and_closes_survive_the_disk() {
    let reference = Reference {
        side: Side::Two,
        version: Version(3),
        state_hash: Digest(B256::repeat_byte(1)),
        valid_from: BlockTimestamp(2),
        valid_until: BlockTimestamp(3),
        min_window: 4,
        insured: Amount::from(5_u64),
        withdraw_version: Version(6),
    };
    assert_eq!(Reference::decode(&reference.encode()), Ok(reference));
    let head = SeenHead { journal_id: [1; 16], epoch: 2, incarnation: [3; 16] };
    for head in [None, Some(head)] {
        let account = Account { slots: 1, used: 2, head };
        assert_eq!(Account::decode(&account.encode()), Ok(account));
    }
    let close = SeenClose {
        version: Version(1),
        closes_at: BlockTimestamp(2),
        transaction: B256::repeat_byte(3),
    };
    for first_seen_on_l1 in [None, Some(BlockTimestamp(6))] {
        let (latest, first_seen) = (BlockTimestamp(4), BlockTimestamp(5));
        let kept = KeptClose { close, latest, first_seen, first_seen_on_l1 };
        let bytes = kept.encode();
        assert_eq!(KeptClose::decode(&bytes), Ok(kept));
        for len in 0..bytes.len() {
            assert_eq!(KeptClose::decode(&bytes[..len]), Err(Unreadable), "{len}");
        }
        assert_eq!(KeptClose::decode(&[bytes, vec![0]].concat()), Err(Unreadable));
    }
}

#[test]
fn p74_a_close_that_an_earlier_version_kept_is_read_as_one_that_is_old() {
    let mut old = Writer::new();
    old.number(1);
    old.number(2);
    old.bytes(&[3; 32]);
    let (version, closes_at) = (Version(1), BlockTimestamp(2));
    let close = SeenClose { version, closes_at, transaction: B256::repeat_byte(3) };
    let (latest, first_seen) = (closes_at, closes_at);
    let kept = KeptClose { close, latest, first_seen, first_seen_on_l1: None };
    assert_eq!(KeptClose::decode(&old.0), Ok(kept));
}
