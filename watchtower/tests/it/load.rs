//! A tower that holds very many channels: what that takes, and that it answers as before.
//!
//! `make bench-tower` runs it with a million. Those appointments are real, with two signatures each, and go through
//! all of the tower's checks and its store; but they are written to the store beside the network, and the chain knows
//! nothing of their channels, so that no hours go by with questions to a local chain. What a client waits for an
//! appointment is measured apart, and the channels that are closed in the end are real.

use std::path::Path;
use std::sync::Arc;

use alloy_primitives::{B256, U256};
use futures::future::join_all;
use lockstep_core::digest::SigningDomain;
use lockstep_core::ids::{NodeId, Side, Version};
use lockstep_core::money::Amount;
use lockstep_core::terms::PeriodBounds;
use lockstep_core::time::BlockTimestamp;
use lockstep_store::journal::DiskJournal;
use lockstep_store::open::Options;
use lockstep_store::writer::JournalThread;
use lockstep_watchtower::record::{Record, Reference};
use lockstep_watchtower::seal::RowKey;
use lockstep_watchtower::shared::Shared;
use lockstep_watchtower::store::{Changes, TowerStore};
use tokio::time::Instant;

use crate::crowd::{close_all, closes_from_env, generous, open_all};
use crate::kit::{Client, LOOK, appointment, domain, keys, leave, tower_with};
use crate::scene::Scene;

/// Appointments that the tower holds besides those that are answered. More of them: `APPOINTMENTS=1000000`.
const APPOINTMENTS: u64 = 1_000;
/// Closes in one block. More of them: `CLOSES=1000`.
const CLOSES: u64 = 100;
/// Appointments that are made at a time, and whose rows share a disk write.
const AT_ONCE: u64 = 512;
/// Salts of channels that are on no chain begin here.
const NOWHERE: u64 = 1 << 40;

/// An appointment and who refers to it, as the intake writes them.
fn changes(scene: &Scene, number: u64, account: NodeId) -> Changes {
    let mut channel = scene.channel(1);
    channel.terms.salt = B256::from(U256::from(NOWHERE + number));
    channel.id = channel.terms.channel_id(domain(scene));
    let left = appointment(scene, &channel, 7, 20);
    let state_hash = SigningDomain::new(domain(scene)).state(&left.state);
    let bounds = PeriodBounds { minimum: 1_000, maximum: u32::MAX };
    let record = Record::new(left.check(bounds, None).unwrap(), Version::ZERO);
    let reference = Reference {
        side: Side::Two,
        version: Version(7),
        state_hash,
        valid_from: BlockTimestamp(1),
        valid_until: BlockTimestamp(u64::from(u32::MAX)),
        min_window: 1_000,
        insured: Amount::ZERO,
        withdraw_version: Version::ZERO,
    };
    let reference = Some((account, channel.id, reference));
    Changes { record: Some(record), reference, ..Changes::default() }
}

/// Fills the store of a tower that does not run.
async fn fill(scene: &Arc<Scene>, dir: &Path, appointments: u64) {
    let keys = keys(0x70);
    let secret = keys.tower_secret(&keys.node_id().unwrap()).unwrap();
    let options = Options { cache_bytes: 256 * 1024 * 1024, ..Options::default() };
    let (journal, _) = DiskJournal::open(&dir.join("store"), &options).unwrap();
    let (thread, handle) = JournalThread::start(journal).unwrap();
    let shared = Shared::new(TowerStore::new(handle, RowKey::new(&secret).unwrap()));
    let account = NodeId([2; 33]);
    let workers = u64::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    for first in (0..appointments).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let count = AT_ONCE.min(appointments - first);
        let made = join_all((0..workers).map(|worker| {
            let scene = Arc::clone(scene);
            tokio::task::spawn_blocking(move || {
                let own = (0..count).filter(|number| number % workers == worker);
                own.map(|number| changes(&scene, first + number, account)).collect::<Vec<_>>()
            })
        }));
        let made = made.await.into_iter().flat_map(Result::unwrap);
        for written in join_all(made.map(|changes| shared.write(changes))).await {
            written.unwrap();
        }
    }
    drop(shared);
    thread.stop().unwrap();
}

/// Units: MiB that this process holds now.
fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

/// Units: MiB of all files below a folder.
fn disk_mib(folder: &Path) -> u64 {
    fn bytes(folder: &Path) -> u64 {
        let sizes = std::fs::read_dir(folder).unwrap().map(|entry| {
            let (path, data) =
                entry.map(|entry| (entry.path(), entry.metadata().unwrap())).unwrap();
            if data.is_dir() { bytes(&path) } else { data.len() }
        });
        sizes.sum()
    }
    bytes(folder) / (1024 * 1024)
}

#[tokio::test(flavor = "multi_thread")]
async fn p70_p80_a_tower_that_holds_very_many_channels_serves_and_answers_all_that_are_closed() {
    let appointments =
        std::env::var("APPOINTMENTS").map_or(APPOINTMENTS, |text| text.parse().unwrap());
    let scene = Arc::new(Scene::start().await);
    let channels = open_all(&scene, closes_from_env(CLOSES)).await;
    let dir = tempfile::tempdir().unwrap();
    let before = Instant::now();
    fill(&scene, dir.path(), appointments).await;
    println!("{appointments} appointments signed, checked and written: {:?}", before.elapsed());
    println!("disk: {} MiB", disk_mib(dir.path()));

    let (mib, before) = (memory_mib(), Instant::now());
    let (tower, address, heard) = tower_with(&scene, dir.path(), generous(), None).await;
    println!("restart until clients are served: {:?}", before.elapsed());
    let waiting = async {
        while tower.holdings().count() != Some(appointments) {
            tokio::time::sleep(LOOK).await;
        }
    };
    waiting.await;
    println!("restart until all can be proved: {:?}", before.elapsed());
    println!("memory: {} MiB, {mib} MiB of it before the tower (with this test)", memory_mib());

    let (client, before) = (Client::connect(&address, 1).await, Instant::now());
    for channel in &channels {
        leave(&client, &scene, channel, 7).await;
    }
    let (count, took) = (channels.len(), before.elapsed());
    println!("{count} appointments over one link, one after the other: {took:?}");
    drop(client);
    assert_eq!(
        tower.totals().await.unwrap().channels,
        appointments + u64::try_from(count).unwrap()
    );
    let before = Instant::now();
    let (used, blocks) = close_all(&scene, &channels, &heard).await;
    println!("{count} closes: {used} transactions, {blocks} blocks until the last is included");
    println!("from the closes to their final answers: {:?}", before.elapsed());
    println!("memory: {} MiB", memory_mib());
    tower.stop().await;
}
