//! Figures for Prometheus. Each is listed in `deploy/grafana/README.md`; labels come from closed sets, never an id,
//! an address or a peer.

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::fmt;
use std::time::Duration;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Direction {
    /// From us.
    Sent,
    /// To us.
    Received,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Outcome {
    /// It is final.
    Final,
    /// It was left out for ever.
    Failed,
    /// It was refused before anything was written.
    Refused,
}

/// Where a channel is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum PhaseLabel {
    Opening,
    Funding,
    Open,
    Closing,
    Disputed,
    Settled,
}

impl PhaseLabel {
    const ALL: [Self; 6] =
        [Self::Opening, Self::Funding, Self::Open, Self::Closing, Self::Disputed, Self::Settled];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PaymentLabels {
    direction: Direction,
    result: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectionLabels {
    direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: PhaseLabel,
}

/// All figures.
pub struct Metrics {
    registry: Registry,
    payments: Family<PaymentLabels, Counter>,
    messages: Family<DirectionLabels, Counter>,
    faults: Counter,
    peers: Gauge,
    signatures: Counter,
    commits: Histogram,
    waiting: Gauge,
    channels: Family<PhaseLabels, Gauge>,
    head: Gauge,
    finalized: Gauge,
    signing_stopped: Gauge,
    towers: Gauge,
    unprotected: Gauge,
    unprotected_part: Gauge,
    income_waiting: Gauge,
    income_waited: Counter,
    income_declined: Counter,
    promises: Counter,
    tower_refusals: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Figures that are all zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("lockstep");
        // From 1 ms, the fastest disk, to 4 s, a disk that is failing.
        let buckets = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1.0, 4.0];
        let metrics = Self {
            payments: Family::default(),
            messages: Family::default(),
            faults: Counter::default(),
            peers: Gauge::default(),
            signatures: Counter::default(),
            commits: Histogram::new(buckets),
            waiting: Gauge::default(),
            channels: Family::default(),
            head: Gauge::default(),
            finalized: Gauge::default(),
            signing_stopped: Gauge::default(),
            towers: Gauge::default(),
            unprotected: Gauge::default(),
            unprotected_part: Gauge::default(),
            income_waiting: Gauge::default(),
            income_waited: Counter::default(),
            income_declined: Counter::default(),
            promises: Counter::default(),
            tower_refusals: Counter::default(),
            registry: Registry::default(),
        };
        // The library adds `_total` to counters by itself.
        registry.register("engine_payments", "Payments that ended", metrics.payments.clone());
        registry.register("p2p_messages", "Messages about channels", metrics.messages.clone());
        registry.register(
            "p2p_faults",
            "Breaches of the protocol by peers",
            metrics.faults.clone(),
        );
        registry.register("p2p_connected_peers", "Peers with a link", metrics.peers.clone());
        registry.register("signer_signatures", "Signatures made", metrics.signatures.clone());
        registry.register(
            "journal_commit_seconds",
            "From a decision to its durability",
            metrics.commits.clone(),
        );
        registry.register(
            "journal_waiting_submissions",
            "Submissions that wait for the journal",
            metrics.waiting.clone(),
        );
        registry.register("engine_channels", "Channels by phase", metrics.channels.clone());
        registry.register("chain_head_block", "Newest block", metrics.head.clone());
        registry.register("chain_finalized_block", "Newest final block", metrics.finalized.clone());
        registry.register(
            "engine_signing_stopped",
            "1 if nothing more is signed",
            metrics.signing_stopped.clone(),
        );
        metrics.register_towers(&mut registry);
        Self { registry, ..metrics }
    }

    fn register_towers(&self, registry: &mut Registry) {
        registry.register("tower_connected_towers", "Towers with a link", self.towers.clone());
        registry.register(
            "tower_unprotected_channels",
            "Channels in which no tower holds all that matters",
            self.unprotected.clone(),
        );
        registry.register(
            "tower_unprotected_exposure_ppm",
            "The largest part of a channel that an old state could take",
            self.unprotected_part.clone(),
        );
        registry.register(
            "tower_waiting_channels",
            "Channels in which a payment to us waits for towers",
            self.income_waiting.clone(),
        );
        registry.register(
            "tower_income_waited",
            "Messages with income that waited for towers",
            self.income_waited.clone(),
        );
        registry.register(
            "tower_income_declined",
            "Messages with income that were declined since no tower answered",
            self.income_declined.clone(),
        );
        registry.register("tower_receipts", "Receipts that count", self.promises.clone());
        registry.register(
            "tower_refusals",
            "States that a tower refused",
            self.tower_refusals.clone(),
        );
    }

