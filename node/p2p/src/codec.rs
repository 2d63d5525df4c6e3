//! Bytes to schema and back, with one form for each message.
//!
//! A frame must be what encoding its own content gives. So a field that this version does not know, a
//! field given twice, or a number in more bytes than it needs is refused and not skipped (P69): what two
//! peers read in the same bytes can't differ. New fields come with a feature bit.

use lockstep_core::error::ErrorClass;
use lockstep_proto::limit::{MAX_PEER_FRAME_BYTES, MAX_TOWER_FRAME_BYTES};
use lockstep_proto::v1;
use prost::Message;
use thiserror::Error;

/// Why bytes are no frame, or a frame no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The bytes are not of the schema.
    #[error("bytes are not a message")]
    NotAMessage,
    /// They hold an unknown field, or something in an unusual form.
    #[error("message is not in its one form")]
    NotCanonical,
    /// A message of ours that does not fit a frame.
    #[error("message of {len} bytes is larger than a frame")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
    },
}

impl CodecError {
    /// What comes in is the peer's fault, what goes out our caller's.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NotAMessage | Self::NotCanonical => ErrorClass::PeerFault,
            Self::TooLarge { .. } => ErrorClass::Refused,
        }
    }
}

/// A schema whose messages travel in frames.
pub trait Frame: Message + Default {
    /// Units: bytes of the largest one.
    const MAX_BYTES: u32;
}

impl Frame for v1::PeerFrame {
    const MAX_BYTES: u32 = MAX_PEER_FRAME_BYTES;
}

impl Frame for v1::TowerFrame {
    const MAX_BYTES: u32 = MAX_TOWER_FRAME_BYTES;
}

/// Decodes a frame of the channel protocol; `scratch` is any buffer, used again for each frame.
///
/// # Errors
/// [`CodecError`].
pub fn decode(bytes: &[u8], scratch: &mut Vec<u8>) -> Result<v1::PeerFrame, CodecError> {
    decode_as(bytes, scratch)
}

/// As [`decode`], of any of our protocols.
///
/// # Errors
/// [`CodecError`].
pub fn decode_as<F: Frame>(bytes: &[u8], scratch: &mut Vec<u8>) -> Result<F, CodecError> {
    let frame = F::decode(bytes).map_err(|_| CodecError::NotAMessage)?;
    if frame.encoded_len() != bytes.len() {
        return Err(CodecError::NotCanonical);
    }
    scratch.clear();
    frame.encode(scratch).map_err(|_| CodecError::NotCanonical)?;
    if scratch.as_slice() == bytes { Ok(frame) } else { Err(CodecError::NotCanonical) }
}

/// The length that a frame has as bytes.
///
/// # Errors
/// [`CodecError::TooLarge`].
pub fn len<F: Frame>(frame: &F) -> Result<u32, CodecError> {
    let len = frame.encoded_len();
    match u32::try_from(len) {
        Ok(short) if short <= F::MAX_BYTES => Ok(short),
        Ok(_) | Err(_) => Err(CodecError::TooLarge { len }),
    }
}

/// Appends a frame with its length prefix.
///
/// # Errors
/// [`CodecError::TooLarge`]; the buffer is as before.
pub fn encode<F: Frame>(frame: &F, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
    let len = len(frame)?;
    let before = buffer.len();
    buffer.extend(len.to_be_bytes());
    frame.encode(buffer).map_err(|_| {
        buffer.truncate(before);
        CodecError::TooLarge { len: frame.encoded_len() }
    })
}
