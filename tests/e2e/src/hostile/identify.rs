//! libp2p's identification, which every connection may push as often as it likes.

use std::io;
use std::net::Ipv4Addr;

use futures::AsyncWriteExt;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use prost::Message;

use super::identity::Identity;
use super::link::Link;

/// What a peer says of itself, and of us.
#[derive(Clone, PartialEq, Message)]
pub struct Identify {
    /// Its public key.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub public_key: Option<Vec<u8>>,
    /// Where it listens.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub listen_addrs: Vec<Vec<u8>>,
    /// What it speaks.
    #[prost(string, repeated, tag = "3")]
    pub protocols: Vec<String>,
    /// Where it sees us.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub observed_addr: Option<Vec<u8>>,
    /// Its family of protocols.
    #[prost(string, optional, tag = "5")]
    pub protocol_version: Option<String>,
    /// Its software.
    #[prost(string, optional, tag = "6")]
    pub agent_version: Option<String>,
}

/// What we say of ourselves, different for each number.
pub fn of(identity: &Identity, observed: &Multiaddr, number: u32) -> Identify {
    Identify {
        public_key: Some(identity.keypair().public().encode_protobuf()),
        protocols: (0..20).map(|k| format!("/made-up/{number}/{k}")).collect(),
        observed_addr: Some(observed.to_vec()),
        protocol_version: Some("/lockstep/channel/1".to_owned()),
        agent_version: Some("x".repeat(64)),
        listen_addrs: (0..20_u16).map(|k| somewhere(number, k)).collect(),
    }
}

/// Tells the victim, once more, at which address it is seen: each time another one.
///
/// # Errors
/// When the victim does not take it.
pub async fn push(link: &Link, identity: &Identity, number: u32) -> io::Result<()> {
    let dns = format!("/dns/{number:0200}.example/tcp/{}", number % 65_535 + 1);
    let observed: Multiaddr = dns.parse().map_err(io::Error::other)?;
    let said = of(identity, &observed, number).encode_length_delimited_to_vec();
    let mut stream = link.open_as("/ipfs/id/push/1.0.0").await?;
    stream.write_all(&said).await?;
    stream.close().await
}

fn somewhere(number: u32, port: u16) -> Vec<u8> {
    let ip = Ipv4Addr::from(0x0a00_0000 + number % 0xff_ffff);
    Multiaddr::from(ip).with(Protocol::Tcp(port + 1)).to_vec()
}
