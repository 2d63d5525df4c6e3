//! Everything that turns bytes of others into values. What is taken must come back as the same bytes.

use std::any::type_name;
use std::fmt::Debug;

use alloy_primitives::{Address, B256};
use lockstep_core::chain::{
    CloseSighting, Cursor, EventPosition, Evidence, Obligation, StoredPoint, WithdrawEvidence,
};
use lockstep_core::ids::{ChainRef, Digest, Domain};
use lockstep_core::lock::Lock;
use lockstep_core::money::Amount;
use lockstep_core::record::{
    ChainFacts, ChannelSetup, ClosingStage, CoSigned, Consent, Dispute, Equivocation, InFlight,
    Invoice, KnownSecret, PendingUpdate, Sequences, Settlement, Withdrawal,
};
use lockstep_core::signature::{SignerKey, StateSignature};
use lockstep_core::state::{Open, PartialWithdraw, State};
use lockstep_core::terms::{Policy, Terms};
use lockstep_core::time::BlockPoint;
use lockstep_core::transfer::{DepositStage, TransferKey, TransferRecord, WithdrawStage};
use lockstep_core::update::Update;
use lockstep_p2p::{codec, convert, invite::Invite};
use lockstep_proto::v1;
use lockstep_signer::keystore::{seed_file, web3};
use lockstep_signer::phrase::Phrase;
use lockstep_signer::secret::Password;
use lockstep_store::convert::Stored;
use lockstep_store::proof::Proof;
use lockstep_store::proof::equivocation::EquivocationProof;
use prost::Message;

use crate::invite;

/// A frame of `/lockstep/channel/1`, all the way to the core's message and back.
///
/// # Panics
/// If something is taken that does not come back as the same.
pub fn frame(bytes: &[u8]) {
    let Ok(frame) = codec::decode(bytes, &mut vec![]) else { return };
    match frame.body {
        Some(v1::peer_frame::Body::Channel(message)) => channel_message(message),
        Some(v1::peer_frame::Body::Hello(hello)) => {
            if let Ok(taken) = convert::hello_from(&hello) {
                assert_eq!(convert::hello_to(&taken), hello);
            }
        }
        Some(v1::peer_frame::Body::HelloProof(proof)) => {
            let _ = convert::proof_from(&proof);
        }
        Some(v1::peer_frame::Body::Ping(_) | v1::peer_frame::Body::Pong(_)) | None => {}
    }
}

fn channel_message(proto: v1::ChannelMessage) {
    let Ok((channel_id, message)) = convert::message_from(proto) else { return };
    let again = convert::message_to(channel_id, &message);
    let taken = convert::message_from(again);
    assert_eq!(taken, Ok((channel_id, message)));
}

/// What the journal keeps, in each of its stored forms: the first byte says which.
///
/// # Panics
/// If something is taken that does not come back as the same.
pub fn stored(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let forms = forms();
    let (_, read) = forms[usize::from(*kind) % forms.len()];
    read(bytes);
}

/// The corpus form of a value that the journal keeps.
///
/// # Panics
/// If the type is not among those that [`stored`] reads, or does not come back as the same.
#[must_use]
pub fn stored_form<T: Stored + PartialEq + Debug>(value: &T) -> Vec<u8> {
    let place = forms().iter().position(|(name, _)| *name == type_name::<T>());
    let kind = place.and_then(|place| u8::try_from(place).ok()).expect("a stored form");
    assert_eq!(T::decode(&value.encode()).as_ref(), Ok(value));
    [vec![kind], value.encode()].concat()
}

