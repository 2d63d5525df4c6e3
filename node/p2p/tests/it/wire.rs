//! Frames, codec, conversion: what bytes can do.

use futures::io::Cursor;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::ChannelId;
use lockstep_core::message::PeerMessage;
use lockstep_p2p::codec::{self, CodecError};
use lockstep_p2p::convert::{Malformed, hello_from, message_from, message_to, proof_from};
use lockstep_p2p::frame::{self, FrameError, FrameLen};
use lockstep_p2p::limits::MAX_FRAME_BYTES;
use lockstep_proto::v1;
use lockstep_proto::v1::channel_message::Body;
use lockstep_proto::v1::peer_frame;
use proptest::prelude::*;
use prost::Message;
use std::time::Duration;
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::fixture::{channel, every_message, payment, proposal};

const SOON: Duration = Duration::from_secs(5);

fn frame_of(message: &PeerMessage) -> v1::PeerFrame {
    let body = Some(peer_frame::Body::Channel(message_to(channel(), message)));
    v1::PeerFrame { request_id: 0, body }
}

/// Bytes in, a message or the class of its refusal out.
fn receive(bytes: &[u8]) -> Result<(ChannelId, PeerMessage), ErrorClass> {
    let frame = codec::decode(bytes, &mut Vec::new()).map_err(|error| error.class())?;
    match frame.body {
        Some(peer_frame::Body::Channel(message)) => {
            message_from(message).map_err(|error| error.class())
        }
        Some(peer_frame::Body::Hello(hello)) => {
            hello_from(&hello).map_err(|error| error.class())?;
            Err(ErrorClass::Refused)
        }
        Some(peer_frame::Body::HelloProof(proof)) => {
            proof_from(&proof).map_err(|error| error.class())?;
            Err(ErrorClass::Refused)
        }
        Some(peer_frame::Body::Ping(_) | peer_frame::Body::Pong(_)) | None => {
            Err(ErrorClass::Refused)
        }
    }
}

#[test]
fn every_message_comes_back_as_it_was() {
    for message in every_message() {
        let bytes = frame_of(&message).encode_to_vec();
        assert_eq!(receive(&bytes), Ok((channel(), message)));
    }
}

#[test]
fn a_full_proposal_fits_a_frame() {
    let updates = (1..=1_000).map(|sequence| payment(sequence, 32)).collect();
    let frame = frame_of(&proposal(2, updates));
    let len = codec::len(&frame).unwrap();
    assert!(len <= MAX_FRAME_BYTES, "{len}");
}

#[test]
fn p60_lengths_of_zero_and_above_the_limit_are_refused_before_anything_is_read() {
    for len in [0, MAX_FRAME_BYTES + 1, u32::MAX] {
        assert_eq!(FrameLen::new(len), Err(FrameError::Length { len }));
        let mut stream = Cursor::new(len.to_be_bytes().to_vec());
        let read = tokio_read(frame::read_len(&mut stream, SOON, SOON));
        assert_eq!(read, Err(FrameError::Length { len }));
        assert_eq!(stream.position(), 4);
    }
    assert_eq!(FrameLen::new(MAX_FRAME_BYTES).unwrap().get(), MAX_FRAME_BYTES);
    assert_eq!(FrameLen::new(1).unwrap().get(), 1);
}

