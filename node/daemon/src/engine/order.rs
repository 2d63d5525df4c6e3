//! Orders for a driver, and their answers.

use crate::engine::ledger::Reserved;
use lockstep_core::ids::{Sequence, Version};
use lockstep_core::message::RejectReason;
use lockstep_core::update::Action;
use lockstep_rpc::failure::Failure;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Where an answer goes.
pub(crate) type Answered<T> = oneshot::Sender<Result<T, Failure>>;

/// Payments that are taken all, or not at all.
#[derive(Debug)]
pub(crate) struct PayOrder {
    /// Payments, in order; never empty.
    pub(crate) actions: Vec<Action>,
    /// What has to be written with them: the caller's name for them, a token's limit.
    pub(crate) reserved: Reserved,
    /// Told once they are durable.
    pub(crate) answer: Answered<Taken>,
}

/// Payments that are durable here.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The first; the others follow without a gap.
    pub(crate) first: Sequence,
    /// How many.
    pub(crate) count: u32,
    /// Told once none of them waits any more.
    pub(crate) ended: oneshot::Receiver<Tally>,
}

/// What became of some payments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many are final.
    pub(crate) applied: u32,
    /// How many have failed.
    pub(crate) failed: u32,
    /// The version that ended the last of them.
    pub(crate) version: Version,
    /// Why the last failed one did.
    pub(crate) reason: Option<RejectReason>,
}

/// What is known of some payments of ours without the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Those that still wait, as they are.
    pub(crate) pending: BTreeMap<Sequence, Action>,
    /// The last sequence that was ever given out.
    pub(crate) last: Sequence,
}

/// Whoever waits for the end of payments.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    /// By their last sequence.
    waiting: BTreeMap<Sequence, Group>,
    ended: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    first: Sequence,
    left: u32,
    tally: Tally,
    ended: oneshot::Sender<Tally>,
}

impl Outcomes {
    /// Waits for so many payments from a sequence on.
    pub(crate) fn expect(&mut self, first: Sequence, count: u32) -> oneshot::Receiver<Tally> {
        let (ended, receiver) = oneshot::channel();
        let last = first.0.saturating_add(u64::from(count)).saturating_sub(1);
        let group = Group { first, left: count, tally: Tally::default(), ended };
        self.waiting.insert(Sequence(last), group);
        receiver
    }

    /// A payment is final.
    pub(crate) fn applied(&mut self, sequence: Sequence, version: Version) {
        self.count(sequence, |tally| {
            tally.applied = tally.applied.saturating_add(1);
            tally.version = version;
        });
    }

    /// A payment has failed.
    pub(crate) fn failed(&mut self, sequence: Sequence, reason: RejectReason) {
        self.count(sequence, |tally| {
            tally.failed = tally.failed.saturating_add(1);
            tally.reason = Some(reason);
        });
    }

    fn count(&mut self, sequence: Sequence, note: impl FnOnce(&mut Tally)) {
        let found = self.waiting.range_mut(sequence..).next();
        let Some((last, group)) = found.filter(|(_, group)| group.first <= sequence) else {
            return;
        };
        note(&mut group.tally);
        group.left = group.left.saturating_sub(1);
        if group.left > 0 {
            return;
        }
        let last = *last;
        self.ended.extend(self.waiting.remove(&last));
    }

    /// Tells whoever waited for payments that have ended. To be called once the channel's new picture is shown: who is
    /// told that a payment has failed finds its amount to be spent again.
    pub(crate) fn tell(&mut self) {
        for group in self.ended.drain(..) {
            if group.ended.send(group.tally).is_err() {
                tracing::trace!("nobody waits for these payments any more");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_payments_is_told_once_when_all_have_ended_and_it_is_time() {
        let mut outcomes = Outcomes::default();
        let mut first = outcomes.expect(Sequence(1), 2);
        let mut second = outcomes.expect(Sequence(3), 1);
        outcomes.applied(Sequence(2), Version(7));
        outcomes.tell();
        assert!(first.try_recv().is_err());
        outcomes.failed(Sequence(1), RejectReason::NotNow);
        assert!(first.try_recv().is_err());
        outcomes.tell();
        let told = first.try_recv().unwrap();
        assert_eq!((told.applied, told.failed, told.version), (1, 1, Version(7)));
        assert!(second.try_recv().is_err());
        // Of a payment that nobody waits for, and one that has ended already.
        outcomes.applied(Sequence(1), Version(8));
        outcomes.applied(Sequence(9), Version(8));
        outcomes.applied(Sequence(3), Version(8));
        outcomes.tell();
        assert_eq!(second.try_recv().unwrap().applied, 1);
    }
}
