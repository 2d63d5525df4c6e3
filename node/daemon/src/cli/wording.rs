//! How values are said.

use lockstep_rpc::types::{ChannelPhase, PaymentState, Text, TextForm};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Enough of an id to tell channels apart, and enough to name one.
const SHORT: usize = 10;

/// A length of time in its two largest parts.
pub(super) fn duration(secs: u64) -> String {
    let parts = [
        (secs.div_euclid(DAY), "d"),
        (secs.rem_euclid(DAY).div_euclid(HOUR), "h"),
        (secs.rem_euclid(HOUR).div_euclid(MINUTE), "min"),
        (secs.rem_euclid(MINUTE), "s"),
    ];
    let shown: Vec<String> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if shown.is_empty() { "0 s".to_owned() } else { shown.join(" ") }
}

/// A moment in UTC, as `2026-11-23 12:00:00`.
pub(super) fn moment(secs: u64) -> String {
    let (days, second) = (secs.div_euclid(DAY), secs.rem_euclid(DAY));
    let (year, month, day) = date(days);
    let (hour, minute) = (second.div_euclid(HOUR), second.rem_euclid(HOUR).div_euclid(MINUTE));
    let second = second.rem_euclid(MINUTE);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// The beginning of an id.
pub(super) fn short<T: TextForm>(id: &Text<T>) -> String {
    id.to_string().chars().take(SHORT).collect()
}

pub(super) fn phase(phase: ChannelPhase) -> &'static str {
    match phase {
        ChannelPhase::Opening => "opening",
        ChannelPhase::Funding => "funding",
        ChannelPhase::Open => "open",
        ChannelPhase::Closing => "closing",
        ChannelPhase::Disputed => "disputed",
        ChannelPhase::Settled => "settled",
    }
}

pub(super) fn payment(state: PaymentState) -> &'static str {
    match state {
        PaymentState::Pending => "pending",
        PaymentState::Final => "final",
        PaymentState::Failed => "failed",
    }
}

/// Year, month and day of a day since 1970.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    // Days since 0000-03-01, so that the leap day is the last of a year.
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(ERA);
    let day_of_era = days.rem_euclid(ERA);
    let leap_days = |period: u64| day_of_era.div_euclid(period);
    let year_of_era = day_of_era
        .saturating_sub(leap_days(1_460))
        .saturating_add(leap_days(36_524))
        .saturating_sub(leap_days(146_096))
        .div_euclid(365);
    let days_before = year_of_era
        .saturating_mul(365)
        .saturating_add(year_of_era.div_euclid(4))
        .saturating_sub(year_of_era.div_euclid(100));
    let day_of_year = day_of_era.saturating_sub(days_before);
    let shifted_month = day_of_year.saturating_mul(5).saturating_add(2).div_euclid(153);
    let first = shifted_month.saturating_mul(153).saturating_add(2).div_euclid(5);
    let day = day_of_year.saturating_sub(first).saturating_add(1);
    let month = if shifted_month < 10 {
        shifted_month.saturating_add(3)
    } else {
        shifted_month.saturating_sub(9)
    };
    let year = year_of_era.saturating_add(era.saturating_mul(400));
    (if month <= 2 { year.saturating_add(1) } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_said_in_two_parts() {
        for (secs, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3_600, "1 h"),
            (3_661, "1 h 1 min"),
            (86_400 + 5, "1 d"),
            (7 * 86_400 + 3 * 3_600, "7 d 3 h"),
        ] {
            assert_eq!(duration(secs), text);
        }
    }

    #[test]
    fn a_moment_is_a_date_and_a_time() {
        for (secs, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_795_435_200, "2026-11-23 12:00:00"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(moment(secs), text);
        }
    }
}
