//! A connection that can't be held open for nothing.
//!
//! While the other side does not take what is written, nothing more is read from it, so what waits in memory
//! is bounded; after a while it is cut off. So is one from which no byte comes, not even a ping's answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

/// No call waits longer than this for its answer, so a caller that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(120);
/// A caller on the same machine reads within milliseconds.
const UNREAD: Duration = Duration::from_secs(30);

/// One connection and its seat, which is free again when the connection is dropped.
pub(super) struct Guarded {
    stream: TcpStream,
    _seat: OwnedSemaphorePermit,
    silence: Pin<Box<Sleep>>,
    /// Runs while a write waits for the other side.
    unread: Option<Pin<Box<Sleep>>>,
    /// Who wants to read once the write is through.
    reader: Option<Waker>,
    /// A write has waited too long; it is over for readers, too.
    is_cut: bool,
}

impl Guarded {
    pub(super) fn new(stream: TcpStream, seat: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            _seat: seat,
            silence: Box::pin(sleep(SILENCE)),
            unread: None,
            reader: None,
            is_cut: false,
        }
    }

    /// What a write came to, with the clock started or stopped by it.
    fn watched<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.is_cut {
            return Poll::Ready(Err(cut()));
        }
        if written.is_pending() {
            let unread = self.unread.get_or_insert_with(|| Box::pin(sleep(UNREAD)));
            ready!(unread.as_mut().poll(context));
            self.is_cut = true;
        }
        self.unread = None;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        if self.is_cut { Poll::Ready(Err(cut())) } else { written }
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "caller reads nothing")
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_cut {
            return Poll::Ready(Err(cut()));
        }
        if self.unread.is_some() {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(read) => {
                if buffer.filled().len() > before {
                    let deadline = Instant::now().checked_add(SILENCE);
                    if let Some(deadline) = deadline {
                        self.silence.as_mut().reset(deadline);
                    }
                }
                Poll::Ready(read)
            }
            Poll::Pending => {
                ready!(self.silence.as_mut().poll(context));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "caller says nothing")))
            }
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watched(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watched(context, written)
    }
}
