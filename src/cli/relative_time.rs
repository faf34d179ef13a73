//! Formats times relative to now, such as "5 min ago" or "in 3 days", or as a date if they are more than a month away.

use std::time::Duration;

use crate::domain::time::Timestamp;

// Lengths of the units, in seconds.
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Minimum distance from now, in seconds, at which a time is shown as a date.
const DATE_THRESHOLD: u64 = 31 * DAY;

/// Formats a time relative to now, past or future.
pub(super) fn relative_time(at: Timestamp, now: Timestamp) -> String {
    let (past, future) = (now.since(at), at.since(now));
    match future > past {
        true => format_distance(future).map(|length| format!("in {length}")),
        false if past.as_secs() < MINUTE => Some("just now".to_owned()),
        false => format_distance(past).map(|length| format!("{length} ago")),
    }
    .unwrap_or_else(|| date_text(at))
}

/// Formats a timestamp from the API relative to now. Returns any other text unchanged.
pub(super) fn relative_text(text: Option<&str>, now: Timestamp) -> String {
    let text = text.unwrap_or_default();
    Timestamp::parse(text).map_or_else(|| text.to_owned(), |at| relative_time(at, now))
}

fn format_distance(length: Duration) -> Option<String> {
    let seconds = length.as_secs();
    let plural = |count: u64| format!("{count} day{}", if count == 1 { "" } else { "s" });
    match seconds {
        0..MINUTE => Some("less than a minute".to_owned()),
        MINUTE..HOUR => Some(format!("{} min", seconds / MINUTE)),
        HOUR..DAY => Some(format!("{} h", seconds / HOUR)),
        DAY..DATE_THRESHOLD => Some(plural(seconds / DAY)),
        _ => None,
    }
}

/// Returns the date in UTC, as in 2026-11-30.
fn date_text(at: Timestamp) -> String {
    at.to_string().chars().take("2026-11-30".len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_relative_until_they_are_far_away() {
        let now = Timestamp::parse("2026-11-30T12:00:00Z").expect("a time");
        for (text, expected) in [
            ("2026-11-30T11:59:30Z", "just now"),
            ("2026-11-30T11:55:00Z", "5 min ago"),
            ("2026-11-30T09:00:00Z", "3 h ago"),
            ("2026-11-29T11:00:00Z", "1 day ago"),
            ("2026-11-10T12:00:00Z", "20 days ago"),
            ("2026-10-01T12:00:00Z", "2026-10-01"),
            ("2026-11-30T12:00:20Z", "in less than a minute"),
            ("2026-12-03T12:00:00Z", "in 3 days"),
            ("2027-12-03T12:00:00Z", "2027-12-03"),
            ("soon", "soon"),
        ] {
            assert_eq!(relative_text(Some(text), now), expected, "{text}");
        }
        assert_eq!(relative_text(None, now), "");
    }
}
