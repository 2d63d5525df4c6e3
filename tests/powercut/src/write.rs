//! The writer: commits on all channels as fast as the disk lets it, and says what is durable.

use std::{
    io::Write,
    path::Path,
    sync::mpsc::{Sender, channel},
};

use anyhow::{Context, Result, anyhow};
use lockstep_core::{commit::Journal, ids::Version};
use lockstep_store::{
    faulty::{FaultPlan, FaultyDisk},
    fixture::ChannelFixture,
    journal::DiskJournal,
    open::Options,
    writer::{CommitError, JournalHandle, JournalThread},
};

use crate::{channels, record_at};

/// Whether the writer syncs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syncing {
    /// The journal as it ships.
    AsShipped,
    /// The control: the journal's own `fdatasync` is left out. Losses are expected.
    None,
}

/// One channel's next step is durable, or the journal failed.
type Outcome = (usize, Result<u64, CommitError>);

/// Commits until it is killed or the disk fails.
pub(crate) fn run(dir: &Path, syncing: Syncing) -> Result<()> {
    let (mut journal, _) = DiskJournal::open(dir, &Options::default())?;
    if syncing == Syncing::None {
        let plan = FaultPlan::default();
        plan.skip_syncs();
        journal.engine_mut().wrap_disk(|disk| Box::new(FaultyDisk::new(disk, plan)));
    }
    let channels = channels();
    let mut versions = Vec::new();
    for channel in &channels {
        let record = journal.read(channel.id())?;
        versions.push(record.map_or(Version(0), |record| record.parts().guard.highest).0);
    }
    let (_thread, handle) = JournalThread::start(journal)?;
    let (done, outcomes) = channel::<Outcome>();
    for (place, channel) in channels.iter().enumerate() {
        submit(&handle, &done, place, channel, versions[place] + 1)?;
    }
    let mut out = std::io::stdout().lock();
    for (place, outcome) in outcomes {
        let version = outcome.context("commit")?;
        let channel = channels.get(place).ok_or_else(|| anyhow!("no channel {place}"))?;
        // One write per acknowledgement: whatever was read of it was durable before.
        out.write_all(format!("{} {version}\n", channel.number()).as_bytes())?;
        submit(&handle, &done, place, channel, version + 1)?;
    }
    Ok(())
}

fn submit(
    handle: &JournalHandle,
    done: &Sender<Outcome>,
    place: usize,
    channel: &ChannelFixture,
    version: u64,
) -> Result<()> {
    let transition = channel.transition(record_at(channel, version));
    let done = done.clone();
    let reply = Box::new(move |outcome: Result<_, CommitError>| {
        // When nobody listens any more the writer is about to end.
        done.send((place, outcome.map(|_| version))).ok();
    });
    Ok(handle.submit(transition, reply)?)
}
