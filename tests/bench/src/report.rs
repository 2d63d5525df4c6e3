//! The file of results: what a run measured, beside what it measured before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

/// Where the results are kept.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Results so far; empty if there are none.
///
/// # Errors
/// If the file is no JSON.
pub fn read(folder: &Path) -> Result<Map<String, Value>> {
    match fs::read_to_string(folder.join("results.json")) {
        Ok(text) => serde_json::from_str(&text).context("results.json"),
        Err(_) => Ok(Map::new()),
    }
}

/// Puts a case's result in its place, and lifts the figures that have a name of their own.
pub fn put(results: &mut Map<String, Value>, case: &str, result: Value) {
    for (name, place) in [
        ("payments_per_second", ("one-way", "payments_per_second")),
        ("payments_per_second_both_ways", ("both-ways", "payments_per_second")),
        ("states_per_second", ("channels", "states_per_second")),
        ("payment_latency_seconds", ("latency", "idle_p50_seconds")),
        ("payment_latency_over_floor", ("latency", "idle_p50_over_floor")),
        ("start_seconds_10000_channels", ("idle", "start_seconds_beyond_empty")),
        ("bytes_per_idle_channel", ("idle", "bytes_per_idle_channel")),
        ("simulator_steps_per_second", ("simulator", "steps_per_second")),
    ] {
        let (of, field) = place;
        if of == case {
            let value = &result[field];
            let value = if value.is_object() { &value["median"] } else { value };
            results.insert(name.to_owned(), value.clone());
        }
    }
    let cases = results.entry("cases").or_insert_with(|| json!({}));
    cases[case] = result;
}

/// What the machine is, as far as it matters.
#[must_use]
pub fn machine() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    json!({
        "cores": cores,
        "processor": model.map(|(_, name)| name.trim()),
        "kernel": kernel.trim(),
        "load_average_before": load.split_whitespace().next(),
        "commit": commit.unwrap_or_default(),
    })
}

/// Writes results, the page and the plot.
///
/// # Errors
/// If a file can't be written.
pub fn write(folder: &Path, results: &Map<String, Value>) -> Result<()> {
    let text = serde_json::to_string_pretty(results)? + "\n";
    fs::write(folder.join("results.json"), text)?;
    fs::write(folder.join("results.svg"), crate::plot::all(results))?;
    fs::write(folder.join("RESULTS.md"), crate::page::render(results))?;
    Ok(())
}
