//! The long runs of the committed bytecode. `LOCKSTEP_SEED` shows a difference again, `LOCKSTEP_STEPS` runs
//! longer, `LOCKSTEP_ARTIFACTS` runs another build.

use lockstep_differential::run::{Plan, Report};
use lockstep_differential::world::Build;
use std::time::Instant;

#[test]
fn p01_p02_p04_p05_p06_p07_p09_p23_p33_contract_and_reference_agree_on_random_lives() {
    let report = play(Build::Cancun, 1, 40_000);
    check_coverage(&report);
}

#[test]
fn p01_p02_p04_p05_p06_p07_p09_p23_p33_the_build_without_transient_storage_agrees_too() {
    play(Build::Shanghai, 2, 15_000);
}

#[test]
fn a_seed_plays_the_same_run_again() {
    let run = |seed| Plan::new(seed, 400, Build::Cancun).run().expect("no difference");
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

/// Every function must succeed often, and every error of the model must be met.
fn check_coverage(report: &Report) {
    const FUNCTIONS: [&str; 15] = [
        "openChannel",
        "joinChannel",
        "deposit",
        "cancelOpen",
        "updateState",
        "partialWithdraw",
        "initiateClose",
        "challengeClose",
        "challengeCloseBatch",
        "closeChannel",
        "cooperativeClose",
        "resolveLocks",
        "withdraw",
        "withdrawFor",
        "registerSecret",
    ];
    // What the model leaves out: caps, gas, nesting, bare ether, and the constructor's own.
    const ERRORS: usize = 34;
    let per_10_000 = |count: u64| count * 10_000 / report.steps;
    for function in FUNCTIONS {
        let count = report.done.get(function).copied().unwrap_or(0);
        assert!(per_10_000(count) >= 20, "{function} succeeded only {count} times");
    }
    for told in ["lock paid", "lock refunded", "credited", "closed with locks", "challenge skipped"]
    {
        let count = report.told.get(told).copied().unwrap_or(0);
        assert!(per_10_000(count) >= 20, "{told}: only {count} times");
    }
    assert_eq!(report.refused.len(), ERRORS, "errors met: {:#?}", report.refused);
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[allow(clippy::disallowed_methods, reason = "the speed is shown to people, nothing depends on it")]
fn play(build: Build, seed: u64, steps: u64) -> Report {
    let seed = number("LOCKSTEP_SEED").unwrap_or(seed);
    let steps = number("LOCKSTEP_STEPS").unwrap_or(steps);
    println!("seed {seed}, {steps} steps, {build:?}");
    let start = Instant::now();
    let report = Plan::new(seed, steps, build).run().unwrap_or_else(|found| panic!("{found}"));
    let seconds = start.elapsed().as_secs_f64();
    println!("{:.0} steps/s\n{report:#?}", report.steps as f64 / seconds);
    report
}
