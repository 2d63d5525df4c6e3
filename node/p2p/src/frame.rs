//! Frames on a stream: four bytes of length, most significant first, then so many bytes.
//!
//! The length is checked before anything is allocated for it (P60). An empty frame has no meaning and is
//! refused.

use core::time::Duration;
use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use lockstep_core::error::ErrorClass;
use thiserror::Error;
use tokio::time::timeout;

use crate::limits::MAX_FRAME_BYTES;

/// Why a stream gave no frame or took none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A length of zero or above the limit.
    #[error("frame of {len} bytes is empty or larger than its protocol allows")]
    Length {
        /// What the prefix says.
        len: u32,
    },
    /// A frame that had begun did not end in time.
    #[error("frame did not arrive in time")]
    Slow,
    /// The peer does not read what we write.
    #[error("peer does not take what is sent")]
    Stalled,
    /// Nothing came for too long.
    #[error("peer is silent")]
    Silent,
    /// The peer ended the stream between two frames.
    #[error("peer closed the stream")]
    Closed,
    /// The stream broke.
    #[error("stream broke: {kind}")]
    Io {
        /// How.
        kind: io::ErrorKind,
    },
}

impl FrameError {
    /// A wrong length or a frame that is dripped is the peer's fault; links break by themselves.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Length { .. } | Self::Slow => ErrorClass::PeerFault,
            Self::Stalled | Self::Silent | Self::Closed | Self::Io { .. } => ErrorClass::Transient,
        }
    }
}

/// A length that is within the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLen(u32);

impl FrameLen {
    /// Checks a length prefix of the channel protocol.
    ///
    /// # Errors
    /// [`FrameError::Length`].
    pub fn new(len: u32) -> Result<Self, FrameError> {
        Self::within(len, MAX_FRAME_BYTES)
    }

    /// Checks a length prefix of a protocol whose frames have at most so many bytes.
    ///
    /// # Errors
    /// [`FrameError::Length`].
    pub fn within(len: u32, most: u32) -> Result<Self, FrameError> {
        if len == 0 || len > most {
            return Err(FrameError::Length { len });
        }
        Ok(Self(len))
    }

    /// Units: bytes.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// Waits for the first byte of a frame for at most `silence`, then reads the rest of its length.
///
/// # Errors
/// [`FrameError`]; the stream is of no use any more.
pub async fn read_len<R: AsyncRead + Unpin>(
    reader: &mut R,
    silence: Duration,
    within: Duration,
) -> Result<FrameLen, FrameError> {
    read_len_of(reader, MAX_FRAME_BYTES, silence, within).await
}

/// As [`read_len`], of a protocol whose frames have at most so many bytes.
///
/// # Errors
/// [`FrameError`]; the stream is of no use any more.
pub async fn read_len_of<R: AsyncRead + Unpin>(
    reader: &mut R,
    most: u32,
    silence: Duration,
    within: Duration,
) -> Result<FrameLen, FrameError> {
    let mut prefix = [0; 4];
    let (first, rest) = prefix.split_at_mut(1);
    let read = timeout(silence, reader.read(first)).await.map_err(|_| FrameError::Silent)?;
    match read {
        Ok(0) => return Err(FrameError::Closed),
        Ok(_) => {}
        Err(error) => return Err(broke(&error)),
    }
    read_all(reader, rest, within).await?;
    FrameLen::within(u32::from_be_bytes(prefix), most)
}

/// Reads what a length has announced into a buffer that is used again for each frame.
///
/// # Errors
/// [`FrameError`]; the stream is of no use any more.
pub async fn read_body<R: AsyncRead + Unpin>(
    reader: &mut R,
    len: FrameLen,
    buffer: &mut Vec<u8>,
    within: Duration,
) -> Result<(), FrameError> {
    let len = usize::try_from(len.0).map_err(|_| FrameError::Length { len: len.0 })?;
    buffer.clear();
    buffer.resize(len, 0);
    read_all(reader, buffer, within).await
}

async fn read_all<R: AsyncRead + Unpin>(
    reader: &mut R,
    bytes: &mut [u8],
    within: Duration,
) -> Result<(), FrameError> {
    timeout(within, reader.read_exact(bytes))
        .await
        .map_err(|_| FrameError::Slow)?
        .map_err(|error| broke(&error))
}

/// Writes frames that are already prefixed and flushes them.
///
/// # Errors
/// [`FrameError`]; the stream is of no use any more.
pub async fn write_all<W: AsyncWrite + Unpin>(
    writer: &mut W,
    frames: &[u8],
    within: Duration,
) -> Result<(), FrameError> {
    let write = async {
        writer.write_all(frames).await?;
        writer.flush().await
    };
    timeout(within, write).await.map_err(|_| FrameError::Stalled)?.map_err(|error| broke(&error))
}

fn broke(error: &io::Error) -> FrameError {
    FrameError::Io { kind: error.kind() }
}
