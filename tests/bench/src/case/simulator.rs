//! How many lives of a channel the simulator goes through, where it was built.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::object;
use crate::floor::Floor;
use crate::setting::Setting;
use crate::watch::time;

/// Runs so many seeds with the release build of the simulator.
///
/// # Errors
/// If a seed fails.
pub fn run(setting: &Setting, _: &Floor) -> Result<Value> {
    let binary = setting.binary.with_file_name("lockstep-sim");
    if !binary.is_file() {
        return Ok(json!({"skipped": "lockstep-sim is not built beside lockstep"}));
    }
    let seeds = if setting.is_quick { 50 } else { 3_000 };
    let mut command = Command::new(&binary);
    command.args(["--seeds", &seeds.to_string()]);
    let (output, secs) = time(|| command.output());
    let output = output?;
    ensure!(output.status.success(), "the simulator found a failing seed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let runs = number(&text, "runs").context("a number of runs")?;
    let steps = number(&text, "steps");
    Ok(object([
        ("runs_per_second", (runs / secs).into()),
        ("steps_per_second", steps.map(|steps| steps / secs).into()),
    ]))
}

/// The number beside a name in the simulator's own table.
fn number(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let place = words.iter().position(|word| *word == name)?;
        words.iter().enumerate().find_map(|(at, word)| (at != place).then(|| word.parse().ok())?)
    })
}
