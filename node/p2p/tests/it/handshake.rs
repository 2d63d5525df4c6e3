//! The signed handshake as a pure machine: replays, swaps and downgrades (P68, P69).

use alloy_primitives::B256;
use libp2p::PeerId;
use lockstep_core::error::ErrorClass;
use lockstep_core::signature::StateSignature;
use lockstep_core::terms::Features;
use lockstep_p2p::handshake::{
    Authenticated, FeatureOffer, HandshakeError, Hello, Opening, PROTOCOL_VERSION, Proving,
};
use lockstep_p2p::port::NodeKey;
use proptest::prelude::*;

use crate::fixture::TestKey;

const PLAIN: FeatureOffer = FeatureOffer { required: Features::NONE, optional: Features::ALL };

/// One end of a connection.
struct End {
    key: TestKey,
    peer: PeerId,
    hello: Hello,
}

fn end(seed: u8, nonce: u8, features: FeatureOffer) -> End {
    let key = TestKey::new(seed);
    let hello = Hello::new(key.node_id(), features, B256::repeat_byte(nonce), None, None);
    End { key, peer: PeerId::random(), hello }
}

fn pair() -> (End, End) {
    (end(1, 0xa1, PLAIN), end(2, 0xb2, PLAIN))
}

impl End {
    fn meets(&self, other: &Self) -> Result<Proving, HandshakeError> {
        Opening::new(self.peer, other.peer, self.hello).receive_hello(&other.hello, None)
    }

    /// What this end would send to the other.
    fn proof_for(&self, other: &Self) -> StateSignature {
        self.key.sign_handshake(&self.meets(other).unwrap().to_sign()).unwrap()
    }

    fn verifies(
        &self,
        other: &Self,
        proof: StateSignature,
    ) -> Result<Authenticated, HandshakeError> {
        self.meets(other).unwrap().verify(proof)
    }
}

fn is_bad_proof(result: Result<Authenticated, HandshakeError>) -> bool {
    matches!(result, Err(HandshakeError::Proof(_)))
}

#[test]
fn p68_two_honest_ends_learn_each_others_node_key() {
    let (alice, bob) = pair();
    let shown = alice.verifies(&bob, bob.proof_for(&alice)).unwrap();
    assert_eq!(shown.node_id, bob.key.node_id());
    assert_eq!(shown.features, Features::ALL);
    assert_eq!(bob.verifies(&alice, alice.proof_for(&bob)).unwrap().node_id, alice.key.node_id());
}

#[test]
fn p68_a_proof_is_worth_nothing_on_another_connection() {
    let (alice, bob) = pair();
    let old = bob.proof_for(&alice);
    let (alice2, bob2) = (
        End { hello: Hello { nonce: B256::repeat_byte(0xa9), ..alice.hello }, ..end(1, 1, PLAIN) },
        End { hello: bob.hello, peer: bob.peer, ..end(2, 1, PLAIN) },
    );
    assert!(is_bad_proof(alice2.verifies(&bob2, old)));
}

#[test]
fn p68_a_proof_binds_both_peer_ids() {
    let (alice, bob) = pair();
    let proof = bob.proof_for(&alice);
    let mallory = PeerId::random();
    // Mallory's link shows Mallory's peer id, whatever hello and proof are passed on.
    let through_mallory = Opening::new(alice.peer, mallory, alice.hello);
    let proving = through_mallory.receive_hello(&bob.hello, None).unwrap();
    assert!(is_bad_proof(proving.verify(proof)));
    let to_mallory = Opening::new(mallory, bob.peer, alice.hello);
    let proving = to_mallory.receive_hello(&bob.hello, None).unwrap();
    assert!(is_bad_proof(proving.verify(proof)));
}

#[test]
fn p68_a_proof_in_the_other_direction_is_refused() {
    let (alice, bob) = pair();
    assert!(is_bad_proof(alice.verifies(&bob, alice.proof_for(&bob))));
}

#[test]
fn p68_hello_and_nonce_of_our_own_are_refused() {
    let (alice, bob) = pair();
    let own = Opening::new(alice.peer, bob.peer, alice.hello).receive_hello(&alice.hello, None);
    assert_eq!(own.unwrap_err(), HandshakeError::OwnKey);
    let reflected = Hello { nonce: alice.hello.nonce, ..bob.hello };
    let own = Opening::new(alice.peer, bob.peer, alice.hello).receive_hello(&reflected, None);
    assert_eq!(own.unwrap_err(), HandshakeError::ReflectedNonce);
}

