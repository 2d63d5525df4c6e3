//! Attacks on the signed handshake.

use std::io;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use lockstep_p2p::convert;
use lockstep_proto::v1::peer_frame::Body;

use super::super::Aim;
use super::super::greeting::{Lie, body_of, bytes_of, every_lie, greet, hello_of};
use super::{Attacker, until_over};

/// The number of an honest node that the victim knows.
pub const FRIEND: u32 = 2;

/// Tries every lie, each on a connection of its own.
///
/// # Errors
/// When a lie is believed, of the kind [`io::ErrorKind::InvalidData`]; nothing else is.
pub async fn lies(by: &Attacker, aim: &Aim) -> io::Result<()> {
    for lie in every_lie(FRIEND) {
        let Ok(link) = by.link(aim).await else { continue };
        if greet(&link, &by.identity, aim, lie).await.is_ok() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{lie:?} is believed")));
        }
    }
    Ok(())
}

/// Says hello, and no more.
///
/// # Errors
/// When the victim refuses.
pub async fn half(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let link = by.link(aim).await?;
    let mut stream = link.open_channel().await?;
    let mut hello = hello_of(&mut stream).await?;
    hello.node_id = by.identity.node_id();
    stream.write_all(&bytes_of(Body::Hello(convert::hello_to(&hello)))).await?;
    stream.flush().await?;
    let mut sink = [0; 1_024];
    let read = async {
        while stream.read(&mut sink).await? > 0 {}
        Ok(())
    };
    until_over(by.hold, read).await
}

/// Makes a session, and says the very same bytes once more on another connection.
///
/// # Errors
/// When they are believed, of the kind [`io::ErrorKind::InvalidData`], or when the victim refuses.
pub async fn replay(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let (link, talk) = by.session(aim).await?;
    let sent = talk.sent.clone();
    drop((talk, link));
    let link = by.link(aim).await?;
    let mut stream = link.open_channel().await?;
    hello_of(&mut stream).await?;
    stream.write_all(&sent).await?;
    stream.flush().await?;
    match body_of(&mut stream).await {
        Ok(answer) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{answer:?}"))),
        Err(_) => Ok(()),
    }
}

/// Makes session after session on one connection, each in the place of the one before. Says how many, and
/// how it ended.
pub async fn sessions(by: &Attacker, aim: &Aim) -> (u32, io::Result<()>) {
    let mut made = 0;
    let again = async {
        let link = by.link(aim).await?;
        loop {
            match greet(&link, &by.identity, aim, Lie::None).await {
                Ok(_) => made += 1,
                // A stream that comes before the end of the last one is noticed, or too soon, is refused.
                Err(error) if link.closed(Duration::ZERO).await.is_ok() => {
                    return io::Result::<()>::Err(error);
                }
                Err(_) => {}
            }
        }
    };
    let ended = until_over(by.hold, again).await;
    (made, ended)
}
