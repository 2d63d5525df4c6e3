//! Everything that a hostile peer does, one thing at a time: what a crowd of them is made of.
//!
//! An attack ends when the victim has ended it, or after [`Attacker::hold`], which [`went_on`] tells apart.

pub mod greeting;
pub mod session;
pub mod transport;

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::time::timeout;

use super::Aim;
use super::frames::{pour, until_ended};
use super::greeting::{Lie, Talk, greet};
use super::identity::Identity;
use super::link::{ATTENTION, Link};
use super::place::{self, Pipe};

/// One hostile party: somewhere, as somebody.
#[derive(Clone)]
pub struct Attacker {
    /// Its place and identity follow from it.
    pub number: u32,
    /// Where it comes from.
    pub from: Ipv4Addr,
    /// Who it says it is.
    pub identity: Identity,
    /// How long it goes on.
    pub hold: Duration,
}

/// The numbers of hostile parties begin here; honest nodes have smaller ones.
pub const FIRST: u32 = 1_000;

impl Attacker {
    /// A party with a place of its own.
    pub fn new(number: u32, hold: Duration) -> Self {
        let number = FIRST + number;
        Self { number, from: place::place(number), identity: Identity::new(number), hold }
    }

    /// The same from where honest nodes are, too.
    #[must_use]
    pub fn next_door(self) -> Self {
        Self { from: Ipv4Addr::LOCALHOST, ..self }
    }

    /// A multiplexed connection.
    ///
    /// # Errors
    /// When the victim does not take it.
    pub async fn link(&self, aim: &Aim) -> io::Result<Link> {
        Link::new(self.from, &self.identity, aim).await
    }

    /// A connection with yamux by hand.
    ///
    /// # Errors
    /// When the victim does not take it.
    pub async fn pipe(&self, aim: &Aim) -> io::Result<Pipe> {
        let made = timeout(ATTENTION, place::pipe(self.from, &self.identity, aim.at)).await;
        made.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// A session.
    ///
    /// # Errors
    /// When the victim does not take it.
    pub async fn session(&self, aim: &Aim) -> io::Result<(Link, Talk)> {
        let link = self.link(aim).await?;
        let talk = greet(&link, &self.identity, aim, Lie::None).await?;
        Ok((link, talk))
    }
}

/// The kinds of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// A connection that says nothing.
    Silence,
    /// Bytes that are no protocol.
    Garbage,
    /// A transport handshake, a byte at a time.
    Trickle,
    /// An authenticated connection that nothing is done with.
    Idleness,
    /// Every stream with a full window.
    FullWindows,
    /// Windows that are filled a byte at a time.
    TinyFrames,
    /// More than a window holds, and lengths of 4 GiB.
    BrokenWindows,
    /// Thousands of streams, opened and broken off.
    StreamFlood,
    /// Questions of yamux whose answers nobody reads.
    PingFlood,
    /// Streams of every protocol that there is, over and over.
    Protocols,
    /// Identification, over and over, with another address each time.
    Identification,
    /// Handshakes with a lie in them.
    Lies,
    /// A handshake that is never finished.
    HalfHandshake,
    /// The same handshake again.
    Replay,
    /// Session after session.
    Sessions,
    /// A length of 4 GiB, or none.
    Lengths,
    /// A frame that never ends.
    EndlessFrame,
    /// Frames that mean nothing.
    Absurdities,
    /// Random bytes in frames.
    Noise,
    /// Pings without end.
    Chatter,
    /// Questions about channels to be, each with a salt of its own.
    Queries,
    /// Offers of channels, each with a salt of its own.
    Offers,
    /// Messages of every kind about channels of others.
    Meddling,
    /// Proposals with signatures that are none, for versions without end.
    Proposals,
    /// States that nobody signed, shown over and over.
    Reestablishing,
    /// Payments without end that are only asked for.
    Intents,
    /// A session that never reads.
    Deafness,
}

