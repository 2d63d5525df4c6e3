//! Peers that break every rule that there is. The victim ends them, keeps nothing of them, and goes on
//! with its honest counterparty.

use std::time::Duration;

use libp2p::Stream;
use lockstep_core::ids::ChannelId;
use lockstep_p2p::codec::CodecError;
use lockstep_p2p::convert::{self, Malformed, message_to};
use lockstep_p2p::frame::FrameError;
use lockstep_p2p::handshake::Hello;
use lockstep_p2p::limits::MAX_FRAME_BYTES;
use lockstep_p2p::port::{Entropy, NodeKey, OsEntropy};
use lockstep_p2p::{Contact, Event, NetworkConfig, SessionEnd};
use lockstep_proto::v1;
use lockstep_proto::v1::peer_frame::Body;

use crate::fixture::{SeededEntropy, TestKey, channel, every_message};
use crate::mallory::{
    Mallory, OLDER, bytes_of, connect, hold, open_streams, read, until_closed, until_ended, write,
};
use crate::node::{Node, TCP, identity, soon};

const BRIEF: Duration = Duration::from_millis(200);

/// A victim that forgives at once and lets in as fast as it can, so that one test can be hostile twice.
async fn victim(edit: impl FnOnce(&mut NetworkConfig)) -> Node {
    Node::start(1, |config| {
        config.listen.push(TCP.parse().unwrap());
        config.limits.times.penalty = Duration::ZERO;
        config.limits.connections.inbound_per_ip_per_sec = 1_000;
        edit(config);
    })
    .await
}

/// A session of Mallory's with a victim.
async fn intruder(victim: &mut Node) -> (Mallory, Stream) {
    let mut mallory = Mallory::new(66, victim).await;
    let (stream, _) = mallory.greet(victim, 1).await;
    assert_eq!(victim.connected().await.node_id(), mallory.key.node_id());
    (mallory, stream)
}

/// What ends a session in which these bytes are sent.
async fn end_after(bytes: &[u8]) -> SessionEnd {
    let mut victim = victim(|_| {}).await;
    let (_mallory, mut stream) = intruder(&mut victim).await;
    write(&mut stream, bytes).await;
    until_ended(&mut stream).await;
    let end = victim.disconnected().await.1;
    victim.settles(|counts| counts.sessions == 0 && counts.connections.open == 0).await;
    end
}

#[tokio::test]
async fn p60_an_oversized_length_ends_the_session() {
    for len in [0, MAX_FRAME_BYTES + 1, u32::MAX] {
        let end = end_after(&len.to_be_bytes()).await;
        assert_eq!(end, SessionEnd::Frame(FrameError::Length { len }));
    }
}

#[tokio::test]
async fn p60_an_oversized_length_instead_of_a_hello_is_no_session() {
    let victim = victim(|_| {}).await;
    let mut mallory = Mallory::new(66, &victim).await;
    let mut stream = mallory.open(&victim).await;
    write(&mut stream, &u32::MAX.to_be_bytes()).await;
    until_ended(&mut stream).await;
    victim.settles(|counts| counts.greeting == 0 && counts.connections.open == 0).await;
}

#[tokio::test]
async fn what_has_no_place_in_a_session_ends_it() {
    let hello = Hello { nonce: alloy_primitives::B256::ZERO, ..hello_of(66) };
    let again = bytes_of(Body::Hello(convert::hello_to(&hello)));
    assert_eq!(end_after(&again).await, SessionEnd::OutOfPlace);
    let proof = bytes_of(Body::HelloProof(v1::HelloProof { signature: vec![1; 64] }));
    assert_eq!(end_after(&proof).await, SessionEnd::OutOfPlace);
}

fn hello_of(seed: u8) -> Hello {
    Hello {
        protocol_version: 1,
        features_required: 0,
        features_optional: 0,
        node_id: TestKey::new(seed).node_id(),
        nonce: alloy_primitives::B256::ZERO,
        head: None,
        seen_head: None,
    }
}

