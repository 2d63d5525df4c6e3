//! The long search: neighbours of the corpora and of what was found on the way, for as long as one likes.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lockstep_sim::rng::Rng;

use crate::bend::{any, bend};
use crate::target::{ALL, Target};

/// Inputs of one target before the next has its turn.
const TURN: Duration = Duration::from_secs(5);
/// Attempts to make a finding smaller.
const MAX_ATTEMPTS: usize = 4_000;

/// Where the committed corpora are.
#[must_use]
pub fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/__fuzz__")
}

/// The committed inputs of a target, by name.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = corpora().join(target.name).join("corpus");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    paths.sort();
    let inputs = paths.iter().map(|path| fs::read(path).expect("an input"));
    inputs.collect()
}

/// Searches for this long; false if something was found. Findings are made small and kept beside the
/// corpora, in `crashes`, where the tests replay them.
#[must_use]
// Wall-clock time only limits how long the search goes on.
#[allow(clippy::disallowed_methods)]
pub fn hunt(time: Duration, only: Option<&str>) -> bool {
    let start = Instant::now();
    let targets: Vec<Target> =
        ALL.into_iter().filter(|target| only.is_none_or(|name| name == target.name)).collect();
    // Each search has seeds of its own, and says which.
    let first =
        std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs()) << 24;
    println!("seeds from {first}");
    std::panic::set_hook(Box::new(|_| {}));
    let findings = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2_u64)
            .map(|thread| {
                let targets = &targets;
                scope.spawn(move || {
                    search(targets, first + (thread << 20), || start.elapsed() < time)
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).sum::<usize>()
    });
    drop(std::panic::take_hook());
    findings == 0 && !targets.is_empty()
}

/// All targets in turn; how many findings there were.
#[allow(clippy::disallowed_methods)]
fn search(targets: &[Target], first: u64, is_time: impl Fn() -> bool) -> usize {
    let mut seed = first;
    let mut findings = 0;
    let mut counts = vec![0_u64; targets.len()];
    let known: Vec<_> = targets.iter().map(corpus).collect();
    'all: loop {
        for (place, target) in targets.iter().enumerate() {
            let turn = Instant::now();
            while turn.elapsed() < TURN {
                if !is_time() {
                    break 'all;
                }
                seed += 1;
                let mut rng = Rng::new(seed);
                let input =
                    if rng.below(16) == 0 { any(&mut rng) } else { bend(&known[place], &mut rng) };
                counts[place] += 1;
                if fails(target, &input) {
                    findings += 1;
                    keep(target, seed, &input);
                    if findings > 20 {
                        break 'all;
                    }
                }
            }
        }
    }
    for (target, count) in targets.iter().zip(counts) {
        println!("{:<10} {count:>12} inputs", target.name);
    }
    findings
}

fn fails(target: &Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err()
}

/// Makes a finding small, and writes it down.
fn keep(target: &Target, seed: u64, input: &[u8]) {
    let small = minimise(input.to_vec(), |input| fails(target, input));
    let folder = corpora().join(target.name).join("crashes");
    let path = folder.join(format!("seed-{seed}"));
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, &small));
    println!("FOUND {} seed {seed}: {} bytes in {path:?} ({written:?})", target.name, small.len());
}

/// Takes away whatever is not needed to fail, in ever smaller parts, then makes bytes zero.
#[must_use]
pub fn minimise(mut input: Vec<u8>, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut attempts = 0;
    let mut part = input.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        while at < input.len() && attempts < MAX_ATTEMPTS {
            attempts += 1;
            let mut less = input.clone();
            less.drain(at..(at + part).min(input.len()));
            if fails(&less) {
                input = less;
            } else {
                at += part;
            }
        }
        if part == 1 || attempts >= MAX_ATTEMPTS {
            break;
        }
        part = part.div_ceil(2);
    }
    for at in 0..input.len() {
        let byte = std::mem::take(&mut input[at]);
        attempts += 1;
        if byte != 0 && (attempts > 2 * MAX_ATTEMPTS || !fails(&input)) {
            input[at] = byte;
        }
    }
    input
}
