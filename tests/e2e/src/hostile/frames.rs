//! yamux by hand: headers that a muxer of good will would never write.

use std::io;

use futures::{AsyncReadExt, AsyncWriteExt};

use super::place::Pipe;

/// What a frame is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Bytes of a stream.
    Data = 0,
    /// Room for more of them.
    Window = 1,
    /// A question whether we are there.
    Ping = 2,
    /// The end.
    GoAway = 3,
    /// Nothing that yamux knows.
    Unknown = 9,
}

/// The first frame of a stream.
pub const SYN: u16 = 1;
/// The answer to one.
pub const ACK: u16 = 2;
/// The last frame of a stream in this direction.
pub const FIN: u16 = 4;
/// A stream is broken off.
pub const RST: u16 = 8;

/// A header, whatever it means.
pub fn header(kind: Kind, flags: u16, stream: u32, len: u32) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[1] = kind as u8;
    bytes[2..4].copy_from_slice(&flags.to_be_bytes());
    bytes[4..8].copy_from_slice(&stream.to_be_bytes());
    bytes[8..].copy_from_slice(&len.to_be_bytes());
    bytes
}

/// A whole data frame.
pub fn data(flags: u16, stream: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("a body of ours is short");
    [&header(Kind::Data, flags, stream, len)[..], body].concat()
}

/// Writes and reads at once, so that the victim is never held up by answers that nobody takes. Says how
/// many bytes were written until the victim had enough, or all of them.
///
/// # Errors
/// Never by itself; what breaks ends it.
pub async fn pour(pipe: &mut Pipe, bytes: &[u8]) -> io::Result<usize> {
    let (mut reader, mut writer) = pipe.split();
    let mut written = 0;
    let mut sink = [0; 4_096];
    let pouring = async {
        for part in bytes.chunks(16 * 1024) {
            writer.write_all(part).await?;
            written += part.len();
        }
        writer.flush().await
    };
    let draining = async {
        while reader.read(&mut sink).await? > 0 {}
        io::Result::Ok(())
    };
    tokio::select! {
        poured = pouring => poured?,
        ended = draining => ended?,
    }
    Ok(written)
}

/// Whether the victim has ended a connection; reads what it says until then.
///
/// # Errors
/// When it says nothing more and does not end it either.
pub async fn until_ended(pipe: &mut Pipe, within: std::time::Duration) -> io::Result<()> {
    let mut sink = [0; 4_096];
    let ended = async { while !matches!(pipe.read(&mut sink).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(within, ended).await.map_err(|_| io::ErrorKind::TimedOut.into())
}
