//! Figures for Prometheus. Each is listed in `deploy/grafana/README.md`; labels come from closed sets, never an id,
//! an address or a peer.

use crate::engine::AlarmKind;
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: AlarmKind,
}

/// How the chain side does, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChainFigures {
    /// Endpoints that are configured.
    pub(crate) endpoints: usize,
    /// Those that answer.
    pub(crate) healthy: usize,
    /// How old the newest block is. Units: seconds.
    pub(crate) head_age_secs: u64,
    /// Calls that are owed and not over.
    pub(crate) owed: usize,
    /// The highest fee that any of them offers. Units: wei per gas.
    pub(crate) owed_fee: u128,
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
    alarms: Family<ReasonLabels, Gauge>,
    urgent: Gauge,
    normal: Gauge,
    endpoints: Gauge,
    healthy: Gauge,
    head_age: Gauge,
    owed: Gauge,
    owed_fee: Gauge,
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
            alarms: Family::default(),
            urgent: Gauge::default(),
            normal: Gauge::default(),
            endpoints: Gauge::default(),
            healthy: Gauge::default(),
            head_age: Gauge::default(),
            owed: Gauge::default(),
            owed_fee: Gauge::default(),
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
        metrics.register_care(&mut registry);
        metrics.register_towers(&mut registry);
        Self { registry, ..metrics }
    }

    /// What an operator is woken for.
    fn register_care(&self, registry: &mut Registry) {
        registry.register("engine_alarms", "Alarms that stand", self.alarms.clone());
        registry.register(
            "engine_urgent_waiting_events",
            "The longest queue of chain events of any channel",
            self.urgent.clone(),
        );
        registry.register(
            "engine_normal_waiting_events",
            "The longest queue of messages and orders of any channel",
            self.normal.clone(),
        );
        registry.register(
            "chain_configured_endpoints",
            "Endpoints of the chain",
            self.endpoints.clone(),
        );
        registry.register(
            "chain_healthy_endpoints",
            "Endpoints of the chain that answer",
            self.healthy.clone(),
        );
        registry.register(
            "chain_head_age_seconds",
            "How old the newest block is",
            self.head_age.clone(),
        );
        registry.register(
            "chain_owed_calls",
            "Calls to the contract that are due and not final",
            self.owed.clone(),
        );
        registry.register(
            "chain_owed_fee_wei",
            "The highest fee per gas that any of them offers",
            self.owed_fee.clone(),
        );
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

    /// Alarms that stand, by kind.
    pub(crate) fn alarms(&self, counts: impl IntoIterator<Item = (AlarmKind, usize)>) {
        for (reason, count) in counts {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.alarms.get_or_create(&ReasonLabels { reason }).set(count);
        }
    }

    /// The longest queues of any channel: of what the chain shows, and of messages and orders.
    pub(crate) fn queues(&self, urgent: usize, normal: usize) {
        self.urgent.set(i64::try_from(urgent).unwrap_or(i64::MAX));
        self.normal.set(i64::try_from(normal).unwrap_or(i64::MAX));
    }

    /// How the chain side does.
    pub(crate) fn chain(&self, figures: ChainFigures) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.endpoints.set(gauge(figures.endpoints));
        self.healthy.set(gauge(figures.healthy));
        self.head_age.set(i64::try_from(figures.head_age_secs).unwrap_or(i64::MAX));
        self.owed.set(gauge(figures.owed));
        self.owed_fee.set(i64::try_from(figures.owed_fee).unwrap_or(i64::MAX));
    }

    /// Nothing more is signed.
    pub(crate) fn stopped_signing(&self) {
        self.signing_stopped.set(1);
    }
}

#[cfg(test)]
mod tests;
