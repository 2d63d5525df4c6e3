//! Attacks below the handshake of nodes: on sockets, on noise, on yamux, on libp2p's own protocols.

use std::io;
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::frames::{self, FIN, Kind, RST, SYN, data, header, pour};
use super::super::link::Link;
use super::super::place::Pipe;
use super::super::{Aim, identify, place};
use super::{Attacker, until_over};

/// Streams that a connection may have.
const STREAMS: u32 = 64;
/// Units: bytes that fit a stream's window.
const WINDOW: usize = 256 * 1024;
/// The number of the n-th stream that a dialer opens.
fn stream(n: u32) -> u32 {
    2 * n + 1
}

/// Says nothing.
///
/// # Errors
/// When the victim refuses.
pub async fn silence(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let stream = place::connect(by.from, aim.at).await?;
    until_over(by.hold, ended(stream)).await
}

/// Says nonsense.
///
/// # Errors
/// When the victim refuses.
pub async fn garbage(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let mut stream = place::connect(by.from, aim.at).await?;
    let byte = by.number.to_be_bytes()[3];
    stream.write_all(&[byte; 4_096]).await?;
    until_over(by.hold, ended(stream)).await
}

/// Says what it should, but a byte every now and then.
///
/// # Errors
/// When the victim refuses.
pub async fn trickle(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let mut stream = place::connect(by.from, aim.at).await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    let said = b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x20\x01\x02\x03";
    let trickling = async {
        for byte in said {
            ticks.tick().await;
            stream.write_all(&[*byte]).await?;
        }
        ended(stream).await
    };
    until_over(by.hold, trickling).await
}

/// Authenticates and does nothing.
///
/// # Errors
/// When the victim refuses.
pub async fn idleness(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let link = by.link(aim).await?;
    until_over(by.hold, link.closed(by.hold)).await
}

/// Fills the window of every stream. The first streams begin to negotiate and never end, so that the others
/// are not even looked at.
///
/// # Errors
/// When the victim refuses.
pub async fn full_windows(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let mut pipe = by.pipe(aim).await?;
    let mut said = negotiations();
    for n in 8..STREAMS {
        said.extend(data(SYN, stream(n), &vec![0x13; WINDOW]));
    }
    until_over(by.hold, pour(&mut pipe, &said)).await?;
    until_over(by.hold, frames::until_ended(&mut pipe, by.hold)).await
}

/// The same, a byte at a time: what is kept of a frame beside its bytes is many times its bytes.
///
/// # Errors
/// When the victim refuses.
pub async fn tiny_frames(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let mut pipe = by.pipe(aim).await?;
    let filling = async {
        pour(&mut pipe, &negotiations()).await?;
        for n in 8..STREAMS {
            let mut said = data(SYN, stream(n), b"");
            said.extend(data(0, stream(n), &[0x13]).repeat(WINDOW));
            pour(&mut pipe, &said).await?;
        }
        Ok(())
    };
    until_over(by.hold, filling).await?;
    until_over(by.hold, frames::until_ended(&mut pipe, by.hold)).await
}

/// As many streams as may negotiate at a time, which never end to.
fn negotiations() -> Vec<u8> {
    (0..8).flat_map(|n| data(SYN, stream(n), b"\x13/multistream")).collect()
}

/// Frames that break the rules of yamux. None may outlive its connection.
pub fn broken_frames() -> Vec<Vec<u8>> {
    let open = || data(SYN, 1, b"\x13/multistream");
    let room = |flags, credit| header(Kind::Window, flags, 1, credit).to_vec();
    let long = |len| header(Kind::Data, SYN, 1, len).to_vec();
    vec![
        [open(), data(0, 1, &vec![0; WINDOW])].concat(),
        [room(SYN, u32::MAX), vec![]].concat(),
        [open(), room(0, u32::MAX), room(0, u32::MAX)].concat(),
        long(u32::MAX),
        [long(1024 * 1024), vec![0; 1024 * 1024]].concat(),
        data(SYN, 2, b"x"),
        data(SYN, 0, b"x"),
        [open(), open()].concat(),
        header(Kind::Unknown, 0, 1, 0).to_vec(),
        [&[7], &header(Kind::Data, SYN, 1, 0)[1..]].concat(),
        header(Kind::GoAway, 0, 0, 1).to_vec(),
        (0..=STREAMS).flat_map(|n| data(SYN, stream(n), b"\x13/multistream")).collect(),
    ]
}