    /// In the text format of OpenMetrics.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("figures cannot be written as text");
        }
        text
    }

    /// A group became durable after so many milliseconds.
    pub(crate) fn committed(&self, millis: u64) {
        self.commits.observe(Duration::from_millis(millis).as_secs_f64());
    }

    /// So many signatures were made.
    pub(crate) fn signed(&self, count: usize) {
        self.signatures.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// A message was handed over for sending.
    pub(crate) fn sent(&self) {
        self.messages.get_or_create(&DirectionLabels { direction: Direction::Sent }).inc();
    }

    /// A message came.
    pub(crate) fn received(&self) {
        self.messages.get_or_create(&DirectionLabels { direction: Direction::Received }).inc();
    }

    /// A payment is final.
    pub(crate) fn paid(&self, is_own: bool) {
        let direction = if is_own { Direction::Sent } else { Direction::Received };
        let labels = PaymentLabels { direction, result: Outcome::Final };
        self.payments.get_or_create(&labels).inc();
    }

    /// A payment of ours was left out for ever.
    pub(crate) fn failed(&self) {
        let labels = PaymentLabels { direction: Direction::Sent, result: Outcome::Failed };
        self.payments.get_or_create(&labels).inc();
    }

    /// A payment of ours was refused before anything was written.
    pub(crate) fn refused(&self) {
        let labels = PaymentLabels { direction: Direction::Sent, result: Outcome::Refused };
        self.payments.get_or_create(&labels).inc();
    }

    /// A peer broke the protocol.
    pub(crate) fn peer_fault(&self) {
        self.faults.inc();
    }

    /// The newest block.
    pub(crate) fn head(&self, number: u64) {
        self.head.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// The newest final block.
    pub(crate) fn finalized(&self, number: u64) {
        self.finalized.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// So many peers are connected.
    pub(crate) fn connected(&self, count: usize) {
        self.peers.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// So many submissions wait for the journal.
    pub(crate) fn journal_waiting(&self, count: usize) {
        self.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Channels by phase, in the order of a channel's life.
    pub(crate) fn channels(&self, counts: [i64; 6]) {
        for (phase, count) in PhaseLabel::ALL.into_iter().zip(counts) {
            self.channels.get_or_create(&PhaseLabels { phase }).set(count);
        }
    }

    /// Towers with a link, channels that are exposed, channels in which income waits, and the largest part of a
    /// channel that is unprotected. Units of the last: parts per million.
    pub(crate) fn towers(&self, connected: usize, exposed: usize, waiting: usize, part: u64) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.towers.set(gauge(connected));
        self.unprotected.set(gauge(exposed));
        self.income_waiting.set(gauge(waiting));
        self.unprotected_part.set(i64::try_from(part).unwrap_or(i64::MAX));
    }

    /// Income waits for towers.
    pub(crate) fn income_waited(&self) {
        self.income_waited.inc();
    }

    /// Income was declined.
    pub(crate) fn income_declined(&self) {
        self.income_declined.inc();
    }

    /// A tower's promise counts.
    pub(crate) fn tower_promised(&self) {
        self.promises.inc();
    }

    /// A tower refused a state.
    pub(crate) fn tower_refused(&self) {
        self.tower_refusals.inc();
    }

    /// Nothing more is signed.
    pub(crate) fn stopped_signing(&self) {
        self.signing_stopped.set(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_that_is_rendered_is_listed_for_operators() {
        let metrics = Metrics::new();
        metrics.paid(true);
        metrics.sent();
        metrics.channels([1; 6]);
        metrics.committed(3);
        let text = metrics.render();
        let listed = include_str!("../../../deploy/grafana/README.md");
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = line.split(' ').next().unwrap();
            assert!(
                listed.contains(&format!("`{name}")),
                "{name} is not in deploy/grafana/README.md"
            );
            assert!(name.starts_with("lockstep_"), "{name}");
        }
        assert!(
            text.contains("lockstep_engine_payments_total{direction=\"Sent\",result=\"Final\"} 1")
        );
    }
}
