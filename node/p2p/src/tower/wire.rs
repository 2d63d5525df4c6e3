//! Frames of the tower protocol on a stream.

use core::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use lockstep_proto::v1::TowerFrame;
use lockstep_proto::v1::tower_frame::Body;

use crate::codec::{self, Frame};
use crate::frame::{self, FrameLen};
use crate::limits::TimeLimits;
use crate::session::SessionEnd;

/// Writes one frame after the other into a buffer that is used again.
pub(super) struct FrameWriter<W> {
    writer: W,
    within: Duration,
    buffer: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub(super) fn new(writer: W, times: &TimeLimits) -> Self {
        Self { writer, within: times.write, buffer: Vec::new() }
    }

    pub(super) async fn write(&mut self, request_id: u64, body: Body) -> Result<(), SessionEnd> {
        self.buffer.clear();
        codec::encode(&TowerFrame { request_id, body: Some(body) }, &mut self.buffer)?;
        Ok(frame::write_all(&mut self.writer, &self.buffer, self.within).await?)
    }
}

/// Reads one frame after the other into a buffer that is used again.
pub(super) struct FrameReader<R> {
    reader: R,
    times: TimeLimits,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(reader: R, times: TimeLimits) -> Self {
        Self { reader, times, buffer: Vec::new(), scratch: Vec::new() }
    }

    /// Waits for a frame and gives its length, which may be paid for before the rest is read.
    pub(super) async fn length(&mut self) -> Result<FrameLen, SessionEnd> {
        let (silence, within) = (self.times.silence, self.times.frame);
        let most = TowerFrame::MAX_BYTES;
        Ok(frame::read_len_of(&mut self.reader, most, silence, within).await?)
    }

    /// The frame of a length.
    pub(super) async fn body(&mut self, len: FrameLen) -> Result<(u64, Body), SessionEnd> {
        frame::read_body(&mut self.reader, len, &mut self.buffer, self.times.frame).await?;
        let frame: TowerFrame = codec::decode_as(&self.buffer, &mut self.scratch)?;
        Ok((frame.request_id, frame.body.ok_or(SessionEnd::OutOfPlace)?))
    }
}
