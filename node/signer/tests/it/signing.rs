//! P31, P32, P53, P55 at the signer.

use alloy_primitives::{Address, B256};
use lockstep_core::commit::Signer;
use lockstep_core::digest::SigningDomain;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{Domain, Side, Version};
use lockstep_core::money::{Amount, Net};
use lockstep_core::request::{SigningContent, SigningRequest};
use lockstep_core::state::{CloseIntent, Open, PartialWithdraw};
use lockstep_core::time::BlockTimestamp;
use lockstep_signer::SignerError;
use lockstep_signer::mark::book::{MarkBook, MarkRefusal};
use lockstep_signer::mark::file::{MarkFile, MarkFileError, SyncPolicy};
use proptest::prelude::*;

use super::scene::{TestLog, context, domain, durable, durable_state, keys, request, state};

#[test]
fn p55_a_signature_is_the_channel_keys_and_the_same_after_a_restart() {
    let log = TestLog::default();
    let first = log.signer().sign_state(durable_state(1, 1, 5)).unwrap();
    let again = log.signer().sign_state(durable_state(1, 1, 5)).unwrap();
    assert_eq!(first, again);
    let digest = SigningDomain::new(domain()).state(&state(1, 1, 5));
    keys().channel_key(&context(1)).unwrap().verify(digest, first).unwrap();
    assert_eq!(log.appends(), 1, "the second time nothing new is bound");
}

#[test]
fn p31_a_second_content_for_a_version_is_refused_also_after_a_restart() {
    let log = TestLog::default();
    log.signer().sign_state(durable_state(1, 7, 5)).unwrap();
    for signer in [log.signer(), log.signer()] {
        let refused = signer.sign_state(durable_state(1, 7, 6)).unwrap_err();
        assert!(matches!(refused, SignerError::Refused(MarkRefusal::OtherDigest { .. })));
        assert_eq!(refused.class(), ErrorClass::Fatal);
        assert!(refused.is_limited_to_channel());
    }
    assert_eq!(log.marks().len(), 1);
}

fn withdrawal(version: u64) -> PartialWithdraw {
    PartialWithdraw {
        channel_id: state(1, version, 0).channel_id,
        version: Version(version),
        net: Net::new(0).unwrap(),
        locked1: Amount::ZERO,
        locked2: Amount::ZERO,
        locks_root: B256::ZERO,
        out1: Amount::ZERO,
        out2: Amount::ZERO,
        deadline: BlockTimestamp(9),
    }
}

#[test]
fn p46_p59_a_withdrawal_is_signed_again_after_more_states_than_are_remembered() {
    let log = TestLog::default();
    let signer = log.signer();
    let ask = || durable(request(1, SigningContent::PartialWithdraw(withdrawal(1))));
    let first = signer.sign_state(ask()).unwrap();
    for version in 2..=200 {
        signer.sign_state(durable_state(1, version, 0)).unwrap();
    }
    assert_eq!(signer.sign_state(ask()).unwrap(), first);
    assert_eq!(log.signer().sign_state(ask()).unwrap(), first, "and after a restart");
    // A state that is forgotten is refused for its channel alone.
    let refused = signer.sign_state(durable_state(1, 2, 0)).unwrap_err();
    assert!(matches!(refused, SignerError::Refused(MarkRefusal::BelowMark { .. })));
    assert!(refused.is_limited_to_channel());
    signer.sign_state(durable_state(2, 1, 0)).unwrap();
    signer.sign_state(durable_state(1, 201, 0)).unwrap();
}

#[test]
fn p31_a_withdrawal_and_a_state_cannot_share_a_version() {
    let signer = TestLog::default().signer();
    signer.sign_state(durable_state(1, 3, 0)).unwrap();
    let refused =
        signer.sign_state(durable(request(1, SigningContent::PartialWithdraw(withdrawal(3)))));
    assert!(matches!(refused, Err(SignerError::Refused(MarkRefusal::OtherDigest { .. }))));
}

#[test]
fn p31_two_threads_that_ask_for_two_contents_get_one_signature() {
    for round in 0..20 {
        let signer = TestLog::default().signer();
        let requests: Vec<_> = (0..4).map(|net| durable_state(1, 1 + round, net)).collect();
        let signed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = requests
                .into_iter()
                .map(|request| scope.spawn(|| signer.sign_state(request).is_ok()))
                .collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!(signed, 1);
    }
}

#[test]
fn p53_a_version_below_the_mark_and_version_zero_are_refused() {
    let signer = TestLog::default().signer();
    signer.sign_state(durable_state(1, 9, 0)).unwrap();
    let below = signer.sign_state(durable_state(1, 8, 0));
    assert!(matches!(below, Err(SignerError::Refused(MarkRefusal::BelowMark { .. }))));
    let zero = signer.sign_state(durable_state(2, 0, 0));
    assert!(matches!(zero, Err(SignerError::Refused(MarkRefusal::VersionZero { .. }))));
}

