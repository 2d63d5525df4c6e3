//! The handshake over a stream.

use futures::{AsyncRead, AsyncWrite};
use lockstep_proto::v1::{PeerFrame, peer_frame::Body};

use alloy_primitives::B256;

use super::SessionEnd;
use super::task::{Link, Shared};
use crate::codec;
use crate::convert::{hello_from, hello_to, proof_from, proof_to};
use crate::frame;
use crate::handshake::{Authenticated, Hello, Opening, Role};

/// Shows who we are and learns who the peer is. The caller bounds the time of the whole.
pub(super) async fn greet<S>(
    stream: &mut S,
    link: &Link,
    shared: &Shared,
) -> Result<Authenticated, SessionEnd>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut nonce = [0; 32];
    shared.entropy.fill(&mut nonce)?;
    let node_id = shared.node_key.node_id();
    let ours = Hello::new(node_id, shared.features, B256::new(nonce), shared.head, link.seen_head);
    let opening = Opening::new(shared.local_peer, link.peer, ours);
    let mut wire = Wire { stream, shared, buffer: Vec::new(), scratch: Vec::new() };
    wire.write(Body::Hello(hello_to(opening.hello()))).await?;
    let Body::Hello(theirs) = wire.read().await? else { return Err(SessionEnd::OutOfPlace) };
    let proving = opening
        .receive_hello(&hello_from(&theirs)?, link.expected)
        .map_err(SessionEnd::Handshake)?;
    if link.role == Role::Dialer {
        let proof = shared.node_key.sign_handshake(&proving.to_sign())?;
        wire.write(Body::HelloProof(proof_to(proof))).await?;
    }
    let Body::HelloProof(proof) = wire.read().await? else { return Err(SessionEnd::OutOfPlace) };
    let proof = proof_from(&proof)?;
    // Until here a peer has cost us no curve arithmetic. From strangers that is budgeted.
    if !link.is_contact() && !shared.may_check_stranger() {
        return Err(SessionEnd::TooManyStrangers);
    }
    let shown = proving.verify(proof).map_err(SessionEnd::Handshake)?;
    if link.role == Role::Listener {
        let proof = shared.node_key.sign_handshake(&proving.to_sign())?;
        wire.write(Body::HelloProof(proof_to(proof))).await?;
    }
    Ok(shown)
}

struct Wire<'a, S> {
    stream: &'a mut S,
    shared: &'a Shared,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<'_, S> {
    async fn write(&mut self, body: Body) -> Result<(), SessionEnd> {
        let frame = PeerFrame { request_id: 0, body: Some(body) };
        self.buffer.clear();
        codec::encode(&frame, &mut self.buffer)?;
        let within = self.shared.limits.times.handshake;
        Ok(frame::write_all(self.stream, &self.buffer, within).await?)
    }

    async fn read(&mut self) -> Result<Body, SessionEnd> {
        let within = self.shared.limits.times.handshake;
        let len = frame::read_len(self.stream, within, within).await?;
        frame::read_body(self.stream, len, &mut self.buffer, within).await?;
        let frame = codec::decode(&self.buffer, &mut self.scratch)?;
        frame.body.ok_or(SessionEnd::OutOfPlace)
    }
}
