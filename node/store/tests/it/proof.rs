//! Evidence files: what is written comes back, and what does not hold is refused.

use std::fs;

use lockstep_core::{ids::Side, message::SignedState, state::StateKind};
use lockstep_store::{
    fixture::ChannelFixture,
    proof::{MAX_PROOF_BYTES, Proof, ProofError},
};

fn signed(channel: &ChannelFixture, version: u64, locks: u8) -> SignedState {
    let (state, locks_list) = channel.state(version, locks);
    let digest = channel.digest(version, locks);
    SignedState {
        state,
        locks: locks_list,
        signature1: channel.sign(Side::One, digest),
        signature2: channel.sign(Side::Two, digest),
    }
}

fn proof() -> Proof {
    let channel = ChannelFixture::new(1, Side::Two);
    let setup = channel.parts(1, 0).setup;
    Proof::new(setup.domain, setup.terms, signed(&channel, 77, 32)).unwrap()
}

#[test]
fn an_exported_proof_comes_back_and_carries_calls_for_anyone_to_send() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("channel.json");
    let proof = proof();
    proof.export(&path).unwrap();
    assert_eq!(Proof::import(&path).unwrap(), proof);
    assert!(fs::metadata(&path).unwrap().len() < MAX_PROOF_BYTES);
    let json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let calls = json["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2, "a challenge and a start; nothing that closes at once");
    for call in calls {
        let bytes = call["calldata"].as_str().unwrap();
        assert!(bytes.starts_with("0x") && bytes.len() > 500);
    }
}

#[test]
fn a_proof_that_was_changed_in_any_field_is_refused() {
    let json = proof().to_json().unwrap();
    let changes = [
        ("\"version\": \"77\"", "\"version\": \"78\""),
        ("\"net\": \"77\"", "\"net\": \"78\""),
        ("\"net\": \"77\"", "\"net\": \"-664613997892457936451903530140172288\""),
        ("\"kind\": 0", "\"kind\": 1"),
        ("\"kind\": 0", "\"kind\": 2"),
        ("\"from1\": true", "\"from1\": false"),
        ("\"amount\": \"10\"", "\"amount\": \"1e1\""),
        ("\"amount\": \"10\"", "\"amount\": \"-10\""),
        ("\"expiry\": 5000", "\"expiry\": 1099511627776"),
        ("\"chainId\": 31337", "\"chainId\": 1"),
        ("\"challengePeriod\": 172800", "\"challengePeriod\": 172801"),
        ("lockstep-proof/1", "lockstep-proof/2"),
    ];
    for (from, to) in changes {
        let changed = json.replacen(from, to, 1);
        assert_ne!(changed, json, "{from}");
        assert!(Proof::from_json(&changed).is_err(), "{to}");
    }
    assert!(matches!(Proof::from_json("{}"), Err(ProofError::NotEvidence(_))));
}

#[test]
fn evidence_of_another_channel_or_with_one_signature_twice_is_none() {
    let channel = ChannelFixture::new(1, Side::Two);
    let other = ChannelFixture::new(2, Side::Two);
    let setup = channel.parts(1, 0).setup;
    let foreign = Proof::new(setup.domain, setup.terms, signed(&other, 5, 0));
    assert!(matches!(foreign, Err(ProofError::Mismatch)));
    let mut twice = signed(&channel, 5, 0);
    twice.signature2 = twice.signature1;
    let twice = Proof::new(setup.domain, setup.terms, twice);
    assert!(matches!(twice, Err(ProofError::Signature { side: Side::Two, .. })));
    let mut promoted = signed(&channel, 5, 0);
    promoted.state.kind = StateKind::Final;
    assert!(Proof::new(setup.domain, setup.terms, promoted).is_err());
}

#[test]
fn a_file_that_is_too_large_is_not_even_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("huge.json");
    fs::File::create(&path).unwrap().set_len(MAX_PROOF_BYTES + 1).unwrap();
    assert!(matches!(Proof::import(&path), Err(ProofError::TooLarge { .. })));
}