/// Every kind.
pub const ALL: [Attack; 27] = [
    Attack::Silence,
    Attack::Garbage,
    Attack::Trickle,
    Attack::Idleness,
    Attack::FullWindows,
    Attack::TinyFrames,
    Attack::BrokenWindows,
    Attack::StreamFlood,
    Attack::PingFlood,
    Attack::Protocols,
    Attack::Identification,
    Attack::Lies,
    Attack::HalfHandshake,
    Attack::Replay,
    Attack::Sessions,
    Attack::Lengths,
    Attack::EndlessFrame,
    Attack::Absurdities,
    Attack::Noise,
    Attack::Chatter,
    Attack::Queries,
    Attack::Offers,
    Attack::Meddling,
    Attack::Proposals,
    Attack::Reestablishing,
    Attack::Intents,
    Attack::Deafness,
];

impl Attack {
    /// Does it.
    ///
    /// # Errors
    /// With what the victim did about it; a victim that refuses is no failure.
    pub async fn run(self, by: &Attacker, aim: &Aim) -> io::Result<()> {
        match self {
            Self::Silence => transport::silence(by, aim).await,
            Self::Garbage => transport::garbage(by, aim).await,
            Self::Trickle => transport::trickle(by, aim).await,
            Self::Idleness => transport::idleness(by, aim).await,
            Self::FullWindows => transport::full_windows(by, aim).await,
            Self::TinyFrames => transport::tiny_frames(by, aim).await,
            Self::BrokenWindows => transport::broken_windows(by, aim).await,
            Self::StreamFlood => transport::stream_flood(by, aim).await,
            Self::PingFlood => transport::ping_flood(by, aim).await,
            Self::Protocols => transport::protocols(by, aim).await,
            Self::Identification => transport::identification(by, aim).await.1,
            Self::Lies => greeting::lies(by, aim).await,
            Self::HalfHandshake => greeting::half(by, aim).await,
            Self::Replay => greeting::replay(by, aim).await,
            Self::Sessions => greeting::sessions(by, aim).await.1,
            Self::Lengths => session::lengths(by, aim).await,
            Self::EndlessFrame => session::endless_frame(by, aim).await,
            Self::Absurdities => session::absurdities(by, aim).await,
            Self::Noise => session::noise(by, aim).await,
            Self::Chatter => session::chatter(by, aim).await,
            Self::Queries => session::queries(by, aim).await,
            Self::Offers => session::offers(by, aim).await,
            Self::Meddling => session::meddling(by, aim).await,
            Self::Proposals => session::proposals(by, aim).await,
            Self::Reestablishing => session::reestablishing(by, aim).await,
            Self::Intents => session::intents(by, aim).await,
            Self::Deafness => session::deafness(by, aim).await,
        }
    }
}

/// Goes on with something until it fails, which is the victim's doing, or the time is over, which is told as
/// [`io::ErrorKind::TimedOut`].
async fn until_over<T>(
    hold: Duration,
    attack: impl Future<Output = io::Result<T>>,
) -> io::Result<()> {
    match timeout(hold, attack).await {
        Ok(ended) => ended.map(|_| ()),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Whether an attack could go on for as long as it wanted to.
pub fn went_on(ended: &io::Result<()>) -> bool {
    ended.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// Names every length that no frame has, each from a place of its own: one that has broken a rule is not let in again
/// for a while.
///
/// # Panics
/// When the victim goes on with one of them.
pub async fn name_lengths(mut next: impl FnMut() -> Attacker, aim: &Aim) {
    for (number, broken) in transport::broken_frames().iter().enumerate() {
        let mut pipe = next().pipe(aim).await.expect("it is let in");
        // The victim may end it before all is said.
        drop(pour(&mut pipe, broken).await);
        assert!(until_ended(&mut pipe, ATTENTION).await.is_ok(), "{number} goes on");
    }
    for _ in 0..4 {
        session::lengths(&next(), aim).await.expect("it is ended in time");
    }
}
