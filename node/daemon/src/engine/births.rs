//! Channels that are being made durable for the first time: one at a time for each id, or two drivers would each keep
//! a record of one channel.

use crate::engine::lock;
use lockstep_core::ids::ChannelId;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Ids of channels on their way into the journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Births(Arc<Mutex<BTreeSet<ChannelId>>>);

/// Held until the channel is in the registry, or nothing came of it.
#[derive(Debug)]
pub(crate) struct Birth {
    births: Births,
    channel_id: ChannelId,
}

impl Births {
    /// Takes an id; none if somebody else is at it.
    pub(crate) fn begin(&self, channel_id: ChannelId) -> Option<Birth> {
        let is_new = lock(&self.0).insert(channel_id);
        is_new.then(|| Birth { births: self.clone(), channel_id })
    }
}

impl Drop for Birth {
    fn drop(&mut self) {
        lock(&self.births.0).remove(&self.channel_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;

    #[test]
    fn p48_one_channel_is_made_once_at_a_time() {
        let births = Births::default();
        let (one, two) = (ChannelId(B256::ZERO), ChannelId(B256::repeat_byte(1)));
        let held = births.begin(one).unwrap();
        assert!(births.begin(one).is_none());
        assert!(births.begin(two).is_some());
        drop(held);
        assert!(births.begin(one).is_some());
    }
}
