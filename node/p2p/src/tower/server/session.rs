//! One client's session at a tower, from its stream to its end: who it is, what it asks, what it is told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, StreamExt};
use libp2p::{PeerId, Stream};

use lockstep_proto::v1::tower_frame::Body;
use lockstep_proto::v1::{Pong, TowerFrame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::{BUSY, Route, Routes, TowerRequest};
use crate::handshake::{Authenticated, FeatureOffer, Purpose, Role};
use crate::port::{Clock, Entropy, NodeKey};
use crate::session::greet::{Greeting, greet};
use crate::session::{SessionEnd, SessionId};
use crate::token_bucket::TokenBucket;
use crate::tower::convert::{push_to, reply_to, request_from};
use crate::tower::limits::{MAX_PENDING, MAX_SESSIONS_PER_ACCOUNT, PUSH_QUEUE, TowerLimits};
use crate::tower::message::{Push, Reply, Request};
use crate::tower::wire::{FrameReader, FrameWriter};

/// Pongs that wait to be written.
const PONGS: usize = 4;

/// What all sessions share.
pub(super) struct Shared {
    pub(super) local_peer: PeerId,
    pub(super) features: FeatureOffer,
    pub(super) limits: TowerLimits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) key: Arc<dyn NodeKey>,
    pub(super) requests: mpsc::Sender<TowerRequest>,
    pub(super) routes: Arc<Routes>,
    pub(super) checks: Mutex<TokenBucket>,
}

impl Shared {
    fn may_check(&self) -> bool {
        let mut bucket = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.try_take(1, self.clock.now())
    }
}

/// What sessions tell the service.
#[derive(Clone, Copy, Debug)]
pub(super) enum Report {
    /// A newer session of its account takes its place.
    Superseded {
        /// Which.
        id: SessionId,
    },
    /// It is over.
    Ended {
        /// Which.
        id: SessionId,
        /// Why.
        end: SessionEnd,
    },
}

/// One session's task.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) peer: PeerId,
    pub(super) stream: Stream,
    pub(super) shared: Arc<Shared>,
    pub(super) reports: mpsc::Sender<Report>,
    /// Ends the session from outside.
    pub(super) stop: oneshot::Receiver<SessionEnd>,
}

impl Session {
    /// Runs to the end of the session. The report of that is the last thing it does.
    pub(super) async fn run(self) {
        let Self { id, peer, mut stream, shared, reports, mut stop } = self;
        let may_check = || shared.may_check();
        let greeting = greeting(&shared, peer, &may_check);
        let greeted = greet::<TowerFrame, _>(&mut stream, &greeting);
        let shown = tokio::select! {
            greeted = timeout(greeting.within, greeted) => match greeted {
                Ok(greeted) => greeted,
                Err(_) => Err(SessionEnd::HandshakeTimeout),
            },
            end = &mut stop => Err(end.unwrap_or(SessionEnd::Stopped)),
        };
        let end = match shown {
            Ok(shown) => {
                let (pushes, told) = mpsc::channel(PUSH_QUEUE);
                let account = shown.node_id;
                let route = Route { id, pushes };
                let older = shared.routes.insert(account, route, MAX_SESSIONS_PER_ACCOUNT);
                if let Some(older) = older
                    && reports.send(Report::Superseded { id: older }).await.is_err()
                {
                    tracing::debug!("session outlived the service");
                }
                let end = tokio::select! {
                    end = converse(id, stream, &shown, &shared, told) => end,
                    end = stop => end.unwrap_or(SessionEnd::Stopped),
                };
                shared.routes.remove(&account, id);
                end
            }
            Err(end) => end,
        };
        // Only a service that is gone does not take a report.
        if reports.send(Report::Ended { id, end }).await.is_err() {
            tracing::debug!("session outlived the service");
        }
    }
}

fn greeting<'a>(
    shared: &'a Shared,
    peer: PeerId,
    may_check: &'a (dyn Fn() -> bool + Sync),
) -> Greeting<'a> {
    Greeting {
        purpose: Purpose::Tower,
        role: Role::Listener,
        local_peer: shared.local_peer,
        peer,
        expected: None,
        features: shared.features,
        head: None,
        seen_head: None,
        key: shared.key.as_ref(),
        entropy: shared.entropy.as_ref(),
        within: shared.limits.times.handshake,
        may_check,
    }
}

/// A request that is being answered, with its place among those that wait.
struct Pending {
    request_id: u64,
    is_put: bool,
    answer: oneshot::Receiver<Reply>,
    _place: OwnedSemaphorePermit,
}

