//! How far the counts of events have come, for whoever waits for the next one.

use crate::engine::journal::Journal;
use lockstep_rpc::types::EventKind;
use lockstep_store::feed::{self, Count};
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// The next index of each count.
#[derive(Debug)]
pub(crate) struct Feeds {
    stirred: Notify,
    payments: watch::Sender<u64>,
    channels: watch::Sender<u64>,
    disputes: watch::Sender<u64>,
}

impl Default for Feeds {
    fn default() -> Self {
        let line = || watch::channel(0).0;
        Self { stirred: Notify::new(), payments: line(), channels: line(), disputes: line() }
    }
}

impl Feeds {
    /// Something was told that may have been counted.
    pub(crate) fn stir(&self) {
        self.stirred.notify_one();
    }

    /// For whoever waits for a line.
    pub(crate) fn watch(&self, kind: EventKind) -> watch::Receiver<u64> {
        match kind {
            EventKind::Payments => self.payments.subscribe(),
            EventKind::Channels => self.channels.subscribe(),
            EventKind::Disputes => self.disputes.subscribe(),
        }
    }

    /// Reads the counts whenever something was told: many steps together cost one look.
    pub(crate) async fn follow(self: Arc<Self>, journal: Journal) {
        loop {
            let read = journal
                .read(|journal| Count::ALL.map(|count| feed::next_index(journal.engine(), count)));
            match read.await {
                Ok([payments, channels, disputes]) => {
                    show(&self.payments, payments);
                    show(&self.channels, channels);
                    show(&self.disputes, disputes);
                }
                Err(error) => tracing::debug!(error = %error, "counts are not read"),
            }
            self.stirred.notified().await;
        }
    }
}

fn show(line: &watch::Sender<u64>, next: Result<u64, lockstep_store::error::StoreError>) {
    match next {
        Ok(next) => {
            line.send_if_modified(|shown| {
                let is_new = *shown != next;
                *shown = next;
                is_new
            });
        }
        Err(error) => tracing::error!(error = %error, "a count cannot be read"),
    }
}

/// The store's count of a line.
pub(crate) fn count_of(kind: EventKind) -> Count {
    match kind {
        EventKind::Payments => Count::Payments,
        EventKind::Channels => Count::Channels,
        EventKind::Disputes => Count::Disputes,
    }
}
