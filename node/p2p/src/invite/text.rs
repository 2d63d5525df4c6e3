//! Bytes as text that survives mail, chat and a QR code: base32 with a checksum.

use alloy_primitives::keccak256;

use super::InviteError;

/// What an invite begins with.
pub const SCHEME: &str = "lockstep:";
/// Units: bytes of text. Eight long addresses and terms take about 1,500.
pub const MAX_TEXT_BYTES: usize = 4_000;

/// RFC 4648; as capitals it is also what QR codes store best.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// One in four thousand million damaged invites passes.
const CHECKSUM_BYTES: usize = 4;
/// Keeps this checksum apart from other hashes of the same bytes.
const CHECKSUM_TAG: &[u8] = b"lockstep invite";

/// Text in small letters.
pub(super) fn encode(bytes: &[u8]) -> String {
    let checksum = checksum(bytes);
    let mut text = String::from(SCHEME);
    let (mut bits, mut held) = (0_u16, 0_u32);
    for byte in bytes.iter().chain(&checksum) {
        bits = bits.wrapping_shl(8) | u16::from(*byte);
        held = held.saturating_add(8);
        while held >= 5 {
            held = held.saturating_sub(5);
            text.push(letter(bits.wrapping_shr(held)));
            bits &= !u16::MAX.wrapping_shl(held);
        }
    }
    if held > 0 {
        text.push(letter(bits.wrapping_shl(5_u32.saturating_sub(held))));
    }
    text
}

fn letter(bits: u16) -> char {
    let index = usize::from(bits & 31);
    ALPHABET.get(index).copied().map_or(' ', char::from)
}

/// The bytes of a text in either case, whatever it is.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, InviteError> {
    let text = text.trim();
    let len = text.len();
    if len > MAX_TEXT_BYTES {
        return Err(InviteError::TooLong { len });
    }
    let (scheme, body) = text.split_at_checked(SCHEME.len()).ok_or(InviteError::NotAnInvite)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(InviteError::NotAnInvite);
    }
    let mut bytes = Vec::with_capacity(body.len());
    let (mut bits, mut held) = (0_u16, 0_u32);
    for (at, byte) in body.bytes().enumerate() {
        let position = SCHEME.len().saturating_add(at);
        let value = ALPHABET.iter().position(|letter| *letter == byte.to_ascii_lowercase());
        let value = value.and_then(|value| u16::try_from(value).ok());
        bits = bits.wrapping_shl(5) | value.ok_or(InviteError::Character { position })?;
        held = held.saturating_add(5);
        if held >= 8 {
            held = held.saturating_sub(8);
            let [_, low] = bits.wrapping_shr(held).to_be_bytes();
            bytes.push(low);
            bits &= !u16::MAX.wrapping_shl(held);
        }
    }
    // What is left is the filling of the last letter.
    if bits != 0 || held >= 5 {
        return Err(InviteError::Checksum);
    }
    let at = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(InviteError::Truncated)?;
    let found = bytes.split_off(at);
    if found == checksum(&bytes) { Ok(bytes) } else { Err(InviteError::Checksum) }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = keccak256([CHECKSUM_TAG, bytes].concat()).0;
    [a, b, c, d]
}
