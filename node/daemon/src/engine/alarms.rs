//! What somebody should look at, kept until it is over.

pub(crate) mod chain;
mod kind;

pub(crate) use kind::AlarmKind;

use crate::engine::lock;
use lockstep_core::ids::ChannelId;
use lockstep_rpc::types::{Alarm, Text};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Alarms that stand at a time; beyond it the newest are only logged.
const MAX_ALARMS: usize = 256;

/// What the subject of an alarm about L1 begins with.
const ON_L1: &str = "L1 ";

/// What an alarm is about: two of one cause are one alarm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cause {
    pub(crate) kind: AlarmKind,
    pub(crate) channel_id: Option<ChannelId>,
    /// An endpoint or an account, where one of several is meant.
    pub(crate) subject: Option<Box<str>>,
}

impl Cause {
    /// The node as a whole, or one channel.
    pub(crate) fn new(kind: AlarmKind, channel_id: Option<ChannelId>) -> Self {
        Self { kind, channel_id, subject: None }
    }

    /// One endpoint or account.
    pub(crate) fn about(kind: AlarmKind, subject: &dyn std::fmt::Display) -> Self {
        Self { kind, channel_id: None, subject: Some(subject.to_string().into_boxed_str()) }
    }

    /// The same on L1, which has accounts and endpoints of its own.
    pub(crate) fn on_l1(self) -> Self {
        let subject = self.subject.as_deref().unwrap_or_default();
        Self { subject: Some(format!("{ON_L1}{subject}").into_boxed_str()), ..self }
    }

    /// Whether it is about L1.
    pub(crate) fn is_on_l1(&self) -> bool {
        self.subject.as_deref().is_some_and(|subject| subject.starts_with(ON_L1))
    }
}

#[derive(Debug)]
struct Standing {
    alarm: Alarm,
    /// When it was last said. Units: seconds since 1970.
    renewed_secs: u64,
}

/// Alarms by cause.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Mutex<BTreeMap<Cause, Standing>>);

impl Alarms {
    /// Raises an alarm, or renews its words. What stands already is not logged again in the same words.
    pub(crate) fn raise(&self, cause: Cause, message: String, now_secs: u64) {
        let mut alarms = lock(&self.0);
        if let Some(standing) = alarms.get_mut(&cause) {
            standing.renewed_secs = now_secs;
            if standing.alarm.message != message {
                log(&cause, &message);
                standing.alarm.message = message;
            }
            return;
        }
        log(&cause, &message);
        if alarms.len() < MAX_ALARMS {
            let kind = cause.kind.name().to_owned();
            let channel_id = cause.channel_id.map(Text);
            let alarm = Alarm { kind, message, channel_id, since: now_secs };
            alarms.insert(cause, Standing { alarm, renewed_secs: now_secs });
        }
    }

    /// It is over.
    pub(crate) fn clear(&self, kind: AlarmKind, channel_id: Option<ChannelId>) {
        lock(&self.0).remove(&Cause::new(kind, channel_id));
    }

    /// Keeps only what still stands. The second number is how long ago it was last said. Units: seconds.
    pub(crate) fn retain(&self, now_secs: u64, stands: impl Fn(&Cause, u64) -> bool) {
        lock(&self.0).retain(|cause, standing| {
            let is_kept = stands(cause, now_secs.saturating_sub(standing.renewed_secs));
            if !is_kept {
                tracing::info!(
                    kind = cause.kind.name(),
                    channel_id = ?cause.channel_id,
                    "an alarm is over"
                );
            }
            is_kept
        });
    }

    /// All that stand, oldest first.
    pub(crate) fn all(&self) -> Vec<Alarm> {
        let mut alarms: Vec<_> =
            lock(&self.0).values().map(|standing| standing.alarm.clone()).collect();
        alarms.sort_by_key(|alarm| alarm.since);
        alarms
    }

    /// How many of each kind stand, in the order of [`AlarmKind::ALL`].
    pub(crate) fn counts(&self) -> Vec<(AlarmKind, usize)> {
        let alarms = lock(&self.0);
        let count = |kind| alarms.keys().filter(|cause| cause.kind == kind).count();
        AlarmKind::ALL.into_iter().map(|kind| (kind, count(kind))).collect()
    }
}

fn log(cause: &Cause, message: &str) {
    let (kind, channel_id) = (cause.kind.name(), cause.channel_id);
    tracing::warn!(kind, ?channel_id, message, "somebody should look at this");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_of_one_cause_are_one_and_of_two_endpoints_are_two() {
        let alarms = Alarms::default();
        for (endpoint, message) in [("one", "down"), ("two", "down"), ("one", "still down")] {
            let cause = Cause::about(AlarmKind::EndpointDown, &endpoint);
            alarms.raise(cause, message.to_owned(), 7);
        }
        let messages: Vec<_> = alarms.all().into_iter().map(|alarm| alarm.message).collect();
        assert_eq!(messages, ["still down", "down"]);
        let counted = alarms.counts();
        assert!(counted.contains(&(AlarmKind::EndpointDown, 2)));
        assert!(counted.iter().all(|(kind, n)| (*n > 0) == (*kind == AlarmKind::EndpointDown)));
    }

    #[test]
    fn an_alarm_ends_when_its_cause_does_and_keeps_its_first_time() {
        let alarms = Alarms::default();
        let cause = Cause::new(AlarmKind::ReserveLow, None);
        alarms.raise(cause.clone(), "low".to_owned(), 100);
        alarms.raise(cause, "low".to_owned(), 500);
        alarms.retain(600, |_, age| age <= 100);
        assert_eq!(alarms.all().first().map(|alarm| alarm.since), Some(100));
        alarms.retain(601, |_, age| age <= 100);
        assert!(alarms.all().is_empty());
    }

    #[test]
    fn every_kind_of_alarm_is_explained_to_operators() {
        let book = include_str!("../../../../docs/operating.md");
        for kind in AlarmKind::ALL {
            let name = kind.name();
            assert!(book.contains(&format!("| `{name}` |")), "{name} is not in docs/operating.md");
        }
    }

    #[test]
    fn p66_alarms_have_a_limit() {
        let alarms = Alarms::default();
        for number in 0..1_000 {
            let cause = Cause::about(AlarmKind::EndpointDown, &number);
            alarms.raise(cause, "down".to_owned(), 1);
        }
        assert_eq!(alarms.all().len(), MAX_ALARMS);
    }
}
