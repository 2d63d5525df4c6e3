//! A peer that speaks the wire protocol by hand, over libp2p's own muxer and stream behaviour, and does
//! what it likes.

use std::task::Poll;

use alloy_primitives::B256;
use futures::future::poll_fn;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Stream, SwarmBuilder, Transport, noise, tcp, yamux};
use lockstep_core::terms::Features;
use lockstep_p2p::handshake::{FeatureOffer, Hello, Opening, PROTOCOL_VERSION};
use lockstep_p2p::port::NodeKey;
use lockstep_p2p::{PROTOCOL, codec, convert};
use lockstep_proto::v1;
use lockstep_proto::v1::peer_frame::Body;

use tokio::task::JoinHandle;

use crate::fixture::TestKey;
use crate::node::{Node, soon};

pub struct Mallory {
    pub peer: PeerId,
    pub key: TestKey,
    control: libp2p_stream::Control,
    task: JoinHandle<()>,
}

impl Drop for Mallory {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn keypair(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap()
}

impl Mallory {
    /// Connects to a victim; streams are opened later.
    pub async fn new(seed: u8, victim: &Node) -> Self {
        let behaviour = libp2p_stream::Behaviour::new();
        let control = behaviour.new_control();
        let mut swarm = SwarmBuilder::with_existing_identity(keypair(seed))
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| behaviour)
            .unwrap()
            .build();
        let peer = *swarm.local_peer_id();
        swarm.dial(victim.full_address()).unwrap();
        let connected = async {
            while !matches!(
                swarm.select_next_some().await,
                SwarmEvent::ConnectionEstablished { .. }
            ) {}
        };
        soon(connected).await;
        let task = tokio::spawn(async move { while swarm.next().await.is_some() {} });
        Self { peer, key: TestKey::new(seed), control, task }
    }

    pub async fn open(&mut self, victim: &Node) -> Stream {
        soon(self.control.open_stream(victim.peer_id(), PROTOCOL)).await.unwrap()
    }

    pub fn hello(&self, nonce: u8) -> Hello {
        let features = FeatureOffer { required: Features::NONE, optional: Features::ALL };
        Hello::new(self.key.node_id(), features, B256::repeat_byte(nonce), None, None)
    }

    /// An honest handshake; gives the stream and every byte that was sent.
    pub async fn greet(&mut self, victim: &Node, nonce: u8) -> (Stream, Vec<u8>) {
        self.try_greet(victim, nonce).await.expect("the victim answers")
    }

    /// The same, or nothing where the victim ends it.
    pub async fn try_greet(&mut self, victim: &Node, nonce: u8) -> Option<(Stream, Vec<u8>)> {
        let mut stream = self.open(victim).await;
        let ours = self.hello(nonce);
        let mut sent = bytes_of(Body::Hello(convert::hello_to(&ours)));
        stream.write_all(&sent).await.unwrap();
        stream.flush().await.unwrap();
        let Body::Hello(theirs) = read(&mut stream).await? else { panic!("no hello") };
        let theirs = convert::hello_from(&theirs).unwrap();
        let opening = Opening::new(self.peer, victim.peer_id(), ours);
        let proving = opening.receive_hello(&theirs, None).unwrap();
        let proof = self.key.sign_handshake(&proving.to_sign()).unwrap();
        let proof = bytes_of(Body::HelloProof(convert::proof_to(proof)));
        stream.write_all(&proof).await.unwrap();
        stream.flush().await.unwrap();
        sent.extend(proof);
        let Body::HelloProof(proof) = read(&mut stream).await? else { panic!("no proof") };
        proving.verify(convert::proof_from(&proof).unwrap()).unwrap();
        Some((stream, sent))
    }
}

/// A frame with its prefix.
pub fn bytes_of(body: Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    let frame = v1::PeerFrame { request_id: 0, body: Some(body) };
    codec::encode(&frame, &mut bytes).unwrap();
    bytes
}