#[test]
fn p68_another_node_key_than_the_known_one_is_refused_before_any_signature() {
    let (alice, bob) = pair();
    let expected = TestKey::new(7).node_id();
    let opening = Opening::new(alice.peer, bob.peer, alice.hello);
    let error = opening.receive_hello(&bob.hello, Some(expected)).unwrap_err();
    let found = bob.key.node_id();
    assert_eq!(error, HandshakeError::OtherNodeKey { expected, found });
    assert_eq!(error.class(), ErrorClass::PeerFault);
}

#[test]
fn p68_a_node_key_that_is_no_key_is_refused() {
    let (alice, mut bob) = pair();
    let proof = bob.proof_for(&alice);
    bob.hello.node_id.0 = [0xff; 33];
    assert!(is_bad_proof(alice.verifies(&bob, proof)));
}

#[test]
fn p69_another_version_is_refused_in_both_directions() {
    let (alice, bob) = pair();
    for theirs in [0, PROTOCOL_VERSION + 1, u32::MAX] {
        let hello = Hello { protocol_version: theirs, ..bob.hello };
        let met = Opening::new(alice.peer, bob.peer, alice.hello).receive_hello(&hello, None);
        assert_eq!(met.unwrap_err(), HandshakeError::Version { theirs });
    }
}

#[test]
fn p69_an_unknown_required_feature_is_refused_and_an_unknown_optional_one_is_not() {
    let (alice, bob) = pair();
    let met = |hello| Opening::new(alice.peer, bob.peer, alice.hello).receive_hello(&hello, None);
    let bits = 1 << 50;
    let required = Hello { features_required: bits, ..bob.hello };
    assert_eq!(met(required).unwrap_err(), HandshakeError::UnknownRequiredFeature { bits });
    let optional = Hello { features_optional: bits | 1, ..bob.hello };
    assert!(met(optional).is_ok());
}

#[test]
fn p69_a_feature_that_we_require_and_the_peer_lacks_is_refused() {
    let strict = FeatureOffer { required: Features::LOCKS, optional: Features::NONE };
    let plain = FeatureOffer { required: Features::NONE, optional: Features::PARTIAL_WITHDRAW };
    let (alice, bob) = (end(1, 1, strict), end(2, 2, plain));
    let bits = Features::LOCKS.bits();
    assert_eq!(alice.meets(&bob).unwrap_err(), HandshakeError::MissingFeature { bits });
    assert_eq!(bob.meets(&alice).unwrap_err(), HandshakeError::UnknownRequiredFeature { bits });
}

#[test]
fn p69_features_taken_away_on_the_way_spoil_the_proof() {
    let (alice, bob) = pair();
    let proof = bob.proof_for(&alice);
    // What alice sees of bob was stripped of everything optional.
    let stripped = End {
        hello: Hello { features_optional: 0, ..bob.hello },
        peer: bob.peer,
        ..end(2, 2, PLAIN)
    };
    assert!(is_bad_proof(alice.verifies(&stripped, proof)));
    // What bob saw of alice was.
    let seen = End {
        hello: Hello { features_optional: 0, ..alice.hello },
        peer: alice.peer,
        ..end(1, 1, PLAIN)
    };
    assert!(is_bad_proof(alice.verifies(&bob, bob.proof_for(&seen))));
}

#[test]
fn the_digest_is_fixed() {
    let peer = PeerId::from_bytes(&[&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20][..], &[7; 32]].concat());
    let peer = peer.unwrap();
    let (mut alice, mut bob) = pair();
    (alice.peer, bob.peer) = (peer, peer);
    let digest = alice.meets(&bob).unwrap().to_sign().digest();
    assert_eq!(digest.to_string(), DIGEST);
}

/// Made by an independent EIP-712 encoder in `tests/vectors/handshake.mjs`.
const DIGEST: &str = "0x39b15a95d0d86bc89a9afff22b2202fae261d8dfd49c3bb7298158fd760a5002";

proptest! {
    #[test]
    fn p68_no_other_signature_passes(bytes in proptest::collection::vec(any::<u8>(), 64)) {
        let (alice, bob) = pair();
        let proof = StateSignature(bytes.try_into().unwrap());
        prop_assert!(is_bad_proof(alice.verifies(&bob, proof)));
    }

    #[test]
    fn p68_one_changed_bit_of_the_proof_spoils_it(bit in 0usize..512) {
        let (alice, bob) = pair();
        let mut proof = bob.proof_for(&alice);
        proof.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(is_bad_proof(alice.verifies(&bob, proof)));
    }
}