#[tokio::test]
async fn p67_bytes_that_are_no_message_end_the_session() {
    let garbage = [&8u32.to_be_bytes()[..], &[0xff; 8]].concat();
    assert_eq!(end_after(&garbage).await, SessionEnd::Codec(CodecError::NotAMessage));
}

#[tokio::test]
async fn p69_a_message_in_another_form_ends_the_session() {
    let mut frame = bytes_of(Body::Ping(v1::Ping { nonce: 1 }));
    frame.extend([0xa0, 0x06, 0x01]);
    let len = u32::try_from(frame.len() - 4).unwrap();
    frame[..4].copy_from_slice(&len.to_be_bytes());
    assert_eq!(end_after(&frame).await, SessionEnd::Codec(CodecError::NotCanonical));
}

#[tokio::test]
async fn a_message_about_another_channel_than_it_says_ends_the_session() {
    let other = ChannelId(alloy_primitives::B256::repeat_byte(0xee));
    let message = bytes_of(Body::Channel(message_to(other, &every_message()[3])));
    let malformed = Malformed::OtherChannel { field: "propose.state" };
    assert_eq!(end_after(&message).await, SessionEnd::Malformed(malformed));
}

#[tokio::test]
async fn p65_a_handshake_that_never_ends_is_given_up() {
    let victim = victim(|config| config.limits.times.handshake = BRIEF).await;
    let mut mallory = Mallory::new(66, &victim).await;
    // Says nothing.
    let mut stream = mallory.open(&victim).await;
    write(&mut stream, &[0]).await;
    assert_eq!(until_ended(&mut stream).await.len(), 1);
    // Says hello and no more.
    let mut mallory = Mallory::new(66, &victim).await;
    let mut stream = mallory.open(&victim).await;
    write(&mut stream, &bytes_of(Body::Hello(convert::hello_to(&mallory.hello(1))))).await;
    assert_eq!(until_ended(&mut stream).await.len(), 1);
    victim.settles(|counts| counts.greeting == 0).await;
}

#[tokio::test]
async fn p65_a_frame_that_never_ends_is_given_up() {
    let mut victim = victim(|config| config.limits.times.frame = BRIEF).await;
    let (_mallory, mut stream) = intruder(&mut victim).await;
    write(&mut stream, &[&1_000u32.to_be_bytes()[..], &[0x32; 999]].concat()).await;
    until_ended(&mut stream).await;
    assert_eq!(victim.disconnected().await.1, SessionEnd::Frame(FrameError::Slow));
}

#[tokio::test]
async fn p65_a_peer_that_falls_silent_is_given_up() {
    let mut victim = victim(|config| config.limits.times.silence = BRIEF).await;
    let (_mallory, mut stream) = intruder(&mut victim).await;
    until_ended(&mut stream).await;
    assert_eq!(victim.disconnected().await.1, SessionEnd::Frame(FrameError::Silent));
}

#[tokio::test]
async fn p65_a_peer_that_does_not_read_is_given_up() {
    let mut victim = victim(|config| config.limits.times.write = BRIEF).await;
    let mut mallory = Mallory::new(66, &victim).await;
    let (_unread, _) = mallory.greet(&victim, 1).await;
    let session = victim.connected().await;
    let sending = async { while session.send(channel(), &every_message()[3]).await.is_ok() {} };
    soon(sending).await;
    assert_eq!(victim.disconnected().await.1, SessionEnd::Frame(FrameError::Stalled));
}

