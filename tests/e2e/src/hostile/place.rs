//! Where an attacker comes from: any address of the loopback network, and how far it goes in making a link.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Pending, Ready, ready};
use futures::{AsyncRead, AsyncWrite, FutureExt};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent};
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportError, TransportEvent};
use libp2p::core::upgrade::{
    InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo, Version,
};
use libp2p::core::{Endpoint, Transport};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, noise, yamux};
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use super::identity::Identity;

/// Bytes both ways.
pub trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// An authenticated connection that takes yamux frames as they are.
pub type Pipe = Box<dyn Bytes>;

/// One of the sixteen million addresses that a Linux machine has for itself. No two numbers below 65,000
/// share one, and none of them is 127.0.0.1.
pub fn place(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x7f01_0000 + number % 0xffff)
}

/// A connection that has shown nothing yet.
///
/// # Errors
/// When it is not taken.
pub async fn connect(from: Ipv4Addr, at: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let stream = socket.connect(at).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection that is authenticated and speaks yamux by hand.
///
/// # Errors
/// When the victim does not take it.
pub async fn pipe(from: Ipv4Addr, identity: &Identity, at: SocketAddr) -> io::Result<Pipe> {
    let noise = noise::Config::new(identity.keypair()).map_err(io::Error::other)?;
    let mut transport = From(from)
        .upgrade(Version::V1)
        .authenticate(noise)
        .multiplex(ByHand)
        .map(|(_, by_hand), _| by_hand)
        .boxed();
    let OneStream(pipe) = dial(&mut transport, at).await?;
    pipe.ok_or_else(|| io::ErrorKind::NotConnected.into())
}

/// A connection that is authenticated and multiplexed.
///
/// # Errors
/// When the victim does not take it.
pub async fn muxed(
    from: Ipv4Addr,
    identity: &Identity,
    at: SocketAddr,
) -> io::Result<(PeerId, StreamMuxerBox)> {
    let noise = noise::Config::new(identity.keypair()).map_err(io::Error::other)?;
    let mut transport = From(from)
        .upgrade(Version::V1)
        .authenticate(noise)
        .multiplex(yamux::Config::default())
        .boxed();
    dial(&mut transport, at).await
}

async fn dial<T: 'static>(
    transport: &mut libp2p::core::transport::Boxed<T>,
    at: SocketAddr,
) -> io::Result<T> {
    let address = Multiaddr::from(at.ip()).with(Protocol::Tcp(at.port()));
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    transport.dial(address, options).map_err(io::Error::other)?.await.map_err(io::Error::other)
}

/// TCP from an address of the caller's choice, which libp2p's own transport can't.
struct From(Ipv4Addr);

impl Transport for From {
    type Output = Compat<TcpStream>;
    type Error = io::Error;
    type ListenerUpgrade = Pending<io::Result<Self::Output>>;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

    fn listen_on(
        &mut self,
        _: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Self::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<Self::Error>> {
        let Some(at) = socket_of(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let from = self.0;
        Ok(async move { Ok(connect(from, at).await?.compat()) }.boxed())
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        Poll::Pending
    }
}

/// The TCP socket that an address names.
#[expect(clippy::wildcard_enum_match_arm, reason = "an open enum of libp2p")]
pub fn socket_of(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::from(ip),
        Protocol::Ip6(ip) => IpAddr::from(ip),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::from((ip, port))),
        _ => None,
    }
}

/// A multiplexed connection in name, for which libp2p asks: all of it is one stream.
struct OneStream(Option<Pipe>);

impl StreamMuxer for OneStream {
    type Substream = Pipe;
    type Error = io::Error;

    fn poll_inbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<Pipe>> {
        Poll::Pending
    }

    fn poll_outbound(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<Pipe>> {
        self.0.take().map_or(Poll::Pending, |pipe| Poll::Ready(Ok(pipe)))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Poll::Pending
    }
}

/// Says that it speaks yamux, and leaves the speaking to the caller.
#[derive(Clone, Copy)]
struct ByHand;

impl UpgradeInfo for ByHand {
    type Info = &'static str;
    type InfoIter = std::iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once("/yamux/1.0.0")
    }
}

impl<C: Bytes + 'static> OutboundConnectionUpgrade<C> for ByHand {
    type Output = OneStream;
    type Error = io::Error;
    type Future = Ready<io::Result<OneStream>>;

    fn upgrade_outbound(self, io: C, _: Self::Info) -> Self::Future {
        ready(Ok(OneStream(Some(Box::new(io)))))
    }
}

impl<C: Bytes + 'static> InboundConnectionUpgrade<C> for ByHand {
    type Output = OneStream;
    type Error = io::Error;
    type Future = Ready<io::Result<OneStream>>;

    fn upgrade_inbound(self, io: C, _: Self::Info) -> Self::Future {
        ready(Ok(OneStream(Some(Box::new(io)))))
    }
}
