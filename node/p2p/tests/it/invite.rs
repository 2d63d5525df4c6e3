//! Invites as text and as QR codes.

use alloy_primitives::{Address, B256};
use libp2p::{Multiaddr, PeerId};
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::{AccountRef, Domain, NodeId};
use lockstep_core::money::Amount;
use lockstep_p2p::TransportIdentity;
use lockstep_p2p::invite::{Invite, InviteError, InviteTerms, MAX_TEXT_BYTES};
use lockstep_p2p::port::NodeKey;
use proptest::prelude::*;

use crate::fixture::{DOMAIN, TestKey};

fn peer() -> PeerId {
    TransportIdentity::from_secret(&mut [5; 32]).unwrap().peer_id()
}

fn node() -> NodeId {
    TestKey::new(1).node_id()
}

fn addresses() -> Vec<Multiaddr> {
    let relay = TransportIdentity::from_secret(&mut [6; 32]).unwrap().peer_id();
    vec![
        "/ip4/203.0.113.7/tcp/9735".parse().unwrap(),
        "/ip6/2001:db8::1/udp/9735/quic-v1".parse().unwrap(),
        format!("/dns4/relay.example/tcp/4001/p2p/{relay}/p2p-circuit/p2p/{}", peer())
            .parse()
            .unwrap(),
    ]
}

fn invite() -> Invite {
    let terms = InviteTerms {
        token: AccountRef::Evm(Address::repeat_byte(7)),
        challenge_period: 172_800,
        opener_deposit: Amount::from(10_u128.pow(18)),
        inviter_deposit: Amount::ZERO,
    };
    Invite::new(DOMAIN, node(), peer(), addresses(), Some(terms)).unwrap()
}

#[test]
fn an_invite_comes_back_from_its_text_in_either_case() {
    let plain = Invite::new(DOMAIN, node(), peer(), addresses(), None).unwrap();
    let starknet =
        Domain::Starknet { chain_id: B256::with_last_byte(3), hub: B256::with_last_byte(4) };
    let starknet = Invite::new(starknet, node(), peer(), addresses(), None).unwrap();
    for invite in [invite(), plain, starknet] {
        let text = invite.to_text();
        assert_eq!(Invite::from_text(&text), Ok(invite.clone()));
        assert_eq!(Invite::from_text(&format!("  {}\n", text.to_ascii_uppercase())), Ok(invite));
    }
}

#[test]
fn an_invite_is_compact() {
    let short = Invite::new(DOMAIN, node(), peer(), addresses()[..1].to_vec(), None).unwrap();
    let len = short.to_text().len();
    assert!(len < 210, "{len}");
}

#[test]
fn every_changed_character_and_every_cut_is_noticed() {
    let text = invite().to_text();
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'q' { b'r' } else { b'q' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(Invite::from_text(&changed).is_err(), "{at}");
        assert!(Invite::from_text(&text[..at]).is_err(), "{at}");
    }
    assert_eq!(Invite::from_text(&format!("{text}a")).unwrap_err(), InviteError::Checksum);
}

#[test]
fn what_is_no_invite_says_so() {
    let long = format!("lockstep:{}", "a".repeat(MAX_TEXT_BYTES));
    let len = long.len();
    let cases = [
        ("", InviteError::NotAnInvite),
        ("lightning:abc", InviteError::NotAnInvite),
        ("löckstep:abc", InviteError::NotAnInvite),
        ("lockstep:", InviteError::Truncated),
        ("lockstep:a!b", InviteError::Character { position: 10 }),
        ("lockstep:aaaaaaaaaaaaaaa", InviteError::Checksum),
        (long.as_str(), InviteError::TooLong { len }),
    ];
    for (text, error) in cases {
        assert_eq!(Invite::from_text(text), Err(error), "{text}");
        assert_eq!(error.class(), ErrorClass::Refused);
    }
}

#[test]
fn an_invite_that_breaks_an_invariant_can_not_be_made() {
    let other: Multiaddr = format!("/ip4/1.2.3.4/tcp/1/p2p/{}", PeerId::random()).parse().unwrap();
    let new = |node_id, addresses| Invite::new(DOMAIN, node_id, peer(), addresses, None);
    assert_eq!(new(node(), Vec::new()), Err(InviteError::Addresses { count: 0 }));
    let nine = vec![addresses()[0].clone(); 9];
    assert_eq!(new(node(), nine), Err(InviteError::Addresses { count: 9 }));
    assert_eq!(new(node(), vec![other]), Err(InviteError::Part { part: "address" }));
    let no_key = NodeId([9; 33]);
    assert_eq!(new(no_key, addresses()), Err(InviteError::Part { part: "node key" }));
}

/// What a camera would see of the drawing: four pixels a module, light where something is drawn.
fn scan(drawing: &str) -> String {
    const SCALE: usize = 4;
    let rows: Vec<Vec<char>> = drawing.lines().map(|line| line.chars().collect()).collect();
    let (width, height) = (rows[0].len() * SCALE, rows.len() * 2 * SCALE);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        let (column, row) = (x / SCALE, y / SCALE);
        let is_light = match rows[row / 2][column] {
            '█' => true,
            '▀' => row % 2 == 0,
            '▄' => row % 2 == 1,
            _ => false,
        };
        if is_light { 255 } else { 0 }
    });
    image.detect_grids()[0].decode().unwrap().1
}

#[test]
fn the_qr_code_can_be_read_by_another_program() {
    let text = scan(&invite().to_qr().unwrap());
    assert_eq!(Invite::from_text(&text), Ok(invite()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn p67_no_text_makes_the_invite_reader_panic(text in "\\PC{0,300}") {
        prop_assert!(Invite::from_text(&text).is_err());
        let text = format!("lockstep:{text}");
        prop_assert!(Invite::from_text(&text).is_err());
    }

    #[test]
    fn p67_no_bytes_with_a_good_checksum_make_the_invite_reader_panic(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = bytes_of(&invite().to_text());
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let text = text_of(&bytes);
        if let Ok(invite) = Invite::from_text(&text) {
            prop_assert_eq!(invite.to_text(), text);
        }
    }
}

const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The payload of a text, without its checksum: a second, plainer reader.
fn bytes_of(text: &str) -> Vec<u8> {
    let letters = text.strip_prefix("lockstep:").unwrap().bytes();
    let values = letters.map(|letter| ALPHABET.iter().position(|other| *other == letter).unwrap());
    let bits: Vec<usize> = values.flat_map(|v| (0..5).rev().map(move |bit| v >> bit & 1)).collect();
    let bytes = bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit));
    let mut bytes: Vec<u8> = bytes.map(|byte| u8::try_from(byte).unwrap()).collect();
    bytes.truncate(bytes.len() - 4);
    bytes
}

/// A text with a checksum that fits.
fn text_of(payload: &[u8]) -> String {
    let checksum = alloy_primitives::keccak256([b"lockstep invite", payload].concat());
    let bytes = [payload, &checksum[..4]].concat();
    let mut bits: Vec<u8> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    bits.resize(bits.len().div_ceil(5) * 5, 0);
    let letters = bits.chunks(5).map(|bits| bits.iter().fold(0, |value, bit| value << 1 | bit));
    let letters: String = letters.map(|value| char::from(ALPHABET[usize::from(value)])).collect();
    format!("lockstep:{letters}")
}