/// The next frame; none when the victim has ended the stream.
pub async fn read(stream: &mut Stream) -> Option<Body> {
    let mut prefix = [0; 4];
    soon(stream.read_exact(&mut prefix)).await.ok()?;
    let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(prefix)).unwrap()];
    soon(stream.read_exact(&mut bytes)).await.ok()?;
    codec::decode(&bytes, &mut Vec::new()).unwrap().body
}

/// Reads until the victim ends the stream, and says what it sent until then.
pub async fn until_ended(stream: &mut Stream) -> Vec<Body> {
    let mut all = Vec::new();
    while let Some(body) = read(stream).await {
        all.push(body);
    }
    all
}

pub async fn write(stream: &mut Stream, bytes: &[u8]) {
    // The victim may be gone before all is written.
    let _ = soon(async {
        stream.write_all(bytes).await?;
        stream.flush().await
    })
    .await;
}

/// A connection without a swarm: authenticated and multiplexed, and nothing more.
pub async fn connect(seed: u16, at: Multiaddr) -> Option<StreamMuxerBox> {
    let mut secret = [0; 32];
    secret[..2].copy_from_slice(&seed.to_be_bytes());
    let keypair = Keypair::ed25519_from_bytes(secret).unwrap();
    let mut transport = tcp::tokio::Transport::new(tcp::Config::default())
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&keypair).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let dialed = soon(transport.dial(at, options).unwrap()).await;
    dialed.ok().map(|(_, muxer)| muxer)
}

/// Opens streams that say nothing, up to `most`, and says how many before the victim ended it.
pub async fn open_streams(muxer: &mut StreamMuxerBox, most: usize) -> usize {
    let mut streams = Vec::new();
    for _ in 0..most {
        let opened = soon(poll_fn(|cx| {
            if let Poll::Ready(Err(_)) = muxer.poll_unpin(cx) {
                return Poll::Ready(None);
            }
            muxer.poll_outbound_unpin(cx).map(Result::ok)
        }))
        .await;
        let Some(mut stream) = opened else { break };
        // yamux tells the other end of a stream with its first bytes.
        let said = soon(poll_fn(|cx| {
            if let Poll::Ready(Err(_)) = muxer.poll_unpin(cx) {
                return Poll::Ready(false);
            }
            let mut write = stream.write_all(b"\x13/multistream");
            std::pin::Pin::new(&mut write).poll(cx).map(|result| result.is_ok())
        }))
        .await;
        if !said {
            break;
        }
        streams.push(stream);
    }
    streams.len()
}

/// Opens as many streams as are allowed. The first begin to negotiate and never end, so that the victim
/// takes no others; into those goes a whole window each.
pub async fn fill(muxer: &mut StreamMuxerBox) -> Vec<SubstreamBox> {
    let window = vec![0x13; 256 * 1024];
    let mut streams = Vec::new();
    for number in 0..64 {
        let opened = poll_fn(|cx| match muxer.poll_unpin(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(None),
            Poll::Ready(Ok(_)) | Poll::Pending => muxer.poll_outbound_unpin(cx).map(Result::ok),
        });
        let Some(mut stream) = opened.await else { break };
        let bytes = if number < 8 { &b"\x13/multistream"[..] } else { &window };
        let mut write = Box::pin(async {
            stream.write_all(bytes).await?;
            stream.flush().await
        });
        let written = poll_fn(|cx| match muxer.poll_unpin(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(false),
            Poll::Ready(Ok(_)) | Poll::Pending => write.as_mut().poll(cx).map(|r| r.is_ok()),
        })
        .await;
        drop(write);
        streams.push(stream);
        if !written {
            break;
        }
    }
    streams
}

/// Keeps a connection going, and does nothing with it, until the victim ends it.
pub fn hold(mut muxer: StreamMuxerBox) -> JoinHandle<()> {
    tokio::spawn(async move { until_closed(&mut muxer).await })
}

/// Waits until the victim has ended a connection.
pub async fn until_closed(muxer: &mut StreamMuxerBox) {
    soon(poll_fn(|cx| match muxer.poll_unpin(cx) {
        Poll::Ready(Err(_)) => Poll::Ready(()),
        Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
    }))
    .await;
}

/// A version that the victim does not speak.
pub const OLDER: u32 = PROTOCOL_VERSION - 1;
