//! The signed handshake by hand: as it should be, and with every lie that there is in it.

use std::io;
use std::time::Duration;

use alloy_primitives::B256;
use futures::{AsyncReadExt, AsyncWriteExt};
use lockstep_core::signature::StateSignature;
use lockstep_p2p::convert;
use lockstep_p2p::handshake::{Handshake, HandshakeEnd, Hello, PROTOCOL_VERSION};
use lockstep_proto::v1;
use lockstep_proto::v1::peer_frame::Body;
use prost::Message;
use tokio::time::timeout;

use super::Aim;
use super::identity::Identity;
use super::link::{ATTENTION, Channel, Link};

/// What is false in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nothing.
    None,
    /// The version of the protocol.
    Version(u32),
    /// It insists on features that nobody has.
    UnknownFeature,
    /// It sends the victim's own nonce back.
    ReflectedNonce,
    /// It shows the victim's own node key.
    VictimsKey,
    /// It shows the node key of this number, and signs with its own.
    KeyOf(u32),
    /// It shows bytes that are no key.
    NoKey,
    /// It signs as if it had the peer id of this number.
    PeerIdOf(u32),
    /// It signs over a nonce of yesterday.
    OldNonce,
    /// It signs over fewer features than it shows.
    Features,
    /// It sends random bytes for a signature.
    Noise,
    /// It says hello twice and proves nothing.
    NoProof,
}

/// Every lie that no victim may believe. `friend` is the number of somebody whom the victim knows.
pub fn every_lie(friend: u32) -> Vec<Lie> {
    vec![
        Lie::Version(PROTOCOL_VERSION - 1),
        Lie::Version(PROTOCOL_VERSION + 1),
        Lie::Version(u32::MAX),
        Lie::UnknownFeature,
        Lie::ReflectedNonce,
        Lie::VictimsKey,
        Lie::KeyOf(friend),
        Lie::NoKey,
        Lie::PeerIdOf(friend),
        Lie::OldNonce,
        Lie::Features,
        Lie::Noise,
        Lie::NoProof,
    ]
}

/// A stream on which the victim has taken us for a peer.
pub struct Talk {
    /// The stream.
    pub stream: Channel,
    /// Every byte that made it believe so.
    pub sent: Vec<u8>,
}

/// Shows an identity to the victim. A lie that is believed gives a [`Talk`], too.
///
/// # Errors
/// When the victim ends it.
pub async fn greet(link: &Link, identity: &Identity, aim: &Aim, lie: Lie) -> io::Result<Talk> {
    let mut stream = link.open_channel().await?;
    let theirs = hello_of(&mut stream).await?;
    let ours = our_hello(identity, aim, &theirs, lie);
    let mut sent = bytes_of(Body::Hello(convert::hello_to(&ours)));
    stream.write_all(&sent).await?;
    let signed = proof(link, identity, aim, &ours, &theirs, lie);
    let proof = if lie == Lie::NoProof {
        bytes_of(Body::Hello(convert::hello_to(&ours)))
    } else {
        bytes_of(Body::HelloProof(convert::proof_to(signed)))
    };
    stream.write_all(&proof).await?;
    stream.flush().await?;
    sent.extend(proof);
    let Body::HelloProof(_) = body_of(&mut stream).await? else {
        return Err(io::Error::other("no proof"));
    };
    Ok(Talk { stream, sent })
}

/// The victim's hello, which it says unasked.
///
/// # Errors
/// When it does not.
pub async fn hello_of(stream: &mut Channel) -> io::Result<Hello> {
    let Body::Hello(theirs) = body_of(stream).await? else {
        return Err(io::Error::other("no hello"));
    };
    convert::hello_from(&theirs).map_err(io::Error::other)
}

