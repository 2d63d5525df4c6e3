//! Where a test makes a driver break down. Nothing of this is in a build without the feature `testing`.

use crate::engine::lock;
use crate::engine::start::Engine;
use lockstep_core::ids::ChannelId;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Channels whose drivers break down once, between what their journal holds and what follows from it.
#[derive(Debug, Default)]
pub(crate) struct Failpoint(Mutex<BTreeSet<ChannelId>>);

impl Failpoint {
    /// Breaks down, if that was ordered for this channel.
    ///
    /// # Panics
    /// Then.
    #[expect(clippy::panic, reason = "that is what it is for")]
    pub(crate) fn pass(&self, channel_id: ChannelId) {
        let is_ordered = lock(&self.0).remove(&channel_id);
        if is_ordered {
            panic!("a test makes the driver of {channel_id} break down");
        }
    }
}

impl Engine {
    /// Lets a channel's driver panic once: after its next record is durable, before anything follows from it.
    pub fn break_after_commit(&self, channel_id: ChannelId) {
        lock(&self.shared.failpoint.0).insert(channel_id);
    }

    /// Whether that is still to come.
    #[must_use]
    pub fn is_to_break(&self, channel_id: ChannelId) -> bool {
        lock(&self.shared.failpoint.0).contains(&channel_id)
    }
}
