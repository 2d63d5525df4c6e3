//! One link: calls out, replies and pushes in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite};
use lockstep_proto::v1::Ping;
use lockstep_proto::v1::tower_frame::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::limits::TimeLimits;
use crate::session::SessionEnd;
use crate::tower::convert::{push_from, reply_from, request_to};
use crate::tower::limits::MAX_PENDING;
use crate::tower::message::{Push, Reply, Request};
use crate::tower::wire::{FrameReader, FrameWriter};

/// A question and whoever waits for its answer.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) request: Request,
    pub(super) answer: oneshot::Sender<Reply>,
}

/// A question that is out.
struct Asked {
    answer: oneshot::Sender<Reply>,
    _place: OwnedSemaphorePermit,
}

/// The questions that are out, by the number that they went under.
#[derive(Default)]
struct Open(Mutex<BTreeMap<u64, Asked>>);

impl Open {
    fn insert(&self, id: u64, asked: Asked) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(id, asked);
    }

    fn take(&self, id: u64) -> Option<Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }
}

/// Runs until the stream ends or nobody holds the link any more.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    times: TimeLimits,
    calls: mpsc::Receiver<Call>,
    pushes: mpsc::Sender<Push>,
) -> SessionEnd {
    let (reader, writer) = stream.split();
    let open = Open::default();
    let reading = read_all(FrameReader::new(reader, times), &open, &pushes);
    let writing = write_all(FrameWriter::new(writer, &times), times, &open, calls);
    tokio::select! {
        end = reading => end,
        end = writing => end,
    }
}

async fn read_all<R: AsyncRead + Unpin>(
    mut reader: FrameReader<R>,
    open: &Open,
    pushes: &mpsc::Sender<Push>,
) -> SessionEnd {
    loop {
        match read_one(&mut reader, open, pushes).await {
            Ok(()) => {}
            Err(end) => return end,
        }
    }
}

async fn read_one<R: AsyncRead + Unpin>(
    reader: &mut FrameReader<R>,
    open: &Open,
    pushes: &mpsc::Sender<Push>,
) -> Result<(), SessionEnd> {
    let len = reader.length().await?;
    let (id, body) = reader.body(len).await?;
    if matches!(body, Body::Pong(_)) {
        return Ok(());
    }
    if let Some(push) = push_from(&body)? {
        // What nobody reads is not kept.
        if pushes.try_send(push).is_err() {
            tracing::trace!("what a tower says is not read");
        }
        return Ok(());
    }
    let reply = reply_from(body)?.ok_or(SessionEnd::OutOfPlace)?;
    // An answer to nothing that was asked: the tower is not well.
    let asked = open.take(id).ok_or(SessionEnd::OutOfPlace)?;
    if asked.answer.send(reply).is_err() {
        tracing::trace!("nobody waits for an answer any more");
    }
    Ok(())
}

async fn write_all<W: AsyncWrite + Unpin>(
    mut writer: FrameWriter<W>,
    times: TimeLimits,
    open: &Open,
    mut calls: mpsc::Receiver<Call>,
) -> SessionEnd {
    let places = Arc::new(Semaphore::new(MAX_PENDING));
    let mut last = 0_u64;
    loop {
        let call = tokio::select! {
            call = calls.recv() => call,
            () = tokio::time::sleep(times.ping) => {
                let body = Body::Ping(Ping { nonce: last });
                if let Err(end) = writer.write(0, body).await {
                    return end;
                }
                continue;
            }
        };
        let Some(Call { request, answer }) = call else { return SessionEnd::Requested };
        // Whoever waits for a place here gives up after its own time.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return SessionEnd::Stopped;
        };
        if answer.is_closed() {
            continue;
        }
        last = last.wrapping_add(1);
        open.insert(last, Asked { answer, _place: place });
        if let Err(end) = writer.write(last, request_to(&request)).await {
            return end;
        }
    }
}