type Form = (&'static str, fn(&[u8]));

fn forms() -> [Form; 35] {
    fn form<T: Stored + PartialEq + Debug>() -> Form {
        (type_name::<T>(), same::<T>)
    }
    [
        form::<State>(),
        form::<Lock>(),
        form::<Update>(),
        form::<Cursor>(),
        form::<Obligation>(),
        form::<TransferRecord>(),
        form::<Evidence>(),
        form::<Policy>(),
        form::<WithdrawEvidence>(),
        form::<Domain>(),
        form::<Terms>(),
        form::<PartialWithdraw>(),
        form::<Open>(),
        form::<ChannelSetup>(),
        form::<Sequences>(),
        form::<Withdrawal>(),
        form::<CoSigned>(),
        form::<Equivocation>(),
        form::<InFlight>(),
        form::<PendingUpdate>(),
        form::<Invoice>(),
        form::<KnownSecret>(),
        form::<ClosingStage>(),
        form::<Dispute>(),
        form::<Consent>(),
        form::<BlockPoint>(),
        form::<EventPosition>(),
        form::<StoredPoint>(),
        form::<CloseSighting>(),
        form::<Settlement>(),
        form::<ChainFacts>(),
        form::<ChainRef>(),
        form::<TransferKey>(),
        form::<DepositStage>(),
        form::<WithdrawStage>(),
    ]
}

fn same<T: Stored + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(value) = T::decode(bytes) else { return };
    let again = T::decode(&value.encode());
    assert_eq!(again.as_ref(), Ok(&value));
}

/// Evidence files, invites and recovery phrases: text that a user pastes in.
///
/// # Panics
/// If something is taken that does not come back as the same.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    invite_text(text);
    if let Ok(proof) = Proof::from_json(text) {
        let json = proof.to_json().expect("evidence that holds has a file");
        let again = Proof::from_json(&json).expect("and its file holds");
        assert_eq!((again.terms(), again.signed()), (proof.terms(), proof.signed()));
    }
    if let Ok(proof) = EquivocationProof::from_json(text) {
        let json = proof.to_json().expect("a proof that holds has a file");
        assert_eq!(EquivocationProof::from_json(&json).expect("and its file holds"), proof);
    }
    if let Ok(phrase) = Phrase::parse(text) {
        let again = Phrase::from_entropy(&phrase.entropy()).expect("its entropy has a phrase");
        assert_eq!(*again.expose_words(), *phrase.expose_words());
    }
}

/// The bytes inside an invite: what a damaged copy never gets to, and a forger always does.
///
/// # Panics
/// If an invite is taken whose text is not the one form it has.
pub fn invite(bytes: &[u8]) {
    invite_text(&invite::wrap(bytes));
}

fn invite_text(text: &str) {
    let Ok(invite) = Invite::from_text(text) else { return };
    assert_eq!(invite.to_text(), text.trim().to_ascii_lowercase());
    let _ = invite.to_qr();
}

/// Key files of both kinds. Stretching is as costly as the file says, within bounds.
///
/// # Panics
/// If one panics.
pub fn key_file(bytes: &[u8]) {
    let password = Password::new("fuzz".to_owned());
    let _ = seed_file::unseal(bytes, &password);
    let _ = web3::unseal(bytes, &password);
}

/// The core's own readers of raw bytes: amounts, keys, signatures.
///
/// # Panics
/// If a signature verifies under a key that recovery does not find.
pub fn raw(bytes: &[u8]) {
    if let Some(amount) = Amount::from_be_slice(bytes) {
        assert_eq!(Amount::from_be_slice(&amount.to_be_bytes()), Some(amount));
    }
    let take = |from: usize, len: usize| bytes.get(from..from.saturating_add(len));
    let (Some(signature), Some(digest)) = (take(0, 64), take(64, 32)) else { return };
    let signature = StateSignature(signature.try_into().unwrap_or([0; 64]));
    let digest = Digest(B256::from_slice(digest));
    let recovered = signature.recover_address(digest).ok().flatten();
    let Some(key) = take(96, 33).and_then(|key| key.try_into().ok()) else { return };
    let expected = recovered.unwrap_or(Address::ZERO);
    if let Ok(key) = SignerKey::new(&key, expected) {
        assert_eq!(key.verify(digest, signature).is_ok(), recovered == Some(key.address()));
    }
}

/// The stored form of a message's frame, for corpora.
#[must_use]
pub fn frame_of(
    channel_id: lockstep_core::ids::ChannelId,
    message: &lockstep_core::message::PeerMessage,
) -> Vec<u8> {
    let body = v1::peer_frame::Body::Channel(convert::message_to(channel_id, message));
    v1::PeerFrame { request_id: 0, body: Some(body) }.encode_to_vec()
}
