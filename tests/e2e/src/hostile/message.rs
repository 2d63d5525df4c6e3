//! What a hostile peer says about channels: well formed and false, or formed as no node would.

use alloy_primitives::{Address, B256};
use lockstep_core::ids::{AccountRef, ChannelId, Domain, Sequence, Version};
use lockstep_core::lock::locks_root;
use lockstep_core::message::{
    OpenQuery, OpenRequest, PeerMessage, Proposal, ReestablishBody, RejectReason, SignedState,
};
use lockstep_core::money::{Amount, Net};
use lockstep_core::signature::StateSignature;
use lockstep_core::state::{PartialWithdraw, State, StateKind};
use lockstep_core::terms::{Features, Terms};
use lockstep_core::time::BlockTimestamp;
use lockstep_core::update::{Action, Memo, Payment, Update};
use lockstep_p2p::convert::message_to;
use lockstep_proto::v1;
use lockstep_proto::v1::channel_message::Body;
use lockstep_proto::v1::peer_frame;

use super::greeting::{bytes_of, prefixed};
use super::identity::Identity;

/// A message as it goes over the wire.
pub fn about(channel: ChannelId, message: &PeerMessage) -> Vec<u8> {
    bytes_of(peer_frame::Body::Channel(message_to(channel, message)))
}

