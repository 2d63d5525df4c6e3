//! A multiplexed connection, and streams on it whose protocol is named by hand.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use libp2p::{Multiaddr, PeerId};
use lockstep_p2p::PROTOCOL;
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::identity::Identity;
use super::{Aim, identify, place};

/// How long an attacker waits for an answer before it does the next thing.
pub const ATTENTION: Duration = Duration::from_secs(20);
/// The first thing that is said on every stream.
const MULTISTREAM: &str = "/multistream/1.0.0";

/// A stream on which both ends have agreed on a protocol.
pub type Channel = SubstreamBox;

/// A connection that lives until it is dropped or the victim has enough of it.
pub struct Link {
    /// Our own transport identity.
    pub local: PeerId,
    asks: mpsc::Sender<oneshot::Sender<SubstreamBox>>,
    task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    /// Connects from somewhere.
    ///
    /// # Errors
    /// When the victim does not take it.
    pub async fn new(from: Ipv4Addr, identity: &Identity, aim: &Aim) -> io::Result<Self> {
        let made = timeout(ATTENTION, place::muxed(from, identity, aim.at)).await;
        let (found, muxer) = made.map_err(|_| io::ErrorKind::TimedOut)??;
        if found != aim.peer_id {
            return Err(io::Error::other("somebody else is there"));
        }
        let (asks, asked) = mpsc::channel(16);
        let said = identify::of(identity, &Multiaddr::empty(), 0).encode_length_delimited_to_vec();
        let task = tokio::spawn(drive(muxer, asked, said.into()));
        Ok(Self { local: identity.peer_id(), asks, task })
    }

    /// Opens a stream; no protocol is named yet.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn open(&self) -> io::Result<SubstreamBox> {
        let (ask, answer) = oneshot::channel();
        let gone = |_| io::Error::from(io::ErrorKind::ConnectionReset);
        self.asks.send(ask).await.map_err(|_| io::ErrorKind::ConnectionReset)?;
        timeout(ATTENTION, answer).await.map_err(|_| io::ErrorKind::TimedOut)?.map_err(gone)
    }

    /// Opens a stream of a protocol.
    ///
    /// # Errors
    /// When the victim does not take it.
    pub async fn open_as(&self, protocol: &str) -> io::Result<Channel> {
        let mut stream = self.open().await?;
        let named = async {
            say(&mut stream, MULTISTREAM).await?;
            say(&mut stream, protocol).await?;
            stream.flush().await?;
            for expected in [MULTISTREAM, protocol] {
                if hear(&mut stream).await? != expected {
                    return Err(io::Error::other("protocol refused"));
                }
            }
            Ok(())
        };
        timeout(ATTENTION, named).await.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(stream)
    }

    /// Opens a stream of the protocol of channels.
    ///
    /// # Errors
    /// When the victim does not take it.
    pub async fn open_channel(&self) -> io::Result<Channel> {
        self.open_as(PROTOCOL.as_ref()).await
    }

    /// Waits until the victim has ended the connection.
    ///
    /// # Errors
    /// When it does not.
    pub async fn closed(&self, within: Duration) -> io::Result<()> {
        let gone = timeout(within, self.asks.closed()).await;
        gone.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))
    }
}

/// Says one line of a negotiation.
async fn say(stream: &mut SubstreamBox, line: &str) -> io::Result<()> {
    let len = u8::try_from(line.len() + 1).map_err(io::Error::other)?;
    stream.write_all(&[&[len], line.as_bytes(), b"\n"].concat()).await
}

/// Hears one; none that is worth hearing is longer than 127 bytes.
async fn hear(stream: &mut SubstreamBox) -> io::Result<String> {
    let mut len = [0];
    stream.read_exact(&mut len).await?;
    let mut line = vec![0; usize::from(len[0])];
    stream.read_exact(&mut line).await?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// Answers the one thing that every libp2p asks: who we are.
async fn identified(mut stream: SubstreamBox, said: Arc<[u8]>) -> io::Result<()> {
    hear(&mut stream).await?;
    say(&mut stream, MULTISTREAM).await?;
    stream.flush().await?;
    if hear(&mut stream).await? != "/ipfs/id/1.0.0" {
        return Ok(());
    }
    say(&mut stream, "/ipfs/id/1.0.0").await?;
    stream.write_all(&said).await?;
    stream.close().await
}

/// Keeps a connection going. What the victim opens is answered if it asks who we are, else refused.
async fn drive(
    mut muxer: StreamMuxerBox,
    mut asks: mpsc::Receiver<oneshot::Sender<SubstreamBox>>,
    said: Arc<[u8]>,
) {
    let mut waiting: VecDeque<oneshot::Sender<SubstreamBox>> = VecDeque::new();
    let mut answers = FuturesUnordered::new();
    poll_fn(|cx| {
        loop {
            match asks.poll_recv(cx) {
                Poll::Ready(Some(ask)) => waiting.push_back(ask),
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        loop {
            match muxer.poll_inbound_unpin(cx) {
                Poll::Ready(Ok(asked)) => answers.push(identified(asked, Arc::clone(&said))),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        while let Poll::Ready(Some(_)) = answers.poll_next_unpin(cx) {}
        if let Poll::Ready(Err(_)) = muxer.poll_unpin(cx) {
            return Poll::Ready(());
        }
        while let Some(ask) = waiting.pop_front() {
            match muxer.poll_outbound_unpin(cx) {
                Poll::Ready(Ok(stream)) => drop(ask.send(stream)),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {
                    waiting.push_front(ask);
                    break;
                }
            }
        }
        Poll::Pending
    })
    .await;
}