/// What the reader hands to the writer.
enum Due {
    Answer(Pending),
    Pong(Pong),
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    id: SessionId,
    stream: S,
    shown: &Authenticated,
    shared: &Shared,
    told: mpsc::Receiver<Push>,
) -> SessionEnd {
    let (reader, writer) = stream.split();
    let (due, dues) = mpsc::channel(MAX_PENDING.saturating_add(PONGS));
    let reading = Reading {
        id,
        shown,
        shared,
        due,
        places: Arc::new(Semaphore::new(MAX_PENDING)),
        budget: Budget::new(shared),
        reader: FrameReader::new(reader, shared.limits.times),
    };
    let writer = FrameWriter::new(writer, &shared.limits.times);
    tokio::select! {
        end = reading.run() => end,
        end = write_all(writer, dues, told) => end,
    }
}

/// The buckets of a session.
struct Budget {
    bytes: TokenBucket,
    requests: TokenBucket,
    signatures: TokenBucket,
}

impl Budget {
    fn new(shared: &Shared) -> Self {
        let rate = shared.limits.session;
        let now = shared.clock.now();
        let bucket = |tokens| TokenBucket::new(tokens, rate.burst_secs, now);
        Self {
            bytes: bucket(rate.bytes),
            requests: bucket(rate.requests),
            signatures: bucket(rate.signatures),
        }
    }
}

struct Reading<'a, R> {
    id: SessionId,
    shown: &'a Authenticated,
    shared: &'a Shared,
    due: mpsc::Sender<Due>,
    places: Arc<Semaphore>,
    budget: Budget,
    reader: FrameReader<R>,
}

impl<R: AsyncRead + Unpin> Reading<'_, R> {
    async fn run(mut self) -> SessionEnd {
        loop {
            if let Err(end) = self.next().await {
                return end;
            }
        }
    }

    async fn next(&mut self) -> Result<(), SessionEnd> {
        let len = self.reader.length().await?;
        // Not reading is what slows a client down: its own window fills.
        let now = self.shared.clock.now();
        let bytes = self.budget.bytes.charge(u64::from(len.get()), now);
        pause(bytes.max(self.budget.requests.charge(1, now))).await;
        let (request_id, body) = self.reader.body(len).await?;
        if let Body::Ping(ping) = &body {
            // A client that asks faster than we answer is answered less often.
            if self.due.try_send(Due::Pong(Pong { nonce: ping.nonce })).is_err() {
                tracing::trace!("ping left unanswered");
            }
            return Ok(());
        }
        let request = request_from(body)?.ok_or(SessionEnd::OutOfPlace)?;
        pause(self.budget.signatures.charge(request.signatures(), self.shared.clock.now())).await;
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| SessionEnd::Stopped)?;
        let is_put = matches!(request, Request::Put { .. });
        let (answer, answered) = oneshot::channel();
        let Authenticated { node_id: account, head, .. } = *self.shown;
        let asked = TowerRequest { session: self.id, account, head, request, answer };
        // A request that finds no room is dropped, and with it its answer: that reads as busy.
        if self.shared.requests.try_send(asked).is_err() {
            tracing::debug!("tower is busy");
        }
        let pending = Pending { request_id, is_put, answer: answered, _place: place };
        self.due.send(Due::Answer(pending)).await.map_err(|_| SessionEnd::Stopped)
    }
}

async fn write_all<W: AsyncWrite + Unpin>(
    mut writer: FrameWriter<W>,
    mut dues: mpsc::Receiver<Due>,
    mut told: mpsc::Receiver<Push>,
) -> SessionEnd {
    let mut pending = FuturesUnordered::new();
    loop {
        let (request_id, body) = tokio::select! {
            due = dues.recv() => match due {
                Some(Due::Answer(asked)) => {
                    pending.push(answered(asked));
                    continue;
                }
                Some(Due::Pong(pong)) => (0, Body::Pong(pong)),
                None => return SessionEnd::Stopped,
            },
            Some((asked, reply)) = pending.next() => {
                let Pending { request_id, is_put, .. } = asked;
                (request_id, reply_to(&reply, is_put))
            }
            push = told.recv() => match push {
                Some(push) => (0, push_to(&push)),
                None => return SessionEnd::Replaced,
            },
        };
        if let Err(end) = writer.write(request_id, body).await {
            return end;
        }
    }
}

/// Waits for an answer; the request keeps its place until it is written.
async fn answered(mut pending: Pending) -> (Pending, Reply) {
    let reply = (&mut pending.answer).await.unwrap_or(BUSY);
    (pending, reply)
}

async fn pause(millis: u64) {
    if millis > 0 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}
