//! Rounds of: write, cut, mount again, check.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};

use crate::{
    check::{Verdict, check},
    mount::Mount,
    write::Syncing,
};

/// Every so many rounds begin with an empty folder and are cut early, to hit the creation.
const FRESH_EVERY: u64 = 4;

/// The newest acknowledged version of each channel.
type Acks = Arc<Mutex<BTreeMap<u64, u64>>>;

/// Totals over all rounds.
#[derive(Default)]
struct Totals {
    acknowledged: u64,
    losing_rounds: u64,
    lost: u64,
    broken: u64,
}

/// Cuts the power `count` times on one file system and prints what was lost.
pub(crate) fn run(fs: &str, count: u64, seed: u64, syncing: Syncing) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let mount = Mount::create(fs, scratch.path())?;
    let data = mount.point().join("data");
    let mut random = Random(seed);
    let mut totals = Totals::default();
    let mut known = BTreeMap::new();
    println!("{fs}: {count} cuts, seed {seed}");
    for round in 1..=count {
        let is_fresh = round % FRESH_EVERY == 1;
        if is_fresh && data.exists() {
            std::fs::remove_dir_all(&data)?;
            known.clear();
        }
        let longest = if is_fresh { 400 } else { 1_500 };
        let delay = Duration::from_millis(5 + random.below(longest));
        let acks = cut_after(&mount, &data, delay, &known, syncing)?;
        mount.remount()?;
        let acknowledged: u64 = acks
            .iter()
            .map(|(channel, version)| version - known.get(channel).copied().unwrap_or(0))
            .sum();
        totals.acknowledged += acknowledged;
        let verdict = check(&data, &acks);
        println!("{fs} round {round}: {delay:?}, acknowledged {acknowledged}, {verdict:?}");
        match verdict {
            Verdict::Whole { versions } => known = versions,
            Verdict::Lost { count } => {
                totals.losing_rounds += 1;
                totals.lost += count;
                begin_again(&data, &mut known)?;
            }
            Verdict::Broken { .. } => {
                totals.broken += 1;
                begin_again(&data, &mut known)?;
            }
        }
    }
    println!(
        "{fs}: {count} cuts, {} states acknowledged, {} lost in {} rounds, {} unopenable",
        totals.acknowledged, totals.lost, totals.losing_rounds, totals.broken
    );
    match syncing {
        Syncing::AsShipped if totals.lost + totals.broken > 0 => bail!("the journal lost data"),
        Syncing::None if totals.lost + totals.broken == 0 => {
            bail!("the control lost nothing: these cuts prove nothing")
        }
        Syncing::AsShipped | Syncing::None => Ok(()),
    }
}

fn begin_again(data: &Path, known: &mut BTreeMap<u64, u64>) -> Result<()> {
    known.clear();
    Ok(std::fs::remove_dir_all(data)?)
}

/// Lets the writer work for a while, then cuts. Returns what it had acknowledged before the cut was
/// ordered: what it says later may come from a sync that the cut overtook.
fn cut_after(
    mount: &Mount,
    data: &Path,
    delay: Duration,
    known: &BTreeMap<u64, u64>,
    syncing: Syncing,
) -> Result<BTreeMap<u64, u64>> {
    let acks: Acks = Arc::new(Mutex::new(known.clone()));
    let mut writer = spawn_writer(data, syncing)?;
    let listener = listen(&mut writer, &acks)?;
    thread::sleep(delay);
    let acknowledged = acks.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let cut = mount.shut_down();
    writer.kill().context("kill the writer")?;
    writer.wait()?;
    listener.join().map_err(|_| anyhow!("listener panicked"))?;
    cut?;
    Ok(acknowledged)
}

fn spawn_writer(data: &Path, syncing: Syncing) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("write").arg(data);
    match syncing {
        Syncing::AsShipped => {}
        Syncing::None => {
            command.arg("--without-sync");
        }
    }
    // What the writer says when its disk goes away is what it should say; it is not of interest.
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("start the writer")
}

/// Notes acknowledgements as they come.
fn listen(writer: &mut Child, acks: &Acks) -> Result<thread::JoinHandle<()>> {
    let lines = BufReader::new(writer.stdout.take().context("the writer's output")?).lines();
    let acks = Arc::clone(acks);
    Ok(thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let Some((channel, version)) = line.split_once(' ') else { continue };
            if let (Ok(channel), Ok(version)) = (channel.parse(), version.parse()) {
                acks.lock().unwrap_or_else(PoisonError::into_inner).insert(channel, version);
            }
        }
    }))
}

/// A small generator (splitmix64), so that a run can be repeated by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
