//! Events as they happen, from any index on, without a gap and without a queue.
//!
//! A subscription reads the node's durable history and waits where it ends. What a slow reader has not read yet
//! is in the history, not in memory; one that does not read at all is cut off and told where to go on.

use super::ServerError;
use super::methods::{Desk, error_of};
use crate::api;
use crate::backend::{Answer, Backend};
use crate::failure::{Failure, FailureKind};
use crate::params;
use crate::types::{EventKind, ListEvents, Subscribe};
use jsonrpsee::core::SubscriptionError;
use jsonrpsee::server::{
    Extensions, PendingSubscriptionSink, RpcModule, SendTimeoutError, SubscriptionCloseResponse,
    SubscriptionSink,
};
use jsonrpsee::types::Params;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Events that are read from the history at once.
const PAGE: u32 = 64;
/// How long a reader may leave everything unread.
const UNREAD: Duration = Duration::from_secs(20);

pub(super) fn register<B: Backend>(module: &mut RpcModule<Desk<B>>) -> Result<(), ServerError> {
    module.register_subscription(
        api::SUBSCRIBE.name,
        api::NOTIFICATION,
        api::UNSUBSCRIBE.name,
        |raw, pending, desk, extensions| async move {
            subscribe(raw, pending, &desk, extensions).await
        },
    )?;
    Ok(())
}

async fn subscribe<B: Backend>(
    raw: Params<'static>,
    pending: PendingSubscriptionSink,
    desk: &Arc<Desk<B>>,
    extensions: Extensions,
) -> SubscriptionCloseResponse {
    let wanted = desk
        .caller(&extensions, api::SUBSCRIBE.scope)
        .map_err(|failure| error_of(&failure))
        .and_then(|_| params::read(&api::SUBSCRIBE, raw.as_str()));
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(error) => {
            pending.reject(error).await;
            return SubscriptionCloseResponse::None;
        }
    };
    let news = desk.backend.watch_events(wanted.kind);
    let next = match first_index(desk, wanted, &news).await {
        Ok(next) => next,
        Err(failure) => {
            pending.reject(error_of(&failure)).await;
            return SubscriptionCloseResponse::None;
        }
    };
    let Ok(sink) = pending.accept().await else {
        return SubscriptionCloseResponse::None;
    };
    let feed = Feed { desk, sink, extensions, kind: wanted.kind, next, news };
    match feed.run().await {
        Ok(()) => SubscriptionCloseResponse::None,
        Err(failure) => {
            tracing::warn!(kind = wanted.kind.name(), error = %failure, "subscription ended");
            SubscriptionCloseResponse::NotifErr(close_of(&failure))
        }
    }
}

/// Where to begin. An index whose event is no longer kept is refused before the subscription is accepted.
async fn first_index<B: Backend>(
    desk: &Desk<B>,
    wanted: Subscribe,
    news: &watch::Receiver<u64>,
) -> Answer<u64> {
    let next = *news.borrow();
    let Some(from) = wanted.from_index else {
        return Ok(next);
    };
    if from > next {
        let message = format!("index {from} is beyond the next one, {next}");
        return Err(Failure::new(FailureKind::Refused, message)
            .advice("this is another node's index, or an old backup was started"));
    }
    let probe = ListEvents { kind: wanted.kind, from_index: Some(from), limit: Some(1) };
    desk.backend.events(probe).await?;
    Ok(from)
}

/// One subscription.
struct Feed<'a, B> {
    desk: &'a Desk<B>,
    sink: SubscriptionSink,
    extensions: Extensions,
    kind: EventKind,
    next: u64,
    news: watch::Receiver<u64>,
}

impl<B: Backend> Feed<'_, B> {
    /// Runs until the caller is gone, or until there is a reason to end it.
    async fn run(mut self) -> Answer<()> {
        loop {
            // Marks what is there as seen before it is read, so that nothing is missed in between.
            let end = *self.news.borrow_and_update();
            while self.next < end {
                self.desk.caller(&self.extensions, api::SUBSCRIBE.scope)?;
                let call =
                    ListEvents { kind: self.kind, from_index: Some(self.next), limit: Some(PAGE) };
                let page = self.desk.backend.events(call).await?;
                if page.events.is_empty() {
                    break;
                }
                for event in &page.events {
                    if event.index != self.next {
                        return Err(gap(self.next, event.index));
                    }
                    if !self.send(event).await? {
                        return Ok(());
                    }
                    self.next = self.next.saturating_add(1);
                }
            }
            tokio::select! {
                () = self.sink.closed() => return Ok(()),
                changed = self.news.changed() => if changed.is_err() {
                    return Err(Failure::new(FailureKind::NotReady, "the node is stopping")
                        .advice(format!("subscribe again from index {}", self.next)));
                },
            }
        }
    }

    /// Sends one event; false if nobody is there any more.
    async fn send(&self, event: &api::Notification) -> Answer<bool> {
        let message = serde_json::value::to_raw_value(event)
            .map_err(|_| Failure::new(FailureKind::Internal, "an event can't be written"))?;
        match self.sink.send_timeout(message, UNREAD).await {
            Ok(()) => Ok(true),
            Err(SendTimeoutError::Closed(_)) => Ok(false),
            Err(SendTimeoutError::Timeout(_)) => {
                let (index, secs) = (self.next, UNREAD.as_secs());
                let message = format!("nothing was read for {secs} seconds");
                Err(Failure::new(FailureKind::Busy, message)
                    .safe("no event is lost")
                    .advice(format!("subscribe again from index {index}")))
            }
        }
    }
}

fn gap(expected: u64, found: u64) -> Failure {
    let message = format!("event {expected} is missing before {found}");
    Failure::new(FailureKind::Internal, message)
}

/// What the caller is told at the end: the failure as in any other answer.
fn close_of(failure: &Failure) -> SubscriptionError {
    match serde_json::value::to_raw_value(&error_of(failure)) {
        Ok(error) => SubscriptionError::from_json(error),
        Err(_) => SubscriptionError::from(&failure.message),
    }
}
