//! Runs many seeds, or one: see `--help`.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lockstep_sim::run::{Failure, run};
use lockstep_sim::stats::Stats;
use lockstep_sim::trace::Trace;

const HELP: &str = "\
lockstep-sim [--seeds N] [--from SEED] [--minutes M] [--threads T] [--failures F]   many seeds, past failures first
lockstep-sim --seed SEED [--trace]                                   one seed, with its story";

/// Past failing seeds, replayed first.
const PAST: &str = include_str!("../seeds.txt");

struct Orders {
    seeds: u64,
    from: u64,
    minutes: Option<u64>,
    threads: u64,
    /// Ends the search.
    failures: usize,
    one: Option<u64>,
    has_trace: bool,
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Orders, String> {
    let mut orders = Orders {
        seeds: 20_000,
        from: 0,
        minutes: None,
        threads: 2,
        failures: 3,
        one: None,
        has_trace: false,
    };
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        if name == "--trace" {
            orders.has_trace = true;
            continue;
        }
        let value = arguments.next().and_then(|value| value.parse().ok());
        let value = value.ok_or_else(|| format!("{name} needs a number\n{HELP}"))?;
        match name.as_str() {
            "--seeds" => orders.seeds = value,
            "--from" => orders.from = value,
            "--minutes" => orders.minutes = Some(value),
            "--threads" => orders.threads = value,
            "--failures" => orders.failures = usize::try_from(value).unwrap_or(usize::MAX),
            "--seed" => orders.one = Some(value),
            _ => return Err(HELP.to_owned()),
        }
    }
    Ok(orders)
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Err(help) => {
            println!("{help}");
            ExitCode::FAILURE
        }
        Ok(Orders { one: Some(seed), has_trace, .. }) => run_one(seed, has_trace),
        Ok(orders) => run_many(&orders),
    }
}

fn run_one(seed: u64, has_trace: bool) -> ExitCode {
    let trace = if has_trace { Trace::kept() } else { Trace::default() };
    match run(seed, trace) {
        Ok((stats, trace)) => {
            trace.lines().iter().for_each(|line| println!("{line}"));
            print!("seed {seed} holds\n{stats}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            failure.trace.iter().for_each(|line| println!("{line}"));
            println!("FAILED {failure}");
            ExitCode::FAILURE
        }
    }
}

/// What all threads share.
struct Shared {
    next: AtomicU64,
    has_failed: AtomicBool,
    stats: Mutex<Stats>,
    failures: Mutex<Vec<Failure>>,
}

fn run_many(orders: &Orders) -> ExitCode {
    let past: Vec<u64> =
        PAST.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    let shared = Shared {
        next: AtomicU64::new(0),
        has_failed: AtomicBool::new(false),
        stats: Mutex::default(),
        failures: Mutex::default(),
    };
    // Wall-clock time only limits how long a search goes on; no run sees it.
    #[allow(clippy::disallowed_methods)]
    let start = std::time::Instant::now();
    let is_late = || {
        orders.minutes.is_some_and(|minutes| start.elapsed() >= Duration::from_secs(60 * minutes))
    };
    std::thread::scope(|scope| {
        for _ in 0..orders.threads.max(1) {
            scope.spawn(|| work(orders, &past, &shared, &is_late));
        }
    });
    let failures = shared.failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    let stats = shared.stats.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = start.elapsed().as_secs_f64();
    print!("{stats}");
    println!("{} runs in {seconds:.0} s, {:.0} a second", stats.of("runs"), rate(&stats, seconds));
    for failure in &failures {
        println!("FAILED {failure}");
        println!("  replay: cargo run -p lockstep-sim -- --seed {} --trace", failure.seed);
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn rate(stats: &Stats, seconds: f64) -> f64 {
    let runs = u32::try_from(stats.of("runs")).unwrap_or(u32::MAX);
    f64::from(runs) / seconds.max(0.001)
}

fn work(orders: &Orders, past: &[u64], shared: &Shared, is_late: &(dyn Fn() -> bool + Sync)) {
    let mut own = Stats::default();
    while !shared.has_failed.load(Ordering::Relaxed) && !is_late() {
        let turn = shared.next.fetch_add(1, Ordering::Relaxed);
        let index = usize::try_from(turn).unwrap_or(usize::MAX);
        let seed = match past.get(index) {
            Some(seed) => *seed,
            None => {
                let turn = turn - past.len() as u64;
                if orders.minutes.is_none() && turn >= orders.seeds {
                    break;
                }
                orders.from + turn
            }
        };
        match run(seed, Trace::default()) {
            Ok((stats, _)) => own.merge(&stats),
            Err(failure) => {
                let mut failures = shared.failures.lock().unwrap_or_else(PoisonError::into_inner);
                failures.push(*failure);
                if failures.len() >= orders.failures {
                    shared.has_failed.store(true, Ordering::Relaxed);
                }
            }
        }
    }
    shared.stats.lock().unwrap_or_else(PoisonError::into_inner).merge(&own);
}