#[test]
fn p53_a_digest_that_is_not_of_the_content_under_the_keys_domain_is_refused() {
    let elsewhere = Domain::Evm { chain_id: 1, contract: Address::repeat_byte(0xC0) };
    let signer_address = keys().channel_key(&context(1)).unwrap().address();
    let content = SigningContent::State(state(1, 1, 0));
    let domain = SigningDomain::new(elsewhere);
    let crossed = SigningRequest::new(&domain, context(1), signer_address, Side::One, content);
    let log = TestLog::default();
    let refused = log.signer().sign_state(durable(crossed)).unwrap_err();
    assert!(matches!(refused, SignerError::DigestMismatch { .. }));
    assert!(log.marks().is_empty());
}

#[test]
fn p53_a_channel_of_another_seed_is_refused_and_leaves_no_mark() {
    let content = SigningContent::State(state(1, 1, 0));
    let domain = SigningDomain::new(domain());
    let foreign =
        SigningRequest::new(&domain, context(1), Address::repeat_byte(9), Side::One, content);
    let log = TestLog::default();
    let refused = log.signer().sign_state(durable(foreign)).unwrap_err();
    assert!(matches!(refused, SignerError::ForeignKey { .. }));
    assert_eq!(refused.class(), ErrorClass::Refused);
    assert!(log.marks().is_empty());
}

#[test]
fn p53_opens_and_close_intents_take_no_version() {
    let channel_id = state(1, 1, 0).channel_id;
    let open = Open { channel_id, min_deposit1: Amount::ZERO, deadline: BlockTimestamp(5) };
    let intent = CloseIntent {
        channel_id,
        side: Side::One,
        min_version: Version(1),
        deadline: BlockTimestamp(5),
    };
    let log = TestLog::default();
    let signer = log.signer();
    for content in [SigningContent::Open(open), SigningContent::CloseIntent(intent)] {
        let signature = signer.sign_state(durable(request(1, content))).unwrap();
        let digest = content.digest(&SigningDomain::new(domain()));
        keys().channel_key(&context(1)).unwrap().verify(digest, signature).unwrap();
    }
    assert!(log.marks().is_empty());
}

#[test]
fn p32_no_signature_leaves_before_its_mark_is_kept() {
    let log = TestLog::default();
    let signer = log.signer();
    log.set_failing(true);
    let failed = signer.sign_batch(&[durable_state(1, 1, 0), durable_state(2, 1, 0)]);
    assert!(matches!(failed[0], Err(SignerError::Log(_))));
    assert!(matches!(failed[1], Err(SignerError::Poisoned)));
    // The disk is well again; the signer does not trust it before a restart has read it (P49).
    log.set_failing(false);
    for request in [durable_state(1, 1, 0), durable_state(3, 1, 0)] {
        assert!(matches!(signer.sign_state(request), Err(SignerError::Poisoned)));
    }
    assert!(log.marks().is_empty());
    log.signer().sign_state(durable_state(1, 1, 0)).unwrap();
}

#[test]
fn p49_a_stopped_signer_signs_what_it_had_signed_again_so_that_a_close_is_answered() {
    let log = TestLog::default();
    let signer = log.signer();
    let first = signer.sign_state(durable_state(1, 5, 0)).unwrap();
    log.set_failing(true);
    // In the very group that fails, and after it.
    let group = signer.sign_batch(&[
        durable_state(1, 6, 0),
        durable_state(1, 5, 0),
        durable_state(1, 6, 0),
        durable_state(1, 5, 1),
    ]);
    assert!(matches!(group[0], Err(SignerError::Log(_))));
    assert_eq!(*group[1].as_ref().unwrap(), first);
    assert!(matches!(group[2], Err(SignerError::Poisoned)));
    assert!(matches!(group[3], Err(SignerError::Refused(_))));
    log.set_failing(false);
    assert_eq!(signer.sign_state(durable_state(1, 5, 0)).unwrap(), first);
    // Nothing new: neither what failed to be kept, nor the next version, nor another content, nor what takes no mark.
    for (version, net) in [(6, 0), (7, 0), (5, 1), (6, 1)] {
        let refused = signer.sign_state(durable_state(1, version, net)).unwrap_err();
        assert!(matches!(refused, SignerError::Poisoned), "version {version}: {refused}");
    }
    let channel_id = state(1, 1, 0).channel_id;
    let open = Open { channel_id, min_deposit1: Amount::ZERO, deadline: BlockTimestamp(5) };
    let refused = signer.sign_state(durable(request(1, SigningContent::Open(open))));
    assert!(matches!(refused, Err(SignerError::Poisoned)));
    // P46: leaving takes no version and promises nothing, so it stays possible.
    let (side, min_version, deadline) = (Side::One, Version(5), BlockTimestamp(5));
    let leave =
        SigningContent::CloseIntent(CloseIntent { channel_id, side, min_version, deadline });
    signer.sign_state(durable(request(1, leave))).unwrap();
    assert_eq!(log.marks().len(), 1);
}

