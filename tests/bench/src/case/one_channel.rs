//! Payments through one channel that was opened on the chain: by size of a batch, both ways, and over distance.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::{figure, object, series};
use crate::floor::Floor;
use crate::load::{Stream, flow};
use crate::pair::Pair;
use crate::setting::Setting;

/// Payments of one call.
const BATCHES: [usize; 6] = [1, 10, 50, 100, 250, 500];
/// The batch of all cases that vary something else.
pub const BATCH: usize = 250;
/// Units: milliseconds of a round trip that the line adds.
const ROUND_TRIPS: [u64; 4] = [0, 1, 20, 100];
/// Windows of the run that shows whether a payment costs more the more there were.
const WINDOWS: usize = 10;

fn total(setting: &Setting, batch: usize) -> usize {
    let calls = if setting.is_quick { 4 } else { 240 };
    // Small batches are slow by the payment; large ones need time to settle in.
    (batch * calls).min(60_000)
}

/// By size of a batch, and how the figure changes as payments add up.
///
/// # Errors
/// If a sum is wrong.
pub fn one_way(setting: &Setting, _: &Floor) -> Result<Value> {
    let pair = Pair::open(setting, Duration::ZERO)?;
    let mut by_batch = Vec::new();
    let mut best = Vec::new();
    for batch in BATCHES {
        let mut rates = Vec::new();
        for _ in 0..setting.runs {
            rates.push(measure(&pair, batch, total(setting, batch), false)?.0);
        }
        if rates.iter().sum::<f64>() > best.iter().sum::<f64>() {
            best.clone_from(&rates);
        }
        by_batch.push((batch as f64, figure(rates)));
    }
    let busy = (pair.one.busy_secs()?, pair.two.busy_secs()?);
    let mut by_number = Vec::new();
    let mut made = 0;
    for _ in 0..WINDOWS {
        let (rate, payments) = measure(&pair, BATCH, total(setting, BATCH), false)?;
        made += payments;
        by_number.push((made as f64, figure(vec![rate])));
    }
    let spent = |now: f64, then: f64| (now - then) / made as f64;
    let cost = [spent(pair.one.busy_secs()?, busy.0), spent(pair.two.busy_secs()?, busy.1)];
    Ok(object([
        ("payments_per_second", figure(best)),
        ("by_batch", series(by_batch)),
        ("by_number", series(by_number)),
        ("payer_cpu_seconds_per_payment", cost[0].into()),
        ("payee_cpu_seconds_per_payment", cost[1].into()),
    ]))
}

/// Half of the payments each way, at the same time.
///
/// # Errors
/// If a sum is wrong.
pub fn both_ways(setting: &Setting, _: &Floor) -> Result<Value> {
    let pair = Pair::open(setting, Duration::ZERO)?;
    let mut rates = Vec::new();
    for _ in 0..setting.runs {
        rates.push(measure(&pair, BATCH, total(setting, BATCH), true)?.0);
    }
    Ok(object([("payments_per_second", figure(rates))]))
}

/// Over lines of several lengths.
///
/// # Errors
/// If a sum is wrong.
pub fn distance(setting: &Setting, _: &Floor) -> Result<Value> {
    let mut points = Vec::new();
    for millis in ROUND_TRIPS {
        let pair = Pair::open(setting, Duration::from_millis(millis))?;
        let mut rates = Vec::new();
        for _ in 0..setting.runs {
            rates.push(measure(&pair, BATCH, total(setting, BATCH) / 2, false)?.0);
        }
        points.push((millis as f64, figure(rates)));
    }
    Ok(object([("by_round_trip_millis", series(points))]))
}

/// Payments a second of one run, and how many there were; all sums must be exact on both sides after it.
fn measure(pair: &Pair, batch: usize, total: usize, is_both_ways: bool) -> Result<(f64, usize)> {
    let before = pair.all_balances()?;
    let channel = &pair.channels[0];
    let stream = |node| Stream { node, channel, batch, total, callers: None };
    let streams = [stream(&pair.one), stream(&pair.two)];
    let used = if is_both_ways { &streams[..] } else { &streams[..1] };
    let outcome = flow(used)?;
    let sent = |stream: usize| outcome.by_stream.get(stream).copied().unwrap_or(0);
    pair.expect_moved(&before, i128::try_from(sent(0))? - i128::try_from(sent(1))?)?;
    Ok((outcome.rate(), outcome.payments))
}
