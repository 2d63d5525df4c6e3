//! Attacks of a peer that has shown its node key: what it says, and how much of it.

use std::io;
use std::time::Duration;

use lockstep_core::ids::ChannelId;
use lockstep_proto::v1;
use lockstep_proto::v1::peer_frame::Body;

use super::super::greeting::{Talk, bytes_of, prefixed};
use super::super::{Aim, message};
use super::{Attacker, until_over};

/// Announces frames that are too long, or empty.
///
/// # Errors
/// When the victim refuses, or does not end it.
pub async fn lengths(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let prefix = [u32::MAX, 0, 64 * 1024 + 1, 1 << 31][usize::from(by.number.to_be_bytes()[3] % 4)];
    let (_link, mut talk) = by.session(aim).await?;
    talk.say(&prefix.to_be_bytes()).await?;
    talk.until_ended(super::ATTENTION).await
}

/// Announces a frame that is long enough, and lets it drip.
///
/// # Errors
/// When the victim refuses.
pub async fn endless_frame(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let (_link, mut talk) = by.session(aim).await?;
    talk.say(&65_000_u32.to_be_bytes()).await?;
    until_over(by.hold, drip(&mut talk)).await
}

async fn drip(talk: &mut Talk) -> io::Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        talk.say(&[0x32]).await?;
    }
}

/// Shows who it is, and says nothing more.
///
/// # Errors
/// When the victim refuses.
pub async fn silence(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let (_link, mut talk) = by.session(aim).await?;
    talk.until_ended(by.hold).await
}

/// Says one thing that means nothing.
///
/// # Errors
/// When the victim refuses, or does not end it.
pub async fn absurdities(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let all = message::every_absurdity();
    let which = usize::try_from(by.number).map_err(io::Error::other)? % all.len();
    let (_link, mut talk) = by.session(aim).await?;
    // The victim may end it before all is said.
    drop(talk.say(&all[which]).await);
    talk.until_ended(super::ATTENTION).await
}

/// Says frames of bytes that follow from the number.
///
/// # Errors
/// When the victim refuses, or does not end it.
pub async fn noise(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let (_link, mut talk) = by.session(aim).await?;
    let mut seed = u64::from(by.number);
    let mut byte = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    };
    let bytes: Vec<u8> = (0..2_000).map(|_| byte()).collect();
    // The victim may end it before all is said.
    drop(talk.say(&prefixed(&bytes)).await);
    talk.until_ended(super::ATTENTION).await
}

/// Asks whether anybody is there, without end.
///
/// # Errors
/// When the victim refuses.
pub async fn chatter(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let ping = |nonce| bytes_of(Body::Ping(v1::Ping { nonce }));
    flood(by, aim, ping).await
}

/// Asks who the victim would be, for one salt after the other.
///
/// # Errors
/// When the victim refuses.
pub async fn queries(by: &Attacker, aim: &Aim) -> io::Result<()> {
    flood(by, aim, |n| message::open_query(aim.domain, salt(by, n))).await
}

/// Offers one channel after the other.
///
/// # Errors
/// When the victim refuses.
pub async fn offers(by: &Attacker, aim: &Aim) -> io::Result<()> {
    flood(by, aim, |n| message::open_request(aim.domain, &by.identity, salt(by, n))).await
}

/// Speaks about channels of others, and about channels that do not exist.
///
/// # Errors
/// When the victim refuses.
pub async fn meddling(by: &Attacker, aim: &Aim) -> io::Result<()> {
    flood(by, aim, |n| message::every_kind(channel(by, aim, n), aim.domain, n).concat()).await
}

/// Proposes one version after the other, without waiting for an answer.
///
/// # Errors
/// When the victim refuses.
pub async fn proposals(by: &Attacker, aim: &Aim) -> io::Result<()> {
    flood(by, aim, |n| message::proposal(channel(by, aim, 0), n + 1, vec![message::payment(n + 1)]))
        .await
}

/// Shows one state after the other.
///
/// # Errors
/// When the victim refuses.
pub async fn reestablishing(by: &Attacker, aim: &Aim) -> io::Result<()> {
    flood(by, aim, |n| message::reestablish(channel(by, aim, 0), n + 1)).await
}

/// Asks for payments without end.
///
/// # Errors
/// When the victim refuses.
pub async fn intents(by: &Attacker, aim: &Aim) -> io::Result<()> {
    flood(by, aim, |n| message::intent(channel(by, aim, 0), n * 500 + 1, 500)).await
}

/// Asks, and never reads an answer.
///
/// # Errors
/// When the victim refuses.
pub async fn deafness(by: &Attacker, aim: &Aim) -> io::Result<()> {
    let (_link, mut talk) = by.session(aim).await?;
    let asking = async {
        for n in 0.. {
            talk.say(&message::open_query(aim.domain, salt(by, n))).await?;
        }
        Ok(())
    };
    until_over(by.hold, asking).await
}

/// Says one thing after the other as fast as the victim takes it, and reads what it answers.
async fn flood(by: &Attacker, aim: &Aim, said: impl Fn(u64) -> Vec<u8>) -> io::Result<()> {
    let (_link, mut talk) = by.session(aim).await?;
    flood_over(&mut talk, by.hold, said).await
}

/// The same on a session that there is.
///
/// # Errors
/// When the victim ends it.
pub async fn flood_over(
    talk: &mut Talk,
    hold: Duration,
    said: impl Fn(u64) -> Vec<u8>,
) -> io::Result<()> {
    use futures::{AsyncReadExt, AsyncWriteExt};
    let (mut reader, mut writer) = (&mut talk.stream).split();
    let mut sink = vec![0; 16 * 1024];
    let saying = async {
        for batch in 0.. {
            let bytes: Vec<u8> = (batch * 16..batch * 16 + 16).flat_map(&said).collect();
            writer.write_all(&bytes).await?;
            writer.flush().await?;
        }
        Ok(())
    };
    let hearing = async {
        while reader.read(&mut sink).await? > 0 {}
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    };
    let both = async {
        tokio::select! {
            ended = saying => ended,
            ended = hearing => ended,
        }
    };
    until_over::<()>(hold, both).await
}

/// A salt that no other attacker uses.
fn salt(by: &Attacker, n: u64) -> u64 {
    u64::from(by.number) << 32 | n
}

/// A channel of others, if there is one, or one that does not exist.
fn channel(by: &Attacker, aim: &Aim, n: u64) -> ChannelId {
    let count = u64::try_from(aim.channels.len()).unwrap_or(u64::MAX).max(1);
    let known = usize::try_from(n % count).ok().and_then(|at| aim.channels.get(at));
    known.copied().unwrap_or_else(|| ChannelId(message::fresh(salt(by, n))))
}