/// A channel id, or a salt, that nobody has seen before.
pub fn fresh(number: u64) -> B256 {
    let mut bytes = [0x77; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    B256::new(bytes)
}

/// Asks who the victim would be in a channel with a salt of its own.
pub fn open_query(domain: Domain, number: u64) -> Vec<u8> {
    about(ChannelId(fresh(number)), &PeerMessage::OpenQuery(OpenQuery { domain }))
}

/// Offers a channel whose terms name the victim nowhere.
pub fn open_request(domain: Domain, identity: &Identity, number: u64) -> Vec<u8> {
    let account = |byte| AccountRef::Evm(Address::repeat_byte(byte));
    let terms = Terms {
        participant1: account(1),
        participant2: account(2),
        signer1: Address::repeat_byte(3),
        signer2: Address::repeat_byte(4),
        token: account(0),
        challenge_period: 86_400,
        salt: fresh(number),
    };
    let request = OpenRequest {
        domain,
        terms,
        deposit1: Amount::from(1_000_000_000u64),
        deposit2: Amount::ZERO,
        features: Features::NONE,
        signer_key: identity.node_id().0,
    };
    about(terms.channel_id(domain), &PeerMessage::OpenRequest(request))
}

/// A payment of one unit.
pub fn payment(sequence: u64) -> Update {
    let memo = Memo::new(vec![0x6d; 64]).expect("64 bytes are a memo");
    let paid = Payment { amount: Amount::from(1u64), memo, invoice: None };
    Update { sequence: Sequence(sequence), action: Action::Pay(paid) }
}

/// Asks for as many payments as fit one message, from a sequence on.
pub fn intent(channel: ChannelId, first: u64, count: u64) -> Vec<u8> {
    let updates = (first..first.saturating_add(count)).map(payment).collect();
    about(channel, &PeerMessage::Intent { updates })
}

/// A state that may be anybody's.
pub fn state(channel_id: ChannelId, version: u64) -> State {
    State {
        channel_id,
        version: Version(version),
        kind: StateKind::Ordinary,
        net: Net::new(1).expect("one is a net"),
        locked1: Amount::ZERO,
        locked2: Amount::ZERO,
        locks_root: locks_root(&[]),
    }
}

/// Proposes a version with a signature that is none.
pub fn proposal(channel: ChannelId, version: u64, updates: Vec<Update>) -> Vec<u8> {
    let proposal = Proposal {
        base_version: Version(version.saturating_sub(1)),
        state: state(channel, version),
        locks: Vec::new(),
        updates,
        intents_through: Sequence(0),
        refused: Vec::new(),
    };
    let signature = false_signature(version);
    about(channel, &PeerMessage::Propose { proposal, signature })
}

/// Says that a version is newest which nobody has signed.
pub fn reestablish(channel: ChannelId, version: u64) -> Vec<u8> {
    let newest = SignedState {
        state: state(channel, version),
        locks: Vec::new(),
        signature1: false_signature(version),
        signature2: false_signature(version.wrapping_add(1)),
    };
    let body = ReestablishBody {
        newest: Some(newest),
        highest_bound: Version(u64::MAX),
        sequence1: Sequence(u64::MAX),
        sequence2: Sequence(u64::MAX),
    };
    about(channel, &PeerMessage::Reestablish(body))
}

/// A signature of the right width, which has to be checked to be found false.
pub fn false_signature(number: u64) -> StateSignature {
    let mut bytes = [0x21; 64];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[0] = 0x11;
    // In the lower half, and without the bit of the parity.
    bytes[32] = 0x11;
    StateSignature(bytes)
}

/// One well-formed message of every kind about a channel that is none of the sender's business.
pub fn every_kind(channel: ChannelId, domain: Domain, number: u64) -> Vec<Vec<u8>> {
    let signature = false_signature(number);
    let reason = RejectReason::Policy;
    let withdraw = PartialWithdraw {
        channel_id: channel,
        version: Version(number),
        net: Net::new(1).expect("one is a net"),
        locked1: Amount::ZERO,
        locked2: Amount::ZERO,
        locks_root: B256::ZERO,
        out1: Amount::MAX,
        out2: Amount::MAX,
        deadline: BlockTimestamp(u64::MAX),
    };
    let said = [
        PeerMessage::OpenReject { reason },
        PeerMessage::Accept { version: Version(number), signature },
        PeerMessage::Reject {
            version: Version(number),
            reason,
            update: Some(Sequence(1)),
            base: Version(0),
        },
        PeerMessage::Refuse { sequence: Sequence(number), reason },
        PeerMessage::WithdrawRequest { out1: Amount::MAX, out2: Amount::MAX },
        PeerMessage::WithdrawPropose { withdraw, signature },
        PeerMessage::WithdrawAccept { version: Version(number), signature },
        PeerMessage::WithdrawReject { version: Version(number), reason },
        PeerMessage::CloseRequest { min_version: Version(u64::MAX) },
        PeerMessage::OpenQuery(OpenQuery { domain }),
    ];
    let mut all: Vec<_> = said.iter().map(|message| about(channel, message)).collect();
    all.push(reestablish(channel, number));
    all.push(proposal(channel, number, vec![payment(1)]));
    all.push(intent(channel, 1, 10));
    all
}

/// Frames of the schema whose fields mean nothing. Each must end a session.
pub fn every_absurdity() -> Vec<Vec<u8>> {
    let about = |channel_id: Vec<u8>, body: Option<Body>| {
        bytes_of(peer_frame::Body::Channel(v1::ChannelMessage { channel_id, body }))
    };
    let id = || vec![7; 32];
    let reject = |reason| Body::OpenReject(v1::OpenReject { reason });
    let accept = |signature| Body::Accept(v1::Accept { version: u64::MAX, signature });
    let pay = |amount, memo, invoice| {
        let action = Some(v1::update::Action::Pay(v1::Payment { amount, memo, invoice }));
        Body::Intent(v1::Intent { updates: vec![v1::Update { sequence: 1, action }] })
    };
    let out = |out1| Body::WithdrawRequest(v1::WithdrawRequest { out1, out2: Vec::new() });
    let empty = v1::Update { sequence: 0, action: None };
    vec![
        about(Vec::new(), Some(reject(1))),
        about(vec![7; 31], Some(reject(1))),
        about(vec![7; 4_096], Some(reject(1))),
        about(id(), None),
        about(id(), Some(reject(0))),
        about(id(), Some(reject(i32::MIN))),
        about(id(), Some(accept(Vec::new()))),
        about(id(), Some(accept(vec![1; 65]))),
        about(id(), Some(pay(vec![1; 33], Vec::new(), Vec::new()))),
        about(id(), Some(pay(vec![0, 1], Vec::new(), Vec::new()))),
        about(id(), Some(pay(vec![1], vec![2; 65], Vec::new()))),
        about(id(), Some(pay(vec![1], vec![2; 60_000], Vec::new()))),
        about(id(), Some(pay(vec![1], Vec::new(), vec![3; 31]))),
        about(id(), Some(out(vec![0xff; 40]))),
        about(id(), Some(Body::Intent(v1::Intent { updates: vec![empty; 20_000] }))),
        about(id(), Some(Body::Propose(v1::Propose::default()))),
        about(
            id(),
            Some(Body::Propose(v1::Propose {
                refused: (0..30_000).collect(),
                ..v1::Propose::default()
            })),
        ),
        about(id(), Some(Body::OpenRequest(v1::OpenRequest::default()))),
        about(id(), Some(Body::OpenAccept(v1::OpenAccept::default()))),
        about(id(), Some(Body::OpenQuery(v1::OpenQuery::default()))),
        about(id(), Some(Body::OpenOffer(v1::OpenOffer::default()))),
        bytes_of(peer_frame::Body::Hello(v1::Hello::default())),
        bytes_of(peer_frame::Body::HelloProof(v1::HelloProof::default())),
        // No body; a field that nobody knows; the same field twice; a number longer than it needs be.
        prefixed(&[0x08, 0x01]),
        prefixed(&[0x22, 0x02, 0x08, 0x01, 0xa0, 0x06, 0x01]),
        prefixed(&[0x22, 0x02, 0x08, 0x01, 0x22, 0x02, 0x08, 0x01]),
        prefixed(&[0x22, 0x03, 0x08, 0x81, 0x00]),
        // Groups in groups, as deep as a frame goes.
        prefixed(&[0x0b; 60_000]),
        // A length inside that is longer than all of it.
        prefixed(&[0x32, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    ]
}
