//! Log lines that anybody can cause: one a minute, with how many were left out.

use crate::engine::lock;
use std::sync::Mutex;

/// Units: seconds.
const PAUSE_SECS: u64 = 60;

/// When the last line was written, and what has happened since.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Option<Last>>);

#[derive(Clone, Copy, Debug)]
struct Last {
    at_secs: u64,
    left_out: u64,
}

impl Seldom {
    /// Whether a line may be written now; with how many were not since the last one.
    pub(crate) fn may(&self, now_secs: u64) -> Option<u64> {
        let mut last = lock(&self.0);
        if let Some(last) = last.as_mut()
            && now_secs.saturating_sub(last.at_secs) < PAUSE_SECS
        {
            last.left_out = last.left_out.saturating_add(1);
            return None;
        }
        let left_out = last.map_or(0, |last| last.left_out);
        *last = Some(Last { at_secs: now_secs, left_out: 0 });
        Some(left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p63_a_line_that_anybody_can_cause_comes_once_a_minute_with_a_count() {
        let seldom = Seldom::default();
        assert_eq!(seldom.may(100), Some(0));
        for _ in 0..1_000 {
            assert_eq!(seldom.may(159), None);
        }
        assert_eq!(seldom.may(160), Some(1_000));
        assert_eq!(seldom.may(161), None);
        // A clock that was set back: quiet until it has caught up, and nothing is lost.
        assert_eq!(seldom.may(10), None);
        assert_eq!(seldom.may(220), Some(2));
    }
}
