//! The check: what is on disk after a cut, against what was acknowledged before it.

use std::{collections::BTreeMap, path::Path};

use lockstep_core::commit::Journal;
use lockstep_store::{journal::DiskJournal, open::Options};

use crate::{channels, record_at};

/// What a cut left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every acknowledged version is there; this many are.
    Whole {
        /// The version of each channel.
        versions: BTreeMap<u64, u64>,
    },
    /// Acknowledged versions are missing.
    Lost {
        /// How many.
        count: u64,
    },
    /// The journal cannot be opened or read, or holds something that was never written.
    Broken {
        /// In what way.
        why: String,
    },
}

/// Opens the journal and compares every channel.
pub(crate) fn check(dir: &Path, acknowledged: &BTreeMap<u64, u64>) -> Verdict {
    let broken = |why: String| Verdict::Broken { why };
    let (mut journal, _) = match DiskJournal::open(dir, &Options::default()) {
        Ok(opened) => opened,
        Err(error) => return broken(format!("open: {error}: {error:?}")),
    };
    let mut versions = BTreeMap::new();
    let mut lost = 0;
    for channel in channels() {
        let record = match journal.read(channel.id()) {
            Ok(record) => record,
            Err(error) => return broken(format!("read: {error:?}")),
        };
        let version = record.as_ref().map_or(0, |record| record.parts().guard.highest.0);
        if record.is_some_and(|record| record != record_at(&channel, version)) {
            return broken(format!("channel {} has another state {version}", channel.number()));
        }
        let steps = match journal.history(channel.id(), 0) {
            Ok(steps) => u64::try_from(steps.len()).unwrap_or(u64::MAX),
            Err(error) => return broken(format!("history: {error:?}")),
        };
        if steps != version {
            return broken(format!("channel {} has {steps} steps", channel.number()));
        }
        let expected = acknowledged.get(&channel.number()).copied().unwrap_or(0);
        lost += expected.saturating_sub(version);
        versions.insert(channel.number(), version);
    }
    if lost > 0 { Verdict::Lost { count: lost } } else { Verdict::Whole { versions } }
}
