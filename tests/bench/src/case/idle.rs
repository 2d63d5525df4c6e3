//! A node with 10,000 channels in which nothing happens: how long it takes to start, and what it holds.

use anyhow::Result;
use lockstep_core::ids::Side;
use serde_json::{Value, json};

use super::{figure, object, series};
use crate::floor::Floor;
use crate::forge::{self, Party};
use crate::pair::Pair;
use crate::setting::Setting;

/// Channels.
const COUNTS: [u64; 3] = [0, 1_000, 10_000];
/// Channels with one counterparty, below the limit of the protocol.
const PER_PEER: u64 = 500;

/// By number of channels: time to serving, and memory for each channel beyond a node with none.
///
/// # Errors
/// If a channel is missing.
pub fn run(setting: &Setting, _: &Floor) -> Result<Value> {
    let (mut starts, mut memories) = (Vec::new(), Vec::new());
    let mut empty = (0.0, 0.0);
    let mut last = (vec![], vec![]);
    for count in COUNTS {
        let count = if setting.is_quick { count / 50 } else { count };
        let (secs, bytes) = measure(setting, count)?;
        if count == 0 {
            let least = |all: &[f64]| all.iter().copied().fold(f64::MAX, f64::min);
            empty = (least(&secs), least(&bytes));
        } else {
            let each: Vec<f64> = bytes.iter().map(|it| (it - empty.1) / count as f64).collect();
            memories.push((count as f64, figure(each.clone())));
            last = (secs.iter().map(|it| it - empty.0).collect(), each);
        }
        starts.push((count as f64, figure(secs)));
    }
    Ok(object([
        // Opening the seed is made slow on purpose, and takes the same with and without channels.
        ("start_seconds_beyond_empty", figure(last.0)),
        ("empty_node_start_seconds", empty.0.into()),
        ("bytes_per_idle_channel", figure(last.1)),
        ("empty_node_bytes", empty.1.into()),
        ("start_by_channels", series(starts)),
        ("bytes_by_channels", series(memories)),
    ]))
}

fn measure(setting: &Setting, count: u64) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut pair = Pair::stopped(setting)?;
    pair.chain.hurry(false);
    let domain = pair.domain()?;
    let own = Party::of(&pair.one)?;
    let mut records = Vec::new();
    let mut peer = Party::absent(0)?;
    for number in 0..count {
        if number % PER_PEER == 0 {
            peer = Party::absent(number / PER_PEER)?;
        }
        records.push(forge::record(domain, &own, &peer, Side::One, number)?);
    }
    forge::write(&pair.one.data_dir(), records)?;
    let (mut secs, mut bytes) = (Vec::new(), Vec::new());
    for _ in 0..setting.runs.min(3) {
        secs.push(pair.one.start()?);
        let is_all = |status: &Value| status["channels"]["open"] == count;
        pair.one.until("lockstep_status", &json!([]), is_all)?;
        // A few blocks go by, as for every node that has been up for a while.
        let seen = |status: &Value| status["chain"]["headNumber"].as_u64().unwrap_or(0);
        let now = seen(&pair.one.call("lockstep_status", json!([]))?);
        pair.one.until("lockstep_status", &json!([]), |status| seen(status) > now + 2)?;
        bytes.push(pair.one.memory_bytes()? as f64);
        pair.one.stop()?;
    }
    Ok((secs, bytes))
}
