//! Many channels between two nodes, each with one payment under way at a time: how many states are co-signed.

use anyhow::Result;
use serde_json::{Value, json};

use super::{figure, object, series};
use crate::floor::Floor;
use crate::load::rounds;
use crate::pair::Pair;
use crate::setting::Setting;

/// How many channels.
const COUNTS: [u64; 4] = [1, 10, 100, 1_000];
/// The count that the goal is about.
const GOAL: u64 = 100;
/// Channels that have a payment under way at a time, at most.
const CALLERS: usize = 100;

/// States a second by number of channels.
///
/// # Errors
/// If a sum is wrong, or a state was made for more than one payment.
pub fn run(setting: &Setting, _: &Floor) -> Result<Value> {
    let mut points = Vec::new();
    let mut goal = Vec::new();
    for count in COUNTS {
        let count = if setting.is_quick { count.min(20) } else { count };
        let pair = Pair::forged(setting, count)?;
        let mut rates = Vec::new();
        for _ in 0..setting.runs {
            rates.push(measure(&pair, setting)?);
        }
        if count >= GOAL.min(if setting.is_quick { 20 } else { GOAL }) && goal.is_empty() {
            goal.clone_from(&rates);
        }
        points.push((count as f64, figure(rates)));
    }
    Ok(object([("states_per_second", figure(goal)), ("by_channels", series(points))]))
}

fn measure(pair: &Pair, setting: &Setting) -> Result<f64> {
    let states = if setting.is_quick { 40 } else { 2_000 };
    let times = (states / pair.channels.len()).max(1);
    let before = pair.all_balances()?;
    let versions = versions(pair)?;
    let callers = CALLERS.min(pair.channels.len());
    let outcome = rounds(&pair.one, &pair.channels, times, callers)?;
    pair.expect_moved(&before, i128::try_from(times)?)?;
    let made = self::versions(pair)? - versions;
    anyhow::ensure!(made as usize >= outcome.payments, "{made} states for {}", outcome.payments);
    Ok(outcome.payments as f64 / outcome.secs)
}

/// The sum of all channels' versions.
fn versions(pair: &Pair) -> Result<u64> {
    let mut caller = pair.two.caller()?;
    let mut sum = 0;
    for id in &pair.channels {
        sum += caller.call("lockstep_getChannel", json!([id]))?["version"].as_u64().unwrap_or(0);
    }
    Ok(sum)
}
