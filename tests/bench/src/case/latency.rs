//! How long a single payment takes until it can't be taken back: alone, and beside many others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::object;
use crate::floor::Floor;
use crate::load::{Stream, flow};
use crate::pair::Pair;
use crate::setting::Setting;
use crate::stats::Sample;

/// Payments of one call beside which single ones are measured.
const BESIDE: usize = 100;

/// Alone and beside others, against the floor.
///
/// # Errors
/// If a sum is wrong.
pub fn run(setting: &Setting, floor: &Floor) -> Result<Value> {
    let count = if setting.is_quick { 10 } else { 400 };
    let pair = Pair::open(setting, Duration::ZERO)?;
    let before = pair.all_balances()?;
    let channel = &pair.channels[0];
    let single = Stream { node: &pair.one, channel, batch: 1, total: count, callers: Some(1) };
    let idle = flow(&[single])?.latencies;
    let alone = idle.len();
    let ends = AtomicBool::new(false);
    let many = Stream { batch: BESIDE, total: BESIDE * 20, callers: Some(4), ..single };
    let (loaded, beside) = thread::scope(|scope| -> Result<_> {
        let load = scope.spawn(|| -> Result<usize> {
            let mut sent = 0;
            while !ends.load(Ordering::SeqCst) {
                sent += flow(&[many])?.payments;
            }
            Ok(sent)
        });
        let loaded = flow(&[single]);
        ends.store(true, Ordering::SeqCst);
        Ok((loaded?.latencies, load.join().expect("no panic")?))
    })?;
    pair.expect_moved(&before, i128::try_from(alone + loaded.len() + beside)?)?;
    let least = floor.one_payment();
    Ok(object([
        ("idle_p50_seconds", idle.median().into()),
        ("idle_p99_seconds", idle.at(0.99).into()),
        ("idle_min_seconds", idle.min().into()),
        ("loaded_p50_seconds", loaded.median().into()),
        ("loaded_p99_seconds", loaded.at(0.99).into()),
        ("floor_seconds", least.into()),
        ("idle_p50_over_floor", (Sample::median(&idle) / least).into()),
    ]))
}