#[tokio::test]
async fn p65_an_idle_peer_is_asked_for_a_sign_of_life_and_kept() {
    let mut victim = victim(|config| config.limits.times.ping = BRIEF).await;
    let (_mallory, mut stream) = intruder(&mut victim).await;
    assert_eq!(read(&mut stream).await, Some(Body::Ping(v1::Ping { nonce: 1 })));
    write(&mut stream, &bytes_of(Body::Ping(v1::Ping { nonce: 77 }))).await;
    loop {
        match read(&mut stream).await.unwrap() {
            Body::Pong(pong) => break assert_eq!(pong.nonce, 77),
            Body::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn p68_a_handshake_that_is_played_again_is_no_session() {
    let mut victim = victim(|_| {}).await;
    let mut mallory = Mallory::new(66, &victim).await;
    let (mut stream, sent) = mallory.greet(&victim, 1).await;
    victim.connected().await;
    write(&mut stream, &[0; 4]).await;
    victim.disconnected().await;
    victim.settles(|counts| counts.connections.open == 0).await;
    // The same identity and the same bytes, but the victim's nonce is another.
    let mut mallory = Mallory::new(66, &victim).await;
    let mut stream = mallory.open(&victim).await;
    write(&mut stream, &sent).await;
    let answers = until_ended(&mut stream).await;
    assert!(matches!(answers[..], [Body::Hello(_)]), "{answers:?}");
    victim.settles(|counts| counts.sessions == 0 && counts.greeting == 0).await;
}

#[tokio::test]
async fn p68_a_node_key_without_its_proof_is_no_session() {
    let victim = victim(|_| {}).await;
    let mut mallory = Mallory::new(66, &victim).await;
    // Somebody else's node key, and a proof by Mallory's own.
    mallory.key = TestKey::new(9);
    let mut stream = mallory.open(&victim).await;
    let claimed = bytes_of(Body::Hello(convert::hello_to(&mallory.hello(1))));
    let forged = TestKey::new(66).sign(lockstep_core::ids::Digest(alloy_primitives::B256::ZERO));
    write(&mut stream, &[claimed, bytes_of(Body::HelloProof(convert::proof_to(forged)))].concat())
        .await;
    assert!(matches!(until_ended(&mut stream).await[..], [Body::Hello(_)]));
    victim.settles(|counts| counts.sessions == 0 && counts.greeting == 0).await;
}

#[tokio::test]
async fn p68_nobody_takes_a_contacts_place_with_another_node_key_or_peer_id() {
    let victim = victim(|_| {}).await;
    let contact = |node: u8, peer: u8| Contact {
        node_id: TestKey::new(node).node_id(),
        peer_id: identity(peer).peer_id(),
        addresses: Vec::new(),
        seen_head: None,
    };
    // Mallory's peer id is known with another key, and Mallory's key with another peer id.
    victim.network.register(contact(7, 66)).await.unwrap();
    victim.network.register(contact(67, 8)).await.unwrap();
    let mut mallory = Mallory::new(66, &victim).await;
    let mut stream = mallory.open(&victim).await;
    write(&mut stream, &bytes_of(Body::Hello(convert::hello_to(&mallory.hello(1))))).await;
    assert!(matches!(until_ended(&mut stream).await[..], [Body::Hello(_)]));
    let mut mallory = Mallory::new(67, &victim).await;
    let (mut stream, _) = mallory.greet(&victim, 2).await;
    assert!(until_ended(&mut stream).await.is_empty());
    victim.settles(|counts| counts.sessions == 0 && counts.greeting == 0).await;
}

#[tokio::test]
async fn p69_an_older_version_is_no_session() {
    let victim = victim(|_| {}).await;
    let mut mallory = Mallory::new(66, &victim).await;
    let mut stream = mallory.open(&victim).await;
    let older = Hello { protocol_version: OLDER, ..mallory.hello(1) };
    write(&mut stream, &bytes_of(Body::Hello(convert::hello_to(&older)))).await;
    assert!(matches!(until_ended(&mut stream).await[..], [Body::Hello(_)]));
    victim.settles(|counts| counts.sessions == 0 && counts.greeting == 0).await;
}

#[tokio::test]
async fn p61_a_second_stream_on_a_connection_is_reset_and_the_first_goes_on() {
    let mut victim = victim(|_| {}).await;
    let (mut mallory, mut first) = intruder(&mut victim).await;
    for _ in 0..20 {
        let mut second = mallory.open(&victim).await;
        assert!(until_ended(&mut second).await.is_empty());
    }
    let message = every_message()[4].clone();
    write(&mut first, &bytes_of(Body::Channel(message_to(channel(), &message)))).await;
    assert_eq!(victim.message().await, (channel(), message));
}

#[tokio::test]
async fn p61_more_streams_than_allowed_end_the_connection() {
    let victim = victim(|_| {}).await;
    let mut muxer = connect(300, victim.address()).await.unwrap();
    open_streams(&mut muxer, 200).await;
    until_closed(&mut muxer).await;
    victim.settles(|counts| counts.connections.open == 0).await;
}

#[tokio::test]
async fn p61_one_address_gets_only_so_many_connections_and_one_peer_fewer() {
    let victim = victim(|config| {
        config.limits.connections.strangers_per_ip = 5;
        config.limits.connections.per_peer = 3;
        config.limits.times.idle = Duration::from_secs(600);
        config.limits.times.stranger = Duration::from_secs(600);
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..10 {
        held.extend(connect(400, victim.address()).await.map(hold));
    }
    victim.settles(|counts| counts.connections.open == 3).await;
    for seed in 401..411 {
        held.extend(connect(seed, victim.address()).await.map(hold));
    }
    victim.settles(|counts| counts.connections.open == 5).await;
    assert_eq!(victim.network.counts().await.unwrap().connections.strangers, 5);
    // A contact comes in all the same, from the same address.
    let mut friend = Node::listening(2, TCP).await;
    victim.network.register(friend.caller()).await.unwrap();
    soon(friend.network.connect(victim.contact())).await.unwrap();
    friend.connected().await;
}

#[tokio::test]
async fn p61_a_stranger_without_a_session_does_not_stay() {
    let victim = victim(|config| {
        config.limits.times.idle = Duration::from_secs(600);
        config.limits.times.stranger = BRIEF;
    })
    .await;
    let mut muxer = connect(500, victim.address()).await.unwrap();
    until_closed(&mut muxer).await;
    victim.settles(|counts| counts.connections.open == 0).await;
}

#[tokio::test]
async fn p62_after_a_fault_strangers_from_there_are_refused_and_contacts_are_not() {
    let mut victim = victim(|config| {
        config.limits.times.penalty = Duration::from_secs(600);
    })
    .await;
    let (_mallory, mut stream) = intruder(&mut victim).await;
    write(&mut stream, &[0; 4]).await;
    victim.disconnected().await;
    victim.settles(|counts| counts.connections.penalties == 1).await;
    let mut stranger = connect(600, victim.address()).await.unwrap();
    until_closed(&mut stranger).await;
    let friend = Node::listening(2, TCP).await;
    victim.network.register(friend.caller()).await.unwrap();
    soon(friend.network.connect(victim.contact())).await.unwrap();
}

#[tokio::test]
async fn p62_strangers_handshakes_are_budgeted_and_a_contacts_is_not() {
    // One signature a second for all strangers together.
    let mut victim = victim(|config| {
        config.limits.stranger_handshakes = 1;
        config.limits.connections.strangers_per_ip = 20;
    })
    .await;
    let began = tokio::time::Instant::now();
    let friend = Node::listening(2, TCP).await;
    victim.network.register(friend.caller()).await.unwrap();
    let mut let_in = 0;
    let mut strangers = Vec::new();
    for seed in 70..80 {
        let mut mallory = Mallory::new(seed, &victim).await;
        let_in += u64::from(mallory.try_greet(&victim, 1).await.is_some());
        strangers.push(mallory);
    }
    let secs = began.elapsed().as_secs();
    assert!((1..=1 + secs + 1).contains(&let_in), "{let_in} in {secs} s");
    soon(friend.network.connect(victim.contact())).await.unwrap();
    // Strangers come and go meanwhile.
    let is_friend = |event: &Event| match event {
        Event::Connected(session) => session.node_id() == friend.node_id,
        Event::Message(_) | Event::Disconnected { .. } => false,
    };
    while !is_friend(&victim.next().await) {}
}

#[tokio::test]
async fn p62_a_flood_gets_what_the_bucket_gives_and_an_honest_peer_is_not_held_up() {
    let mut victim = victim(|_| {}).await;
    let mut friend = Node::listening(2, TCP).await;
    victim.network.register(friend.caller()).await.unwrap();
    soon(friend.network.connect(victim.contact())).await.unwrap();
    friend.connected().await;
    victim.connected().await;
    let began = tokio::time::Instant::now();
    let (_mallory, mut stream) = intruder(&mut victim).await;
    let flood = bytes_of(Body::Channel(message_to(channel(), &every_message()[13])));
    let flooding = tokio::spawn(async move {
        let batch = flood.repeat(1_000);
        for _ in 0..100 {
            write(&mut stream, &batch).await;
        }
    });
    let (mut honest, mut hostile) = (0_u64, 0_u64);
    let session = friend.network.session(&victim.node_id).unwrap();
    let sending = tokio::spawn(async move {
        for _ in 0..2_000 {
            session.send(channel(), &every_message()[4]).await.unwrap();
        }
    });
    while honest < 2_000 {
        match victim.next().await {
            Event::Message(received) if received.node_id == friend.node_id => honest += 1,
            Event::Message(_) => hostile += 1,
            other => panic!("{other:?}"),
        }
    }
    // Ten a second and four seconds' worth at once; one more may have been let in on debt.
    let secs = began.elapsed().as_secs() + 1;
    assert!(hostile <= 10 * 4 + 10 * secs + 1, "{hostile} in {secs} s");
    soon(sending).await.unwrap();
    flooding.abort();
}

#[tokio::test]
async fn p67_random_streams_of_bytes_never_stop_the_node() {
    let seed = seed();
    println!("seed {seed}, to be given as LOCKSTEP_SEED");
    let random = SeededEntropy::new(seed);
    let mut victim = victim(|config| config.limits.times.handshake = BRIEF).await;
    for round in 0..30 {
        let mut mallory = Mallory::new(66, &victim).await;
        let mut stream = mallory.open(&victim).await;
        write(&mut stream, &random_bytes(&random)).await;
        until_ended(&mut stream).await;
        drop(mallory);
        victim.settles(|counts| counts.connections.open == 0 && counts.greeting == 0).await;
        // A session that is real until the bytes come.
        let mut mallory = Mallory::new(66, &victim).await;
        let (mut stream, _) = mallory.greet(&victim, round).await;
        victim.connected().await;
        write(&mut stream, &random_bytes(&random)).await;
        drop(mallory);
        victim.disconnected().await;
        victim.settles(|counts| counts.connections.open == 0 && counts.sessions == 0).await;
    }
}

fn seed() -> u64 {
    let given = std::env::var("LOCKSTEP_SEED").ok();
    given.map_or_else(|| OsEntropy.next_u64().unwrap(), |seed| seed.parse().unwrap())
}

/// Bytes of which some begin like a frame.
fn random_bytes(random: &SeededEntropy) -> Vec<u8> {
    let len = usize::try_from(random.next_u64().unwrap() % 2_000).unwrap() + 1;
    let mut bytes = vec![0; len];
    random.fill(&mut bytes).unwrap();
    if random.next_u64().unwrap().is_multiple_of(2) {
        let prefix = u32::try_from(len / 2 + 1).unwrap().to_be_bytes();
        bytes.splice(..0, prefix);
    }
    bytes
}
