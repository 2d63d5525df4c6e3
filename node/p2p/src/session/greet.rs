//! The handshake over a stream.

use core::time::Duration;

use alloy_primitives::B256;
use futures::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use lockstep_core::ids::NodeId;
use lockstep_proto::v1::{self, peer_frame, tower_frame};

use super::SessionEnd;
use crate::codec::{self, Frame};
use crate::convert::{hello_from, hello_to, proof_from, proof_to};
use crate::frame;
use crate::handshake::{Authenticated, FeatureOffer, Hello, JournalHead, Opening, Purpose, Role};
use crate::port::{Entropy, NodeKey};

/// A step of a handshake.
pub(crate) enum Step {
    /// What one end says of itself.
    Hello(v1::Hello),
    /// Its proof.
    Proof(v1::HelloProof),
}

/// A schema whose frames can carry a handshake.
pub(crate) trait HandshakeFrame: Frame {
    /// A frame with this step.
    fn from_step(step: Step) -> Self;
    /// The step in this frame, if it is one.
    fn into_step(self) -> Option<Step>;
}

impl HandshakeFrame for v1::PeerFrame {
    fn from_step(step: Step) -> Self {
        let body = match step {
            Step::Hello(hello) => peer_frame::Body::Hello(hello),
            Step::Proof(proof) => peer_frame::Body::HelloProof(proof),
        };
        Self { request_id: 0, body: Some(body) }
    }

    fn into_step(self) -> Option<Step> {
        match self.body? {
            peer_frame::Body::Hello(hello) => Some(Step::Hello(hello)),
            peer_frame::Body::HelloProof(proof) => Some(Step::Proof(proof)),
            peer_frame::Body::Ping(_)
            | peer_frame::Body::Pong(_)
            | peer_frame::Body::Channel(_) => None,
        }
    }
}

impl HandshakeFrame for v1::TowerFrame {
    fn from_step(step: Step) -> Self {
        let body = match step {
            Step::Hello(hello) => tower_frame::Body::Hello(hello),
            Step::Proof(proof) => tower_frame::Body::HelloProof(proof),
        };
        Self { request_id: 0, body: Some(body) }
    }

    fn into_step(self) -> Option<Step> {
        match self.body? {
            tower_frame::Body::Hello(hello) => Some(Step::Hello(hello)),
            tower_frame::Body::HelloProof(proof) => Some(Step::Proof(proof)),
            tower_frame::Body::Ping(_)
            | tower_frame::Body::Pong(_)
            | tower_frame::Body::Subscribe(_)
            | tower_frame::Body::Subscribed(_)
            | tower_frame::Body::Put(_)
            | tower_frame::Body::PutReply(_)
            | tower_frame::Body::Get(_)
            | tower_frame::Body::GetReply(_)
            | tower_frame::Body::Drop(_)
            | tower_frame::Body::Dropped(_)
            | tower_frame::Body::List(_)
            | tower_frame::Body::Listed(_)
            | tower_frame::Body::Prove(_)
            | tower_frame::Body::Proof(_)
            | tower_frame::Body::Error(_)
            | tower_frame::Body::Heartbeat(_)
            | tower_frame::Body::Acted(_) => None,
        }
    }
}

/// What one end brings to a handshake.
pub(crate) struct Greeting<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) role: Role,
    pub(crate) local_peer: PeerId,
    pub(crate) peer: PeerId,
    /// The key that the peer is known by, if it is known.
    pub(crate) expected: Option<NodeId>,
    pub(crate) features: FeatureOffer,
    pub(crate) head: Option<JournalHead>,
    pub(crate) seen_head: Option<JournalHead>,
    pub(crate) key: &'a dyn NodeKey,
    pub(crate) entropy: &'a dyn Entropy,
    /// For each frame; the caller bounds the time of the whole.
    pub(crate) within: Duration,
    /// Until it is asked a peer has cost us no curve arithmetic. From strangers that is budgeted.
    pub(crate) may_check: &'a (dyn Fn() -> bool + Sync),
}

/// Shows who we are and learns who the peer is.
pub(crate) async fn greet<F, S>(
    stream: &mut S,
    greeting: &Greeting<'_>,
) -> Result<Authenticated, SessionEnd>
where
    F: HandshakeFrame,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut nonce = [0; 32];
    greeting.entropy.fill(&mut nonce)?;
    let Greeting { purpose, local_peer, peer, features, head, seen_head, key, .. } = *greeting;
    let ours = Hello::new(key.node_id(), features, B256::new(nonce), head, seen_head);
    let opening = match purpose {
        Purpose::Channel => Opening::new(local_peer, peer, ours),
        Purpose::Tower => Opening::with_tower(local_peer, peer, ours),
    };
    let within = greeting.within;
    let mut wire = Wire { stream, within, buffer: Vec::new(), scratch: Vec::new() };
    wire.write::<F>(Step::Hello(hello_to(opening.hello()))).await?;
    let Step::Hello(theirs) = wire.read::<F>().await? else { return Err(SessionEnd::OutOfPlace) };
    let proving = opening
        .receive_hello(&hello_from(&theirs)?, greeting.expected)
        .map_err(SessionEnd::Handshake)?;
    if greeting.role == Role::Dialer {
        let proof = key.sign_handshake(&proving.to_sign())?;
        wire.write::<F>(Step::Proof(proof_to(proof))).await?;
    }
    let Step::Proof(proof) = wire.read::<F>().await? else { return Err(SessionEnd::OutOfPlace) };
    let proof = proof_from(&proof)?;
    if !(greeting.may_check)() {
        return Err(SessionEnd::TooManyStrangers);
    }
    let shown = proving.verify(proof).map_err(SessionEnd::Handshake)?;
    if greeting.role == Role::Listener {
        let proof = key.sign_handshake(&proving.to_sign())?;
        wire.write::<F>(Step::Proof(proof_to(proof))).await?;
    }
    Ok(shown)
}

struct Wire<'a, S> {
    stream: &'a mut S,
    within: Duration,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<'_, S> {
    async fn write<F: HandshakeFrame>(&mut self, step: Step) -> Result<(), SessionEnd> {
        self.buffer.clear();
        codec::encode(&F::from_step(step), &mut self.buffer)?;
        Ok(frame::write_all(self.stream, &self.buffer, self.within).await?)
    }

    async fn read<F: HandshakeFrame>(&mut self) -> Result<Step, SessionEnd> {
        let within = self.within;
        let len = frame::read_len_of(self.stream, F::MAX_BYTES, within, within).await?;
        frame::read_body(self.stream, len, &mut self.buffer, within).await?;
        let frame: F = codec::decode_as(&self.buffer, &mut self.scratch)?;
        frame.into_step().ok_or(SessionEnd::OutOfPlace)
    }
}
