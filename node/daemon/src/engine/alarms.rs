//! What somebody should look at, kept until it is over.

use crate::engine::lock;
use lockstep_core::ids::ChannelId;
use lockstep_rpc::types::{Alarm, Text};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Alarms that stand at a time; beyond it the newest are only logged.
const MAX_ALARMS: usize = 256;

/// Alarms by kind and channel.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Mutex<BTreeMap<(String, Option<ChannelId>), Alarm>>);

impl Alarms {
    /// Raises an alarm, or renews its words.
    pub(crate) fn raise(
        &self,
        kind: &str,
        channel_id: Option<ChannelId>,
        message: String,
        now_secs: u64,
    ) {
        tracing::warn!(kind, ?channel_id, message, "somebody should look at this");
        let mut alarms = lock(&self.0);
        let key = (kind.to_owned(), channel_id);
        if let Some(alarm) = alarms.get_mut(&key) {
            alarm.message = message;
        } else if alarms.len() < MAX_ALARMS {
            let channel = channel_id.map(Text);
            let alarm =
                Alarm { kind: kind.to_owned(), message, channel_id: channel, since: now_secs };
            alarms.insert(key, alarm);
        }
    }

    /// It is over.
    pub(crate) fn clear(&self, kind: &str, channel_id: Option<ChannelId>) {
        lock(&self.0).remove(&(kind.to_owned(), channel_id));
    }

    /// All that stand, oldest first.
    pub(crate) fn all(&self) -> Vec<Alarm> {
        let mut alarms: Vec<_> = lock(&self.0).values().cloned().collect();
        alarms.sort_by_key(|alarm| alarm.since);
        alarms
    }
}
