//! What a peer sends: paid for, decoded, checked, handed on.

use std::sync::Arc;
use std::time::Duration;

use futures::AsyncRead;
use futures::io::BufReader;
use lockstep_core::message::PeerMessage;
use lockstep_core::update::Update;
use lockstep_proto::v1::{Pong, peer_frame::Body};
use tokio::sync::{Semaphore, mpsc};

use super::task::{Link, Shared};
use super::{Session, SessionEnd};
use crate::budget::Budget;
use crate::codec;
use crate::convert::message_from;
use crate::event::{Credit, Event, Received};
use crate::frame;
use crate::limits::Rate;

/// Units: bytes. Enough for the length prefix and most single messages in one read.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// Reads until the stream or the peer gives a reason to stop.
pub(super) async fn read_all<R: AsyncRead + Unpin>(
    reader: R,
    link: &Link,
    shared: &Shared,
    session: &Session,
    answers: &mpsc::Sender<Pong>,
) -> SessionEnd {
    let is_contact = link.is_contact();
    let room = usize::try_from(shared.limits.inbound_room_bytes).unwrap_or(0);
    let reader = Reader {
        reader: BufReader::with_capacity(READ_BUFFER_BYTES, reader),
        link,
        shared,
        session,
        budget: Budget::new(rate(shared, is_contact), shared.clock.now()),
        is_contact,
        room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
        buffer: Vec::new(),
        scratch: Vec::new(),
    };
    match reader.run(answers).await {
        Ok(end) | Err(end) => end,
    }
}

struct Reader<'a, R> {
    reader: BufReader<R>,
    link: &'a Link,
    shared: &'a Shared,
    session: &'a Session,
    budget: Budget,
    is_contact: bool,
    room: Arc<Semaphore>,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Reader<'_, R> {
    async fn run(mut self, answers: &mpsc::Sender<Pong>) -> Result<SessionEnd, SessionEnd> {
        let times = self.shared.limits.times;
        loop {
            let len = frame::read_len(&mut self.reader, times.silence, times.frame).await?;
            self.welcome();
            // Not reading is what slows a peer down: its own window fills.
            pause(self.budget.frame(len.get(), self.shared.clock.now())).await;
            frame::read_body(&mut self.reader, len, &mut self.buffer, times.frame).await?;
            let frame = codec::decode(&self.buffer, &mut self.scratch)?;
            match frame.body {
                Some(Body::Channel(message)) => {
                    let (channel_id, message) = message_from(message)?;
                    pause(self.budget.arithmetic(&message, self.shared.clock.now())).await;
                    let credit = self.credit(weight(len.get(), &message)).await?;
                    let session = self.session.id();
                    let node_id = self.session.node_id();
                    let received = Received { session, node_id, channel_id, message, credit };
                    let handed = self.shared.events.send(Event::Message(Box::new(received))).await;
                    handed.map_err(|_| SessionEnd::Stopped)?;
                }
                // A peer that asks faster than we answer is answered less often.
                Some(Body::Ping(ping)) => {
                    if answers.try_send(Pong { nonce: ping.nonce }).is_err() {
                        tracing::trace!(peer_id = %self.session.peer_id(), "ping left unanswered");
                    }
                }
                Some(Body::Pong(_)) => {}
                Some(Body::Hello(_) | Body::HelloProof(_)) | None => {
                    return Err(SessionEnd::OutOfPlace);
                }
            }
        }
    }

    /// A stranger that has become a contact may send as one.
    fn welcome(&mut self) {
        if !self.is_contact && self.link.is_contact() {
            self.is_contact = true;
            self.budget = Budget::new(rate(self.shared, true), self.shared.clock.now());
        }
    }

    /// Waits until the engine has room for a message of this session.
    async fn credit(&self, weight: u32) -> Result<Credit, SessionEnd> {
        let weight = weight.min(self.shared.limits.inbound_room_bytes);
        let permit = Arc::clone(&self.room).acquire_many_owned(weight).await;
        permit.map(Credit::new).map_err(|_| SessionEnd::Stopped)
    }
}

fn rate(shared: &Shared, is_contact: bool) -> Rate {
    if is_contact { shared.limits.contact } else { shared.limits.stranger }
}

/// What a message takes in memory, about: its frame and its updates.
///
/// Units: bytes.
fn weight(len: u32, message: &PeerMessage) -> u32 {
    let updates = match message {
        PeerMessage::Propose { proposal, .. } => proposal.updates.len(),
        PeerMessage::Intent { updates } => updates.len(),
        PeerMessage::OpenQuery(_)
        | PeerMessage::OpenOffer(_)
        | PeerMessage::OpenRequest(_)
        | PeerMessage::OpenAccept { .. }
        | PeerMessage::OpenReject { .. }
        | PeerMessage::Accept { .. }
        | PeerMessage::Reject { .. }
        | PeerMessage::Refuse { .. }
        | PeerMessage::WithdrawRequest { .. }
        | PeerMessage::WithdrawPropose { .. }
        | PeerMessage::WithdrawAccept { .. }
        | PeerMessage::WithdrawReject { .. }
        | PeerMessage::CloseRequest { .. }
        | PeerMessage::Reestablish(_) => 0,
    };
    let updates = updates.saturating_mul(size_of::<Update>());
    len.saturating_add(u32::try_from(updates).unwrap_or(u32::MAX))
}

async fn pause(millis: u64) {
    if millis > 0 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}
