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

/// What became of the link while nobody could be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missed<Id, Link> {
    Came(Link),
    Went(Id),
}

/// From the link that a driver began with to the one that stands now.
pub(crate) fn missed<Id: PartialEq, Link>(
    told: Option<Id>,
    now: Option<(Id, Link)>,
) -> Option<Missed<Id, Link>> {
    match (told, now) {
        (told, Some((id, link))) => (told != Some(id)).then_some(Missed::Came(link)),
        (Some(gone), None) => Some(Missed::Went(gone)),
        (None, None) => None,
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

    #[test]
    fn a_link_that_comes_or_goes_while_a_driver_is_born_is_told_to_it_and_one_that_stays_is_not() {
        assert_eq!(missed::<u8, ()>(None, None), None);
        assert_eq!(missed(Some(1), Some((1, "one"))), None);
        assert_eq!(missed(None, Some((1, "one"))), Some(Missed::Came("one")));
        assert_eq!(missed(Some(1), Some((2, "two"))), Some(Missed::Came("two")));
        assert_eq!(missed::<_, ()>(Some(1), None), Some(Missed::Went(1)));
    }
}
