#![allow(clippy::arithmetic_side_effects)]

use super::*;
use crate::codec::{self, Frame};
use crate::handshake::JournalHead;
use alloy_primitives::{Address, B256};
use lockstep_core::ids::AccountRef;
use lockstep_core::money::{Amount, Net};
use lockstep_core::signature::StateSignature;
use lockstep_core::state::{State, StateKind};
use lockstep_core::terms::Terms;
use lockstep_proto::limit::MAX_APPOINTMENT_BLOB_BYTES;
use proptest::prelude::*;
use v1::TowerFrame;

fn word(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn channel() -> ChannelId {
    ChannelId(word(1))
}

fn access() -> Access {
    Access { channel_id: channel(), side: Side::Two, signature: StateSignature([2; 64]) }
}

fn appointment() -> Appointment {
    Appointment {
        domain: Domain::Evm { chain_id: 10, contract: Address::repeat_byte(3) },
        terms: Terms {
            participant1: AccountRef::Evm(Address::repeat_byte(1)),
            participant2: AccountRef::Evm(Address::repeat_byte(2)),
            signer1: Address::repeat_byte(3),
            signer2: Address::repeat_byte(4),
            token: AccountRef::Evm(Address::ZERO),
            challenge_period: 86_400,
            salt: word(9),
        },
        state: State {
            channel_id: channel(),
            version: Version(u64::MAX),
            kind: StateKind::Ordinary,
            net: Net::new(-5).unwrap(),
            locked1: Amount::from(7_u64),
            locked2: Amount::ZERO,
            locks_root: word(8),
        },
        signatures: Signatures { one: StateSignature([5; 64]), two: StateSignature([6; 64]) },
        sealed_locks: SealedLocks::new(vec![7; 4_096]).unwrap(),
    }
}

fn receipt() -> SignedReceipt {
    let receipt = Receipt {
        tower: Address::repeat_byte(1),
        channel_id: channel(),
        version: Version(3),
        state_hash: Digest(word(4)),
        valid_from: BlockTimestamp(5),
        valid_until: BlockTimestamp(6),
        min_window: 7,
        insured: Amount::MAX,
        beneficiary: Address::repeat_byte(8),
        withdraw_version: Version(9),
    };
    SignedReceipt { receipt, signature: StateSignature([1; 64]) }
}

fn root() -> SignedRoot {
    let root = PossessionRoot {
        tower: Address::repeat_byte(1),
        epoch: 2,
        chain_id: 3,
        block_number: BlockNumber(4),
        block_hash: word(5),
        root: SumNode { hash: word(6), insured: Amount::from(7_u64) },
        channels: 8,
    };
    SignedRoot { root, signature: StateSignature([9; 64]) }
}

fn health() -> ChainHealth {
    ChainHealth {
        chain_id: 1,
        head_number: 2,
        head_hash: word(3),
        finalized_number: 4,
        lanes: 5,
        lanes_busy: 6,
        gas_reserve: Amount::from(7_u64),
        is_following: true,
    }
}

fn replies() -> Vec<Reply> {
    let held = |receipt| Held { appointment: appointment(), receipt };
    let head = JournalHead { journal_id: [1; 16], epoch: 2, incarnation: [3; 16] };
    let step = PathStep { sibling: root().root.root, is_left: true };
    vec![
        Reply::Subscribed(Subscription {
            slots: 1,
            used: 2,
            paid_until_secs: u64::MAX,
            seen_head: Some(head),
            terms: TowerTerms { domains: vec![appointment().domain], ..TowerTerms::default() },
        }),
        Reply::Promised(receipt()),
        Reply::Held(Box::new(held(Some(receipt())))),
        Reply::Held(Box::new(held(None))),
        Reply::Dropped { channel_id: channel() },
        Reply::Listed { channel_ids: vec![channel(); 256] },
        Reply::Proof(Box::new(PossessionProof {
            signed: root(),
            insured: Amount::ZERO,
            path: vec![step; 40],
        })),
        Reply::Refused(TowerRefusal::later(RefusalCode::ChainUnavailable, 5)),
    ]
}

/// Through bytes and back.
fn carried(body: Body) -> Body {
    let mut bytes = Vec::new();
    codec::encode(&TowerFrame { request_id: 7, body: Some(body) }, &mut bytes).unwrap();
    let frame: TowerFrame = codec::decode_as(&bytes[4..], &mut Vec::new()).unwrap();
    assert_eq!(frame.request_id, 7);
    frame.body.unwrap()
}

#[test]
fn every_request_reply_and_push_survives_the_wire() {
    let requests = [
        Request::Subscribe { slots: 5 },
        Request::Put { appointment: Box::new(appointment()), access: access() },
        Request::Get(access()),
        Request::Drop(access()),
        Request::List { after: None },
        Request::List { after: Some(channel()) },
        Request::Prove { channel_id: channel() },
    ];
    for request in requests {
        assert_eq!(request_from(carried(request_to(&request))), Ok(Some(request)));
    }
    for reply in replies() {
        for is_put in [false, true] {
            assert_eq!(reply_from(carried(reply_to(&reply, is_put))), Ok(Some(reply.clone())));
        }
    }
    let acted = Acted {
        channel_id: channel(),
        seen_version: Version(1),
        posted_version: Version(2),
        tx_hash: Some(word(3)),
        stage: ActedStage::Alarm,
    };
    let beat = Heartbeat { sequence: 1, chains: vec![health(); 32], root: Some(root()) };
    let pushes = [
        Push::Acted(acted),
        Push::Acted(Acted { tx_hash: None, ..acted }),
        Push::Heartbeat(Box::new(beat)),
    ];
    for push in pushes {
        assert_eq!(push_from(&carried(push_to(&push))), Ok(Some(push)));
    }
}

#[test]
fn p60_lists_locks_and_paths_above_their_limits_are_refused() {
    let put = |bytes: usize| {
        let mut proto = appointment().to_proto();
        proto.sealed_locks = vec![0; bytes];
        Body::Put(v1::Put { appointment: Some(proto), access: Some(access().to_proto()) })
    };
    let most = usize::try_from(MAX_APPOINTMENT_BLOB_BYTES).unwrap();
    assert!(request_from(put(most)).is_ok());
    assert!(request_from(put(most + 1)).is_err());
    let listed = |count| Body::Listed(v1::Listed { channel_ids: vec![vec![1; 32]; count] });
    assert!(reply_from(listed(256)).is_ok());
    assert!(matches!(reply_from(listed(257)), Err(Malformed::TooMany { len: 257, .. })));
    let step = PathStep { sibling: root().root.root, is_left: false }.to_proto();
    let proof = |count| {
        Body::Proof(v1::Proof {
            root: Some(root().to_proto()),
            insured: vec![],
            path: vec![step.clone(); count],
        })
    };
    assert!(reply_from(proof(40)).is_ok());
    assert!(reply_from(proof(41)).is_err());
}

#[test]
fn p60_a_frame_of_this_protocol_is_smaller_than_one_between_peers() {
    assert_eq!(TowerFrame::MAX_BYTES, 16 * 1024);
    let body = Some(Body::List(v1::List { after: vec![0; 16 * 1024] }));
    let frame = TowerFrame { request_id: 0, body };
    assert!(codec::encode(&frame, &mut Vec::new()).is_err());
}

#[test]
fn p69_a_reply_is_no_request_and_a_request_no_reply() {
    let request = request_to(&Request::Get(access()));
    assert_eq!(reply_from(request.clone()), Ok(None));
    assert_eq!(push_from(&request), Ok(None));
    for reply in replies() {
        assert_eq!(request_from(reply_to(&reply, true)), Ok(None));
    }
}

proptest! {
    #[test]
    fn p67_any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        if let Ok(frame) = codec::decode_as::<TowerFrame>(&bytes, &mut Vec::new())
            && let Some(body) = frame.body
        {
            // Whatever it is, it means something or is refused.
            prop_assert!(push_from(&body).is_ok() || push_from(&body).is_err());
            prop_assert!(request_from(body.clone()).is_ok() || request_from(body.clone()).is_err());
            prop_assert!(reply_from(body.clone()).is_ok() || reply_from(body).is_err());
        }
    }

    #[test]
    fn p67_a_bent_frame_is_a_message_or_an_error(at in 0_usize..700, bit in 0_u32..8) {
        let request = Request::Put { appointment: Box::new(appointment()), access: access() };
        let frame = TowerFrame { request_id: 0, body: Some(request_to(&request)) };
        let mut bytes = prost::Message::encode_to_vec(&frame);
        let at = at % bytes.len();
        bytes[at] ^= 1_u8.wrapping_shl(bit);
        if let Ok(frame) = codec::decode_as::<TowerFrame>(&bytes, &mut Vec::new())
            && let Some(body) = frame.body
        {
            let again = request_from(body);
            prop_assert_ne!(again, Ok(Some(request)));
        }
    }
}
