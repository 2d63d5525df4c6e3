//! The load: callers that pay over JSON-RPC, each on a connection of its own, and wait until it is final.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::caller::{Caller, request};
use crate::node::Node;
use crate::stats::Sample;
use crate::watch::{Watch, time};

/// Payments that a channel takes up and holds at a time: beyond it callers are turned away.
const OUTSTANDING: usize = 2_000;
/// Connections of one stream of payments.
const MAX_CALLERS: usize = 32;
/// No measurement goes on for longer, on however slow a machine.
const LONGEST: Duration = Duration::from_secs(4);

/// Payments of one wei in one channel, one way.
#[derive(Clone, Copy)]
pub struct Stream<'a> {
    /// Who pays.
    pub node: &'a Node,
    /// In which channel.
    pub channel: &'a str,
    /// Payments of one call.
    pub batch: usize,
    /// Payments in all, a multiple of the batch; fewer if they take long.
    pub total: usize,
    /// Connections that pay at a time; none is as many as the channel takes.
    pub callers: Option<usize>,
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Payments that are final, durable on both sides.
    pub payments: usize,
    /// The same for each stream.
    pub by_stream: Vec<usize>,
    /// From the first call to the last answer.
    pub secs: f64,
    /// Of each call, from its first byte to its answer. Units: seconds.
    pub latencies: Sample,
}

impl Outcome {
    /// Payments a second.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn rate(&self) -> f64 {
        self.payments as f64 / self.secs.max(1e-9)
    }
}

fn pay_request(channel: &str, batch: usize) -> String {
    let payments = vec![json!({"amount": "1"}); batch];
    let call = json!({"channelId": channel, "payments": payments, "waitMillis": 100_000});
    request("lockstep_payBatch", &call)
}

fn pay(caller: &mut Caller, request: &str, batch: usize) -> Result<f64> {
    let (receipt, secs) = time(|| caller.send(request));
    let receipt: Value = receipt.context("a batch of payments")?;
    ensure!(receipt["finalCount"] == batch, "not all is final: {receipt}");
    Ok(secs)
}

/// Runs streams beside each other.
///
/// # Errors
/// If a payment is refused or does not become final.
pub fn flow(streams: &[Stream<'_>]) -> Result<Outcome> {
    let watch = Watch::start();
    let latencies: Result<Vec<Vec<f64>>> = thread::scope(|scope| {
        let threads: Vec<_> =
            streams.iter().map(|stream| scope.spawn(|| one_stream(stream))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let secs = watch.secs();
    let latencies = latencies?;
    let by_stream: Vec<_> = streams
        .iter()
        .zip(&latencies)
        .map(|(stream, latencies)| stream.batch * latencies.len())
        .collect();
    let payments = by_stream.iter().sum();
    Ok(Outcome { payments, by_stream, secs, latencies: Sample::new(latencies.concat()) })
}

fn one_stream(stream: &Stream<'_>) -> Result<Vec<f64>> {
    let fits = (OUTSTANDING / stream.batch).clamp(1, MAX_CALLERS);
    let callers = stream.callers.unwrap_or(fits);
    let calls = stream.total / stream.batch;
    let taken = AtomicUsize::new(0);
    let watch = Watch::start();
    let request = pay_request(stream.channel, stream.batch);
    let latencies: Result<Vec<Vec<f64>>> = thread::scope(|scope| {
        let work = || -> Result<Vec<f64>> {
            let mut caller = stream.node.caller()?;
            let mut own = Vec::new();
            while watch.elapsed() < LONGEST && taken.fetch_add(1, Ordering::Relaxed) < calls {
                own.push(pay(&mut caller, &request, stream.batch)?);
            }
            Ok(own)
        };
        let threads: Vec<_> = (0..callers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    Ok(latencies?.concat())
}

/// One payment in each of many channels, over and over: each has at most one under way, so that each makes a
/// state of its own.
///
/// # Errors
/// As [`flow`].
pub fn rounds(node: &Node, channels: &[String], rounds: usize, callers: usize) -> Result<Outcome> {
    let watch = Watch::start();
    let share = channels.len().div_ceil(callers);
    let latencies: Result<Vec<Vec<f64>>> = thread::scope(|scope| {
        let work = |share: &[String]| -> Result<Vec<f64>> {
            let requests: Vec<_> = share.iter().map(|id| pay_request(id, 1)).collect();
            let mut caller = node.caller()?;
            let mut own = Vec::new();
            for _ in 0..rounds {
                for request in &requests {
                    own.push(pay(&mut caller, request, 1)?);
                }
            }
            Ok(own)
        };
        let threads: Vec<_> =
            channels.chunks(share).map(|share| scope.spawn(move || work(share))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let secs = watch.secs();
    let payments = channels.len() * rounds;
    let latencies = Sample::new(latencies?.concat());
    Ok(Outcome { payments, by_stream: vec![payments], secs, latencies })
}