/// Timers need a runtime, streams in memory do not.
fn tokio_read<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn p60_a_message_that_does_not_fit_a_frame_is_not_sent() {
    let updates = (1..=1_000).map(|sequence| payment(sequence, 64)).collect();
    let frame = frame_of(&proposal(2, updates));
    let len = frame.encoded_len();
    let mut buffer = vec![1, 2, 3];
    assert_eq!(codec::encode(&frame, &mut buffer), Err(CodecError::TooLarge { len }));
    assert_eq!(buffer, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn p65_a_frame_that_is_dripped_is_given_up() {
    let (ours, theirs) = tokio::io::duplex(64);
    let mut reader = ours.compat();
    let mut writer = theirs.compat();
    frame::write_all(&mut writer, &100u32.to_be_bytes(), SOON).await.unwrap();
    let len = frame::read_len(&mut reader, SOON, SOON).await.unwrap();
    frame::write_all(&mut writer, &[1; 99], SOON).await.unwrap_err();
    // The pipe holds 64 bytes; what is missing never comes.
    let read = frame::read_body(&mut reader, len, &mut Vec::new(), SOON).await;
    assert_eq!(read, Err(FrameError::Slow));
}

#[tokio::test(start_paused = true)]
async fn p65_silence_and_a_half_prefix_are_given_up() {
    let (ours, theirs) = tokio::io::duplex(64);
    let (mut reader, mut writer) = (ours.compat(), theirs.compat());
    let silent = frame::read_len(&mut reader, SOON, SOON).await;
    assert_eq!(silent, Err(FrameError::Silent));
    frame::write_all(&mut writer, &[0, 0], SOON).await.unwrap();
    assert_eq!(frame::read_len(&mut reader, SOON, SOON).await, Err(FrameError::Slow));
}

#[tokio::test(start_paused = true)]
async fn p65_a_peer_that_does_not_read_is_given_up() {
    let (ours, theirs) = tokio::io::duplex(64);
    let written = frame::write_all(&mut ours.compat(), &[0; 65], SOON).await;
    assert_eq!(written, Err(FrameError::Stalled));
    drop(theirs);
}

#[test]
fn p69_unknown_fields_are_refused_at_every_depth() {
    for message in every_message() {
        let frame = frame_of(&message);
        let mut outside = frame.encode_to_vec();
        // Field 100, a varint.
        outside.extend([0xa0, 0x06, 0x01]);
        assert_eq!(receive(&outside), Err(ErrorClass::PeerFault));
        // The same inside the channel message: its length grows by three.
        let mut inside = message_to(channel(), &message).encode_to_vec();
        inside.extend([0xa0, 0x06, 0x01]);
        let mut wrapped = vec![0x32];
        prost::encode_length_delimiter(inside.len(), &mut wrapped).unwrap();
        wrapped.extend(inside);
        assert_eq!(receive(&wrapped), Err(ErrorClass::PeerFault), "{message:?}");
    }
}

#[test]
fn p69_the_same_content_in_another_form_is_refused() {
    let bytes = frame_of(&every_message()[4]).encode_to_vec();
    let twice = [bytes.clone(), bytes.clone()].concat();
    let explicit_default = [vec![0x08, 0x00], bytes.clone()].concat();
    let long_number = [vec![0x08, 0x81, 0x00], bytes.clone()].concat();
    for other in [twice, explicit_default, long_number] {
        assert_eq!(codec::decode(&other, &mut Vec::new()), Err(CodecError::NotCanonical));
    }
    // Two packed numbers take as many bytes as two that are not.
    let canonical = frame_of(&proposal(2, Vec::new())).encode_to_vec();
    let (packed, unpacked) = ([0x32, 3, 3, 0xac, 2], [0x30, 3, 0x30, 0xac, 2]);
    let at = canonical.windows(5).position(|bytes| bytes == packed).unwrap();
    let mut other = canonical.clone();
    other[at..at + 5].copy_from_slice(&unpacked);
    let read = |bytes: &[u8]| v1::PeerFrame::decode(bytes).unwrap();
    assert_eq!(read(&other), read(&canonical));
    assert_eq!(codec::decode(&other, &mut Vec::new()), Err(CodecError::NotCanonical));
}

fn body(message: &PeerMessage) -> v1::ChannelMessage {
    message_to(channel(), message)
}

fn refuse(message: v1::ChannelMessage, expected: Malformed) {
    assert_eq!(message_from(message), Err(expected));
    assert_eq!(expected.class(), ErrorClass::PeerFault);
}

#[test]
fn p60_lists_beyond_their_limits_are_refused() {
    let updates: Vec<_> = (1..=1_001).map(|sequence| payment(sequence, 0)).collect();
    let intent = body(&PeerMessage::Intent { updates: updates.clone() });
    refuse(intent, Malformed::TooMany { field: "intent.updates", len: 1_001 });
    let propose = body(&proposal(2, updates));
    refuse(propose, Malformed::TooMany { field: "propose.updates", len: 1_001 });
    let edited = |edit: fn(&mut v1::Propose)| {
        let mut message = body(&proposal(2, Vec::new()));
        if let Some(Body::Propose(propose)) = &mut message.body {
            edit(propose);
        }
        message
    };
    let locks = edited(|propose| propose.locks = vec![propose.locks[0].clone(); 33]);
    refuse(locks, Malformed::TooMany { field: "propose.locks", len: 33 });
    let refused = edited(|propose| propose.refused = vec![1; 1_001]);
    refuse(refused, Malformed::TooMany { field: "propose.refused", len: 1_001 });
}

#[test]
fn p69_an_unknown_feature_of_a_channel_is_refused() {
    let mut message = body(&every_message()[0]);
    let Some(Body::OpenRequest(open)) = &mut message.body else { panic!("not an open request") };
    open.features = 1 << 40;
    refuse(message, Malformed::OutOfRange { field: "open_request.features" });
}

#[test]
fn what_belongs_to_another_channel_is_refused() {
    for message in every_message() {
        let mut moved = body(&message);
        moved.channel_id = vec![0xee; 32];
        let names_itself = match &message {
            PeerMessage::OpenRequest(_)
            | PeerMessage::OpenAccept { .. }
            | PeerMessage::Propose { .. }
            | PeerMessage::WithdrawPropose { .. } => true,
            PeerMessage::Reestablish(body) => body.newest.is_some(),
            _ => false,
        };
        let refused = matches!(message_from(moved), Err(Malformed::OtherChannel { .. }));
        assert_eq!(refused, names_itself, "{message:?}");
    }
}

#[test]
fn a_kind_of_message_that_is_not_known_is_refused() {
    let message = v1::ChannelMessage { channel_id: vec![1; 32], body: None };
    refuse(message, Malformed::Absent { field: "channel.body" });
    let mut bytes = v1::ChannelMessage { channel_id: vec![1; 32], body: None }.encode_to_vec();
    // Field 99 with an empty message.
    bytes.extend([0x9a, 0x06, 0x00]);
    let mut frame = vec![0x32];
    prost::encode_length_delimiter(bytes.len(), &mut frame).unwrap();
    frame.extend(bytes);
    assert_eq!(receive(&frame), Err(ErrorClass::PeerFault));
}

#[test]
fn amounts_have_one_form_and_payments_are_not_empty() {
    let edited = |amount: Vec<u8>| {
        let mut message = body(&PeerMessage::Intent { updates: vec![payment(1, 0)] });
        if let Some(Body::Intent(intent)) = &mut message.body
            && let Some(v1::update::Action::Pay(payment)) = &mut intent.updates[0].action
        {
            payment.amount = amount;
        }
        message_from(message)
    };
    let out_of_range = Err(Malformed::OutOfRange { field: "payment.amount" });
    for bad in [vec![], vec![0], vec![0, 1], vec![1; 33]] {
        assert_eq!(edited(bad), out_of_range);
    }
    assert!(edited(vec![0xff; 32]).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn p67_no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        // Random bytes are hardly ever a message; if they are one, it is in its one form.
        if let Ok((channel_id, message)) = receive(&bytes) {
            let body = Some(peer_frame::Body::Channel(message_to(channel_id, &message)));
            let again = v1::PeerFrame { request_id: 0, body };
            prop_assert_eq!(again.encode_to_vec().len(), bytes.len());
        }
    }

    #[test]
    fn p67_no_damage_to_a_message_makes_the_decoder_panic_or_gives_two_readings(
        which in 0usize..16,
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = frame_of(&every_message()[which]).encode_to_vec();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok((channel_id, message)) = receive(&bytes) {
            let request_id = v1::PeerFrame::decode(&bytes[..]).unwrap().request_id;
            let body = Some(peer_frame::Body::Channel(message_to(channel_id, &message)));
            prop_assert_eq!(v1::PeerFrame { request_id, body }.encode_to_vec(), bytes);
        }
    }

    #[test]
    fn p67_no_stream_makes_the_frame_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut stream = Cursor::new(bytes);
        let read = tokio_read(async {
            let len = frame::read_len(&mut stream, SOON, SOON).await?;
            let mut buffer = Vec::new();
            frame::read_body(&mut stream, len, &mut buffer, SOON).await?;
            Ok::<_, FrameError>(buffer.len())
        });
        prop_assert!(read.is_err() || read == Ok(read.unwrap()));
    }
}

#[test]
fn p60_a_length_that_nothing_follows_costs_no_more_than_a_frame() {
    let mut stream = Cursor::new(MAX_FRAME_BYTES.to_be_bytes().to_vec());
    let mut buffer = Vec::new();
    let read = tokio_read(async {
        let len = frame::read_len(&mut stream, SOON, SOON).await?;
        frame::read_body(&mut stream, len, &mut buffer, SOON).await
    });
    assert_eq!(read, Err(FrameError::Io { kind: std::io::ErrorKind::UnexpectedEof }));
    assert!(buffer.capacity() <= usize::try_from(MAX_FRAME_BYTES).unwrap());
}
