//! Power cuts under the journal as it ships.
//!
//! `rounds` mounts a file system from a file, lets `write` commit on it through the journal thread,
//! shuts the file system down without flushing its log, kills the writer, mounts again and lets
//! `check` compare what is there with what was acknowledged before the cut was ordered.

mod check;
mod mount;
mod rounds;
mod write;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use lockstep_core::ids::Side;
use lockstep_store::fixture::ChannelFixture;

/// Channels that are written at the same time.
const CHANNELS: u64 = 8;

/// The channels of the harness: every second one is ours as the proposer.
fn channels() -> Vec<ChannelFixture> {
    let side = |number: u64| if number.is_multiple_of(2) { Side::One } else { Side::Two };
    (0..CHANNELS).map(|number| ChannelFixture::new(number, side(number))).collect()
}

/// The record that a channel has at a version: some are small, some hold much in flight.
fn record_at(channel: &ChannelFixture, version: u64) -> lockstep_core::record::ChannelRecord {
    match version % 7 {
        0 => channel.record(version, 32),
        1..=5 => channel.record(version, 0),
        _ => channel.busy_record(version, 0, 300),
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["write", dir] => write::run(&PathBuf::from(dir), write::Syncing::AsShipped),
        ["write", dir, "--without-sync"] => write::run(&PathBuf::from(dir), write::Syncing::None),
        ["rounds", fs, count, seed] => rounds(fs, count, seed, write::Syncing::AsShipped),
        ["rounds", fs, count, seed, "--without-sync"] => {
            rounds(fs, count, seed, write::Syncing::None)
        }
        _ => bail!("usage: rounds <ext4|xfs> <count> <seed> [--without-sync]"),
    }
}

fn rounds(fs: &str, count: &str, seed: &str, syncing: write::Syncing) -> Result<()> {
    let count = count.parse().context("count")?;
    let seed = seed.parse().context("seed")?;
    rounds::run(fs, count, seed, syncing)
}