fn our_hello(identity: &Identity, aim: &Aim, theirs: &Hello, lie: Lie) -> Hello {
    let mut ours = Hello {
        protocol_version: PROTOCOL_VERSION,
        features_required: 0,
        features_optional: theirs.features_required | theirs.features_optional,
        node_id: identity.node_id(),
        nonce: B256::repeat_byte(0x5a),
        head: None,
        seen_head: None,
    };
    match lie {
        Lie::Version(version) => ours.protocol_version = version,
        Lie::UnknownFeature => ours.features_required = 1 << 63,
        Lie::ReflectedNonce => ours.nonce = theirs.nonce,
        Lie::VictimsKey => ours.node_id = aim.node_id,
        Lie::KeyOf(number) => ours.node_id = Identity::new(number).node_id(),
        Lie::NoKey => ours.node_id.0 = [0xff; 33],
        Lie::None
        | Lie::PeerIdOf(_)
        | Lie::OldNonce
        | Lie::Features
        | Lie::Noise
        | Lie::NoProof => {}
    }
    ours
}

fn proof(
    link: &Link,
    identity: &Identity,
    aim: &Aim,
    ours: &Hello,
    theirs: &Hello,
    lie: Lie,
) -> StateSignature {
    let mut signer = end_of(ours, link.local);
    let mut verifier = end_of(theirs, aim.peer_id);
    match lie {
        Lie::PeerIdOf(number) => signer.peer_id = Identity::new(number).peer_id().to_bytes(),
        Lie::OldNonce => verifier.nonce = B256::repeat_byte(0xab),
        Lie::Features => signer.features_optional = 0,
        Lie::Noise => return StateSignature([0x5e; 64]),
        Lie::None
        | Lie::Version(_)
        | Lie::UnknownFeature
        | Lie::ReflectedNonce
        | Lie::VictimsKey
        | Lie::KeyOf(_)
        | Lie::NoKey
        | Lie::NoProof => {}
    }
    let signed = Handshake { protocol_version: ours.protocol_version, signer, verifier };
    identity.sign(signed.digest())
}

fn end_of(hello: &Hello, peer: libp2p::PeerId) -> HandshakeEnd {
    HandshakeEnd {
        node_id: hello.node_id,
        peer_id: peer.to_bytes(),
        nonce: hello.nonce,
        features_required: hello.features_required,
        features_optional: hello.features_optional,
    }
}

/// A frame with its prefix, however long it is.
pub fn bytes_of(body: Body) -> Vec<u8> {
    let frame = v1::PeerFrame { request_id: 0, body: Some(body) };
    prefixed(&frame.encode_to_vec())
}

/// Any bytes with a prefix that is true.
pub fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).expect("a frame of ours is below 4 GiB");
    [&len.to_be_bytes()[..], bytes].concat()
}

/// The next frame of the victim.
///
/// # Errors
/// When it has ended the stream, or says nothing.
pub async fn body_of(stream: &mut Channel) -> io::Result<Body> {
    let read = async {
        let mut prefix = [0; 4];
        stream.read_exact(&mut prefix).await?;
        let len = usize::try_from(u32::from_be_bytes(prefix)).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        stream.read_exact(&mut bytes).await?;
        let frame = v1::PeerFrame::decode(&bytes[..]).map_err(io::Error::other)?;
        frame.body.ok_or_else(|| io::Error::other("a frame without a body"))
    };
    timeout(ATTENTION, read).await.map_err(|_| io::ErrorKind::TimedOut)?
}

impl Talk {
    /// Says something, in whatever form.
    ///
    /// # Errors
    /// When the victim has ended it or does not read.
    pub async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        let said = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        timeout(ATTENTION, said).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Waits until the victim has ended the stream.
    ///
    /// # Errors
    /// When it does not.
    pub async fn until_ended(&mut self, within: Duration) -> io::Result<()> {
        let mut sink = [0; 4_096];
        let ended = async { while !matches!(self.stream.read(&mut sink).await, Ok(0) | Err(_)) {} };
        timeout(within, ended).await.map_err(|_| io::ErrorKind::TimedOut.into())
    }
}
