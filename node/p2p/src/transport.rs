//! The links: TCP with noise and yamux, QUIC, and both of them through a relay; names by DNS.

use std::io;
use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::transport::{Boxed, OrTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, dns, noise, quic, relay, tcp};
use lockstep_core::error::ErrorClass;
use thiserror::Error;

use crate::limits::{MAX_CONNECTION_WINDOW_BYTES, MAX_STREAMS};
use crate::muxer::Yamux;

/// Why there is no transport.
#[derive(Debug, Error)]
pub enum TransportError {
    /// The identity can't authenticate connections.
    #[error("transport identity does not make a noise key")]
    Noise(#[source] noise::Error),
    /// The system's resolver can't be read.
    #[error("system's DNS configuration cannot be read")]
    Resolver(#[source] io::Error),
}

impl TransportError {
    /// The operator has to look at the machine.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Noise(_) | Self::Resolver(_) => ErrorClass::Refused,
        }
    }
}

/// Connections that are authenticated and multiplexed.
pub(crate) type Links = Boxed<(PeerId, StreamMuxerBox)>;

/// The transport, and the behaviour that relayed connections need beside it.
///
/// `within` bounds each connection's way from its first byte to its authenticated form.
///
/// # Errors
/// [`TransportError`].
pub(crate) fn links(
    keypair: &Keypair,
    within: Duration,
) -> Result<(Links, relay::client::Behaviour), TransportError> {
    let noise = noise::Config::new(keypair).map_err(TransportError::Noise)?;
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise.clone())
        .multiplex(Yamux)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let quic = quic::tokio::Transport::new(quic_config(keypair, within))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let direct = OrTransport::new(tcp, quic).map(|either, _| either.into_inner());
    let named = dns::tokio::Transport::system(direct).map_err(TransportError::Resolver)?;
    let (relayed, behaviour) = relay::client::new(keypair.public().to_peer_id());
    let relayed = relayed
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(Yamux)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    // Relayed addresses hold direct ones, so they are looked at first.
    let all = OrTransport::new(relayed, named).map(|either, _| either.into_inner());
    Ok((TransportTimeout::new(all, within).boxed(), behaviour))
}

/// QUIC's own multiplexing with the numbers that yamux has.
fn quic_config(keypair: &Keypair, within: Duration) -> quic::Config {
    let mut config = quic::Config::new(keypair);
    config.handshake_timeout = within;
    // All three fit their fields by far; a number that did not would be the default.
    if let Ok(streams) = u32::try_from(MAX_STREAMS) {
        config.max_concurrent_stream_limit = streams;
    }
    if let Ok(window) = u32::try_from(MAX_CONNECTION_WINDOW_BYTES) {
        config.max_connection_data = window;
        config.max_stream_data = window.div_euclid(config.max_concurrent_stream_limit.max(1));
    }
    config
}