/// One of these.
///
/// # Errors
/// When the victim refuses.
pub async fn broken_windows(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let all = broken_frames();
    let mut pipe = by.pipe(aim).await?;
    let which = usize::try_from(by.number).map_err(io::Error::other)? % all.len();
    pour(&mut pipe, &all[which]).await?;
    until_over(by.hold, frames::until_ended(&mut pipe, by.hold)).await
}

/// Opens a stream and breaks it off, over and over.
///
/// # Errors
/// When the victim refuses.
pub async fn stream_flood(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let mut pipe = by.pipe(aim).await?;
    let flood = async {
        for first in (0..100_000).step_by(50) {
            let opened = |n| {
                let end = if n % 2 == 0 { RST } else { FIN };
                [data(SYN, stream(n), b"\x13"), header(Kind::Data, end, stream(n), 0).to_vec()]
            };
            let said: Vec<u8> = (first..first + 50).flat_map(opened).flatten().collect();
            pour(&mut pipe, &said).await?;
        }
        Ok(())
    };
    until_over(by.hold, flood).await
}

/// Asks and never reads an answer.
///
/// # Errors
/// When the victim refuses.
pub async fn ping_flood(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let mut pipe = by.pipe(aim).await?;
    until_over(by.hold, ask_on(&mut pipe)).await
}

async fn ask_on(pipe: &mut Pipe) -> io::Result<()> {
    let pings = header(Kind::Ping, SYN, 0, 7).repeat(4_096);
    loop {
        pipe.write_all(&pings).await?;
    }
}

/// Opens streams of whatever protocol, over and over.
///
/// # Errors
/// When the victim refuses.
pub async fn protocols(by: &Attacker, aim: &Aim) -> io::Result<()> {
    const NAMES: [&str; 8] = [
        "/ipfs/id/1.0.0",
        "/ipfs/id/push/1.0.0",
        "/libp2p/circuit/relay/0.2.0/hop",
        "/libp2p/circuit/relay/0.2.0/stop",
        "/libp2p/dcutr",
        "/libp2p/autonat/2/dial-back",
        "/lockstep/channel/1",
        "/lockstep/channel/0",
    ];
    let link = by.link(aim).await?;
    let flood = async {
        for name in NAMES.iter().cycle().take(2_000) {
            ask(&link, name).await?;
        }
        Ok(())
    };
    until_over(by.hold, flood).await
}

/// Opens a stream and says something on it. That the protocol is refused does not matter, that the
/// connection is gone does.
async fn ask(link: &Link, protocol: &str) -> io::Result<()> {
    if let Ok(mut stream) = link.open_as(protocol).await {
        // The victim may have reset it.
        if stream.write_all(&[0x22; 128]).await.is_ok() {
            let mut answer = [0; 1_024];
            let read = stream.read(&mut answer);
            drop(tokio::time::timeout(Duration::from_millis(20), read).await);
        }
        return Ok(());
    }
    match link.closed(Duration::ZERO).await {
        Ok(()) => Err(io::ErrorKind::ConnectionReset.into()),
        Err(_) => Ok(()),
    }
}

/// Tells the victim, over and over, of another address at which it is seen. Says how often, and how it ended.
pub async fn identification(by: &Attacker, aim: &Aim) -> (u32, io::Result<()>) {
    let mut pushed = 0;
    let flood = async {
        let link = by.link(aim).await?;
        for number in 0..20_000_u32 {
            let unique = by.number.wrapping_mul(65_536).wrapping_add(number);
            identify::push(&link, &by.identity, unique).await?;
            pushed += 1;
        }
        Ok(())
    };
    let ended = until_over(by.hold, flood).await;
    (pushed, ended)
}

/// Waits until the victim has ended a connection.
async fn ended(mut stream: TcpStream) -> io::Result<()> {
    let mut sink = [0; 1_024];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}
