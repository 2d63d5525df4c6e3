//! yamux with this node's limits.
//!
//! libp2p's own wrapper offers no way to set the receive window, whose default is 1 GiB a connection.
//! This one is made for our numbers: 64 streams of 256 KiB each (P61). `guard` bounds what yamux does not.

mod guard;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures::future::{Ready, ready};
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use yamux::{Connection, ConnectionError, Mode};

use crate::limits::{MAX_CONNECTION_WINDOW_BYTES, MAX_STREAMS};
use guard::{Guarded, Ledger, Stream};

/// Negotiates yamux on a connection that is already authenticated.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Yamux;

impl Yamux {
    fn muxer<C>(io: C, mode: Mode) -> Muxer<C>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let mut config = yamux::Config::default();
        // In this order: a window must hold all streams, and the default has more of them.
        config.set_max_num_streams(MAX_STREAMS);
        config.set_max_connection_receive_window(Some(MAX_CONNECTION_WINDOW_BYTES));
        let ledger = Ledger::default();
        let connection = Connection::new(Guarded::new(io, ledger.clone()), config, mode);
        Muxer { connection, ledger, arrived: VecDeque::new(), waker: None }
    }
}

impl UpgradeInfo for Yamux {
    type Info = &'static str;
    type InfoIter = std::iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once("/yamux/1.0.0")
    }
}

impl<C> InboundConnectionUpgrade<C> for Yamux
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, io: C, _: Self::Info) -> Self::Future {
        ready(Ok(Self::muxer(io, Mode::Server)))
    }
}

impl<C> OutboundConnectionUpgrade<C> for Yamux
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, io: C, _: Self::Info) -> Self::Future {
        ready(Ok(Self::muxer(io, Mode::Client)))
    }
}

/// A multiplexed connection.
///
/// yamux only makes progress while it is asked for inbound streams. Whoever asks for something else lets
/// them arrive here; yamux itself refuses more than the limit.
#[derive(Debug)]
pub(crate) struct Muxer<C> {
    connection: Connection<Guarded<C>>,
    ledger: Ledger,
    arrived: VecDeque<Stream>,
    waker: Option<Waker>,
}

impl<C> Muxer<C>
where
    C: AsyncRead + AsyncWrite + Unpin + 'static,
{
    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stream, ConnectionError>> {
        let arrival = ready!(self.connection.poll_next_inbound(cx));
        let stream = arrival.unwrap_or(Err(ConnectionError::Closed))?;
        Poll::Ready(Ok(Stream::inbound(stream, self.ledger.clone())))
    }
}

impl<C> StreamMuxer for Muxer<C>
where
    C: AsyncRead + AsyncWrite + Unpin + 'static,
{
    type Substream = Stream;
    type Error = ConnectionError;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        if let Some(stream) = self.arrived.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let arrival = self.poll_arrival(cx);
        if arrival.is_pending() {
            self.waker = Some(cx.waker().clone());
        }
        arrival
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let stream = ready!(self.connection.poll_new_outbound(cx))?;
        Poll::Ready(Ok(Stream::outbound(stream, self.ledger.clone())))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connection.poll_close(cx)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        let Poll::Ready(stream) = self.poll_arrival(cx)? else { return Poll::Pending };
        // A stream that is too many is dropped, which resets it.
        if self.arrived.len() < MAX_STREAMS {
            self.arrived.push_back(stream);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
        // There may be more; let others run first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
