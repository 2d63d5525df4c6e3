//! What we send: as much as waits in one write, and a sign of life when nothing does.

use futures::AsyncWrite;
use lockstep_proto::v1::{PeerFrame, Ping, Pong, peer_frame::Body};
use tokio::sync::mpsc;

use super::task::Shared;
use super::{Outgoing, SessionEnd};
use crate::{codec, frame};

/// Units: bytes. Past this a write goes out before more is added to it.
const WRITE_BATCH_BYTES: usize = 64 * 1024;

/// Writes until the stream breaks or nobody can send any more.
pub(super) async fn write_all<W: AsyncWrite + Unpin>(
    mut writer: W,
    shared: &Shared,
    mut queue: mpsc::Receiver<Outgoing>,
    mut answers: mpsc::Receiver<Pong>,
) -> SessionEnd {
    let times = shared.limits.times;
    let mut buffer = Vec::new();
    let mut pings = 0_u64;
    loop {
        let first = tokio::select! {
            outgoing = queue.recv() => match outgoing {
                Some(outgoing) => outgoing.frame,
                None => return SessionEnd::Stopped,
            },
            Some(pong) = answers.recv() => frame_of(Body::Pong(pong)),
            () = tokio::time::sleep(times.ping) => {
                pings = pings.wrapping_add(1);
                frame_of(Body::Ping(Ping { nonce: pings }))
            }
        };
        buffer.clear();
        if let Err(error) = gather(&first, &mut queue, &mut buffer) {
            return error;
        }
        if let Err(error) = frame::write_all(&mut writer, &buffer, times.write).await {
            return error.into();
        }
    }
}

/// The first frame and whatever else waits.
fn gather(
    first: &PeerFrame,
    queue: &mut mpsc::Receiver<Outgoing>,
    buffer: &mut Vec<u8>,
) -> Result<(), SessionEnd> {
    codec::encode(first, buffer)?;
    while buffer.len() < WRITE_BATCH_BYTES {
        match queue.try_recv() {
            Ok(outgoing) => codec::encode(&outgoing.frame, buffer)?,
            Err(mpsc::error::TryRecvError::Empty | mpsc::error::TryRecvError::Disconnected) => {
                break;
            }
        }
    }
    Ok(())
}

fn frame_of(body: Body) -> PeerFrame {
    PeerFrame { request_id: 0, body: Some(body) }
}
