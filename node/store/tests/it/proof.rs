//! Evidence files: what is written comes back, and what does not hold is refused.

use std::fs;

use lockstep_core::{
    digest::SigningDomain,
    ids::Side,
    message::SignedState,
    money::Net,
    record::Equivocation,
    state::{State, StateKind},
};
use lockstep_store::{
    fixture::ChannelFixture,
    proof::{MAX_PROOF_BYTES, Proof, ProofError, equivocation::EquivocationProof},
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

fn equivocation(channel: &ChannelFixture, by: Side) -> Equivocation {
    let (first, _) = channel.state(9, 0);
    let second = State { net: Net::new(10).unwrap(), ..first };
    let domain = SigningDomain::new(channel.parts(1, 0).setup.domain);
    Equivocation {
        first,
        first_signature: channel.sign(by, domain.state(&first)),
        second,
        second_signature: channel.sign(by, domain.state(&second)),
    }
}

#[test]
fn p46_a_proof_of_two_states_of_one_version_is_checked_by_anybody_from_its_file_alone() {
    let channel = ChannelFixture::new(1, Side::Two);
    let setup = channel.parts(1, 0).setup;
    let dir = tempfile::tempdir().unwrap();
    for by in [Side::One, Side::Two] {
        let states = equivocation(&channel, by);
        let proof = EquivocationProof::new(setup.domain, setup.terms, by, states).unwrap();
        let path = dir.path().join("proofs").join("channel.equivocation.json");
        proof.export(&path).unwrap();
        let again = EquivocationProof::import(&path).unwrap();
        assert_eq!(again, proof);
        assert_eq!((again.by(), again.channel_id()), (by, channel.id()));
        let [one, two] = again.digests();
        assert_ne!(one, two);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(&one.0.to_string()) && text.contains(&two.0.to_string()));
        // A file with the newest state is another file.
        assert!(Proof::from_json(&text).is_err());
    }
    let json = proof().to_json().unwrap();
    assert!(EquivocationProof::from_json(&json).is_err());
}

#[test]
fn p46_what_does_not_prove_an_equivocation_is_refused() {
    let channel = ChannelFixture::new(1, Side::Two);
    let other = ChannelFixture::new(2, Side::Two);
    let setup = channel.parts(1, 0).setup;
    let (domain, terms) = (setup.domain, setup.terms);
    let check = |by, states| EquivocationProof::new(domain, terms, by, states).map(drop);
    let good = equivocation(&channel, Side::Two);
    check(Side::Two, good).unwrap();
    // The other participant did not sign them, nor did one each.
    let wrong = check(Side::One, good);
    assert!(matches!(wrong, Err(ProofError::Signature { side: Side::One, .. })), "{wrong:?}");
    let mixed = Equivocation {
        second_signature: equivocation(&channel, Side::One).second_signature,
        ..good
    };
    assert!(matches!(check(Side::Two, mixed), Err(ProofError::Signature { .. })));
    // One state twice.
    let same = Equivocation { second: good.first, second_signature: good.first_signature, ..good };
    assert!(matches!(check(Side::Two, same), Err(ProofError::NoEquivocation)));
    // Two versions.
    let (later, _) = channel.state(10, 0);
    let digest = channel.digest(10, 0);
    let versions =
        Equivocation { second: later, second_signature: channel.sign(Side::Two, digest), ..good };
    assert!(matches!(check(Side::Two, versions), Err(ProofError::NoEquivocation)));
    // Two channels.
    let foreign = equivocation(&other, Side::Two);
    assert!(matches!(check(Side::Two, foreign), Err(ProofError::Mismatch)));
    let halves = Equivocation { first: foreign.first, ..good };
    assert!(matches!(check(Side::Two, halves), Err(ProofError::Mismatch)));
}

#[test]
fn p46_a_proof_of_an_equivocation_that_was_changed_in_any_field_is_refused() {
    let channel = ChannelFixture::new(1, Side::Two);
    let setup = channel.parts(1, 0).setup;
    let states = equivocation(&channel, Side::Two);
    let proof = EquivocationProof::new(setup.domain, setup.terms, Side::Two, states).unwrap();
    let json = proof.to_json().unwrap();
    for (from, to) in [
        ("\"signedBy\": 2", "\"signedBy\": 1"),
        ("\"signedBy\": 2", "\"signedBy\": 3"),
        ("\"version\": \"9\"", "\"version\": \"8\""),
        ("\"net\": \"9\"", "\"net\": \"10\""),
        ("\"net\": \"10\"", "\"net\": \"9\""),
        ("\"kind\": 0", "\"kind\": 1"),
        ("\"chainId\": 31337", "\"chainId\": 1"),
        ("\"challengePeriod\": 172800", "\"challengePeriod\": 172801"),
        ("lockstep-equivocation/1", "lockstep-equivocation/2"),
        ("\"signature\": \"0x", "\"signature\": \"0x00"),
    ] {
        let changed = json.replacen(from, to, 1);
        assert_ne!(changed, json, "{from}");
        assert!(EquivocationProof::from_json(&changed).is_err(), "{to}");
    }
    // A digest in the file is for readers: the proof does not rest on it.
    let [one, two] = proof.digests();
    let lying = json.replacen(&one.0.to_string(), &two.0.to_string(), 1);
    assert_ne!(lying, json);
    assert_eq!(EquivocationProof::from_json(&lying).unwrap(), proof);
}