#[test]
fn p32_a_group_is_kept_with_one_append_and_a_refused_channel_stops_no_other() {
    let log = TestLog::default();
    let signer = log.signer();
    signer.sign_state(durable_state(1, 5, 0)).unwrap();
    let requests: Vec<_> =
        [(1, 5, 1), (2, 1, 0), (1, 6, 0), (2, 1, 1)].map(|(c, v, n)| durable_state(c, v, n)).into();
    let outcomes: Vec<_> = signer.sign_batch(&requests).into_iter().map(|o| o.is_ok()).collect();
    assert_eq!(outcomes, [false, true, true, false]);
    assert_eq!(log.appends(), 2);
    assert_eq!(log.marks().len(), 3);
}

#[test]
fn p31_marks_in_a_file_hold_across_processes_and_a_restored_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marks");
    let open = || {
        let (file, book) = MarkFile::open(&path, SyncPolicy::EveryAppend).unwrap();
        lockstep_signer::ChannelSigner::new(keys(), book, file)
    };
    drop(MarkFile::create(&path, SyncPolicy::EveryAppend).unwrap());
    open().sign_state(durable_state(1, 4, 10)).unwrap();
    // A database from before version 4 is put back: core asks for version 4 with other content.
    assert!(open().sign_state(durable_state(1, 4, 11)).is_err());
    open().sign_state(durable_state(1, 4, 10)).unwrap();
}

#[test]
fn p31_a_closed_signer_signs_nothing_and_leaves_its_marks_to_the_next_life() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marks");
    let file = MarkFile::create(&path, SyncPolicy::EveryAppend).unwrap();
    let old = lockstep_signer::ChannelSigner::new(keys(), MarkBook::default(), file);
    old.sign_state(durable_state(1, 4, 10)).unwrap();
    old.close();
    // Somebody still holds the old one; not even what it had signed comes out of it again.
    for request in [durable_state(1, 4, 10), durable_state(1, 5, 10), durable_state(2, 1, 0)] {
        assert!(matches!(old.sign_state(request), Err(SignerError::Closed)));
    }
    let (file, book) = MarkFile::open(&path, SyncPolicy::EveryAppend).unwrap();
    let next = lockstep_signer::ChannelSigner::new(keys(), book, file);
    assert!(next.sign_state(durable_state(1, 4, 11)).is_err());
    next.sign_state(durable_state(1, 5, 10)).unwrap();
    old.close();
    drop(old);
    assert!(MarkFile::open(&path, SyncPolicy::EveryAppend).is_err(), "the next one's lock holds");
}

/// Tells the child of the test below where the marks are; the parent runs without it.
const MARKS_OF_PARENT: &str = "LOCKSTEP_MARKS_OF_PARENT";

#[test]
fn p31_a_second_process_cannot_sign_while_the_first_does() {
    if let Some(path) = std::env::var_os(MARKS_OF_PARENT) {
        let refused = MarkFile::open(path.as_ref(), SyncPolicy::EveryAppend).unwrap_err();
        assert!(matches!(refused, MarkFileError::InUse { .. }), "{refused}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marks");
    let held = MarkFile::create(&path, SyncPolicy::EveryAppend).unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "signing::p31_a_second_process_cannot_sign_while_the_first_does"])
        .env(MARKS_OF_PARENT, &path)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && told.contains("1 passed"), "{told}");
    drop(held);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Sign { channel: u8, version: u64, net: i128 },
    Restart,
    FailNext,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..3_u8, 0..90_u64, 0..3_i128)
            .prop_map(|(channel, version, net)| Step::Sign { channel, version, net }),
        1 => Just(Step::Restart),
        1 => Just(Step::FailNext),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against a model that knows every signature ever given out.
    #[test]
    fn p53_no_sequence_of_requests_restarts_and_faults_gets_two_digests_signed(steps in steps()) {
        let log = TestLog::default();
        let mut signer = log.signer();
        let mut released = std::collections::BTreeMap::new();
        for step in steps {
            match step {
                Step::Restart => {
                    log.set_failing(false);
                    signer = log.signer();
                }
                Step::FailNext => log.set_failing(true),
                Step::Sign { channel, version, net } => {
                    let request = durable_state(channel, version, net);
                    if let Ok(signature) = signer.sign_state(request) {
                        let first = *released.entry((channel, version)).or_insert((net, signature));
                        prop_assert_eq!(first, (net, signature));
                        prop_assert!(version > 0);
                        let digest = SigningDomain::new(domain()).state(&state(channel, version, net));
                        prop_assert!(log.marks().iter().any(|mark| mark.digest == digest));
                    }
                }
            }
        }
    }
}
