//! Where a connection comes from, as far as one party is likely to be behind it.

use std::net::{Ipv4Addr, Ipv6Addr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// What is counted as one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// The upper half of an IPv6 address: whoever has one address has the whole network.
    V6(u64),
    /// All that comes through relays, whose own addresses say nothing about the peer.
    Relayed,
}

impl Source {
    /// Of a remote address.
    pub(crate) fn of(address: &Multiaddr) -> Self {
        if is_relayed(address) {
            return Self::Relayed;
        }
        address.iter().find_map(|part| Self::of_part(&part)).unwrap_or(Self::Relayed)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "an open enum of libp2p")]
    fn of_part(part: &Protocol<'_>) -> Option<Self> {
        match part {
            Protocol::Ip4(ip) => Some(Self::V4(*ip)),
            Protocol::Ip6(ip) => Some(Self::of_v6(*ip)),
            _ => None,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Self {
        match ip.to_ipv4_mapped() {
            Some(v4) => Self::V4(v4),
            None => {
                let [a, b, c, d, ..] = ip.segments();
                let upper = [a, b, c, d]
                    .into_iter()
                    .fold(0_u64, |sum, segment| sum.wrapping_shl(16) | u64::from(segment));
                Self::V6(upper)
            }
        }
    }
}

/// Whether an address leads through a relay.
pub(crate) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Source {
        Source::of(&address.parse().unwrap())
    }

    #[test]
    fn p61_an_ipv6_network_and_a_mapped_address_count_as_one_place() {
        assert_eq!(of("/ip6/2001:db8:1:2::1/tcp/1"), of("/ip6/2001:db8:1:2:ffff::9/udp/5/quic-v1"));
        assert_ne!(of("/ip6/2001:db8:1:2::1/tcp/1"), of("/ip6/2001:db8:1:3::1/tcp/1"));
        assert_eq!(of("/ip6/::ffff:10.0.0.1/tcp/1"), of("/ip4/10.0.0.1/tcp/2"));
        assert_ne!(of("/ip4/10.0.0.1/tcp/1"), of("/ip4/10.0.0.2/tcp/1"));
    }

    #[test]
    fn p61_whatever_comes_through_a_relay_is_one_place() {
        let peer = libp2p::PeerId::random();
        assert_eq!(of(&format!("/p2p/{peer}")), Source::Relayed);
        assert_eq!(of(&format!("/ip4/10.0.0.1/tcp/1/p2p/{peer}/p2p-circuit")), Source::Relayed);
    }
}
