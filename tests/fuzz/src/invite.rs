//! Wraps any bytes as an invite: the checksum keeps damaged text out, and nobody else.

use alloy_primitives::keccak256;
use lockstep_p2p::invite::SCHEME;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The text of an invite with these bytes in it, whatever they are.
#[must_use]
pub fn wrap(bytes: &[u8]) -> String {
    let checksum = keccak256([b"lockstep invite", bytes].concat());
    let whole = [bytes, &checksum[..4]].concat();
    let mut text = SCHEME.to_owned();
    for block in whole.chunks(5) {
        let mut bits = [0; 8];
        bits[3..3 + block.len()].copy_from_slice(block);
        let bits = u64::from_be_bytes(bits);
        for letter in 0..(block.len() * 8).div_ceil(5) {
            let index = usize::try_from(bits >> (35 - 5 * letter)).unwrap_or(0) % 32;
            text.push(char::from(ALPHABET[index]));
        }
    }
    text
}

/// The bytes of an invite to a node: version, flags, chain, key, peer id, one address, terms.
#[must_use]
pub fn sample(node_key: [u8; 33], has_terms: bool) -> Vec<u8> {
    // An EVM chain is kind 1.
    let mut bytes = vec![1, u8::from(has_terms), 1];
    bytes.extend(31_337_u64.to_be_bytes());
    bytes.extend([0xcc; 20]);
    bytes.extend(node_key);
    // An ed25519 key as a peer id: an identity multihash of a protobuf.
    bytes.extend([38, 0, 36, 8, 1, 18, 32]);
    bytes.extend([7; 32]);
    // /ip4/127.0.0.1/tcp/4001
    bytes.extend([1, 8, 4, 127, 0, 0, 1, 6, 0x0f, 0xa1]);
    if has_terms {
        bytes.extend([0; 20]);
        bytes.extend(3_600_u32.to_be_bytes());
        bytes.extend([2, 3, 232, 1, 9]);
    }
    bytes
}
