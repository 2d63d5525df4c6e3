//! What yamux itself does not bound.
//!
//! It counts the bytes that wait in a stream, but keeps each frame of them in an allocation of its own: a
//! window that is filled a byte at a time takes a hundred times its bytes. It allocates what a header
//! announces, up to a mebibyte, before it looks at the window. And after it has said that a connection is
//! over it goes on reading. Here frames are looked at as they pass: one that no window holds, or one more
//! than may wait, ends the connection, and so does our own goodbye (P60, P61).

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};
use thiserror::Error;

use crate::limits::{MAX_STREAMS, MAX_UNREAD_FRAMES, STREAM_WINDOW_BYTES};

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum Abuse {
    #[error("frame of {len} bytes fits no window")]
    Length { len: u32 },
    #[error("more than {MAX_UNREAD_FRAMES} frames wait to be read")]
    UnreadFrames,
    #[error("more streams than there may be")]
    Streams,
}

impl From<Abuse> for io::Error {
    fn from(abuse: Abuse) -> Self {
        Self::new(io::ErrorKind::InvalidData, abuse)
    }
}

/// The frames of one connection that are not read yet, stream by stream.
#[derive(Debug, Default)]
struct Frames {
    /// Lengths, in the order of arrival.
    unread: BTreeMap<u32, VecDeque<u32>>,
    count: usize,
}

impl Frames {
    /// A stream begins.
    fn opened(&mut self, stream: u32) -> Result<(), Abuse> {
        // Some that are over may not be known to be so yet.
        if self.unread.len() > MAX_STREAMS.saturating_mul(2) {
            return Err(Abuse::Streams);
        }
        self.unread.entry(stream).or_default();
        Ok(())
    }

    /// A frame comes in. An empty one, and one for a stream that is over, is not kept.
    fn arrived(&mut self, stream: u32, len: u32) -> Result<(), Abuse> {
        if len == 0 {
            return Ok(());
        }
        let Some(unread) = self.unread.get_mut(&stream) else { return Ok(()) };
        unread.push_back(len);
        self.count = self.count.saturating_add(1);
        if self.count > MAX_UNREAD_FRAMES { Err(Abuse::UnreadFrames) } else { Ok(()) }
    }

    /// So many bytes of a stream are read.
    fn read(&mut self, stream: u32, bytes: usize) {
        let Some(unread) = self.unread.get_mut(&stream) else { return };
        let mut left = u32::try_from(bytes).unwrap_or(u32::MAX);
        while let Some(first) = unread.front_mut() {
            if *first > left {
                *first = first.saturating_sub(left);
                return;
            }
            left = left.saturating_sub(*first);
            unread.pop_front();
            self.count = self.count.saturating_sub(1);
        }
    }

    /// A stream is over, and what it held is freed.
    fn closed(&mut self, stream: u32) {
        let unread = self.unread.remove(&stream).map_or(0, |unread| unread.len());
        self.count = self.count.saturating_sub(unread);
    }
}

/// The same, shared by a connection and its streams.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Arc<Mutex<Frames>>);

impl Ledger {
    fn frames(&self) -> MutexGuard<'_, Frames> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that says what is read of it.
#[derive(Debug)]
pub(crate) struct Stream {
    stream: yamux::Stream,
    id: u32,
    ledger: Ledger,
}

impl Stream {
    /// A stream that the peer has opened.
    pub(super) fn inbound(stream: yamux::Stream, ledger: Ledger) -> Self {
        Self { id: stream.id().val(), stream, ledger }
    }

    /// A stream of our own, whose first frame is still to come.
    pub(super) fn outbound(stream: yamux::Stream, ledger: Ledger) -> Self {
        let id = stream.id().val();
        // Ours are counted by yamux; the peer can't make us open one.
        if ledger.frames().opened(id).is_err() {
            tracing::debug!("more streams than are watched");
        }
        Self { stream, id, ledger }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.ledger.frames().closed(self.id);
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.ledger.frames().read(self.id, bytes);
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

const HEADER_BYTES: usize = 12;
const DATA: u8 = 0;
const GO_AWAY: u8 = 3;
const SYN: u16 = 1;

/// What a header of yamux says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    kind: u8,
    flags: u16,
    stream: u32,
    len: u32,
}

impl Header {
    fn new(bytes: [u8; HEADER_BYTES]) -> Self {
        let [_, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3] = bytes;
        let flags = u16::from_be_bytes([f0, f1]);
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        Self { kind, flags, stream, len: u32::from_be_bytes([l0, l1, l2, l3]) }
    }

    /// Bytes that follow it.
    fn body(self) -> usize {
        if self.kind == DATA { usize::try_from(self.len).unwrap_or(usize::MAX) } else { 0 }
    }
}

/// Finds the headers in bytes that pass in any portions.
#[derive(Debug, Default)]
struct Headers {
    header: [u8; HEADER_BYTES],
    filled: usize,
    body: usize,
}

impl Headers {
    /// Looks at the next bytes and gives every header that they complete.
    fn pass(
        &mut self,
        mut bytes: &[u8],
        mut found: impl FnMut(Header) -> Result<(), Abuse>,
    ) -> Result<(), Abuse> {
        while !bytes.is_empty() {
            if self.body > 0 {
                let skipped = self.body.min(bytes.len());
                self.body = self.body.saturating_sub(skipped);
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let free = self.header.get_mut(self.filled..).unwrap_or_default();
            let taken = free.len().min(bytes.len());
            let (now, rest) = bytes.split_at(taken);
            free.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            self.filled = self.filled.saturating_add(taken);
            bytes = rest;
            if self.filled == HEADER_BYTES {
                self.filled = 0;
                let header = Header::new(self.header);
                self.body = header.body();
                found(header)?;
            }
        }
        Ok(())
    }
}

/// Bytes of a connection, below yamux.
#[derive(Debug)]
pub(super) struct Guarded<C> {
    io: C,
    ledger: Ledger,
    inbound: Headers,
    outbound: Headers,
    is_over: bool,
}

impl<C> Guarded<C> {
    pub(super) fn new(io: C, ledger: Ledger) -> Self {
        let (inbound, outbound) = (Headers::default(), Headers::default());
        Self { io, ledger, inbound, outbound, is_over: false }
    }
}

fn check(frames: &mut Frames, header: Header) -> Result<(), Abuse> {
    if header.body() > STREAM_WINDOW_BYTES {
        return Err(Abuse::Length { len: header.len });
    }
    if header.flags & SYN != 0 && header.stream != 0 {
        frames.opened(header.stream)?;
    }
    if header.kind == DATA { frames.arrived(header.stream, header.len) } else { Ok(()) }
}

impl<C: AsyncRead + Unpin> AsyncRead for Guarded<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_over {
            return Poll::Ready(Ok(0));
        }
        let Self { io, ledger, inbound, .. } = &mut *self;
        let count = ready!(Pin::new(io).poll_read(cx, buffer))?;
        let mut frames = ledger.frames();
        let passed = buffer.get(..count).unwrap_or_default();
        inbound.pass(passed, |header| check(&mut frames, header))?;
        Poll::Ready(Ok(count))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Guarded<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { io, outbound, is_over, .. } = &mut *self;
        let count = ready!(Pin::new(io).poll_write(cx, bytes))?;
        let passed = bytes.get(..count).unwrap_or_default();
        outbound.pass(passed, |header| {
            *is_over = *is_over || header.kind == GO_AWAY;
            Ok(())
        })?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}

#[cfg(test)]
mod tests;
